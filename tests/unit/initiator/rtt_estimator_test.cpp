// RttEstimator against sequences computed by hand from RFC 6298.
#include "initiator/rtt_estimator.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using uaoe::initiator::Duration;
using uaoe::initiator::RttEstimator;

TEST_CASE("before the first sample the timeout is the initial one") {
    const RttEstimator rtt(200ms, 1ms, 2s);
    CHECK_FALSE(rtt.has_sample());
    CHECK(rtt.rto() == 200ms);
}

TEST_CASE("the first sample sets srtt = R, rttvar = R/2, rto = 3R") {
    RttEstimator rtt(200ms, 1us, 2s);
    rtt.add_sample(800us);
    CHECK(rtt.srtt() == 800us);
    CHECK(rtt.rttvar() == 400us);
    CHECK(rtt.rto() == 2400us);
}

TEST_CASE("later samples move the mean by 1/8 and the variance by 1/4") {
    RttEstimator rtt(200ms, 1us, 2s);
    rtt.add_sample(800us);
    rtt.add_sample(1600us);
    // rttvar = 3/4 * 400 + 1/4 * |800 - 1600| = 500; srtt = 7/8 * 800 + 1/8 * 1600 = 900
    CHECK(rtt.rttvar() == 500us);
    CHECK(rtt.srtt() == 900us);
    CHECK(rtt.rto() == 2900us);
    rtt.add_sample(100us);
    // rttvar = 3/4 * 500 + 1/4 * 800 = 575; srtt = 7/8 * 900 + 1/8 * 100 = 800
    CHECK(rtt.rttvar() == 575us);
    CHECK(rtt.srtt() == 800us);
}

TEST_CASE("the timeout stays between its bounds") {
    RttEstimator rtt(200ms, 20ms, 2s);
    for (int i = 0; i < 100; ++i) {
        rtt.add_sample(100us);
    }
    CHECK(rtt.rto() == 20ms);
    rtt.add_sample(60s);
    CHECK(rtt.rto() == 2s);
}

TEST_CASE("each loss doubles the timeout up to its ceiling, without overflow") {
    RttEstimator rtt(200ms, 20ms, 2s);
    rtt.add_sample(100us);
    CHECK(rtt.rto_after(0) == 20ms);
    CHECK(rtt.rto_after(1) == 40ms);
    CHECK(rtt.rto_after(3) == 160ms);
    CHECK(rtt.rto_after(7) == 2s);
    CHECK(rtt.rto_after(255) == 2s);
}

TEST_CASE("a sample of zero or less is a sample of one nanosecond") {
    RttEstimator rtt(200ms, 20ms, 2s);
    rtt.add_sample(Duration{0});
    CHECK(rtt.has_sample());
    rtt.add_sample(Duration{-5});
    CHECK(rtt.srtt() >= Duration{1});
}
