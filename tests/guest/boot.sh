#!/usr/bin/env bash
# The guest itself: the kernel that was asked for, its modules, both targets on a wire, and a disk found and read through
# `uaoe serve`. When this fails, look here before at any other guest test.
. "$(dirname "$0")/lib.sh"

same "kernel" "$KERNEL" "$(uname -r | grep -oE '^[0-9]+\.[0-9]+')"
same "processors" 2 "$(nproc)"
make_wire v 9000
make_wire m 1500
head -c 8M /dev/urandom >$disks/v
start_vblade 1 0 v $disks/v
start_model m --slot 1 --size 8M
discovered() {
    timeout 10 "$UAOE" discover "${interfaces[@]}" --json >discover.json && [ "$(jq length discover.json)" -eq 2 ]
}
wait_until 20 discovered || fail "discover: $(cat discover.json)"
same "what discover finds" "1.0 8388608, 1.1 8388608" \
    "$(jq -r '[.[] | "\(.address) \(.size_bytes)"] | sort | join(", ")' discover.json)"

load nbd
in_background serve "$UAOE" serve 1.0 -i v --nbd-socket $work/socket
wait_until 20 test -s serve.out || fail "uaoe serve printed no URI"
nbd-client -unix $work/socket /dev/nbd0 -N 1.0 >nbd-client.txt 2>&1 || fail "nbd-client: $(cat nbd-client.txt)"
same_bytes "the target's file and /dev/nbd0" $disks/v /dev/nbd0
nbd-client -d /dev/nbd0 >nbd-client.txt 2>&1
end_background "$background_pid"
same "exit code of uaoe serve after SIGTERM" 0 "$ended_status"
