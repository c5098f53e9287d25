// Serves a collector's metrics over HTTP at /metrics. The seam to prometheus-cpp's Exposer and its civetweb: what they
// throw ends here.
#ifndef WEIR_TOOLS_WEIR_METRICS_SERVER_H_
#define WEIR_TOOLS_WEIR_METRICS_SERVER_H_

#include <prometheus/exposer.h>
#include <weir/metrics_collector.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::tool {

// One that no exporter is known to have: Prometheus' list of default ports holds most numbers from 9100 to 9999.
inline constexpr char kDefaultMetricsAddress[] = "127.0.0.1:19347";

class MetricsServer {
 public:
  // `address` is host:port, where the host is an IPv4 address, an IPv6 address in brackets, `localhost`, or empty for
  // all IPv4 addresses, and port 0 is any free one. Starts threads; they inherit the caller's signal mask.
  // InvalidArgument: the address. Unavailable: it cannot be had, for example because the port is in use.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(std::string_view address,
                                                              std::shared_ptr<MetricsCollector> collector);

  // Where it listens.
  const std::string& url() const { return url_; }

 private:
  MetricsServer() = default;

  std::shared_ptr<MetricsCollector> collector_;
  std::unique_ptr<prometheus::Exposer> exposer_;  // destroyed first: it waits for the scrapes that are under way
  std::string url_;
};

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_METRICS_SERVER_H_
