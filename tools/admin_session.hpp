// Finding the target that is to be administered, and asking it on the network.
#pragma once

#include "tools/administration.hpp"
#include "tools/command_line.hpp"
#include "tools/session.hpp"

#include <expected>

namespace uaoe::tools {

class AdminSession {
  public:
    // Waits for the target. One with two disks behind its address is refused: nobody could say
    // which of them would answer.
    static std::expected<AdminSession, Error> open(const AdminOptions& options, bool needs_disk);

    [[nodiscard]] Administered target(); // not longer than the session
    [[nodiscard]] const initiator::TargetStatus& status() const { return status_; }
    [[nodiscard]] const std::vector<Interface>& interfaces() const { return session_.interfaces; }
    [[nodiscard]] MacList own_macs() const; // of the interfaces that reach the target

  private:
    AdminSession(Session session, initiator::TargetStatus status, initiator::Duration patience)
        : session_(std::move(session)), status_(std::move(status)), patience_(patience) {}

    std::expected<initiator::AdminAnswer, Error> ask(initiator::AdminQuestion question);

    Session session_;
    initiator::TargetStatus status_;
    initiator::Duration patience_;
};

} // namespace uaoe::tools
