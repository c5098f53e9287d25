// What is known right now about everybody in the demo: what the live table shows.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_SCOREBOARD_H_
#define WEIR_TOOLS_DEMO_PROGRAM_SCOREBOARD_H_

#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/weir.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "tools/demo_program/reports.h"
#include "tools/demo_program/topics.h"

namespace weir::demo {

// A rate over the last second of reports.
class RateMeter {
 public:
  void Add(uint64_t at_ns, uint64_t total);
  void Reset() { points_.clear(); }
  double per_s() const;

 private:
  struct Point {
    uint64_t at_ns;
    uint64_t total;
  };
  std::deque<Point> points_;
};

enum class ProcessState { kNotStarted, kRunning, kKilled, kEnded };
const char* StateName(ProcessState state);

// Kept for both kinds of process; what the publisher "delivers" is what it publishes.
struct ProcessRow {
  ProcessState state = ProcessState::kNotStarted;
  std::array<RateMeter, kStreams> messages = {};
  std::array<RateMeter, kStreams> bytes = {};

  void End(ProcessState how);
};

struct SubscriberRow : ProcessRow {
  std::optional<SubscriberReport> report = {};
};

struct PublisherRow : ProcessRow {
  std::optional<PublisherReport> report = {};
};

struct Scoreboard {
  void Add(const SubscriberReport& report);
  void Add(const PublisherReport& report);
  SubscriberRow& of(Role role) { return subscribers[static_cast<size_t>(role)]; }
  const SubscriberRow& of(Role role) const { return subscribers[static_cast<size_t>(role)]; }

  std::string domain_path = {};
  double elapsed_s = 0;
  double seconds = 0;  // that the demo takes
  std::string phase = {};
  PublisherRow publisher = {};
  std::array<SubscriberRow, 2> subscribers = {};  // by role
  // The newest messages, held and read in place: the table is a subscriber like any other.
  std::optional<weir::Sample<msg::SystemStatus>> status = {};
  std::optional<weir::Sample<msg::Image>> image = {};
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_SCOREBOARD_H_
