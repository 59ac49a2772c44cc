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

skip() {
    echo "SKIP: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

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

# in_background NAME COMMAND...: its process id goes to $background_pid, what it says to NAME.out and NAME.log. The
# process is COMMAND itself (`ip netns exec` replaces itself), so a signal reaches it.
in_background() {
    local name=$1
    shift
    "$@" >"$name.out" 2>>"$name.log" &
    background_pid=$!
    pids+=("$background_pid")
}

# end_background PID [SIGNAL]: ends it and returns its exit status in $ended_status.
end_background() {
    local pid kept=()
    kill -"${2:-TERM}" "$1" 2>/dev/null || true
    ended_status=0
    wait "$1" 2>/dev/null || ended_status=$?
    for pid in "${pids[@]}"; do
        [ "$pid" = "$1" ] || kept+=("$pid")
    done
    pids=("${kept[@]}")
}

# wait_until SECONDS COMMAND...: tries again every 50 ms.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
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

# same WHAT EXPECTED ACTUAL
same() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
    echo "ok: $1: $3"
}

# matches WHAT PATTERN ACTUAL: PATTERN is an extended regular expression.
matches() {
    grep -qE -- "$2" <<<"$3" || fail "$1: expected to match '$2', got '$3'"
    echo "ok: $1: $3"
}

# refused WHAT CODE PATTERN COMMAND...: exit code, exactly one line on stderr that matches, nothing on stdout.
refused() {
    local what=$1 code=$2 pattern=$3 status=0
    shift 3
    "$@" >refused.out 2>refused.err || status=$?
    [ "$status" -eq "$code" ] ||
        fail "$what: expected exit code $code, got $status: $(cat refused.err)"
    [ "$(wc -l <refused.err)" -eq 1 ] || fail "$what: expected one line on stderr: $(cat refused.err)"
    [ ! -s refused.out ] || fail "$what: expected nothing on stdout: $(cat refused.out)"
    matches "$what (exit $status)" "$pattern" "$(cat refused.err)"
}

# same_bytes WHAT FILE FILE
same_bytes() {
    cmp "$2" "$3" || fail "$1: $2 and $3 differ"
    echo "ok: $1: $(stat -c %s "$2") bytes are the same"
}

# random_file FILE MEBIBYTES
random_file() {
    head -c "$(($2 * 1048576))" /dev/urandom >"$1"
}

# fio_verify NAME OPTION...: fio on the export; every byte that it wrote is read back and checked by crc32c.
fio_verify() {
    local name=$1
    shift
    fio --name="$name" --ioengine=nbd --uri="$uri" --thread=1 --verify=crc32c --verify_fatal=1 \
        --verify_state_save=0 --do_verify=1 --output-format=json --output="$name.json" "$@" \
        2>"fio-$name.log" || fail "fio $name failed"
    fio_report "$name"
}

fio_report() {
    sed -i -n '/^{/,$p' "$1.json" # notes come before the JSON
    same "errors of fio $1" 0 "$(jq '[.jobs[] | .error, .total_err] | add' "$1.json")"
    jq -r --arg name "$1" '.jobs[0] | "ok: fio \($name): wrote \(.write.io_bytes / 1048576 | floor)" +
        " MiB, read and verified \(.read.io_bytes / 1048576 | floor) MiB"' "$1.json"
}
