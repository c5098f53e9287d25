// Memory as C++20 allows it to behave: what a load may return, and what a thread knows after it.
//
// Every location has the list of all stores to it, in modification order. A thread has a view: for each location the
// oldest store that it may still read (coherence). A store carries the view that its reader gets if it synchronizes.
//
//   load        any store from the view on; relaxed remembers the store's view for a later acquire fence, acquire joins
//   it store       at the end of the list; release carries the thread's view, relaxed that of its last release fence.
//               It ends a release sequence, also one of the same thread (C++20)
//   RMW         reads the last store and continues its release sequence
//   fence       acquire, release; seq_cst also joins and extends one global view of all seq_cst fences
//   membarrier  a heavy fence, and light ones on the other side (a compiler barrier): like seq_cst fences towards each
//               other, light ones among themselves like nothing (the rule of C++ proposal P1202)
//   words       ordinary memory. Touching one without a happens-before to the last write (for a write: also to all
//   reads)
//               is a data race
//
// Not modelled: loads that return a store which comes later in the schedule (load buffering, "out of thin air"), stores
// that enter the modification order anywhere but at its end, consume, seq_cst loads and stores. docs/reliability.md
// says what that means.
//
// It knows nothing of schedules: the caller says which thread acts, and which store a load returns.
#ifndef WEIR_TESTS_PROVE_MEMORY_H_
#define WEIR_TESTS_PROVE_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::prove {

inline constexpr int kThreadsMax = 7;
inline constexpr int kLocationsMax = 64;
inline constexpr int kWordsMax = 16;

// How often a thread may go on reading a store that it has read before and that has been replaced since. C++ says that
// a store becomes visible "in a finite time"; without a bound every retry loop would have endless schedules.
inline constexpr int kStaleReadsDefault = 1;

// A number for each location (which store), word (which write) and thread (how many reads of words).
class View {
 public:
  static constexpr size_t kBytes = 96;
  static constexpr size_t kWords = kLocationsMax;
  static constexpr size_t kClocks = kWords + kWordsMax;
  static_assert(kClocks + kThreadsMax + 1 <= kBytes);

  uint8_t& operator[](size_t i) { return at_[i]; }
  uint8_t operator[](size_t i) const { return at_[i]; }
  void Join(const View& other) { JoinFirst(other, kBytes); }
  // Without words and clocks: an order of fences alone is no happens-before.
  void JoinLocations(const View& other) { JoinFirst(other, kLocationsMax); }

 private:
  void JoinFirst(const View& other, size_t count) {
    for (size_t i = 0; i < count; ++i) at_[i] = at_[i] < other.at_[i] ? other.at_[i] : at_[i];
  }

  alignas(32) std::array<uint8_t, kBytes> at_{};
};

class Memory {
 public:
  // Forgets everything. Threads, locations and words are numbered from 0 in the order in which they are added.
  void Reset(int stale_reads);
  void AddThread() { threads_[Index(thread_count_++)] = Thread(); }
  int AddLocation(uint64_t value);
  int AddWord();
  int location_count() const { return static_cast<int>(locations_.size()); }
  int word_count() const { return static_cast<int>(words_.size()); }

  // Which stores a load of this thread may return: those in [Oldest(), Newest()], but Oldest() only if MayRead().
  int Oldest(int thread, int location) const { return threads_[Index(thread)].now[Index(location)]; }
  int Newest(int location) const { return static_cast<int>(locations_[Index(location)].size()) - 1; }
  bool MayRead(int thread, int location, int store) const {
    return store == Newest(location) || store > Oldest(thread, location) ||
           StaleReads(threads_[Index(thread)], location) < stale_reads_;
  }
  uint64_t Value(int location, int store) const {
    return stores_[locations_[Index(location)][static_cast<size_t>(store)]].value;
  }

  void Load(int thread, int location, int store, bool acquire);
  void Store(int thread, int location, uint64_t value, bool release);
  // A read-modify-write; what it replaced was Value(location, Newest(location)).
  void Update(int thread, int location, uint64_t value, bool acquire, bool release);
  // True if there is room for another store to it in this execution.
  bool HasRoom(int location) const { return Newest(location) < 254; }

  void AcquireFence(int thread);
  void ReleaseFence(int thread);
  void SeqCstFence(int thread);
  void HeavyFence(int thread);
  void LightFence(int thread);

  // False: a data race.
  bool ReadWord(int thread, int word);
  bool WriteWord(int thread, int word);

  // Everything that `other` did happens before what `thread` does next.
  void JoinThread(int thread, int other);

  // A number for all that threads with `counts[t]` can still find out: stores that nobody can read any more do not
  // matter, nor does how many of them there were.
  uint64_t Hash(const bool* counts) const;

 private:
  struct StoreRecord {
    uint64_t value;
    View view;
  };
  struct Word {
    uint8_t writes = 0;
    std::array<uint8_t, kThreadsMax> reads{};  // since the last write: the reader's clock
  };
  struct Thread {
    View now;      // happens before, or must not be read behind
    View acquire;  // what an acquire fence would add
    View release;  // at the last release fence
    // How often the store `stale_store` was read after it had been replaced; counts only while it is the oldest
    // visible.
    std::array<uint8_t, kLocationsMax> stale_reads{};
    std::array<uint8_t, kLocationsMax> stale_store{};
    uint8_t clock = 0;
  };

  static size_t Index(int i) { return static_cast<size_t>(i); }
  static int StaleReads(const Thread& thread, int location) {
    const size_t at = Index(location);
    return thread.stale_store[at] == thread.now[at] ? thread.stale_reads[at] : 0;
  }
  void Append(int location, uint64_t value, const View& view);

  int stale_reads_ = kStaleReadsDefault;
  int thread_count_ = 0;
  std::array<Thread, kThreadsMax> threads_;
  std::vector<std::vector<uint32_t>> locations_;  // per location its stores, as numbers in stores_
  std::vector<std::vector<uint32_t>> spare_;
  std::vector<StoreRecord> stores_;
  std::vector<Word> words_;
  View fences_;  // of all seq_cst fences
  View heavy_;   // of all heavy fences
  View light_;   // of all light fences
};

// For hashes of states and of what a thread has seen.
constexpr uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_MEMORY_H_
