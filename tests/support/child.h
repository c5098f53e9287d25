// A forked process that runs a part of a test, and the channel between the two.
//
//   Child child([&](Channel& parent) {
//     ... publish ...
//     parent.Send(uint64_t{published});
//   });
//   EXPECT_EQ(child.channel().Receive<uint64_t>(), 1000u);
//   EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
//
// The child exits with 0 if its body returned without a failed EXPECT or ASSERT of its own (they print as usual), else
// with 1. It does not run the destructors of objects it inherited. It dies with the thread that made it, so that no
// hang survives its test: do not make one on a thread that ends earlier.
#ifndef WEIR_TESTS_SUPPORT_CHILD_H_
#define WEIR_TESTS_SUPPORT_CHILD_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weir::test {

inline constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(30);

// One end of a two-way connection: whole messages, in order. Used by one thread.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // False if the other side is gone. Blocks while the other side has megabytes unread.
  bool SendBytes(std::span<const std::byte> message);
  // Nothing if the other side is gone, died within the message, or sent none in time.
  std::optional<std::vector<std::byte>> ReceiveBytes(std::chrono::milliseconds limit = kPatience);

  bool Send(std::string_view text) { return SendBytes(std::as_bytes(std::span(text))); }
  std::optional<std::string> ReceiveText(std::chrono::milliseconds limit = kPatience);

  template <class T>
  requires std::is_trivially_copyable_v<T> &&(!std::is_convertible_v<T, std::string_view>)bool Send(const T& value) {
    return SendBytes(std::as_bytes(std::span(&value, 1)));
  }
  template <class T>
  requires std::is_trivially_copyable_v<T> std::optional<T> Receive(std::chrono::milliseconds limit = kPatience) {
    const std::optional<std::vector<T>> values = ReceiveVector<T>(limit);
    if (!values || values->size() != 1) return std::nullopt;
    return values->front();
  }

  template <class T>
  requires std::is_trivially_copyable_v<T>
  bool SendVector(const std::vector<T>& values) { return SendBytes(std::as_bytes(std::span(values))); }
  template <class T>
  requires std::is_trivially_copyable_v<T> std::optional<std::vector<T>> ReceiveVector(
      std::chrono::milliseconds limit = kPatience) {
    const std::optional<std::vector<std::byte>> bytes = ReceiveBytes(limit);
    if (!bytes || bytes->size() % sizeof(T) != 0) return std::nullopt;
    std::vector<T> values(bytes->size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes->data(), bytes->size());
    return values;
  }

 private:
  int fd_;
};

// How a child ended.
struct ChildEnd {
  enum class Kind { kExited, kKilled, kHung };
  Kind kind = Kind::kHung;
  int number = 0;  // exit code or signal

  static ChildEnd Exited(int code) { return {Kind::kExited, code}; }
  static ChildEnd KilledBy(int signal) { return {Kind::kKilled, signal}; }

  friend bool operator==(const ChildEnd&, const ChildEnd&) = default;
  friend std::ostream& operator<<(std::ostream& out, const ChildEnd& end);
};

// Used by one thread.
class Child {
 public:
  explicit Child(const std::function<void(Channel& parent)>& body);
  ~Child();  // kills it if nobody waited for its end
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  Channel& channel() { return *channel_; }

  void Kill();      // SIGKILL; Wait() then returns KilledBy(SIGKILL)
  void Stop();      // SIGSTOP; returns when it stands still
  void Continue();  // SIGCONT

  // The end of the child. One that is not over within the limit is killed and is kHung. Later calls return the same.
  ChildEnd Wait(std::chrono::milliseconds limit = kPatience);

 private:
  pid_t pid_ = -1;
  std::optional<Channel> channel_;
  std::optional<ChildEnd> end_;
};

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_CHILD_H_
