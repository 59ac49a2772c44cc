#!/usr/bin/env bash
# An interface that is taken away and made anew under the same name: its paths are verified again, and serving goes on.
export LIMIT_SECONDS=60
. "$(dirname "$0")/lib.sh"
need vblade qemu-io

make_wire 0 1500
truncate -s 8M disk.img
start_vblade 1 0 t0 disk.img
vblade_pid=$background_pid
start_serve 1.0 -i i0
use() { timeout 20 qemu-io -f raw -c "write -P $1 0 64k" -c "read -P $1 0 64k" "$uri" >/dev/null || fail "I/O: $2"; }
use 1 "before"

# All of it in one piece of news: the server is asleep meanwhile.
kill -STOP "$serve_pid"
end_background "$vblade_pid" KILL
ip -n "$initiator_ns" link del i0
make_wire 0 1500
kill -CONT "$serve_pid"
start_vblade 1 0 t0 disk.img
wait_until 10 grep -q 'path i0 .* is down' serve.log || fail "the paths of the former interface were not given up"
echo "ok: the paths of the former interface are down"
use 2 "after the interface was replaced"
echo "ok: I/O on the new interface"
stop_serve
