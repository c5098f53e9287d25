// Weir's domains as Prometheus metrics, for a program that serves them with a prometheus::Exposer of its own:
//
//   auto collector = weir::MetricsCollector::Create({.domains = {"lab"}});
//   prometheus::Exposer exposer("127.0.0.1:19347");
//   exposer.RegisterCollectable(*collector);  // keeps a weak pointer: keep the collector
//
// `weir exporter` is such a program. docs/metrics.md lists the metrics. What is exported are whole domains, with all
// that other processes do in them, so one collector per machine is enough.
//
// Looks from outside, as <weir/inspect.h> does: it is no member of the domains, takes no lock, writes nothing, and
// works on processes that hang, are stopped or were killed.
//
// Counters do not go back while the collector lives, whatever comes, goes or is killed. The counters of a topic are
// those of all endpoints it ever had.
//
// Threads: all members may be called from any thread; collections take turns. Blocks: for another collection; makes
// system calls (as Inspector::Look, per domain) and allocates. Fork: a collector made before must not be used in the
// child.
#ifndef WEIR_METRICS_COLLECTOR_H_
#define WEIR_METRICS_COLLECTOR_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "weir/internal/export.h"

namespace weir {

struct MetricsOptions {
  // Empty: all domains under the root, looked for at each collection.
  std::vector<std::string> domains = {};
  std::string root = {};  // as NodeOptions::root
  // How long the series of what is dead or gone go on: of a killed node and its endpoints whose entries nobody has
  // cleaned up, of a topic without endpoints, of a domain that was found under the root and is not there any more.
  // (Series of an endpoint that was closed, or cleaned up after, end at once.) 0 to 24 h.
  absl::Duration stay = absl::Minutes(5);
  // No more than so many are exported; how many were left out is a metric. Each 1 to 10,000. A domain has 54
  // series per topic, 13 per endpoint, and 2 per node.
  uint32_t domains_max = 16;
  uint32_t topics_max = 256;      // per domain
  uint32_t endpoints_max = 1024;  // per domain
  uint32_t nodes_max = 256;       // per domain
};

class WEIR_EXPORT MetricsCollector : public prometheus::Collectable {
 public:
  // InvalidArgument: an option. A domain that is not there, or cannot be read, is no error: that is a metric.
  static absl::StatusOr<std::shared_ptr<MetricsCollector>> Create(const MetricsOptions& options = {});

  ~MetricsCollector() override;

  // How things are now.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Impl;
  explicit MetricsCollector(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace weir

#endif  // WEIR_METRICS_COLLECTOR_H_
