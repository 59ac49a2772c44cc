// Descriptors, results and parameters, value by value.
#include "blockdev/ublk_translation.hpp"

#include <doctest/doctest.h>

#include <cerrno>

using namespace uaoe;
using blockdev::make_params;
using blockdev::parse_descriptor;
using blockdev::ublk_result;
using initiator::Operation;
using initiator::Status;
namespace ublk = blockdev::ublk;

TEST_CASE("ublk: sectors of 512 bytes become the device's") {
    const auto io = parse_descriptor({.operation_flags = ublk::io_write | ublk::io_flag_fua,
                                      .sectors_count = 16,
                                      .sector_first = 800},
                                     4096, 1U << 20U);
    CHECK(io.error == 0);
    CHECK(io.operation == Operation::write);
    CHECK(io.fua);
    CHECK(io.lba.value == 100);
    CHECK(io.sectors.value == 2);
    CHECK(io.buffer_bytes == 8192);
    CHECK(parse_descriptor({.operation_flags = 0, .sectors_count = 16, .sector_first = 801}, 4096,
                           1U << 20U)
              .error == -EINVAL);
    CHECK(parse_descriptor({.operation_flags = 0, .sectors_count = 9, .sector_first = 800}, 4096,
                           1U << 20U)
              .error == -EINVAL);
}

TEST_CASE("ublk: only requests with data are limited, and a flush has no range") {
    CHECK(
        parse_descriptor({.operation_flags = ublk::io_read, .sectors_count = 9}, 512, 4096).error ==
        -EINVAL);
    CHECK(
        parse_descriptor({.operation_flags = ublk::io_read, .sectors_count = 0}, 512, 4096).error ==
        -EINVAL);
    const auto discard = parse_descriptor(
        {.operation_flags = ublk::io_discard, .sectors_count = 1U << 21U}, 512, 4096);
    CHECK(discard.error == 0);
    CHECK(discard.buffer_bytes == 0);
    CHECK(discard.sectors.value == 1U << 21U);
    const auto zeroes = parse_descriptor(
        {.operation_flags = ublk::io_write_zeroes | 1U << 15U, .sectors_count = 8}, 512, 4096);
    CHECK(zeroes.operation == Operation::write_zeroes);
    const auto flush = parse_descriptor({.operation_flags = ublk::io_flush}, 512, 4096);
    CHECK(flush.error == 0);
    CHECK(flush.operation == Operation::flush);
    CHECK(parse_descriptor({.operation_flags = 4, .sectors_count = 8}, 512, 4096).error ==
          -EOPNOTSUPP);
}

TEST_CASE("ublk: a status becomes what the block layer understands") {
    CHECK(ublk_result(Status::ok, Operation::read, 4096) == 4096);
    CHECK(ublk_result(Status::ok, Operation::flush, 0) == 0);
    CHECK(ublk_result(Status::io_error, Operation::read, 4096) == -EIO);
    CHECK(ublk_result(Status::timed_out, Operation::write, 4096) == -EIO);
    CHECK(ublk_result(Status::unavailable, Operation::write, 4096) == -EIO);
    CHECK(ublk_result(Status::cancelled, Operation::write, 4096) == -EIO);
    CHECK(ublk_result(Status::reserved, Operation::write, 4096) == -EBADE);
    CHECK(ublk_result(Status::out_of_range, Operation::write, 4096) == -ENOSPC);
    CHECK(ublk_result(Status::out_of_range, Operation::read, 4096) == -EIO);
    CHECK(ublk_result(Status::read_only, Operation::write, 4096) == -EREMOTEIO);
    CHECK(ublk_result(Status::unsupported, Operation::discard, 0) == -EOPNOTSUPP);
    CHECK(ublk_result(Status::unsupported, Operation::flush, 0) == -EIO);
    CHECK(ublk_result(Status::invalid, Operation::write, 4096) == -EINVAL);
}

TEST_CASE("ublk: a disk is described as its target is") {
    initiator::DeviceInfo info;
    info.sectors.value = 1000;
    info.sector_bytes = 4096;
    info.identify.physical_sector_bytes = 4096;
    info.identify.rotation_rate = 7200;
    info.can_flush = true;
    info.can_discard = true;
    auto params = make_params(info, 1U << 20U);
    CHECK(params.types == (ublk::params_basic | ublk::params_discard));
    CHECK(params.basic.logical_block_shift == 12);
    CHECK(params.basic.physical_block_shift == 12);
    CHECK(params.basic.device_sectors == 8000);
    CHECK(params.basic.sectors_max == 2048);
    CHECK(params.basic.attributes ==
          (ublk::attribute_rotational | ublk::attribute_volatile_cache | ublk::attribute_fua));
    CHECK(params.discard.discard_segments_max == 1);
    CHECK(params.discard.discard_sectors_max > 0);

    info.can_flush = false;
    info.can_discard = false;
    info.identify.rotation_rate = 1;
    params = make_params(info, 1U << 20U);
    CHECK(params.basic.attributes == 0);
    CHECK(params.discard.discard_sectors_max == 0);
    CHECK(params.discard.write_zeroes_sectors_max > 0);
    CHECK(params.discard.granularity == 4096); // the driver refuses 0

    info.read_only = true;
    params = make_params(info, 1U << 20U);
    CHECK(params.basic.attributes == ublk::attribute_read_only);
    CHECK(params.types == ublk::params_basic);
}
