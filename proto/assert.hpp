// The one macro of the project: an assertion about our own state that stays on in every build.
// Never used on wire input, which is parsed, counted and dropped when it is wrong.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace uaoe {

[[noreturn, gnu::cold, gnu::noinline]] inline void assertion_failed(const char* condition,
                                                                    const char* file, int line) {
    std::fprintf(stderr, "uaoe: internal error: %s does not hold (%s:%d)\n", condition, file, line);
    std::abort();
}

} // namespace uaoe

#define UAOE_ASSERT(condition)                                                                     \
    (static_cast<bool>(condition) ? static_cast<void>(0)                                           \
                                  : ::uaoe::assertion_failed(#condition, __FILE__, __LINE__))
