// Where in the code an order is asked for, and which one of them is weakened in this run.
#ifndef WEIR_TESTS_PROVE_SITES_H_
#define WEIR_TESTS_PROVE_SITES_H_

#include <atomic>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "middleware/queue/atomics.h"

namespace weir::prove {

enum class OpKind : uint8_t { kLoad, kStore, kUpdate, kFence, kLightFence };

// One labelled operation in the source text. A label has several: each end of a pair, each of several loads or stores.
struct Site {
  queue::Label label;
  const char* file;
  const char* function;  // as the compiler spells it
  uint32_t line;
  OpKind kind;
  std::memory_order order;

  std::string Name() const;  // "queue.cell release store in PushExclusive (queue.h)"
};

class Sites {
 public:
  // What `order` is at this place: as written, or relaxed if this is the place to weaken. A weakened fence is none.
  std::memory_order Order(OpKind kind, std::memory_order order, queue::Label label, const std::source_location& where) {
    if (label == nullptr) return order;
    if (collecting_) Collect(kind, order, label, where);
    if (where.line() == weak_.line && kind == weak_.kind && Same(where)) return std::memory_order_relaxed;
    return order;
  }

  // Notes every place that is passed.
  void set_collecting(bool collecting) { collecting_ = collecting; }
  const std::vector<Site>& seen() const { return seen_; }
  void ForgetSeen() { seen_.clear(); }

  void Weaken(const Site& site) { weak_ = site; }
  void WeakenNone() { weak_ = {}; }

 private:
  bool Same(const std::source_location& where) const;
  void Collect(OpKind kind, std::memory_order order, queue::Label label, const std::source_location& where);

  bool collecting_ = false;
  std::vector<Site> seen_;
  Site weak_{};  // line 0: none
};

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_SITES_H_
