// The node of a benchmark.
#ifndef WEIR_BENCH_PARTS_BENCH_NODE_H_
#define WEIR_BENCH_PARTS_BENCH_NODE_H_

#include <unistd.h>
#include <weir/weir.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace weir {

// In a domain of this process's own, under $WEIR_ROOT or the usual root.
inline Node MakeBenchNode() {
  auto node = Node::Create({.name = "bench", .domain = "bench-parts-" + std::to_string(getpid())});
  if (!node.ok()) {
    std::fprintf(stderr, "%s\n", std::string(node.status().message()).c_str());
    std::abort();
  }
  return *std::move(node);
}

}  // namespace weir

#endif  // WEIR_BENCH_PARTS_BENCH_NODE_H_
