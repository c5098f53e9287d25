#include "schema/schema_blob.h"

#include <capnp/compat/json.capnp.h>
#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/schema.capnp.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>
#include <weir/messages/header.capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/messages/trade.capnp.h>

#include <cstring>
#include <functional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "middleware/base/hash.h"
#include "middleware/base/limits.h"
#include "schema/json.h"
#include "schema/validate.h"
#include "tests/schema/compiled_text.h"
#include "tests/support/random.h"
#include "tests/support/skip.h"

namespace weir::schema {
namespace {

using capnp::schema::CodeGeneratorRequest;
using capnp::schema::Node;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
capnp::StructSchema SchemaOf() {
  return capnp::Schema::from<T>();
}

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TypeDescription MustDescribe(capnp::StructSchema type) {
  auto description = Describe(type);
  EXPECT_TRUE(description.ok()) << description.status();
  return description.ok() ? *std::move(description) : TypeDescription();
}

const std::vector<capnp::StructSchema>& AllTypes() {
  static const std::vector<capnp::StructSchema> types = {
      SchemaOf<msg::Header>(),
      SchemaOf<msg::Imu>(),
      SchemaOf<msg::Image>(),
      SchemaOf<msg::Quote>(),
      SchemaOf<msg::Trade>(),
      SchemaOf<msg::SystemStatus>(),
      SchemaOf<Node>(),
      SchemaOf<CodeGeneratorRequest>(),
      SchemaOf<capnp::json::Value>(),
  };
  return types;
}

// The request in a blob, to look at or to change.
class Request {
 public:
  explicit Request(const std::string& blob) : builder_(1 << 20) {
    auto words = kj::heapArray<capnp::word>(blob.size() / sizeof(capnp::word));
    memcpy(words.begin(), blob.data(), blob.size());
    capnp::FlatArrayMessageReader message(words);
    builder_.setRoot(message.getRoot<CodeGeneratorRequest>());
  }

  CodeGeneratorRequest::Builder get() { return builder_.getRoot<CodeGeneratorRequest>(); }

  Node::Builder Find(const std::string& name) {
    for (auto node : get().getNodes()) {
      std::string display_name = node.getDisplayName().cStr();
      if (display_name.substr(display_name.rfind(':') + 1) == name) return node;
    }
    throw std::runtime_error("no node " + name);
  }

  static capnp::schema::Field::Builder Field(Node::Builder node, const std::string& name) {
    for (auto field : node.getStruct().getFields()) {
      if (std::string_view(field.getName().cStr()) == name) return field;
    }
    throw std::runtime_error("no field " + name);
  }

  std::string Blob() {
    auto flat = capnp::messageToFlatArray(builder_);
    auto bytes = flat.asBytes();
    return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  }

 private:
  capnp::MallocMessageBuilder builder_;
};

TEST(SchemaBlobTest, DescribesATypeByNameIdAndHash) {
  TypeDescription imu = MustDescribe(SchemaOf<msg::Imu>());
  EXPECT_EQ(imu.name, "Imu");
  EXPECT_EQ(imu.id, capnp::typeId<msg::Imu>());
  EXPECT_EQ(imu.hash, HashBytes(Bytes(imu.blob)));
  EXPECT_EQ(imu.blob.size() % 8, 0u);
  TypeDescription core = MustDescribe(SchemaOf<msg::SystemStatus::Core>());
  EXPECT_EQ(core.name, "SystemStatus.Core");
  EXPECT_NE(core.hash, imu.hash);
}

TEST(SchemaBlobTest, IsACodeGeneratorRequestOfTheClosureById) {
  Request request(MustDescribe(SchemaOf<msg::SystemStatus>()).blob);
  std::vector<uint64_t> ids;
  std::set<std::string> names;
  for (auto node : request.get().getNodes()) {
    ids.push_back(node.getId());
    names.insert(node.getDisplayName().cStr());
    EXPECT_EQ(node.getAnnotations().size(), 0u);
  }
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_THAT(
      names,
      ElementsAre("header.capnp:Header", "system_status.capnp:SystemStatus", "system_status.capnp:SystemStatus.Core",
                  "system_status.capnp:SystemStatus.Disk", "system_status.capnp:SystemStatus.NetworkInterface",
                  "system_status.capnp:SystemStatus.Temperature", "system_status.capnp:SystemStatus.loadAverage",
                  "system_status.capnp:SystemStatus.memory"));
  ASSERT_EQ(request.get().getRequestedFiles().size(), 1u);
  EXPECT_EQ(request.get().getRequestedFiles()[0].getId(), capnp::typeId<msg::SystemStatus>());
  EXPECT_STREQ(request.get().getRequestedFiles()[0].getFilename().cStr(), "system_status.capnp:SystemStatus");
  EXPECT_FALSE(request.get().hasCapnpVersion());
}

TEST(SchemaBlobTest, IsTheSameFromGeneratedCodeAndFromALoader) {
  for (capnp::StructSchema type : AllTypes()) {
    TypeDescription generated = MustDescribe(type);
    EXPECT_EQ(MustDescribe(type).blob, generated.blob) << generated.name;
    auto loaded = LoadedSchema::Parse(Bytes(generated.blob));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->name(), generated.name);
    EXPECT_EQ(loaded->id(), generated.id);
    EXPECT_EQ(loaded->hash(), generated.hash);
    TypeDescription again = MustDescribe(loaded->root());
    EXPECT_EQ(again.blob, generated.blob) << generated.name;
    EXPECT_EQ(again.name, generated.name);
  }
}

TEST(SchemaBlobTest, IsTheSameFromTheCompilerInAnotherFolder) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  test::CompiledText text(R"(
    using import "/weir/messages/system_status.capnp".SystemStatus;
    using import "/weir/messages/imu.capnp".Imu;
    using import "/weir/messages/image.capnp".Image;
    struct All { a @0 :SystemStatus; b @1 :Imu; c @2 :Image; })");
  EXPECT_EQ(MustDescribe(text.Struct("SystemStatus")).blob, MustDescribe(SchemaOf<msg::SystemStatus>()).blob);
  EXPECT_EQ(MustDescribe(text.Struct("Imu")).blob, MustDescribe(SchemaOf<msg::Imu>()).blob);
  EXPECT_EQ(MustDescribe(text.Struct("Image")).blob, MustDescribe(SchemaOf<msg::Image>()).blob);
}

TEST(SchemaBlobTest, LeavesOutWhatIsNotTheType) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  test::CompiledText plain(
      "struct S @0xd8a90a97b4b76a4c { a @0 :Int32; b @1 :E; enum E @0xd8a90a97b4b76a4d { x @0; } }");
  test::CompiledText adorned(R"(
    annotation note @0x8c4b3b4a3b1f2a11 (*) :Text;
    # A comment.
    struct S @0xd8a90a97b4b76a4c $note("struct") {
      a @0 :Int32 $note("field");
      b @1 :E;
      enum E @0xd8a90a97b4b76a4d $note("enum") { x @0 $note("enumerant"); }
      struct Unused { c @0 :Text; }
      const unused :Int32 = 5;
    })",
                             "some/where/else/test.capnp");
  EXPECT_EQ(MustDescribe(plain.Struct("S")).blob, MustDescribe(adorned.Struct("S")).blob);
}

TEST(SchemaBlobTest, EveryChangeOfTheTypeChangesTheHash) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  const char* variants[] = {
      "a @0 :Int32; b @1 :Inner;",
      "a @0 :UInt32; b @1 :Inner;",
      "a @0 :Int32 = 1; b @1 :Inner;",
      "x @0 :Int32; b @1 :Inner;",
      "a @0 :Int32; b @1 :Inner; c @2 :Bool;",
      "b @0 :Inner; a @1 :Int32;",
      "a @0 :Int32; b @1 :List(Inner);",
      "union { a @0 :Int32; b @1 :Inner; }",
  };
  std::set<std::pair<uint64_t, uint64_t>> hashes;
  for (const char* fields : variants) {
    for (const char* inner : {"Text", "Data"}) {
      test::CompiledText text("struct S @0xd8a90a97b4b76a4c { " + std::string(fields) +
                              " struct Inner @0xd8a90a97b4b76a4d { t @0 :" + inner + "; } }");
      Hash128 hash = MustDescribe(text.Struct("S")).hash;
      hashes.insert({hash.high, hash.low});
    }
  }
  EXPECT_EQ(hashes.size(), 2 * std::size(variants));
}

TEST(SchemaBlobTest, ReachesWhatGenericsListsUnionsAndGroupsName) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  test::CompiledText text(R"(
    struct Box(T) { value @0 :T; next @1 :Box(T); deeper @2 :Box(Box(T)); struct In { v @0 :T; enum E { e @0; } e @1 :E; } }
    struct Argument { a @0 :Far; }
    struct Far { far @0 :Text; }
    struct Second {}
    enum Colour { red @0; }
    struct Unreached {}
    struct S {
      box @0 :Box(Box(Argument));
      in @1 :Box(Second).In;
      lists @2 :List(List(Colour));
      g :group { union { u @3 :Void; self @4 :S; } }
      any @5 :AnyPointer;
    })");
  TypeDescription description = MustDescribe(text.Struct("S"));
  Request request(description.blob);
  std::set<std::string> names;
  for (auto node : request.get().getNodes()) names.insert(node.getDisplayName().cStr());
  EXPECT_THAT(
      names, ElementsAre("test.capnp:Argument", "test.capnp:Box", "test.capnp:Box.In", "test.capnp:Box.In.E",
                         "test.capnp:Colour", "test.capnp:Far", "test.capnp:S", "test.capnp:S.g", "test.capnp:Second"));
  auto loaded = LoadedSchema::Parse(Bytes(description.blob));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(MustDescribe(loaded->root()).blob, description.blob);
  auto box = loaded->root().getFieldByName("box").getType().asStruct();
  auto inner = box.getFieldByName("value").getType().asStruct();
  auto argument = inner.getFieldByName("value").getType().asStruct();
  EXPECT_STREQ(argument.getShortDisplayName().cStr(), "Argument");
}

TEST(SchemaBlobTest, RefusesTypesThatCannotTravel) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  test::CompiledText text(R"(
    interface Service { call @0 () -> (); }
    struct Direct { service @0 :Service; }
    struct Deep { direct @0 :List(Direct); }
    struct Box(T) { value @0 :T; }
    struct Argument { box @0 :Box(Service); }
    struct Any { any @0 :Capability; }
    struct Holder { box @0 :Box(Text); })");
  for (const char* name : {"Direct", "Deep", "Argument", "Any"}) {
    auto description = Describe(text.Struct(name));
    EXPECT_EQ(description.status().code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_THAT(std::string(description.status().message()), HasSubstr("capabilities"));
  }
  EXPECT_THAT(std::string(Describe(text.Struct("Deep")).status().message()), HasSubstr("Direct.service: "));

  auto branded = text.Struct("Holder").getFieldByName("box").getType().asStruct();
  EXPECT_EQ(Describe(branded).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Describe(text.Struct("Box")).ok()) << "a generic without arguments is one of AnyPointers";
}

TEST(SchemaBlobTest, RefusesNamesThatNoRegistryEntryHolds) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  for (size_t bytes : {kNameBytesMax, kNameBytesMax + 1}) {
    std::string name(bytes, 'N');
    test::CompiledText text("struct " + name + " {}");
    EXPECT_EQ(Describe(text.Struct(name)).ok(), bytes == kNameBytesMax);
  }
}

TEST(SchemaBlobTest, AParsedSchemaReadsAMessageOfGeneratedCode) {
  TypeDescription description = MustDescribe(SchemaOf<msg::SystemStatus>());
  auto parsed = LoadedSchema::Parse(Bytes(description.blob));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  LoadedSchema loaded = *std::move(parsed);  // moving keeps the root valid
  capnp::MallocMessageBuilder builder;
  auto status = builder.initRoot<msg::SystemStatus>();
  status.getMemory().setTotalBytes(77);
  status.initCores(2)[1].setLoad(0.5f);
  auto dynamic = builder.getRoot<capnp::DynamicStruct>(loaded.root()).asReader();
  EXPECT_EQ(dynamic.get("memory").as<capnp::DynamicStruct>().get("totalBytes").as<uint64_t>(), 77u);
  EXPECT_EQ(dynamic.get("cores").as<capnp::DynamicList>()[1].as<capnp::DynamicStruct>().get("load").as<float>(), 0.5f);
  EXPECT_TRUE(Validate(dynamic).ok());
}

TEST(SchemaBlobTest, ParsesBytesAtAnyAlignment) {
  TypeDescription description = MustDescribe(SchemaOf<msg::Imu>());
  for (size_t shift = 0; shift < 8; ++shift) {
    std::string shifted = std::string(shift, 'x') + description.blob;
    EXPECT_TRUE(LoadedSchema::Parse(Bytes(shifted).subspan(shift)).ok());
  }
}

// What can be done with any schema that was accepted. Returns normally or by exceptions that are caught here as in
// Weir.
void Exercise(const LoadedSchema& loaded, std::mt19937_64& random) {
  (void)Describe(loaded.root());
  auto words = kj::heapArray<capnp::word>(256);
  for (auto& word : words) {
    uint64_t bits = random() & 0x001f001f000000f9;
    memcpy(static_cast<void*>(&word), &bits, sizeof(bits));
  }
  kj::ArrayPtr<const capnp::word> segment = words;
  (void)Validate(kj::arrayPtr(&segment, 1), loaded.root());
  Json json;
  try {
    capnp::SegmentArrayMessageReader message(kj::arrayPtr(&segment, 1));
    (void)json.Encode(message.getRoot<capnp::DynamicStruct>(loaded.root()));
    capnp::MallocMessageBuilder builder;
    auto built = builder.initRoot<capnp::DynamicStruct>(loaded.root());
    (void)json.Encode(built.asReader());
    for (auto field : loaded.root().getFields()) {
      try {
        if (field.getProto().isGroup() || field.getType().isStruct()) {
          built.init(field);
        } else if (field.getType().isList() || field.getType().isText() || field.getType().isData()) {
          built.init(field, 2);
        } else {
          built.set(field, built.asReader().get(field));
        }
      } catch (const kj::Exception&) {
      }
    }
    (void)json.Encode(built.asReader());
    (void)Validate(built.asReader());  // fields may overlap: no harm, but no sense either
  } catch (const kj::Exception&) {
  }
}

TEST(SchemaBlobTest, TruncatedBlobsAreDataLoss) {
  std::string blob = MustDescribe(SchemaOf<msg::Imu>()).blob;
  for (size_t bytes = 0; bytes < blob.size(); ++bytes) {
    EXPECT_EQ(LoadedSchema::Parse(Bytes(blob).first(bytes)).status().code(), absl::StatusCode::kDataLoss) << bytes;
    // With the table saying so, too.
    if (bytes % 8 != 0 || bytes < 16) continue;
    std::string shorter = blob.substr(0, bytes);
    uint32_t words = static_cast<uint32_t>(bytes / 8 - 1);
    memcpy(shorter.data() + 4, &words, 4);
    EXPECT_EQ(LoadedSchema::Parse(Bytes(shorter)).status().code(), absl::StatusCode::kDataLoss) << bytes;
  }
  EXPECT_EQ(LoadedSchema::Parse(Bytes(blob + std::string(8, '\0'))).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(LoadedSchema::Parse(Bytes(std::string(kSchemaBytesMax + 8, '\0'))).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(SchemaBlobTest, TamperedBlobsCrashNothing) {
  std::mt19937_64 random = test::SeededRandom("schema.tampered");
  int accepted = 0;
  int refused = 0;
  for (capnp::StructSchema type : AllTypes()) {
    const std::string blob = MustDescribe(type).blob;
    for (int round = 0; round < 120; ++round) {
      std::string tampered = blob;
      for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
        size_t at = random() % blob.size();
        switch (random() % 3) {
          case 0:
            tampered[at] = static_cast<char>(random());
            break;
          case 1:
            tampered[at] = static_cast<char>(tampered[at] ^ 1 << random() % 8);
            break;
          case 2:  // a word from elsewhere
            memcpy(&tampered[at & ~size_t{7}], &blob[random() % (blob.size() / 8) * 8], 8);
            break;
        }
      }
      auto loaded = LoadedSchema::Parse(Bytes(tampered));
      if (loaded.ok()) {
        ++accepted;
        Exercise(*loaded, random);
      } else {
        ++refused;
        EXPECT_THAT(loaded.status().code(),
                    testing::AnyOf(absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition));
      }
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

TEST(SchemaBlobTest, RandomBlobsCrashNothing) {
  std::mt19937_64 random = test::SeededRandom("schema.random");
  for (int round = 0; round < 5000; ++round) {
    std::string blob(8 * (2 + random() % 64), '\0');
    for (size_t at = 8; at < blob.size(); at += 8) {
      uint64_t bits = random();
      if (random() % 4 != 0) bits &= 0x0007000700000079;
      memcpy(&blob[at], &bits, 8);
    }
    uint32_t words = static_cast<uint32_t>(blob.size() / 8 - 1);
    memcpy(&blob[4], &words, 4);
    auto loaded = LoadedSchema::Parse(Bytes(blob));
    if (loaded.ok()) Exercise(*loaded, random);
  }
}

struct Forgery {
  const char* what;
  std::function<void(Request&)> change;
  const char* message;
};

// Sound messages that say something false, each aimed at something the loader or the dynamic API takes for granted.
TEST(SchemaBlobTest, ForgedSchemasAreRefusedWithTheFieldsName) {
  const std::string image = MustDescribe(SchemaOf<msg::Image>()).blob;
  const std::string imu = MustDescribe(SchemaOf<msg::Imu>()).blob;
  auto slot = [](Request& request, const char* node, const char* field) {
    return Request::Field(request.Find(node), field).getSlot();
  };
  const Forgery of_image[] = {
      {"no root", [](Request& r) { r.get().initRequestedFiles(0); }, "0 root types"},
      {"two roots", [](Request& r) { r.get().initRequestedFiles(2); }, "2 root types"},
      {"unknown root", [](Request& r) { r.get().getRequestedFiles()[0].setId(5); }, "lacks the type 0x5"},
      {"root is an enum",
       [](Request& r) { r.get().getRequestedFiles()[0].setId(capnp::typeId<msg::Image::Encoding>()); },
       "not of the kind"},
      {"missing node", [](Request& r) { r.Find("Header").setId(7); }, "Image.header: the schema lacks"},
      {"node twice", [](Request& r) { r.Find("Header").setId(r.Find("Image").getId()); }, "there twice"},
      {"enum as struct",
       [&](Request& r) {
         slot(r, "Image", "header").getType().getStruct().setTypeId(capnp::typeId<msg::Image::Encoding>());
       },
       "Image.header: the type"},
      {"struct as enum",
       [&](Request& r) { slot(r, "Image", "encoding").getType().getEnum().setTypeId(r.Find("Header").getId()); },
       "Image.encoding: the type"},
      {"data offset", [&](Request& r) { slot(r, "Image", "width").setOffset(4); },
       "Image.width: the field lies outside"},
      {"data offset beyond 32 bits", [&](Request& r) { slot(r, "Image", "width").setOffset((1u << 27) - 1); },
       "Image.width: the field lies outside"},
      {"data offset at the end of 32 bits", [&](Request& r) { slot(r, "Image", "width").setOffset(0xffffffff); },
       "Image.width: the field lies outside"},
      {"pointer offset", [&](Request& r) { slot(r, "Image", "data").setOffset(2); },
       "Image.data: the field lies outside"},
      {"pointer offset at the end of 32 bits", [&](Request& r) { slot(r, "Image", "data").setOffset(0xffffffff); },
       "Image.data: the field lies outside"},
      {"scope longer than the name", [](Request& r) { r.Find("Image").setDisplayNamePrefixLength(1000); },
       "its name is shorter"},
      {"no name", [](Request& r) { r.Find("Image").setDisplayName(""); }, "its name is empty"},
      {"escape sequence in a type's name", [](Request& r) { r.Find("Header").setDisplayName("a:\x1b[2JHeader"); },
       "its name is"},
      {"escape sequence in a field's name",
       [](Request& r) { Request::Field(r.Find("Image"), "width").setName("\x1b[2J"); }, "Image: a field's name"},
      {"escape sequence in an enumerant's name",
       [](Request& r) { r.Find("Image.Encoding").getEnum().getEnumerants()[0].setName("\x1b"); },
       "Image.Encoding: an enumerant's name"},
      {"same name twice", [](Request& r) { Request::Field(r.Find("Image"), "width").setName("height"); },
       "duplicate name"},
      {"union without members", [](Request& r) { r.Find("Image").getStruct().setDiscriminantCount(6); },
       "Image: 0 union members, but 6"},
      {"members without a union", [](Request& r) { Request::Field(r.Find("Image"), "width").setDiscriminantValue(0); },
       "Image: 1 union members, but 0"},
      {"a single member",
       [](Request& r) {
         Request::Field(r.Find("Image"), "width").setDiscriminantValue(0);
         r.Find("Image").getStruct().setDiscriminantCount(1);
       },
       "at least two"},
      {"wrong default", [&](Request& r) { slot(r, "Image", "width").getDefaultValue().setText("x"); }, "did not match"},
      {"capability", [&](Request& r) { slot(r, "Image", "data").getType().initInterface(); }, "Image.data: "},
      {"list of any",
       [&](Request& r) { slot(r, "Image", "data").getType().initList().initElementType().initAnyPointer(); },
       "Image.data: "},
      {"data argument for a generic",
       [&](Request& r) {
         auto scopes = slot(r, "Image", "header").getType().getStruct().initBrand().initScopes(1);
         scopes[0].initBind(1)[0].initType().setInt8();
       },
       "Image.header: a type argument"},
  };
  const Forgery of_imu[] = {
      {"discriminant beyond 32 bits",
       [](Request& r) { r.Find("Imu.orientation").getStruct().setDiscriminantOffset(0x0fffffff); },
       "Imu.orientation: the union's discriminant"},
      {"discriminant out of order",
       [](Request& r) { Request::Field(r.Find("Imu.orientation"), "unknown").setDiscriminantValue(9); },
       "discriminantValue"},
      {"group larger than its struct",
       [](Request& r) { r.Find("Imu.angularVelocity").getStruct().setDataWordCount(4000); },
       "Imu.angularVelocity: the group does not fit"},
      {"group of somebody else", [](Request& r) { r.Find("Imu.angularVelocity").setScopeId(1); },
       "Imu.angularVelocity: the group does not fit"},
      {"group that contains itself",
       [](Request& r) {
         auto group = r.Find("Imu.orientation");
         Request::Field(group, "quaternion").getGroup().setTypeId(group.getId());
       },
       "Imu.orientation.quaternion: the group does not fit"},
      {"group that contains its struct",
       [](Request& r) {
         Request::Field(r.Find("Imu.orientation"), "quaternion").getGroup().setTypeId(r.Find("Imu").getId());
       },
       "Imu.orientation.quaternion: the type"},
      {"group as a struct",
       [&](Request& r) { slot(r, "Imu", "header").getType().getStruct().setTypeId(r.Find("Imu.orientation").getId()); },
       "Imu.header: the type"},
  };
  auto check = [](const std::string& blob, std::span<const Forgery> forgeries) {
    ASSERT_TRUE(LoadedSchema::Parse(Bytes(Request(blob).Blob())).ok());
    for (const Forgery& forgery : forgeries) {
      Request request(blob);
      forgery.change(request);
      auto loaded = LoadedSchema::Parse(Bytes(request.Blob()));
      EXPECT_FALSE(loaded.ok()) << forgery.what;
      EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(forgery.message)) << forgery.what;
    }
  };
  check(image, of_image);
  check(imu, of_imu);
}

TEST(SchemaBlobTest, KindsOfTypesFromTheFutureAreRefused) {
  Request request(MustDescribe(SchemaOf<msg::Image>()).blob);
  // The discriminant is the first field of a Type's data section.
  capnp::AnyStruct::Builder type(Request::Field(request.Find("Image"), "width").getSlot().getType());
  type.getDataSection()[0] = 99;
  auto loaded = LoadedSchema::Parse(Bytes(request.Blob()));
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(loaded.status().message()), AllOf(HasSubstr("Image.width: "), HasSubstr("newer")));
}

TEST(SchemaBlobTest, NodesThatTheTypeDoesNotReachAreNotLoaded) {
  Request request(MustDescribe(SchemaOf<msg::Image>()).blob);
  auto old = request.get().disownNodes();
  auto nodes = request.get().initNodes(old.getReader().size() + 1);
  for (capnp::uint i = 0; i < old.getReader().size(); ++i) nodes.setWithCaveats(i, old.getReader()[i]);
  auto bad = nodes[nodes.size() - 1];
  bad.setId(1);
  bad.initStruct().setDiscriminantCount(7);
  auto loaded = LoadedSchema::Parse(Bytes(request.Blob()));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(MustDescribe(loaded->root()).blob, MustDescribe(SchemaOf<msg::Image>()).blob);
}

// A root with 2,000 fields, each of a type of its own; all these types point to the root's list of fields. Without a
// limit that is 4,000,000 fields to check and to copy.
TEST(SchemaBlobTest, SharedPointersDoNotMakeASmallBlobExpensive) {
  constexpr capnp::uint kTypes = 2000;
  capnp::MallocMessageBuilder builder(1 << 20);
  auto request = builder.initRoot<CodeGeneratorRequest>();
  request.initRequestedFiles(1)[0].setId(1);
  auto nodes = request.initNodes(kTypes + 1);
  auto fields = nodes[0].initStruct().initFields(kTypes);
  for (capnp::uint i = 0; i < kTypes; ++i) {
    fields[i].setName(absl::StrCat("f", i));
    fields[i].setCodeOrder(static_cast<uint16_t>(i));
    auto slot = fields[i].initSlot();
    slot.setOffset(i);
    slot.initType().initStruct().setTypeId(2 + i);
    slot.initDefaultValue().initStruct();
  }
  auto words_of = [](capnp::AnyStruct::Reader value) {
    return reinterpret_cast<uint64_t*>(const_cast<kj::byte*>(value.getDataSection().begin()));
  };
  uint64_t* list_tag = words_of(fields[0].asReader()) - 1;
  size_t data_words = capnp::AnyStruct::Reader(nodes[0].asReader()).getDataSection().size() / 8;
  constexpr size_t kFieldsPointer = 3;
  uint64_t* root_pointer = words_of(nodes[0].asReader()) + data_words + kFieldsPointer;
  ASSERT_EQ(root_pointer + 1 + static_cast<int32_t>(*root_pointer) / 4, list_tag);
  for (capnp::uint i = 0; i <= kTypes; ++i) {
    nodes[i].setId(1 + i);
    nodes[i].setDisplayName("test.capnp:T");
    auto shape = i == 0 ? nodes[i].getStruct() : nodes[i].initStruct();
    shape.setPointerCount(kTypes);
    shape.setPreferredListEncoding(capnp::schema::ElementSize::INLINE_COMPOSITE);
    uint64_t* pointer = words_of(nodes[i].asReader()) + data_words + kFieldsPointer;
    int32_t offset = static_cast<int32_t>(list_tag - pointer - 1);
    *pointer = (*root_pointer & ~uint64_t{0xfffffffc}) | static_cast<uint32_t>(offset) << 2;
  }
  ASSERT_EQ(nodes[kTypes].asReader().getStruct().getFields().size(), kTypes);
  auto flat = capnp::messageToFlatArray(builder);
  auto bytes = flat.asBytes();
  auto loaded = LoadedSchema::Parse(std::as_bytes(std::span(bytes.begin(), bytes.size())));
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("traversal limit"));
}

TEST(SchemaBlobTest, LongChainsOfTypesAreNotARecursion) {
  if (!test::HaveCapnpTool()) WEIR_SKIP("no capnp tool in the PATH");
  std::string text;
  constexpr int kTypes = 3000;
  for (int i = 0; i < kTypes; ++i) {
    text += "struct T" + std::to_string(i) + " { next @0 :T" + std::to_string((i + 1) % kTypes) + "; }\n";
  }
  TypeDescription description = MustDescribe(test::CompiledText(text).Struct("T0"));
  auto loaded = LoadedSchema::Parse(Bytes(description.blob));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(MustDescribe(loaded->root()).blob, description.blob);
}

}  // namespace
}  // namespace weir::schema
