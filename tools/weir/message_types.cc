#include "tools/weir/message_types.h"

#include <capnp/schema-parser.h>
#include <kj/exception.h>
#include <kj/filesystem.h>
#include <weir/capnp.h>
#include <weir/dynamic.h>
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

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/weir/output.h"

namespace weir::tool {
namespace {

const std::map<std::string, MessageType (*)()>& Library() {
  static const std::map<std::string, MessageType (*)()> types = {
      {"CameraInfo", MessageTraits<msg::CameraInfo>::Type},
      {"Cancel", MessageTraits<msg::Cancel>::Type},
      {"CompressedImage", MessageTraits<msg::CompressedImage>::Type},
      {"ExecutionReport", MessageTraits<msg::ExecutionReport>::Type},
      {"Header", MessageTraits<msg::Header>::Type},
      {"Heartbeat", MessageTraits<msg::Heartbeat>::Type},
      {"Image", MessageTraits<msg::Image>::Type},
      {"Imu", MessageTraits<msg::Imu>::Type},
      {"JointState", MessageTraits<msg::JointState>::Type},
      {"LaserScan", MessageTraits<msg::LaserScan>::Type},
      {"Log", MessageTraits<msg::Log>::Type},
      {"NavSatFix", MessageTraits<msg::NavSatFix>::Type},
      {"NewOrder", MessageTraits<msg::NewOrder>::Type},
      {"Odometry", MessageTraits<msg::Odometry>::Type},
      {"OrderBookDelta", MessageTraits<msg::OrderBookDelta>::Type},
      {"OrderBookSnapshot", MessageTraits<msg::OrderBookSnapshot>::Type},
      {"PointCloud", MessageTraits<msg::PointCloud>::Type},
      {"Pose", MessageTraits<msg::Pose>::Type},
      {"Position", MessageTraits<msg::Position>::Type},
      {"Quote", MessageTraits<msg::Quote>::Type},
      {"SystemStatus", MessageTraits<msg::SystemStatus>::Type},
      {"Trade", MessageTraits<msg::Trade>::Type},
      {"Transform", MessageTraits<msg::Transform>::Type},
      {"Twist", MessageTraits<msg::Twist>::Type},
  };
  return types;
}

std::string Text(kj::StringPtr text) {
  return std::string(text.begin(), text.size());
}

absl::StatusOr<MessageType> ParseFile(const std::string& file, const std::string& name,
                                      const std::vector<std::string>& import_folders) {
  try {
    const auto disk = kj::newDiskFilesystem();
    const kj::Path path = disk->getCurrentPath().evalNative(file);
    if (!disk->getRoot().exists(path)) {
      return absl::NotFoundError(absl::StrCat("no file ", Printable(file)));
    }
    std::vector<kj::Own<const kj::ReadableDirectory>> folders;
    std::vector<const kj::ReadableDirectory*> imports;
    std::vector<std::string> all = import_folders;
    for (const char* standard : {"/usr/local/include", "/usr/include"}) all.push_back(standard);  // as capnp compile
    for (const std::string& folder : all) {
      KJ_IF_MAYBE (opened, disk->getRoot().tryOpenSubdir(disk->getCurrentPath().evalNative(folder))) {
        imports.push_back(opened->get());
        folders.push_back(kj::mv(*opened));
      }
    }
    capnp::SchemaParser parser;
    capnp::ParsedSchema schema =
        parser.parseFromDirectory(disk->getRoot(), path.clone(), kj::arrayPtr(imports.data(), imports.size()));
    for (std::string_view rest = name; !rest.empty();) {
      const std::string part(rest.substr(0, rest.find('.')));
      rest.remove_prefix(std::min(part.size() + 1, rest.size()));
      KJ_IF_MAYBE (nested, schema.findNested(part.c_str())) {
        const capnp::ParsedSchema inner = *nested;
        schema = inner;
      } else {
        return absl::NotFoundError(absl::StrCat("no type \"", Printable(name), "\" in ", Printable(file)));
      }
    }
    if (!schema.getProto().isStruct()) {
      return absl::InvalidArgumentError(absl::StrCat(Printable(file), ":", Printable(name), " is no struct"));
    }
    return DescribeType(schema.asStruct());
  } catch (const kj::Exception& exception) {
    return absl::InvalidArgumentError(absl::StrCat(Printable(file), ": ", Text(exception.getDescription())));
  }
}

}  // namespace

std::vector<std::string> LibraryTypeNames() {
  std::vector<std::string> names;
  for (const auto& [name, type] : Library()) names.push_back(name);
  return names;
}

absl::StatusOr<MessageType> TypeByName(std::string_view name, const std::vector<std::string>& import_folders) {
  constexpr std::string_view kOwn = "weir.msg.";
  if (const size_t colon = name.rfind(':');
      colon != std::string_view::npos && name.find("::") == std::string_view::npos) {
    return ParseFile(std::string(name.substr(0, colon)), std::string(name.substr(colon + 1)), import_folders);
  }
  if (name == "bytes" || name == "weir::Bytes") return MessageTraits<Bytes>::Type();
  const auto found = Library().find(std::string(name.starts_with(kOwn) ? name.substr(kOwn.size()) : name));
  if (found != Library().end()) return found->second();
  return absl::NotFoundError(absl::StrCat("no type \"", Printable(name), "\"; types are ",
                                          absl::StrJoin(LibraryTypeNames(), ", "), ", bytes, and FILE.capnp:Type"));
}

}  // namespace weir::tool
