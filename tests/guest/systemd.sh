#!/usr/bin/env bash
# A machine with systemd, in three boots with targets outside it. Each boot goes on with what the one before it has left in
# FOLDER:
#   install          the package is installed, upgraded under load, and not removed while it is used
#   mounted          an ext4 and an md array on LUNs are mounted at the boot from fstab; the targets go, and the machine
#                    shuts down all the same
#   without_targets  it boots without them; the package is purged
#   systemd.sh STAGE FOLDER KERNEL PACKAGES    (the last two: folders that fetch-kernel and tests/packages.sh made)
# This part runs on the host, and systemd_stage.sh in the guest. The guest's NIC is a tap device in a network namespace,
# where vblade is, too.
set -euo pipefail
shopt -s inherit_errexit
stage=$1 folder=$2 kernel=$(readlink -f "$3") packages=$(readlink -f "$4")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/checks.sh
. "$here/../checks.sh"
PATH=$PATH:/usr/sbin:/sbin
need ip vblade mke2fs
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"

namespace=uaoe-g-$$
pids=()
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    local status=$? pid
    trap - EXIT
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    ip netns del "$namespace" 2>/dev/null || true
    exit "$status"
}
trap clean_up EXIT
trap 'exit 143' INT TERM HUP

if [ "$stage" = install ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    truncate -s 1G "$folder/root"
    mke2fs -q -t ext4 -O ^has_journal "$folder/root"
    truncate -s 48M "$folder"/disk{0,1,2}
fi
cd "$folder"
ip netns add "$namespace"
ip -n "$namespace" tuntap add name tap0 mode tap
ip -n "$namespace" link set tap0 up
ip netns exec "$namespace" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/tap0/disable_ipv6'
targets=()
if [ "$stage" != without_targets ]; then
    for slot in 0 1 2; do
        in_background "vblade$slot" ip netns exec "$namespace" vblade 1 "$slot" tap0 "disk$slot"
        targets+=("$background_pid")
    done
fi

# Until it has shut down. When the stage asks for it, the targets go away meanwhile. 12 s are measured then, of which 10 are
# fail_after; release-devices may take 10 more, and a busy machine its time.
: >out
start=$SECONDS paused=0
ip netns exec "$namespace" "$here/guest-run" --kernel "$kernel" --timeout 400 --memory 1024 --systemd --root root \
    --tap tap0 --shutdown 60 --console "$PWD/../systemd_$stage.console" --env PACKAGES="$packages" \
    -- bash "$here/systemd_stage.sh" "$stage" > >(tee out) 2>&1 &
guest=$!
pids+=("$guest")
while kill -0 "$guest" 2>/dev/null; do
    if [ ${#targets[@]} -gt 0 ] && grep -qs 'targets may go' out; then
        for pid in "${targets[@]}"; do end_background "$pid" KILL; done
        targets=()
        echo "ok: the targets are gone"
    fi
    if [ "$stage" = install ] && [ "$paused" = 0 ] && grep -qs 'the target may pause' out; then
        kill -STOP "${targets[0]}"
        sleep 6 # less than fail_after
        kill -CONT "${targets[0]}"
        paused=1
    fi
    sleep 0.2
done
status=0
wait "$guest" || status=$?
[ "$status" -eq 0 ] || fail "exit status $status: $(tail -n 30 "../systemd_$stage.console")"
[ "$stage" != install ] || same "pauses of a target at the shutdown" 1 "$paused"
if [ "$stage" = mounted ]; then
    same "targets at the shutdown" 0 "${#targets[@]}"
fi
echo "ok: $stage: booted, done and shut down in $((SECONDS - start)) s"
