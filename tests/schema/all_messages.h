// All of Weir's own message types, for tests that go through them, and a filling for any of them.
#ifndef WEIR_TESTS_SCHEMA_ALL_MESSAGES_H_
#define WEIR_TESTS_SCHEMA_ALL_MESSAGES_H_

#include <capnp/dynamic.h>
#include <capnp/schema.h>
#include <weir/messages/camera_info.capnp.h>
#include <weir/messages/cancel.capnp.h>
#include <weir/messages/compressed_image.capnp.h>
#include <weir/messages/execution_report.capnp.h>
#include <weir/messages/header.capnp.h>
#include <weir/messages/heartbeat.capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/joint_state.capnp.h>
#include <weir/messages/laser_scan.capnp.h>
#include <weir/messages/log.capnp.h>
#include <weir/messages/nav_sat_fix.capnp.h>
#include <weir/messages/new_order.capnp.h>
#include <weir/messages/odometry.capnp.h>
#include <weir/messages/order_book_delta.capnp.h>
#include <weir/messages/order_book_snapshot.capnp.h>
#include <weir/messages/point_cloud.capnp.h>
#include <weir/messages/pose.capnp.h>
#include <weir/messages/position.capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/messages/trade.capnp.h>
#include <weir/messages/transform.capnp.h>
#include <weir/messages/twist.capnp.h>

#include <cstdint>
#include <string>

namespace weir::test {

inline constexpr int kMessageTypeCount = 24;

// Calls visit.template operator()<T>("Name") for each type that is meant to be a topic's.
template <class Visit>
void ForEachMessageType(Visit visit) {
  visit.template operator()<msg::CameraInfo>("CameraInfo");
  visit.template operator()<msg::Cancel>("Cancel");
  visit.template operator()<msg::CompressedImage>("CompressedImage");
  visit.template operator()<msg::ExecutionReport>("ExecutionReport");
  visit.template operator()<msg::Header>("Header");
  visit.template operator()<msg::Heartbeat>("Heartbeat");
  visit.template operator()<msg::Image>("Image");
  visit.template operator()<msg::Imu>("Imu");
  visit.template operator()<msg::JointState>("JointState");
  visit.template operator()<msg::LaserScan>("LaserScan");
  visit.template operator()<msg::Log>("Log");
  visit.template operator()<msg::NavSatFix>("NavSatFix");
  visit.template operator()<msg::NewOrder>("NewOrder");
  visit.template operator()<msg::Odometry>("Odometry");
  visit.template operator()<msg::OrderBookDelta>("OrderBookDelta");
  visit.template operator()<msg::OrderBookSnapshot>("OrderBookSnapshot");
  visit.template operator()<msg::PointCloud>("PointCloud");
  visit.template operator()<msg::Pose>("Pose");
  visit.template operator()<msg::Position>("Position");
  visit.template operator()<msg::Quote>("Quote");
  visit.template operator()<msg::SystemStatus>("SystemStatus");
  visit.template operator()<msg::Trade>("Trade");
  visit.template operator()<msg::Transform>("Transform");
  visit.template operator()<msg::Twist>("Twist");
}

namespace internal {

class Filler {
 public:
  void Fill(capnp::DynamicStruct::Builder message) {
    const auto fields = message.getSchema().getNonUnionFields();
    for (capnp::StructSchema::Field field : fields) FillField(message, field);
    auto members = message.getSchema().getUnionFields();
    if (members.size() != 0) FillField(message, members[members.size() - 1]);
  }

 private:
  void FillField(capnp::DynamicStruct::Builder message, capnp::StructSchema::Field field) {
    const capnp::Type type = field.getType();
    switch (type.which()) {
      case capnp::schema::Type::STRUCT:
        Fill(message.init(field).as<capnp::DynamicStruct>());
        break;
      case capnp::schema::Type::LIST: {
        auto list = message.init(field, 3).as<capnp::DynamicList>();
        for (capnp::uint i = 0; i < list.size(); ++i) {
          if (type.asList().getElementType().isStruct()) {
            Fill(list[i].as<capnp::DynamicStruct>());
          } else {
            list.set(i, Scalar(type.asList().getElementType()));
          }
        }
        break;
      }
      default:
        message.set(field, Scalar(type));
    }
  }

  capnp::DynamicValue::Reader Scalar(capnp::Type type) {
    ++number_;
    switch (type.which()) {
      case capnp::schema::Type::VOID:
        return capnp::VOID;
      case capnp::schema::Type::BOOL:
        return true;
      case capnp::schema::Type::FLOAT32:
      case capnp::schema::Type::FLOAT64:
        return static_cast<double>(number_) + 0.5;  // exact in both
      case capnp::schema::Type::TEXT:
        text_ = "text " + std::to_string(number_);
        return capnp::Text::Reader(text_.c_str(), text_.size());
      case capnp::schema::Type::DATA:
        text_ = std::string("data\0\xff", 6) + std::to_string(number_);
        return capnp::Data::Reader(reinterpret_cast<const kj::byte*>(text_.data()), text_.size());
      case capnp::schema::Type::ENUM: {
        auto enumerants = type.asEnum().getEnumerants();
        return capnp::DynamicEnum(enumerants[enumerants.size() - 1]);
      }
      case capnp::schema::Type::INT64:
        return int64_t{-9'000'000'000'000'000'000} + number_;  // more digits than a double has
      case capnp::schema::Type::UINT64:
        return uint64_t{18'000'000'000'000'000'000u} + static_cast<uint64_t>(number_);
      default:
        return number_ % 100;
    }
  }

  int number_ = 0;
  std::string text_;
};

}  // namespace internal

// Sets every field, each to another value where its type has enough of them; of a union the last member; three elements
// to each list.
inline void FillMessage(capnp::DynamicStruct::Builder message) {
  internal::Filler().Fill(message);
}

}  // namespace weir::test

#endif  // WEIR_TESTS_SCHEMA_ALL_MESSAGES_H_
