// What the names of aoetools say of themselves.
#include "tools/aoetools.hpp"

#include <algorithm>
#include <array>

namespace uaoe::tools {

namespace {

struct Tool {
    std::string_view name;
    const char* usage;
};

constexpr std::array tools = {
    Tool{"aoe-stat", R"(Usage: aoe-stat [PATTERN]
Lists the LUNs that uaoed serves: name, size, interfaces, payload in bytes, state (up or down).
PATTERN: only lines that match this basic regular expression. Exit code 1 when there is none.

Examples:
  aoe-stat
  aoe-stat | awk '$NF == "up" {print $1}'
)"},
    Tool{"aoe-discover", R"(Usage: aoe-discover
Has uaoed look for targets, and attach each that is ready. Prints nothing; of a target that cannot
be attached it says why on standard error.

Examples:
  aoe-discover && mount /dev/etherd/e1.0 /mnt
)"},
    Tool{"aoe-interfaces", R"(Usage: aoe-interfaces [IF...]
       aoe-interfaces -c
Chooses the network interfaces that uaoed uses, until the machine starts anew; -c: all that are up.
Without arguments prints those in use; an empty line is all that are up. uaoed is started again for
it, which devices outlive.

Examples:
  aoe-interfaces eth1 eth2
)"},
    Tool{"aoe-revalidate", R"(Usage: aoe-revalidate eSHELF.SLOT...
Asks a target again how large its disk is.

Examples:
  aoe-revalidate e1.0
)"},
    Tool{"aoe-flush", R"(Usage: aoe-flush [-a]
       aoe-flush eSHELF.SLOT...
Detaches the LUNs that are down and not in use; -a: those that are up, too; or those that are named.
What the configuration attaches comes back at the next start of uaoed.

Examples:
  aoe-flush
  aoe-flush e7.0 e3.2
)"},
    Tool{"aoeping", R"(Usage: aoeping [OPTION]... SHELF SLOT IF
Asks a target whether it is there. Prints nothing unless told to.
  -i           print what its disk says of itself, in hexadecimal
  -I           print some of that as text
  -v           say what is asked, and print the answer
  -s SECONDS   wait so long for each answer; without it for ever
  -S COMMAND   a SMART command: read_data, offline_immediate[:N], read_log[:N], write_log[:N]
               (its 512 bytes come from standard input), enable, disable, return_status
  -t NUMBER    the first tag
  -h           print this

Examples:
  aoeping -s 5 1 0 eth1 && echo there
  aoeping -s 5 -S return_status 1 0 eth1 | grep 'LBA Mid: 0x4f'
)"},
    Tool{"aoecfg", R"(Usage: aoecfg [-c COMMAND] [-s STRING] [-t SECONDS] [SHELF SLOT] [IF]
Reads, tests and sets config strings: of one target, or of all that answer a broadcast.
  -c COMMAND   read (without it), test, prefix, set, fset
  -s STRING    to test for, or to set
  -t SECONDS   how long to wait for answers; without it for ever
Without SHELF and SLOT every target is asked, and changed. Without IF it is eth0.

Examples:
  aoecfg -t 2 eth1
  aoecfg -c set -s backup -t 2 1 0 eth1
)"},
    Tool{"aoe-version", R"(Usage: aoe-version
Prints which aoetools these names stand for, which version the kernel's aoe driver has where it is
installed and where it runs (uaoe needs none), and that of uaoe.

Examples:
  aoe-version
)"},
    Tool{"aoe-sancheck", R"(Usage: aoe-sancheck [-v]
Looks at the Ethernet interfaces and at the targets that answer there, proves what each path
carries, and says what does not fit. It needs neither uaoed nor the kernel's driver. `uaoe check`
tells more.
  -v           print who answers on each interface, too

Examples:
  aoe-sancheck
)"},
    Tool{"aoe-mkdevs", R"(Usage: aoe-mkdevs DIR
Makes nothing: uaoed makes the names in /dev/etherd by itself, as devices come.

Examples:
  aoe-mkdevs /dev/etherd
)"},
    Tool{"aoe-mkshelf", R"(Usage: aoe-mkshelf DIR SHELF
Makes nothing: uaoed makes the names in /dev/etherd by itself, as devices come.

Examples:
  aoe-mkshelf /dev/etherd 1
)"},
};

} // namespace

const char* usage_of_aoetool(std::string_view name) {
    const auto* const found = std::ranges::find(tools, name, &Tool::name);
    return found != tools.end() ? found->usage : nullptr;
}

} // namespace uaoe::tools
