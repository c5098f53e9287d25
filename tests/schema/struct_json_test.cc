// Described plain structs as JSON, by path, and back to the same bytes.
#include "schema/struct_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/describe.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tests/support/random.h"

namespace market {

enum class Side : uint8_t { kBid, kAsk };
enum class Big : int64_t { kLow = -9'000'000'000'000'000'000 };
enum class Letter : char { kA = 'A' };

struct Level {
  int32_t price;
  uint32_t size;
};
WEIR_STRUCT(Level, price, size);

struct Hidden {
  uint16_t a, b;
};

// Every kind of field, and no padding: it can be compared byte by byte.
struct Book {
  char symbol[8];
  char names[2][4];
  std::byte raw[3];
  std::byte flags;
  char grade;
  bool open;
  Side side;
  Letter letter;
  Big big;
  Level levels[2];
  int16_t grid[2][2];
  uint64_t number;
  double rate;
  std::array<float, 2> weights;
  Hidden hidden;
  uint8_t small[3];
  int8_t tiny;
};
WEIR_STRUCT(Book, symbol, names, raw, flags, grade, open, side, letter, big, levels, grid, number, rate, weights,
            hidden, small, tiny);
static_assert(sizeof(Book) == 88);

struct Padded {
  uint8_t first;
  uint64_t second;
};
WEIR_STRUCT(Padded, first, second);

}  // namespace market

namespace weir::schema {
namespace {

using market::Book;
using testing::HasSubstr;

template <class T>
StructJson TypeOf() {
  auto made = StructJson::Make(internal::StructText::Of<T>(), sizeof(T));
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

template <class T>
std::span<const std::byte> BytesOf(const T& message) {
  return std::as_bytes(std::span(&message, 1));
}

Book SomeBook() {
  return {.symbol = "EURUSD",
          .names = {{'a', 'b', 'c', 'd'}, {}},
          .raw = {std::byte{1}, std::byte{2}, std::byte{255}},
          .flags = std::byte{7},
          .grade = 'B',
          .open = true,
          .side = market::Side::kAsk,
          .letter = market::Letter::kA,
          .big = market::Big::kLow,
          .levels = {{-5, 3}, {2, 4'000'000'000}},
          .grid = {{1, -2}, {3, -4}},
          .number = 18'000'000'000'000'000'001u,
          .rate = 0.1,
          .weights = {0.1f, -0.0f},
          .hidden = {1, 2},
          .small = {1, 2, 3},
          .tiny = -128};
}

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

TEST(StructJsonTest, EveryKindOfFieldHasItsText) {
  EXPECT_EQ(
      *TypeOf<Book>().Encode(BytesOf(SomeBook())),
      R"({"symbol":"EURUSD","names":["abcd",""],"raw":"AQL/","flags":7,"grade":"B","open":true,"side":1,)"
      R"("letter":65,"big":"-9000000000000000000","levels":[{"price":-5,"size":3},{"price":2,"size":4000000000}],)"
      R"("grid":[[1,-2],[3,-4]],"number":"18000000000000000001","rate":0.1,"weights":[0.1,-0],"hidden":"AQACAA==",)"
      R"("small":[1,2,3],"tiny":-128})");
}

TEST(StructJsonTest, WhatIsPrintedReadsBackAsTheSameBytes) {
  const StructJson type = TypeOf<Book>();
  auto random = test::SeededRandom("struct round trip");
  for (int round = 0; round < 20'000; ++round) {
    Book sent = SomeBook();
    // Random bytes, so that there are subnormal floats, chars that are no text, and integers of all bits.
    std::array<std::byte, sizeof(Book)> bytes;
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 8 == 0 ? 0 : random());
    std::memcpy(static_cast<void*>(&sent), bytes.data(), sizeof(sent));
    sent.open = random() % 2 == 0;
    if (std::isnan(sent.rate)) sent.rate = 1;
    for (float& weight : sent.weights) weight = std::isnan(weight) ? 1 : weight;
    for (const bool pretty : {false, true}) {
      const auto text = type.Encode(BytesOf(sent), pretty);
      ASSERT_TRUE(text.ok()) << text.status();
      Book read;
      std::memset(static_cast<void*>(&read), 0xee, sizeof(read));
      const absl::Status status = type.Decode(*text, std::as_writable_bytes(std::span(&read, 1)));
      ASSERT_TRUE(status.ok()) << status << " " << *text;
      const auto differ = std::mismatch(BytesOf(sent).begin(), BytesOf(sent).end(), BytesOf(read).begin());
      ASSERT_TRUE(differ.first == BytesOf(sent).end())
          << "byte " << differ.first - BytesOf(sent).begin() << " of " << *text;
    }
  }
}

TEST(StructJsonTest, CharsAreTextWithNothingBehindItOrBothTextAndBytes) {
  const StructJson type = TypeOf<Book>();
  Book book = SomeBook();
  std::memcpy(book.symbol, "AB\0stale", 8);
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "symbol"), R"({"text":"AB","base64":"QUIAc3RhbGU="})");
  std::memcpy(book.symbol, "\xff\xfe\0\0\0\0\0\0", 8);
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "symbol"), R"({"base64":"//4AAAAAAAA="})");
  std::memcpy(book.symbol, "a\"\\\n\xc3\xa4\x1f\0", 8);
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "symbol"), R"("a\"\\\u000aä\u001f")");
  book.grade = '\0';
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "grade"), R"("")");
}

TEST(StructJsonTest, FloatsThatAreNoNumbersAreStringsAsInCapnpsJson) {
  const StructJson type = TypeOf<Book>();
  Book book = SomeBook();
  book.rate = std::numeric_limits<double>::quiet_NaN();
  book.weights = {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  const std::string text = *type.Encode(BytesOf(book));
  EXPECT_THAT(text, HasSubstr(R"("rate":"NaN","weights":["Infinity","-Infinity"])"));
  Book read;
  ASSERT_TRUE(type.Decode(text, std::as_writable_bytes(std::span(&read, 1))).ok());
  EXPECT_TRUE(std::isnan(read.rate));
  EXPECT_EQ(read.weights, book.weights);
}

TEST(StructJsonTest, AnInvalidBoolIsANumberAndNotReadBack) {
  const StructJson type = TypeOf<Book>();
  Book book = SomeBook();
  std::memset(&book.open, 9, 1);
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "open"), "9");
  EXPECT_TRUE(absl::IsInvalidArgument(type.Decode(R"({"open":9})", std::as_writable_bytes(std::span(&book, 1)))));
}

TEST(StructJsonTest, FieldsAreFoundByPath) {
  const StructJson type = TypeOf<Book>();
  const Book book = SomeBook();
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "levels[1].size"), "4000000000");
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "levels[0]"), R"({"price":-5,"size":3})");
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "grid[1]"), "[3,-4]");
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "grid[1][0]"), "3");
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "names[0]"), R"("abcd")");
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "symbol[1]"), R"("U")");
  EXPECT_EQ(*type.EncodeField(BytesOf(book), "raw[2]"), "255");
  EXPECT_EQ(*type.EncodeField(BytesOf(book), ""), *type.Encode(BytesOf(book)));

  EXPECT_EQ(type.GetField(BytesOf(book), "levels[1].size")->as<uint32_t>(), 4'000'000'000u);
  EXPECT_EQ(type.GetField(BytesOf(book), "big")->as<int64_t>(), -9'000'000'000'000'000'000);
  EXPECT_EQ(type.GetField(BytesOf(book), "rate")->as<double>(), 0.1);
  EXPECT_EQ(type.GetField(BytesOf(book), "weights[0]")->as<float>(), 0.1f);
  EXPECT_TRUE(type.GetField(BytesOf(book), "open")->as<bool>());
  EXPECT_EQ(type.GetField(BytesOf(book), "symbol")->as<capnp::Data>().begin(),
            reinterpret_cast<const kj::byte*>(book.symbol))
      << "it lies in the message";

  const auto code = [&](std::string_view path) { return type.EncodeField(BytesOf(book), path).status().code(); };
  EXPECT_EQ(code("bid"), absl::StatusCode::kNotFound);
  EXPECT_EQ(code("levels[2]"), absl::StatusCode::kNotFound);
  EXPECT_EQ(code("levels.price"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("number.x"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("number[0]"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("levels[x]"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("levels[0"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("levels[0]price"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("."), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(type.GetField(BytesOf(book), "levels").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(type.GetField(BytesOf(book), "").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(StructJsonTest, WhatTheTextDoesNotHaveBecomesZeroPaddingToo) {
  const StructJson type = TypeOf<market::Padded>();
  market::Padded message;
  std::memset(static_cast<void*>(&message), 0xee, sizeof(message));
  ASSERT_TRUE(type.Decode(R"({"first": 1})", std::as_writable_bytes(std::span(&message, 1))).ok());
  const std::array<std::byte, sizeof(message)> wanted = {std::byte{1}};
  EXPECT_EQ(std::memcmp(&message, wanted.data(), sizeof(message)), 0);
}

TEST(StructJsonTest, WhatDoesNotFitIsNamedAndChangesNothing) {
  const StructJson type = TypeOf<Book>();
  const auto refusal = [&](std::string_view text) {
    Book book = SomeBook();
    const Book before = book;
    const absl::Status status = type.Decode(text, std::as_writable_bytes(std::span(&book, 1)));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status << " " << text;
    EXPECT_EQ(std::memcmp(&book, &before, sizeof(book)), 0) << text;
    return Message(status);
  };
  EXPECT_THAT(refusal("no JSON"), HasSubstr("JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("an object"));
  EXPECT_THAT(refusal(R"({"bid": 1})"), HasSubstr("bid: market::Book has no such field"));
  EXPECT_THAT(refusal(R"({"levels": [{"price": 1}]})"), HasSubstr("levels: the array has 2 elements, not 1"));
  EXPECT_THAT(refusal(R"({"levels": [{"price": 1}, {"price": 3000000000}]})"),
              HasSubstr("levels[1].price: 3000000000 does not fit into 32 bits"));
  EXPECT_THAT(refusal(R"({"side": 256})"), HasSubstr("side: 256 does not fit into 8 bits"));
  EXPECT_THAT(refusal(R"({"tiny": -129})"), HasSubstr("tiny"));
  EXPECT_THAT(refusal(R"({"side": -1})"), HasSubstr("negative"));
  EXPECT_THAT(refusal(R"({"side": 1.5})"), HasSubstr("1.5 is no integer"));
  EXPECT_THAT(refusal(R"({"number": 18000000000000000001})"), HasSubstr("quotation marks"));
  EXPECT_THAT(refusal(R"({"number": "18x"})"), HasSubstr("no integer of 64 bits"));
  EXPECT_THAT(refusal(R"({"number": "-1"})"), HasSubstr("no integer of 64 bits"));
  EXPECT_THAT(refusal(R"({"symbol": "123456789"})"), HasSubstr("9 bytes of text, there is room for 8"));
  EXPECT_THAT(refusal(R"({"symbol": {"text": "a"}})"), HasSubstr("base64"));
  EXPECT_THAT(refusal(R"({"raw": "AQI="})"), HasSubstr("base64 of 3 bytes is wanted here, not of 2"));
  EXPECT_THAT(refusal(R"({"weights": [1e39, 0]})"), HasSubstr("weights[0]"));
  EXPECT_THAT(refusal(R"({"open": 1})"), HasSubstr("true or false"));
  Book book;
  EXPECT_TRUE(type.Decode(R"({"number": 3, "symbol": "12345678"})", std::as_writable_bytes(std::span(&book, 1))).ok());
  EXPECT_EQ(book.number, 3u);
  EXPECT_EQ(book.symbol[7], '8');
}

TEST(StructJsonTest, AMessageOfAnotherLengthIsDataLoss) {
  const StructJson type = TypeOf<Book>();
  std::vector<std::byte> bytes(sizeof(Book) - 1);
  EXPECT_TRUE(absl::IsDataLoss(type.Encode(bytes).status()));
  EXPECT_TRUE(absl::IsDataLoss(type.EncodeField(bytes, "side").status()));
  EXPECT_TRUE(absl::IsDataLoss(type.Decode("{}", bytes)));
}

TEST(StructJsonTest, ADescriptionThatContradictsItselfIsDataLoss) {
  const auto code = [](std::string_view text, uint64_t bytes) { return StructJson::Make(text, bytes).status().code(); };
  constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 int64 x\n", 8), absl::StatusCode::kOk);
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 int64 x\n", 16), kDataLoss);
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 int32 x\n", 8), kDataLoss);
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 int32[3] x\n", 8), kDataLoss);
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 char[9999999999999999999][2] x\n", 8), kDataLoss);
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 B x\nstruct 4 4 B\n", 8), kDataLoss);
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 A x\n", 8), kDataLoss);
  EXPECT_EQ(code("weir-struct 1\nstruct 8 8 A\n0 8 B x\nstruct 8 8 B\n0 8 A y\n", 8), kDataLoss);
  EXPECT_EQ(code("weir-struct 2\n", 8), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code("", 8), kDataLoss);
}

TEST(StructJsonTest, AnyDescriptionThatIsAcceptedCanBeUsedOnAnyBytes) {
  const std::string good = internal::StructText::Of<Book>();
  auto random = test::SeededRandom("struct description garbage");
  int accepted = 0;
  for (int round = 0; round < 5'000; ++round) {
    std::string bad = good;
    for (uint64_t i = random() % 4; i > 0; --i) bad[random() % bad.size()] = static_cast<char>(' ' + random() % 95);
    const auto type = StructJson::Make(bad, sizeof(Book));
    if (!type.ok()) continue;
    ++accepted;
    std::array<std::byte, sizeof(Book)> bytes;
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    const auto text = type->Encode(bytes);
    ASSERT_TRUE(text.ok()) << text.status();
    (void)type->Decode(*text, bytes);
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace weir::schema
