// Weir's own message types: that they say what they mean (ids, units, clocks) and can be built and read.
#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>
#include <weir/messages/header.capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/messages/trade.capnp.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "schema/schema_blob.h"
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
  static const std::regex numeric("U?Int(8|16|32|64)|Float(32|64)");
  static const std::regex unit(
      R"(\[(ns, CLOCK_(MONOTONIC|REALTIME|BOOTTIME)|bytes(/s)?|px|rad/s|m/s\^2|degree Celsius|1(, from 0 to 1)?|count|index|)"
      R"(threads|processes|1e-9 of the quote currency|1e-8 of a share, contract or coin)\] [A-Z].*)");

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
  ASSERT_EQ(files.size(), 6u);
  for (const SchemaFile& file : files) EXPECT_THAT(Objections(file), IsEmpty());
}

TEST(MessagesTest, TheCheckOfTheTextFindsWhatIsMissing) {
  SchemaFile bad{
      "bad.capnp",
      {"struct NoId {", "  a @0 :UInt64;", "  # Without a unit.", "  b @1 :Text;", "", "  stampNs @2 :UInt64;",
       "  # [count] Without a clock.", "  c @3 :Float32;", "  # [furlong] Odd.", "}"}};
  EXPECT_THAT(Objections(bad),
              testing::ElementsAre(HasSubstr(":1: NoId"), HasSubstr(":2: a is"), HasSubstr(":4: b has"),
                                   HasSubstr(":6: stampNs"), HasSubstr(":8: c is"), HasSubstr("no file id")));
}

// The same from the other side: every type and group that the compiler knows stands in the text with its id.
TEST(MessagesTest, TheIdsInTheTextAreTheIdsInTheSchema) {
  std::string text;
  for (const SchemaFile& file : SchemaFiles()) {
    for (const std::string& line : file.lines) text += line + "\n";
  }
  std::map<uint64_t, std::string> seen;
  auto check = [&](const char* name, capnp::StructSchema type) {
    auto description = schema::Describe(type);
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
  check("Header", capnp::Schema::from<msg::Header>());
  check("Imu", capnp::Schema::from<msg::Imu>());
  check("Image", capnp::Schema::from<msg::Image>());
  check("SystemStatus", capnp::Schema::from<msg::SystemStatus>());
  check("Quote", capnp::Schema::from<msg::Quote>());
  check("Trade", capnp::Schema::from<msg::Trade>());
  EXPECT_EQ(seen.size(), 12u);
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

}  // namespace
}  // namespace weir
