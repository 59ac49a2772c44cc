// A model target on a bench: sends it frames as hex and shows what it answers.
#pragma once

#include "hex.hpp"

#include "tests/target/model_target.hpp"
#include "tests/target/storage.hpp"

#include <array>

namespace uaoe::target::test {

inline constexpr proto::MacAddress own_mac{{2, 0, 0, 0, 0, 2}};
inline constexpr unsigned mtu_bytes = 1500;

// Shelf 1 slot 0, LBA48 and FLUSH CACHE as vblade has them.
inline LunConfig lun_config(std::uint64_t sectors = 64) {
    LunConfig config;
    config.address = {1, 0};
    config.firmware_version = 0x4019;
    config.identify.sectors = {sectors};
    config.identify.lba48 = true;
    config.identify.flush_cache = true;
    return config;
}

// Counts what reaches it; can fail.
class CountingStorage : public RamStorage {
  public:
    bool is_broken = false;
    unsigned flushes_count = 0;

    bool read(std::uint64_t offset, proto::Bytes out) override {
        return !is_broken && RamStorage::read(offset, out);
    }
    bool write(std::uint64_t offset, proto::ConstBytes data) override {
        return !is_broken && RamStorage::write(offset, data);
    }
    bool flush() override {
        ++flushes_count;
        return !is_broken;
    }
    proto::ConstBytes view(std::uint64_t offset, std::size_t bytes) override {
        return is_broken ? proto::ConstBytes{} : RamStorage::view(offset, bytes);
    }
};

struct ModelBench {
    explicit ModelBench(const LunConfig& config = lun_config(), std::uint32_t mtu = mtu_bytes)
        : target(config, storage), mtu_bytes_of_port(mtu), reply(mtu + 14) {
        const std::uint64_t sectors = std::min<std::uint64_t>(config.identify.sectors.value, 64);
        for (std::uint64_t sector = 0; sector < sectors; ++sector) {
            const std::vector<std::byte> data(config.identify.logical_sector_bytes,
                                              static_cast<std::byte>(sector));
            UAOE_ASSERT(storage.write(sector * data.size(), data));
        }
    }

    // The answer's whole frame; request and answer begin behind the Ethernet header.
    std::vector<std::byte> ask_frame(const std::string& request, unsigned source = 1) {
        const std::string octet = to_hex(std::array{static_cast<std::byte>(source)});
        const auto frame = from_hex("020000000002 0200000000" + octet + " 88a2 " + request);
        const std::size_t bytes = target.handle_frame(frame, own_mac, mtu_bytes_of_port, reply);
        return {reply.begin(), reply.begin() + static_cast<std::ptrdiff_t>(bytes)};
    }
    std::string ask(const std::string& request, unsigned source = 1) {
        const auto frame = ask_frame(request, source);
        return frame.empty() ? "" : to_hex(std::span(frame).subspan(14));
    }

    CountingStorage storage;
    ModelTarget target;
    std::uint32_t mtu_bytes_of_port;
    std::vector<std::byte> reply;
};

// The same bytes, however they were spaced.
inline std::string hex(const std::string& text) {
    return to_hex(from_hex(text));
}

} // namespace uaoe::target::test
