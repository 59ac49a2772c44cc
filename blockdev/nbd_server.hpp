// An NBD server on a unix socket: listens and negotiates on an io_context's thread, and hands each
// connection to the shard's thread, where the data moves (nbd_connection.hpp).
//
// To end cleanly: close(grace, cancel) from a thread of its own while the io_context and the shard
// still run. Or by its parts: close(); then wait_closed(); when it says false the device holds
// requests (its target is silent): detach the device on the shard, which cancels them, and
// wait_closed() again. Only then stop the shard.
#pragma once

#include "blockdev/front_end.hpp"
#include "blockdev/nbd_export.hpp"
#include "initiator/linux/error.hpp"
#include "initiator/linux/ring.hpp"

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace uaoe::initiator {
class Shard;
}

namespace uaoe::blockdev {

struct NbdServerConfig {
    std::size_t connections_count_max = 64; // handshakes included; more are closed at once
    std::chrono::milliseconds handshake_time_max{10'000};
};

class NbdServer final : public FrontEnd {
  public:
    using Config = NbdServerConfig;

    // Makes the socket at `path` (mode 0600) and starts to listen. A stale socket is replaced; a
    // live server's, or a file that is no socket, is left alone and refused. `context` must
    // outlive the server.
    static std::expected<std::unique_ptr<NbdServer>, Error>
    listen(boost::asio::io_context& context, const DataThread& data, NbdExport nbd_export,
           const std::string& path, const Config& config = {});
    // On a shard.
    static std::expected<std::unique_ptr<NbdServer>, Error>
    listen(boost::asio::io_context& context, initiator::Shard& shard,
           std::shared_ptr<BufferPool> buffers, NbdExport nbd_export, const std::string& path,
           const Config& config = {});

    // Closes; does not wait. The shard's half lives on until its last connection has ended.
    ~NbdServer() override;

    // "nbd+unix:///1.0?socket=/run/uaoe/1.0.nbd"
    [[nodiscard]] std::string uri() const;
    [[nodiscard]] std::string name() const override { return uri(); }

    // Clients that are connected know the size they were told, and may use what is beyond it.
    std::expected<void, Error> resize(std::uint64_t size_bytes) override;
    // From a thread that is neither the io_context's nor the ring's, while both run. Clients that
    // do not read are cut after `grace`.
    std::expected<void, Error> close(std::chrono::milliseconds grace,
                                     const std::function<void()>& cancel) override;
    // Socket clients have nowhere else to ask: closes. What the device still holds after `grace` is
    // left to it.
    void leave(std::chrono::milliseconds grace) override;
    [[nodiscard]] std::size_t connections_count() const; // in transmission; any thread

    // On the io_context's thread, or when nobody runs it. Ends listening, removes the socket if it
    // is still ours, drops handshakes. Connections take no new request (ESHUTDOWN), answer those
    // under way and close. Returns at once.
    void close();

    // After close(), from any thread but the shard's: true once all connections are closed and the
    // device is not used any more. After `grace` it cuts the connections whose clients do not read
    // and waits one second more.
    [[nodiscard]] bool wait_closed(std::chrono::milliseconds grace);

  private:
    struct State;
    explicit NbdServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

} // namespace uaoe::blockdev
