#!/usr/bin/env bash
# NBD clients that send garbage, ask for too much, or die in the middle: the server lives, other clients are served, and
# no byte outside of what was being written changes.
export LIMIT_SECONDS=120
. "$(dirname "$0")/lib.sh"
need vblade nbdinfo nbdcopy qemu-io
[ -x "${NBD_ABUSE:-}" ] || fail "NBD_ABUSE does not name a program"

make_wire 0 9000
random_file disk.img 8
start_vblade 1 0 t0 disk.img
start_serve 1.0 -i i0
size_bytes=$((8 << 20))
cp disk.img before.img
descriptors() { find "/proc/$serve_pid/fd" -mindepth 1 | wc -l; }
timeout 10 nbdinfo --size "$uri" >/dev/null
descriptors_before=$(descriptors)

for case in garbage-greeting garbage-options garbage-requests unknown-command oversize past-end unaligned \
    die-early die-owed-replies; do
    timeout 60 "$NBD_ABUSE" "$work/nbd.sock" "$size_bytes" "$case" || fail "case $case"
    still_serving
    same "after $case, size" "$size_bytes" "$(timeout 10 nbdinfo --size "$uri")"
done
same_bytes "the disk after reads and refused writes" before.img disk.img

timeout 60 "$NBD_ABUSE" "$work/nbd.sock" "$size_bytes" die-mid-write || fail "case die-mid-write"
still_serving
timeout 20 nbdcopy "$uri" after.img
cmp <(tail -c +1048577 before.img) <(tail -c +1048577 after.img) || fail "bytes beyond the cut-off writes changed"
echo "ok: bytes beyond the cut-off writes are the same"

# Clients that sit on their connections hold nobody else up.
mkfifo held
"$NBD_ABUSE" "$work/nbd.sock" "$size_bytes" sit <held >sit.out 2>sit.log &
sitter=$!
pids+=("$sitter")
exec {held}>held
wait_until 10 grep -q sitting sit.out || fail "the sitting client could not sit"
timeout 20 nbdcopy before.img "$uri" || fail "a client that does not read its replies holds others up"
timeout 20 nbdcopy "$uri" after.img
same_bytes "copied in and out beside a client that does not read" before.img after.img
exec {held}>&-
wait "$sitter" || fail "the sitting client failed"

gone() { [ "$(descriptors)" -le "$descriptors_before" ]; }
wait_until 10 gone || fail "descriptors leak: $descriptors_before before, $(descriptors) after"
echo "ok: no descriptor leaked ($descriptors_before)"
stop_serve
