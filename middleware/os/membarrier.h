// A memory fence that one side pays for both. Where a hot path would need a full fence only because some other thread
// might just be falling asleep, the hot path keeps a compiler barrier and the sleeper makes every core that runs a
// registered process fence (membarrier(2), GLOBAL_EXPEDITED).
//
// It works only if the *covered* side, the one without a fence of its own, is registered; who calls need not be. A
// registration is for the process and for good, passes to forked children, and ends at exec. The price: each call
// interrupts every core that runs a registered process at that moment, also in other domains.
//
// Threads: any. Blocking: no (microseconds). Allocation: none. No state is kept here: a node registers once, remembers
// the answer, and records it where its peers can read it.
#ifndef WEIR_OS_MEMBARRIER_H_
#define WEIR_OS_MEMBARRIER_H_

namespace weir::os {

// Makes this process one that others' GlobalExpedited() covers. False: the kernel (before 4.16) or a system call filter
// does not let us, or WEIR_NO_MEMBARRIER is set in the environment. The process must then fence for itself, and should
// not count on GlobalExpedited() either.
bool RegisterGlobalExpedited();

// A full fence in this thread and in every running thread of every registered process. False: it did not happen.
bool GlobalExpedited();

// The same among the threads of this process; interrupts no other process. Registration is needed to call it.
bool RegisterPrivateExpedited();
bool PrivateExpedited();

}  // namespace weir::os

#endif  // WEIR_OS_MEMBARRIER_H_
