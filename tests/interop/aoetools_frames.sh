#!/usr/bin/env bash
# aoeping and aoecfg: what they print and their exit codes, word for word what Debian's own print, at the same target; and
# what theirs cannot: a target that does not pad its frames, SMART commands without data.
#   AOETOOLS: a folder with Debian's aoetools in it, unpacked
export LIMIT_SECONDS=120
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade
theirs=${AOETOOLS:?}/sbin
[ -x "$theirs/aoeping" ] || skip "aoetools are not there: $AOETOOLS"

mkdir ours
for name in aoeping aoecfg; do ln -s "$UAOE" "ours/$name"; done
ours=$work/ours
make_wire 0 1500
# Theirs ignore answers of less than 60 bytes, which vblade sends over such a wire.
start_model -i t0 --slots 0-1 --pads-replies --smart --config-string hello --serial "a b" --size 1M

# unalike TOOL FILE: takes out what may not be the same: the high bits of tags, which keep programs apart; padding, which is
# what the target found in the request; the order in which targets answer a broadcast.
unalike() {
    if [ "$1" = aoecfg ]; then
        sort -o "$2" "$2"
    else
        sed -i -E 's/^tag: [0-9a-f]{2}/tag: XX/; /^config query/,/^found/{s/^(00 01 0. 01) [0-9a-f]{2}/\1 XX/; s/ ((00|ed) )+$//; /^(00|ed)( (00|ed))* ?$/d}' "$2"
    fi
}

# compare TOOL ARGUMENT...: both say and return the same, for this command line.
compare() {
    local status_theirs=0 status_ours=0 tool=$1
    shift
    timeout 10 ip netns exec "$initiator_ns" "$theirs/$tool" "$@" >theirs.txt 2>theirs.err || status_theirs=$?
    timeout 10 ip netns exec "$initiator_ns" "$ours/$tool" "$@" >ours.txt 2>ours.err || status_ours=$?
    unalike "$tool" theirs.txt
    unalike "$tool" ours.txt
    diff theirs.txt ours.txt >difference || fail "$tool $*: theirs (<), ours (>): $(cat difference)"
    same "exit codes of $tool $*, and lines" "$status_theirs" "$status_ours"
    lines=$(wc -l <ours.txt)
}
compare aoeping 1 0 i0
same "lines" 0 "$lines"
compare aoeping -v 1 0 i0
[ "$lines" -ge 9 ] || fail "aoeping -v: $(cat ours.txt)"
compare aoeping -v -t 77 1 1 i0
compare aoeping -i 1 0 i0
same "lines of -i" 33 "$lines"
compare aoeping -I 1 0 i0
same "lines of -I" 7 "$lines"
compare aoeping -ivI -s 5 1 0 i0
compare aoeping -I -S read_data -i 1 0 i0
compare aoeping -S read_data 1 0 i0
same "lines of SMART data" 40 "$lines"
compare aoeping -S read_log:6 1 0 i0
compare_codes() {
    local status_theirs=0 status_ours=0 tool=$1
    shift
    timeout 10 ip netns exec "$initiator_ns" "$theirs/$tool" "$@" >theirs.txt 2>&1 || status_theirs=$?
    refused "$tool $*" 1 "^$tool: " ip netns exec "$initiator_ns" "$ours/$tool" "$@"
    [ "$status_theirs" -ne 0 ] || fail "$tool $*: theirs return 0: $(cat theirs.txt)"
}
compare_codes aoeping -S nonsense 1 0 i0
compare_codes aoeping -s 0 1 0 i0
compare_codes aoeping -z 1 0 i0
compare_codes aoeping 1 0
compare_codes aoeping 1 0 nosuch
compare_codes aoeping -s 1 9 0 i0 # theirs die of a signal

compare aoecfg -t 1 i0
same "lines of all" 2 "$lines"
compare aoecfg 1 0 i0
same "of one" hello "$(cat ours.txt)"
compare aoecfg -t 1 0x1 0 i0
compare aoecfg -c test -s hello 1 0 i0
compare aoecfg -c test -s hell -t 1 1 0 i0
same "what does not match is silent" 0 "$lines"
compare aoecfg -c prefix -s hell -t 1 i0
compare aoecfg -c set -s new -t 1 1 0 i0
same "set where there is one" '*badcfg*' "$(cat ours.txt)"
compare aoecfg -c set -s new -t 1 i0
compare aoecfg -t 1 9 0 i0
same "nobody there" 0 "$lines"
compare_codes aoecfg -c nonsense i0
compare_codes aoecfg 1 0 i0 x
compare_codes aoecfg nosuch
compare aoecfg -c fset -s new -t 1 1 0 i0
same "overwritten" new "$(in_initiator "$ours/aoecfg" -t 2 1 0 i0)"
compare aoecfg -c fset -s "" -t 1 i0
same "all of them cleared" "1.0 1.1" "$(in_initiator "$ours/aoecfg" -t 1 i0 | sort | tr -d '\t' | xargs)"
in_initiator "$ours/aoecfg" -c set -s mine -t 2 1 0 i0 >set.txt
same "set where there is none" "mine hello" "$(cat set.txt) $([ "$(in_initiator "$ours/aoecfg" -t 2 1 1 i0)" = "" ] && echo hello)"

# What is theirs to lack.
matches "the health of a disk, as the manual of aoeping asks for it" 'LBA Mid: 0x4f' \
    "$(in_initiator "$ours/aoeping" -s 5 -S return_status 1 0 i0)"
in_initiator "$ours/aoeping" -s 5 -S offline_immediate:1 1 0 i0 >short.txt || fail "no self-test"
head -c 100 /dev/zero >short
refused "a log that is not whole" 1 'cannot write the log: standard input has 100 bytes' \
    in_initiator "$ours/aoeping" -s 5 -S write_log:128 1 0 i0 <short
start_model -i t0 --shelf 4 --smart-disabled --size 1M
refused "SMART that is off" 1 'e4.0 did not do the command: its disk says status 0x41' \
    in_initiator "$ours/aoeping" -s 5 -S read_data 4 0 i0
in_initiator "$ours/aoeping" -s 5 -S enable 4 0 i0 >enable.txt || fail "SMART cannot be switched on"
in_initiator "$ours/aoeping" -s 5 -S read_data 4 0 i0 >data.txt || fail "no SMART data"
need setpriv
cp -L "$ours/aoeping" aoeping
chmod 755 "$work" aoeping
refused "without the right to" 1 'aoeping: .*CAP_NET_RAW' in_initiator \
    setpriv --reuid 65534 --regid 65534 --clear-groups "$work/aoeping" 1 0 i0
truncate -s 1M disk
start_vblade 3 0 t0 disk
wait_until 10 eval 'in_initiator "$ours/aoeping" -s 1 3 0 i0 2>/dev/null' || fail "vblade is not heard"
matches "vblade, in frames that are not padded" 'model: Coraid EtherDrive vblade' "$(in_initiator "$ours/aoeping" -s 5 -I 3 0 i0)"
refused "vblade has no SMART" 1 'e3.0 for its health: its disk has no SMART' in_initiator "$ours/aoeping" -s 5 -S read_data 3 0 i0
same "vblade's config string" "3.0 spare" "$(in_initiator "$ours/aoecfg" -c fset -s spare -t 2 3 0 i0 >x && in_initiator "$ours/aoecfg" -t 1 i0 |
    grep '^3' | tr '\t' ' ')"
