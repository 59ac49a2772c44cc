#!/usr/bin/env bash
# The log of uaoed and `uaoe serve`: entries of the journal with fields when standard error is the journal, text everywhere
# else; each says which LUN and path, what happened and what is done; a path that flaps is a few lines, while `uaoe events`
# hears everything.
export LIMIT_SECONDS=100
# Mounts made here end with the script.
[ -n "${INTEROP_MOUNTS:-}" ] || exec env INTEROP_MOUNTS=1 unshare -m bash "$0" "$@"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
folder=$(cd "$(dirname "$0")" && pwd)
need vblade python3
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 1500
make_wire 1 1500
truncate -s 4M disk0
start_vblade 1 0 t0 disk0
start_vblade 1 0 t1 disk0
mkdir -p run /run/systemd
mount -t tmpfs tmpfs /run/systemd # this script's own
mkdir /run/systemd/journal
control=$work/run/control.sock
uaoe() { in_initiator "$UAOE" "$@" --control "$control"; }

start_journal() { # NAME: what it takes is in NAME.out
    in_background "$1" python3 "$folder/journal.py" /run/systemd/journal/socket
    journal=$background_pid
    wait_until 10 grep -q ready "$1.out" || fail "no journal: $(cat "$1.log")"
}
# with_journal COMMAND...: as systemd starts it, with standard error connected to the journal.
with_journal() { exec ip netns exec "$initiator_ns" bash -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' x "$@"; }
start_daemon() { # NAME COMMAND...
    local name=$1
    shift
    in_background "$name" "$@" "$UAOED" -i i0 -i i1 --control "$control"
    daemon=$background_pid
    wait_until 10 eval 'uaoe list >/dev/null 2>&1' || fail "uaoed does not answer"
}
# took FILTER [NAME]: the journal has such an entry.
took() { jq -es "any(.[]; $1)" "${2:-journal}.out" >/dev/null 2>&1; }
expect() { # WHAT FILTER [NAME]
    wait_until 15 took "$2" "${3:-journal}" || fail "no entry of $1: $(cat "${3:-journal}.out")"
    echo "ok: $1: $(jq -c "select($2)" "${3:-journal}.out" | head -n 1)"
}

start_journal journal
start_daemon uaoed with_journal
in_background events ip netns exec "$initiator_ns" "$UAOE" events --json --control "$control"
uri=$(uaoe attach 1.0 --export)
mac=$(in_target cat /sys/class/net/t1/address)
expect "attached" ".UAOE_EVENT == \"attached\" and .UAOE_ADDRESS == \"1.0\" and .UAOE_DEVICE == \"$uri\" and
    .SYSLOG_IDENTIFIER == \"uaoed\" and .PRIORITY == \"5\" and .MESSAGE == \"1.0: attached as $uri\""
wait_until 10 eval '[ "$(uaoe show 1.0 --json | jq "[.paths[] | select(.state == \"up\")] | length")" = 2 ]' || fail "not two paths"
ip -n "$initiator_ns" link set i1 down
expect "path down" ".UAOE_EVENT == \"path_down\" and .UAOE_ADDRESS == \"1.0\" and .UAOE_INTERFACE == \"i1\" and
    .UAOE_TARGET_MAC == \"$mac\" and .PRIORITY == \"4\" and
    (.MESSAGE | test(\"^1.0: path i1 to $mac is down: .*; other paths take its commands\"))"
ip -n "$initiator_ns" link set i1 up
expect "path up" '.UAOE_EVENT == "path_up" and .UAOE_INTERFACE == "i1" and .PRIORITY == "6"'
kill -HUP "$daemon"
expect "what is of no LUN" '.MESSAGE == "the configuration has been read again" and (has("UAOE_ADDRESS") | not)'
same "lines on standard error that the journal has" "" "$(grep -vE 'memory pressure|OOM killer' uaoed.log || true)"

# A path that flaps. Lines of the last period are over first.
sleep 11
entries() { jq -s 'map(select(.UAOE_EVENT // "" | startswith("path_"))) | length' "$1"; }
before=$(entries journal.out)
events_before=$(jq -s 'map(select(.event | startswith("path_"))) | length' events.out)
for _ in $(seq 12); do
    ip -n "$initiator_ns" link set i1 down
    sleep 0.15
    ip -n "$initiator_ns" link set i1 up
    sleep 0.25
done
expect "what was left out" '(.UAOE_LEFT_OUT_COUNT // "0" | tonumber) > 5 and .UAOE_ADDRESS == "1.0" and
    (.MESSAGE | test("^1.0: [0-9]+ more such lines were left out in 10 s; the last: path i1 to .* is "))'
happened=$(($(jq -s 'map(select(.event | startswith("path_"))) | length' events.out) - events_before))
said=$(($(entries journal.out) - before))
left_out=$(jq -s 'map(.UAOE_LEFT_OUT_COUNT // "0" | tonumber) | add' journal.out)
[ "$happened" -ge 24 ] || fail "only $happened events"
# Ten of one period, what was left out, and what came after.
[ "$said" -le 21 ] || fail "$said lines of $happened events"
same "events, and lines that were said or are counted" "$happened" $((said - 1 + left_out))

# The journal is started anew, and is gone: then it is text.
end_background "$journal" KILL
start_journal second
uaoe detach 1.0
expect "detached, to the next journal" '.UAOE_EVENT == "detached" and .UAOE_ADDRESS == "1.0"' second
end_background "$journal" KILL
rm /run/systemd/journal/socket
uri=$(uaoe attach 1.0 --export)
wait_until 5 grep -q "^1.0: attached as $uri\$" uaoed.log || fail "nothing is said without a journal: $(cat uaoed.log)"
echo "ok: without a journal it is on standard error"
uaoe detach 1.0
end_background "$daemon"

# Standard error is something else than JOURNAL_STREAM says: a service that writes to a file.
start_journal third
start_daemon file ip netns exec "$initiator_ns" env JOURNAL_STREAM=1:2
uaoe attach 1.0 --export >/dev/null
wait_until 5 grep -q "^1.0: attached as nbd" file.log || fail "nothing is said on standard error: $(cat file.log)"
same "entries of what has another standard error" 1 "$(wc -l <third.out)"
uaoe detach 1.0
end_background "$daemon"

# Without a daemon.
in_background serve with_journal "$UAOE" serve 1.0 -i i0 -i i1 --nbd-socket "$work/nbd.sock"
wait_until 10 test -s serve.out || fail "uaoe serve printed nothing: $(cat serve.log)"
ip -n "$initiator_ns" link set i1 down
expect "path down, of uaoe serve" '.SYSLOG_IDENTIFIER == "uaoe" and .UAOE_EVENT == "path_down" and .UAOE_INTERFACE == "i1"' third
end_background "$background_pid"
same "exit code of uaoe serve" 0 "$ended_status"
status=0
(with_journal "$UAOE" serve 1.0 -i none --nbd-socket "$work/nbd.sock") 2>failed.log || status=$?
same "exit code without the interface" 1 "$status"
expect "its error" '.PRIORITY == "3" and .SYSLOG_IDENTIFIER == "uaoe" and (.MESSAGE | test("none"))' third
