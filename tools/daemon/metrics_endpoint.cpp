// "127.0.0.1:9790" taken apart.
#include "tools/daemon/metrics_endpoint.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>
#include <sys/un.h>

namespace uaoe::tools {

namespace {

constexpr const char* grammar =
    "metrics_listen is the path of a unix socket, \"127.0.0.1:PORT\" or "
    "\"[::1]:PORT\"";

bool is_loopback(const std::string& address, bool& is_address) {
    in_addr four{};
    in6_addr six{};
    is_address = true;
    if (inet_pton(AF_INET, address.c_str(), &four) == 1) {
        return (ntohl(four.s_addr) >> IN_CLASSA_NSHIFT) == IN_LOOPBACKNET;
    }
    is_address = inet_pton(AF_INET6, address.c_str(), &six) == 1;
    return is_address && IN6_IS_ADDR_LOOPBACK(&six);
}

} // namespace

std::string MetricsEndpoint::text() const {
    if (!path.empty()) {
        return path;
    }
    const bool is_six = address.find(':') != std::string::npos;
    return (is_six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::expected<MetricsEndpoint, std::string> parse_metrics_endpoint(std::string_view text) {
    if (text.starts_with('/')) {
        constexpr std::size_t room = sizeof(sockaddr_un::sun_path) - 1;
        if (text.size() > room) {
            return std::unexpected("a socket's path has at most " + std::to_string(room) +
                                   " characters");
        }
        return MetricsEndpoint{.path = std::string(text), .address = {}};
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::unexpected(grammar);
    }
    std::string_view host = text.substr(0, colon);
    const std::string_view number = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return std::unexpected(grammar);
    }
    MetricsEndpoint endpoint{.path = {},
                             .address = host == "localhost" ? "127.0.0.1" : std::string(host)};
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), endpoint.port);
    bool is_address = false;
    const bool is_local = is_loopback(endpoint.address, is_address);
    if (!is_address || error != std::errc{} || end != number.data() + number.size() ||
        endpoint.port == 0) {
        return std::unexpected(grammar);
    }
    if (!is_local) {
        return std::unexpected(
            "metrics_listen is not a loopback address, and other hosts could read "
            "the metrics; name 127.0.0.1 or a unix socket, and let a proxy ask "
            "who they are");
    }
    return endpoint;
}

} // namespace uaoe::tools
