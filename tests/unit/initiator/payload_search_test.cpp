// PayloadSearch against every size that may be the largest to pass.
#include "initiator/payload_search.hpp"

#include <doctest/doctest.h>

using uaoe::initiator::PayloadSearch;

TEST_CASE("the largest is tried first, and that is mostly all") {
    PayloadSearch search;
    search.begin(2, 17);
    REQUIRE_FALSE(search.is_done());
    CHECK(search.trial() == 17);
    search.handle_passed();
    CHECK(search.is_done());
    CHECK(search.passing() == 17);
}

TEST_CASE("whatever the largest size that passes, it is found in a few steps") {
    for (std::uint32_t most = 2; most <= 255; ++most) {
        for (std::uint32_t truth = 2; truth <= most; ++truth) {
            PayloadSearch search;
            search.begin(2, most);
            int steps = 0;
            while (!search.is_done()) {
                REQUIRE(++steps <= 10);
                REQUIRE(search.trial() > search.passing());
                REQUIRE(search.trial() <= most);
                if (search.trial() <= truth) {
                    search.handle_passed();
                } else {
                    search.handle_failed();
                }
            }
            CHECK(search.passing() == truth);
        }
    }
}

TEST_CASE("there is nothing to search for where nothing more is allowed") {
    PayloadSearch search;
    search.begin(2, 2);
    CHECK(search.is_done());
    search.begin(0, 0);
    CHECK(search.is_done());
    CHECK(search.passing() == 0);
}
