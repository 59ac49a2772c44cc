# shellcheck shell=bash
# Who runs in the guest for tests/bench/guest: each set_up_NAME makes one contender and says its device in
# devices[NAME], and which processes are its initiator and its target in initiators[NAME] and targets[NAME] (none where
# that is the kernel). Sourced by guest_rounds.sh after tests/guest/lib.sh.
#
# Each has a wire of its own, of its own name, so that no target and no initiator is woken by the frames of another; TCP has
# one, san0. The ends of uaoe's wires are in the namespace `here`: the kernel's aoe driver looks at every AoE frame that
# arrives outside of namespaces, whichever interfaces it was given. Every target serves the same file in the guest's memory.
declare -A devices initiators targets
address_here=10.9.0.1 address_there=10.9.0.2
config=/sys/kernel/config

# wire NAME: with a switch where frames are to be lost.
wires=()
wire() {
    [[ " ${wires[*]} " != *" $1 "* ]] || return 0
    if [ "$lossy" = 1 ]; then make_switched_wire "$1" "$mtu"; else make_wire "$1" "$mtu"; fi
    wires+=("$1")
}

# wire_of_uaoe NAME: its end is in `here`.
wire_of_uaoe() {
    [[ " ${wires[*]} " != *" $1 "* ]] || return 0
    wire "$1"
    ip netns list | grep -qw here || ip netns add here
    ip netns exec here sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
    ip link set dev "$1" netns here
    ip -n here link set dev "$1" up
}

# ip_wire: san0 with addresses. Without offloads TCP sends frames of the wire's size, as every network card does in the
# end and AoE does here; with them, 64 KiB would go through a veth pair as one.
ip_wire() {
    wire san0
    ip -n san0 -br addr show dev san0 | grep -q "$address_there" && return
    ip addr add $address_here/24 dev san0
    ip -n san0 addr add $address_there/24 dev san0
    ethtool -K san0 tso off gso off gro off >ethtool.out 2>&1
    ip netns exec san0 ethtool -K san0 tso off gso off gro off >ethtool.out 2>&1
}

# start_target WIRE SLOT: the LUN 1.SLOT; its process in $background_pid.
start_target() {
    wire "$1"
    case $target in
    vblade) start_vblade 1 "$2" "$1" $disks/lun -b 16 ;;
    model)
        in_background "model-$1.$2" ip netns exec "$1" "$MODEL_TARGET" -i "$1" --shelf 1 --slot "$2" --file $disks/lun \
            --buffer-count 64
        wait_until 20 grep -q ready "model-$1.$2.out" || fail "the model target did not get ready"
        ;;
    esac
}

set_up_aoe() {
    start_target aoe 0
    targets[aoe]=$background_pid
    modprobe aoe aoe_iflist=aoe 2>modprobe.err || fail "modprobe aoe: $(cat modprobe.err)"
    devices[aoe]=/dev/etherd/e1.0
    aoe_found() { echo >/dev/etherd/discover && [ -b "${devices[aoe]}" ]; }
    wait_until 20 aoe_found || fail "the kernel's driver does not find the LUN"
}

# set_up_uaoe NAME SLOT FRONT-END: through uaoed, which is started when it is first needed, with every wire that it will be
# on.
set_up_uaoe() {
    local name
    load_front_end "$3"
    if [ -z "${daemon_pid:-}" ]; then
        interfaces=()
        for name in uaoe-ublk uaoe-nbd; do
            [[ " ${contenders[*]} " != *" $name "* ]] || wire_of_uaoe $name
        done
        in_background uaoed ip netns exec here "$UAOED" "${interfaces[@]}"
        daemon_pid=$background_pid
        wait_until 30 daemon_answers || fail "uaoed did not answer within 30 s"
    fi
    start_target "$1" "$2"
    targets[$1]=$background_pid
    attach "1.$2" "$(front_end_option "$3")" --wait 20 --fail-after 0
    devices[$1]=$device initiators[$1]=$daemon_pid
}
set_up_uaoe-ublk() { set_up_uaoe uaoe-ublk 0 ublk; }
set_up_uaoe-nbd() { set_up_uaoe uaoe-nbd 1 nbd; }

# ublk alone: RAM behind uaoe's own front end.
set_up_ram() {
    load ublk_drv
    in_background ram "$UBLK_MEMORY_SERVER" $disks/ram $((disk_mib << 20))
    initiators[ram]=$background_pid
    wait_until 30 grep -q ublkb ram.out || fail "ublk_memory_server did not get ready: $(cat ram.log)"
    devices[ram]=$(cat ram.out)
}

set_up_nvme-tcp() {
    local subsystem=$config/nvmet/subsystems/bench port=$config/nvmet/ports/1 host=5d5a1f0e-0000-4000-8000-000000000001
    ip_wire
    load configfs nvmet nvmet-tcp nvme-tcp
    mountpoint -q $config || mount -t configfs none $config
    mkdir $subsystem
    echo 1 >$subsystem/attr_allow_any_host
    mkdir $subsystem/namespaces/1
    echo $disks/lun >$subsystem/namespaces/1/device_path
    echo 1 >$subsystem/namespaces/1/buffered_io
    echo 1 >$subsystem/namespaces/1/enable
    mkdir $port
    echo tcp >$port/addr_trtype
    echo ipv4 >$port/addr_adrfam
    echo $address_there >$port/addr_traddr
    echo 4420 >$port/addr_trsvcid
    # The port listens in the network namespace of whoever gives it something to serve.
    ip netns exec san0 sh -c "mountpoint -q $config || mount -t configfs none $config; ln -s $subsystem $port/subsystems/bench"
    nvme connect -t tcp -a $address_there -s 4420 -n bench -q nqn.2014-08.org.nvmexpress:uuid:$host -I $host >nvme.log 2>&1 ||
        fail "nvme connect: $(cat nvme.log)"
    wait_until 20 test -b /dev/nvme0n1 || fail "nvme: no /dev/nvme0n1"
    devices[nvme-tcp]=/dev/nvme0n1
}

set_up_iscsi() {
    local name=iqn.2020-01.org.uaoe:bench
    ip_wire
    load scsi_mod sd_mod iscsi_tcp
    in_background tgtd ip netns exec san0 tgtd -f --iscsi portal=$address_there:3260
    targets[iscsi]=$background_pid
    wait_until 20 tgtadm --mode sys --op show >tgtadm.out 2>&1 || fail "tgtd does not answer: $(cat tgtd.log)"
    tgtadm --lld iscsi --mode target --op new --tid 1 -T $name
    tgtadm --lld iscsi --mode logicalunit --op new --tid 1 --lun 1 -b $disks/lun
    tgtadm --lld iscsi --mode target --op bind --tid 1 -I ALL
    mkdir -p /run/lock/iscsi /etc/iscsi
    echo InitiatorName=iqn.2020-01.org.uaoe:guest >/etc/iscsi/initiatorname.iscsi
    in_background iscsid setsid iscsid -f
    sleep 1
    { iscsiadm -m discovery -t st -p $address_there && iscsiadm -m node -T $name -p $address_there --login; } >iscsiadm.log 2>&1 ||
        fail "iscsiadm: $(tail -n 3 iscsiadm.log iscsid.log)"
    wait_until 20 test -b /dev/sda || fail "iSCSI: no /dev/sda"
    devices[iscsi]=/dev/sda
}

# No network: what the kernel's NBD driver and a server at the other end of a socket take.
set_up_nbdkit() {
    load nbd
    in_background nbdkit nbdkit -f -U $work/nbdkit.sock file $disks/lun
    targets[nbdkit]=$background_pid
    wait_until 20 test -S $work/nbdkit.sock || fail "nbdkit: $(cat nbdkit.log)"
    nbd-client -unix $work/nbdkit.sock /dev/nbd15 -b 512 >nbd-client.out 2>&1 || fail "nbd-client: $(cat nbd-client.out)"
    nbdkit_ready() { [ "$(cat /sys/block/nbd15/size)" != 0 ]; }
    wait_until 20 nbdkit_ready || fail "nbd15 is empty"
    devices[nbdkit]=/dev/nbd15
}
