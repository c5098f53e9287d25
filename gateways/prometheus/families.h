// The metrics: their names, labels, meaning, and how they come from what a collector knows. docs/metrics.md has the
// same list; tests/metrics_gateway/exposition.golden pins it.
#ifndef WEIR_GATEWAYS_PROMETHEUS_FAMILIES_H_
#define WEIR_GATEWAYS_PROMETHEUS_FAMILIES_H_

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gateways/prometheus/ledger.h"

namespace weir::gateway {

// A domain as a collector sees it at one moment.
struct DomainState {
  bool up = false;        // it is there and can be read
  bool readable = false;  // what the ledger says is of now; also if the domain is not there, which is known then
  const DomainLedger* ledger = nullptr;
};

// What a collector says of itself.
struct CollectorState {
  double seconds = 0;        // that it took to look at the domains
  uint64_t collections = 0;  // with this one
  uint64_t errors = 0;       // domains that could not be read, over all collections
  uint64_t omitted_domains = 0;
};

// By domain name.
std::vector<prometheus::MetricFamily> MakeFamilies(const std::map<std::string, DomainState>& domains,
                                                   const CollectorState& collector);

}  // namespace weir::gateway

#endif  // WEIR_GATEWAYS_PROMETHEUS_FAMILIES_H_
