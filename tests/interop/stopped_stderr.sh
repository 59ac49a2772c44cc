#!/usr/bin/env bash
# A standard error that nobody reads (a stopped terminal, a full pipe) stops neither the I/O nor the end of the server.
export LIMIT_SECONDS=60
. "$(dirname "$0")/lib.sh"
need vblade qemu-io

make_wire 0 1500
make_wire 1 1500
truncate -s 8M disk.img
start_vblade 1 0 t0 disk.img
start_vblade 1 0 t1 disk.img

mkfifo stopped
: >serve.out # there before the first look at it
exec {stopped}<>stopped # held open, never read
ip netns exec "$initiator_ns" "$UAOE" serve 1.0 -i i0 -i i1 --nbd-socket "$work/nbd.sock" \
    --stats "$work/stats.json" >serve.out 2>stopped &
serve_pid=$!
pids+=("$serve_pid")
wait_until 15 serve_spoke_or_ended || fail "uaoe serve printed no URI in 15 s"
uri=$(cat serve.out)
timeout 5 dd if=/dev/zero of=stopped oflag=nonblock bs=4096 count=1024 2>/dev/null || true

# Every change of a path that is used is a line.
use() {
    timeout 10 qemu-io -f raw -c "read -P 0 0 64k" "$uri" >/dev/null ||
        fail "I/O stopped with standard error"
}
for _ in 1 2 3; do
    use
    ip -n "$initiator_ns" link set i1 down
    use
    ip -n "$initiator_ns" link set i1 up
done
echo "ok: read while standard error is stopped"
start=$SECONDS
stop_serve
[ $((SECONDS - start)) -le 8 ] || fail "it took $((SECONDS - start)) s to end"
