// rtnetlink says that something has changed; what there is then is asked for anew.
#include "tools/daemon/interface_watch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

namespace {

constexpr int drained_max = 1000; // then others have their turn

} // namespace

std::vector<Interface> SettledInterfaces::look(std::vector<Interface> found) {
    std::set<std::string> names;
    std::vector<Interface> settled;
    is_unsettled_ = false;
    for (Interface& interface : found) {
        names.insert(interface.name);
        if (names_.contains(interface.name)) {
            settled.push_back(std::move(interface));
        } else {
            is_unsettled_ = true;
        }
    }
    names_ = std::move(names);
    return settled;
}

std::expected<std::unique_ptr<InterfaceWatch>, Error>
InterfaceWatch::start(boost::asio::io_context& context, Handler handler) {
    const int opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    const void* untyped = &address;
    if (opened < 0 || bind(opened, static_cast<const sockaddr*>(untyped), sizeof(address)) != 0) {
        const Error error{.what = "cannot hear of interfaces that come later",
                          .why = std::strerror(errno),
                          .what_to_do = "rtnetlink must be allowed for this process"};
        if (opened >= 0) {
            close(opened);
        }
        return std::unexpected(error);
    }
    return std::unique_ptr<InterfaceWatch>(new InterfaceWatch(context, opened, std::move(handler)));
}

InterfaceWatch::InterfaceWatch(boost::asio::io_context& context, int socket, Handler handler)
    : socket_(context, socket), timer_(context), handler_(std::move(handler)) {
    await_news();
    look_later(); // what has come since whoever started this has looked
}

void InterfaceWatch::await_news() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (error) {
                               return;
                           }
                           // What it says does not matter, nor that some of it was lost.
                           std::array<char, 8192> news{};
                           for (int i = 0;
                                i < drained_max &&
                                (recv(socket_.native_handle(), news.data(), news.size(), 0) > 0 ||
                                 errno == ENOBUFS);
                                ++i) {
                           }
                           look_later();
                           await_news();
                       });
}

void InterfaceWatch::look_later() {
    if (std::exchange(is_looking_, true)) {
        return;
    }
    timer_.expires_after(settle_time);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) {
            return;
        }
        is_looking_ = false;
        const std::vector<Interface> settled = settled_.look(find_interfaces({}));
        if (settled_.is_unsettled()) {
            look_later();
        }
        handler_(settled);
    });
}

} // namespace uaoe::tools
