# shellcheck shell=bash
# What every interop script shares: a network of its own, real targets in it, and `uaoe serve` beside them. Sourced,
# never run. Not a test itself.
#
# A script says how long it may take, then sources this:  export LIMIT_SECONDS=60; . "$(dirname "$0")/lib.sh"
# ctest names the programs under test in UAOE, MODEL_TARGET, NBD_ABUSE and LOSSY_BRIDGE. Exit codes: 0 passed, 1 failed,
# 77 skipped. All traffic is in three network namespaces (the target's, the initiator's, and what is between them) made
# here and removed on every way out, also after a signal or a timeout.
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
bridge_ns=uaoe-b-$$
namespaces=("$target_ns" "$initiator_ns" "$bridge_ns") # a script may add to them
work=$(mktemp -d "${TMPDIR:-/tmp}/uaoe-interop.XXXXXX")
pids=()
cd "$work"

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    local status=$? pid log namespace
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
    for namespace in "${namespaces[@]}"; do
        ip netns del "$namespace" 2>/dev/null
    done
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

for namespace in "${namespaces[@]}"; do
    ip netns add "$namespace"
done

in_target() { ip netns exec "$target_ns" "$@"; }
in_initiator() { ip netns exec "$initiator_ns" "$@"; }

# make_wire NUMBER MTU: a veth pair, tNUMBER on the target's side and iNUMBER on the initiator's.
make_wire() {
    ip link add "t$1" netns "$target_ns" mtu "$2" type veth peer name "i$1" netns "$initiator_ns" mtu "$2"
    ip -n "$target_ns" link set "t$1" up
    ip -n "$initiator_ns" link set "i$1" up
}

# make_switch MTU "INTERFACE NAMESPACE"...: a switch between those, which it makes.
make_switch() {
    local mtu=$1 port name namespace
    shift
    ip -n "$bridge_ns" link add bridge mtu "$mtu" type bridge
    for port in "$@"; do
        read -r name namespace <<<"$port"
        ip link add "$name" netns "$namespace" mtu "$mtu" type veth peer name "b$name" netns "$bridge_ns" mtu "$mtu"
        ip -n "$bridge_ns" link set "b$name" master bridge up
        ip -n "$namespace" link set "$name" up
    done
    ip -n "$bridge_ns" link set bridge up
}

# make_lossy_wire NUMBER MTU [BRIDGE-OPTION...]: as make_wire, and lossy_bridge forwards between the two ends. Its side a
# is the initiator's: a_to_b are requests, b_to_a answers.
bridge_pids=()
make_lossy_wire() {
    local number=$1 mtu=$2
    shift 2
    [ -x "${LOSSY_BRIDGE:-}" ] || fail "LOSSY_BRIDGE does not name a program"
    ip link add "i$number" netns "$initiator_ns" mtu "$mtu" type veth peer name "b${number}i" netns "$bridge_ns" mtu "$mtu"
    ip link add "t$number" netns "$target_ns" mtu "$mtu" type veth peer name "b${number}t" netns "$bridge_ns" mtu "$mtu"
    ip -n "$initiator_ns" link set "i$number" up
    ip -n "$bridge_ns" link set "b${number}i" up
    ip -n "$bridge_ns" link set "b${number}t" up
    ip -n "$target_ns" link set "t$number" up
    mkfifo "bridge$number.fifo"
    in_background "bridge$number" ip netns exec "$bridge_ns" "$LOSSY_BRIDGE" "b${number}i" "b${number}t" \
        --commands "$work/bridge$number.fifo" --stats "$work/bridge$number.json" "$@"
    bridge_pids[number]=$background_pid
    wait_until 5 grep -q ready "bridge$number.out" || fail "the bridge of wire $number did not get ready"
}

# bridge NUMBER COMMAND...: the bridge of wire NUMBER does it now, and says so in $bridge_answer.
bridge() {
    local number=$1 before
    shift
    before=$(wc -l <"bridge$number.out")
    echo "$*" 1<>"bridge$number.fifo" # opened like this it does not wait for a reader
    wait_until 5 bridge_answered "$number" "$before" || fail "the bridge of wire $number does not answer: $*"
    bridge_answer=$(tail -n 1 "bridge$number.out")
    [[ $bridge_answer != error* ]] || fail "the bridge of wire $number: $*: $bridge_answer"
}

bridge_answered() { [ "$(wc -l <"bridge$1.out")" -gt "$2" ]; }

# bridge_count NUMBER COUNTER: of both directions so far, in $count.
bridge_count() {
    bridge "$1" stats
    # shellcheck disable=SC2034 # for the script
    count=$(jq ".a_to_b.$2 + .b_to_a.$2" <<<"$bridge_answer")
}

# end_bridge NUMBER: it ends cleanly, and it knows what became of every frame.
end_bridge() {
    end_background "${bridge_pids[$1]}"
    same "exit code of the bridge of wire $1" 0 "$ended_status"
    jq -c 'del(.seed)' "bridge$1.json"
    same "frames of wire $1 that are not accounted for, and that the bridge had no room for" "0 0" "$(jq -r '[.a_to_b, .b_to_a] |
        "\(map(.received + .duplicated - .forwarded - .send_failed - .lost - .cut - .too_long - .queue_full - .held) |
            map(fabs) | add) \(map(.overrun + .queue_full) | add)"' "bridge$1.json")"
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

# read_stats: what `uaoe serve` counts just now, in $work/stats.json.
read_stats() {
    rm -f stats.json
    kill -USR1 "$serve_pid" || fail "uaoe serve is gone"
    wait_until 5 test -s stats.json || fail "uaoe serve wrote no statistics on SIGUSR1"
}

# path_stat INTERFACE FIELD: of the last read_stats or stop_serve.
path_stat() { jq -r --arg i "$1" ".paths[] | select(.interface == \$i) | .$2" stats.json; }

path_is() {
    read_stats
    [ "$(path_stat "$1" state)" = "$2" ]
}

# carries INTERFACE: its path is up and more answers come in than so far.
carries() {
    local before
    read_stats
    before=$(path_stat "$1" received)
    wait_until 10 received_more "$1" "$((before + 100))" || fail "the path of $1 does not carry: $(cat stats.json)"
    # A busy machine may have made it suspect for a moment.
    wait_until 5 path_is "$1" up || fail "the path of $1 carries and is not up: $(cat stats.json)"
    echo "ok: the path of $1 carries, and is up"
}

received_more() {
    read_stats
    [ "$(path_stat "$1" received)" -ge "$2" ]
}

no_request_failed() {
    same "requests that failed" 0 "$(jq '[.requests[] | objects | .errors_count] | add' stats.json)"
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

# start_fio NAME OPTION...: fio_verify beside the script, which goes on; it may fail only at finish_fio.
start_fio() {
    (fio_verify "$@") >fio.out 2>fio.log & # a subshell does not inherit the trap
    fio_name=$1
    fio_pid=$!
    pids+=("$fio_pid")
}

fio_runs() { kill -0 "$fio_pid" 2>/dev/null || fail "fio ended before $1: $(cat fio.out fio.log)"; }

# finish_fio: it ends without an error, and every byte is verified. Its longest request is in $stall_ms.
finish_fio() {
    local status=0
    wait "$fio_pid" || status=$?
    cat fio.out
    same "fio's exit code" 0 "$status"
    # shellcheck disable=SC2034 # for the script
    stall_ms=$(jq '[.jobs[0] | .read, .write | .clat_ns.max] | max / 1000000 | floor' "$fio_name.json")
}
