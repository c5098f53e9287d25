// Schemas for tests, written where they are used: compiles text with the `capnp` tool, which builds Weir as well, and
// loads what it says.
#ifndef WEIR_TESTS_SCHEMA_COMPILED_TEXT_H_
#define WEIR_TESTS_SCHEMA_COMPILED_TEXT_H_

#include <capnp/schema-loader.h>
#include <capnp/schema.capnp.h>
#include <capnp/serialize.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace weir::test {

inline bool HaveCapnpTool() {
  return std::system("capnp --version > /dev/null 2>&1") == 0;
}

inline std::filesystem::path ProjectRoot() {
  return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
}

class CompiledText {
 public:
  // `path` is where the text claims to lie, such as "here/test.capnp". A file id is put in front of it.
  explicit CompiledText(std::string_view text, const std::string& path = "test.capnp") {
    std::string root = testing::TempDir() + "weir-schema-XXXXXX";
    if (mkdtemp(root.data()) == nullptr) throw std::runtime_error("mkdtemp");
    std::filesystem::path file = std::filesystem::path(root) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << "@0xb42b1ee848b9dd50;\n" << text;
    std::string command = "cd " + root + " && capnp compile -I " + (ProjectRoot() / "schema").string() + " -o- " + path;
    std::string bytes;
    if (FILE* output = popen(command.c_str(), "r"); output != nullptr) {
      char chunk[4096];
      while (size_t got = fread(chunk, 1, sizeof(chunk), output)) bytes.append(chunk, got);
      pclose(output);
    }
    std::filesystem::remove_all(root);
    if (bytes.empty()) throw std::runtime_error("capnp did not compile the text");

    auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    memcpy(words.begin(), bytes.data(), words.size() * sizeof(capnp::word));
    capnp::FlatArrayMessageReader message(words);
    for (auto node : message.getRoot<capnp::schema::CodeGeneratorRequest>().getNodes()) {
      loader_.load(node);
      std::string name = node.getDisplayName();
      ids_[name.substr(name.rfind(':') + 1)] = node.getId();
    }
  }

  capnp::StructSchema Struct(const std::string& name) const { return loader_.get(ids_.at(name)).asStruct(); }

 private:
  capnp::SchemaLoader loader_;
  std::map<std::string, uint64_t> ids_;
};

}  // namespace weir::test

#endif  // WEIR_TESTS_SCHEMA_COMPILED_TEXT_H_
