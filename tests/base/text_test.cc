#include "middleware/base/text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/support/random.h"

namespace weir {
namespace {

TEST(QuotedTest, ShortTextIsShownWholeAndLongTextKeepsHeadTailAndLength) {
  EXPECT_EQ(Quoted(""), "\"\"");
  EXPECT_EQ(Quoted("scan/Gerät"), "\"scan/Gerät\"");
  EXPECT_EQ(Quoted(std::string(kQuotedBytesMax, 'x')), "\"" + std::string(kQuotedBytesMax, 'x') + "\"");
  EXPECT_EQ(Quoted(std::string(150, 'h') + std::string(150, 't')),
            "\"" + std::string(60, 'h') + "..." + std::string(30, 't') + "\" (of 300 bytes)");
  EXPECT_LT(Quoted(std::string(1 << 20, '\x01')).size(), 500u);
}

TEST(QuotedTest, WhatATerminalWouldObeyIsEscaped) {
  EXPECT_EQ(Quoted(std::string("a\0b\n\x1b[2J\x7f", 9)), R"("a\x00b\n\x1b[2J\x7f")");
  EXPECT_EQ(Quoted("\xC2\x85"), R"("\xc2\x85")");  // a control character of two bytes
  EXPECT_EQ(Quoted(R"(a"b\c)"), R"("a\"b\\c")");
}

TEST(PrintableTest, IsTheTextButForWhatATerminalWouldObey) {
  EXPECT_EQ(Printable("field \"price\" \\ Größe"), "field \"price\" \\ Größe");
  EXPECT_EQ(Printable("a\x1b[2J\xffz\n"), R"(a\x1b[2J\xffz\n)");
}

TEST(QuotedTest, BrokenUtf8IsEscapedByteByByteAndTheRestIsKept) {
  EXPECT_EQ(Quoted("a\xFFz"), R"("a\xffz")");
  EXPECT_EQ(Quoted("\xC0\xAF"), R"("\xc0\xaf")");          // overlong
  EXPECT_EQ(Quoted("\xED\xA0\x80"), R"("\xed\xa0\x80")");  // a surrogate
  EXPECT_EQ(Quoted("ä\xE2\x82"), R"("ä\xe2\x82")");        // cut off
}

TEST(QuotedTest, NoCharacterIsCutInTwo) {
  for (size_t offset = 0; offset < 8; ++offset) {
    std::string text(offset, 'x');
    while (text.size() < 200) text += "\xF0\x9F\x98\x80";
    EXPECT_EQ(Quoted(text).find("\\x"), std::string::npos) << Quoted(text);
  }
}

TEST(QuotedTest, AnythingBecomesValidTextOfOneLine) {
  std::mt19937_64 random = test::SeededRandom("quoted");
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 300, '\0');
    for (char& byte : text) byte = static_cast<char>(random());
    const std::string quoted = Quoted(text);
    for (std::string_view rest = quoted; !rest.empty();) {
      const size_t length = Utf8Length(rest);
      ASSERT_NE(length, 0u) << quoted;
      ASSERT_FALSE(IsControl(rest.substr(0, length))) << quoted;
      rest.remove_prefix(length);
    }
  }
}

}  // namespace
}  // namespace weir
