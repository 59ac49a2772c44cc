#!/usr/bin/env bash
# 4,096 LUNs on one wire are all found, each with its own serial, and any of them can be served.
export LIMIT_SECONDS=90
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
