#!/usr/bin/env bash
# The names of aoetools that ask uaoed, with exports instead of devices: what they print, their exit codes, what they change
# and what they leave alone. aoe-stat, and scripts that use it, beside Debian's own.
#   AOETOOLS: a folder with Debian's aoetools in it, unpacked
export LIMIT_SECONDS=200
# Mounts made here end with the script: these tools know one control socket, that in /run.
[ -n "${INTEROP_MOUNTS:-}" ] || exec env INTEROP_MOUNTS=1 unshare -m bash "$0" "$@"
scripts=$(cd "$(dirname "$0")" && pwd)/aoetools_scripts.sh
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"
mkdir -p /run/uaoe
mount -t tmpfs tmpfs /run/uaoe

mkdir bin etc
for name in aoe-stat aoe-discover aoe-interfaces aoe-revalidate aoe-flush; do ln -s "$UAOE" "bin/$name"; done
tool() {
    local name=$1
    shift
    in_initiator "$work/bin/$name" "$@"
}
uaoe() { in_initiator "$UAOE" "$@"; }
# exits CODE TOOL...: with that, and nothing on stderr; what it prints is in $said.
exits() {
    local wanted=$1 status=0
    shift
    said=$(tool "$@" 2>exits.err) || status=$?
    same "exit code of $*" "$wanted" "$status"
    [ ! -s exits.err ] || fail "$*: $(cat exits.err)"
}

for name in stat discover interfaces; do
    refused "aoe-$name without uaoed" 1 'cannot reach uaoed .*start uaoed .`systemctl start uaoed`.$' tool aoe-$name
done
refused "aoe-revalidate without uaoed" 1 "aoe-revalidate: cannot reach uaoed" tool aoe-revalidate e1.0
refused "aoe-flush without uaoed" 1 "aoe-flush: cannot reach uaoed" tool aoe-flush
refused "an option that there is not" 1 'aoe-flush: "-x" is not eSHELF.SLOT; see `aoe-flush --help`' tool aoe-flush -x

# uaoed as a service manager has it: started again whenever it ends.
cat >service <<END
trap 'kill -TERM \$!; wait; exit 0' TERM
while :; do "$UAOED" -c "$work/etc/uaoe.toml" & wait; sleep 0.1; done
END
listens() { uaoe list >/dev/null 2>&1; }
printf 'interfaces = ["i0"]\n[defaults]\nfrontend = "export"\nfail_after = 2\n' >etc/uaoe.toml
make_wire 0 9000
make_wire 1 1500
in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml"
daemon=$background_pid
wait_until 10 listens || fail "uaoed does not listen"

exits 1 aoe-stat
same "aoe-stat of nothing" "" "$said"
exits 0 aoe-discover
same "aoe-discover of nothing" "" "$said"

# sysfs_of_kernel NAME SECTORS INTERFACES PAYLOAD STATE: as the kernel's driver shows a device, for their aoe-stat.
sysfs_of_kernel() {
    mkdir -p "sys/block/etherd!$1"
    echo "$2" >"sys/block/etherd!$1/size"
    echo "$3" >"sys/block/etherd!$1/netif"
    echo "$4" >"sys/block/etherd!$1/payload"
    echo "$5" >"sys/block/etherd!$1/state"
    echo "152:0" >"sys/block/etherd!$1/dev"
}
# Theirs looks into no folder with a "p" in its path, and takes the words of a pattern for files.
theirs() { sysfs_dir=sys LC_ALL=C bash "$AOETOOLS/sbin/aoe-stat" "$@"; }
# same_as_theirs [PATTERN]: aoe-stat prints and returns what Debian's does of the same devices.
same_as_theirs() {
    local status_theirs=0 status_ours=0
    theirs "$@" >theirs.txt || status_theirs=$?
    tool aoe-stat "$@" >ours.txt || status_ours=$?
    diff theirs.txt ours.txt >difference || fail "aoe-stat $*: theirs (<), ours (>): $(cat difference)"
    same "aoe-stat $* as Debian's: $(wc -l <ours.txt) lines, exit code" "$status_theirs" "$status_ours"
}

# Two LUNs on the first wire, one on the second, one that never identifies.
truncate -s 8M disk0
truncate -s 104857600 disk1
truncate -s 8M disk2
start_vblade 1 0 t0 disk0
start_vblade 2 0 t1 disk2
start_model -i t0 --shelf 1 --slot 1 --file disk1
victim=$background_pid
start_model -i t0 --shelf 9 --mute-identify --size 1M
tool aoe-discover >discover.out 2>discover.err || fail "aoe-discover: $(cat discover.err)"
same "what aoe-discover prints" "" "$(cat discover.out)"
same "lines on stderr, of the one that is mute" "1" "$(wc -l <discover.err)"
matches "and what it says" '^aoe-discover: .*9\.0' "$(cat discover.err)"
same "what is attached then" "1.0 1.1" "$(uaoe list --json | jq -r '[.[].address] | join(" ")')"
exits 0 aoe-stat
same "aoe-stat" "\
      e1.0         0.008GB         i0 8704  up            
      e1.1         0.104GB         i0 8704  up            " "$said"
same "uaoe list --aoe-stat" "$said" "$(uaoe list --aoe-stat)"
[ -x "${AOETOOLS:-}/sbin/aoe-stat" ] || fail "AOETOOLS does not name a folder with Debian's aoetools"
sysfs_of_kernel e1.0 16384 i0 8704 up
sysfs_of_kernel e1.1 204800 i0 8704 up
same_as_theirs
same_as_theirs e1.0
same_as_theirs 'e1\.1.*up'
same_as_theirs e7
# What users do with it, word for word, with theirs and with ours.
printf '#!/bin/sh\nsysfs_dir=sys LC_ALL=C exec bash %s/sbin/aoe-stat "$@"\n' "$AOETOOLS" >their-aoe-stat
chmod +x their-aoe-stat
mkdir theirs
ln -s ../their-aoe-stat theirs/aoe-stat
for script in monitor ask_for_one wait_for_it; do
    for whose in theirs bin; do
        in_initiator env PATH="$work/$whose:$PATH" sh -c ". $scripts; $script" >"$script.$whose" 2>&1 || echo "status $?" >>"$script.$whose"
    done
    diff "$script.theirs" "$script.bin" >difference || fail "the script $script, theirs (<), ours (>): $(cat difference)"
    matches "the script $script says the same with both" . "$(head -n 1 "$script.bin")"
done
exits 0 aoe-stat 'e1\.1'
matches "aoe-stat with a pattern" '^ *e1\.1 ' "$said"
exits 1 aoe-stat e7
refused "a pattern that is none" 1 'is not a regular expression' tool aoe-stat '\('
tool aoe-discover 2>/dev/null || fail "aoe-discover once more"
same "still" "1.0 1.1" "$(uaoe list --json | jq -r '[.[].address] | join(" ")')"

# A disk grows.
truncate -s 209715200 disk1
exits 0 aoe-revalidate e1.1
same "the size after aoe-revalidate" "0.209GB" "$(tool aoe-stat e1.1 | awk '{print $2}')"
refused "aoe-revalidate of what is not there" 1 'aoe-revalidate: e7.7 is not attached' tool aoe-revalidate e7.7

# Interfaces: without a service manager they count from the next start on.
exits 0 aoe-interfaces
same "aoe-interfaces" "i0" "$said"
refused "an interface that there is not" 1 'nosuch.*no such interface' tool aoe-interfaces i0 nosuch
refused "one that is no Ethernet" 1 'lo.*not an Ethernet' tool aoe-interfaces lo
exits 0 aoe-interfaces
same "after those" "i0" "$said"
refused "nobody starts uaoed again" 1 'from its next start on.*devices keep running' tool aoe-interfaces i0 i1
end_background "$daemon" TERM
in_background service ip netns exec "$initiator_ns" env NOTIFY_SOCKET=@uaoe-test-$$ bash service
service=$background_pid
wait_until 10 listens || fail "uaoed is not back"
exits 0 aoe-interfaces
same "aoe-interfaces after a restart" "i0 i1" "$said"
tool aoe-discover 2>/dev/null
same "with both" "1.0 i0, 1.1 i0, 2.0 i1" "$(uaoe list --json | jq -r '[.[] | .address + " " + .interfaces[0]] | join(", ")')"
exits 0 aoe-interfaces i1 # restarts it, and waits for that
exits 0 aoe-interfaces
same "chosen with a service manager" "i1" "$said"
exits 0 aoe-interfaces -c
exits 0 aoe-interfaces
same "cleared" "" "$said"
sees_again() { [ "$(uaoe list --json | jq -r '[.[] | select(.state == "up").interfaces[]] | unique | join(" ")')" = "i0 i1" ]; }
wait_until 10 sees_again || fail "after aoe-interfaces -c not all LUNs are up: $(uaoe list --json)"

# Flush: what is down goes, what is up stays, and the configuration is left alone.
uaoe detach 1.0
uaoe attach 1.0 --export --persist >/dev/null
[ -e etc/uaoe.d/1.0.toml ] || fail "--persist left nothing"
exits 0 aoe-flush
same "nothing was down" 3 "$(uaoe list --json | jq length)"
uri=$(uaoe list --json | jq -r '.[] | select(.address == "1.1") | .device')
kill -KILL "$victim"
timeout 20 nbdcopy "$uri" null: >/dev/null 2>&1 && fail "the dead target answers"
is_down() { [ "$(tool aoe-stat e1.1 | awk '{print $NF}')" = down ]; }
wait_until 10 is_down || fail "aoe-stat: $(tool aoe-stat)"
exits 0 aoe-flush
same "what was down is gone" "1.0 2.0" "$(uaoe list --json | jq -r '[.[].address] | join(" ")')"
refused "aoe-flush of what is not there" 1 'aoe-flush: e1.1 is not attached' tool aoe-flush e1.1
exits 0 aoe-flush e1.0
same "what was named is gone" "2.0" "$(uaoe list --json | jq -r '[.[].address] | join(" ")')"
[ -e etc/uaoe.d/1.0.toml ] || fail "aoe-flush took it out of the configuration"
exits 0 aoe-flush -a
exits 1 aoe-stat
end_background "$service" TERM
in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml"
back() { tool aoe-stat e1.0 | grep -q up; }
wait_until 15 back || fail "what is configured does not come back"
echo "ok: what is configured is back after a start"
end_background "$background_pid" TERM
