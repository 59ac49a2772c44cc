// Serves many model targets on packet sockets: who gets which frame, what the wire does to it, when
// to sleep. One thread.
#pragma once

#include "tests/target/faults.hpp"
#include "tests/target/packet_port.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace uaoe::target {

struct ServerCounters {
    std::uint64_t requests = 0;
    std::uint64_t replies = 0;
    std::uint64_t silent = 0;      // requests that a LUN chose not to answer
    std::uint64_t unknown_lun = 0; // for an address that is not here
    std::uint64_t lost_requests = 0;
    std::uint64_t lost_replies = 0;
    std::uint64_t too_large = 0;   // over the payload limit
    std::uint64_t buffer_full = 0; // more commands than the LUN's buffer count
    std::uint64_t hold_full = 0;   // no memory left for held frames
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;
};

class Server {
  public:
    Server(const Faults& faults, std::size_t hold_bytes, std::uint32_t spin_us);

    // Before run(). The storage must outlive the server. False: the address is taken.
    bool add_lun(LunConfig config, Storage& storage);
    void add_port(PortOptions options); // throws as PacketPort does

    // Broadcasts each LUN's boot advertisement on each port.
    void advertise();

    // Serves until `signals` (a signalfd of SIGTERM, SIGINT, SIGUSR1) brings an end; SIGUSR1 calls
    // `report`. Throws when an interface is gone.
    template <class Report>
    void run(int signals, Report&& report) {
        while (true) {
            const Wake wake = serve_until_signal(signals);
            if (wake == Wake::end) {
                return;
            }
            report();
        }
    }

    [[nodiscard]] std::string statistics_json();

  private:
    enum class Wake { report, end };
    struct Lun {
        ModelTarget target;
        std::uint32_t held_count = 0;
    };

    Wake serve_until_signal(int signals);
    bool serve_port(std::size_t port_index);
    void handle_request(std::size_t port_index, proto::ConstBytes frame);
    void hold_request(HeldFrames::Entry entry, proto::ConstBytes frame, std::uint64_t wait_us);
    void execute(std::size_t port_index, proto::ConstBytes frame, std::uint8_t copies_count);
    void execute_for(Lun& lun, PacketPort& port, std::size_t port_index, proto::ConstBytes frame);
    void transmit(PacketPort& port, std::size_t port_index, const Reply& reply);
    bool hold_reply(PacketPort& port, std::size_t port_index, const Reply& reply);
    bool serve_held();
    [[nodiscard]] Lun* find_lun(proto::ConstBytes frame, std::uint32_t& index, bool& is_broadcast);
    void wait(int signals);

    Faults faults_;
    bool has_faults_;
    Dice dice_;
    std::size_t hold_bytes_;
    std::uint32_t spin_us_;
    std::unique_ptr<HeldFrames> held_; // made with the first frame that waits
    std::deque<Lun> luns_;
    boost::unordered_flat_map<std::uint32_t, std::uint32_t> lun_index_; // by shelf and slot
    std::vector<std::unique_ptr<PacketPort>> ports_;
    // By port: a Query Config that came under another MTU, to be answered once the port knows it.
    std::vector<std::vector<std::byte>> again_;
    std::uint64_t now_ns_ = 0;
    ServerCounters counters_;
};

} // namespace uaoe::target
