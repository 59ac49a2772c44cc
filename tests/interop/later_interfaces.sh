#!/usr/bin/env bash
# uaoed and interfaces that are not there when it starts: without names each Ethernet interface is used once it is up, and
# carries what is attached, too; one that is named is used once it is there. Never by a restart. What only passes through
# (ports of a bridge) is left alone, and so is the seventeenth.
export LIMIT_SECONDS=90
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade nbdcopy
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

truncate -s 8M disk
mkdir run
uaoe() { in_initiator "$UAOE" "$@" --control "$work/run/control.sock"; }
start_daemon() { # NAME OPTION...
    in_background "$1" ip netns exec "$initiator_ns" "$UAOED" -c "$work/uaoe.toml" --control "$work/run/control.sock" "${@:2}"
    daemon=$background_pid
    wait_until 10 uaoe list >/dev/null 2>&1 || fail "uaoed does not answer"
}
state_is() { [ "$(uaoe list --json | jq -r '.[0].state')" = "$1" ]; }
interfaces_are() { [ "$(uaoe show 1.0 --json | jq -r '[.paths[] | select(.state == "up").interface] | sort | join(" ")')" = "$1" ]; }
# add_veth NAME: an interface of the initiator's, not up yet.
add_veth() {
    ip link add "$1" netns "$initiator_ns" type veth peer name "$1" netns "$target_ns"
    ip -n "$target_ns" link set "$1" up
}

# No interface at all.
printf '[[lun]]\naddress = "1.0"\nfrontend = "export"\n' >uaoe.toml
start_daemon uaoed
grep -q 'no Ethernet interface is up; each is used once it is' uaoed.log || fail "it does not say that there is no interface"
same "a LUN that waits for an interface" waiting "$(uaoe list --json | jq -r '.[0].state')"
refused "attach without an interface" 3 'no Ethernet interface has come up yet' uaoe attach 1.1 --export --wait 1

# The first one, and a second one to the same LUN.
make_wire 0 9000
start_vblade 1 0 t0 disk
wait_until 15 state_is up || fail "a LUN on an interface that came is not attached: $(uaoe list)"
uri=$(uaoe list --json | jq -r '.[0].device')
random_file data 8
nbdcopy data "$uri"
make_wire 1 9000
start_vblade 1 0 t1 disk
wait_until 15 interfaces_are "i0 i1" || fail "no path on the second interface: $(uaoe show 1.0)"
same "interfaces that it says have come up" "i0 i1" "$(sed -n 's/.*interface \([a-z0-9]*\) has come up; .*/\1/p' uaoed.log | xargs)"
ip -n "$initiator_ns" link set i0 down
wait_until 10 interfaces_are i1 || fail "the path of an interface that went is up: $(uaoe show 1.0)"
nbdcopy "$uri" back
same_bytes "through the second interface alone" data back
matches "metrics of the interface that came" '^uaoe_interface_mtu_bytes\{.*interface="i1".*\} 9000$' \
    "$(uaoe metrics | grep 'mtu_bytes.*"i1"')"

# Made anew, with another address: that is what is shown.
ip -n "$initiator_ns" link set i0 up
wait_until 10 interfaces_are "i0 i1" || fail "an interface does not come back: $(uaoe show 1.0)"
ip -n "$initiator_ns" link del i1
make_wire 1 9000
start_vblade 1 0 t1 disk
mac=$(ip -n "$initiator_ns" -j link show i1 | jq -r '.[0].address')
shows_mac() { [ "$(uaoe show 1.0 --json | jq -r '.paths[] | select(.interface == "i1" and .state == "up").local_mac')" = "$mac" ]; }
wait_until 15 shows_mac || fail "not with the new address $mac: $(uaoe show 1.0 --json)"
echo "ok: an interface that was made anew, with its new address"

# A port of a bridge. That one is not taken in the moment before it becomes that is the unit test's to show.
ip -n "$initiator_ns" link add br0 type bridge
add_veth v0
ip -n "$initiator_ns" link set v0 up
ip -n "$initiator_ns" link set v0 master br0
ip -n "$initiator_ns" link set br0 up
wait_until 10 grep -q 'interface br0 has come up' uaoed.log || fail "the bridge is not used"
sleep 2 # as long as it takes to use one, and longer
! grep -q 'interface v0' uaoed.log || fail "a port of a bridge is used"
echo "ok: a bridge is used, and its port is not"

# More than it uses.
for number in $(seq 20); do
    add_veth "v$number"
    ip -n "$initiator_ns" link set "v$number" up
done
wait_until 10 grep -q 'is not used: 16 interfaces are; name those of the SAN' uaoed.log || fail "too many interfaces: no word of it"
ip -n "$initiator_ns" link set v20 down
ip -n "$initiator_ns" link set v20 up
sleep 2
same "lines about interfaces that are too many" 1 "$(grep -c 'is not used: 16' uaoed.log)"
same "interfaces in use" 16 "$(uaoe metrics | grep -c '^uaoe_interface_mtu_bytes{')"
state_is up || fail "the LUN is not up: $(uaoe list)"
kill -0 "$daemon" || fail "uaoed has ended"
end_background "$daemon"
same "exit code of uaoed" 0 "$ended_status"

# Named, and one of them not there.
ip -n "$initiator_ns" link del i1
: >uaoe.toml
start_daemon named -i i1 -i i0
grep -q 'cannot use interface i1: there is no such interface; .*; it is used once it is up' named.log ||
    fail "it does not say that i1 is not there: $(cat named.log)"
wait_until 15 state_is up || fail "not taken over: $(uaoe list)"
make_wire 1 9000
start_vblade 1 0 t1 disk
wait_until 15 interfaces_are "i0 i1" || fail "the interface that was named is not used: $(uaoe show 1.0)"
add_veth v30
ip -n "$initiator_ns" link set v30 up
sleep 2
same "interfaces in use, of three that are up, two of them named" 2 "$(uaoe metrics | grep -c '^uaoe_interface_mtu_bytes{')"
nbdcopy "$(uaoe list --json | jq -r '.[0].device')" back2
same_bytes "what was written, at last" data back2
end_background "$daemon"
same "exit code of uaoed" 0 "$ended_status"
