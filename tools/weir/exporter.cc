// weir exporter: serves the metrics of domains to Prometheus.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tools/weir/commands.h"
#include "tools/weir/metrics_server.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"

namespace weir::tool {
namespace {

struct Options {
  std::string listen = kDefaultMetricsAddress;
  MetricsOptions metrics = {};
  double stay_s = absl::ToDoubleSeconds(MetricsOptions{}.stay);
};

absl::StatusOr<ExitCode> RunExporter(const Globals& globals, const Options& options) {
  MetricsOptions metrics = options.metrics;
  if (metrics.domains.empty() && globals.domain_given) metrics.domains = {globals.domain};
  metrics.root = globals.root;
  metrics.stay = absl::Seconds(options.stay_s);
  auto collector = MetricsCollector::Create(metrics);
  if (!collector.ok()) return collector.status();
  auto server = MetricsServer::Start(options.listen, *std::move(collector));
  if (!server.ok()) return server.status();
  Out().Line(absl::StrCat("serving metrics at ", (*server)->url()));
  Out().Flush();
  while (SleepUnlessStopped(absl::Hours(1))) {
  }
  return kOk;
}

}  // namespace

void AddExporter(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("exporter", "Serves metrics to Prometheus");
  command
      ->add_option("--listen", options->listen,
                   absl::StrCat("Where; port 0 is any free one (default: ", kDefaultMetricsAddress, ")"))
      ->type_name("HOST:PORT");
  command
      ->add_option("-d,--domain", options->metrics.domains, "A domain; may be repeated (default: all under the root)")
      ->type_name("NAME");
  command->add_option("--stay", options->stay_s, "How long the series of what is dead go on (default: 300)")
      ->type_name("SECONDS");
  command->add_option("--topics-max", options->metrics.topics_max, "Export no more topics of a domain (default: 256)")
      ->type_name("N");
  command
      ->add_option("--endpoints-max", options->metrics.endpoints_max,
                   "Export no more endpoints of a domain (default: 1024)")
      ->type_name("N");
  command->footer("\nMetrics are at /metrics and are listed in docs/metrics.md. Ends with SIGTERM or Ctrl-C.");
  command->callback(
      [&run, options] { run = [options](const Globals& globals) { return RunExporter(globals, *options); }; });
}

}  // namespace weir::tool
