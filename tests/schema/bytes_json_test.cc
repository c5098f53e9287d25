#include "schema/bytes_json.h"

#include <cstddef>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::schema {
namespace {

using ::testing::HasSubstr;

TEST(BytesJsonTest, ReadsBackWhatItPrinted) {
  const std::string bytes("a\0\xff\n", 4);
  const std::string text = BytesToJson("weir::Bytes", std::as_bytes(std::span(bytes)));
  EXPECT_EQ(text, R"({"type":"weir::Bytes","size":4,"base64":"YQD/Cg=="})");
  EXPECT_EQ(*BytesFromJson("weir::Bytes", text), bytes);
  EXPECT_EQ(*BytesFromJson("weir::Bytes", BytesToJson("weir::Bytes", {}, /*pretty=*/true)), "");
  const std::string long_one(100'000, 'x');
  EXPECT_EQ(*BytesFromJson("T", BytesToJson("T", std::as_bytes(std::span(long_one)))), long_one);
  EXPECT_EQ(*BytesFromJson("T", R"({"base64":"YQ=="})"), "a");
  EXPECT_EQ(*BytesFromJson("T", R"({"size":2,"hex":"6a4B"})"), "jK");
}

TEST(BytesJsonTest, SaysWhatIsWrong) {
  const auto message = [](const std::string& text) {
    const absl::Status status = BytesFromJson("T", text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(message("{"), HasSubstr("JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("not an object"));
  EXPECT_THAT(message("{}"), HasSubstr("\"base64\" is missing"));
  EXPECT_THAT(message(R"({"type":"U","base64":""})"), HasSubstr("\"type\" is not that of the topic, T"));
  EXPECT_THAT(message(R"({"size":2,"base64":"YQ=="})"), HasSubstr("\"size\" is 2, the content has 1 bytes"));
  EXPECT_THAT(message(R"({"base64":"*"})"), HasSubstr("not base64"));
  EXPECT_THAT(message(R"({"base64":1})"), HasSubstr("not a string"));
  EXPECT_THAT(message(R"({"hex":"6"})"), HasSubstr("not pairs of hex digits"));
  EXPECT_THAT(message(R"({"value":1})"), HasSubstr("unknown member \"value\""));
}

}  // namespace
}  // namespace weir::schema
