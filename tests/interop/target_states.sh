#!/usr/bin/env bash
# Targets that answer but cannot be used: one that never answers IDENTIFY, reserved ones, one without its disk. Each is
# listed with its state, and refused by `serve` with the reason.
export LIMIT_SECONDS=90
. "$(dirname "$0")/lib.sh"

make_wire 0 1500
# with STATE EXIT-CODE PATTERN MODEL-OPTION
with() {
    local status=0
    start_model -i t0 --size 1M "$4"
    same "$4: listed as" "$1" "$(in_initiator "$UAOE" discover -i i0 --json | jq -r '.[] | .state')"
    in_initiator timeout 20 "$UAOE" serve 1.0 -i i0 --wait 3 --nbd-socket "$work/nbd.sock" \
        >serve.out 2>serve.err || status=$?
    same "$4: serve's exit code" "$2" "$status"
    matches "$4: serve's last line" "$3" "$(tail -n 1 serve.err)"
    [ ! -s serve.out ] || fail "$4: serve printed $(cat serve.out)"
    [ ! -e nbd.sock ] || fail "$4: serve left a socket behind"
    end_background "$background_pid"
}
with mute 3 'never IDENTIFY' --mute-identify
with reserved 1 'reserved by another initiator' --reserved-identify
with ready 1 'reserved by another initiator' --reserved # as vblade: IDENTIFY is allowed
with unavailable 1 'unavailable' --unavailable

# A target that answers in odd but lawful ways is a target.
for quirk in --version-zero --pads-replies --short-errors --flush-echoes; do
    start_model -i t0 --size 1M $quirk
    same "$quirk: listed as" ready "$(in_initiator "$UAOE" discover -i i0 --json | jq -r '.[] | .state')"
    end_background "$background_pid"
done
