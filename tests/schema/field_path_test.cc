#include "schema/field_path.h"

#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/joint_state.capnp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::schema {
namespace {

using ::testing::HasSubstr;

class FieldPathTest : public testing::Test {
 protected:
  FieldPathTest() {
    auto joints = joints_->initRoot<msg::JointState>();
    joints.initHeader().setStampNs(7);
    joints.initJoints(2)[1].setName("elbow");
    auto imu = imu_->initRoot<msg::Imu>();
    imu.getAngularVelocity().setZ(0.5);
    imu.getOrientation().initQuaternion().setW(1);
  }
  capnp::DynamicStruct::Reader joints() { return joints_->getRoot<msg::JointState>().asReader(); }
  capnp::DynamicStruct::Reader imu() { return imu_->getRoot<msg::Imu>().asReader(); }

  // Not members themselves: their destructors may throw, a test's may not.
  std::unique_ptr<capnp::MallocMessageBuilder> joints_ = std::make_unique<capnp::MallocMessageBuilder>();
  std::unique_ptr<capnp::MallocMessageBuilder> imu_ = std::make_unique<capnp::MallocMessageBuilder>();
};

TEST_F(FieldPathTest, LeadsThroughStructsGroupsUnionsAndLists) {
  EXPECT_EQ(GetField(joints(), "header.stampNs")->value.as<uint64_t>(), 7u);
  EXPECT_EQ(GetField(joints(), "joints[1].name")->value.as<capnp::Text>(), "elbow");
  EXPECT_EQ(GetField(joints(), "joints")->value.as<capnp::DynamicList>().size(), 2u);
  EXPECT_EQ(GetField(joints(), "joints[0]")->type.asStruct().getShortDisplayName(), "Joint");
  EXPECT_EQ(GetField(imu(), "angularVelocity.z")->value.as<double>(), 0.5);
  EXPECT_EQ(GetField(imu(), "orientation.quaternion.w")->value.as<double>(), 1);
  EXPECT_TRUE(GetField(imu(), "")->type.isStruct());
}

TEST_F(FieldPathTest, WhatWasNeverSetHasItsDefault) {
  EXPECT_EQ(GetField(imu(), "header.frameId")->value.as<capnp::Text>().size(), 0u);
}

TEST_F(FieldPathTest, SaysWhichPartOfThePathIsWrong) {
  const auto error = [](capnp::DynamicStruct::Reader message, const std::string& path) {
    return GetField(message, path).status();
  };
  EXPECT_TRUE(absl::IsNotFound(error(joints(), "header.stamp")));
  EXPECT_THAT(std::string(error(joints(), "header.stamp").message()), HasSubstr("Header has no field \"stamp\""));
  EXPECT_TRUE(absl::IsNotFound(error(joints(), "joints[2].name")));
  EXPECT_THAT(std::string(error(joints(), "joints[2].name").message()), HasSubstr("\"joints\" has 2 elements"));
  EXPECT_TRUE(absl::IsFailedPrecondition(error(imu(), "orientation.unknown")));
  EXPECT_THAT(std::string(error(imu(), "orientation.unknown").message()), HasSubstr("quaternion is"));
  for (const char* path : {".", "header.", "header..stampNs", ".header", "joints[", "joints[]", "joints[x]",
                           "joints[-1]", "joints[0", "joints[0]name", "joints.name", "header[0]", "header.stampNs.x",
                           "[0]", "joints[99999999999]", "joints[0].name[0]", "\xff."}) {
    const absl::Status status = error(joints(), path);
    EXPECT_TRUE(absl::IsInvalidArgument(status) || absl::IsNotFound(status)) << path << ": " << status;
  }
}

}  // namespace
}  // namespace weir::schema
