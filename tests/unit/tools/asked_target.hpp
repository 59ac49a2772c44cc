// A model target that answers administrative questions at once, with what a network does to them.
#pragma once

#include "tests/target/model_target.hpp"
#include "tools/administration.hpp"

#include <array>
#include <vector>

namespace uaoe::tools {

inline constexpr proto::MacAddress this_host{{2, 0, 0, 0, 0, 1}};
inline constexpr proto::MacAddress other_host{{2, 0, 0, 0, 0, 2}};
inline constexpr proto::MacAddress third_host{{2, 0, 0, 0, 0, 3}};
inline constexpr proto::MacAddress target_mac{{2, 0, 0, 0, 1, 1}};

class NoStorage final : public target::Storage {
  public:
    bool read(std::uint64_t, proto::Bytes) override { return false; }
    bool write(std::uint64_t, proto::ConstBytes) override { return false; }
    bool discard(std::uint64_t, std::uint64_t) override { return false; }
    bool flush() override { return false; }
};

class AskedTarget {
  public:
    explicit AskedTarget(target::LunConfig config = {})
        : model_(with_disk(std::move(config)), none_) {}

    Administered administered() {
        return {.address = model_.config().address,
                .ask = [this](auto question) { return ask(std::move(question)); }};
    }

    // ---- what happens to questions ----
    bool is_gone = false; // silence to all
    bool loses_first_answers =
        false;                 // each question is executed twice; the second one's answer comes
    bool answers_tests = true; // Query Config tests: false: lost
    std::uint32_t mtu_bytes = 1500;
    std::vector<proto::Command> asked;
    std::size_t changes_count = 0;

    target::ModelTarget& model() { return model_; }

  private:
    static target::LunConfig with_disk(target::LunConfig config) {
        config.address = {1, 0};
        config.identify.sectors = {2048};
        config.identify.lba48 = true;
        return config;
    }

    std::expected<initiator::AdminAnswer, Error> ask(initiator::AdminQuestion question) {
        asked.push_back(question.command);
        changes_count += question.is_change ? 1 : 0;
        std::vector<std::byte> request(proto::aoe_frame_header_bytes);
        proto::write_frame_header(request, {.destination = target_mac,
                                            .source = this_host,
                                            .address = question.address,
                                            .command = question.command,
                                            .tag = {0x8000'0001}});
        request.insert(request.end(), question.argument.begin(), question.argument.end());
        std::vector<std::byte> reply(mtu_bytes + 64);
        std::size_t used = 0;
        const bool is_lost_test = question.command == proto::Command::query_config &&
                                  (question.argument.at(5) & std::byte{0xf}) != std::byte{0} &&
                                  (question.argument.at(5) & std::byte{0xf}) < std::byte{3} &&
                                  !answers_tests;
        for (int i = 0; !is_gone && !is_lost_test && i < (loses_first_answers ? 2 : 1); ++i) {
            used = model_.handle_frame(request, target_mac, mtu_bytes, reply);
        }
        if (used == 0) {
            return initiator::AdminAnswer{.is_silent = true, .copies_count = 4};
        }
        const auto frame = proto::parse_frame(std::span(reply).first(used)).value();
        return initiator::AdminAnswer{.copies_count = loses_first_answers ? 2U : 1U,
                                      .target_mac = frame.source,
                                      .mtu_bytes = mtu_bytes,
                                      .is_error = frame.is_error,
                                      .error = frame.error,
                                      .argument = {frame.argument.begin(), frame.argument.end()}};
    }

    NoStorage none_;
    target::ModelTarget model_;
};

} // namespace uaoe::tools
