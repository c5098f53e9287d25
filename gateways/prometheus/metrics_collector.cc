#include "weir/metrics_collector.h"

#include <weir/inspect.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gateways/prometheus/families.h"
#include "gateways/prometheus/ledger.h"

namespace weir {
namespace {

using gateway::CollectorState;
using gateway::DomainLedger;
using gateway::DomainState;
using gateway::LedgerLimits;

constexpr absl::Duration kStayMax = absl::Hours(24);
constexpr uint32_t kCountMax = 10'000;

uint64_t NowNs() {
  return static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

absl::Status CheckCount(const char* option, uint32_t value) {
  if (value >= 1 && value <= kCountMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, " is ", value, "; it must be 1 to ", kCountMax));
}

// A domain, present or not.
class Watched {
 public:
  explicit Watched(const LedgerLimits& limits) : ledger_(limits) {}

  // Ok also if it is not there.
  absl::Status Look(const InspectorOptions& where, uint64_t now_ns) {
    absl::StatusOr<DomainSnapshot> domain = LookAt(where);
    state_ = {.up = domain.ok(), .readable = domain.ok() || absl::IsNotFound(domain.status()), .ledger = &ledger_};
    if (!state_.readable) return domain.status();
    if (state_.up) seen_ns_ = now_ns;
    ledger_.Update(domain.ok() ? *std::move(domain) : DomainSnapshot{}, now_ns);
    return absl::OkStatus();
  }

  const DomainState& state() const { return state_; }
  uint64_t seen_ns() const { return seen_ns_; }

 private:
  absl::StatusOr<DomainSnapshot> LookAt(const InspectorOptions& where) {
    if (!inspector_.has_value()) {
      absl::StatusOr<Inspector> inspector = Inspector::Open(where);
      if (!inspector.ok()) return inspector.status();
      inspector_ = *std::move(inspector);
    }
    absl::StatusOr<DomainSnapshot> domain = inspector_->Look();
    if (!domain.ok()) inspector_.reset();  // opened anew next time, whatever it was
    return domain;
  }

  DomainLedger ledger_;
  DomainState state_;
  std::optional<Inspector> inspector_;
  uint64_t seen_ns_ = 0;
};

}  // namespace

struct MetricsCollector::Impl {
  explicit Impl(const MetricsOptions& chosen)
      : options(chosen),
        limits{.stay_ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(chosen.stay)),
               .topics_max = chosen.topics_max,
               .endpoints_max = chosen.endpoints_max,
               .nodes_max = chosen.nodes_max} {}

  std::vector<prometheus::MetricFamily> Collect() {
    const uint64_t start_ns = NowNs();
    ++state.collections;
    FindDomains(start_ns);
    std::map<std::string, DomainState> domains;
    for (auto& [name, watched] : watched_domains) {
      if (!watched.Look({.domain = name, .root = options.root}, start_ns).ok()) ++state.errors;
      domains.emplace(name, watched.state());
    }
    state.seconds = static_cast<double>(NowNs() - start_ns) / 1e9;
    return gateway::MakeFamilies(domains, state);
  }

  void FindDomains(uint64_t now_ns) {
    state.omitted_domains = 0;
    std::vector<std::string> names = options.domains;
    if (options.domains.empty()) {
      absl::StatusOr<std::vector<std::string>> found = ListDomains(options.root);
      if (found.ok()) names = *std::move(found);
      if (!found.ok() && !absl::IsNotFound(found.status())) ++state.errors;
      std::erase_if(watched_domains, [&](const auto& one) {
        const bool is_there = std::find(names.begin(), names.end(), one.first) != names.end();
        return !is_there && now_ns - one.second.seen_ns() > limits.stay_ns;
      });
    }
    for (const std::string& name : names) {
      if (watched_domains.contains(name)) continue;
      if (watched_domains.size() < options.domains_max) {
        watched_domains.try_emplace(name, limits);
      } else {
        ++state.omitted_domains;
      }
    }
  }

  const MetricsOptions options;
  const LedgerLimits limits;
  std::mutex mutex;  // guards what follows
  std::map<std::string, Watched> watched_domains;
  CollectorState state;
};

absl::StatusOr<std::shared_ptr<MetricsCollector>> MetricsCollector::Create(const MetricsOptions& options) {
  if (options.stay < absl::ZeroDuration() || options.stay > kStayMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("stay is ", absl::FormatDuration(options.stay), "; it must be 0 to 24 h"));
  }
  for (const auto& [option, value] :
       {std::pair("domains_max", options.domains_max), std::pair("topics_max", options.topics_max),
        std::pair("endpoints_max", options.endpoints_max), std::pair("nodes_max", options.nodes_max)}) {
    if (absl::Status status = CheckCount(option, value); !status.ok()) return status;
  }
  for (const std::string& domain : options.domains) {
    const absl::Status status = Inspector::Open({.domain = domain, .root = options.root}).status();
    if (absl::IsInvalidArgument(status)) return status;
  }
  return std::shared_ptr<MetricsCollector>(new MetricsCollector(std::make_unique<Impl>(options)));
}

MetricsCollector::MetricsCollector(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsCollector::~MetricsCollector() = default;

std::vector<prometheus::MetricFamily> MetricsCollector::Collect() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->Collect();
}

}  // namespace weir
