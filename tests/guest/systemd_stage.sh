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
trap 'journalctl -b --no-pager -u uaoed -n 20 2>/dev/null || true; systemctl --failed --no-pager --plain | head -n 10' ERR
export DEBIAN_FRONTEND=noninteractive
sums=/root/sums # outlives the boot

main_pid() { systemctl show -p MainPID --value uaoed; }
mounted() { mountpoint -q /mnt/disk && mountpoint -q /mnt/pair; }
no_io_errors() { ! dmesg | grep -aE 'I/O error|EXT4-fs error' || fail "the kernel reports I/O errors"; }
answers() { timeout 10 uaoe list >/dev/null 2>&1; }

install() {
    printf '[Match]\nName=eth0\n[Network]\nLinkLocalAddressing=no\n' >/etc/systemd/network/san.network
    ip link set eth0 up
    systemctl enable -q --now systemd-networkd
    systemctl enable -q systemd-networkd-wait-online

    dpkg -i "$PACKAGES"/uaoe_*.deb >dpkg.txt 2>&1 || fail "dpkg -i: $(cat dpkg.txt)"
    same "the unit after the installation" "enabled active" "$(systemctl is-enabled uaoed) $(systemctl is-active uaoed)"
    wait_until 10 answers || fail "uaoed does not answer"
    same "the control socket" "660 root uaoe" "$(stat -c '%a %U %G' /run/uaoe/control.sock)"
    same "what the configuration says" 0 "$(uaoe config-check >config.txt && echo $?)"

    uaoe attach 1.0 --persist --fail-after 10 --wait 30
    journalctl --sync
    matches "the journal's entry of it, by its fields" '^1\.0: attached as /dev/ublkb[0-9]+$' \
        "$(journalctl -b -u uaoed --no-pager -o cat UAOE_ADDRESS=1.0 UAOE_EVENT=attached PRIORITY=5)"
    uaoe attach 1.1 --persist --fail-after 10
    uaoe attach 1.2 --persist --fail-after 10
    udevadm settle
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

    upgrade_under_load
    dpkg -r uaoe >dpkg.txt 2>&1 && fail "the package went away under a mounted file system"
    matches "a removal is refused" 'is busy' "$(grep busy dpkg.txt | head -n 1)"
    mounted && same "uaoed after that" active "$(systemctl is-active uaoed)"
    ls /etc/uaoe/uaoe.d/1.0.toml >/dev/null
}

upgrade_under_load() {
    local before rounds=0 loader
    before=$(main_pid)
    (
        trap - ERR
        for round in $(seq 1000); do
            head -c 262144 /dev/urandom >/run/test/piece
            dd if=/run/test/piece of=/mnt/disk/load bs=64k oflag=direct conv=fsync status=none
            dd if=/mnt/disk/load bs=64k iflag=direct status=none | cmp - /run/test/piece
            echo "$round" >>rounds
        done
    ) 2>load.err &
    loader=$!
    wait_until 20 test -s rounds || fail "the load does not begin: $(cat load.err)"
    dpkg -i "$PACKAGES"/later/uaoe_*.deb >dpkg.txt 2>&1 || fail "the upgrade: $(cat dpkg.txt)"
    same "the version that is installed" "99.0" "$(dpkg-query -W -f '${Version}' uaoe)"
    [ "$(main_pid)" != "$before" ] || fail "the upgrade did not restart uaoed"
    rounds=$(wc -l <rounds)
    wait_until 30 eval "[ \$(wc -l <rounds) -gt $((rounds + 3)) ]" || fail "the load stands still: $(cat load.err)"
    kill -0 "$loader" || fail "the load ended: $(cat load.err)"
    kill "$loader"
    wait "$loader" 2>/dev/null || true
    [ ! -s load.err ] || fail "the load had errors: $(cat load.err)"
    no_io_errors
    echo "ok: upgraded under load; $(wc -l <rounds) verified rounds without an error"
}

mounted_at_boot() {
    wait_until 40 mounted || fail "not mounted: $(cat /proc/mounts)"
    (cd /mnt && sha256sum --quiet -c $sums) || fail "the files are not what was written"
    same "the array" "active raid1 [2/2]" "$(grep -oE 'active raid1|\[2/2\]' /proc/mdstat | xargs)"
    echo "ok: mounted at the boot, the files are those of before"

    # A uaoed that hangs is ended and started again, and nobody sees an error.
    local before
    mkdir -p /run/systemd/system/uaoed.service.d
    printf '[Service]\nWatchdogSec=4\n' >/run/systemd/system/uaoed.service.d/test.conf
    systemctl daemon-reload
    systemctl restart uaoed
    sleep 10
    before=$(main_pid)
    same "restarts with a shorter watchdog, in 10 s" 0 "$(systemctl show -p NRestarts --value uaoed)"
    kill -STOP "$before"
    wait_until 30 eval '[ "$(main_pid)" != 0 ] && [ "$(main_pid)" != '"$before"' ]' || fail "the watchdog did nothing"
    wait_until 20 answers || fail "uaoed does not answer after the watchdog"
    echo 3 >/proc/sys/vm/drop_caches
    (cd /mnt && sha256sum --quiet -c $sums) || fail "the files cannot be read after the watchdog"
    no_io_errors
    echo "ok: the watchdog ended a uaoed that hung, and the file systems went on"

    head -c 4M /dev/urandom >/mnt/disk/unwritten # in the page cache, when the targets go
    echo "the targets may go"
    sleep 3
}

without_targets() {
    same "the boot without targets" active "$(systemctl is-active multi-user.target)"
    same "uaoed" active "$(systemctl is-active uaoed)"
    same "LUNs that wait for their targets" 3 "$(uaoe list --json | grep -c '"waiting"')"
    dpkg --purge uaoe >dpkg.txt 2>&1 || fail "purge: $(cat dpkg.txt)"
    for left in /etc/uaoe /run/uaoe /usr/sbin/uaoe /usr/share/uaoe /lib/systemd/system/uaoed.service \
        /etc/systemd/system/multi-user.target.wants/uaoed.service /etc/systemd/system/uaoed.service; do
        [ ! -e "$left" ] && [ ! -L "$left" ] || fail "the purge left $left"
    done
    ! pgrep -x uaoed || fail "uaoed still runs"
    echo "ok: purged, and nothing is left"
}

case $1 in
    install) install ;;
    mounted) mounted_at_boot ;;
    without_targets) without_targets ;;
esac
