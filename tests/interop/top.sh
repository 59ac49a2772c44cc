#!/usr/bin/env bash
# `uaoe top`: on a terminal and in a pipe, what it shows is what is done; it ends, and goes on, as it should.
export LIMIT_SECONDS=150
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
folder=$(cd "$(dirname "$0")" && pwd)
need vblade fio python3
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 1500
truncate -s 4M disk0 disk1
start_vblade 1 0 t0 disk0
start_vblade 1 1 t0 disk1
mkdir run
control=$work/run/control.sock
uaoe() { in_initiator "$UAOE" "$@" --control "$control"; }
start_daemon() {
    in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -i i0 --control "$control"
    daemon=$background_pid
    wait_until 10 eval 'uaoe list >/dev/null 2>&1' || fail "uaoed does not answer"
}

refused "without uaoed" 4 'start uaoed' uaoe top --once
start_daemon
matches "without a LUN" '^0 LUNs, 0 not up; 0 paths, 0 not up' "$(uaoe top --once --interval 1 | head -n 1)"
refused "no such LUN" 3 '1.0 is not attached.*uaoe list' uaoe top 1.0 --once
refused "no interval" 2 'interval' uaoe top --interval 0
refused "a count that is none" 2 'count' uaoe top --count x
refused "both" 2 'once' uaoe top --once --count 2
uri=$(uaoe attach 1.0 --export)
uaoe attach 1.1 --export >/dev/null

# What fio does at a known rate, seen over some seconds.
in_background load fio --name=load --ioengine=nbd --uri="$uri" --rw=randread --bs=4k --size=4M --rate_iops=200 --time_based \
    --runtime=100
wait_until 10 eval 'uaoe show 1.0 --json | jq -e ".requests.read.requests_count > 50" >/dev/null' || fail "fio does not read"
uaoe top --once --interval 4 >once.txt
cat once.txt
read -r _ state bytes _ iops p50 p99 _ _ paths < <(grep '^1\.0 ' once.txt)
same "state and paths" "up 1/1" "$state $paths"
[ "$iops" -ge 150 ] && [ "$iops" -le 250 ] || fail "$iops requests a second, and not 200"
matches "bytes of those" '^[0-9.]+K$' "$bytes"
awk -v k="${bytes%K}" -v iops="$iops" 'BEGIN {exit !(k / iops > 3.9 && k / iops < 4.1)}' || fail "$bytes are not $iops times 4 KiB"
matches "percentiles" '^[0-9.]+[um]s [0-9.]+m?u?s$' "$p50 $p99"
same "nothing for the other" "1.1 up 0 0 0 - - 0 0 1/1" "$(grep '^1\.1 ' once.txt | xargs)"
same "lines of at most 80 columns" 0 "$(awk 'length > 80' once.txt | wc -l)"
same "three times, one LUN with its path" "3 3 3" "$(uaoe top 1.0 --paths --interval 1 --count 3 | awk '/^1\.0 / {luns++}
    /^  i0 / {paths++} /IOPS;/ {heads++} END {print luns, paths, heads}')"
same "no sequences of a terminal in a pipe" 0 "$(uaoe top --count 2 --interval 1 | grep -c $'\x1b' || true)"

# Interrupted, a pipe's end is no failure; neither is a reader that has enough.
in_background piped ip netns exec "$initiator_ns" "$UAOE" top --interval 1 --control "$control"
wait_until 10 grep -q IOPS piped.out || fail "nothing in the pipe"
end_background "$background_pid" INT
same "exit code after SIGINT" 0 "$ended_status"

for end in q ctrl-c TERM; do
    in_initiator python3 "$folder/top_terminal.py" "$end" "$UAOE" top --interval 1 --control "$control" >screen.txt ||
        fail "on a terminal, ended by $end"
    grep -q '^1\.0  *up ' screen.txt || fail "no LUN on the screen: $(cat screen.txt)"
    echo "ok: on a terminal, ended by $end"
done

# uaoed ends: plain lines end, too, and say why.
in_background plain ip netns exec "$initiator_ns" "$UAOE" top --interval 1 --control "$control"
wait_until 10 grep -q IOPS plain.out || fail "nothing in the pipe"
end_background "$daemon"
status=0
wait "$background_pid" || status=$?
same "exit code when uaoed ends" 4 "$status"
