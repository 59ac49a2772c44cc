#!/usr/bin/env bash
# --fail-after: the client of a silent target gets EIO about then, not before; the server lives on, and the same
# connection settings work as soon as the target is back.
export LIMIT_SECONDS=90
. "$(dirname "$0")/lib.sh"
need vblade qemu-io

make_wire 0 1500
truncate -s 16M disk.img
start_vblade 1 0 t0 disk.img
vblade_pid=$background_pid
start_serve 1.0 -i i0 --fail-after 3
qemu-io -f raw "$uri" -c "write -P 0x42 0 64k" -c "flush" >before.txt
end_background "$vblade_pid" KILL

now_ms() { date +%s%3N; }
start=$(now_ms)
status=0
timeout 30 qemu-io -f raw "$uri" -c "read 0 4k" -c "write -P 1 1M 4k" >io.txt 2>&1 || status=$?
took=$(($(now_ms) - start))
cat io.txt
[ "$status" -ne 124 ] || fail "requests to a silent target hung"
same "requests that failed with EIO" 2 "$(grep -c 'Input/output error' io.txt)"
[ "$took" -ge 2500 ] || fail "the first request failed after $took ms, before --fail-after 3"
[ "$took" -le 12000 ] || fail "two requests took $took ms to fail with --fail-after 3"
echo "ok: both had failed after $took ms"
still_serving
timeout 10 nbdinfo --size "$uri" >/dev/null || fail "the server does not greet a client while its target is away"

start_vblade 1 0 t0 disk.img
vblade_pid=$background_pid
works() { timeout 10 qemu-io -f raw "$uri" -c "read -P 0x42 0 64k" >after.txt 2>&1 && ! grep -q failed after.txt; }
wait_until 15 works || fail "no I/O after the target returned: $(cat after.txt)"
echo "ok: the data is there after the target returned"
qemu-io -f raw "$uri" -c "write -P 0x43 0 64k" -c "flush" -c "read -P 0x43 0 64k" >again.txt
! grep -qE "failed|error" again.txt || fail "$(cat again.txt)"
still_serving
stop_serve
matches "what the log says" '1\.0' "$(cat serve.log)"

# Ended while requests wait for a silent target for ever: it still ends, soon, and the client hears of it.
start_serve 1.0 -i i0 --fail-after 0
end_background "$vblade_pid" KILL
timeout 40 qemu-io -f raw "$uri" -c "read 0 4k" >waiting.txt 2>&1 &
waiting_pid=$!
pids+=("$waiting_pid")
sleep 2
kill -0 "$waiting_pid" 2>/dev/null || fail "with --fail-after 0 a request did not wait: $(cat waiting.txt)"
start=$(now_ms)
end_background "$serve_pid"
took=$(($(now_ms) - start))
same "exit code of uaoe serve with a request under way" 0 "$ended_status"
[ "$took" -le 9000 ] || fail "uaoe serve took $took ms to end"
echo "ok: uaoe serve ended after $took ms"
wait_until 10 eval '! kill -0 "$waiting_pid" 2>/dev/null' || fail "the client of an ended server hangs"
[ ! -e "$work/nbd.sock" ] || fail "uaoe serve left its socket behind"
