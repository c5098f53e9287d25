// Plain structs whose fields are described: what lies with the topic, and who may connect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/weir.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "schema/struct_text.h"
#include "tests/support/test_root.h"

namespace market {

enum class Side : uint8_t { kBid, kAsk };

struct Level {
  int32_t price;
  uint32_t size;
};
WEIR_STRUCT(Level, price, size);

struct Book {
  struct Stamp {
    uint64_t ns;
    bool exact;
  };
  char symbol[8];
  Side side;
  const std::byte flags = {};
  int16_t grid[2][3];
  std::array<Level, 3> levels;
  Level last;
  Stamp stamp;
  double rate;
  float weights[2];
};
WEIR_STRUCT(Book::Stamp, ns, exact);
WEIR_STRUCT(Book, symbol, side, flags, grid, levels, last, stamp, rate, weights);

struct Derived : Level {};
struct Opaque {
  Derived level;
};
WEIR_STRUCT(Opaque, level);

struct Empty {};
WEIR_STRUCT(Empty);

struct alignas(64) Aligned {
  uint32_t first;
  alignas(32) uint32_t second;
};
WEIR_STRUCT(Aligned, first, second);

// Versions of one struct, as two programs would have them.
#define VERSION static constexpr std::string_view kWeirTypeName = "market::Tick"
struct Tick {
  VERSION;
  uint64_t number;
  int64_t price;
};
WEIR_STRUCT(Tick, number, price);

struct UndescribedTick {
  VERSION;
  uint64_t number;
  int64_t price;
};

struct SwappedTick {
  VERSION;
  int64_t price;
  uint64_t number;
};
WEIR_STRUCT(SwappedTick, price, number);

struct RetypedTick {
  VERSION;
  uint64_t number;
  double price;
};
WEIR_STRUCT(RetypedTick, number, price);

struct LongerTick {
  VERSION;
  uint64_t number;
  int64_t price;
  uint32_t size;
};
WEIR_STRUCT(LongerTick, number, price, size);

struct LongerUndescribedTick {
  VERSION;
  uint64_t number;
  int64_t price;
  uint32_t size;
};
#undef VERSION

// As long as the macro says it may be.
#define FOUR(m, p) m(p##0) m(p##1) m(p##2) m(p##3)
#define SIXTEEN(m, p) FOUR(m, p##0) FOUR(m, p##1) FOUR(m, p##2) FOUR(m, p##3)
#define HALF(m, p) \
  SIXTEEN(m, p##0) \
  SIXTEEN(m, p##1) SIXTEEN(m, p##2) SIXTEEN(m, p##3) SIXTEEN(m, p##4) SIXTEEN(m, p##5) SIXTEEN(m, p##6) SIXTEEN(m, p##7)
#define ALL(m) HALF(m, f) HALF(m, g)
#define DECLARE(name) uint8_t name;
#define COMMA_NAME(name) , name
struct Long {
  ALL(DECLARE)
};
#define DESCRIBE(...) WEIR_STRUCT(__VA_ARGS__)
DESCRIBE(Long ALL(COMMA_NAME));

}  // namespace market

namespace weir {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// What the static_assert in WEIR_STRUCT sees.
constexpr bool Fills(size_t struct_align, size_t end, size_t next_offset, size_t next_align) {
  internal::LayoutCheck check{.struct_align = struct_align, .end = end};
  check.Next(next_offset, next_align);
  return check.whole;
}
static_assert(Fills(8, 4, 8, 8));
static_assert(Fills(8, 4, 8, 4), "alignas moves a field");
static_assert(!Fills(8, 8, 12, 4), "four bytes that nobody named");
static_assert(!Fills(8, 8, 16, 8));
static_assert(!Fills(8, 8, 0, 8), "the order is another");

TEST(DescribedStructTextTest, TheTextHasEachFieldWithItsPlaceAndType) {
  EXPECT_EQ(MessageTraits<market::Book>::Type().schema,
            "weir-struct 1\n"
            "struct 88 8 market::Book\n"
            "0 8 char[8] symbol\n"
            "8 1 enum uint8 market::Side side\n"
            "9 1 byte flags\n"
            "10 12 int16[2][3] grid\n"
            "24 24 market::Level[3] levels\n"
            "48 8 market::Level last\n"
            "56 16 market::Book::Stamp stamp\n"
            "72 8 float64 rate\n"
            "80 8 float32[2] weights\n"
            "struct 8 4 market::Level\n"
            "0 4 int32 price\n"
            "4 4 uint32 size\n"
            "struct 16 8 market::Book::Stamp\n"
            "0 8 uint64 ns\n"
            "8 1 bool exact\n");
}

TEST(DescribedStructTextTest, AStructInsideThatIsNotDescribedIsOpaqueAlsoIfItsBaseIs) {
  EXPECT_EQ(MessageTraits<market::Opaque>::Type().schema,
            "weir-struct 1\nstruct 8 4 market::Opaque\n0 8 opaque market::Derived level\n");
  EXPECT_EQ(MessageTraits<market::Derived>::Type().schema, "");
}

TEST(DescribedStructTextTest, WhatTheMacroWritesCanBeRead) {
  for (const std::string& text :
       {MessageTraits<market::Book>::Type().schema, MessageTraits<market::Empty>::Type().schema,
        MessageTraits<market::Aligned>::Type().schema}) {
    EXPECT_TRUE(schema::ParseStructText(text).ok()) << schema::ParseStructText(text).status() << "\n" << text;
  }
  auto shapes = schema::ParseStructText(MessageTraits<market::Long>::Type().schema);
  ASSERT_TRUE(shapes.ok()) << shapes.status();
  EXPECT_EQ(shapes->at(0).fields.size(), 256u);
  EXPECT_EQ(shapes->at(0).fields.at(255).offset, 255u);
}

class DescribedStructTest : public testing::Test {
 protected:
  DescribedStructTest() {
    auto node = Node::Create({.name = "described", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    node_.emplace(*std::move(node));
  }
  void TearDown() override {
    node_.reset();
    EXPECT_TRUE(root_.IsEmpty());
  }

  // Why an endpoint of type T cannot join the topic that one of type First has made.
  template <class First, class T>
  absl::Status Join() {
    auto first = node_->CreatePublisher<First>("ticks");
    EXPECT_TRUE(first.ok()) << first.status();
    const absl::Status as_subscriber = node_->CreateSubscriber<T>("ticks").status();
    EXPECT_EQ(node_->CreatePublisher<T>("ticks").status(), as_subscriber);
    return as_subscriber;
  }

  test::TestRoot root_;
  std::optional<Node> node_;
};

TEST_F(DescribedStructTest, EndpointsOfOneDescriptionConnect) {
  auto publisher = node_->CreatePublisher<market::Tick>("ticks");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  auto subscriber = node_->CreateSubscriber<market::Tick>("ticks");
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  auto loan = publisher->Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  loan->value().number = 1;
  loan->value().price = 42;
  ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  auto taken = subscriber->Take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->value().price, 42);
}

TEST_F(DescribedStructTest, AChangedFieldIsRefusedNamingTopicStructFieldAndBothSides) {
  const absl::Status refused = Join<market::Tick, market::RetypedTick>();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(refused),
            "topic \"ticks\" has another version of struct \"market::Tick\", which does not go with this one: "
            "field \"price\" of market::Tick: float64 at byte 8 here, int64 at byte 8 in the topic");
}

TEST_F(DescribedStructTest, FieldsThatChangedPlacesAreRefusedAlthoughTheSizeIsTheSame) {
  EXPECT_THAT(Message(Join<market::Tick, market::SwappedTick>()),
              HasSubstr("field 1 of market::Tick: \"price\", int64 at byte 0, here, \"number\", uint64 at byte 0, in"));
}

TEST_F(DescribedStructTest, AnAddedFieldIsRefusedAndNamed) {
  EXPECT_THAT(Message(Join<market::Tick, market::LongerTick>()),
              HasSubstr("field 3 of market::Tick: \"size\", uint32 at byte 16, here, nothing in the topic"));
}

TEST_F(DescribedStructTest, AnUndescribedStructOfTheSameNameSizeAndAlignmentConnects) {
  EXPECT_EQ((Join<market::Tick, market::UndescribedTick>()), absl::OkStatus());
  EXPECT_EQ((Join<market::UndescribedTick, market::Tick>()), absl::OkStatus());
  EXPECT_EQ((Join<market::UndescribedTick, market::UndescribedTick>()), absl::OkStatus());
}

TEST_F(DescribedStructTest, AnUndescribedStructOfAnotherSizeIsRefusedWithBothSizes) {
  const absl::Status refused = Join<market::Tick, market::LongerUndescribedTick>();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), testing::AllOf(HasSubstr("16 bytes"), HasSubstr("24 bytes")));
}

TEST_F(DescribedStructTest, StructsOfAnotherNameAreOtherTypes) {
  const absl::Status refused = Join<market::Tick, market::Level>();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(refused), testing::AllOf(HasSubstr("market::Tick"), HasSubstr("market::Level")));
}

}  // namespace
}  // namespace weir
