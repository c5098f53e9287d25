// What is UTF-8, and escapes that become it.
#include "schema/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace weir::schema {
namespace {

TEST(Utf8Test, OverlongSurrogateAndCutOffCharactersAreNone) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
  EXPECT_FALSE(IsUtf8("\xc3"));
  EXPECT_FALSE(IsUtf8("\xc0\x80"));
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));
  EXPECT_EQ(WithValidUtf8("a\xff\xc3\xa4"), "a\xEF\xBF\xBD\xc3\xa4");
}

TEST(Utf8Test, UnicodeEscapesBecomeTheirCharacters) {
  EXPECT_EQ(WithoutUnicodeEscapes(R"("\u00e4\u00E4\u20ac\ud83d\ude00 \u0041")"), "\"ää€😀 A\"");
  for (int c = 1; c < 0x20; ++c) {
    EXPECT_EQ(WithoutUnicodeEscapes(absl::StrFormat("\\u%04x", c)), std::string(1, static_cast<char>(c)));
  }
}

TEST(Utf8Test, WhatWouldEndAStringStaysEscaped) {
  EXPECT_EQ(WithoutUnicodeEscapes(R"(\u0022\u005c)"), R"(\"\\)");
}

TEST(Utf8Test, HalvesOfPairsAreReplacedAndOtherEscapesStay) {
  EXPECT_EQ(WithoutUnicodeEscapes(R"(\ud83d x \ude00)"), "\xEF\xBF\xBD x \xEF\xBF\xBD");
  EXPECT_EQ(WithoutUnicodeEscapes(R"(\\u0041 \n \" \u00g1 \u12 \u0000)"), R"(\\u0041 \n \" \u00g1 \u12 \u0000)");
  EXPECT_EQ(WithoutUnicodeEscapes("\\"), "\\");
}

}  // namespace
}  // namespace weir::schema
