// Two versions of a type: which go together, and what is said of those that do not.
#include "schema/compatible.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/schema_blob.h"
#include "tests/schema/compiled_text.h"
#include "tests/support/random.h"
#include "tests/support/skip.h"

namespace weir::schema {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CompatibleTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::HaveCapnpTool()) WEIR_SKIP("the capnp tool is not there");
  }

  // The schema of `struct Quote` with the fields in `members`, beside other declarations.
  static std::string Blob(std::string_view members, std::string_view others = "") {
    const test::CompiledText text(
        absl::StrCat("struct Quote @0x9d6e4a3f0a5b7c11 {", AsAbsl(members), "}\n", AsAbsl(others)));
    auto description = Describe(text.Struct("Quote"));
    EXPECT_TRUE(description.ok()) << description.status();
    return description.ok() ? description->blob : "";
  }

  static absl::Status Check(const std::string& ours, const std::string& topics) {
    return CheckCompatible(std::as_bytes(std::span(ours)), std::as_bytes(std::span(topics)));
  }

  static void ExpectBothWays(const std::string& a, const std::string& b) {
    EXPECT_EQ(Check(a, b), absl::OkStatus());
    EXPECT_EQ(Check(b, a), absl::OkStatus());
  }

  // Refused in both directions, with these words when the first is ours.
  template <class Matcher>
  static void ExpectRefused(const std::string& ours, const std::string& topics, Matcher says) {
    const absl::Status status = Check(ours, topics);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), says);
    EXPECT_EQ(Check(topics, ours).code(), absl::StatusCode::kFailedPrecondition) << Check(topics, ours);
  }
};

TEST_F(CompatibleTest, AddedFieldsGoTogetherInBothDirections) {
  ExpectBothWays(Blob("price @0 :Int64;"), Blob("price @0 :Int64; size @1 :UInt32; venue @2 :Text;"));
  ExpectBothWays(Blob(""), Blob("price @0 :Int64;"));
}

TEST_F(CompatibleTest, RenamedFieldsTypesAndEnumerantsGoTogether) {
  ExpectBothWays(Blob("price @0 :Int64;"), Blob("cost @0 :Int64;"));
  ExpectBothWays(Blob("side @0 :Side;", "enum Side @0x8a1f2e3d4c5b6a79 { bid @0; ask @1; }"),
                 Blob("side @0 :Way;", "enum Way @0x8a1f2e3d4c5b6a79 { buy @0; sell @1; cross @2; }"));
}

TEST_F(CompatibleTest, TheOrderInTheFileDoesNotMatter) {
  ExpectBothWays(Blob("price @0 :Int64; size @1 :Int32;"), Blob("size @1 :Int32; price @0 :Int64;"));
}

TEST_F(CompatibleTest, GroupsAndUnionsMayGetFurtherMembers) {
  ExpectBothWays(Blob("level :group { price @0 :Int64; }"), Blob("level :group { price @0 :Int64; size @1 :Int32; }"));
  ExpectBothWays(Blob("union { bid @0 :Int64; ask @1 :Int64; }"),
                 Blob("union { bid @0 :Int64; ask @1 :Int64; none @2 :Void; }"));
}

TEST_F(CompatibleTest, AFieldMayBecomeTheFirstMemberOfANewUnion) {
  ExpectBothWays(Blob("price @0 :Int64;"), Blob("union { price @0 :Int64; text @1 :Text; }"));
  ExpectRefused(Blob("price @0 :Int64; text @1 :Text;"), Blob("union { price @0 :Int64; text @1 :Text; }"),
                HasSubstr("field \"text\" @1 of Quote: it is union member 0 here, 1 in the topic"));
}

TEST_F(CompatibleTest, AFieldMayBecomeAGroup) {
  ExpectBothWays(Blob("price @0 :Int64;"), Blob("price :group { value @0 :Int64; scale @1 :Int8; }"));
  ExpectRefused(Blob("price @0 :Int64;"), Blob("price :group { value @0 :Float64; scale @1 :Int8; }"),
                HasSubstr("field \"price\" @0 of Quote: its type is Int64 here, Float64 in the topic"));
}

TEST_F(CompatibleTest, AListMayBecomeAListOfStructs) {
  const std::string old_type = Blob("prices @0 :List(Int64);");
  ExpectBothWays(old_type, Blob("prices @0 :List(Level);", "struct Level { price @0 :Int64; size @1 :Int32; }"));
  ExpectRefused(old_type, Blob("prices @0 :List(Level);", "struct Level { price @0 :Float64; }"),
                HasSubstr("field \"prices\" @0 of Quote: its type is List(Int64) here, List(Level) in the topic"));
  ExpectRefused(Blob("flags @0 :List(Bool);"), Blob("flags @0 :List(Flag);", "struct Flag { set @0 :Bool; }"),
                HasSubstr("List(Bool) here, List(Flag) in the topic"));
}

TEST_F(CompatibleTest, AChangedTypeIsRefusedNamingTypeFieldAndBothSides) {
  ExpectRefused(Blob("symbol @0 :Text; size @1 :Int32; price @2 :Int64;"),
                Blob("symbol @0 :Text; size @1 :Int32; price @2 :Float64;"),
                HasSubstr("field \"price\" @2 of Quote: its type is Int64 here, Float64 in the topic"));
  ExpectRefused(Blob("price @0 :Int64;"), Blob("cost @0 :UInt64;"),
                HasSubstr("field \"price\" @0 of Quote (\"cost\" in the topic): its type is Int64 here, UInt64"));
  ExpectRefused(Blob("names @0 :List(List(Text));"), Blob("names @0 :List(Text);"),
                HasSubstr("its type is List(List(Text)) here, List(Text) in the topic"));
  ExpectRefused(Blob("a @0 :A;", "struct A {}"), Blob("a @0 :B;", "struct B {}"),
                HasSubstr("its type is A here, B in the topic"));
  ExpectRefused(Blob("a @0 :A;", "struct A @0x8a1f2e3d4c5b6a71 {}"),
                Blob("a @0 :A;", "struct A @0x8a1f2e3d4c5b6a72 {}"),
                HasSubstr("its type is A (0x8a1f2e3d4c5b6a71) here, A (0x8a1f2e3d4c5b6a72) in the topic"));
  ExpectRefused(Blob("side @0 :Side;", "enum Side { bid @0; }"), Blob("side @0 :UInt16;"),
                HasSubstr("its type is Side here, UInt16 in the topic"));
}

TEST_F(CompatibleTest, WhatOneSideCouldNotReadIsRefused) {
  ExpectRefused(Blob("name @0 :Text;"), Blob("name @0 :Data;"), HasSubstr("Text here, Data in the topic"));
  ExpectRefused(Blob("names @0 :List(Text);"), Blob("names @0 :List(Data);"), HasSubstr("List(Data) in the topic"));
  ExpectRefused(Blob("name @0 :Text;"), Blob("name @0 :AnyPointer;"), HasSubstr("AnyPointer in the topic"));
  ExpectRefused(Blob("box @0 :Box(Text);", "struct Box(T) { it @0 :T; }"),
                Blob("box @0 :Box(Data);", "struct Box(T) { it @0 :T; }"),
                HasSubstr("field \"box\" @0 of Quote: its type is Box with other type arguments"));
}

TEST_F(CompatibleTest, AFieldInsertedBeforeOthersIsNamed) {
  ExpectRefused(Blob("symbol @0 :Text; price @1 :Int64;"), Blob("venue @0 :UInt8; symbol @1 :Text; price @2 :Int64;"),
                AllOf(HasSubstr("field \"symbol\" @0 of Quote"), HasSubstr("\"venue\" in the topic"),
                      HasSubstr("Text here, UInt8 in the topic")));
}

TEST_F(CompatibleTest, AFieldThatLeftItsUnionIsRefused) {
  ExpectRefused(Blob("union { a @0 :Int32; b @1 :Int64; } c @2 :Int32;"),
                Blob("a @0 :Int32; b @1 :Int64; c @2 :Int32;"), HasSubstr("field \"b\" @1 of Quote: it "));
}

TEST_F(CompatibleTest, AChangedDefaultIsRefusedWithBothValues) {
  ExpectRefused(Blob("size @0 :Int32 = 5;"), Blob("size @0 :Int32 = 7;"),
                HasSubstr("field \"size\" @0 of Quote: its default value is 5 here, 7 in the topic"));
  ExpectRefused(Blob("rate @0 :Float64 = 0.5;"), Blob("rate @0 :Float64;"), HasSubstr("is 0.5 here, 0 in the topic"));
  ExpectRefused(Blob("name @0 :Text = \"a\";"), Blob("name @0 :Text;"), HasSubstr("its default value is \"a\" here"));
  ExpectRefused(Blob("list @0 :List(Int8) = [1];"), Blob("list @0 :List(Int8) = [2];"), HasSubstr("default value"));
  ExpectBothWays(Blob("nan @0 :Float32 = nan; list @1 :List(Int8) = [1];"),
                 Blob("nan @0 :Float32 = nan; list @1 :List(Int8) = [1]; more @2 :Text;"));
}

TEST_F(CompatibleTest, TypesThatTheRootReachesAreComparedToo) {
  const std::string old_type =
      Blob("levels @0 :List(Level);", "struct Level { deep @0 :Deep; } struct Deep { x @0 :Int32; }");
  ExpectBothWays(old_type, Blob("levels @0 :List(Level);",
                                "struct Level { deep @0 :Deep; } struct Deep { x @0 :Int32; y @1 :Text; }"));
  ExpectRefused(old_type,
                Blob("levels @0 :List(Level);", "struct Level { deep @0 :Deep; } struct Deep { x @0 :Float32; }"),
                HasSubstr("field \"x\" @0 of Deep: its type is Int32 here, Float32 in the topic"));
}

TEST_F(CompatibleTest, ADeclarationOfAnotherKindIsRefused) {
  ExpectRefused(Blob("list @0 :List(S);", "struct S @0x8a1f2e3d4c5b6a71 { a @0 :Int32; }"),
                Blob("list @0 :List(S);", "enum S @0x8a1f2e3d4c5b6a71 { a @0; }"),
                HasSubstr("type S: it is a struct here, an enum in the topic"));
}

TEST_F(CompatibleTest, AnotherRootTypeIsRefusedWithBothIds) {
  const test::CompiledText text("struct A @0x8a1f2e3d4c5b6a71 {} struct B @0x8a1f2e3d4c5b6a72 {}");
  ExpectRefused(Describe(text.Struct("A"))->blob, Describe(text.Struct("B"))->blob,
                HasSubstr("the type is A (0x8a1f2e3d4c5b6a71) here, B (0x8a1f2e3d4c5b6a72) in the topic"));
}

TEST_F(CompatibleTest, ATopicsSchemaThatIsNoneIsDataLoss) {
  const std::string ours = Blob("price @0 :Int64;");
  for (const std::string& theirs : {std::string(), std::string(7, 'x'), std::string(4096, '\0'), ours.substr(8)}) {
    const absl::Status status = Check(ours, theirs);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the topic's schema cannot be read"));
  }
}

TEST_F(CompatibleTest, NoChangeOfTheTopicsBytesCrashes) {
  const std::string ours = Blob(
      "side @0 :Side; levels @1 :List(Level); union { a @2 :Int64 = 7; b @3 :Box(Text); } g :group { x @4 :Text = "
      "\"t\"; }",
      "enum Side { bid @0; ask @1; } struct Level { price @0 :Int64; } struct Box(T) { it @0 :T; }");
  auto random = test::SeededRandom("compatible");
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string theirs = ours;
    const size_t changes = 1 + random() % 4;
    for (size_t i = 0; i < changes; ++i) {
      const size_t at = random() % theirs.size();
      theirs[at] =
          static_cast<char>(random() % 4 == 0 ? random() : static_cast<uint64_t>(theirs[at]) ^ (1u << random() % 8));
    }
    if (!Check(ours, theirs).ok()) ++refused;
    if (!Check(theirs, ours).ok()) ++refused;
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace weir::schema
