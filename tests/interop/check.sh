#!/usr/bin/env bash
# `uaoe check` on SANs that are as they should be, and on each kind of fault: it is found, it alone, and the exit code tells.
export LIMIT_SECONDS=220
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade

# check CODE KINDS OPTION...: exits so, with those kinds of findings, each once; the report goes to check.json.
check() {
    local code=$1 kinds=$2 status=0
    shift 2
    timeout 60 ip netns exec "$initiator_ns" "$UAOE" check "$@" --wait 1000 --json >check.json 2>check.err || status=$?
    [ "$status" -eq "$code" ] || fail "check $*: exit code $status: $(cat check.json check.err)"
    same "findings of check $* (exit $status)" "$kinds" "$(jq -r '[.findings[].kind] | sort | join(" ")' check.json)"
    [ "$(jq '[.findings[] | select(.what == "" or .advice == "")] | length' check.json)" = 0 ] || fail "no advice: $(cat check.json)"
}
finding() { jq -r ".findings[0].$1" check.json; }
model() {
    start_model "$@"
    models+=("$background_pid")
}
models=()
end_models() {
    local pid
    for pid in "${models[@]}"; do end_background "$pid"; done
    models=()
}

make_wire 0 9000
make_wire 1 9000
refused "a SAN without targets" 3 'no target answered on i0 and i1' in_initiator "$UAOE" check -i i0 -i i1 --wait 300
refused "an interface that there is not" 1 'nosuch.*no such interface' in_initiator "$UAOE" check -i nosuch

# As it should be: vblade on both wires, with one disk; then many LUNs.
head -c 4M /dev/urandom >disk
cp disk before
start_vblade 1 0 t0 disk
first=$background_pid
start_vblade 1 0 t1 disk
second=$background_pid
wait_until 5 eval 'in_initiator "$UAOE" discover -i i1 --wait 100 --json | grep -q 1.0'
check 0 "" -i i0 -i i1
same "payload that was proved on each path" "8704 8704" "$(jq -r '[.targets[0].paths[].payload_bytes] | join(" ")' check.json)"
check 0 "" -i i0 -i i1 1.0
check 0 ""
in_initiator "$UAOE" check -i i0 -i i1 --wait 1000 >check.txt || fail "$(cat check.txt)"
matches "the table" '^1\.0 +i1 +[0-9a-f:]{17} +up +8704/8704 +16$' "$(cat check.txt)"
same "its last line" "nothing is wrong" "$(tail -n 1 check.txt)"
same "lines wider than 80 columns" "" "$(awk 'length > 80' check.txt)"
same_bytes "the disk, which was only read" before disk
refused "a target that there is not" 3 'target 1.1 not found: another target answers' in_initiator "$UAOE" check -i i0 1.1 --wait 300
end_background "$first"
end_background "$second"
model -i t0 -i t1 --luns 200 --size 1M
start=$SECONDS
check 0 "" -i i0 -i i1
same "targets" "200 400" "$(jq -r '"\(.targets | length) \([.targets[].paths[] | select(.payload_bytes == 8704)] | length)"' check.json)"
echo "ok: 200 targets with two paths each took $((SECONDS - start)) s"
end_models

# Targets that are not as they should be.
for state in mute-identify:mute reserved-identify:reserved unavailable:unavailable; do
    model -i t0 --"${state%:*}" --size 1M
    check 1 "${state#*:}" -i i0
    same "of which" 1.0 "$(finding 'addresses[0]')"
    end_models
done
for count in 0 1; do
    model -i t0 --advertise-buffers $count --size 1M
    check 1 few_buffers -i i0
    matches "how many" "buffer count of $count" "$(finding what)"
    end_models
done
start_vblade 1 0 t0 disk -b 1
first=$background_pid
wait_until 5 eval 'in_initiator "$UAOE" discover -i i0 --wait 100 --json | grep -q 1.0'
check 1 few_buffers -i i0
end_background "$first"
model -i t0 --serial FIRST --size 1M
model -i t1 --serial SECOND --size 1M
check 1 conflict -i i0 -i i1
matches "what each of them says" 'serial FIRST.*serial SECOND|serial SECOND.*serial FIRST' "$(finding what)"
end_models

# Frames that do not fit.
model -i t0 --payload-limit 5000 --size 1M
check 1 payload_limited -i i0
same "what passes" "only 4608 bytes of 8704 pass a frame" "$(finding what)"
end_models
model -i t0 --sectors-per-frame 2 --size 1M
check 1 mtu_mismatch -i i0
matches "the target's side" 'MTU of 9000 carries 8704 bytes, and the target takes only 1024' "$(finding what)"
end_models
model -i t0 -i t1 --size 1M
ip -n "$initiator_ns" link set i0 mtu 1500
check 1 "mtu_mismatch uneven_payload" -i i0 -i i1
matches "this side" 'MTU of 1500 carries 1024 bytes, and the target takes 8704' "$(finding what)"
check 0 "" -i i1
ip -n "$initiator_ns" link set i0 mtu 9000

# Paths.
ip -n "$initiator_ns" link set i1 down
check 1 interface_down -i i0 -i i1
check 0 "" -i i0
ip -n "$initiator_ns" link set i1 up
model -i t0 --slot 1 --size 1M
check 1 missing_path -i i0 -i i1
same "which, and where" "1.1 i1" "$(finding 'addresses[0]') $(finding interface)"
check 0 "" -i i0 -i i1 1.0
end_models
model -i t0 --size 1M
check 1 nothing_reached -i i0 -i i1
same "where" i1 "$(finding interface)"
check 0 "" # whoever named no interface did not say that each should reach something
end_models

# A switch with two ports of the host, and one of the target.
make_switch 9000 "x0 $initiator_ns" "x1 $initiator_ns" "y0 $target_ns"
model -i y0 --size 1M
check 1 uneven_paths -i x0 -i x1
same "how uneven" "2 interfaces here reach 1 port of the target" "$(finding what)"
check 0 "" -i x0
