// weir_demo: Weir at work on the machine it runs on. `weir_demo --help` says what it can do; `publish` and `subscribe`
// are how it starts its other processes.
#include <sys/prctl.h>
#include <sys/types.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "tools/demo_program/judge.h"
#include "tools/demo_program/line_view.h"
#include "tools/demo_program/publisher_process.h"
#include "tools/demo_program/scenario.h"
#include "tools/demo_program/stop_signals.h"
#include "tools/demo_program/subscriber_process.h"
#include "tools/demo_program/summary.h"
#include "tools/demo_program/terminal_view.h"

namespace {

using namespace weir::demo;

constexpr char kPublishCommand[] = "publish", kSubscribeCommand[] = "subscribe";
constexpr double kSecondsDefault = 12, kSecondsOnce = 4, kSecondsMax = 86400;

int RunDemo(double seconds, bool plain) {
  BlockStopSignals();
  std::unique_ptr<View> view;
  if (!plain) view = TerminalView::Open();
  if (!view) view = std::make_unique<LineView>();
  const Record record = Scenario(seconds, *view).Play();
  const bool with_events = view->IsTransient();
  view.reset();  // gives the terminal back

  const std::vector<Finding> findings = Judge(record);
  PrintSummary(record, findings, with_events);
  if (!std::all_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.ok; })) return 1;
  return record.stopped_by == 0 ? 0 : 128 + record.stopped_by;
}

template <class Run>
int RunChild(const char* name, pid_t parent, Run&& run) {
  prctl(PR_SET_NAME, name);  // for ps, and for messages that name a process
  if (!BlockStopSignalsOfChild(parent)) return 1;
  const absl::Status status = run();
  if (!status.ok()) absl::FPrintF(stderr, "%s\n", status.message());
  return status.ok() ? 0 : 1;
}

// The other processes, as Scenario starts them.
int ChildMain(int argc, char** argv) {
  CLI::App app("A process of the demo", "weir_demo");
  pid_t parent = 0;
  std::string domain;
  Role role = Role::kSteady;
  const std::map<std::string, Role> roles = {{"steady", Role::kSteady}, {"late", Role::kLate}};
  CLI::App* publish = app.add_subcommand(kPublishCommand);
  CLI::App* subscribe = app.add_subcommand(kSubscribeCommand);
  for (CLI::App* child : {publish, subscribe}) {
    child->add_option("--domain", domain)->required();
    child->add_option("--parent", parent)->required();
  }
  subscribe->add_option("--role", role)->required()->transform(CLI::CheckedTransformer(roles));
  CLI11_PARSE(app, argc, argv);

  if (*publish) return RunChild("demo publisher", parent, [&] { return RunPublisher(domain); });
  return RunChild(role == Role::kSteady ? "demo steady" : "demo late", parent,
                  [&] { return RunSubscriber(domain, role); });
}

int ParentMain(int argc, char** argv) {
  CLI::App app(
      "Weir at work: one process publishes what /proc says (100 Hz) and a picture of 1 MiB (30 Hz), two others\n"
      "subscribe, one of them late. One is killed while it holds messages. A live table shows it all; a summary\n"
      "says whether everything was as it should be (exit code 0) or not (1).",
      "weir_demo");
  double seconds = kSecondsDefault;
  bool once = false;
  CLI::Option* seconds_option = app.add_option("--seconds", seconds, "How long to run, at least 3 (default: 12)")
                                    ->type_name("N")
                                    ->check(CLI::Range(Scenario::kSecondsMin, kSecondsMax).description(""));
  app.add_flag("--once", once, "For scripts: plain lines; 4 seconds if not said otherwise");
  CLI11_PARSE(app, argc, argv);
  if (once && seconds_option->count() == 0) seconds = kSecondsOnce;
  return RunDemo(seconds, once);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  try {
    return first == kPublishCommand || first == kSubscribeCommand ? ChildMain(argc, argv) : ParentMain(argc, argv);
  } catch (const std::exception& error) {
    absl::FPrintF(stderr, "weir_demo: %s\n", error.what());
    return 1;
  }
}
