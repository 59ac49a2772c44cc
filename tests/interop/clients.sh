#!/usr/bin/env bash
# The NBD clients that people use: nbdinfo, nbdcopy, qemu-img, qemu-io.
export LIMIT_SECONDS=120
. "$(dirname "$0")/lib.sh"
need vblade nbdinfo nbdcopy qemu-img qemu-io

make_wire 0 9000
truncate -s 64M disk.img
start_vblade 1 0 t0 disk.img
start_serve 1.0 -i i0

# nbdinfo: the export under both of its names and as the default one.
timeout 10 nbdinfo --json "$uri" >info.json
same "nbdinfo: size" $((64 << 20)) "$(jq '.exports[0]["export-size"]' info.json)"
same "nbdinfo: read-only, flush, FUA, multi-conn, zeroes" "false true true true true" \
    "$(jq -r '.exports[0] | [.is_read_only, .can_flush, .can_fua, .can_multi_conn, .can_zero] | map(tostring) | join(" ")' info.json)"
same "nbdinfo: smallest block" 512 "$(jq '.exports[0].block_size_minimum // .exports[0]["block-size-minimum"]' info.json)"
timeout 10 nbdinfo --list --json "nbd+unix://?socket=$work/nbd.sock" >list.json
same "nbdinfo --list" '["1.0"]' "$(jq -c '[.exports[]["export-name"]]' list.json)"
for name in 1.0 e1.0 ""; do
    same "size of the export named '$name'" $((64 << 20)) \
        "$(timeout 10 nbdinfo --size "nbd+unix:///$name?socket=$work/nbd.sock")"
done
if timeout 10 nbdinfo "nbd+unix:///2.0?socket=$work/nbd.sock" >unknown.log 2>&1; then
    fail "an export that is not there could be opened"
fi
still_serving

# nbdcopy: in and out, several connections, compared with the target's own file.
random_file data.img 64
nbdcopy data.img "$uri"
same_bytes "nbdcopy in" data.img disk.img
nbdcopy --connections=4 --requests=64 "$uri" back.img
same_bytes "nbdcopy out, 4 connections" data.img back.img

# qemu-img: a qcow2 image in, raw and qcow2 out, and its own comparison.
random_file part.img 40
truncate -s 64M part.img
qemu-img convert -f raw -O qcow2 part.img part.qcow2
qemu-img convert -n -f qcow2 -O raw part.qcow2 "$uri"
same_bytes "qemu-img convert in" part.img disk.img
qemu-img convert -f raw -O qcow2 "$uri" out.qcow2
same "qemu-img compare" "Images are identical." "$(qemu-img compare -f raw -F qcow2 part.img out.qcow2)"

# qemu-io: FUA, flush, zeroes, and edges that are not multiples of 4 KiB.
timeout 30 qemu-io -f raw "$uri" >qemu-io.txt \
    -c "write -P 0xa5 0 1M" -c "write -f -P 0x5a 512 512" -c "aio_write -P 0x11 2M 1M" \
    -c "aio_write -P 0x22 4M 64k" -c "aio_flush" -c "flush" -c "write -z 3M 128k" \
    -c "write -f -P 0x77 67108352 512" \
    -c "read -P 0xa5 0 512" -c "read -P 0x5a 512 512" -c "read -P 0xa5 1k 1023k" \
    -c "read -P 0x11 2M 1M" -c "read -P 0x22 4M 64k" -c "read -P 0 3M 128k" -c "read -P 0x77 67108352 512"
if grep -E "verification failed|error|failed" qemu-io.txt; then
    fail "qemu-io reported a failure"
fi
echo "ok: qemu-io: $(grep -c '^read ' qemu-io.txt) patterns read back"
nbdcopy "$uri" after.img
same_bytes "the target's file after qemu-io" disk.img after.img
stop_serve
jq -c '.requests' stats.json

# A read-only export says so and refuses writes.
start_serve 1.0 -i i0 --read-only
same "nbdinfo: read-only" true "$(timeout 10 nbdinfo --json "$uri" | jq '.exports[0].is_read_only')"
if qemu-io -f raw "$uri" -c "write -P 1 0 512" >read-only.log 2>&1; then
    fail "a read-only export could be written"
fi
same_bytes "the target's file after a refused write" disk.img after.img
stop_serve
