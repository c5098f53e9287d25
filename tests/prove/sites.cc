#include "tests/prove/sites.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace weir::prove {
namespace {

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// "weir::queue::PassResult weir::queue::Reclaimer<A>::Pass(...) [with ...]" is Pass.
std::string_view BareName(std::string_view function) {
  function = function.substr(0, function.find('('));
  const size_t begin = function.find_last_of(": ");
  return begin == std::string_view::npos ? function : function.substr(begin + 1);
}

const char* NameOf(std::memory_order order) {
  switch (order) {
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    case std::memory_order_acq_rel:
      return "acq_rel";
    case std::memory_order_seq_cst:
      return "seq_cst";
    default:
      return "relaxed";
  }
}

const char* NameOf(OpKind kind) {
  constexpr const char* kNames[] = {"load", "store", "update", "fence", "compiler barrier"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace

std::string Site::Name() const {
  std::string name = label;
  if (kind != OpKind::kLightFence) name += std::string(" ") + NameOf(order);
  return name + " " + NameOf(kind) + " " + "in " + std::string(BareName(function)) + " (" +
         std::string(BaseName(file)) + ")";
}

bool Sites::Same(const std::source_location& where) const {
  return std::strcmp(where.file_name(), weak_.file) == 0;
}

void Sites::Collect(OpKind kind, std::memory_order order, queue::Label label, const std::source_location& where) {
  const bool known = std::any_of(seen_.begin(), seen_.end(), [&](const Site& site) {
    return site.line == where.line() && site.kind == kind && std::strcmp(site.file, where.file_name()) == 0;
  });
  if (!known) {
    seen_.push_back({.label = label,
                     .file = where.file_name(),
                     .function = where.function_name(),
                     .line = where.line(),
                     .kind = kind,
                     .order = order});
  }
}

}  // namespace weir::prove
