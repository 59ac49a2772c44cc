# shellcheck shell=bash
# What every test script says and checks with, in tests/interop and tests/guest. Sourced by their lib.sh, which set $work
# (also the current folder) and $pids.

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

# in_background NAME COMMAND...: its process id goes to $background_pid, what it says to NAME.out and NAME.log. The
# process is COMMAND itself (`ip netns exec` replaces itself), so a signal reaches it.
in_background() {
    local name=$1
    shift
    : >"$name.out" # there, and empty, for whoever looks at once
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
    echo "ok: $1: $(stat -L -c %s "$2") bytes are the same"
}

# random_file FILE MEBIBYTES
random_file() {
    head -c "$(($2 * 1048576))" /dev/urandom >"$1"
}

fio_report() {
    sed -i -n '/^{/,$p' "$1.json" # notes come before the JSON
    same "errors of fio $1" 0 "$(jq '[.jobs[] | .error, .total_err] | add' "$1.json")"
    jq -r --arg name "$1" '.jobs[0] | "ok: fio \($name): wrote \(.write.io_bytes / 1048576 | floor)" +
        " MiB, read and verified \(.read.io_bytes / 1048576 | floor) MiB"' "$1.json"
}

# kernel_complaints: in a guest, what the kernel's log may not hold. Stalls that a busy host causes under emulation it may.
kernel_complaints() {
    local words='WARNING:|BUG:|Oops|general protection|blocked for more than|use-after-free|refcount_t'
    dmesg | grep -aE "$words" | grep -avE 'soft lockup|rcu.*stall' | head -n 5
}
