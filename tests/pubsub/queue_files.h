// What lies in the queues of a domain, read from its files by a process that takes no part in it.
#ifndef WEIR_TESTS_PUBSUB_QUEUE_FILES_H_
#define WEIR_TESTS_PUBSUB_QUEUE_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "discovery/endpoint_files.h"
#include "discovery/names.h"
#include "discovery/snapshot.h"
#include "gtest/gtest.h"
#include "middleware/pool/pool_reader.h"
#include "middleware/queue/queue.h"
#include "tests/pubsub/payload.h"

namespace weir::test {

struct QueuedMessage {
  uint64_t sequence = 0;
  uint64_t writer = 0;
  uint64_t number = 0;
  bool whole = false;
  std::string pool;        // the file that it lies in,
  uint64_t header_offset;  // and where
};

// The messages in the queue of process `pid`'s only subscriber, oldest first. Nobody may be using the queue.
inline std::vector<QueuedMessage> ReadQueueOf(const discovery::Snapshot& domain, pid_t pid) {
  std::vector<QueuedMessage> found;
  int queues = 0;
  for (const discovery::EndpointRecord& record : domain.Endpoints()) {
    if (record.kind != discovery::EndpointKind::kSubscriber || record.pid != static_cast<uint32_t>(pid)) continue;
    ++queues;
    auto queue = discovery::OpenQueue(domain.directory(), record.incarnation, os::Access::kRead);
    EXPECT_TRUE(queue.ok()) << queue.status();
    if (!queue.ok()) continue;
    const Position head = queue->view.header->head.load(queue::kAcquire);
    const Position end = queue::FindEnd(queue->view);
    for (Position position = head; position != end; ++position) {
      const Ref ref = queue::RefOf(queue->view.cell(position).load(queue::kAcquire));
      const Incarnation incarnation = domain.Topic(record.topic).publisher_incarnation(ref.publisher());
      const std::string name = discovery::EndpointFileName(discovery::FileKind::kPool, incarnation);
      auto pool = pool::PoolReader::Open(domain.directory(), name, incarnation, ref.publisher());
      EXPECT_TRUE(pool.ok()) << pool.status();
      if (!pool.ok()) continue;
      const pool::SlotHeader* header = pool->Find(ref);
      const std::byte* body = header == nullptr ? nullptr : pool->Body(*header, sizeof(Payload));
      EXPECT_NE(body, nullptr) << "position " << position;
      if (body == nullptr) continue;
      const auto& payload = *reinterpret_cast<const Payload*>(body);
      // The test's pools are small enough for granules of 64 bytes.
      found.push_back({.sequence = header->sequence.load(std::memory_order_relaxed),
                       .writer = payload.writer,
                       .number = payload.number,
                       .whole = payload.IsWhole(),
                       .pool = domain.path() + "/" + name,
                       .header_offset = uint64_t{ref.offset_granules()} * kGranuleBytesMin});
    }
  }
  EXPECT_EQ(queues, 1);
  return found;
}

}  // namespace weir::test

#endif  // WEIR_TESTS_PUBSUB_QUEUE_FILES_H_
