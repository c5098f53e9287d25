// What weir top shows: what happened between two looks at a domain, one row per topic or endpoint. Knows no terminal.
//
//   std::vector<TopRow> rows = TopicRows(earlier, later);
//   KeepNamed(rows, "camera");
//   SortRows(rows, TopColumn::kRate, false);
#ifndef WEIR_TOOLS_WEIR_TOP_MODEL_H_
#define WEIR_TOOLS_WEIR_TOP_MODEL_H_

#include <weir/inspect.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::tool {

// In the order in which they stand, the dearest first: where there is no room, the last ones go.
enum class TopColumn { kName, kRate, kBytes, kP50, kP99, kDrops, kQueue, kPool, kPublishers, kSubscribers, kDead };

struct TopColumnInfo {
  TopColumn column;
  const char* name;   // for --sort
  const char* title;  // of the first one: what the rows are, "TOPIC" or "ENDPOINT"
  size_t width;       // [characters]; of the first one at least
};
std::span<const TopColumnInfo> TopColumns();

// What is not known, or means nothing for this row, is empty.
struct TopRow {
  uint64_t id = 0;  // the topic's or the endpoint's
  std::string name = {};
  std::optional<double> messages_per_s = {};
  std::optional<double> bytes_per_s = {};  // their bodies
  std::optional<double> p50_ns = {};       // of what was taken in between, off by 5.9 % at most
  std::optional<double> p99_ns = {};
  std::optional<double> drops_per_s = {};  // for all reasons; see TopicRows and EndpointRows
  std::optional<double> queue = {};        // fill of the fullest, 0 to 1, at the later look
  std::optional<double> pool = {};         // likewise: in use, of what it may ever have
  uint32_t publishers = 0;
  uint32_t subscribers = 0;
  uint32_t dead = 0;  // endpoints of processes that are gone, not cleaned up after
};

// A row for each topic of the later look. A topic that was not there at the earlier one, or that was made anew since,
// has no rates yet; one that is gone has no row. Drops are pushes that cost a message: overwritten, refused because the
// queue was full, was so for too long, or is damaged, and what was found invalid when it was taken. A message that
// three subscribers lost is three.
std::vector<TopRow> TopicRows(const DomainSnapshot& earlier, const DomainSnapshot& later);

// The same for each endpoint of a topic, publishers first, called after node and process. A subscriber's messages are
// those it took, its drops what it missed or found invalid.
std::vector<TopRow> EndpointRows(const DomainSnapshot& earlier, const DomainSnapshot& later, uint64_t topic_id);

// Leaves the rows whose name contains the text.
void KeepNamed(std::vector<TopRow>& rows, std::string_view text);

// Names from a to z, numbers from the largest down, `reversed` the other way round. Rows that have no such number are
// last in both, equals are in the order of their names.
void SortRows(std::vector<TopRow>& rows, TopColumn by, bool reversed);

// What stands in that column, "-" for what is empty.
std::string TopCell(const TopRow& row, TopColumn column);

// Rows that need attention in that column: messages are dropped, processes are dead, something is nearly full.
enum class Concern { kNone, kWarning, kTrouble };
Concern ConcernOf(const TopRow& row, TopColumn column);

// The columns that fit side by side into `width` characters, with two spaces in between, and how wide the first one
// then is if the longest name has `name_width`. The first one is always there.
struct TopLayout {
  std::vector<TopColumn> columns;
  size_t name_width = 0;
};
TopLayout LayOut(size_t width, size_t name_width);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_TOP_MODEL_H_
