#!/usr/bin/env bash
# uaoed with NBD exports, which need no kernel driver: attach, list, show, detach; LUNs that come later; restarts; a
# control socket that is spoken to with garbage; a broken configuration; no space in /run.
export LIMIT_SECONDS=150
# Mounts made here end with the script.
[ -n "${INTEROP_MOUNTS:-}" ] || exec env INTEROP_MOUNTS=1 unshare -m bash "$0" "$@"
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need nbdinfo nbdcopy fio vblade python3
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 9000
truncate -s 8M disk0 disk1
in_background vblade0 ip netns exec "$target_ns" vblade 1 0 t0 disk0
mkdir run etc
mount -t tmpfs -o size=128k tmpfs run # small, so that it can be filled
control=$work/run/control.sock

uaoe() { in_initiator "$UAOE" "$@" --control "$control"; }
start_daemon() {
    in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml" -i i0 --control "$control"
    daemon=$background_pid
    wait_until 10 test -S "$control" || fail "uaoed does not listen"
}
# expect STATUS PATTERN COMMAND...: exits so, and says that, in one line, on stderr.
expect() {
    local wanted=$1 pattern=$2 status=0
    shift 2
    "$@" >expect.out 2>expect.err || status=$?
    [ "$status" = "$wanted" ] || fail "$* exited with $status, not $wanted: $(cat expect.err)"
    # Where the machine does not let uaoed protect itself it says so, in lines of their own.
    grep -v -e "memory pressure" -e "OOM killer" expect.err >expect.line || true
    [ "$(wc -l <expect.line)" -le 1 ] || fail "$*: more than a line: $(cat expect.err)"
    grep -q -- "$pattern" expect.err || fail "$*: \"$(cat expect.err)\" has no \"$pattern\""
}

expect 4 "start uaoed" uaoe list
: >etc/uaoe.toml
start_daemon
[ "$(uaoe list --json)" = "[]" ] || fail "the list of a new daemon is not empty"

# Attach, use, look, refuse.
uri=$(uaoe attach 1.0 --export --fail-after 7)
head -c 8M /dev/urandom >data
nbdcopy data "$uri"
nbdcopy "$uri" back && cmp data back && cmp data disk0 || fail "the data is not what was written"
echo "8 MiB written through $uri and compared"
[ "$(uaoe list --json | jq -r '.[0] | "\(.address) \(.frontend) \(.size_bytes) \(.state) \(.fail_after_s)"')" = \
    "1.0 export 8388608 up 7" ] || fail "list: $(uaoe list --json)"
[ "$(uaoe list --json | jq -r '.[0].device')" = "$uri" ] || fail "list names another device"
uaoe show 1.0 --json | jq -e '.requests.write.size_bytes == 8388608 and .paths[0].state == "up"' >/dev/null ||
    fail "show: $(uaoe show 1.0 --json)"
uaoe show 1.0 | grep -q "fenced writes" || fail "show has no text"
expect 1 "attached already, as nbd+unix" uaoe attach 1.0 --export
expect 1 "uaoed" in_initiator "$UAOE" serve 1.0 -i i0 --nbd-socket "$work/x.sock"
expect 3 "not found" uaoe attach 9.9 --export --wait 1
expect 3 "not attached" uaoe show 9.9
expect 3 "not attached" uaoe detach /dev/ublkb77
in_background second ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml" -i i0 --control "$control"
status=0; wait "$background_pid" || status=$?
[ "$status" = 1 ] && grep -q "another uaoed runs" second.log || fail "a second daemon: $status $(cat second.log)"

# A LUN that comes later, waited for.
in_background later ip netns exec "$initiator_ns" "$UAOE" attach 1.1 --export --wait 20 --control "$control"
later=$background_pid
sleep 1
in_background vblade1 ip netns exec "$target_ns" vblade 1 1 t0 disk1
wait "$later" || fail "the LUN that came later was not attached: $(cat later.log)"
grep -q "1.1.nbd" later.out || fail "attach printed $(cat later.out)"
uaoe detach e1.1
[ ! -e run/1.1.nbd ] || fail "the socket is left"
[ ! -e run/luns/1.1.json ] || fail "the state is left"

# Killed, and ended: the same export is there again, the data too.
for signal in KILL TERM; do
    end_background "$daemon" "$signal"
    [ -e run/luns/1.0.json ] || fail "the state is gone after SIG$signal"
    start_daemon
    wait_until 10 eval 'nbdinfo "$uri" >/dev/null 2>&1' || fail "the export is not back after SIG$signal"
    nbdcopy "$uri" back && cmp data back || fail "the data is not there after SIG$signal"
    [ "$(uaoe list --json | jq -r '.[0].fail_after_s')" = 7 ] || fail "options are lost"
done
echo "killed and ended: the export came back each time, 8 MiB compared"

# Configured LUNs, drop-ins, and a configuration that is broken.
uaoe detach 1.0
uaoe attach 1.1 --export --persist >/dev/null
[ -e etc/uaoe.d/1.1.toml ] || fail "--persist left nothing"
printf '[[lun]]\naddress = "1.0"\nfrontend = "export"\n[[lun]]\naddress = "5.5"\n' >etc/uaoe.toml
kill -HUP "$daemon"
wait_until 10 test -S run/1.0.nbd || fail "a configured LUN is not attached after SIGHUP"
wait_until 5 eval 'uaoe list --json | jq -e ".[] | select(.address == \"5.5\" and .state == \"waiting\")" >/dev/null' ||
    fail "a LUN that is not there does not wait: $(uaoe list)"
uaoe detach 5.5
printf '[[lun]]\naddress = "1.0"\n\n  nonsense = 1\n' >etc/uaoe.toml
kill -HUP "$daemon"
wait_until 5 grep -q "line 4, column 3" uaoed.log || fail "SIGHUP does not name line and column: $(tail -n 3 uaoed.log)"
[ "$(uaoe list --json | jq length)" = 2 ] || fail "a broken configuration changed something"
end_background "$daemon" TERM
start_daemon # what is attached does not depend on it
wait_until 10 test -S run/1.1.nbd && wait_until 10 test -S run/1.0.nbd || fail "a broken configuration keeps LUNs away"
[ "$(grep -c "line 4, column 3" uaoed.log)" = 2 ] || fail "nothing is said of it: $(tail -n 3 uaoed.log)"
end_background "$daemon" TERM
: >etc/uaoe.toml
start_daemon
wait_until 10 test -S run/1.1.nbd && wait_until 10 test -S run/1.0.nbd || fail "not everything is back"
uaoe detach 1.1
[ ! -e etc/uaoe.d/1.1.toml ] || fail "detach left the drop-in"

# Garbage.
python3 - "$control" <<'PYTHON'
import os, socket, sys, time
def talk(data, read=True):
    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])
    try:
        s.sendall(data)
        if read:
            s.shutdown(socket.SHUT_WR)
            return s.recv(65536)
    except OSError:
        return b""
    finally:
        s.close()
assert b'"ok":false' in talk(b"hello\n")
assert b'"ok":false' in talk(b'{"command":"attach","address":"1.0","x":1}\n')
assert b'"ok":false' in talk(b"[" * 4095 + b"\n")
talk(b"x" * 100000)
talk(b'{"command":"list"', read=False)
for i in range(200):
    talk(os.urandom(1 + i * 7) + b"\n")
held = []
for i in range(200):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)
time.sleep(0.3)
for s in held: s.close()
time.sleep(0.3)
assert b'"ok":true' in talk(b'{"command":"list"}\n')
PYTHON
kill -0 "$daemon" || fail "uaoed is gone"
[ "$(uaoe list --json | jq length)" = 1 ] || fail "garbage changed something: $(uaoe list)"

# No space for the state: nothing is attached by halves.
dd if=/dev/zero of=run/full bs=4k 2>/dev/null || true
expect 1 "No space left" uaoe attach 1.1 --export
[ ! -e run/1.1.nbd ] || fail "an export without a state"
rm run/full
uaoe attach 1.1 --export >/dev/null || fail "it is not free afterwards"

# An export that is used.
in_background client ip netns exec "$initiator_ns" fio --name=client --ioengine=nbd --uri="$uri" --rw=randread \
    --bs=4k --time_based --runtime=30 --rate_iops=50 --thread
wait_until 10 eval 'uaoe show 1.0 --json | jq -e ".requests.read.requests_count > 20" >/dev/null' ||
    fail "no client: $(cat client.log)"
expect 1 "busy" uaoe detach 1.0
uaoe detach 1.0 --force
[ "$(uaoe list --json | jq length)" = 1 ] || fail "not detached: $(uaoe list)"
end_background "$daemon" TERM
[ "$ended_status" = 0 ] || fail "uaoed exited with $ended_status"
rm -r run/luns
echo 'shards = "many"' >etc/uaoe.toml
expect 1 "line 1, column 10" ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml" -i i0 --control "$control"
echo "a broken configuration: with LUNs attached they go on, without any uaoed does not start"
umount run
echo "passed"
