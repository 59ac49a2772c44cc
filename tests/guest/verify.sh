#!/usr/bin/env bash
# fio writes in mixed sizes and depths, with flushes and FUA, and reads every byte back; then the target's own file is
# compared with what the device reads. Once more on a disk with sectors of 4096 bytes.   verify.sh FRONT_END
. "$(dirname "$0")/lib.sh"
front_end=$1

load_front_end "$front_end"
make_wire san0 9000
make_wire san1 9000 # a sector of 4096 bytes does not fit into 1500
truncate -s 64M $disks/lun
start_vblade 1 0 san0 $disks/lun -b 16
start_model san1 --shelf 2 --slot 0 --size 32M --file $disks/lun4k --logical-sector 4096
start_daemon

attach 1.0 "$(front_end_option "$front_end")" --wait 20
fio_verify depth_1 "$device" --rw=randwrite --bsrange=512-64k --iodepth=1 --size=8M --fsync=16
fio_verify mixed "$device" --rw=randwrite --bsrange=512-4M --blockalign=512 --iodepth=16 --size=64M --io_size=64M
fio_verify depth_64 "$device" --rw=randwrite --bs=4k --iodepth=64 --size=16M --io_size=8M
fio_verify fua "$device" --rw=randwrite --bssplit=4k/50:64k/50 --iodepth=8 --size=8M --sync=dsync
fio_verify read_write "$device" --rw=randrw --bssplit=512/20:4k/40:64k/30:1M/10 --size=32M --offset=32M --iodepth=16
blockdev --flushbufs "$device"
same_bytes "the target's file and $device" $disks/lun "$device"
echo "fua $(cat "/sys/block/${device#/dev/}/queue/fua"), $(cat "/sys/block/${device#/dev/}/queue/write_cache")"
show 1.0 '"requests: \(.requests | tostring)"'
[ "$(show 1.0 .requests.flush.requests_count)" -gt 0 ] || fail "no flush reached uaoed"
same "requests that failed" 0 "$(show 1.0 '[.requests[] | objects | .errors_count // 0] | add')"
detach 1.0

attach 2.0 "$(front_end_option "$front_end")" --wait 20
same "logical sector of $device" 4096 "$(blockdev --getss "$device")"
fio_verify sectors_4k "$device" --rw=randwrite --bsrange=4k-1M --blockalign=4k --iodepth=16 --size=32M
blockdev --flushbufs "$device"
same_bytes "the target's file and $device" $disks/lun4k "$device"
! dd if="$device" of=/dev/null bs=512 count=1 iflag=direct 2>dd.err || fail "a direct read of 512 bytes should be refused"
echo "ok: a direct read of 512 bytes is refused: $(tail -n 1 dd.err)"
detach 2.0
no_io_errors
stop_daemon
