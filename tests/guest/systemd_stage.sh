#!/usr/bin/env bash
# What systemd.sh does in the guest in one of its boots. Never run elsewhere: it installs packages and writes fstab.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/checks.sh
. "$here/../checks.sh"
[ -e /run/guest-run/settings ] && [ "$(cat /proc/1/comm)" = systemd ] || { echo "$0: runs only in a guest" >&2 && exit 2; }
pids=()
mkdir -p /run/test
cd /run/test
export DEBIAN_FRONTEND=noninteractive
sums=/var/tmp/sums # outlives the boot

# shellcheck disable=SC2317 # called by the trap
tell() {
    local status=$? complaints
    trap - EXIT
    complaints=$(kernel_complaints) || true
    if [ -n "$complaints" ]; then
        echo "FAILED: the kernel complains: $complaints"
        status=1
    fi
    if [ "$status" -ne 0 ]; then
        systemctl --failed --no-pager --plain | head -n 10
        systemctl list-jobs --no-pager | head -n 20
        journalctl -b --no-pager -u uaoed -n 20
        uaoe list || true
    fi
    step end
    exit "$status"
}
trap tell EXIT
# step WHAT: what comes next; with the time, because all of this is slow under emulation.
step() { echo "--- $(cut -d ' ' -f 1 /proc/uptime) s: $*"; }

unit_state() { echo "$(systemctl is-enabled uaoed) $(systemctl is-active uaoed)"; }
main_pid() { systemctl show -p MainPID --value uaoed; }
other_pid() { local pid; pid=$(main_pid) && [ "$pid" != 0 ] && [ "$pid" != "$1" ]; }
is_mounted() { mountpoint -q /mnt/disk && mountpoint -q /mnt/pair; }
pair() { basename "$(readlink -f /dev/md/pair)"; }
array_state() { cat "/sys/block/$(pair)/md/array_state"; }
luns() { uaoe list | awk '$2 ~ "^/dev/" {print $1}' | xargs; }
# md writes that an array is clean that long after the last write to it.
clean_after() { echo "$1" >"/sys/block/$(pair)/md/safe_mode_delay"; }
no_io_errors() { ! dmesg | grep -aE 'I/O error|EXT4-fs error' || fail "the kernel reports I/O errors"; }
answers() { timeout 10 uaoe list >/dev/null 2>&1; }
# package WHAT ARGUMENT...: dpkg, which leaves nothing to be synchronized, and asks nothing.
package() {
    local what=$1
    shift
    dpkg --force-unsafe-io "$@" >dpkg.txt 2>&1 || fail "$what: $(cat dpkg.txt)"
}
# What was written in the first boot, from the disks.
files_are_right() {
    echo 3 >/proc/sys/vm/drop_caches
    (cd /mnt && sha256sum --quiet -c $sums) || fail "$1: the files are not what was written"
    no_io_errors
    echo "ok: $1: the files are right"
}

install() {
    # A NIC without an address, as uaoed(8) wants it.
    printf '[Match]\nName=eth0\n[Link]\nRequiredForOnline=carrier\n[Network]\nLinkLocalAddressing=no\n' \
        >/etc/systemd/network/san.network
    systemctl enable -q --now systemd-networkd
    rm -f /var/lib/man-db/auto-update # the index of manuals takes a minute

    step "the packages are installed"
    package "dpkg -i" -i "$PACKAGES"/uaoe_*.deb "$PACKAGES"/uaoe-aoetools_*.deb
    same "the unit after the installation" "enabled active" "$(unit_state)"
    wait_until 60 answers || fail "uaoed does not answer"
    same "the control socket" "660 root uaoe" "$(stat -c '%a %U %G' /run/uaoe/control.sock)"
    same "what the configuration says" 0 "$(uaoe config-check >config.txt && echo $?)"

    step "LUNs are attached"
    uaoe attach 1.0 --persist --fail-after 10 --wait 30
    journalctl --sync
    matches "the journal's entry of it, by its fields" '^1\.0: attached as /dev/ublkb[0-9]+$' \
        "$(journalctl -b -u uaoed --no-pager -o cat UAOE_ADDRESS=1.0 UAOE_EVENT=attached PRIORITY=5)"
    uaoe attach 1.1 --persist --fail-after 10
    uaoe attach 1.2 --persist --fail-after 10
    udevadm settle
    step "file systems and an array are made"
    mke2fs -q -t ext4 /dev/etherd/e1.0
    mdadm --create /dev/md/pair --run --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/etherd/e1.1 /dev/etherd/e1.2 \
        >mdadm.txt 2>&1 || fail "mdadm: $(cat mdadm.txt)"
    mke2fs -q -t ext4 /dev/md/pair
    mkdir -p /mnt/disk /mnt/pair /etc/mdadm
    mdadm --detail --scan >/etc/mdadm/mdadm.conf
    printf '/dev/etherd/e1.0 /mnt/disk ext4 _netdev,nofail 0 0\nUUID=%s /mnt/pair ext4 _netdev,nofail 0 0\n' \
        "$(blkid -s UUID -o value /dev/md/pair)" >/etc/fstab
    systemctl daemon-reload
    mount /mnt/disk && mount /mnt/pair
    head -c 8M /dev/urandom | tee /mnt/disk/file >/mnt/pair/file
    (cd /mnt && sha256sum disk/file pair/file) >$sums
    aoe-revalidate e1.0
    same "aoe-stat after aoe-revalidate, mounted" "e1.0 up" "$(aoe-stat e1.0 | awk '{print $1, $5}')"

    step "an upgrade under load"
    upgrade_under_load
    step "a removal" # aoetools' names go, the initiator stays
    dpkg -r uaoe-aoetools uaoe >dpkg.txt 2>&1 && fail "the package went away under a mounted file system"
    matches "a removal is refused" 'is busy' "$(grep busy dpkg.txt | head -n 1)"
    is_mounted && same "uaoed after that" active "$(systemctl is-active uaoed)"
    ls /etc/uaoe/uaoe.d/1.0.toml >/dev/null

    # At the shutdown uaoed would long be gone when md came to it, and md, and the machine with it, would wait for ever.
    step "an array in use, at the shutdown"
    clean_after 60
    touch /mnt/pair/late
    sync -f /mnt/pair
    same "the array before the shutdown" active "$(array_state)"

    # Without _netdev systemd unmounts it in no order with uaoed. Its target pauses, so that this takes longer than uaoed's end
    # would.
    step "a file system that was mounted by hand, at the shutdown"
    umount /mnt/disk
    mkdir -p /mnt/hand
    mount /dev/etherd/e1.0 /mnt/hand
    head -c 4M /dev/urandom >/mnt/hand/late
    (cd /mnt/hand && sha256sum late | sed 's, late, disk/late,') >>$sums
    step "the target may pause"
}

upgrade_under_load() {
    local before rounds=0 loader
    before=$(main_pid)
    (
        trap - EXIT
        for round in $(seq 1000); do
            head -c 262144 /dev/urandom >/run/test/piece
            dd if=/run/test/piece of=/mnt/disk/load bs=64k oflag=direct conv=fsync status=none
            dd if=/mnt/disk/load bs=64k iflag=direct status=none | cmp - /run/test/piece
            echo "$round" >>rounds
        done
    ) 2>load.err &
    loader=$!
    wait_until 60 test -s rounds || fail "the load does not begin: $(cat load.err)"
    package "the upgrade" -i "$PACKAGES"/later/uaoe_*.deb
    same "the version that is installed" "99.0" "$(dpkg-query -W -f '${Version}' uaoe)"
    other_pid "$before" || fail "the upgrade did not restart uaoed"
    rounds=$(wc -l <rounds)
    wait_until 60 eval "[ \$(wc -l <rounds) -gt $((rounds + 3)) ]" || fail "the load stands still: $(cat load.err)"
    kill -0 "$loader" || fail "the load ended: $(cat load.err)"
    kill "$loader"
    wait "$loader" 2>/dev/null || true
    [ ! -s load.err ] || fail "the load had errors: $(cat load.err)"
    no_io_errors
    echo "ok: upgraded under load; $(wc -l <rounds) verified rounds without an error"
}

mounted() {
    wait_until 90 is_mounted || fail "not mounted: $(cat /proc/mounts)"
    step "mounted"
    files_are_right "mounted at the boot"
    same "the array" "active raid1 [2/2]" "$(grep -oE 'active raid1|\[2/2\]' /proc/mdstat | xargs)"
    same "what md says of an array that was not stopped properly" "" "$(dmesg | grep -aE 'not clean|resync')"
    ls /mnt/pair/late >/dev/null

    step "reload and restart"
    local before
    before=$(main_pid)
    printf '[[lun]]\naddress = "1.7"\n' >/etc/uaoe/uaoe.d/new.toml
    systemctl reload uaoed
    has_new() { uaoe list --json | grep -q '"1\.7"'; }
    wait_until 60 has_new || fail "after a reload there is no new LUN: $(uaoe list)"
    same "uaoed after a reload" "$before" "$(main_pid)"
    rm /etc/uaoe/uaoe.d/new.toml

    step "devices are released"
    devices_are_released

    # A uaoed that hangs is ended and started again, and nobody sees an error.
    mkdir -p /run/systemd/system/uaoed.service.d
    printf '[Service]\nWatchdogSec=8\n' >/run/systemd/system/uaoed.service.d/test.conf
    systemctl daemon-reload
    systemctl restart uaoed
    other_pid "$before" || fail "uaoed was not restarted"
    wait_until 60 answers || fail "uaoed does not answer after a restart"
    files_are_right "systemctl restart"
    step "what systemd says of the unit"
    local since=$SECONDS
    systemd-analyze verify --man=no uaoed.service >verify.txt 2>&1 || fail "systemd-analyze verify: $(cat verify.txt)"
    same "what systemd-analyze verify says" "" "$(cat verify.txt)"
    systemd-analyze security --no-pager uaoed >security.txt 2>&1 || fail "systemd-analyze security: $(cat security.txt)"
    matches "systemd-analyze security" 'Overall exposure level' "$(tail -n 1 security.txt)"
    step "the watchdog"
    [ $((since + 20)) -le "$SECONDS" ] || sleep $((since + 20 - SECONDS))
    same "restarts with a shorter watchdog, in 20 s" 0 "$(systemctl show -p NRestarts --value uaoed)"
    before=$(main_pid)
    kill -STOP "$before"
    wait_until 60 other_pid "$before" || fail "the watchdog did nothing"
    wait_until 60 answers || fail "uaoed does not answer after the watchdog"
    files_are_right "the watchdog ended a uaoed that hung"
    rm -r /run/systemd/system/uaoed.service.d
    systemctl daemon-reload
    systemctl restart uaoed # the shutdown is with the unit as it is

    head -c 4M /dev/urandom >/mnt/disk/unwritten # in the page cache, when the targets go
    step "the targets may go"
    sleep 3
}

# release-devices stops what was written to and is used no more, waits until the rest is clean, and detaches what is not used.
devices_are_released() {
    clean_after 2
    touch /mnt/pair/file
    sync -f /mnt/pair
    same "an array just after a write" active "$(array_state)"
    /lib/uaoe/release-devices --now
    same "the same, mounted, when devices are released" clean "$(array_state)"
    same "LUNs" "1.0 1.1 1.2" "$(luns)"

    clean_after 60
    touch /mnt/pair/file
    umount /mnt/pair
    same "an array just after it was unmounted" active "$(array_state)"
    /lib/uaoe/release-devices
    same "the same, when the machine does not go down" active "$(array_state)"
    /lib/uaoe/release-devices --now
    ! grep '^md' /proc/mdstat || fail "the array is not stopped"
    same "LUNs, when devices are released" "1.0" "$(luns)"

    systemctl restart uaoed
    is_assembled() { [ "$(array_state 2>/dev/null)" = read-auto ]; }
    wait_until 60 is_assembled || fail "there is no array after a restart: $(cat /proc/mdstat)"
    udevadm settle
    same "the array's members" "clean clean" "$(mdadm --examine /dev/etherd/e1.1 /dev/etherd/e1.2 | awk '$1 == "State" {print $3}' | xargs)"
    # Linux 6.12 would stop it while it is read.
    in_background reader dd if=/dev/md/pair of=/dev/null iflag=direct bs=4k status=none
    /lib/uaoe/release-devices --now
    same "an array that nothing was written to, when devices are released" read-auto "$(array_state)"
    wait "$background_pid" || fail "reading it failed: $(cat reader.log)"
    same "LUNs" "1.0 1.1 1.2" "$(luns)"
    mount /mnt/pair
    files_are_right "the array assembled again"
}

without_targets() {
    same "the boot without targets" active "$(systemctl is-active multi-user.target)"
    wait_until 60 answers || fail "uaoed does not answer"
    same "LUNs that wait for their targets" 3 "$(uaoe list --json | grep -c '"waiting"')"

    # What the administrator has disabled or masked stays so.
    step "an upgrade of a service that is switched off"
    systemctl disable -q --now uaoed
    systemctl mask -q uaoed
    package "the upgrade" -i "$PACKAGES"/later/uaoe_*.deb
    same "the unit, masked, after an upgrade" "masked inactive" "$(unit_state)"
    systemctl unmask -q uaoed
    same "the same, unmasked" "disabled inactive" "$(unit_state)"
    systemctl enable -q --now uaoed
    wait_until 60 answers || fail "uaoed does not answer"

    step "the package is purged"
    local left
    dpkg -L uaoe | while read -r left; do
        [[ $left == */uaoe* ]] || [ ! -d "$left" ] && echo "$left"
    done >contents.txt || true
    package "purge" --purge uaoe
    while read -r left; do
        [ ! -e "$left" ] && [ ! -L "$left" ] || fail "the purge left $left"
    done <contents.txt
    same "what else has its name" "" "$(find /etc /run /var/lib -xdev -name '*uaoe*' | sort | xargs)"
    ! pgrep -x uaoed || fail "uaoed still runs"
    echo "ok: purged, and nothing is left"
}

step "systemd has booted"
case $1 in
    install) install ;;
    mounted) mounted ;;
    without_targets) without_targets ;;
esac
