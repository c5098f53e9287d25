#include "discovery/names.h"

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::discovery {
namespace {

using testing::HasSubstr;

TEST(NamesTest, AllowsTopicNamesWithPartsAndUtf8) {
  for (const char* name :
       {"a", "scan/front", "a/b/c", ".hidden", "a..b", "...", "Gerät/Wärme", "\xF0\x9F\x98\x80", " "}) {
    EXPECT_TRUE(CheckTopicName(name).ok()) << name;
  }
  EXPECT_TRUE(CheckTopicName(std::string(255, 'x')).ok());
}

TEST(NamesTest, RefusesTopicNamesThatCouldBePaths) {
  for (const char* name : {"", "/", "/a", "a/", "a//b", "a/./b", "..", ".", "a/..", "../a"}) {
    EXPECT_EQ(CheckTopicName(name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(CheckTopicName(std::string(256, 'x')).code(), absl::StatusCode::kInvalidArgument);
}

TEST(NamesTest, RefusesControlCharactersAndBrokenUtf8) {
  for (const std::string& name : {std::string("a\nb"), std::string("a\0b", 3), std::string("\x7F"),
                                  std::string("\xC2\x85"), std::string("\xC0\x80"), std::string("\xED\xA0\x80"),
                                  std::string("\xF4\x90\x80\x80"), std::string("ab\xC3"), std::string("\xFF")}) {
    EXPECT_EQ(CheckTopicName(name).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(CheckNodeName(name).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(NamesTest, AnErrorNamesObjectValueAndRule) {
  const std::string text(CheckTopicName("a\nb").message());
  EXPECT_THAT(text, HasSubstr("topic name \"a\\nb\""));
  EXPECT_THAT(text, HasSubstr("control character at byte 1"));
  EXPECT_THAT(std::string(CheckDomainName(std::string(200, 'd')).message()), HasSubstr("200 bytes; 1 to 127"));
  EXPECT_LT(CheckTopicName(std::string(1 << 20, 'x')).message().size(), 1000u);
}

TEST(NamesTest, DomainNamesArePlainFileNames) {
  for (const char* name : {"lab", "a.b-c_d", "0"}) EXPECT_TRUE(CheckDomainName(name).ok()) << name;
  for (const char* name : {"", ".", "..", ".lab", "a/b", "a b", "\xC3\xA4"}) {
    EXPECT_EQ(CheckDomainName(name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(NamesTest, FileNamesAreReadBack) {
  using What = ParsedFileName::What;
  EXPECT_EQ(EndpointFileName(FileKind::kQueue, 0x1234), "queue.0000000000001234");
  for (FileKind kind : {FileKind::kPool, FileKind::kQueue, FileKind::kTable, FileKind::kWake}) {
    const ParsedFileName parsed = ParseFileName(EndpointFileName(kind, 0xFEDCBA9876543210));
    EXPECT_EQ(parsed.what, What::kEndpoint);
    EXPECT_EQ(parsed.kind, kind);
    EXPECT_EQ(parsed.incarnation, 0xFEDCBA9876543210);
  }
  const Hash128 hash{.high = 0x0123456789ABCDEF, .low = 5};
  EXPECT_EQ(SchemaFileName(hash), "schema.0123456789abcdef0000000000000005");
  EXPECT_EQ(ParseFileName(SchemaFileName(hash)).what, What::kSchema);
  EXPECT_EQ(ParseFileName(SchemaFileName(hash)).hash, hash);
  EXPECT_EQ(DepartedFileName(0x1234), "departed.0000000000001234");
  EXPECT_EQ(ParseFileName(DepartedFileName(0x1234)).what, What::kDeparted);
  EXPECT_EQ(ParseFileName(DepartedFileName(0x1234)).incarnation, 0x1234u);
  EXPECT_EQ(ParseFileName("registry").what, What::kRegistry);
  for (const char* name :
       {"", "pool", "pool.", "pool.123", "pool.000000000000123G", "pool.0000000000001234x", "Pool.0000000000001234",
        "pool.000000000000ABCD", "schema.1234", "departed.1234", "registry.1", "notes"}) {
    EXPECT_EQ(ParseFileName(name).what, What::kOther) << name;
  }
}

TEST(NamesTest, TheDefaultRootIsKnownAsSuch) {
  unsetenv("WEIR_ROOT");
  EXPECT_TRUE(ResolveRoot("")->is_default);
  EXPECT_EQ(ResolveRoot("")->path.rfind("/dev/shm/weir-", 0), 0u);
  EXPECT_FALSE(ResolveRoot("/x")->is_default);
  setenv("WEIR_ROOT", "/somewhere", 1);
  EXPECT_FALSE(ResolveRoot("")->is_default);
  EXPECT_EQ(ResolveRoot("")->path, "/somewhere");
  unsetenv("WEIR_ROOT");
}

}  // namespace
}  // namespace weir::discovery
