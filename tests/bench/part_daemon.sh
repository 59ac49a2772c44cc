# shellcheck shell=bash
# Part m of tests/bench/run, which sources this: what a daemon with many LUNs costs.

# Resident memory in KiB; pages of files do not count.
anonymous_kib() { awk '/^RssAnon/ {print $2}' "/proc/$1/status"; }

# milliseconds COMMAND...: from its start to its end.
milliseconds() {
    local start=${EPOCHREALTIME/./}
    "$@" >daemon.out || fail "$*: exit status $?"
    echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

run_part_m() {
    local control=$work/m/control.sock uaoed_pid target_pid one all slot discovered=4096 attached=256
    begin_part m 1
    echo "(m) uaoed with $discovered LUNs discovered and $attached attached, idle."
    set_mtu 9000
    mkdir m
    start_model -i t0 --luns $discovered --size 1T
    target_pid=$background_pid
    : >m/uaoe.toml
    in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c m/uaoe.toml -i i0 --control "$control"
    uaoed_pid=$background_pid
    wait_until 20 test -S "$control" || fail "uaoed does not listen"
    "$UAOE" attach 1.0 --export --wait 30 --control "$control" >/dev/null
    one=$(anonymous_kib "$uaoed_pid")
    for ((slot = 1; slot < attached; ++slot)); do
        progress "part m: attaching $slot of $attached"
        "$UAOE" attach "$((1 + slot / 255)).$((slot % 255))" --export --wait 30 --control "$control" >/dev/null
    done
    all=$(anonymous_kib "$uaoed_pid")
    same "attached LUNs" $attached "$("$UAOE" list --json --control "$control" | jq length)"
    rm -f sample.*
    for _ in $(seq 20); do milliseconds "$UAOE" list --control "$control" >>sample.list; done
    row_done
    printf 'list of %d attached LUNs: %s ms (%s), memory of uaoed: %s KiB with one LUN, %s KiB for each further one\n' \
        $attached "$(median sample.list)" "$(spread sample.list)" "$one" $(((all - one) / (attached - 1)))
    jq -cn --argjson attached $attached --argjson discovered $discovered --argjson list_ms "$(median sample.list)" \
        --argjson one_kib "$one" --argjson each_kib $(((all - one) / (attached - 1))) \
        '{kind: "daemon", $attached, $discovered, $list_ms, one_lun_kib: $one_kib, each_lun_kib: $each_kib}' >>"$json"
    end_background "$uaoed_pid"
    end_background "$target_pid"
}
