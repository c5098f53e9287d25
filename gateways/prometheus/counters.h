// Which numbers of an endpoint's counts are counters, that is only grow, and what follows from it.
#ifndef WEIR_GATEWAYS_PROMETHEUS_COUNTERS_H_
#define WEIR_GATEWAYS_PROMETHEUS_COUNTERS_H_

#include <weir/counts.h>
#include <weir/inspect.h>
#include <weir/latency_histogram.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace weir::gateway {

inline constexpr uint64_t PublisherCounts::*kPublisherCounters[] = {
    &PublisherCounts::published,       &PublisherCounts::published_bytes, &PublisherCounts::pushed,
    &PublisherCounts::evicted,         &PublisherCounts::refused_full,    &PublisherCounts::refused_timed_out,
    &PublisherCounts::refused_corrupt, &PublisherCounts::blocked_ns,      &PublisherCounts::wakeups,
    &PublisherCounts::loans,           &PublisherCounts::loans_refused,   &PublisherCounts::reclaim_passes,
    &PublisherCounts::reclaimed_slots};

inline constexpr uint64_t SubscriberCounts::*kSubscriberCounters[] = {
    &SubscriberCounts::taken,        &SubscriberCounts::taken_bytes, &SubscriberCounts::delivered,
    &SubscriberCounts::from_history, &SubscriberCounts::invalid,     &SubscriberCounts::duplicate,
    &SubscriberCounts::missed,       &SubscriberCounts::torn,        &SubscriberCounts::refused_held,
    &SubscriberCounts::sleeps,       &SubscriberCounts::removed};

// The largest values are no counters, but do not get smaller either.
inline constexpr uint64_t PublisherCounts::*kPublisherMaxima[] = {&PublisherCounts::message_bytes_max};
inline constexpr uint64_t SubscriberCounts::*kSubscriberMaxima[] = {&SubscriberCounts::queued_max};

// Calls each(a counter of `to`, the same of `from`).
template <class Each>
void ForEachCounter(PublisherCounts& to, const PublisherCounts& from, Each each) {
  for (const auto counter : kPublisherCounters) each(to.*counter, from.*counter);
}
template <class Each>
void ForEachCounter(SubscriberCounts& to, const SubscriberCounts& from, Each each) {
  for (const auto counter : kSubscriberCounters) each(to.*counter, from.*counter);
}
template <class Each>
void ForEachCounter(LatencyHistogram& to, const LatencyHistogram& from, Each each) {
  for (size_t i = 0; i < to.buckets.size(); ++i) each(to.buckets[i], from.buckets[i]);
  each(to.sum_ns, from.sum_ns);
}
template <class Each>
void ForEachCounter(TopicCounts& to, const TopicCounts& from, Each each) {
  each(to.unreadable, from.unreadable);
  ForEachCounter(to.published, from.published, each);
  ForEachCounter(to.received, from.received, each);
  ForEachCounter(to.latency, from.latency, each);
}

inline void KeepMaxima(PublisherCounts& counts, const PublisherCounts& before) {
  for (const auto maximum : kPublisherMaxima) counts.*maximum = std::max(counts.*maximum, before.*maximum);
}
inline void KeepMaxima(SubscriberCounts& counts, const SubscriberCounts& before) {
  for (const auto maximum : kSubscriberMaxima) counts.*maximum = std::max(counts.*maximum, before.*maximum);
}
inline void KeepMaxima(LatencyHistogram&, const LatencyHistogram&) {}
inline void KeepMaxima(TopicCounts& counts, const TopicCounts& before) {
  KeepMaxima(counts.published, before.published);
  KeepMaxima(counts.received, before.received);
}

// No counter lower than it was. Something that could not be read this time makes one lower.
template <class Counts>
void KeepAtLeast(Counts& counts, const Counts& before) {
  ForEachCounter(counts, before, [](uint64_t& now, uint64_t then) { now = std::max(now, then); });
  KeepMaxima(counts, before);
}

// Adds the counters of `more`; levels stay as they are.
template <class Counts>
void AddCounters(Counts& counts, const Counts& more) {
  ForEachCounter(counts, more, [](uint64_t& sum, uint64_t part) { sum += part; });
  KeepMaxima(counts, more);
}

}  // namespace weir::gateway

#endif  // WEIR_GATEWAYS_PROMETHEUS_COUNTERS_H_
