// Weir's own message types: that they say what they mean (ids, units, clocks) and can be built and read.
#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "schema/schema_blob.h"
#include "schema/validate.h"
#include "tests/schema/all_messages.h"
#include "tests/schema/compiled_text.h"
#include "tests/support/skip.h"

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct SchemaFile {
  std::string name;
  std::vector<std::string> lines;
};

std::vector<SchemaFile> SchemaFiles() {
  std::vector<SchemaFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(test::ProjectRoot() / "schema/weir/messages")) {
    if (entry.path().extension() != ".capnp") continue;
    SchemaFile file{entry.path().filename().string(), {}};
    std::ifstream text(entry.path());
    for (std::string line; std::getline(text, line);) file.lines.push_back(line);
    files.push_back(std::move(file));
  }
  return files;
}

// What is wrong with the text of one schema, as one line each.
std::vector<std::string> Objections(const SchemaFile& file) {
  static const std::regex file_id("@0x[0-9a-f]{16};");
  static const std::regex declaration(R"(\s*(struct|enum|const)\s+(\w+)(.*))");
  static const std::regex explicit_id(R"(\s+@0x[0-9a-f]{16}\s.*)");
  static const std::regex field(R"(\s*(\w+)\s+@\d+\s*:([\w()]+)[^;]*;.*)");
  // A Vector3 takes its unit from the field that has it.
  static const std::regex numeric(R"(U?Int(8|16|32|64)|Float(32|64)|List\((U?Int|Float)\d+\)|Vector3)");
  static const std::regex unit(
      R"(\[(ns, CLOCK_(MONOTONIC|REALTIME|BOOTTIME)|bytes(/s)?|px|m|rad|degree|m/s|rad/s|m/s\^2|m\^2|degree Celsius|)"
      R"(m\^2, m rad, rad\^2|m\^2/s\^2, m rad/s\^2, rad\^2/s\^2|rad or m|rad/s or m/s|N m or N|)"
      R"(1(, from 0 to 1)?|count|index|points|threads|processes|as the (field|device) says|)"
      R"(1e-9 of (the quote currency|feeCurrency)|1e-8 of a share, contract or coin)\] [A-Z].*)");

  std::vector<std::string> objections;
  bool has_file_id = false;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    auto object = [&](const std::string& what) {
      objections.push_back(file.name + ":" + std::to_string(i + 1) + ": " + what);
    };
    if (line.size() > 120) object("longer than 120");
    std::string code = line.substr(0, line.find('#'));
    if (std::regex_match(code, file_id)) has_file_id = true;
    std::smatch match;
    if (std::regex_match(code, match, declaration) && !std::regex_match(match[3].str(), explicit_id)) {
      object(match[2].str() + " has no explicit id");
    }
    if (!std::regex_match(code, match, field)) continue;
    std::string comment = i + 1 < file.lines.size() ? file.lines[i + 1] : "";
    comment.erase(0, comment.find_first_not_of(' '));
    if (!comment.starts_with("# ")) {
      object(match[1].str() + " has no comment");
    } else if (std::regex_match(match[2].str(), numeric) && !std::regex_match(comment.substr(2), unit)) {
      object(match[1].str() + " is a number whose comment does not start with a known [unit]");
    } else if (match[1].str().ends_with("Ns") && comment.find("[ns, CLOCK_") == std::string::npos) {
      object(match[1].str() + " is a time and names no clock");
    }
  }
  if (!has_file_id) objections.push_back(file.name + ": no file id");
  return objections;
}

TEST(MessagesTest, EveryDeclarationHasAnIdAndEveryNumberAUnit) {
  std::vector<SchemaFile> files = SchemaFiles();
  ASSERT_EQ(files.size(), 26u);
  for (const SchemaFile& file : files) EXPECT_THAT(Objections(file), IsEmpty());
}

TEST(MessagesTest, TheCheckOfTheTextFindsWhatIsMissing) {
  SchemaFile bad{"bad.capnp",
                 {"struct NoId {", "  a @0 :UInt64;", "  # Without a unit.", "  b @1 :Text;", "",
                  "  stampNs @2 :UInt64;", "  # [count] Without a clock.", "  c @3 :Float32;", "  # [furlong] Odd.",
                  "  d @4 :List(Float64);", "  # No unit.", "}"}};
  EXPECT_THAT(Objections(bad),
              testing::ElementsAre(HasSubstr(":1: NoId"), HasSubstr(":2: a is"), HasSubstr(":4: b has"),
                                   HasSubstr(":6: stampNs"), HasSubstr(":8: c is"), HasSubstr(":10: d is"),
                                   HasSubstr("no file id")));
}

// The same from the other side: every type and group that the compiler knows stands in the text with its id.
TEST(MessagesTest, TheIdsInTheTextAreTheIdsInTheSchema) {
  std::string text;
  for (const SchemaFile& file : SchemaFiles()) {
    for (const std::string& line : file.lines) text += line + "\n";
  }
  std::map<uint64_t, std::string> seen;
  auto check = [&]<class T>(const char* name) {
    auto description = schema::Describe(capnp::Schema::from<T>());
    ASSERT_TRUE(description.ok()) << description.status();
    EXPECT_EQ(description->name, name);
    auto words = kj::heapArray<capnp::word>(description->blob.size() / sizeof(capnp::word));
    memcpy(words.begin(), description->blob.data(), description->blob.size());
    capnp::FlatArrayMessageReader message(words);
    for (auto node : message.getRoot<capnp::schema::CodeGeneratorRequest>().getNodes()) {
      if (node.isStruct() && node.getStruct().getIsGroup()) continue;  // Cap'n Proto derives a group's id itself
      std::string display_name = node.getDisplayName();
      char id[32];
      snprintf(id, sizeof(id), "@0x%016lx", static_cast<unsigned long>(node.getId()));
      EXPECT_THAT(text, HasSubstr(id)) << display_name;
      auto [known, added] = seen.emplace(node.getId(), display_name);
      EXPECT_EQ(known->second, display_name);
    }
  };
  test::ForEachMessageType(check);
  EXPECT_EQ(seen.size(), 49u);
}

// Who recorded a topic yesterday, or runs a program built a year ago, knows a type by this number.
TEST(MessagesTest, TheIdsOfTheTypesStayWhatTheyAre) {
  std::map<std::string, uint64_t> ids;
  std::set<uint64_t> distinct;
  test::ForEachMessageType([&]<class T>(const char* name) {
    ids[name] = capnp::typeId<T>();
    distinct.insert(capnp::typeId<T>());
  });
  EXPECT_EQ(distinct.size(), static_cast<size_t>(test::kMessageTypeCount));
  const std::map<std::string, uint64_t> pinned = {
      {"CameraInfo", 0xa0b2e440c7050c41},
      {"Cancel", 0x8b842ff8f83cf08b},
      {"CompressedImage", 0xbc36d30d9ed0a092},
      {"ExecutionReport", 0xcfbeff385ec3bc2d},
      {"Header", 0xdc18456661e46061},
      {"Heartbeat", 0xd082bb57e21edf4f},
      {"Image", 0xa7c140200f18b0e3},
      {"Imu", 0xf1a43755d8cbab36},
      {"JointState", 0xd2176efd22e759d4},
      {"LaserScan", 0xe354904a651e439a},
      {"Log", 0xf1bf3031b7c1531f},
      {"NavSatFix", 0xcca46689bbd5c299},
      {"NewOrder", 0xef9f2b71d7084ab6},
      {"Odometry", 0x9fa723a293ac6ca5},
      {"OrderBookDelta", 0xd077b8a362fc378a},
      {"OrderBookSnapshot", 0xfdf0a0359a6173a5},
      {"PointCloud", 0x9eadb299def1ac73},
      {"Pose", 0xc1bdce488ead56fd},
      {"Position", 0xa5d114775545f8b3},
      {"Quote", 0x9178a08d8d3fab59},
      {"SystemStatus", 0xb41f6e235aec4109},
      {"Trade", 0x8dd989c9c793e651},
      {"Transform", 0xb6cb4e1a5c041046},
      {"Twist", 0xf0cb645715d93932},
  };
  EXPECT_EQ(ids, pinned);
}

TEST(MessagesTest, NoTwoDeclarationsHaveTheSameId) {
  static const std::regex id("@(0x[0-9a-f]{16})");
  std::map<std::string, std::string> declared_in;
  for (const SchemaFile& file : SchemaFiles()) {
    for (const std::string& line : file.lines) {
      std::smatch match;
      const std::string code = line.substr(0, line.find('#'));
      if (!std::regex_search(code, match, id)) continue;
      auto [known, added] = declared_in.emplace(match[1].str(), file.name);
      EXPECT_TRUE(added) << match[1] << " stands in " << file.name << " and in " << known->second;
    }
  }
  EXPECT_EQ(declared_in.size(), 79u);  // files, structs, enums, constants
}

TEST(MessagesTest, EveryTypeIsReadByItsBlobAlone) {
  test::ForEachMessageType([]<class T>(const char* name) {
    SCOPED_TRACE(name);
    capnp::MallocMessageBuilder builder;
    test::FillMessage(builder.initRoot<capnp::DynamicStruct>(capnp::Schema::from<T>()));
    auto description = schema::Describe(capnp::Schema::from<T>());
    ASSERT_TRUE(description.ok()) << description.status();
    auto loaded = schema::LoadedSchema::Parse(std::as_bytes(std::span(description->blob)));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    auto by_blob = builder.getRoot<capnp::DynamicStruct>(loaded->root()).asReader();
    EXPECT_TRUE(schema::Validate(by_blob).ok());
    const kj::String printed = kj::str(by_blob);
    EXPECT_STREQ(printed.cStr(), kj::str(builder.getRoot<T>().asReader()).cStr());
  });
}

TEST(MessagesTest, AUsersSchemaImportsThemByTheirInstalledName) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  test::CompiledText text(R"(
    using import "/weir/messages/header.capnp".Header;
    struct Scan @0xb431ef9a6aea5f3f { header @0 :Header; ranges @1 :List(Float32); })");
  auto header = text.Struct("Scan").getFieldByName("header").getType().asStruct();
  EXPECT_EQ(header.getProto().getId(), capnp::typeId<msg::Header>());
}

TEST(MessagesTest, ImuReadsAsBuilt) {
  capnp::MallocMessageBuilder builder;
  auto imu = builder.initRoot<msg::Imu>();
  EXPECT_TRUE(std::isnan(imu.getTemperatureCelsius()));
  EXPECT_TRUE(imu.getOrientation().isUnknown());
  imu.initHeader().setStampNs(5);
  imu.getHeader().setFrameId("imu");
  imu.getAngularVelocity().setZ(0.5);
  imu.getLinearAcceleration().setZ(9.81);
  imu.getOrientation().initQuaternion().setW(1);
  msg::Imu::Reader reader = imu.asReader();
  EXPECT_EQ(reader.getHeader().getStampNs(), 5u);
  EXPECT_STREQ(reader.getHeader().getFrameId().cStr(), "imu");
  EXPECT_EQ(reader.getAngularVelocity().getZ(), 0.5);
  EXPECT_EQ(reader.getLinearAcceleration().getZ(), 9.81);
  EXPECT_EQ(reader.getOrientation().getQuaternion().getW(), 1);
}

TEST(MessagesTest, ImageTakesItsPixelsAsAnExternalBlob) {
  alignas(8) static uint8_t pixels[64] = {1, 2, 3};
  capnp::MallocMessageBuilder builder;
  auto image = builder.initRoot<msg::Image>();
  image.setWidth(4);
  image.setHeight(4);
  image.setStrideBytes(16);
  image.setEncoding(msg::Image::Encoding::RGBA8);
  image.adoptData(builder.getOrphanage().referenceExternalData(capnp::Data::Reader(pixels, sizeof(pixels))));
  EXPECT_EQ(image.asReader().getData().begin(), pixels);
  EXPECT_EQ(image.asReader().getData().size(), image.getStrideBytes() * image.getHeight());
}

TEST(MessagesTest, SystemStatusHoldsWhatProcSays) {
  capnp::MallocMessageBuilder builder;
  auto status = builder.initRoot<msg::SystemStatus>();
  status.setHostname("host");
  status.setUptimeNs(1'000'000'000);
  status.setProcessCount(100);
  status.getLoadAverage().setOneMinute(0.25f);
  status.getMemory().setTotalBytes(uint64_t{8} << 30);
  status.getMemory().setAvailableBytes(uint64_t{4} << 30);
  status.getMemory().setSwapTotalBytes(1);
  status.getMemory().setSwapFreeBytes(1);
  auto cores = status.initCores(2);
  cores[1].setNumber(1);
  cores[1].setLoad(0.75f);
  auto networks = status.initNetworkInterfaces(1);
  networks[0].setName("lo");
  networks[0].setReceivedBytesPerS(1e6);
  networks[0].setSentBytes(7);
  auto disks = status.initDisks(1);
  disks[0].setName("vda");
  disks[0].setWrittenBytesPerS(2e6);
  disks[0].setReadBytes(8);
  auto temperatures = status.initTemperatures(1);
  temperatures[0].setName("x86_pkg_temp");
  temperatures[0].setCelsius(48.5f);

  msg::SystemStatus::Reader reader = status.asReader();
  EXPECT_STREQ(reader.getHostname().cStr(), "host");
  EXPECT_EQ(reader.getMemory().getAvailableBytes(), uint64_t{4} << 30);
  EXPECT_EQ(reader.getCores()[1].getLoad(), 0.75f);
  EXPECT_EQ(reader.getNetworkInterfaces()[0].getReceivedBytesPerS(), 1e6);
  EXPECT_EQ(reader.getDisks()[0].getWrittenBytesPerS(), 2e6);
  EXPECT_EQ(reader.getTemperatures()[0].getCelsius(), 48.5f);
}

TEST(MessagesTest, QuoteAndTradeAgreeOnTheirScalesAndKeepExtremePrices) {
  EXPECT_EQ(msg::Quote::PRICE_SCALE, 1'000'000'000);
  EXPECT_EQ(msg::Trade::PRICE_SCALE, msg::Quote::PRICE_SCALE);
  EXPECT_EQ(msg::Trade::QUANTITY_SCALE, msg::Quote::QUANTITY_SCALE);
  capnp::MallocMessageBuilder builder;
  auto quote = builder.initRoot<msg::Quote>();
  quote.setBidPrice(-37'630'000'000);  // a barrel of oil on 2020-04-20: -37.63
  quote.setAskPrice(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(quote.asReader().getBidPrice(), -37'630'000'000);
  EXPECT_EQ(quote.asReader().getAskPrice(), std::numeric_limits<int64_t>::max());
  auto trade = builder.initRoot<msg::Trade>();
  trade.setAggressor(msg::Trade::Side::SELLER);
  EXPECT_EQ(trade.asReader().getAggressor(), msg::Trade::Side::SELLER);
}

TEST(MessagesTest, WhatWasNeverSetHarmsNobody) {
  capnp::MallocMessageBuilder builder;
  msg::Odometry::Reader odometry = builder.initRoot<msg::Odometry>().asReader();
  EXPECT_EQ(odometry.getOrientation().getW(), 1);  // no rotation, where zeros would be no rotation's quaternion
  EXPECT_EQ(odometry.getPosition().getX(), 0);
  EXPECT_EQ(odometry.getPoseCovariance().size(), 0u);

  capnp::MallocMessageBuilder fix_builder;
  EXPECT_TRUE(std::isnan(fix_builder.initRoot<msg::NavSatFix>().asReader().getLatitude()));  // not a place off Africa
  capnp::MallocMessageBuilder order_builder;
  msg::NewOrder::Reader order = order_builder.initRoot<msg::NewOrder>().asReader();
  EXPECT_EQ(order.getSide(), msg::Side::UNKNOWN);  // neither bought nor sold by accident
  EXPECT_EQ(order.getType(), msg::OrderType::UNKNOWN);
}

}  // namespace
}  // namespace weir
