#!/usr/bin/env bash
# What people get wrong: each is one line on stderr and the right exit code, and nothing is harmed.
export LIMIT_SECONDS=90
. "$(dirname "$0")/lib.sh"
need vblade nbdinfo

make_wire 0 1500
make_wire 1 1500
ip -n "$initiator_ns" link set i1 down
truncate -s 4M disk.img
start_vblade 1 0 t0 disk.img
serve() { in_initiator timeout 20 "$UAOE" serve "$@"; }
socket=$work/other.sock

refused "no such interface" 1 'eth77.*no such interface' serve 1.0 -i eth77 --nbd-socket "$socket"
refused "no such interface, discover" 1 'eth77.*no such interface' in_initiator "$UAOE" discover -i eth77
refused "interface down" 1 'i1.*down' serve 1.0 -i i1 --nbd-socket "$socket"
ip link add i2 netns "$initiator_ns" type veth peer name t2 netns "$target_ns" # its other end is down
ip -n "$initiator_ns" link set i2 up
refused "no carrier" 1 'i2.*no carrier' serve 1.0 -i i2 --nbd-socket "$socket"
refused "all interfaces down" 1 'i1.*down' serve 1.0 -i i1 -i i2 --nbd-socket "$socket"
refused "one of several does not exist" 1 'eth77.*no such' serve 1.0 -i i0 -i eth77 --nbd-socket "$socket"
refused "interface down, discover" 1 'i1.*down' in_initiator "$UAOE" discover -i i1

need setpriv
cp "$UAOE" "$work/uaoe-for-all"
chmod 755 "$work" "$work/uaoe-for-all"
for command in "discover" "check" "identify 1.0" "ping 1.0 -c 1" "serve 1.0 --nbd-socket $socket"; do
    # shellcheck disable=SC2086 # words
    refused "no permission: $command" 5 'CAP_NET_RAW' in_initiator \
        setpriv --reuid 65534 --regid 65534 --clear-groups "$work/uaoe-for-all" $command -i i0
done

mkdir "$work/closed"
chmod 555 "$work/closed"
refused "statistics where nothing may be written" 5 'statistics.*Permission denied' in_initiator \
    setpriv --reuid 65534 --regid 65534 --clear-groups "$work/uaoe-for-all" serve 1.0 -i i0 \
    --nbd-socket "$socket" --stats "$work/closed/stats.json"
refused "statistics in a missing directory" 1 'statistics.*No such file' serve 1.0 -i i0 \
    --nbd-socket "$socket" --stats "$work/none/stats.json"

for address in 1 1. .0 1.0.0 x.y 65535.0 1.255 65536.1 1.-1 " 1.0" e e1.x ""; do
    refused "malformed address '$address'" 2 'shelf\.slot' serve "$address" -i i0 --nbd-socket "$socket"
done
refused "no interface named" 2 '--interface' serve 1.0 --nbd-socket "$socket"
refused "no front end named" 2 '--nbd-socket' serve 1.0 -i i0
refused "an unknown option" 2 '--frobnicate' serve 1.0 -i i0 --nbd-socket "$socket" --frobnicate
refused "an unknown command" 2 '' in_initiator "$UAOE" frobnicate
refused "a number that is none" 2 'fail-after' serve 1.0 -i i0 --nbd-socket "$socket" --fail-after soon

start=$SECONDS
status=0
serve 1.7 -i i0 --nbd-socket "$socket" --wait 2 >absent.out 2>absent.err || status=$?
same "address with no target: exit code" 3 "$status"
matches "address with no target" 'target 1\.7 not found' "$(tail -n 1 absent.err)"
[ $((SECONDS - start)) -le 6 ] || fail "it waited $((SECONDS - start)) s with --wait 2"
matches "meanwhile it says what it waits for" '^waiting for 1\.7 on i0' "$(head -n 1 absent.err)"

refused "missing directory" 1 'directory does not exist' serve 1.0 -i i0 --nbd-socket "$work/none/nbd.sock"
echo precious >"$work/file"
refused "a file in the socket's place" 1 'not a socket' serve 1.0 -i i0 --nbd-socket "$work/file"
same "the file is untouched" precious "$(cat "$work/file")"
refused "a socket path that is too long" 2 '' serve 1.0 -i i0 --nbd-socket "$work/$(printf '%0120d' 0)"

start_serve 1.0 -i i0
refused "socket in use" 1 '1\.0 is in use: process [0-9]+ \(uaoe\)' serve 1.0 -i i0 --nbd-socket "$work/nbd.sock"
same "the first server goes on" $((4 << 20)) "$(timeout 10 nbdinfo --size "$uri")"
# A server that was killed leaves its socket's file; the next one replaces it.
end_background "$serve_pid" KILL
[ -S "$work/nbd.sock" ] || fail "expected the socket of a killed server to stay"
start_serve 1.0 -i i0
same "after a killed server" $((4 << 20)) "$(timeout 10 nbdinfo --size "$uri")"
end_background "$serve_pid" INT
same "exit code after SIGINT" 0 "$ended_status"

echo precious >"$work/stats.json.new" # somebody's own, of a name that --stats once took

# One interface that is up is enough to serve; the others are told and used once they are up.
: >serve.log
start_serve 1.0 -i i1 -i i0 -i i2
same "served although two interfaces are down" $((4 << 20)) "$(timeout 10 nbdinfo --size "$uri")"
matches "the interface that is down" 'i1: it is down' "$(grep i1 serve.log)"
matches "the interface without a carrier" 'i2: it has no carrier' "$(grep i2 serve.log)"
start_vblade 1 0 t1 disk.img
ip -n "$initiator_ns" link set i1 up
wait_until 10 grep -q 'path i1 .* is up' serve.log || fail "an interface that came up later is not used"
stop_serve
same "a file beside the statistics is untouched" precious "$(cat "$work/stats.json.new")"
same "files left beside the statistics" 2 "$(find "$work" -name 'stats.json*' | wc -l)"

in_initiator "$UAOE" --help >help.txt
matches "--help" 'Exit codes' "$(grep 'Exit codes' help.txt)"
matches "--version" '^uaoe [0-9]+\.' "$(in_initiator "$UAOE" --version)"
