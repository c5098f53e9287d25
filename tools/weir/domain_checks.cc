// Checks of one domain: the dead, tables, pools, queues, held samples.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/weir/checks.h"
#include "tools/weir/output.h"
#include "tools/weir/process_state.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

constexpr char kCleanUp[] = "weir doctor --fix cleans up; so does the next program that joins or leaves the domain";

bool NearlyFull(uint64_t used, uint64_t limit) {
  return limit > 0 && static_cast<double>(used) >= kNearlyFull * static_cast<double>(limit);
}

std::string Who(const EndpointInfo& endpoint) {
  return absl::StrCat("node \"", Printable(endpoint.node), "\" (pid ", endpoint.pid, ")");
}

// The soft limit of a process's descriptors and how many are open; nothing if we may not see it.
struct Descriptors {
  uint64_t open = 0;
  uint64_t limit = 0;
};
std::optional<Descriptors> DescriptorsOf(uint32_t pid) {
  std::error_code error;
  Descriptors found;
  std::filesystem::directory_iterator entries(absl::StrCat("/proc/", pid, "/fd"), error);
  if (error) return std::nullopt;
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) return std::nullopt;
    ++found.open;
  }
  std::ifstream limits(absl::StrCat("/proc/", pid, "/limits"));
  constexpr std::string_view kName = "Max open files";
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with(kName)) continue;
    if (std::istringstream(line.substr(kName.size())) >> found.limit) return found;
  }
  return std::nullopt;
}

class DomainChecks {
 public:
  DomainChecks(const DomainSnapshot& domain, absl::Duration held_max)
      : domain_(domain), held_max_ns_(static_cast<uint64_t>(absl::ToInt64Nanoseconds(held_max))) {}

  std::vector<Finding> Run(const std::vector<EndpointFile>& files) {
    CheckLock();
    for (const std::string& note : domain_.notes) {
      Add({.check = "registry",
           .what = Printable(note),
           .why = "what stands there is not seen by tools, and may be refused by programs",
           .remedy =
               "if it stays so when nothing comes and goes, stop all programs of the domain and remove its directory"});
    }
    for (const NodeInfo& node : domain_.nodes) CheckNode(node);
    CheckLeftovers(files);
    CheckTables();
    for (const PublisherInfo& publisher : domain_.publishers) CheckPublisher(publisher);
    for (const SubscriberInfo& subscriber : domain_.subscribers) CheckSubscriber(subscriber);
    return std::move(findings_);
  }

 private:
  void Add(Finding finding) {
    finding.domain = domain_.name;
    findings_.push_back(std::move(finding));
  }

  // A dead holder is only a wrong hint: the kernel has freed its lock.
  void CheckLock() {
    const auto holder = StateOf(domain_.lock_holder_pid);
    if (domain_.lock_holder_pid == 0 || !holder || (holder->state != 'T' && holder->state != 't')) return;
    Add({.check = "lock",
         .what = absl::StrCat("process ", domain_.lock_holder_pid, " (", Printable(holder->name),
                              ") is stopped while it holds the registry's lock"),
         .why = "nobody can create or close an endpoint until it goes on; messages flow as before",
         .remedy = absl::StrCat("kill -CONT ", domain_.lock_holder_pid, ", or kill it")});
  }

  void CheckNode(const NodeInfo& node) {
    const std::string name = absl::StrCat("node \"", Printable(node.name), "\" (pid ", node.pid, ")");
    const auto process = StateOf(node.pid);
    if (!node.alive) {
      uint64_t bytes = 0;
      for (const PublisherInfo& publisher : domain_.publishers) {
        if (publisher.node_id == node.id) bytes += publisher.pool_bytes_committed;
      }
      Add({.check = "dead_node",
           .what = absl::StrCat(name, " is dead, and nobody has cleaned up after it"),
           .why = absl::StrCat("its place in the registry stays taken", bytes == 0 ? "" : ", and its pools keep ",
                               bytes == 0 ? "" : Bytes(static_cast<double>(bytes)), bytes == 0 ? "" : " of memory"),
           .remedy = kCleanUp,
           .fixable = true});
      if (process && process->state == 'Z') {
        const auto parent = StateOf(process->parent);
        Add({.check = "zombie",
             .what = absl::StrCat("process ", node.pid, " of ", name, " is a zombie of process ", process->parent, " (",
                                  parent ? Printable(parent->name) : "?", ")"),
             .why = "its parent does not wait for it, so its entry in the process table stays; it holds no messages",
             .remedy = "the parent has to call wait(); in a container, run an init (docker run --init)"});
      }
      return;
    }
    if (process && (process->state == 'T' || process->state == 't')) {
      Add({.check = "stopped",
           .what = absl::StrCat(name, " is stopped"),
           .why = "it takes nothing and sends nothing, and what it holds or has queued stays in use",
           .remedy = absl::StrCat("kill -CONT ", node.pid, ", or end its debugger")});
    }
    const auto descriptors = DescriptorsOf(node.pid);
    if (descriptors && NearlyFull(descriptors->open, descriptors->limit)) {
      Add({.check = "descriptors",
           .what = absl::StrCat(name, " has ", Count(descriptors->open), " of ", Count(descriptors->limit),
                                " descriptors open"),
           .why = "without descriptors it can neither create endpoints nor map the files of new peers",
           .remedy = "start it with a larger ulimit -n"});
    }
  }

  void CheckLeftovers(const std::vector<EndpointFile>& files) {
    std::set<uint64_t> known;
    for (const PublisherInfo& publisher : domain_.publishers) known.insert(publisher.id);
    for (const SubscriberInfo& subscriber : domain_.subscribers) known.insert(subscriber.id);
    uint64_t count = 0, bytes = 0;
    for (const EndpointFile& file : files) {
      std::error_code error;
      if (known.contains(file.id)) continue;
      const auto size = std::filesystem::file_size(file.path, error);
      if (error && !std::filesystem::exists(file.path)) continue;  // gone with its endpoint
      ++count;
      bytes += error ? 0 : size;
    }
    if (count == 0) return;
    Add({.check = "leftover_files",
         .what = absl::StrCat(Plural(count, "file", "files"), " of endpoints that are not registered"),
         .why = absl::StrCat("they keep ", Bytes(static_cast<double>(bytes)), " of memory for nobody"),
         .remedy = kCleanUp,
         .fixable = true});
  }

  void CheckTable(const char* what, uint64_t used, uint64_t limit) {
    if (!NearlyFull(used, limit)) return;
    Add({.check = "table_full",
         .what = absl::StrCat("the registry has ", Count(used), " of at most ", Count(limit), " ", what),
         .why = "when it is full, programs that join are refused (ResourceExhausted)",
         .remedy = "use several domains, or fewer topics and endpoints"});
  }

  void CheckTables() {
    CheckTable("nodes", domain_.nodes.size(), domain_.nodes_max);
    CheckTable("topics", domain_.topics.size(), domain_.topics_max);
    CheckTable("endpoints", domain_.publishers.size() + domain_.subscribers.size(), domain_.endpoints_max);
    for (const TopicInfo& topic : domain_.topics) {
      const auto full = [&](const char* what, uint32_t used, uint32_t limit, const char* option) {
        // Small limits are meant to be reached.
        if (limit < 8 || !NearlyFull(used, limit)) return;
        Add({.check = "topic_full",
             .what = absl::StrCat("topic \"", Printable(topic.name), "\" has ", used, " of at most ", limit, " ", what),
             .why = "when that is reached, the next one is refused (ResourceExhausted)",
             .remedy = absl::StrCat("a larger TopicOptions::", option, ", said by whoever comes first")});
      };
      full("publishers", topic.publishers, topic.options.max_publishers, "max_publishers");
      full("subscribers", topic.subscribers, topic.options.max_subscribers, "max_subscribers");
    }
  }

  void CheckPublisher(const PublisherInfo& publisher) {
    if (!publisher.node_alive || !publisher.readable) return;
    const std::string name = absl::StrCat("publisher of \"", Printable(publisher.topic), "\" of ", Who(publisher));
    const PublisherCounts& counts = publisher.counts;
    if (counts.loans_refused > 0) {
      Add({.check = "loans_refused",
           .what = absl::StrCat("the ", name, " was refused ", Plural(counts.loans_refused, "loan", "loans")),
           .why = "each is a message that was not sent, because its pool had no free slot",
           .remedy = "a larger PublisherOptions::pool_bytes_max, or subscribers with smaller depth and max_borrowed; "
                     "weir info shows who holds what"});
    }
    if (NearlyFull(publisher.pool_bytes_committed, publisher.pool_bytes_max)) {
      Add({.check = "pool_full",
           .what = absl::StrCat("the pool of the ", name, " has grown to ",
                                Bytes(static_cast<double>(publisher.pool_bytes_committed)), " of at most ",
                                Bytes(static_cast<double>(publisher.pool_bytes_max))),
           .why = "when it can grow no more and subscribers keep all slots, loans are refused",
           .remedy = "a larger PublisherOptions::pool_bytes_max"});
    }
    if (counts.refused_corrupt > 0) {
      Add({.check = "corrupt",
           .what = absl::StrCat("the ", name, " met a damaged queue ", Count(counts.refused_corrupt), " times"),
           .why = "a subscriber's memory was overwritten; it gets no messages",
           .remedy = "restart that subscriber, and look for wild writes in it"});
    }
    if (counts.refused_timed_out > 0) {
      Add({.check = "timed_out",
           .what = absl::StrCat("the ", name, " gave up waiting for a full queue ",
                                Plural(counts.refused_timed_out, "time", "times")),
           .why = absl::StrCat("these messages were dropped, and it lost ",
                               DurationNs(static_cast<double>(counts.blocked_ns)), " waiting"),
           .remedy = "a faster or deeper subscriber, or WhenFull::kOverwriteOldest for it"});
    }
  }

  void CheckSubscriber(const SubscriberInfo& subscriber) {
    if (!subscriber.node_alive || !subscriber.readable) return;
    const std::string name = absl::StrCat("subscriber to \"", Printable(subscriber.topic), "\" of ", Who(subscriber));
    const SubscriberCounts& counts = subscriber.counts;
    if (counts.torn > 0 || counts.invalid > 0) {
      Add({.check = "corrupt",
           .what = absl::StrCat("the ", name, " met ", Count(counts.torn), " torn and ", Count(counts.invalid),
                                " invalid messages"),
           .why = "a publisher writes where it must not: its memory, or the program, is damaged",
           .remedy = "restart the topic's publishers, and look for wild writes in them"});
    }
    if (subscriber.blocked_publishers > 0) {
      Add({.check = "blocked",
           .what = absl::StrCat(Plural(subscriber.blocked_publishers, "publisher waits", "publishers wait"),
                                " for the ", name),
           .why = "its queue is full and it chose WhenFull::kBlock: all subscribers of these publishers wait with them",
           .remedy = "a faster or deeper subscriber, or WhenFull::kOverwriteOldest"});
    }
    uint64_t longest_ns = 0, count = 0;
    for (const HeldSample& sample : subscriber.held) {
      if (sample.published_ns == 0 || sample.published_ns + held_max_ns_ > domain_.looked_ns) continue;
      longest_ns = std::max(longest_ns, domain_.looked_ns - sample.published_ns);
      ++count;
    }
    if (count > 0) {
      Add({.check = "held_long",
           .what = absl::StrCat("the ", name, " holds ", Plural(count, "sample", "samples"), " for up to ",
                                DurationNs(static_cast<double>(longest_ns))),
           .why = "their slots cannot be used again; a publisher needs a larger pool for it",
           .remedy = "copy what is needed for long, and let the sample go (if it is held on purpose: --held-for)"});
    }
  }

  const DomainSnapshot& domain_;
  const uint64_t held_max_ns_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<EndpointFile> ListEndpointFiles(const std::string& domain_path) {
  std::vector<EndpointFile> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entries(domain_path, error), end; !error && entries != end;
       entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    for (const std::string_view kind : {"pool.", "queue.", "table.", "wake."}) {
      if (!name.starts_with(kind)) continue;
      uint64_t id = 0;
      const char* const last = name.data() + name.size();
      const auto [rest, bad] = std::from_chars(name.data() + kind.size(), last, id, 16);
      if (bad == std::errc() && rest == last) files.push_back({.path = entries->path().string(), .id = id});
    }
  }
  return files;
}

std::vector<Finding> CheckDomain(const DomainSnapshot& domain, const std::vector<EndpointFile>& files,
                                 absl::Duration held_max) {
  return DomainChecks(domain, held_max).Run(files);
}

}  // namespace weir::tool
