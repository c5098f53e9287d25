#include "discovery/topic_view.h"

#include "absl/strings/str_cat.h"

namespace weir::discovery {
namespace {

template <class ReadOne>
absl::StatusOr<std::vector<EndpointRecord>> Collect(uint32_t topic, uint32_t index_count, ReadOne read_one) {
  std::vector<EndpointRecord> found;
  EndpointRecord record;
  for (uint32_t i = 0; i < index_count; ++i) {
    switch (read_one(i, record)) {
      case ReadResult::kRead:
        if (record.state == EndpointState::kLive || record.state == EndpointState::kClosing) found.push_back(record);
        break;
      case ReadResult::kUnstable:
        return absl::UnavailableError(absl::StrCat("an endpoint of topic number ", topic, " changed ", kReadRoundsMax,
                                                   " times while it was read"));
      case ReadResult::kNotThere:
      case ReadResult::kInvalid:  // garbage is nobody: it cannot be connected to
        break;
    }
  }
  return found;
}

}  // namespace

absl::StatusOr<std::vector<EndpointRecord>> TopicView::Publishers() const {
  return Collect(topic_, kPublishersPerTopicMax,
                 [this](uint32_t i, EndpointRecord& record) { return tables_.ReadPublisher(topic_, i, record); });
}

absl::StatusOr<std::vector<EndpointRecord>> TopicView::Subscribers() const {
  return Collect(topic_, kSubscribersPerTopicMax,
                 [this](uint32_t i, EndpointRecord& record) { return tables_.ReadSubscriber(topic_, i, record); });
}

}  // namespace weir::discovery
