// TOML to DaemonConfig. The only place that sees toml++.
#include "tools/daemon/config.hpp"

#include "tools/interface.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <toml++/toml.h>
#include <tuple>
#include <utility>

namespace uaoe::tools {

namespace {

// Unwinds one entry of a table to Mistakes::collect().
struct Mistake {
    toml::source_position at;
    std::string why;
};

[[noreturn]] void refuse(const toml::node& node, std::string why) {
    throw Mistake{.at = node.source().begin, .why = std::move(why)};
}

// A key that is not known: the mistake is the key, not its value.
[[noreturn]] void refuse(const toml::key& key, std::string why) {
    throw Mistake{.at = key.source().begin, .why = std::move(why)};
}

// Those of one text: whoever mends it is to see all of them at once.
class Mistakes {
  public:
    template <class Step>
    void collect(Step step) {
        try {
            step();
        } catch (Mistake& mistake) {
            all_.push_back(std::move(mistake));
        }
    }

    [[nodiscard]] bool empty() const { return all_.empty(); }

    [[nodiscard]] std::vector<ConfigMistake> by_place(const std::string& file) {
        std::ranges::sort(all_, {}, [](const Mistake& mistake) {
            return std::tie(mistake.at.line, mistake.at.column, mistake.why);
        });
        std::vector<ConfigMistake> mistakes;
        for (Mistake& mistake : all_) {
            mistakes.push_back({.file = file,
                                .line = mistake.at.line,
                                .column = mistake.at.column,
                                .why = std::move(mistake.why)});
        }
        return mistakes;
    }

  private:
    std::vector<Mistake> all_;
};

std::int64_t integer_of(const toml::node& node, std::string_view key, std::int64_t least,
                        std::int64_t most) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
        refuse(node, fmt::format("{} is a whole number from {} to {}", key, least, most));
    }
    return *value;
}

std::string string_of(const toml::node& node, std::string_view key) {
    const auto value = node.value_exact<std::string>();
    if (!value || value->empty()) {
        refuse(node, fmt::format("{} is a text in quotes", key));
    }
    return *value;
}

bool flag_of(const toml::node& node, std::string_view key) {
    const auto value = node.value_exact<bool>();
    if (!value) {
        refuse(node, fmt::format("{} is true or false", key));
    }
    return *value;
}

const toml::table& table_of(const toml::node& node, std::string_view what) {
    const toml::table* const table = node.as_table();
    if (table == nullptr) {
        refuse(node, fmt::format("{} begins a table", what));
    }
    return *table;
}

// A key of a table, and what its value does to what has been read.
template <class Options>
struct Key {
    std::string_view name;
    void (*take)(const toml::node& node, std::string_view name, Options& options);
};

// uaoe.toml(5) has all of these; tests/manuals.sh asks for them by an unknown key.
constexpr auto lun_option_keys = std::to_array<Key<LunOptions>>({
    {"frontend",
     [](const toml::node& node, std::string_view name, LunOptions& options) {
         const auto kind = parse_front_end(string_of(node, name));
         if (!kind) {
             refuse(node, "frontend is \"auto\", \"ublk\", \"nbd\" or \"export\"");
         }
         options.front_end = *kind;
     }},
    {"fail_after",
     [](const toml::node& node, std::string_view name, LunOptions& options) {
         options.fail_after = std::chrono::seconds{integer_of(node, name, 0, seconds_max.count())};
     }},
    {"read_only", [](const toml::node& node, std::string_view name,
                     LunOptions& options) { options.read_only = flag_of(node, name); }},
    {"in_order", [](const toml::node& node, std::string_view name,
                    LunOptions& options) { options.in_order = flag_of(node, name); }},
});

constexpr auto top_keys = std::to_array<Key<DaemonConfig>>({
    {"interfaces",
     [](const toml::node& node, std::string_view /*name*/, DaemonConfig& config) {
         const toml::array* const names = node.as_array();
         if (names == nullptr) {
             refuse(node, "interfaces is a list: [\"eth1\", \"eth2\"]");
         }
         for (const toml::node& name : *names) {
             std::string text = string_of(name, "an interface");
             if (!is_interface_name(text)) {
                 refuse(name, "no interface can have that name; `ip link` lists those there are");
             }
             config.interfaces.push_back(std::move(text));
         }
     }},
    {"shards",
     [](const toml::node& node, std::string_view name, DaemonConfig& config) {
         config.shards_count = static_cast<std::uint32_t>(integer_of(node, name, 1, 8));
     }},
    {"buffer_mib",
     [](const toml::node& node, std::string_view name, DaemonConfig& config) {
         config.buffer_mib = static_cast<std::size_t>(integer_of(node, name, 16, 4096));
     }},
    {"busy_poll_us",
     [](const toml::node& node, std::string_view name, DaemonConfig& config) {
         config.busy_poll = std::chrono::microseconds{
             integer_of(node, name, 0, initiator::BusyPoll::time_max_limit.count())};
     }},
    {"link",
     [](const toml::node& node, std::string_view name, DaemonConfig& config) {
         const auto kind = initiator::parse_link_kind(string_of(node, name));
         if (!kind) {
             refuse(node, "link is \"packet\" or \"xdp\"");
         }
         config.link = *kind;
     }},
    {"control_group",
     [](const toml::node& node, std::string_view /*name*/, DaemonConfig& config) {
         config.control_group = node.value_exact<std::string>();
         if (!config.control_group) {
             refuse(node, "control_group is the name of a group, in quotes; \"\": none");
         }
     }},
    {"control_group_changes",
     [](const toml::node& node, std::string_view name, DaemonConfig& config) {
         config.control_group_changes = flag_of(node, name);
     }},
    {"metrics_listen",
     [](const toml::node& node, std::string_view name, DaemonConfig& config) {
         auto endpoint = parse_metrics_endpoint(string_of(node, name));
         if (!endpoint) {
             refuse(node, std::move(endpoint.error()));
         }
         config.metrics_listen = std::move(*endpoint);
     }},
});

template <class Keys>
std::string names_of(const Keys& keys) {
    std::string names;
    for (const auto& key : keys) {
        names += fmt::format("{}{}", names.empty() ? "" : ", ", key.name);
    }
    return names;
}

// False when it is none of `keys`.
template <class Keys, class Options>
bool take_key(const Keys& keys, std::string_view name, const toml::node& node, Options& options) {
    const auto key = std::ranges::find(keys, name, &Keys::value_type::name);
    if (key == keys.end()) {
        return false;
    }
    key->take(node, name, options);
    return true;
}

void take_defaults(const toml::node& node, LunOptions& defaults, Mistakes& mistakes) {
    for (const auto& [key, value] : table_of(node, "[defaults]")) {
        mistakes.collect([&, &name = key, &entry = value] {
            if (!take_key(lun_option_keys, name.str(), entry, defaults)) {
                refuse(name, fmt::format("[defaults] has no \"{}\"; it has {}", name.str(),
                                         names_of(lun_option_keys)));
            }
        });
    }
}

void take_lun(const toml::node& node, DaemonConfig& config, std::set<proto::Address>& of_this_file,
              Mistakes& mistakes) {
    const toml::table& table = table_of(node, "[[lun]]");
    LunOptions options = config.defaults;
    std::optional<proto::Address> address;
    for (const auto& [key, value] : table) {
        mistakes.collect([&, &name = key, &entry = value] {
            if (name.str() == "address") {
                address = proto::parse_address(string_of(entry, "address"));
                if (!address) {
                    refuse(entry, "address is shelf.slot, for example \"1.0\" (shelf 0-65534, "
                                  "slot 0-254)");
                }
            } else if (!take_key(lun_option_keys, name.str(), entry, options)) {
                refuse(name, fmt::format("[[lun]] has no \"{}\"; it has address, {}", name.str(),
                                         names_of(lun_option_keys)));
            }
        });
    }
    if (!table.contains("address")) {
        refuse(node, "[[lun]] has no address");
    }
    if (address && !of_this_file.insert(*address).second) {
        refuse(node, proto::to_string(*address) + " is here a second time");
    }
    if (address) {
        config.luns.insert_or_assign(*address, options); // a drop-in's word counts for more
    }
}

void take_luns(const toml::node& node, DaemonConfig& config, Mistakes& mistakes) {
    const toml::array* const luns = node.as_array();
    if (luns == nullptr) {
        refuse(node, "a LUN begins with [[lun]], in two brackets");
    }
    std::set<proto::Address> of_this_file;
    for (const toml::node& lun : *luns) {
        mistakes.collect([&] { take_lun(lun, config, of_this_file, mistakes); });
    }
}

void take_top(const toml::key& key, const toml::node& node, DaemonConfig& config,
              Mistakes& mistakes) {
    const std::string_view name = key.str();
    if (name == "lun") {
        take_luns(node, config, mistakes);
    } else if (name != "defaults" && !take_key(top_keys, name, node, config)) {
        refuse(key, fmt::format("there is no \"{}\"; there are {}, [defaults] and [[lun]]", name,
                                names_of(top_keys)));
    }
}

} // namespace

std::string ConfigMistake::text() const {
    return line == 0 ? fmt::format("{}: {}", file, why)
                     : fmt::format("{}:{}:{}: {}", file, line, column, why);
}

std::vector<ConfigMistake> add_config(std::string_view text, const std::string& file,
                                      DaemonConfig& config) {
    DaemonConfig read = config;
    Mistakes mistakes;
    mistakes.collect([&] {
        try {
            const toml::table table = toml::parse(text);
            if (const toml::node* const defaults = table.get("defaults")) {
                // Before the LUNs that build on it.
                mistakes.collect([&] { take_defaults(*defaults, read.defaults, mistakes); });
            }
            for (const auto& [key, value] : table) {
                mistakes.collect(
                    [&, &name = key, &entry = value] { take_top(name, entry, read, mistakes); });
            }
        } catch (const toml::parse_error& error) {
            throw Mistake{.at = error.source().begin, .why = std::string(error.description())};
        }
    });
    if (mistakes.empty()) {
        config = std::move(read);
    }
    return mistakes.by_place(file);
}

std::expected<void, Error> parse_config(std::string_view text, const std::string& file,
                                        DaemonConfig& config) {
    const std::vector<ConfigMistake> mistakes = add_config(text, file, config);
    if (mistakes.empty()) {
        return {};
    }
    const ConfigMistake& first = mistakes.front();
    return std::unexpected(
        Error{.what = fmt::format("{}, line {}, column {}", file, first.line, first.column),
              .why = first.why,
              .what_to_do = "mend it; nothing of it is used",
              .exit_code = ExitCode::failed});
}

std::vector<std::string> keys_of_next_start(const DaemonConfig& running,
                                            const DaemonConfig& wanted) {
    std::vector<std::string> keys;
    const auto compare = [&](const char* key, const auto& before, const auto& now) {
        if (before != now) {
            keys.emplace_back(key);
        }
    };
    compare("interfaces", running.interfaces, wanted.interfaces);
    compare("shards", running.shards_count, wanted.shards_count);
    compare("buffer_mib", running.buffer_mib, wanted.buffer_mib);
    compare("busy_poll_us", running.busy_poll, wanted.busy_poll);
    compare("link", running.link, wanted.link);
    compare("control_group", running.control_group, wanted.control_group);
    compare("control_group_changes", running.control_group_changes, wanted.control_group_changes);
    return keys;
}

std::string config_text(const DaemonConfig& config) {
    std::string interfaces;
    for (const std::string& name : config.interfaces) {
        interfaces += fmt::format("{}\"{}\"", interfaces.empty() ? "" : ", ", name);
    }
    const std::string group =
        config.control_group ? fmt::format("control_group = \"{}\"\n", *config.control_group) : "";
    const std::string metrics = config.metrics_listen ? fmt::format("metrics_listen = \"{}\"\n",
                                                                    config.metrics_listen->text())
                                                      : "";
    return fmt::format("interfaces = [{}]\nshards = {}\nbuffer_mib = {}\nbusy_poll_us = {}\n"
                       "link = \"{}\"\n{}control_group_changes = {}\n{}",
                       interfaces, config.shards_count, config.buffer_mib, config.busy_poll.count(),
                       initiator::link_kind_text(config.link), group, config.control_group_changes,
                       metrics);
}

} // namespace uaoe::tools
