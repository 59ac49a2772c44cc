#!/usr/bin/env bash
# While a LUN is in use, other disks appear under its address: on the other NIC, with another size, and on the same wire,
# with the same size and another serial. The LUN goes on, both are reported, neither is ever written to; also not when
# the LUN's own target is away and they are all that answers.
export LIMIT_SECONDS=100
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy unshare

# The other disks are another host's. On the LUN's own they would be written to, and not by us: a vblade that starts hears
# every interface of its host until it has bound its socket to one, and does not look whom a command is for.
other_ns=uaoe-o-$$
namespaces+=("$other_ns")
ip netns add "$other_ns"

# A switch, for two targets on one wire: without one each would see, and answer, what is for the other's MAC.
ip -n "$bridge_ns" link add switch0 type bridge forward_delay 0
# plug NAMESPACE NAME: an interface of NAMESPACE on the switch.
plug() {
    ip link add "$2" netns "$1" mtu 9000 type veth peer name "s-$2" netns "$bridge_ns" mtu 9000
    ip -n "$bridge_ns" link set "s-$2" master switch0
    ip -n "$bridge_ns" link set "s-$2" up
    ip -n "$1" link set "$2" up
}
plug "$initiator_ns" i0
plug "$target_ns" t0
plug "$other_ns" t0other
ip -n "$bridge_ns" link set switch0 up
ip link add t1 netns "$other_ns" mtu 9000 type veth peer name i1 netns "$initiator_ns" mtu 9000
ip -n "$other_ns" link set t1 up
ip -n "$initiator_ns" link set i1 up

truncate -s 64M disk.img
random_file smaller.img 32
random_file twin.img 64
sha256sum smaller.img twin.img >sums
start_vblade 1 0 t0 disk.img
vblade_pid=$background_pid
start_serve 1.0 -i i0 -i i1 --fail-after 30
start_fio through --rw=randwrite --bs=32k --size=64M --io_size=320M --norandommap=1 --serialize_overlap=1 \
    --verify_backlog=256 --iodepth=16 --rate=,24M
sleep 1
carries i0
in_background vblade-smaller ip netns exec "$other_ns" vblade 1 0 t1 smaller.img
conflicts_are() {
    read_stats
    [ "$(jq -c '[.paths[] | select(.state == "conflict") | .interface] | sort' stats.json)" = "$1" ]
}
wait_until 10 conflicts_are '["i1"]' || fail "another disk on the other NIC is no conflict: $(cat stats.json)"
carries i0
# Of the same size, so it has to differ in its serial: with vblade that is its address and its host's name.
in_background vblade-twin ip netns exec "$other_ns" \
    unshare --uts sh -c 'hostname twin && exec vblade 1 0 t0other twin.img'
wait_until 10 conflicts_are '["i0","i1"]' || fail "another disk on the same wire is no conflict: $(cat stats.json)"
echo "ok: two conflicts"
sleep 1
for line in 'CONFLICT: .* path i0' 'CONFLICT: .* path i1'; do
    same "lines that say $line" 1 "$(grep -c "$line" serve.log)"
done
up_received() { jq '.paths[] | select(.state == "up") | .received' stats.json; }
read_stats
before=$(up_received)
sleep 1
fio_runs "the conflicts had been seen"
read_stats
[ "$(up_received)" -gt $((before + 100)) ] || fail "the device stands still: $(cat stats.json)"
echo "ok: the device goes on"

# Only the wrong disks answer.
end_background "$vblade_pid" KILL
no_path_is_up() {
    read_stats
    jq -e 'all(.paths[]; .state != "up")' stats.json >/dev/null
}
wait_until 10 no_path_is_up ||
    fail "a path is up while only other disks answer: $(cat stats.json)"
sleep 1.5
fio_runs "the target was back"
same "paths that are in conflict meanwhile" 2 "$(jq '[.paths[] | select(.state == "conflict")] | length' stats.json)"
start_vblade 1 0 t0 disk.img
finish_fio
echo "measured: the longest request took $stall_ms ms"
nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
sha256sum --check --quiet sums || fail "a disk that is not the LUN's was written to"
echo "ok: the other disks are as they were"
stop_serve
no_request_failed
