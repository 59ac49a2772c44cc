// One option after the other; each is answered before the next is read.
#include "blockdev/nbd_handshake.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <string>

namespace uaoe::blockdev {

namespace nbd = proto::nbd;
using nbd::Option;
using nbd::OptionReply;

namespace {

std::string_view as_text(proto::ConstBytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

NbdHandshake::NbdHandshake(const NbdExport& nbd_export) : export_(nbd_export) {
    output_.reserve(512);
    nbd::ServerHello hello;
    hello.init_magic = nbd::init_magic;
    hello.option_magic = nbd::option_magic;
    hello.flags = nbd::handshake_fixed_newstyle | nbd::handshake_no_zeroes;
    put(hello);
    expect(Reading::client_flags, sizeof(nbd::ClientFlags));
}

void NbdHandshake::expect(Reading reading, std::size_t bytes) {
    reading_ = reading;
    wanted_bytes_ = bytes;
    input_bytes_ = 0;
}

void NbdHandshake::handle_sent(std::size_t bytes) {
    UAOE_ASSERT(bytes <= output_.size() - sent_bytes_);
    sent_bytes_ += bytes;
    if (sent_bytes_ == output_.size()) {
        output_.clear();
        sent_bytes_ = 0;
    }
}

proto::Bytes NbdHandshake::input_room() {
    if (state_ != State::negotiating) {
        return {};
    }
    if (reading_ == Reading::skipped_payload) { // whatever: nobody looks at it
        return proto::Bytes(input_).first(std::min(input_.size(), wanted_bytes_ - input_bytes_));
    }
    return proto::Bytes(input_).subspan(input_bytes_, wanted_bytes_ - input_bytes_);
}

void NbdHandshake::handle_input(std::size_t bytes) {
    UAOE_ASSERT(bytes <= input_room().size());
    input_bytes_ += bytes;
    // An option may have no payload: then its header completes it.
    while (state_ == State::negotiating && input_bytes_ == wanted_bytes_) {
        switch (reading_) {
        case Reading::client_flags:
            handle_client_flags();
            break;
        case Reading::header:
            handle_header();
            break;
        case Reading::payload:
            handle_payload();
            break;
        case Reading::skipped_payload:
            handle_skipped_payload();
            break;
        }
    }
}

void NbdHandshake::handle_client_flags() {
    const std::uint32_t flags = proto::load<nbd::ClientFlags>(input_)->flags.value();
    constexpr std::uint32_t known = nbd::handshake_fixed_newstyle | nbd::handshake_no_zeroes;
    if ((flags & ~known) != 0) { // "the server MUST close the connection"
        state_ = State::closed;
        return;
    }
    // A client without the fixed newstyle bit knows EXPORT_NAME only; it is not held to that.
    no_zeroes_ = (flags & nbd::handshake_no_zeroes) != 0;
    expect(Reading::header, sizeof(nbd::OptionHeader));
}

void NbdHandshake::handle_header() {
    const auto header = *proto::load<nbd::OptionHeader>(input_);
    const std::uint32_t bytes = header.bytes.value();
    if (header.magic.value() != nbd::option_magic || bytes > skip_bytes_max) {
        state_ = State::closed;
        return;
    }
    option_ = static_cast<Option>(header.option.value());
    expect(bytes <= payload_bytes_max ? Reading::payload : Reading::skipped_payload, bytes);
}

void NbdHandshake::handle_skipped_payload() {
    switch (option_) {
    case Option::export_name: // has no way to say no
    case Option::abort:
        state_ = State::closed;
        return;
    case Option::list:
    case Option::info:
    case Option::go:
    case Option::structured_reply:
        refuse(OptionReply::error_too_big, "the option is too long");
        break;
    default:
        refuse(OptionReply::error_unsupported, "the option is not known here");
        break;
    }
    expect(Reading::header, sizeof(nbd::OptionHeader));
}

void NbdHandshake::handle_payload() {
    const proto::ConstBytes payload = proto::ConstBytes(input_).first(wanted_bytes_);
    switch (option_) {
    case Option::export_name:
        handle_export_name(as_text(payload));
        return;
    case Option::abort:
        reply(OptionReply::ack); // many clients do not wait for it
        state_ = State::closed;
        return;
    case Option::list:
        handle_list(payload);
        break;
    case Option::info:
    case Option::go:
        handle_info(payload);
        break;
    case Option::structured_reply:
        if (payload.empty()) {
            structured_replies_ = true;
            reply(OptionReply::ack);
        } else {
            refuse(OptionReply::error_invalid, "STRUCTURED_REPLY takes no data");
        }
        break;
    default:
        refuse(OptionReply::error_unsupported, "the option is not known here");
        break;
    }
    if (state_ == State::negotiating) {
        expect(Reading::header, sizeof(nbd::OptionHeader));
    }
}

void NbdHandshake::handle_export_name(std::string_view name) {
    if (name.size() > name_bytes_max || !export_.answers_to(name)) {
        state_ = State::closed; // this option has no error reply
        return;
    }
    nbd::ExportNameReply answer;
    answer.size_bytes = export_.size_bytes();
    answer.flags = export_.transmission_flags(structured_replies_);
    put(answer);
    if (!no_zeroes_) {
        output_.insert(output_.end(), nbd::export_name_zeroes_bytes, std::byte{0});
    }
    state_ = State::transmission;
}

void NbdHandshake::handle_list(proto::ConstBytes payload) {
    if (!payload.empty()) {
        refuse(OptionReply::error_invalid, "LIST takes no data");
        return;
    }
    const std::string& name = export_.name();
    const std::string& description = export_.description();
    reply(OptionReply::server, sizeof(std::uint32_t) + name.size() + description.size());
    nbd::big_uint32_buf_t name_bytes;
    name_bytes = static_cast<std::uint32_t>(name.size());
    put(name_bytes);
    put_text(name);
    put_text(description);
    reply(OptionReply::ack);
}

// INFO and GO: name length u32, name, number of requests u16, requests u16 each.
void NbdHandshake::handle_info(proto::ConstBytes payload) {
    const auto name_bytes = proto::load<nbd::big_uint32_buf_t>(payload);
    if (!name_bytes || name_bytes->value() > payload.size() - sizeof(*name_bytes)) {
        refuse(OptionReply::error_invalid, "the name is longer than the option");
        return;
    }
    const std::string_view name =
        as_text(payload.subspan(sizeof(*name_bytes), name_bytes->value()));
    const proto::ConstBytes rest = payload.subspan(sizeof(*name_bytes) + name.size());
    const auto requests_count = proto::load<nbd::big_uint16_buf_t>(rest);
    if (!requests_count ||
        rest.size() != sizeof(std::uint16_t) * (std::size_t{requests_count->value()} + 1)) {
        refuse(OptionReply::error_invalid, "the information requests do not fit the option");
        return;
    }
    if (name.size() > name_bytes_max || !export_.answers_to(name)) {
        refuse(OptionReply::error_unknown, "there is no such export; LIST tells");
        return; // GO, too, stays in the option phase
    }
    bool wants_name = false;
    bool wants_description = false;
    for (std::size_t i = 1; i <= requests_count->value(); ++i) {
        const auto request =
            proto::load<nbd::big_uint16_buf_t>(rest, i * sizeof(std::uint16_t))->value();
        wants_name |= request == static_cast<std::uint16_t>(nbd::Info::name);
        wants_description |= request == static_cast<std::uint16_t>(nbd::Info::description);
    }

    nbd::InfoExport size;
    size.type = static_cast<std::uint16_t>(nbd::Info::export_size);
    size.size_bytes = export_.size_bytes();
    size.flags = export_.transmission_flags(structured_replies_);
    reply(OptionReply::info, sizeof(size));
    put(size);
    const auto put_info_text = [this](nbd::Info info, std::string_view text) {
        nbd::big_uint16_buf_t type;
        type = static_cast<std::uint16_t>(info);
        reply(OptionReply::info, sizeof(type) + text.size());
        put(type);
        put_text(text);
    };
    if (wants_name) {
        put_info_text(nbd::Info::name, export_.name());
    }
    if (wants_description) {
        put_info_text(nbd::Info::description, export_.description());
    }
    nbd::InfoBlockSize block_size; // useful to a client that did not ask for it, too
    block_size.type = static_cast<std::uint16_t>(nbd::Info::block_size);
    block_size.minimum_bytes = export_.sector_bytes();
    block_size.preferred_bytes = export_.preferred_bytes();
    block_size.maximum_bytes = nbd_payload_bytes_max;
    reply(OptionReply::info, sizeof(block_size));
    put(block_size);
    reply(OptionReply::ack);
    if (option_ == Option::go) {
        state_ = State::transmission;
    }
}

template <proto::WireStruct T>
void NbdHandshake::put(const T& value) {
    const std::size_t offset = output_.size();
    output_.resize(offset + sizeof(T));
    proto::store(output_, value, offset);
}

void NbdHandshake::put_text(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    output_.insert(output_.end(), bytes.begin(), bytes.end());
}

void NbdHandshake::reply(OptionReply reply, std::size_t bytes) {
    nbd::OptionReplyHeader header;
    header.magic = nbd::option_reply_magic;
    header.option = static_cast<std::uint32_t>(option_);
    header.reply = static_cast<std::uint32_t>(reply);
    header.bytes = static_cast<std::uint32_t>(bytes);
    put(header);
}

void NbdHandshake::refuse(OptionReply error, std::string_view message) {
    reply(error, message.size());
    put_text(message);
}

} // namespace uaoe::blockdev
