# shellcheck shell=bash
# What the tests of administrative commands share. Sourced after lib.sh; makes two wires of MTU 1500.
# shellcheck disable=SC2034 # addresses, for the scripts
make_wire 0 1500
make_wire 1 1500
own=$(in_initiator cat /sys/class/net/i0/address)
own1=$(in_initiator cat /sys/class/net/i1/address)
other=02:00:00:00:00:99
third=02:00:00:00:00:98

# Without the lines that say what is waited for, which a lossy wire brings.
uaoe() {
    local status=0
    in_initiator timeout 30 "$UAOE" "$@" 2>uaoe.err || status=$?
    grep -v '^waiting for' uaoe.err >&2 || true
    return "$status"
}
# prints WHAT EXPECTED COMMAND...: on stdout, and nothing on stderr.
prints() {
    local what=$1 expected=$2
    shift 2
    uaoe "$@" >printed.out 2>printed.err || fail "$what: exit code $?: $(cat printed.err)"
    [ ! -s printed.err ] || fail "$what: said $(cat printed.err)"
    same "$what" "$expected" "$(cat printed.out)"
}
string() { uaoe config get 1.0 -i i0 --json | jq -r .config_string; }
masks() { uaoe mask list 1.0 -i i0 --json | jq -c '[.mask_list[].mac]'; }
holders() { uaoe reserve get 1.0 -i i0 --json | jq -c '[.reserved_for[].mac]'; }
