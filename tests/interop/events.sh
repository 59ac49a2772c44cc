#!/usr/bin/env bash
# `uaoe events`: everything that happens to a LUN is a line, in order, for each who follows; one that does not read holds up
# nobody, costs a bounded queue, and is told how many it missed; what happens when uaoed ends.
export LIMIT_SECONDS=200
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade nbdcopy ss
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 1500
make_wire 1 1500
truncate -s 4M disk0 disk1 other
start_vblade 1 0 t0 disk0
first=$background_pid
start_vblade 1 0 t1 disk0
second=$background_pid
start_vblade 1 1 t0 disk1
mkdir run
control=$work/run/control.sock
uaoe() { in_initiator "$UAOE" "$@" --control "$control"; }
start_daemon() {
    in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -i i0 -i i1 --control "$control"
    daemon=$background_pid
    wait_until 10 eval 'uaoe list >/dev/null 2>&1' || fail "uaoed does not answer"
}
follow() { # NAME OPTION...
    local name=$1
    shift
    in_background "$name" ip netns exec "$initiator_ns" "$UAOE" events --control "$control" "$@"
}
follows() { [ "$(in_initiator ss -Hx state connected src "$control" | wc -l)" -eq "$1" ]; }
# saw FILTER: the follower of everything has a line like that.
saw() { jq -es "any(.[]; $1)" all.out >/dev/null 2>&1; }
expect() { # WHAT FILTER
    wait_until 15 saw "$2" || fail "no event $1: $(cat all.out)"
    echo "ok: $1: $(jq -c "select($2)" all.out | head -n 1)"
}

refused "without uaoed" 4 'start uaoed' uaoe events
refused "a device is no address" 2 'shelf\.slot' uaoe events /dev/ublkb0
start_daemon
follow all --json
all=$background_pid
follow text
follow one 1.1 --json
wait_until 10 follows 3 || fail "nobody follows"

uri=$(uaoe attach 1.0 --export --fail-after 3)
expect "attached" '.event == "attached" and .address == "1.0" and .frontend == "export"'
same "its device" "$uri" "$(jq -r 'select(.event == "attached").device' all.out)"
uaoe attach 1.1 --export >/dev/null

# A path goes, and comes back.
in_background load ip netns exec "$initiator_ns" bash -c "while :; do timeout 5 nbdcopy '$uri' null: || sleep 0.1; done"
load=$background_pid
ip -n "$initiator_ns" link set i1 down
expect "path down" '.event == "path_down" and .interface == "i1" and .address == "1.0"'
ip -n "$initiator_ns" link set i1 up
expect "path up" '.event == "path_up" and .interface == "i1" and .address == "1.0"'

# The target goes, its time runs out, and it comes back.
end_background "$first" KILL
end_background "$second" KILL
expect "target lost" '.event == "target_lost" and .address == "1.0"'
expect "target failed" '.event == "target_failed" and .address == "1.0"'
start_vblade 1 0 t0 disk0
first=$background_pid
expect "target back" '.event == "target_back" and .address == "1.0"'

# Another disk under the same address.
truncate -s 8M other
start_vblade 1 0 t1 other
expect "conflict" '.event == "conflict" and .address == "1.0" and .interface == "i1"'
end_background "$background_pid" KILL

uaoe detach 1.0 --force
expect "detached" '.event == "detached" and .address == "1.0"'
end_background "$load" KILL
# A busy machine may lose and find the target in between, too.
jq -es 'map(select(.address == "1.0").event) | .[0] == "attached" and .[-1] == "detached" and
    index("target_lost") < index("target_failed") and index("target_failed") < rindex("target_back")' all.out >/dev/null ||
    fail "they are not in order: $(jq -r .event all.out | xargs)"
same "every line has a time" "" "$(jq -r 'select(.time | test("^[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z$") | not)' all.out)"
same "a follower of one LUN hears of no other" "1.1" "$(jq -r .address one.out | sort -u)"
matches "in words" '^[0-9T:.Z-]{24} 1\.0: attached as nbd' "$(grep attached text.out | head -n 1)"
matches "in words" ' 1\.0: no path answers; requests wait$' "$(grep 'no path' text.out | head -n 1)"

uaoe detach 1.1
end_background "$first" KILL

# Both signals end it, and that is no failure.
for signal in INT TERM; do
    follow ended
    wait_until 5 follows 4 || fail "the fourth does not follow"
    end_background "$background_pid" "$signal"
    same "exit code after SIG$signal" 0 "$ended_status"
    wait_until 5 follows 3 || fail "uaoed does not notice that it is gone"
done

# One that does not read: uaoed's memory stays, it answers, and the follower learns how many it missed.
start_model -i t0 --luns 34 --size 1G # 1.0 and 1.1 were other disks
for lun in $(seq 2 33); do
    uaoe attach "1.$lun" --export --wait 20 >/dev/null &
    attaching[lun]=$!
done
for lun in $(seq 2 33); do
    wait "${attaching[lun]}" || fail "1.$lun cannot be attached"
done
# quiet: no more events come.
quiet() { local lines; lines=$(wc -l <all.out) && sleep 1 && [ "$lines" = "$(wc -l <all.out)" ]; }
wait_until 20 quiet || fail "events do not end"
follow stopped --json
stopped=$background_pid
wait_until 5 follows 4 || fail "the fourth does not follow"
kill -STOP "$stopped"
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$daemon/status"; }
before_lines=$(wc -l <all.out)
before_kib=$(resident)
for _ in $(seq 60); do
    ip -n "$initiator_ns" link set i0 down
    sleep 0.1
    ip -n "$initiator_ns" link set i0 up
    sleep 0.2
done
wait_until 20 quiet || fail "events do not end"
happened=$(($(wc -l <all.out) - before_lines))
[ "$happened" -gt 5000 ] || fail "only $happened events"
grown=$(($(resident) - before_kib))
[ "$grown" -lt 8192 ] || fail "uaoed grew by $grown KiB"
echo "ok: uaoed grew by $grown KiB over $happened events"
kill -CONT "$stopped"
wait_until 10 grep -q events_lost stopped.out || fail "nobody told of lost lines: $(wc -l <stopped.out) came"
wait_until 5 quiet
same "lines that came, and that were lost" "$happened" "$(jq -s 'map(.lost_count // 1) | add' stopped.out)"
[ "$(jq -s 'map(.lost_count // 0) | add' stopped.out)" -gt 1000 ] || fail "few were lost: $(tail -n 1 stopped.out)"

# There is room for 16.
for number in $(seq 5 16); do
    follow "more$number"
done
wait_until 5 follows 16 || fail "16 do not follow"
refused "the 17th" 1 'too many follow events' uaoe events
same "uaoed answers beside them" 32 "$(uaoe list --json | jq length)"

end_background "$daemon"
status=0
wait "$all" || status=$?
same "exit code when uaoed ends" 4 "$status"
matches "it says so" 'uaoed has ended' "$(tail -n 1 all.log)"
