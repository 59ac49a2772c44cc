// What vblade 25 answers, byte by byte: a conversation with shelf 1 slot 0, buffer count 16, a disk
// of 64 sectors whose sector N is filled with the octet N, at MTU 1500. The model target answers
// the same, except where it says what it does instead.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace uaoe::target::test {

// What follows an ATA reply's header beyond what the literal says.
enum class Tail {
    none,
    leftovers, // up to 60 bytes of frame, whatever was in the buffer; the model sends none
    identify,  // 512 bytes that describe the disk
};

struct VbladeExchange {
    std::string what;
    std::string request; // behind the Ethernet header
    std::string answer;  // behind the Ethernet header; empty: silence
    std::optional<std::string> model_answer = std::nullopt; // where the model differs on purpose
    Tail tail = Tail::none;
    unsigned source = 1; // last octet of the sender's MAC, 02:00:00:00:00:xx
};

inline constexpr unsigned disk_sectors = 64;

const std::vector<VbladeExchange>& vblade_exchanges();

} // namespace uaoe::target::test
