#include "weir/wait_set.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "middleware/os/clock.h"
#include "middleware/os/fork_guard.h"
#include "middleware/os/poller.h"
#include "middleware/pubsub/subscriber_core.h"

namespace weir {
namespace {

// A publisher may die between its push and its signal; so long a subscriber's message may lie there unnoticed.
constexpr uint64_t kLookAgainNs = 1'000'000'000;

constexpr size_t kReadyMax = 62;

absl::Status CheckDuration(const char* what, absl::Duration duration) {
  if (duration >= absl::Microseconds(1) && duration <= absl::Hours(1)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("WaitSet: ", what, " is ", absl::FormatDuration(duration), "; it must be between 1 us and 1 h"));
}

}  // namespace

class WaitSet::Core final : public internal::SubscriberWatcher {
 public:
  Core(os::ForkGuard guard, os::Poller poller) : guard_(guard), poller_(std::move(poller)) {}
  ~Core() {
    for (auto& [tag, entry] : entries_) {
      if (entry.subscriber != nullptr) entry.subscriber->RemoveWatcher(*this);
    }
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  absl::Status Check(uint64_t tag) const {
    if (!guard_.InOwner()) return guard_.Check();
    if (entries_.contains(tag)) return absl::AlreadyExistsError(absl::StrCat("WaitSet: tag ", tag, " is in use"));
    return absl::OkStatus();
  }

  absl::Status Watch(uint64_t tag, int fd, uint32_t events, internal::SubscriberCore* subscriber) {
    const uint64_t key = next_key_++;
    if (absl::Status status = poller_.Add(fd, events, key); !status.ok()) return status;
    entries_[tag] = {.kind = subscriber != nullptr ? Kind::kMessage : Kind::kDescriptor,
                     .fd = fd,
                     .key = key,
                     .subscriber = subscriber};
    tags_[key] = tag;
    if (subscriber != nullptr) subscriber->AddWatcher(*this);
    return absl::OkStatus();
  }

  void StartTimer(uint64_t tag, Kind kind, uint64_t period_ns) {
    Entry& entry = entries_[tag];
    entry.kind = kind;
    entry.period_ns = period_ns;
    entry.due_ns = os::MonotonicNow() + period_ns;
    due_.insert({entry.due_ns, tag});
  }

  absl::Status Remove(uint64_t tag) {
    if (!guard_.InOwner()) return guard_.Check();
    const auto found = entries_.find(tag);
    if (found == entries_.end()) return absl::NotFoundError(absl::StrCat("WaitSet: there is no tag ", tag));
    if (found->second.subscriber != nullptr) found->second.subscriber->RemoveWatcher(*this);
    Erase(found);
    return absl::OkStatus();
  }

  void Closing(internal::SubscriberCore& subscriber) override {
    Erase(std::find_if(entries_.begin(), entries_.end(),
                       [&](const auto& tag_and_entry) { return tag_and_entry.second.subscriber == &subscriber; }));
  }

  absl::StatusOr<std::span<const Event>> WaitFor(uint64_t timeout_ns) {
    if (!guard_.InOwner()) return guard_.Check();
    const uint64_t deadline_ns = os::MonotonicNow() + timeout_ns;  // both below 2^63
    events_.clear();
    // Ends: something is ready, or the deadline.
    for (uint64_t now = 0;;) {
      const uint64_t first_due = due_.empty() ? deadline_ns : due_.begin()->first;
      ready_.resize(kReadyMax);
      const os::Poller::Outcome outcome = poller_.Wait(std::min({deadline_ns, first_due, look_again_ns_}), ready_);
      if (outcome.interrupted) events_.push_back({.tag = 0, .kind = Kind::kInterrupted, .events = 0});
      now = os::MonotonicNow();
      for (const os::Poller::Ready& ready : ready_) Report(ready.key, ready.events, now);
      if (now >= look_again_ns_) LookAgain(now);
      ReportDue(now);
      if (!events_.empty() || now >= deadline_ns) return std::span<const Event>(events_);
    }
  }

  void Interrupt() {
    if (guard_.InOwner()) poller_.Interrupt();
  }

 private:
  struct Entry {
    Kind kind = Kind::kTimer;
    int fd = -1;
    uint64_t key = 0;
    internal::SubscriberCore* subscriber = nullptr;
    uint64_t period_ns = 0;  // of a timer or deadline
    uint64_t due_ns = 0;
  };

  using Entries = std::map<uint64_t, Entry>;

  void Erase(Entries::iterator found) {
    const Entry& entry = found->second;
    if (entry.fd >= 0) {
      poller_.Remove(entry.fd);  // also one that is about to be closed: a forked child may have it still
      tags_.erase(entry.key);
    }
    if (entry.period_ns != 0) due_.erase({entry.due_ns, found->first});
    entries_.erase(found);
  }

  void Report(uint64_t key, uint32_t events, uint64_t now) {
    const auto found = tags_.find(key);
    if (found == tags_.end()) return;
    Entry& entry = entries_[found->second];
    if (entry.subscriber != nullptr) return ReportMessage(found->second, entry, now);
    events_.push_back({.tag = found->second, .kind = Kind::kDescriptor, .events = events});
  }

  void ReportMessage(uint64_t tag, Entry& entry, uint64_t now) {
    events_.push_back({.tag = tag, .kind = Kind::kMessage, .events = 0});
    if (entry.period_ns == 0) return;
    due_.erase({entry.due_ns, tag});
    entry.due_ns = now + entry.period_ns;
    due_.insert({entry.due_ns, tag});
  }

  void ReportDue(uint64_t now) {
    while (!due_.empty() && due_.begin()->first <= now) {
      const uint64_t tag = due_.begin()->second;
      due_.erase(due_.begin());
      Entry& entry = entries_[tag];
      const bool timer = entry.subscriber == nullptr;
      events_.push_back({.tag = tag, .kind = timer ? Kind::kTimer : Kind::kDeadline, .events = 0});
      // A timer keeps its beat; what it missed is left out. A silence is counted from its end.
      const uint64_t missed = timer ? (now - entry.due_ns) / entry.period_ns : 0;
      entry.due_ns = timer ? entry.due_ns + (missed + 1) * entry.period_ns : now + entry.period_ns;
      due_.insert({entry.due_ns, tag});
    }
  }

  // Once a second: subscribers whose publisher did not live to signal.
  void LookAgain(uint64_t now) {
    look_again_ns_ = now + kLookAgainNs;
    for (auto& [tag, entry] : entries_) {
      if (entry.subscriber == nullptr || !entry.subscriber->HasMessage()) continue;
      const bool reported = std::any_of(events_.begin(), events_.end(), [tag = tag](const Event& event) {
        return event.tag == tag && event.kind == Kind::kMessage;
      });
      if (!reported) ReportMessage(tag, entry, now);
    }
  }

  os::ForkGuard guard_;
  os::Poller poller_;
  Entries entries_;                              // by tag
  std::map<uint64_t, uint64_t> tags_;            // by the poller's key, which is never used again
  std::set<std::pair<uint64_t, uint64_t>> due_;  // (when, tag) of timers and deadlines
  uint64_t next_key_ = 0;
  uint64_t look_again_ns_ = 0;
  std::vector<os::Poller::Ready> ready_;
  std::vector<Event> events_;
};

WaitSet::WaitSet(std::unique_ptr<Core> core) : core_(std::move(core)) {}
WaitSet::WaitSet(WaitSet&&) noexcept = default;
WaitSet& WaitSet::operator=(WaitSet&&) noexcept = default;
WaitSet::~WaitSet() = default;

absl::StatusOr<WaitSet> WaitSet::Create() {
  auto guard = os::ForkGuard::Current();
  if (!guard.ok()) return guard.status();
  auto poller = os::Poller::Create();
  if (!poller.ok()) return poller.status();
  return WaitSet(std::make_unique<Core>(*guard, *std::move(poller)));
}

absl::Status WaitSet::AddSubscriber(uint64_t tag, internal::SubscriberCore* subscriber,
                                    const SubscriberOptions& options) {
  if (absl::Status status = core_->Check(tag); !status.ok()) return status;
  const bool has_deadline = options.deadline != absl::InfiniteDuration();
  if (has_deadline) {
    if (absl::Status status = CheckDuration("the deadline", options.deadline); !status.ok()) return status;
  }
  absl::StatusOr<int> fd = subscriber->Descriptor();
  if (!fd.ok()) return fd.status();
  if (absl::Status status = core_->Watch(tag, *fd, os::Poller::kReadable, subscriber); !status.ok()) return status;
  if (has_deadline) {
    core_->StartTimer(tag, Kind::kMessage, static_cast<uint64_t>(absl::ToInt64Nanoseconds(options.deadline)));
  }
  return absl::OkStatus();
}

absl::Status WaitSet::AddDescriptor(uint64_t tag, int fd, uint32_t events) {
  if (absl::Status status = core_->Check(tag); !status.ok()) return status;
  return core_->Watch(tag, fd, events, nullptr);
}

absl::Status WaitSet::AddTimer(uint64_t tag, absl::Duration period) {
  if (absl::Status status = core_->Check(tag); !status.ok()) return status;
  if (absl::Status status = CheckDuration("the period", period); !status.ok()) return status;
  core_->StartTimer(tag, Kind::kTimer, static_cast<uint64_t>(absl::ToInt64Nanoseconds(period)));
  return absl::OkStatus();
}

absl::Status WaitSet::Remove(uint64_t tag) {
  return core_->Remove(tag);
}

absl::StatusOr<std::span<const WaitSet::Event>> WaitSet::WaitFor(absl::Duration timeout) {
  const int64_t ns = std::max<int64_t>(0, absl::ToInt64Nanoseconds(timeout));
  return core_->WaitFor(static_cast<uint64_t>(ns));
}

void WaitSet::Interrupt() {
  core_->Interrupt();
}

}  // namespace weir
