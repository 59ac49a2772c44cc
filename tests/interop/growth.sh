#!/usr/bin/env bash
# The disk behind a LUN grows while it is served: that is noticed within two minutes, and said; a client that connects
# then sees the new size, and what is beyond the old end is written and read back.
export LIMIT_SECONDS=200
. "$(dirname "$0")/lib.sh"
need nbdinfo qemu-io

make_wire 0 1500
truncate -s 8M disk.img
start_model -i t0 --file disk.img
start_serve 1.0 -i i0
same "size before" $((8 << 20)) "$(timeout 10 nbdinfo --size "$uri")"
qemu-io -f raw "$uri" -c "write -P 0x42 0 64k" -c flush >before.txt
truncate -s 12M disk.img
start=$SECONDS
grown() { still_serving && grep -q "has $((12 << 20)) bytes now" serve.log; }
wait_until 130 grown || fail "nothing says that the disk has grown: $(cat serve.log)"
echo "ok: noticed after $((SECONDS - start)) s: $(tail -n 1 serve.log)"
same "size for a client that connects now" $((12 << 20)) "$(timeout 10 nbdinfo --size "$uri")"
qemu-io -f raw "$uri" -c "read -P 0x42 0 64k" -c "write -P 0x43 11M 1M" -c flush -c "read -P 0x43 11M 1M" >after.txt
! grep -qE "failed|error" after.txt || fail "$(cat after.txt)"
tail -c 1M disk.img >tail.img
head -c 1M /dev/zero | tr '\0' '\103' >written.img
same_bytes "the target's file and what was written beyond the old end" written.img tail.img
stop_serve
no_request_failed
