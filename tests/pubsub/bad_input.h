// What every test of bad input asks of a Status: its code, what its text names, and that the text can be read.
#ifndef WEIR_TESTS_PUBSUB_BAD_INPUT_H_
#define WEIR_TESTS_PUBSUB_BAD_INPUT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/weir.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "middleware/base/text.h"
#include "tests/support/test_root.h"

namespace weir::test {

inline constexpr size_t kReadableBytesMax = 900;

// The code, all of the texts, and a message of one line, without control characters and of bearable length.
inline testing::AssertionResult Says(const absl::Status& status, absl::StatusCode code,
                                     const std::vector<std::string>& texts) {
  const std::string message(status.message());
  if (status.code() != code) {
    return testing::AssertionFailure() << status << " is not " << absl::StatusCodeToString(code);
  }
  for (const std::string& text : texts) {
    if (message.find(text) == std::string::npos) {
      return testing::AssertionFailure() << "'" << text << "' is missing in: " << status;
    }
  }
  if (message.empty() || message.size() > kReadableBytesMax) {
    return testing::AssertionFailure() << message.size() << " bytes are no message to read: " << status;
  }
  for (std::string_view rest = message; !rest.empty();) {
    const size_t length = Utf8Length(rest);
    if (length == 0 || (IsControl(rest.substr(0, length)) && rest.front() != '\n')) {
      return testing::AssertionFailure() << "control characters or broken UTF-8 in: " << status;
    }
    rest.remove_prefix(length);
  }
  return testing::AssertionSuccess();
}

// Bytes in which nobody expects a structure.
template <class Random>
std::string RandomBytes(Random& random, size_t bytes) {
  std::string content(bytes, '\0');
  for (char& byte : content) byte = static_cast<char>(random());
  return content;
}

struct Small {
  int64_t number;
};

class BadInputTest : public testing::Test {
 protected:
  static constexpr char kDomain[] = "d";

  Node MakeNode(const std::string& name = "node") {
    auto node = Node::Create({.name = name, .domain = kDomain, .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  std::string DomainPath() const { return root_.path() + "/" + kDomain; }

  // Nothing stays behind, whatever was tried.
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  TestRoot root_;
};

}  // namespace weir::test

#endif  // WEIR_TESTS_PUBSUB_BAD_INPUT_H_
