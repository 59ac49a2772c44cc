#!/usr/bin/env bash
# Commands that take long say on standard error how far they are: on a terminal in a line that changes in place, elsewhere
# in few lines; standard output is the result alone.
export LIMIT_SECONDS=120
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
folder=$(cd "$(dirname "$0")" && pwd)
need vblade python3
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 1500
truncate -s 4M disk0
start_vblade 1 0 t0 disk0
start_model -i t0 --shelf 2 --size 1M --smart
mkdir run
control=$work/run/control.sock
columns=70
# With standard error on a terminal, of which what is drawn goes to drawn, and the lines one by one to lines.
on_terminal() {
    local status=0
    in_initiator python3 "$folder/../terminal.py" drawn $columns "$UAOE" "$@" >out || status=$?
    tr '\r' '\n' <drawn | sed 's/\x1b\[K//' | grep . >lines || true
    return $status
}
# changes_in_place WHAT TIMES PATTERN: drawn so often at least, never wrapped, a line like that.
changes_in_place() {
    local times
    times=$(grep -o $'\x1b\\[K' drawn | wc -l)
    [ "$times" -gt "$2" ] || fail "$1: drawn $times times: $(cat -v drawn)"
    matches "$1" "$3" "$(grep -m 1 -E "$3" lines || cat lines)"
    [ "$(grep -v '^uaoe: ' lines | wc -L)" -lt $columns ] || fail "$1: a line wraps: $(cat lines)"
}
in_pipe() { in_initiator "$UAOE" "$@" >out 2>err; }

status=0
on_terminal serve 1.7 -i i0 --nbd-socket "$work/nbd.sock" --wait 3 || status=$?
same "exit code without the target" 3 "$status"
changes_in_place "waiting, on a terminal" 3 '^waiting for 1\.7 on i0 \([12] s of 3 s\): 2 other targets answer'
same "lines that stay" 1 "$(tr -d '\r' <drawn | wc -l)"
matches "the last" '^uaoe: target 1\.7 not found' "$(tail -n 1 lines)"

on_terminal discover -i i0 --json
changes_in_place "discover, on a terminal" 2 '^looking on i0 \([01] s of 2 s\): 2 targets'
same "its result" "1.0 2.0" "$(jq -r '.[].address' out | xargs)"
in_pipe discover -i i0 --json --wait 6500
matches "discover, in a pipe" '^looking on i0 \([56] s of 6 s\): 2 targets$' "$(cat err)"
same "its lines" 1 "$(wc -l <err)"
in_pipe discover -i i0 --json
same "a short one, in a pipe" "" "$(cat err)"

on_terminal check -i i0 --json || true
changes_in_place "check, on a terminal" 3 '^checking on i0 \([0-9] s\): looking for targets: 2 targets'
same "its result" "1.0 2.0" "$(jq -r '.targets[].address' out | xargs)"

on_terminal smart 2.0 -i i0 --test short --follow --json
changes_in_place "a self-test, on a terminal" 2 '^self-test of 2\.0 \([01] s of 2 min\): running, [0-9]+ % remain'
same "its result" "2.0" "$(jq -r .address out)"
in_pipe smart 2.0 -i i0 --test short --follow --json
same "a self-test, in a pipe: lines" 1 "$(wc -l <err)"

in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -i i0 --control "$control"
wait_until 10 eval 'in_pipe list --control "$control"' || fail "uaoed does not answer"
status=0
on_terminal attach 1.7 --export --wait 3 --control "$control" || status=$?
same "exit code of attach without the target" 3 "$status"
same "its result" "" "$(cat out)"
changes_in_place "attach, on a terminal" 3 '^attaching 1\.7 \([12] s of 3 s\): 2 other targets answer, this one does not'
matches "the last" '^uaoe: target 1\.7 not found' "$(tail -n 1 lines)"
status=0
in_pipe attach 1.7 --export --wait 16 --control "$control" || status=$?
matches "attach, in a pipe: the time of each line" '^[56] s of 16 s 1[56] s of 16 s$' "$(sed -n 's/^attaching 1\.7 (\(.*\)): .*/\1/p' err | xargs)"
same "its lines, with the error" 3 "$(wc -l <err)"
on_terminal attach 1.0 --export --control "$control"
matches "attach of one that is there" '^nbd' "$(cat out)"
# On a busy machine it takes long enough to say something; that does not stay.
same "what it leaves on the terminal" "" "$(sed 's/.*\r\x1b\[K//' drawn)"
