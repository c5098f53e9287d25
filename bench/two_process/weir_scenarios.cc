// Weir, through its public API and nothing else.
#include <weir/weir.h>

#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/two_process/exchange.h"
#include "bench/two_process/scenario.h"

namespace weir::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

struct Choice {
  std::string name;
  bool exclusive = false;
  WhenFull when_full = WhenFull::kOverwriteOldest;
  Metrics metrics = Metrics::kOn;  // of both sides
  uint32_t stamp_every = 1;
};

PublisherOptions PublisherOptionsOf(const Choice& choice) {
  PublisherOptions options;
  options.topic.exclusive = choice.exclusive;
  options.metrics = choice.metrics;
  options.stamp_every = choice.stamp_every;
  return options;
}

// How a message of type T is made from a payload, and read. Bytes carry it in front; the rest is not touched.
template <class T>
struct Carrier;

template <>
struct Carrier<Payload> {
  static auto Loan(Publisher<Payload>& publisher, uint64_t) { return publisher.Loan(); }
  static Payload& Out(weir::Loan<Payload>& loan) { return loan.value(); }
  static const Payload& In(const Sample<Payload>& sample) { return sample.value(); }
};

template <>
struct Carrier<Bytes> {
  static auto Loan(Publisher<Bytes>& publisher, uint64_t bytes) { return publisher.Loan(bytes); }
  static Payload& Out(weir::Loan<Bytes>& loan) { return *reinterpret_cast<Payload*>(loan.bytes().data()); }
  static const Payload& In(const Sample<Bytes>& sample) {
    return *reinterpret_cast<const Payload*>(sample.bytes().data());
  }
};

template <class T>
absl::StatusOr<Published> Send(Publisher<T>& publisher, uint64_t bytes, uint64_t number, uint64_t ticks) {
  auto loan = Carrier<T>::Loan(publisher, bytes);
  if (!loan.ok()) return loan.status();
  Fill(Carrier<T>::Out(*loan), number, ticks);
  return publisher.Publish(*std::move(loan));
}

absl::Status NoSample(Outcome why, const absl::Status& last_error) {
  return absl::InternalError(
      absl::StrCat("a take brought no sample: ", OutcomeName(why), " ", last_error.ok() ? "" : last_error.message()));
}

// Two topics, one in each direction.
template <class T>
class WeirLatency final : public Scenario {
 public:
  WeirLatency(Group group, uint64_t bytes, const Choice& choice)
      : Scenario(group, choice.name, bytes), choice_(choice) {}

  bool is_lossless() const override { return true; }  // at most one message is under way

  absl::Status Run(const Round& round) override {
    const bool first = round.side == Side::kFirst;
    const std::string there = absl::StrCat("bench/", round.number, "/there");
    const std::string back = absl::StrCat("bench/", round.number, "/back");
    SubscriberOptions subscriber_options;
    subscriber_options.topic.exclusive = choice_.exclusive;
    subscriber_options.when_full = choice_.when_full;
    subscriber_options.metrics = choice_.metrics;
    auto publisher = round.node->CreatePublisher<T>(first ? there : back, PublisherOptionsOf(choice_));
    if (!publisher.ok()) return publisher.status();
    auto subscriber = round.node->CreateSubscriber<T>(first ? back : there, subscriber_options);
    if (!subscriber.ok()) return subscriber.status();
    if (absl::Status status = publisher->WaitForSubscribers(1, kPatience); !status.ok()) return status;

    const auto send = [&](uint64_t number, uint64_t ticks) {
      return Send(*publisher, bytes(), number, ticks).status();
    };
    const auto note = [](const Taken<T>& taken, Received& got) {
      const Payload& payload = Carrier<T>::In(*taken);
      got = {.number = payload.number, .sent_ticks = payload.sent_ticks, .is_whole = IsWhole(payload)};
      return absl::OkStatus();
    };
    absl::Status status;
    if (group() == Group::kSleeping) {
      const auto receive = [&](Received& got) {
        auto taken = subscriber->TakeFor(kPatience);
        return taken ? note(taken, got) : NoSample(taken.why(), subscriber->last_error());
      };
      status = PingAfterSleep(round, send, receive, kSleepPauseNs);
    } else {
      const auto receive = [&](Received& got) {
        for (;;) {
          auto taken = subscriber->Take();
          if (taken) return note(taken, got);
          if (taken.why() != Outcome::kEmpty) return NoSample(taken.why(), subscriber->last_error());
        }
      };
      status = PingPong(round, send, receive);
    }
    round.result->counted_missed = subscriber->counts().missed;
    round.result->reclaim_passes = publisher->counts().reclaim_passes;
    round.Meet();  // nobody closes while the other is still measuring
    return status;
  }

 private:
  Choice choice_;
};

class WeirThroughput final : public Scenario {
 public:
  WeirThroughput(const Choice& choice, uint32_t depth)
      : Scenario(Group::kThroughput, choice.name, sizeof(Payload)), choice_(choice), depth_(depth) {}

  bool is_lossless() const override { return choice_.when_full != WhenFull::kOverwriteOldest; }

  absl::Status Run(const Round& round) override {
    const std::string topic = absl::StrCat("bench/", round.number);
    if (round.side == Side::kFirst) {
      auto publisher = round.node->CreatePublisher<Payload>(topic, PublisherOptionsOf(choice_));
      if (!publisher.ok()) return publisher.status();
      if (absl::Status status = publisher->WaitForSubscribers(1, kPatience); !status.ok()) return status;
      uint64_t refused = 0;
      const absl::Status status = Produce(round, [&](uint64_t number) {
        for (;;) {
          auto sent = Send(*publisher, sizeof(Payload), number, 0);
          if (!sent.ok()) return sent.status();
          if (sent->dropped == 0) return absl::OkStatus();
          ++refused;
          // The queue is full, so there is time: trying at once would only take the line with `head` from the consumer.
          for (int i = 0; i < kPausesWhenFull; ++i) Pause();
        }
      });
      const PublisherCounts counts = publisher->counts();
      round.result->refused = refused;
      round.result->counted_evicted = counts.evicted;
      round.result->reclaim_passes = counts.reclaim_passes;
      round.Meet();
      return status;
    }
    SubscriberOptions options;
    options.topic.exclusive = choice_.exclusive;
    options.when_full = choice_.when_full;
    options.depth = depth_;
    options.metrics = choice_.metrics;
    auto subscriber = round.node->CreateSubscriber<Payload>(topic, options);
    if (!subscriber.ok()) return subscriber.status();
    const absl::Status status = Consume(round, [&](Received& got) {
      for (;;) {
        auto taken = subscriber->Take();
        if (taken) {
          const Payload& payload = taken->value();
          got = {.number = payload.number, .sent_ticks = 0, .is_whole = IsWhole(payload)};
          return absl::OkStatus();
        }
        if (taken.why() != Outcome::kEmpty) return NoSample(taken.why(), subscriber->last_error());
      }
    });
    round.result->counted_missed = subscriber->counts().missed;
    round.Meet();
    return status;
  }

 private:
  static constexpr int kPausesWhenFull = 32;

  Choice choice_;
  uint32_t depth_;
};

}  // namespace

void AddWeirScenarios(Scenarios& scenarios, const std::vector<uint64_t>& sizes, uint32_t depth) {
  const auto latency = [&]<class T>(std::type_identity<T>, Group group, uint64_t bytes, const Choice& choice) {
    scenarios.push_back(std::make_unique<WeirLatency<T>>(group, bytes, choice));
  };
  constexpr std::type_identity<Payload> plain;
  latency(plain, Group::kBusy, sizeof(Payload), {.name = "weir shared"});
  latency(plain, Group::kBusy, sizeof(Payload),
          {.name = "weir exclusive, drop newest", .exclusive = true, .when_full = WhenFull::kDropNewest});
  latency(plain, Group::kBusy, sizeof(Payload),
          {.name = "weir exclusive, drop newest, no stamps",
           .exclusive = true,
           .when_full = WhenFull::kDropNewest,
           .metrics = Metrics::kOff});
  latency(plain, Group::kBusy, sizeof(Payload),
          {.name = "weir exclusive, drop newest, 1 in 64 stamped",
           .exclusive = true,
           .when_full = WhenFull::kDropNewest,
           .stamp_every = 64});
  latency(plain, Group::kSleeping, sizeof(Payload), {.name = "weir TakeFor"});
  for (const uint64_t bytes : sizes) {
    latency(std::type_identity<Bytes>(), Group::kSizes, bytes, {.name = "weir bytes, body untouched"});
  }

  const auto throughput = [&](const Choice& choice) {
    scenarios.push_back(std::make_unique<WeirThroughput>(choice, depth));
    Choice without = choice;
    without.name += ", no stamps";
    without.metrics = Metrics::kOff;
    scenarios.push_back(std::make_unique<WeirThroughput>(without, depth));
  };
  throughput({.name = "weir exclusive, drop newest", .exclusive = true, .when_full = WhenFull::kDropNewest});
  scenarios.push_back(std::make_unique<WeirThroughput>(Choice{.name = "weir exclusive, drop newest, 1 in 64 stamped",
                                                              .exclusive = true,
                                                              .when_full = WhenFull::kDropNewest,
                                                              .stamp_every = 64},
                                                       depth));
  throughput({.name = "weir exclusive, block", .exclusive = true, .when_full = WhenFull::kBlock});
  throughput({.name = "weir exclusive, overwrite", .exclusive = true});
  throughput({.name = "weir shared, drop newest", .when_full = WhenFull::kDropNewest});
  throughput({.name = "weir shared, block", .when_full = WhenFull::kBlock});
  throughput({.name = "weir shared, overwrite"});
}

}  // namespace weir::bench
