// SMART parsers: any bytes are taken without harm, and what is parsed, made and parsed again has
// the same values.
#include "proto/smart.hpp"

#include <algorithm>
#include <cstdint>

using namespace uaoe::proto;

namespace {

bool same(const SmartAttribute& a, const SmartAttribute& b) {
    return a.id == b.id && a.flags == b.flags && a.value == b.value && a.worst == b.worst &&
           a.raw == b.raw && a.threshold == b.threshold;
}

void check_data(ConstBytes bytes) {
    auto data = parse_smart_data(bytes);
    UAOE_ASSERT(data.has_value() == (bytes.size() >= smart_block_bytes));
    if (!data) {
        return;
    }
    // The same bytes as thresholds: each attribute has one of some id there.
    UAOE_ASSERT(add_smart_thresholds(*data, bytes));
    auto again = parse_smart_data(make_smart_data(*data));
    UAOE_ASSERT(again && again->checksum_is_right);
    UAOE_ASSERT(again->attributes_count == data->attributes_count);
    UAOE_ASSERT(again->self_test_status == data->self_test_status);
    UAOE_ASSERT(again->extended_test_minutes == data->extended_test_minutes);
    UAOE_ASSERT(add_smart_thresholds(*again, make_smart_thresholds(*data)));
    for (std::size_t i = 0; i < data->attributes_count; ++i) {
        // Of several with one id the first threshold counts for all.
        const auto first =
            std::ranges::find(data->attributes, data->attributes[i].id, &SmartAttribute::id);
        auto expected = data->attributes[i];
        expected.threshold = first->threshold;
        UAOE_ASSERT(same(again->attributes[i], expected));
    }
}

void check_log(ConstBytes bytes) {
    const auto log = parse_self_test_log(bytes);
    if (!log) {
        return;
    }
    UAOE_ASSERT(log->entries_count <= self_test_entries_max);
    const auto again = parse_self_test_log(make_self_test_log(*log));
    UAOE_ASSERT(again && again->checksum_is_right && again->entries_count <= log->entries_count);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ConstBytes bytes = std::as_bytes(std::span(data, size));
    check_data(bytes);
    check_log(bytes);
    return 0;
}
