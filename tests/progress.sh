#!/usr/bin/env bash
# tools/progress.sh: a line that changes in place on a terminal, few lines elsewhere; what a command says when it fails; and
# nothing that goes on behind a script that has ended.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/checks.sh
. "$here/checks.sh"
need python3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >begin <<END
set -euo pipefail
. "$here/../tools/progress.sh"
END
# run SCRIPT, elsewhere than on a terminal; on_terminal SCRIPT. To out, and err or drawn.
run() { bash -c "$(cat begin)"$'\n'"$1" >out 2>err; }
on_terminal() { python3 "$here/terminal.py" drawn 40 bash -c "$(cat begin)"$'\n'"$1" >out; }

run 'progress_interval_s=2
for i in 1 2 3 4 5 6 7 8 9; do progress "step $i of 9" && sleep 0.5; done'
matches "lines elsewhere" '^step 1 of 9 \(0 s\)$' "$(head -n 1 err)"
[ "$(wc -l <err)" -ge 2 ] && [ "$(wc -l <err)" -le 3 ] || fail "not one line in two seconds: $(cat err)"
same "sequences of a terminal elsewhere" 0 "$(grep -c $'\x1b' err || true)"

on_terminal 'for i in 1 2 3; do progress "step $i of 3, of which the name is longer than the terminal" && sleep 0.1; done
progress_clear
echo end >&2'
same "times it was drawn, and erased" 4 "$(grep -o $'\x1b\\[K' drawn | wc -l)"
same "lines on a terminal" 1 "$(wc -l <drawn)"
longest=$(tr '\r' '\n' <drawn | sed 's/\x1b\[K//' | wc -L)
[ "$longest" -le 39 ] || fail "a line of $longest columns wraps on a terminal of 40: $(cat -v drawn)"
matches "what comes after it has a line of its own" 'end' "$(sed 's/.*\x1b\[K//' drawn)"

run 'progress_while "building" log bash -c "echo [3/7] x; sleep 1.2; echo out; echo err >&2"; echo done; cat log'
same "a command's output" "done [3/7] x out err" "$(xargs <out)"
same "one line of it" "building (0 s)" "$(cat err)"
on_terminal 'progress_while "building" log bash -c "echo [3/7] x; sleep 1.2"'
matches "ninja's count on a terminal" 'building \[3/7\] \([01] s\)' "$(cat -v drawn)"

status=0
run 'progress_while "building" log bash -c "echo wrong >&2; exit 7"; echo not reached' || status=$?
same "exit code of a command that fails" 7 "$status"
same "what it said" "building (0 s) wrong" "$(xargs <err)"
same "nothing after it" "" "$(cat out)"

# The script is killed while the command runs: nobody shows progress any more.
bash -c "$(cat begin)"$'\n''progress_interval_s=0; progress_while "killed" log sleep 4' 2>killed &
sleep 1.2
kill -KILL $!
wait $! 2>/dev/null || true
sleep 1
lines=$(wc -l <killed)
sleep 1.2
same "lines after it was killed" "$lines" "$(wc -l <killed)"
[ "$lines" -ge 2 ] || fail "no lines before: $(cat killed)"
