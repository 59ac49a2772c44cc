// Where metrics may be served.
#include "tools/daemon/metrics_endpoint.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace uaoe::tools;

TEST_CASE("unix sockets and loopback addresses, and back") {
    CHECK(parse_metrics_endpoint("/run/m.sock") == MetricsEndpoint{"/run/m.sock", "", 0});
    CHECK(parse_metrics_endpoint("127.0.0.1:9790") == MetricsEndpoint{"", "127.0.0.1", 9790});
    CHECK(parse_metrics_endpoint("127.8.9.1:65535") == MetricsEndpoint{"", "127.8.9.1", 65535});
    CHECK(parse_metrics_endpoint("localhost:1") == MetricsEndpoint{"", "127.0.0.1", 1});
    CHECK(parse_metrics_endpoint("[::1]:9790") == MetricsEndpoint{"", "::1", 9790});
    for (const char* text : {"/run/m.sock", "127.0.0.1:9790", "[::1]:9790"}) {
        CHECK(parse_metrics_endpoint(text)->text() == text);
    }
}

TEST_CASE("what other hosts reach is refused, and says why") {
    for (const char* text : {"0.0.0.0:9790", "10.0.0.1:80", "128.0.0.1:80", "126.255.255.255:1",
                             "[::]:9790", "[fe80::1]:9790", "[::ffff:10.0.0.1]:80"}) {
        const auto endpoint = parse_metrics_endpoint(text);
        REQUIRE_MESSAGE(!endpoint.has_value(), text);
        CHECK_MESSAGE(endpoint.error().find("not a loopback") != std::string::npos, text);
    }
}

TEST_CASE("what is no address") {
    for (const char* text : {"", ":", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
                             "127.0.0.1:+1", "127.0.0.1:65536", "127.0.0.1:80 ", "127.1:80",
                             "::1:80", "[::1:80", "host:80", "run/m.sock", "\n"}) {
        const auto endpoint = parse_metrics_endpoint(text);
        REQUIRE_MESSAGE(!endpoint.has_value(), text);
        CHECK_MESSAGE(endpoint.error().find("is the path of a unix socket") != std::string::npos,
                      text);
    }
    CHECK(parse_metrics_endpoint("/" + std::string(106, 'x')).has_value());
    CHECK_FALSE(parse_metrics_endpoint("/" + std::string(107, 'x')).has_value());
}
