#!/usr/bin/env bash
# A machine with systemd, booted three times, with targets outside it: the package is installed, upgraded under load and
# purged; an ext4 and an md array on LUNs are mounted at the boot from fstab; it shuts down without hanging, also when the
# targets have gone; and it boots without them.
#   systemd.sh KERNEL PACKAGES    (folders: what fetch-kernel and tests/packages.sh made)
# Not one of the tests yet: it has not passed from end to end.
# This part runs on the host, and systemd_stage.sh in the guest. The guest's NIC is a tap device in a network namespace,
# where vblade is, too.
set -euo pipefail
shopt -s inherit_errexit
kernel=$(readlink -f "$1") packages=$(readlink -f "$2")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/checks.sh
. "$here/../checks.sh"
need ip vblade mke2fs
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"

namespace=uaoe-g-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/uaoe-systemd.XXXXXX")
pids=()
cd "$work"
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    local status=$? pid
    trap - EXIT
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    ip netns del "$namespace" 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 143' INT TERM HUP

ip netns add "$namespace"
ip -n "$namespace" tuntap add name tap0 mode tap
ip -n "$namespace" link set tap0 up
ip netns exec "$namespace" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/tap0/disable_ipv6'
truncate -s 1G root
mke2fs -q -t ext4 -O ^has_journal root
targets=()
start_targets() {
    local slot
    for slot in 0 1 2; do
        truncate -s 48M "disk$slot"
        in_background "vblade$slot" ip netns exec "$namespace" vblade 1 "$slot" tap0 "disk$slot"
        targets+=("$background_pid")
    done
}
stop_targets() {
    local pid
    for pid in "${targets[@]}"; do end_background "$pid" KILL; done
    targets=()
    echo "ok: the targets are gone"
}

# boot STAGE: until it has shut down. When the stage asks for it, the targets go away meanwhile.
boot() {
    local start=$SECONDS status=0 guest
    ip netns exec "$namespace" "$here/guest-run" --kernel "$kernel" --timeout 240 --memory 1024 --systemd --root root --tap tap0 \
        --shutdown 60 --console "$work/console" --env PACKAGES="$packages" -- bash "$here/systemd_stage.sh" "$1" >out 2>&1 &
    guest=$!
    pids+=("$guest")
    while kill -0 "$guest" 2>/dev/null; do
        if [ ${#targets[@]} -gt 0 ] && grep -q 'targets may go' out; then
            stop_targets
        fi
        sleep 0.2
    done
    wait "$guest" || status=$?
    cat out
    if [ "$status" -ne 0 ]; then
        tail -n 30 console >&2
        fail "boot for $1: exit status $status"
    fi
    echo "ok: $1: booted, done and shut down in $((SECONDS - start)) s"
}

start_targets
boot install
boot mounted
same "targets that were stopped" 0 "${#targets[@]}"
boot without_targets
