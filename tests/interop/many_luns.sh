#!/usr/bin/env bash
# 4,096 LUNs on one wire are all found, each with its own serial, and any of them can be served; and one uaoed serves more
# of them than it lets ask at the same time.
export LIMIT_SECONDS=120
. "$(dirname "$0")/lib.sh"
need nbdinfo

make_wire 0 9000
start_model -i t0 --luns 4096 --size 1T
start=$(date +%s%3N)
in_initiator "$UAOE" discover -i i0 --json >found.json
echo "discover took $(($(date +%s%3N) - start)) ms"
same "LUNs found" 4096 "$(jq length found.json)"
same "LUNs that are ready" 4096 "$(jq '[.[] | select(.state == "ready")] | length' found.json)"
same "different serials" 4096 "$(jq '[.[].serial] | unique | length' found.json)"
same "first and last" "1.0 17.15" "$(jq -r '[.[0].address, .[-1].address] | join(" ")' found.json)"
start_serve 17.15 -i i0
same "size of the last" $((1 << 40)) "$(timeout 10 nbdinfo --size "$uri")"
stop_serve

attached=100
mkdir run
: >uaoe.toml
control=$work/run/control.sock
in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c uaoe.toml -i i0 --control "$control"
daemon=$background_pid
wait_until 10 test -S "$control" || fail "uaoed does not listen"
for ((slot = 0; slot < attached; ++slot)); do
    "$UAOE" attach "1.$slot" --export --wait 20 --control "$control" >attached || fail "attach 1.$slot"
done
same "LUNs that uaoed has" $attached "$("$UAOE" list --json --control "$control" | jq '[.[] | select(.state == "up")] | length')"
same "size of the last" $((1 << 40)) "$(timeout 10 nbdinfo --size "$(cat attached)")"
for ((slot = 0; slot < attached; ++slot)); do
    "$UAOE" detach "1.$slot" --control "$control" >detached || fail "detach 1.$slot"
done
same "LUNs that it has after that" 0 "$("$UAOE" list --json --control "$control" | jq length)"
end_background "$daemon"
