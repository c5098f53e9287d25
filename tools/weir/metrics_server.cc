#include "tools/weir/metrics_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace weir::tool {
namespace {

struct Address {
  std::string host;  // as in a URL; empty: all
  uint16_t port = 0;
  std::variant<sockaddr_in, sockaddr_in6> socket = {};

  std::string text() const { return absl::StrCat(host.empty() ? "0.0.0.0" : host, ":", port); }
};

std::optional<Address> Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Address address;
  address.host = std::string(text.substr(0, colon));
  if (address.host == "localhost") address.host = "127.0.0.1";
  uint32_t port = 0;
  if (!absl::SimpleAtoi(std::string(text.substr(colon + 1)), &port) || port > 65535) return std::nullopt;
  address.port = static_cast<uint16_t>(port);

  sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(address.port), .sin_addr = {INADDR_ANY}, .sin_zero = {}};
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  const std::string& host = address.host;
  if (host.empty() || inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    address.socket = v4;
  } else if (host.size() > 2 && host.front() == '[' && host.back() == ']' &&
             inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) == 1) {
    address.socket = v6;
  } else {
    return std::nullopt;
  }
  return address;
}

// The Exposer only says that it failed; the system says why.
std::string WhyNot(const Address& address) {
  return std::visit(
      [](const auto& socket_address) -> std::string {
        const int fd =
            socket(reinterpret_cast<const sockaddr&>(socket_address).sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) return std::strerror(errno);
        const int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&socket_address), sizeof(socket_address)) == 0 &&
                           listen(fd, 1) == 0;
        const int error = errno;
        close(fd);
        return bound ? "it was in use a moment ago" : std::strerror(error);
      },
      address.socket);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(std::string_view address_text,
                                                                    std::shared_ptr<MetricsCollector> collector) {
  const std::optional<Address> address = Parse(address_text);
  if (!address.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on \"", std::string(address_text),
                                                   "\": it must be host:port, as in ", kDefaultMetricsAddress,
                                                   ", and the host an address, not a name"));
  }
  std::unique_ptr<MetricsServer> server(new MetricsServer);
  server->collector_ = std::move(collector);
  try {
    server->exposer_ = std::make_unique<prometheus::Exposer>(address->text());
    server->exposer_->RegisterCollectable(server->collector_);
    const int port = server->exposer_->GetListeningPorts().at(0);
    server->url_ = absl::StrCat("http://", address->host.empty() ? "0.0.0.0" : address->host, ":", port, "/metrics");
  } catch (const std::exception&) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address->text(), ": ", WhyNot(*address)));
  }
  return server;
}

}  // namespace weir::tool
