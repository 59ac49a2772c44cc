#!/usr/bin/env bash
# 200 LUNs of one uaoed, each attached by a command of its own: it still answers, and what it says of all of them is whole.
export LIMIT_SECONDS=200
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
folder=$(cd "$(dirname "$0")" && pwd)
need python3
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 9000
start_model -i t0 --luns 200 --size 1G
mkdir run
control=$work/run/control.sock
uaoe() { in_initiator "$UAOE" "$@" --control "$control"; }
in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -i i0 --control "$control"
wait_until 10 eval 'uaoe list >/dev/null 2>&1' || fail "uaoed does not answer"

for first in $(seq 0 20 180); do
    attaching=()
    for slot in $(seq "$first" $((first + 19))); do
        uaoe attach "1.$slot" --export --wait 30 >/dev/null &
        attaching+=($!)
    done
    for pid in "${attaching[@]}"; do
        wait "$pid" || fail "one of 1.$first to 1.$slot cannot be attached"
    done
done
start=$(date +%s%3N)
uaoe list --json >list.json
took_ms=$(($(date +%s%3N) - start))
same "LUNs that are up" 200 "$(jq '[.[] | select(.state == "up")] | length' list.json)"
echo "ok: list took $took_ms ms"
start=$(date +%s%3N)
uaoe metrics >metrics.txt
echo "ok: metrics took $(($(date +%s%3N) - start)) ms, $(wc -c <metrics.txt) bytes"
python3 "$folder/exposition.py" "$folder/../../tools/grafana/uaoe.json" <metrics.txt || fail "the metrics are not right"
same "LUNs in the metrics" 200 "$(grep -c '^uaoe_lun_state{.*state="up"} 1$' metrics.txt)"
