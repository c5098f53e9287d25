// The subcommands. Each Add... describes its options to the parser; if its subcommand was chosen, `run` is set to what
// the tool then does.
#ifndef WEIR_TOOLS_WEIR_COMMANDS_H_
#define WEIR_TOOLS_WEIR_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "tools/weir/exit_code.h"

namespace weir::tool {

// What stands before or behind every subcommand.
struct Globals {
  std::string domain = "default";
  bool domain_given = false;
  std::string root = {};  // as NodeOptions::root
};

// An error is printed by main() and becomes the exit code that fits it.
using Run = std::function<absl::StatusOr<ExitCode>(const Globals&)>;

void AddLs(CLI::App& app, Run& run);
void AddInfo(CLI::App& app, Run& run);
void AddGraph(CLI::App& app, Run& run);
void AddEcho(CLI::App& app, Run& run);
void AddPub(CLI::App& app, Run& run);
void AddHz(CLI::App& app, Run& run);
void AddBw(CLI::App& app, Run& run);
void AddLatency(CLI::App& app, Run& run);
void AddTop(CLI::App& app, Run& run);
void AddDoctor(CLI::App& app, Run& run);
void AddCompletion(CLI::App& app, Run& run);
void AddExporter(CLI::App& app, Run& run);  // in builds with WEIR_BUILD_METRICS

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_COMMANDS_H_
