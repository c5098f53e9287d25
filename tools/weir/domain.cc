#include "tools/weir/domain.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"

namespace weir::tool {
namespace {

constexpr absl::Duration kLookAgain = absl::Milliseconds(20);

// How much of what a pool may ever have a queue of ours may keep in use, and how much memory altogether.
constexpr uint64_t kPartOfPool = 16;
constexpr uint64_t kQueuedBytesMax = 16 << 20;

// Of what a message takes beside its body: the slot's header and rounding.
constexpr uint64_t kSlotOverheadBytes = 128;

std::string ListOf(std::vector<std::string> names) {
  constexpr size_t kShown = 10;
  const size_t more = names.size() > kShown ? names.size() - kShown : 0;
  names.resize(names.size() - more);
  for (std::string& name : names) name = Printable(name);
  return absl::StrCat(absl::StrJoin(names, ", "), more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

// Changes of one letter, and letters too many or too few, that make one name of another.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}

bool MayBeMeant(std::string_view given, std::string_view name) {
  if (given.empty()) return false;
  return name.ends_with(given) || Distance(given, name) <= 1 + given.size() / 5;
}

}  // namespace

std::string RootOf(const Globals& globals) {
  if (!globals.root.empty()) return globals.root;
  const char* root = std::getenv("WEIR_ROOT");
  if (root != nullptr && *root != '\0') return root;
  return absl::StrCat("/dev/shm/weir-", geteuid());
}

absl::StatusOr<Inspector> OpenDomain(const Globals& globals) {
  auto inspector = Inspector::Open({.domain = globals.domain, .root = globals.root});
  if (!absl::IsNotFound(inspector.status())) return inspector;
  const std::string missing = absl::StrCat("no domain \"", Printable(globals.domain), "\" under ", RootOf(globals));
  const auto others = ListDomains(globals.root);
  if (!others.ok() && !absl::IsNotFound(others.status())) return others.status();
  if (!others.ok() || others->empty()) {
    return absl::NotFoundError(absl::StrCat(missing, "; there is none at all: nobody runs"));
  }
  return absl::NotFoundError(absl::StrCat(missing, "; domains there: ", ListOf(*others)));
}

absl::StatusOr<DomainSnapshot> LookAtDomain(const Globals& globals) {
  auto inspector = OpenDomain(globals);
  if (!inspector.ok()) return inspector.status();
  auto domain = inspector->Look();
  if (absl::IsNotFound(domain.status())) return OpenDomain(globals).status();  // it ended between the two
  return domain;
}

absl::StatusOr<TopicInfo> FindTopic(const DomainSnapshot& domain, std::string_view topic) {
  std::vector<std::string> names, meant;
  for (const TopicInfo& info : domain.topics) {
    if (info.name == topic) return info;
    names.push_back(info.name);
    if (MayBeMeant(topic, info.name)) meant.push_back(info.name);
  }
  std::sort(names.begin(), names.end());
  const std::string missing =
      absl::StrCat("no topic \"", Printable(topic), "\" in domain \"", Printable(domain.name), "\"");
  if (names.empty()) return absl::NotFoundError(absl::StrCat(missing, ", which has no topics"));
  if (!meant.empty()) return absl::NotFoundError(absl::StrCat(missing, "; did you mean ", ListOf(meant), "?"));
  return absl::NotFoundError(absl::StrCat(missing, "; topics there: ", ListOf(names)));
}

absl::StatusOr<DomainSnapshot> WaitForTopicIn(const Globals& globals, std::string_view topic, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    auto domain = LookAtDomain(globals);
    absl::Status status = domain.ok() ? FindTopic(*domain, topic).status() : domain.status();
    if (!absl::IsNotFound(status)) return status.ok() ? domain : status;
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      if (timeout <= absl::ZeroDuration()) return status;
      return absl::DeadlineExceededError(
          absl::StrCat("after ", absl::FormatDuration(timeout), ": ", std::string(status.message())));
    }
    if (!SleepUnlessStopped(std::min(left, kLookAgain))) return absl::CancelledError();
  }
}

absl::StatusOr<Node> JoinDomain(const Globals& globals, std::string_view command) {
  return Node::Create(
      {.name = absl::StrCat("weir ", std::string(command)), .domain = globals.domain, .root = globals.root});
}

SubscriberOptions CautiousSubscriber(const DomainSnapshot& domain, const TopicInfo& topic, uint32_t depth_wanted) {
  // Before a message was sent its size is not known, and it may be large; and who has no publisher yet may get one with
  // a small pool.
  constexpr uint64_t kDepthBlind = 16;
  uint64_t depth = topic.publishers == 0 ? std::min<uint64_t>(depth_wanted, kDepthBlind) : depth_wanted;
  for (const PublisherInfo& publisher : domain.publishers) {
    if (publisher.topic_id != topic.id || !publisher.readable) continue;
    const uint64_t published = publisher.counts.published;
    const uint64_t slot_bytes =
        kSlotOverheadBytes + (published > 0 ? publisher.counts.published_bytes / published : topic.body_bytes);
    const uint64_t bytes = std::min(publisher.pool_bytes_max / kPartOfPool, kQueuedBytesMax);
    depth = std::min(depth, bytes / slot_bytes);
    if (published == 0 && topic.kind != MessageKind::kPlain) depth = std::min(depth, kDepthBlind);
  }
  return {.depth = static_cast<uint32_t>(std::max<uint64_t>(depth, 1)), .max_borrowed = 1};
}

}  // namespace weir::tool
