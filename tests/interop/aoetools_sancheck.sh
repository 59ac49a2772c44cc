#!/usr/bin/env bash
# aoe-sancheck beside Debian's own, on the same SANs: the same interfaces, devices and warnings, word for word. And
# aoe-version, aoe-mkdevs and aoe-mkshelf.
#   AOETOOLS: a folder with Debian's aoetools in it, unpacked
export LIMIT_SECONDS=200
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
theirs=${AOETOOLS:?}/sbin
[ -x "$theirs/aoe-sancheck" ] || skip "aoetools are not there: $AOETOOLS"
mkdir ours
for name in aoe-sancheck aoe-version aoe-mkdevs aoe-mkshelf; do ln -s "$UAOE" "ours/$name"; done
ours=$work/ours
in_initiator sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'

# sorted FILE: what may come in any order, in one: devices with what is below them, and who answers on an interface.
sorted() {
    awk '/^e[0-9]/ {device = $0; print device "\t0"; next} /^   / {print device "\t1" $0; next} {print "\t" NR "\t" $0}' "$1" |
        LC_ALL=C sort
}
# compare SAN: both say and return the same of it.
compare() {
    local status_theirs=0 status_ours=0
    timeout 60 ip netns exec "$initiator_ns" "$theirs/aoe-sancheck" >theirs.txt 2>theirs.err || status_theirs=$?
    timeout 60 ip netns exec "$initiator_ns" "$ours/aoe-sancheck" >ours.txt 2>ours.err || status_ours=$?
    sorted theirs.txt >theirs.sorted
    sorted ours.txt >ours.sorted
    diff theirs.sorted ours.sorted >difference || fail "$1: theirs (<), ours (>): $(cat difference theirs.err ours.err)"
    [ ! -s ours.err ] || fail "$1: $(cat ours.err)"
    same "$1: exit codes, and lines" "$status_theirs $(wc -l <theirs.txt)" "$status_ours $(wc -l <ours.txt)"
}
model() {
    start_model --pads-replies --size 1M "$@"
    models+=("$background_pid")
}
models=()
end_models() {
    for pid in "${models[@]}"; do end_background "$pid"; done
    models=()
}

make_wire 0 9000
make_wire 1 9000
ip link add zdown netns "$initiator_ns" mtu 1400 type veth peer name zdown netns "$target_ns"
compare "nobody there"
model -i t0 -i t1 --luns 2
compare "as it should be"
in_initiator "$ours/aoe-sancheck" -v >verbose.txt
in_initiator "$theirs/aoe-sancheck" -v >verbose-theirs.txt
same "-v: who answers on which interface" "$(grep -E '^e1' verbose-theirs.txt | sort)" "$(grep -E '^e1' verbose.txt | sort)"
same "-v: what is behind the tables" "$(sed -n '/^i0:/,$p' verbose-theirs.txt | grep -v '^e')" "$(sed -n '/^i0:/,$p' verbose.txt | grep -v '^e')"
ip -n "$initiator_ns" link set i0 mtu 1500
compare "one MTU is smaller than the other, and than the target's"
ip -n "$initiator_ns" link set i0 mtu 9000
end_models
model -i t0 --payload-limit 5000
compare "a switch that drops large frames"
matches "of which is said" 'The path i0->[0-9a-f]{12} is only capable of 4608 byte payloads' "$(grep path ours.txt)"
end_models
make_switch 9000 "x0 $initiator_ns" "x1 $initiator_ns" "y0 $target_ns"
model -i y0
compare "two interfaces here, one there"
matches "of which is said" 'Mismatched number' "$(grep Mismatched ours.txt)"
end_models

"$ours/aoe-version" >version.txt
"$theirs/aoe-version" >version-theirs.txt
same "aoe-version, its first three lines" "$(cat version-theirs.txt)" "$(head -n 3 version.txt)"
matches "and the fourth" "^ +uaoe:$(printf '\t')[0-9.]+\$" "$(tail -n +4 version.txt)"
for command in "aoe-mkdevs $work/made" "aoe-mkshelf $work/made 1"; do
    # shellcheck disable=SC2086 # words
    refused "${command%% *}" 0 'nothing was made' "$ours"/$command
done
[ ! -e made ] || fail "something was made"
