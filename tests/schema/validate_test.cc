#include "schema/validate.h"

#include <capnp/any.h>
#include <capnp/compat/json.capnp.h>
#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/schema.capnp.h>
#include <capnp/schema.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/system_status.capnp.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "schema/json.h"
#include "tests/schema/compiled_text.h"
#include "tests/support/random.h"
#include "tests/support/skip.h"

namespace weir::schema {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <class T>
capnp::StructSchema SchemaOf() {
  return capnp::Schema::from<T>();
}

// A message whose words can be changed. Each segment has an allocation of its own, so that ASan sees a read beyond it.
class Words {
 public:
  explicit Words(capnp::MessageBuilder& builder) {
    for (auto segment : builder.getSegmentsForOutput()) {
      segments_.push_back(kj::heapArray<capnp::word>(segment.size()));
      memcpy(segments_.back().begin(), segment.begin(), segment.size() * sizeof(capnp::word));
    }
  }

  std::vector<kj::ArrayPtr<const capnp::word>> segments() const {
    std::vector<kj::ArrayPtr<const capnp::word>> result;
    for (const auto& segment : segments_) result.push_back(segment);
    return result;
  }

  absl::Status Validate(capnp::StructSchema type, const ValidateLimits& limits = {}) const {
    auto list = segments();
    return schema::Validate(kj::arrayPtr(list.data(), list.size()), type, limits);
  }

  // The place of `text` in the first segment.
  char* Find(std::string_view text) {
    auto bytes = segments_[0].asBytes();
    auto found = std::search(bytes.begin(), bytes.end(), text.begin(), text.end(),
                             [](kj::byte a, char b) { return a == static_cast<kj::byte>(b); });
    EXPECT_NE(found, bytes.end());
    return reinterpret_cast<char*>(found);
  }

  kj::Array<capnp::word>& segment(size_t i) { return segments_[i]; }
  uint64_t& word(size_t i) { return *reinterpret_cast<uint64_t*>(segments_[0].begin() + i); }
  size_t size() const { return segments_[0].size(); }

 private:
  std::vector<kj::Array<capnp::word>> segments_;
};

// A pointer's first word (encoding: capnproto.org/encoding.html), at `at`, to `target`, both as words in one segment.
uint64_t Offset(size_t at, size_t target) {
  return static_cast<uint32_t>(static_cast<int32_t>(target) - static_cast<int32_t>(at) - 1) << 2;
}
uint64_t StructPointer(size_t at, size_t target, uint64_t data_words, uint64_t pointers) {
  return Offset(at, target) | data_words << 32 | pointers << 48;
}
uint64_t ListPointer(size_t at, size_t target, uint64_t element_size, uint64_t count) {
  return Offset(at, target) | 1 | element_size << 32 | count << 35;
}

std::string Message(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  return std::string(status.message());
}

void BuildImage(capnp::MessageBuilder& builder) {
  auto image = builder.initRoot<msg::Image>();
  image.initHeader().setFrameId("camera-left");
  memset(image.initData(64).begin(), 0x5A, 64);
}

void BuildStatus(capnp::MessageBuilder& builder) {
  auto status = builder.initRoot<msg::SystemStatus>();
  status.initHeader().setStampNs(1);
  status.setHostname("the-host");
  status.initCores(2);
  auto networks = status.initNetworkInterfaces(2);
  networks[0].setName("loopback");
  networks[1].setName("ethernet");
  auto disks = status.initDisks(3);
  disks[2].setName("third-disk");
}

TEST(ValidateTest, AcceptsWhatABuilderMade) {
  for (uint32_t first_segment_words : {1u, 16u, 4096u}) {
    capnp::MallocMessageBuilder image(first_segment_words, capnp::AllocationStrategy::FIXED_SIZE);
    BuildImage(image);
    EXPECT_TRUE(Words(image).Validate(SchemaOf<msg::Image>()).ok());
    capnp::MallocMessageBuilder status(first_segment_words, capnp::AllocationStrategy::FIXED_SIZE);
    BuildStatus(status);
    EXPECT_TRUE(Words(status).Validate(SchemaOf<msg::SystemStatus>()).ok());
    EXPECT_TRUE(Validate(status.getRoot<msg::SystemStatus>().asReader()).ok());
    capnp::MallocMessageBuilder node(first_segment_words, capnp::AllocationStrategy::FIXED_SIZE);
    node.setRoot(SchemaOf<capnp::schema::Node>().getProto());
    EXPECT_TRUE(Words(node).Validate(SchemaOf<capnp::schema::Node>()).ok());
  }
}

TEST(ValidateTest, AcceptsAMessageWhoseRootIsNull) {
  capnp::MallocMessageBuilder builder;
  builder.getRoot<capnp::AnyPointer>();
  EXPECT_TRUE(Words(builder).Validate(SchemaOf<msg::Image>()).ok());
}

TEST(ValidateTest, NamesATextWithoutNul) {
  capnp::MallocMessageBuilder builder;
  BuildImage(builder);
  Words words(builder);
  words.Find("camera-left")[strlen("camera-left")] = '!';
  EXPECT_THAT(Message(words.Validate(SchemaOf<msg::Image>())),
              AllOf(StartsWith("Image.header.frameId: "), HasSubstr("NUL")));
}

TEST(ValidateTest, NamesTheElementOfAList) {
  capnp::MallocMessageBuilder builder;
  BuildStatus(builder);
  Words words(builder);
  words.Find("third-disk")[strlen("third-disk")] = '!';
  EXPECT_THAT(Message(words.Validate(SchemaOf<msg::SystemStatus>())), StartsWith("SystemStatus.disks[2].name: "));
  EXPECT_FALSE(words.Validate(SchemaOf<msg::SystemStatus>()).ok()) << "twice the same";
}

TEST(ValidateTest, NamesTheRootWhenThereIsNoRoot) {
  EXPECT_THAT(Message(Validate(nullptr, SchemaOf<msg::Image>())), StartsWith("Image: "));
  kj::ArrayPtr<const capnp::word> empty;
  EXPECT_THAT(Message(Validate(kj::arrayPtr(&empty, 1), SchemaOf<msg::Image>())), StartsWith("Image: "));
  capnp::MallocMessageBuilder builder;
  BuildImage(builder);
  Words words(builder);
  words.word(0) = ListPointer(0, 1, 6, 2);
  EXPECT_THAT(Message(words.Validate(SchemaOf<msg::Image>())), StartsWith("Image: "));
}

// Pointers of an Image stand behind its data section: header, then data.
size_t FirstPointerWord(const Words& words) {
  uint64_t root = *reinterpret_cast<const uint64_t*>(words.segments()[0].begin());
  return 1 + (root >> 32 & 0xffff);
}

TEST(ValidateTest, NamesPointersThatLeaveTheSegmentOrHaveTheWrongKind) {
  struct Case {
    size_t pointer;
    std::function<uint64_t(size_t at, size_t size)> value;
    const char* field;
  };
  const std::vector<Case> cases = {
      {0, [](size_t at, size_t size) { return StructPointer(at, size, 1, 1); }, "Image.header: "},
      {0, [](size_t at, size_t size) { return StructPointer(at, size - 1, 1, 1); }, "Image.header: "},
      {0, [](size_t at, size_t) { return StructPointer(at, 1, 0xffff, 0xffff); }, "Image.header: "},
      {0, [](size_t, size_t) { return StructPointer(5, 0, 1, 1) - (uint64_t{1} << 20); }, "Image.header: "},
      {0, [](size_t at, size_t) { return ListPointer(at, 1, 2, 8); }, "Image.header: "},
      {1, [](size_t at, size_t size) { return ListPointer(at, size - 1, 2, 9); }, "Image.data: "},
      {1, [](size_t at, size_t) { return ListPointer(at, 1, 2, (1u << 29) - 1); }, "Image.data: "},
      {1, [](size_t at, size_t) { return StructPointer(at, 1, 1, 0); }, "Image.data: "},
      {1, [](size_t at, size_t) { return ListPointer(at, 1, 5, 1); }, "Image.data: "},
      {1, [](size_t, size_t) { return uint64_t{2} | uint64_t{7} << 32; }, "Image.data: "},  // far, to segment 7
      {1, [](size_t, size_t) { return uint64_t{3}; }, "Image.data: "},                      // capability
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    capnp::MallocMessageBuilder builder;
    BuildImage(builder);
    Words words(builder);
    size_t at = FirstPointerWord(words) + cases[i].pointer;
    words.word(at) = cases[i].value(at, words.size());
    EXPECT_THAT(Message(words.Validate(SchemaOf<msg::Image>())), StartsWith(cases[i].field)) << "case " << i;
  }
}

TEST(ValidateTest, NamesPointersFromANewerVersionOfTheType) {
  // An Imu has one pointer; as one with two, the second pointing out of the message, it is still an Imu to read.
  capnp::MallocMessageBuilder builder;
  auto any = builder.getRoot<capnp::AnyPointer>().initAsAnyStruct(11, 2);
  auto pointers = any.getPointerSection();
  pointers[1].setAs<capnp::Text>("from the future");
  Words words(builder);
  EXPECT_TRUE(words.Validate(SchemaOf<msg::Imu>()).ok());
  words.word(1 + 11 + 1) = ListPointer(13, 1000, 2, 8);
  EXPECT_THAT(Message(words.Validate(SchemaOf<msg::Imu>())), StartsWith("Imu.(other pointer)[1]: "));
}

TEST(ValidateTest, LooksAtTheActiveMemberOfAUnionOnly) {
  using capnp::json::Value;
  capnp::MallocMessageBuilder builder;
  auto value = builder.initRoot<Value>();
  value.setString("some-string");
  Words words(builder);
  words.Find("some-string")[strlen("some-string")] = '!';
  EXPECT_THAT(Message(words.Validate(SchemaOf<Value>())), StartsWith("Value.string: "));
  auto which = reinterpret_cast<uint16_t*>(words.segment(0).begin() + 1);
  ASSERT_EQ(*which, static_cast<uint16_t>(Value::STRING));
  *which = static_cast<uint16_t>(Value::BOOLEAN);
  EXPECT_TRUE(words.Validate(SchemaOf<Value>()).ok());
  *which = 999;  // a member that a newer version has
  EXPECT_TRUE(words.Validate(SchemaOf<Value>()).ok());
}

TEST(ValidateTest, LooksIntoAnyPointers) {
  using capnp::schema::Value;
  capnp::MallocMessageBuilder builder;
  auto status = builder.initRoot<Value>().initAnyPointer().initAs<msg::SystemStatus>();
  status.initDisks(2)[1].setName("deep-inside");
  Words words(builder);
  EXPECT_TRUE(words.Validate(SchemaOf<Value>()).ok());
  // Without a schema a text is a list of bytes like any other; break the pointer to it instead.
  size_t text = static_cast<size_t>(words.Find("deep-inside") - words.segment(0).asChars().begin()) / 8;
  bool found = false;
  for (size_t at = 1; at < words.size(); ++at) {
    if (words.word(at) != ListPointer(at, text, 2, strlen("deep-inside") + 1)) continue;
    words.word(at) = ListPointer(at, words.size(), 2, 8);
    found = true;
  }
  ASSERT_TRUE(found);
  EXPECT_THAT(Message(words.Validate(SchemaOf<Value>())), testing::MatchesRegex("Value.anyPointer(.[0-9]+.)+: .*"));
  words.word(FirstPointerWord(words)) = 3;
  EXPECT_THAT(Message(words.Validate(SchemaOf<Value>())),
              AllOf(StartsWith("Value.anyPointer: "), HasSubstr("capability")));
}

TEST(ValidateTest, AMessageThatContainsItselfIsNestedTooDeeply) {
  using capnp::json::Value;
  capnp::MallocMessageBuilder builder;
  builder.initRoot<Value>().initArray(1)[0].initArray(1)[0].setString("x");
  Words words(builder);
  EXPECT_TRUE(words.Validate(SchemaOf<Value>()).ok());
  EXPECT_THAT(Message(words.Validate(SchemaOf<Value>(), {.nesting_max = 3})), StartsWith("Value.array[0].array"));

  // root: {2 data words, 1 pointer to a list}; the list's tag stands at 4; its element's pointer goes back to the tag.
  ASSERT_EQ(words.word(0), StructPointer(0, 1, 2, 1));
  words.word(3) = ListPointer(3, 4, 7, 3);
  words.word(7) = ListPointer(7, 4, 7, 3);
  EXPECT_THAT(Message(words.Validate(SchemaOf<Value>())),
              AllOf(StartsWith("Value.array[0].array[0]"), HasSubstr("nested")));
}

TEST(ValidateTest, AReaderWithoutANestingLimitIsBoundedAllTheSame) {
  using capnp::json::Value;
  capnp::MallocMessageBuilder builder;
  auto value = builder.initRoot<Value>();
  for (int i = 0; i < 500; ++i) value = value.initArray(1)[0];
  Words words(builder);
  auto segments = words.segments();
  capnp::ReaderOptions options;
  options.nestingLimit = 1 << 20;
  capnp::SegmentArrayMessageReader message(kj::arrayPtr(segments.data(), segments.size()), options);
  EXPECT_THAT(Message(Validate(message.getRoot<Value>())), HasSubstr("nested too deeply"));
}

TEST(ValidateTest, PointersThatShareATargetCostWhatTheyReach) {
  capnp::MallocMessageBuilder builder;
  auto list = builder.initRoot<capnp::json::Value>().initArray(1000);
  for (auto value : list) value.setString("shared");
  Words words(builder);
  ValidateLimits tight{.visited_words_max = 500};
  EXPECT_THAT(Message(words.Validate(SchemaOf<capnp::json::Value>(), tight)), HasSubstr("Value.array"));
  EXPECT_TRUE(words.Validate(SchemaOf<capnp::json::Value>()).ok());
}

TEST(ValidateTest, FollowsGenericsAndListsOfListsAndTexts) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  test::CompiledText text(R"(
    struct Box(T) { value @0 :T; more @1 :List(Box(T)); }
    struct Holder {
      text @0 :Box(Text);
      lists @1 :List(List(Text));
      any @2 :Box(AnyPointer);
      group :group { inner @3 :Text = "default"; union { a @4 :Data; b @5 :List(Data); } }
    })");
  capnp::StructSchema type = text.Struct("Holder");
  capnp::MallocMessageBuilder builder;
  auto holder = builder.initRoot<capnp::DynamicStruct>(type);
  auto box = holder.init("text").as<capnp::DynamicStruct>();
  box.set("value", "boxed-text");
  box.init("more", 2).as<capnp::DynamicList>()[1].as<capnp::DynamicStruct>().set("value", "listed-text");
  auto lists = holder.init("lists", 2).as<capnp::DynamicList>();
  lists.init(1, 3).as<capnp::DynamicList>().set(2, "nested-text");
  auto group = holder.get("group").as<capnp::DynamicStruct>();
  group.set("inner", "grouped-text");
  group.init("b", 1).as<capnp::DynamicList>().set(0, capnp::Data::Reader(kj::StringPtr("bytes").asBytes()));
  EXPECT_TRUE(Words(builder).Validate(type).ok()) << Words(builder).Validate(type);

  const std::pair<std::string_view, const char*> cases[] = {{"boxed-text", "Holder.text.value: "},
                                                            {"listed-text", "Holder.text.more[1].value: "},
                                                            {"nested-text", "Holder.lists[1][2]: "},
                                                            {"grouped-text", "Holder.group.inner: "}};
  for (auto [what, path] : cases) {
    Words words(builder);
    words.Find(what)[what.size()] = '!';
    EXPECT_THAT(Message(words.Validate(type)), StartsWith(path));
  }
}

// Reads whatever a message has, by getters that throw.
void ReadAll(const Words& words, capnp::StructSchema type) {
  auto segments = words.segments();
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 1 << 24;
  capnp::SegmentArrayMessageReader message(kj::arrayPtr(segments.data(), segments.size()), options);
  auto root = message.getRoot<capnp::DynamicStruct>(type);
  EXPECT_TRUE(Json().Encode(root).ok());
  capnp::MallocMessageBuilder copy;
  copy.setRoot(root);  // follows pointers that the schema does not know as well
}

TEST(ValidateTest, WhatItAcceptsCanBeReadAndWhatItRefusesCrashesNothing) {
  std::mt19937_64 random = test::SeededRandom("validate.corrupt");
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  int accepted = 0;
  int refused = 0;
  struct Kind {
    capnp::StructSchema type;
    std::function<void(capnp::MessageBuilder&)> build;
  };
  const Kind kinds[] = {
      {SchemaOf<msg::Image>(), BuildImage},
      {SchemaOf<msg::SystemStatus>(), BuildStatus},
      {SchemaOf<capnp::schema::Node>(),
       [](capnp::MessageBuilder& builder) { builder.setRoot(SchemaOf<capnp::schema::Node>().getProto()); }},
  };
  for (const Kind& kind : kinds) {
    for (uint32_t first_segment_words : {32u, 8192u}) {
      capnp::MallocMessageBuilder builder(first_segment_words, capnp::AllocationStrategy::FIXED_SIZE);
      kind.build(builder);
      for (int round = 0; round < 500; ++round) {
        Words words(builder);
        auto list = words.segments();
        for (size_t changes = 1 + below(4); changes > 0; --changes) {
          auto& segment = words.segment(below(list.size()));
          if (segment.size() == 0) continue;
          kj::byte* at = segment.asBytes().begin() + below(segment.size() * 8);
          *at = below(2) == 0 ? static_cast<kj::byte>(random()) : static_cast<kj::byte>(*at ^ 1u << below(8));
        }
        absl::Status status = words.Validate(kind.type);
        if (status.ok()) {
          ++accepted;
          EXPECT_NO_THROW(ReadAll(words, kind.type));
        } else {
          ++refused;
          EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
        }
      }
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

TEST(ValidateTest, RandomWordsCrashNothing) {
  std::mt19937_64 random = test::SeededRandom("validate.random");
  for (int round = 0; round < 5000; ++round) {
    auto words = kj::heapArray<capnp::word>(1 + random() % 64);
    for (auto& word : words) {
      uint64_t bits = random();
      if (random() % 2 == 0) bits &= 0x0007000700000079;  // small offsets and counts: pointers that often fit
      memcpy(static_cast<void*>(&word), &bits, sizeof(bits));
    }
    kj::ArrayPtr<const capnp::word> segment = words;
    (void)Validate(kj::arrayPtr(&segment, 1), SchemaOf<capnp::schema::Node>());
    (void)Validate(kj::arrayPtr(&segment, 1), SchemaOf<capnp::json::Value>());
    (void)Validate(kj::arrayPtr(&segment, 1), SchemaOf<msg::SystemStatus>());
  }
}

}  // namespace
}  // namespace weir::schema
