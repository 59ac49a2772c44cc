# shellcheck shell=bash
# What every script that runs inside the guest shares: a SAN in network namespaces, targets in it, uaoed beside them, and
# a look at the kernel's log at the end. Sourced, never run.
#
# Nothing is cleaned up: the guest is thrown away. guest-run puts a bound on the time. ctest names the programs under test
# in UAOE, UAOED and MODEL_TARGET. The initiator is in the guest's own network namespace, as on a real host; each target
# is in a namespace of its own, so that one that is killed takes nothing with it.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/checks.sh
. "$here/../checks.sh"
[ "$(hostname)" = guest ] && [ -d /run/guest-run ] ||
    { echo "$0: makes and breaks block devices; it runs only in a guest (tests/guest/README.md)" >&2; exit 2; }

work=/run/test
disks=/dev/shm # images of the targets' disks, in the guest's memory
pids=()
interfaces=()
mkdir -p $work
cd $work

# shellcheck disable=SC2317 # called by the trap
at_end() {
    local status=$? log complaints
    trap - EXIT ERR
    set +e
    complaints=$(kernel_complaints)
    dmesg | grep -aE 'soft lockup|rcu.*stall' | head -n 3
    if [ -n "$complaints" ]; then
        echo "FAILED: the kernel complains: $complaints"
        [ "$status" -eq 0 ] && status=1
    fi
    if [ "$status" -ne 0 ]; then
        for log in *.log; do
            [ -s "$log" ] && { echo "--- $log"; tail -n 30 "$log"; }
        done
        echo "--- kernel" && dmesg | sed -n "/command starts/,\$p" | tail -n 40
    else
        echo "ok: the kernel complained of nothing; $(cut -d. -f1 /proc/uptime) s after its start"
    fi
    exit "$status"
}
trap at_end EXIT
set -E
trap '[[ $BASH_COMMAND = exit* ]] || echo "FAILED: $(basename "$0"), line $LINENO: $BASH_COMMAND" >&2' ERR

now_ms() { date +%s%3N; }

# load NAME...: kernel modules; the kernel under test has them.
load() {
    local module
    for module in "$@"; do
        modprobe "$module" 2>modprobe.err || fail "modprobe $module: $(cat modprobe.err)"
    done
}

# load_front_end ublk|nbd: the kernel's side of it; front_end_option: how `uaoe attach` is told.
load_front_end() {
    case $1 in
        ublk) load ublk_drv ;;
        nbd) load nbd ;;
    esac
}

front_end_option() {
    case $1 in
        ublk) echo --ublk ;;
        nbd) echo --nbd-device ;;
    esac
}

# make_wire NAME MTU: a veth pair, NAME here and NAME in the namespace NAME.
make_wire() {
    ip netns add "$1"
    ip link add name "$1" mtu "$2" type veth peer name "$1" netns "$1" mtu "$2"
    # No IPv6 of the guest's own: only AoE is to be on the wire.
    echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"
    ip link set dev "$1" up
    ip -n "$1" link set dev "$1" up
    interfaces+=(-i "$1")
}

# make_switched_wire NAME MTU: as make_wire, with a switch between the ends: a bridge in the namespace NAME-switch. Frames
# are lost in there, not at the ends: uaoed sends past the queueing discipline of its own NIC, and an end whose link goes
# down notices.
make_switched_wire() {
    local switch=$1-switch
    ip netns add "$1"
    ip netns add "$switch"
    ip netns exec "$switch" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
    ip netns exec "$1" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
    # What it has learned it keeps: an initiator that is silent for long may not make it flood.
    ip -n "$switch" link add name bridge mtu "$2" type bridge mcast_snooping 0 ageing_time 360000
    ip -n "$switch" link set dev bridge up
    ip -n "$1" link add name "$1" mtu "$2" type veth peer name target netns "$switch" mtu "$2"
    ip -n "$1" link set dev "$1" up
    plug "$1" target
    plug_nic "$1" "$1" "$2"
    interfaces+=(-i "$1")
}

# plug_nic WIRE NIC MTU: one more NIC here at the wire's switch.
plug_nic() {
    ip link add name "$2" mtu "$3" type veth peer name "$2" netns "$1-switch" mtu "$3"
    echo 1 >"/proc/sys/net/ipv6/conf/$2/disable_ipv6"
    ip link set dev "$2" up
    plug "$1" "$2"
}

# plug WIRE PORT
plug() {
    tc -n "$1-switch" qdisc add dev "$2" root netem loss 0%
    ip -n "$1-switch" link set dev "$2" master bridge up
}

# lose WIRE PERCENT: so many of the frames that leave the wire's switch are lost, at every port; 100 is a silent cut.
lose() {
    local port
    for port in $(ip netns exec "$1-switch" ls /sys/class/net/bridge/brif); do
        echo "qdisc change dev $port root netem loss $2%"
    done | tc -n "$1-switch" -batch - || fail "tc cannot set a loss of $2 % on $1"
}

# start_vblade SHELF SLOT WIRE FILE [OPTION...]; $background_pid is its process.
start_vblade() {
    local shelf=$1 slot=$2 wire=$3 file=$4
    shift 4
    in_background "vblade-$shelf.$slot" ip netns exec "$wire" vblade "$@" "$shelf" "$slot" "$wire" "$file"
}

# start_vblade_with_disk SIZE: 1.0 on san0, for what is measured. No holes: a file that grows meanwhile is another file each
# time.
start_vblade_with_disk() {
    dd if=/dev/zero of=$disks/lun bs=1M count="${1%M}" status=none
    start_vblade 1 0 san0 $disks/lun -b 16
}

# run_jobs DEVICE: each of ${jobs[@]} ("NAME RW BLOCK_SIZE DEPTH SECONDS"), one after the other in one fio, because each
# start of fio takes longer than a job under emulation; half a second to get going does not count. Prints lines "NAME
# REQUESTS_A_SECOND LONGEST_MS". ${job_options[@]}: more options of fio for each job.
job_options=()
run_jobs() {
    local job name rw block_size depth time options=()
    for job in "${jobs[@]}"; do
        read -r name rw block_size depth time <<<"$job"
        options+=(--name="$name" --stonewall --filename="$1" --rw="$rw" --bs="$block_size" --iodepth="$depth" --runtime="$time"
            --ramp_time=500ms --time_based --ioengine=libaio --direct=1 --thread --norandommap --randrepeat=0 "${job_options[@]}")
    done
    fio --output-format=json --output=jobs.json "${options[@]}" 2>jobs.err || fail "fio on $1: $(tail -n 2 jobs.err)"
    sed -i -n '/^{/,$p' jobs.json
    [ "$(jq '[.jobs[].error] | add' jobs.json)" = 0 ] || fail "fio on $1 had an error"
    jq -r '.jobs[] | "\(.jobname) \(.read.iops + .write.iops) \([.read.clat_ns.max, .write.clat_ns.max] | max / 1e6 | floor)"' \
        jobs.json
}

# warm_up DEVICE: a quarter of a second of each of ${jobs[@]}: the emulator translates what they run when it first runs.
warm_up() {
    local job real_jobs=("${jobs[@]}")
    jobs=()
    for job in "${real_jobs[@]}"; do jobs+=("${job% *} 250ms"); done
    run_jobs "$1" >/dev/null
    jobs=("${real_jobs[@]}")
}

# start_model WIRE OPTION...: the model target, ready.
start_model() {
    local wire=$1
    shift
    rm -f model.out
    in_background model ip netns exec "$wire" "$MODEL_TARGET" -i "$wire" "$@"
    wait_until 20 grep -q ready model.out || fail "the model target did not get ready"
}

# start_daemon [OPTION...]: uaoed on every wire, answering; $daemon_pid.
start_daemon() {
    in_background uaoed "$UAOED" "${interfaces[@]}" "$@"
    daemon_pid=$background_pid
    wait_until 30 daemon_answers || fail "uaoed did not answer within 30 s"
}

daemon_answers() {
    kill -0 "$daemon_pid" 2>/dev/null || fail "uaoed ended: $(tail -n 3 uaoed.log)"
    timeout 10 "$UAOE" list >daemon_answers.txt 2>&1
}

# stop_daemon: as for an upgrade: SIGTERM, exit code 0; attached devices stay.
stop_daemon() {
    end_background "$daemon_pid"
    [ "$ended_status" -eq 0 ] || fail "uaoed ended with $ended_status after SIGTERM"
}

# attach ADDRESS [OPTION...]: the block device in $device.
attach() {
    local status=0
    device=$(timeout 60 "$UAOE" attach "$@" 2>attach.err) || status=$?
    [ "$status" -eq 0 ] || fail "uaoe attach $*: exit code $status: $(cat attach.err)"
    [ -b "$device" ] || fail "uaoe attach $* printed '$device', which is no block device"
    echo "ok: attach $*: $device, $(blockdev --getsize64 "$device") bytes"
}

# detach ADDRESS|DEVICE [OPTION...]
detach() {
    local status=0
    timeout 60 "$UAOE" detach "$@" >detach.out 2>detach.err || status=$?
    [ "$status" -eq 0 ] || fail "uaoe detach $*: exit code $status: $(cat detach.err)"
    echo "ok: detach $*"
}

# show ADDRESS FILTER: what jq says of `uaoe show ADDRESS --json`.
show() {
    timeout 10 "$UAOE" show "$1" --json >show.json || fail "uaoe show $1 failed"
    jq -r "$2" show.json
}

# fio_verify NAME FILE OPTION...: fio with direct I/O; every byte that it wrote is read back and checked by crc32c.
fio_verify() {
    local name=$1 file=$2
    shift 2
    fio --name="$name" --filename="$file" --ioengine=libaio --direct=1 --thread --verify=crc32c --verify_fatal=1 \
        --verify_state_save=0 --do_verify=1 --output-format=json --output="$name.json" "$@" \
        2>"fio-$name.log" || fail "fio $name failed: $(tail -n 3 "fio-$name.log")"
    fio_report "$name"
}

# make_tree FOLDER COUNT: so many small files in a few folders, some large ones, and links; no two files are the same. Made
# of the kernel's image: a copy of thousands of files from the host would take longer than the test.
make_tree() {
    local image part
    image=$(sed -n 's,^modules=\(.*\)/lib/modules/.*,\1/vmlinux,p' /run/guest-run/settings)
    mkdir -p "$1"/{small,odd,large}/folder
    head -c $(($2 * 6000)) "$image" >"$1/large/whole"
    split -a 5 -b 7000 "$1/large/whole" "$1/small/folder/"
    split -a 5 -b 40961 "$1/large/whole" "$1/odd/folder/"
    for part in 0 1 2; do
        dd if="$1/large/whole" of="$1/large/folder/$part" bs=1000003 count=1 skip=$((part * 99991)) iflag=skip_bytes status=none
    done
    ln -s folder/aaaaa "$1/small/link"
    ln "$1/odd/folder/aaaaa" "$1/odd/hard_link"
    truncate -s 10000019 "$1/large/sparse"
    : >"$1/small/empty"
}

# tree_sums FOLDER FILE: a checksum of every file under FOLDER, sorted.
tree_sums() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum) >"$2"; }

# same_trees WHAT FOLDER FOLDER: names, types, links and every byte.
same_trees() {
    diff -r --no-dereference "$2" "$3" >diff.txt 2>&1 || fail "$1: $(head -n 5 diff.txt)"
    echo "ok: $1: $(find "$3" -type f | wc -l) files, $(du -sm "$3" | cut -f1) MB are the same"
}

# no_io_errors: no block device reported an error since the start.
no_io_errors() {
    ! dmesg | grep -aE 'I/O error|Buffer I/O|EXT4-fs error|XFS .*(error|shutdown)' || fail "the kernel reports I/O errors"
    echo "ok: the kernel reports no I/O error"
}
