#include "schema/json.h"

#include <capnp/any.h>
#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/schema.capnp.h>
#include <capnp/schema.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/messages/trade.capnp.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "schema/schema_blob.h"

namespace weir::schema {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <class T>
std::string MustEncode(const T& message, bool pretty = false) {
  auto text = Json(pretty).Encode(capnp::toDynamic(message));
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

TEST(JsonTest, PrintsAMessageByTheSchemaInABlob) {
  capnp::MallocMessageBuilder builder;
  auto trade = builder.initRoot<msg::Trade>();
  trade.setSymbol("ABC");
  trade.setPrice(-37'630'000'000);
  trade.setAggressor(msg::Trade::Side::BUYER);
  auto description = Describe(capnp::Schema::from<msg::Trade>());
  ASSERT_TRUE(description.ok());
  auto loaded = LoadedSchema::Parse(std::as_bytes(std::span(description->blob)));
  ASSERT_TRUE(loaded.ok());
  auto text = Json().Encode(builder.getRoot<capnp::DynamicStruct>(loaded->root()).asReader());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, R"({"venueTimeNs":"0","receivedNs":"0","symbol":"ABC","tradeId":"0","price":"-37630000000",)"
                   R"("quantity":"0","aggressor":"buyer"})");
  EXPECT_EQ(*text, MustEncode(trade.asReader()));
  EXPECT_THAT(MustEncode(trade.asReader(), /*pretty=*/true), HasSubstr("\"symbol\": \"ABC\", "));
}

TEST(JsonTest, ReadsBackWhatItPrinted) {
  capnp::MallocMessageBuilder builder;
  auto image = builder.initRoot<msg::Image>();
  image.initHeader().setStampNs(std::numeric_limits<uint64_t>::max());
  image.getHeader().setFrameId("quote \" backslash \\ tab \t \xC3\xA4");
  image.setEncoding(msg::Image::Encoding::BAYER_RGGB8);
  auto data = image.initData(300);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i);
  std::string text = MustEncode(image.asReader());

  capnp::MallocMessageBuilder copy_builder;
  auto copy = copy_builder.initRoot<msg::Image>();
  absl::Status status = Json().Decode(text, capnp::toDynamic(copy));
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(capnp::AnyStruct::Reader(copy.asReader()) == capnp::AnyStruct::Reader(image.asReader()));
}

TEST(JsonTest, ReadsEveryEscapeThatJsonHas) {
  capnp::MallocMessageBuilder builder;
  auto image = builder.initRoot<msg::Image>();
  absl::Status status =
      Json().Decode(R"({"header": {"frameId": "\u00e4 \ud83d\ude00 \u001f \u0022"}})", capnp::toDynamic(image));
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_STREQ(image.getHeader().getFrameId().cStr(), "ä 😀 \x1f \"");
}

TEST(JsonTest, PrintsNumbersThatJsonLacks) {
  capnp::MallocMessageBuilder builder;
  auto imu = builder.initRoot<msg::Imu>();
  imu.getAngularVelocity().setX(std::numeric_limits<double>::infinity());
  std::string text = MustEncode(imu.asReader());
  EXPECT_THAT(text, HasSubstr(R"("x":"Infinity")"));
  EXPECT_THAT(text, HasSubstr(R"("temperatureCelsius":"NaN")"));
  capnp::MallocMessageBuilder copy_builder;
  auto copy = copy_builder.initRoot<msg::Imu>();
  ASSERT_TRUE(Json().Decode(text, capnp::toDynamic(copy)).ok());
  EXPECT_TRUE(std::isnan(copy.getTemperatureCelsius()));
  EXPECT_TRUE(std::isinf(copy.getAngularVelocity().getX()));
}

TEST(JsonTest, UnknownEnumerantsAreNumbersAndAnyPointersAreNamed) {
  capnp::MallocMessageBuilder builder;
  auto trade = builder.initRoot<msg::Trade>();
  trade.setAggressor(static_cast<msg::Trade::Side>(99));
  EXPECT_THAT(MustEncode(trade.asReader()), HasSubstr("\"aggressor\":99"));

  capnp::MallocMessageBuilder any_builder;
  any_builder.initRoot<capnp::schema::Value>().initAnyPointer().setAs<capnp::Text>("x");
  EXPECT_EQ(MustEncode(any_builder.getRoot<capnp::schema::Value>().asReader()), "{\"anyPointer\":\"(AnyPointer)\"}");
}

TEST(JsonTest, IsValidUtf8WhateverTheTextHolds) {
  const std::pair<const char*, const char*> cases[] = {
      {"plain", "plain"},
      {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"},  // two, three, four bytes
      {"a\xFFz", "a\xEF\xBF\xBDz"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                                  // overlong
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},                  // a surrogate
      {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // beyond U+10FFFF
      {"\xE2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD"},                                  // cut off
  };
  for (auto [in, out] : cases) {
    capnp::MallocMessageBuilder builder;
    auto status = builder.initRoot<msg::SystemStatus>();
    status.setHostname(in);
    EXPECT_THAT(MustEncode(status.asReader()), HasSubstr(std::string("\"hostname\":\"") + out + "\""));
  }
}

TEST(JsonTest, ControlCharactersDoNotReachTheTerminal) {
  capnp::MallocMessageBuilder builder;
  auto status = builder.initRoot<msg::SystemStatus>();
  status.setHostname("\x1b[2J\x7f");
  EXPECT_THAT(MustEncode(status.asReader()), Not(HasSubstr("\x1b")));
}

TEST(JsonTest, WhatDoesNotFitTheTypeIsAnInvalidArgument) {
  for (const char* text : {
           "",
           "{",
           "5",
           "[]",
           "{\"width\":}",
           R"({"width":"x"})",
           R"({"width":-1})",
           R"({"width":4294967296})",
           R"({"noSuchField":1})",
           R"({"encoding":"noSuchEncoding"})",
           R"({"header":[1]})",
           R"({"data":"?"})",
           R"({"data":5})",
       }) {
    capnp::MallocMessageBuilder builder;
    auto image = builder.initRoot<msg::Image>();
    EXPECT_EQ(Json().Decode(text, capnp::toDynamic(image)).code(), absl::StatusCode::kInvalidArgument) << text;
  }
  std::string deep(100000, '[');
  capnp::MallocMessageBuilder builder;
  auto image = builder.initRoot<msg::Image>();
  EXPECT_FALSE(Json().Decode("{\"header\":" + deep, capnp::toDynamic(image)).ok());
}

TEST(JsonTest, ACorruptMessageIsDataLoss) {
  capnp::MallocMessageBuilder builder;
  builder.initRoot<msg::SystemStatus>().setHostname("the-host");
  auto segment = builder.getSegmentsForOutput()[0];
  auto words = kj::heapArray<capnp::word>(segment.size());
  memcpy(words.begin(), segment.begin(), segment.asBytes().size());
  words.asBytes()[words.asBytes().size() - 8] = 'x';  // the NUL of an 8-byte text stands in the last word
  kj::ArrayPtr<const capnp::word> changed = words;
  capnp::SegmentArrayMessageReader message(kj::arrayPtr(&changed, 1));
  auto text = Json().Encode(capnp::toDynamic(message.getRoot<msg::SystemStatus>()));
  EXPECT_EQ(text.status().code(), absl::StatusCode::kDataLoss);
}

TEST(JsonTest, OnePrinterServesManyThreads) {
  capnp::MallocMessageBuilder builder;
  auto status = builder.initRoot<msg::SystemStatus>();
  status.initCores(4);
  const Json json;
  const std::string expected = *json.Encode(capnp::toDynamic(status.asReader()));
  auto segment = builder.getSegmentsForOutput()[0];
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        capnp::SegmentArrayMessageReader message(kj::arrayPtr(&segment, 1));
        auto text = json.Encode(capnp::toDynamic(message.getRoot<msg::SystemStatus>()));
        EXPECT_EQ(*text, expected);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

// The codec's own exceptions do not say where.
TEST(JsonTest, NamesTheFieldThatDoesNotFit) {
  const auto error = [](const char* text) {
    capnp::MallocMessageBuilder builder;
    const absl::Status status = Json().Decode(text, builder.initRoot<msg::SystemStatus>());
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(error(R"({"hostname": 5})"), HasSubstr("JSON, hostname: "));
  EXPECT_THAT(error(R"({"hostname": "h", "processCount": -1})"), HasSubstr("JSON, processCount: "));
  EXPECT_THAT(error(R"({"processCount": 5000000000})"), HasSubstr("JSON, processCount: "));
  EXPECT_THAT(error(R"({"header": {"stampNs": "x"}})"), HasSubstr("JSON, header.stampNs: "));
  EXPECT_THAT(error(R"({"header": {"stamp": 1}})"), HasSubstr("JSON, header.stamp: "));
  EXPECT_THAT(error(R"({"memory": {"totalBytes": []}})"), HasSubstr("JSON, memory.totalBytes: "));
  EXPECT_THAT(error(R"({"memory": {"totalBytes": 1, "swapFreeBytes": -1}})"),
              HasSubstr("JSON, memory.swapFreeBytes: "));
  EXPECT_THAT(error(R"({"cores": [{"number": 1}, {"number": 2, "load": "much"}]})"), HasSubstr("cores[1].load: "));
  EXPECT_THAT(error(R"({"cores": 3})"), HasSubstr("JSON, cores: "));
  EXPECT_THAT(error(R"({"nothing": 3})"), HasSubstr("JSON, nothing: "));
  EXPECT_THAT(error("[]"), HasSubstr("JSON: "));
  EXPECT_THAT(error("{"), HasSubstr("JSON: "));
}

TEST(JsonTest, PrintsASingleValue) {
  capnp::MallocMessageBuilder builder;
  auto trade = builder.initRoot<msg::Trade>();
  trade.setAggressor(msg::Trade::Side::SELLER);
  const capnp::DynamicStruct::Reader message = trade.asReader();
  const auto field = message.getSchema().getFieldByName("aggressor");
  EXPECT_EQ(*Json().Encode(message.get(field), field.getType()), "\"seller\"");
}

}  // namespace
}  // namespace weir::schema
