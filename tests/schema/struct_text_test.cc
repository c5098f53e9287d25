// The text that describes plain structs.
#include "schema/struct_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/random.h"

namespace weir::schema {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kTick[] =
    "weir-struct 1\n"
    "struct 40 8 market::Tick\n"
    "0 8 char[8] symbol\n"
    "8 1 enum uint8 market::Side side\n"
    "16 24 market::Level[3] levels\n"
    "struct 8 4 market::Level\n"
    "0 4 int32 price\n"
    "4 4 uint32 size\n";

std::string Replaced(const std::string& what, const std::string& with) {
  std::string text = kTick;
  text.replace(text.find(what), what.size(), with);
  return text;
}

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

TEST(StructTextTest, TheTextIsReadAsItsFields) {
  auto shapes = ParseStructText(kTick);
  ASSERT_TRUE(shapes.ok()) << shapes.status();
  ASSERT_EQ(shapes->size(), 2u);
  EXPECT_EQ(shapes->at(0).name, "market::Tick");
  EXPECT_EQ(shapes->at(0).bytes, 40u);
  EXPECT_EQ(shapes->at(0).align, 8u);
  EXPECT_THAT(shapes->at(0).fields,
              ElementsAre(StructField{0, 8, "char[8]", "symbol"}, StructField{8, 1, "enum uint8 market::Side", "side"},
                          StructField{16, 24, "market::Level[3]", "levels"}));
  EXPECT_EQ(shapes->at(1).fields.size(), 2u);
}

TEST(StructTextTest, EqualTextsAreTheSame) {
  EXPECT_EQ(CompareStructTexts(kTick, kTick), absl::OkStatus());
}

TEST(StructTextTest, AChangedTypeIsNamedWithBothSides) {
  const absl::Status status = CompareStructTexts(kTick, Replaced("0 8 char[8] symbol", "0 8 uint64 symbol"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(status), "field \"symbol\" of market::Tick: char[8] at byte 0 here, uint64 at byte 0 in the topic");
}

TEST(StructTextTest, AMovedFieldIsNamedWithBothPlaces) {
  EXPECT_THAT(Message(CompareStructTexts(kTick, Replaced("8 1 enum", "12 1 enum"))),
              HasSubstr("field \"side\" of market::Tick: enum uint8 market::Side at byte 8 here, "
                        "enum uint8 market::Side at byte 12 in the topic"));
}

TEST(StructTextTest, ARenamedFieldIsRefusedBecauseTwoMayHaveChangedPlaces) {
  EXPECT_THAT(Message(CompareStructTexts(kTick, Replaced("int32 price", "int32 cost"))),
              HasSubstr("field 1 of market::Level: \"price\", int32 at byte 0, here, \"cost\", int32 at byte 0, in"));
}

TEST(StructTextTest, AnAddedFieldIsNamedOnTheSideThatHasIt) {
  const std::string longer = Replaced("4 4 uint32 size\n", "4 4 uint32 size\n8 4 uint32 orders\n");
  const std::string fitting = [&] {
    std::string text = longer;
    text.replace(text.find("struct 8 4"), 10, "struct 12 4");
    return text;
  }();
  EXPECT_THAT(Message(CompareStructTexts(kTick, fitting)),
              HasSubstr("field 3 of market::Level: nothing here, \"orders\", uint32 at byte 8, in the topic"));
  EXPECT_THAT(Message(CompareStructTexts(fitting, kTick)),
              HasSubstr("field 3 of market::Level: \"orders\", uint32 at byte 8, here, nothing in the topic"));
}

TEST(StructTextTest, ADifferenceOfSizeOrAlignmentAloneIsNamed) {
  EXPECT_THAT(Message(CompareStructTexts(kTick, Replaced("struct 40 8", "struct 64 64"))),
              HasSubstr("market::Tick: 40 bytes aligned to 8 here, 64 bytes aligned to 64 in the topic"));
}

TEST(StructTextTest, ATextOfAnotherVersionIsFailedPreconditionAndNamesBoth) {
  const absl::Status status = ParseStructText(Replaced("weir-struct 1", "weir-struct 2")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("version 2"), HasSubstr("version 1")));
}

TEST(StructTextTest, WhatIsNoSuchTextIsDataLossNamingTheLine) {
  const struct {
    std::string text;
    const char* says;
  } cases[] = {
      {"", "describes nothing"},
      {"weir-struct 1\n", "describes nothing"},
      {"\n", "line 1"},
      {"weir-struct 1", "line 1"},
      {std::string(10, '\0'), "line 1"},
      {"weir-struct 1\n0 8 int64 price\n", "line 2"},
      {Replaced("struct 40 8 ", "struct 40 7 "), "line 2"},
      {Replaced("struct 40 8 ", "struct 41 8 "), "line 2"},
      {Replaced("struct 40 8 ", "struct 99999999999999999999 8 "), "line 2"},
      {Replaced("struct 40 8 market::Tick", "struct 40 8"), "line 2"},
      {Replaced("0 8 char", "-1 8 char"), "line 3"},
      {Replaced("0 8 char[8] symbol", "0 8 symbol"), "line 3"},
      {Replaced("symbol", "sym\tbol"), "line 3"},
      {Replaced("8 1 enum", "7 1 enum"), "line 4"},                  // overlaps
      {Replaced("16 24 market", "16 25 market"), "line 5"},          // outside
      {Replaced("4 4 uint32 size\n", "4 4 uint32 size"), "line 8"},  // cut off
      {Replaced("symbol", std::string(5000, 'x')), "line 3"},
      {std::string(kStructTextBytesMax + 1, 'x'), "bytes"},
  };
  for (const auto& [text, says] : cases) {
    const absl::Status status = ParseStructText(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text.substr(0, 300);
    EXPECT_THAT(Message(status), HasSubstr(says)) << text.substr(0, 300);
    EXPECT_FALSE(CompareStructTexts(kTick, text).ok());
  }
}

TEST(StructTextTest, NoChangeOfTheTextCrashes) {
  auto random = test::SeededRandom("struct text");
  for (int round = 0; round < 20'000; ++round) {
    std::string text = kTick;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      text[random() % text.size()] = static_cast<char>(random() % 2 == 0 ? random() % 256 : '0' + random() % 10);
    }
    CompareStructTexts(kTick, text).IgnoreError();
  }
}

}  // namespace
}  // namespace weir::schema
