// What several commands take: an address, interfaces, the path of a socket.
#include "tools/command_line_parts.hpp"

#include <sys/un.h>

namespace uaoe::tools {

proto::Address address_of(const std::string& text) {
    const auto address = proto::parse_address(text);
    if (!address) {
        throw CLI::ValidationError("\"" + text +
                                   "\" is not an AoE address; write shelf.slot, for example 1.0 "
                                   "(shelf 0-65534, slot 0-254)");
    }
    return *address;
}

std::string check_decimal(const std::string& text) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) {
        return "\"" + text + "\" is not a whole number";
    }
    return text.size() > 1 && text[0] == '0' ? "write " + text + " without zeros in front"
                                             : std::string();
}

void add_address(CLI::App& command, proto::Address& address) {
    command
        .add_option_function<std::string>(
            "ADDR", [&address](const std::string& text) { address = address_of(text); },
            "Address of the target: shelf.slot, for example 1.0")
        ->required()
        ->type_name("");
}

CLI::Option* add_interfaces(CLI::App& command, std::vector<std::string>& interfaces) {
    return command
        .add_option("-i,--interface", interfaces,
                    "Ethernet interface; may be given several times, a path for each")
        ->allow_extra_args(false)
        ->type_name("IF")
        ->check([](const std::string& name) {
            return name.empty() ? "an interface needs a name" : std::string();
        });
}

void add_control(CLI::App& command, std::string& path) {
    command.add_option("--control", path, "Control socket of uaoed")
        ->type_name("PATH")
        ->check(check_socket_path)
        ->capture_default_str();
}

std::string check_socket_path(const std::string& path) {
    constexpr std::size_t room = sizeof(sockaddr_un::sun_path) - 1;
    if (path.empty() || path.size() > room) {
        return "a socket's path has 1 to " + std::to_string(room) + " characters";
    }
    return {};
}

} // namespace uaoe::tools
