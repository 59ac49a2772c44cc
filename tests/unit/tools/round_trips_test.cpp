// Round-trip statistics against values computed by hand.
#include "tools/round_trips.hpp"

#include <doctest/doctest.h>

using namespace uaoe::tools;
using namespace std::chrono_literals;

TEST_CASE("minimum, average, maximum and deviation") {
    RoundTrips trips;
    CHECK(trips.deviation_us() == 0);
    for (const auto trip : {200us, 400us, 400us, 400us, 500us, 500us, 700us, 900us}) {
        trips.count_sent();
        trips.add(trip);
    }
    trips.count_sent();
    CHECK(trips.sent_count() == 9);
    CHECK(trips.answered_count() == 8);
    CHECK(trips.min_us() == doctest::Approx(200));
    CHECK(trips.max_us() == doctest::Approx(900));
    CHECK(trips.average_us() == doctest::Approx(500));
    CHECK(trips.deviation_us() == doctest::Approx(200));
}
