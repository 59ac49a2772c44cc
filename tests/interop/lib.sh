# shellcheck shell=bash
# What every interop script shares: a network of its own, real targets in it, and `uaoe serve` beside them. Sourced,
# never run. Not a test itself.
#
# A script says how long it may take, then sources this:  export LIMIT_SECONDS=60; . "$(dirname "$0")/lib.sh"
# ctest names the programs under test in UAOE, MODEL_TARGET and NBD_ABUSE. Exit codes: 0 passed, 1 failed, 77 skipped.
# All traffic is in two network namespaces made here and removed on every way out, also after a signal or a timeout.
set -euo pipefail
shopt -s inherit_errexit

# One bound for the whole script: `timeout` ends the group, so that the trap below still cleans up.
if [ -z "${INTEROP_BOUNDED:-}" ]; then
    export INTEROP_BOUNDED=1
    exec timeout --kill-after=20 "${LIMIT_SECONDS:?}" bash "$0" "$@"
fi

# shellcheck source=tests/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../checks.sh"

PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" -eq 0 ] || skip "needs root for network namespaces and packet sockets"
need ip timeout jq
[ -x "${UAOE:-}" ] || fail "UAOE does not name the program under test"

target_ns=uaoe-t-$$
initiator_ns=uaoe-i-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/uaoe-interop.XXXXXX")
pids=()
cd "$work"

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    local status=$? pid log
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        for log in "$work"/*.log; do
            [ -s "$log" ] && { echo "--- $(basename "$log")"; tail -n 20 "$log"; } >&2
        done
    fi
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null
        kill -CONT "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    ip netns del "$target_ns" 2>/dev/null
    ip netns del "$initiator_ns" 2>/dev/null
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

ip netns add "$target_ns"
ip netns add "$initiator_ns"

in_target() { ip netns exec "$target_ns" "$@"; }
in_initiator() { ip netns exec "$initiator_ns" "$@"; }

# make_wire NUMBER MTU: a veth pair, tNUMBER on the target's side and iNUMBER on the initiator's.
make_wire() {
    ip link add "t$1" netns "$target_ns" mtu "$2" type veth peer name "i$1" netns "$initiator_ns" mtu "$2"
    ip -n "$target_ns" link set "t$1" up
    ip -n "$initiator_ns" link set "i$1" up
}

# start_vblade SHELF SLOT INTERFACE FILE [OPTION...]: Debian's target; $background_pid is its process.
start_vblade() {
    local shelf=$1 slot=$2 interface=$3 file=$4
    shift 4
    in_background "vblade-$shelf.$slot-$interface" ip netns exec "$target_ns" \
        vblade "$@" "$shelf" "$slot" "$interface" "$file"
}

# start_model OPTION...: the model target, ready.
start_model() {
    [ -x "${MODEL_TARGET:-}" ] || fail "MODEL_TARGET does not name a program"
    in_background model ip netns exec "$target_ns" "$MODEL_TARGET" "$@"
    wait_until 10 grep -q ready model.out || fail "the model target did not get ready"
}

# start_serve ADDRESS OPTION...: `uaoe serve` on $work/nbd.sock; sets $uri and $serve_pid.
start_serve() {
    rm -f serve.out
    in_background serve ip netns exec "$initiator_ns" "$UAOE" serve "$@" \
        --nbd-socket "$work/nbd.sock" --stats "$work/stats.json"
    serve_pid=$background_pid
    wait_until 15 serve_spoke_or_ended || fail "uaoe serve printed no URI in 15 s"
    uri=$(cat serve.out)
    [ "$(wc -l <serve.out)" -eq 1 ] || fail "uaoe serve should print one line, and printed: $uri"
}

serve_spoke_or_ended() {
    kill -0 "$serve_pid" 2>/dev/null || fail "uaoe serve ended: $(tail -n 1 serve.log)"
    [ "$(wc -l <serve.out)" -ge 1 ]
}

# stop_serve: SIGTERM detaches cleanly: exit code 0, the socket's file gone, the statistics written.
stop_serve() {
    end_background "$serve_pid"
    same "exit code of uaoe serve after SIGTERM" 0 "$ended_status"
    [ ! -e "$work/nbd.sock" ] || fail "uaoe serve left its socket behind"
    [ -s "$work/stats.json" ] || fail "uaoe serve wrote no statistics"
}

still_serving() { kill -0 "$serve_pid" 2>/dev/null || fail "uaoe serve died"; }

# fio_verify NAME OPTION...: fio on the export; every byte that it wrote is read back and checked by crc32c.
fio_verify() {
    local name=$1
    shift
    fio --name="$name" --ioengine=nbd --uri="$uri" --thread=1 --verify=crc32c --verify_fatal=1 \
        --verify_state_save=0 --do_verify=1 --output-format=json --output="$name.json" "$@" \
        2>"fio-$name.log" || fail "fio $name failed"
    fio_report "$name"
}
