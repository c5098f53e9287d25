// The order of a publish. The message is written first; then it enters the history, then the publisher looks who is
// there, then it pushes:
//
//   history entry; FENCE; load generation (connect to new queues); push
//
// A joiner that the look at the generation misses finds the entry (queue/history.h). Pushed before it is in the
// history, a message could reach neither: the joiner reads the history too early and is connected too late.
#ifndef WEIR_QUEUE_PUBLISHING_H_
#define WEIR_QUEUE_PUBLISHING_H_

#include "middleware/base/words.h"
#include "middleware/queue/history.h"

namespace weir::queue {

// `replace()`, only if there is a history, does the publisher's books: from then on what the message replaced there may
// be freed. `connect()` looks at the topic's generation and connects to queues that are new; `push()` pushes to all
// queues. Returns what `push` does.
template <class A, class Replace, class Connect, class Push>
[[gnu::always_inline]] inline auto PublishInOrder(HistoryWriter<A>& history, Sequence sequence, Ref ref,
                                                  Replace replace, Connect connect, Push push) {
  if (history.entry_count() != 0) {
    history.Add(sequence, ref);
    history.Fence();
    replace();
  }
  connect();
  return push();
}

}  // namespace weir::queue

#endif  // WEIR_QUEUE_PUBLISHING_H_
