#include "schema/validate.h"

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/schema.capnp.h>
#include <kj/debug.h>
#include <kj/exception.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "schema/kj_seam.h"

namespace weir::schema {
namespace {

using capnp::AnyList;
using capnp::AnyPointer;
using capnp::AnyStruct;
using capnp::DynamicList;
using capnp::DynamicStruct;

constexpr uint64_t kVisitedWordsMin = (64u << 20) / sizeof(capnp::word);

// Bounds the recursion where the message's nesting limit does not: groups inside groups, which take no pointer, and
// messages whose reader has no such limit.
constexpr size_t kStepsMax = 160;

// Other fields lie in their struct, and other elements in their list, which has been checked when one holds it.
bool HasPointers(capnp::schema::Type::Which kind) {
  switch (kind) {
    case capnp::schema::Type::TEXT:
    case capnp::schema::Type::DATA:
    case capnp::schema::Type::LIST:
    case capnp::schema::Type::STRUCT:  // a group as well
    case capnp::schema::Type::INTERFACE:
    case capnp::schema::Type::ANY_POINTER:
      return true;
    default:
      return false;
  }
}

class Walker {
 public:
  explicit Walker(capnp::StructSchema root) : root_(root) {}

  template <class Call>
  absl::Status Run(Call call) {
    try {
      call(*this);
      return absl::OkStatus();
    } catch (const kj::Exception& exception) {
      return FromException(absl::StatusCode::kDataLoss, Path(), exception);
    }
  }

  void VisitStruct(DynamicStruct::Reader message) {
    auto pointers = AnyStruct::Reader(message).getPointerSection();
    size_t base = visited_.size();
    visited_.resize(base + pointers.size(), false);
    VisitFields(message, base);
    // What has no name here, but goes along when the message is copied: members of unions that are not active and
    // fields of a newer version of the type.
    for (capnp::uint i = 0; i < pointers.size(); ++i) {
      if (visited_[base + i]) continue;
      Enter("(other pointer)");
      EnterIndex(i);
      VisitAny(pointers[i]);
      Leave();
      Leave();
    }
    visited_.resize(base);
  }

 private:
  // A step of the path: into a field (name) or into an element of a list.
  struct Step {
    const char* name;
    capnp::uint index;
  };

  // The path is left as it is when an exception passes, so that it names the place. Hence no RAII.
  void Enter(const char* name) {
    KJ_REQUIRE(path_.size() < kStepsMax, "Message is nested too deeply.");
    path_.push_back({name, 0});
  }
  void EnterIndex(capnp::uint index) {
    KJ_REQUIRE(path_.size() < kStepsMax, "Message is nested too deeply.");
    path_.push_back({nullptr, index});
  }
  void Leave() { path_.pop_back(); }

  std::string Path() const {
    std::string_view name = View(root_.getProto().getDisplayName());
    std::string path(name.substr(name.rfind(':') + 1));
    for (const Step& step : path_) {
      if (step.name != nullptr) {
        absl::StrAppend(&path, ".", step.name);
      } else {
        absl::StrAppend(&path, "[", step.index, "]");
      }
    }
    return path;
  }

  // Of a struct, or of a group in it. The struct's pointers are noted from visited_[base] on.
  void VisitFields(const DynamicStruct::Reader& message, size_t base) {
    for (auto field : message.getSchema().getFields()) VisitField(message, field, base);
  }

  void VisitField(const DynamicStruct::Reader& message, capnp::StructSchema::Field field, size_t base) {
    auto proto = field.getProto();
    capnp::schema::Type::Which kind = field.getType().which();
    if (!HasPointers(kind)) return;
    Enter(proto.getName().cStr());
    if (!message.has(field)) {
      // Null, or a union member that is not active.
    } else if (proto.isGroup()) {
      VisitFields(message.get(field).as<DynamicStruct>(), base);
    } else {
      // Getting one (an interface) would need the RPC library.
      KJ_REQUIRE(kind != capnp::schema::Type::INTERFACE, "Message contains a capability.");
      visited_[base + proto.getSlot().getOffset()] = true;  // within, or it would read as null
      capnp::DynamicValue::Reader value = message.get(field);
      if (kind == capnp::schema::Type::STRUCT) VisitStruct(value.as<DynamicStruct>());
      if (kind == capnp::schema::Type::LIST) VisitList(value.as<DynamicList>());
      if (kind == capnp::schema::Type::ANY_POINTER) VisitAny(value.as<AnyPointer>());
    }
    Leave();
  }

  void VisitList(const DynamicList::Reader& list) {
    capnp::schema::Type::Which kind = list.getSchema().whichElementType();
    if (kind == capnp::schema::Type::STRUCT) {
      for (capnp::uint i = 0; i < list.size(); ++i) {
        EnterIndex(i);
        VisitStruct(list[i].as<DynamicStruct>());
        Leave();
      }
      return;
    }
    bool typed =
        kind == capnp::schema::Type::TEXT || kind == capnp::schema::Type::DATA || kind == capnp::schema::Type::LIST;
    if (typed) {
      for (capnp::uint i = 0; i < list.size(); ++i) {
        EnterIndex(i);
        capnp::DynamicValue::Reader value = list[i];
        if (kind == capnp::schema::Type::LIST) VisitList(value.as<DynamicList>());
        Leave();
      }
    }
    // A newer version of the type may have made structs of the elements, with more pointers behind the one read above.
    AnyList::Reader any = list;
    if (!typed || any.getElementSize() == capnp::ElementSize::INLINE_COMPOSITE) VisitAnyList(any);
  }

  void VisitAny(const AnyPointer::Reader& pointer) {
    switch (pointer.getPointerType()) {
      case capnp::PointerType::NULL_:
        return;
      case capnp::PointerType::STRUCT:
        return VisitAnyStruct(pointer.getAs<AnyStruct>());
      case capnp::PointerType::LIST:
        return VisitAnyList(pointer.getAs<AnyList>());
      case capnp::PointerType::CAPABILITY:
        KJ_FAIL_REQUIRE("Message contains a capability.");
    }
  }

  void VisitAnyStruct(const AnyStruct::Reader& message) {
    auto pointers = message.getPointerSection();
    for (capnp::uint i = 0; i < pointers.size(); ++i) {
      EnterIndex(i);
      VisitAny(pointers[i]);
      Leave();
    }
  }

  void VisitAnyList(const AnyList::Reader& list) {
    capnp::ElementSize element = list.getElementSize();
    if (element == capnp::ElementSize::POINTER) {
      auto pointers = list.as<capnp::List<AnyPointer>>();
      for (capnp::uint i = 0; i < pointers.size(); ++i) {
        EnterIndex(i);
        VisitAny(pointers[i]);
        Leave();
      }
    } else if (element == capnp::ElementSize::INLINE_COMPOSITE) {
      auto structs = list.as<capnp::List<AnyStruct>>();
      for (capnp::uint i = 0; i < structs.size(); ++i) {
        EnterIndex(i);
        VisitAnyStruct(structs[i]);
        Leave();
      }
    }
  }

  capnp::StructSchema root_;
  std::vector<Step> path_;
  std::vector<bool> visited_;  // the pointers of all structs that are being visited, outermost first
};

}  // namespace

absl::Status Validate(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments, capnp::StructSchema type,
                      const ValidateLimits& limits) {
  capnp::ReaderOptions options;
  options.nestingLimit = std::clamp(limits.nesting_max, 1, 64);
  options.traversalLimitInWords = limits.visited_words_max;
  if (options.traversalLimitInWords == 0) {
    uint64_t words = 0;
    for (kj::ArrayPtr<const capnp::word> segment : segments) words += segment.size();
    options.traversalLimitInWords = std::max(2 * words, kVisitedWordsMin);
  }
  return Walker(type).Run([&](Walker& walker) {
    capnp::SegmentArrayMessageReader message(segments, options);
    walker.VisitStruct(message.getRoot<DynamicStruct>(type));
  });
}

absl::Status Validate(DynamicStruct::Reader message) {
  return Walker(message.getSchema()).Run([&](Walker& walker) { walker.VisitStruct(message); });
}

}  // namespace weir::schema
