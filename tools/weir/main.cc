// weir: looks at domains, and reads and writes their topics. `weir --help` says how.
#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <string>

#include "tools/weir/commands.h"
#include "tools/weir/exit_code.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"

namespace {

using namespace weir::tool;

constexpr char kFooter[] =
    "\nExit codes:\n"
    "  0    done; also when Ctrl-C ended what has no end of its own\n"
    "  1    an error; of doctor: there are findings\n"
    "  2    the command line is wrong\n"
    "  3    no such domain, topic, field or type\n"
    "  4    the time given by --timeout or --for was over, and nothing had come\n"
    "  130  Ctrl-C came before what was asked for was done\n"
    "\nEnvironment:\n"
    "  WEIR_ROOT  the directory of the domains, if --root is not given\n"
    "  NO_COLOR   no colours, also on a terminal\n"
    "\n`weir COMMAND --help` describes a command.";

int Main(int argc, char** argv) {
  CLI::App app("Looks at Weir's domains, and reads and writes their topics", "weir");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("weir ") + WEIR_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // the options below may also stand behind the subcommand

  Globals globals;
  CLI::Option* domain =
      app.add_option("-d,--domain", globals.domain, "The domain (default: default)")->type_name("NAME");
  app.add_option("--root", globals.root,
                 "The directory that holds the domains (default: $WEIR_ROOT, else "
                 "/dev/shm/weir-<uid>)")
      ->type_name("DIR");
  Run run;
  for (const auto add :
       {AddLs, AddInfo, AddGraph, AddEcho, AddPub, AddHz, AddBw, AddLatency, AddTop, AddDoctor, AddCompletion}) {
    add(app, run);
  }
#if WEIR_HAS_METRICS
  AddExporter(app, run);
#endif
  for (CLI::App* command : app.get_subcommands({})) command->fallthrough();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  globals.domain_given = domain->count() > 0;

  WatchStopSignals();
  const absl::StatusOr<ExitCode> code = run(globals);
  Out().Flush();
  if (code.ok()) return *code;
  // Who stopped it knows.
  if (!absl::IsCancelled(code.status())) std::cerr << "weir: " << code.status().message() << "\n";
  return ExitCodeOf(code.status());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "weir: " << error.what() << "\n";
    return kError;
  }
}
