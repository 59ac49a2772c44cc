#!/usr/bin/env bash
# tools/quickstart as a user runs it, on a kernel with ublk and on one that has nbd alone, with the programs that are built
# already: under emulation a compiler would take an hour.   quickstart.sh FRONT_END
. "$(dirname "$0")/lib.sh"
front_end=$1

case $front_end in
    ublk) load ublk_drv ;;
    nbd) load nbd && mkdir -p /etc/modprobe.d && echo 'install ublk_drv /bin/false' >/etc/modprobe.d/deny.conf ;;
esac
# It copies hundreds of megabytes of compiler and headers, which take minutes under emulation; here they are a few files.
for folder in /usr/lib/gcc /usr/include/c++ /usr/include/linux; do
    make_tree "small_$(basename $folder)" 150
    mount --bind "small_$(basename $folder)" $folder
done
status=0
UAOE_BUILD=$(dirname "$UAOE") timeout 300 "$here/../../tools/quickstart" 2>&1 | tee quickstart.txt || status=$?
same "exit code of quickstart" 0 "$status"
case $front_end in
    ublk) pattern=/dev/ublkb0 ;;
    nbd) pattern=/dev/nbd0 ;;
esac
matches "the device it made" "$pattern" "$(grep -m 1 -o "$pattern" quickstart.txt)"
same "namespaces, devices and mounts left" "" \
    "$(ip netns list; find /dev -maxdepth 1 -name 'ublkb*'; cat /sys/block/nbd*/pid 2>/dev/null || true; grep -E '/dev/(ublkb|nbd)' /proc/mounts || true)"
