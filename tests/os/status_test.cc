#include "middleware/os/status.h"

#include <cerrno>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace weir::os {
namespace {

TEST(ErrnoStatusTest, SaysWhatFailedAndTheNumber) {
  const absl::Status status = ErrnoStatus(ENOSPC, "no room for 4096 bytes in 'pool.1'");
  EXPECT_EQ(
      status.message(),
      "no room for 4096 bytes in 'pool.1': No space left on device (errno 28). The file system is full: df -h and "
      "df -i show it; remove what nobody needs, or give it more");
}

TEST(ErrnoStatusTest, SaysWhatToDoWhereTheKernelsWordsDoNot) {
  EXPECT_NE(std::string(ErrnoStatus(EMFILE, "it").message()).find("ulimit -n"), std::string::npos);
  EXPECT_EQ(ErrnoStatus(ENOENT, "it").message(), "it: No such file or directory (errno 2)");
}

TEST(ErrnoStatusTest, TheCodeIsWhatTheCallerShouldDoNext) {
  struct Case {
    int error;
    absl::StatusCode code;
  };
  const std::vector<Case> cases = {
      {ENOSPC, absl::StatusCode::kResourceExhausted},   {ENOMEM, absl::StatusCode::kResourceExhausted},
      {EMFILE, absl::StatusCode::kResourceExhausted},   {ENFILE, absl::StatusCode::kResourceExhausted},
      {EDQUOT, absl::StatusCode::kResourceExhausted},   {EACCES, absl::StatusCode::kPermissionDenied},
      {EPERM, absl::StatusCode::kPermissionDenied},     {ENOENT, absl::StatusCode::kNotFound},
      {EEXIST, absl::StatusCode::kAlreadyExists},       {ELOOP, absl::StatusCode::kFailedPrecondition},
      {ENOTDIR, absl::StatusCode::kFailedPrecondition}, {ENOTEMPTY, absl::StatusCode::kFailedPrecondition},
      {EINVAL, absl::StatusCode::kInvalidArgument},     {EIO, absl::StatusCode::kInternal},
      {EBADF, absl::StatusCode::kFailedPrecondition},
  };
  for (const Case& each : cases) EXPECT_EQ(ErrnoStatus(each.error, "it").code(), each.code) << "errno " << each.error;
}

TEST(ErrnoStatusTest, AnUnknownNumberIsStillAnError) {
  const absl::Status status = ErrnoStatus(9999, "it");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_NE(std::string(status.message()).find("9999"), std::string::npos);
}

}  // namespace
}  // namespace weir::os
