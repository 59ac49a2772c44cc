// Where metrics are served: a unix socket, or an address of this host that no other host reaches.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace uaoe::tools {

struct MetricsEndpoint {
    std::string path;    // of a unix socket, absolute; empty: the address counts
    std::string address; // "127.0.0.1", "::1"
    std::uint16_t port = 0;
    friend bool operator==(const MetricsEndpoint&, const MetricsEndpoint&) = default;

    // As it is written: "/run/x.sock", "127.0.0.1:9790", "[::1]:9790".
    [[nodiscard]] std::string text() const;
};

// Otherwise what is wrong with it, for a person. Addresses of other hosts' networks are refused:
// the metrics name every disk, and nobody who asks is asked who he is.
[[nodiscard]] std::expected<MetricsEndpoint, std::string>
parse_metrics_endpoint(std::string_view text);

} // namespace uaoe::tools
