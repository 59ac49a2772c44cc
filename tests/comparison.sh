#!/usr/bin/env bash
# Each row of the comparison in README.md names tests that there are.
#   comparison.sh BUILD
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
tests=$(ctest --test-dir "$1" -N | sed -n 's/^ *Test *#[0-9]*: //p')
rows=0
status=0
while IFS= read -r row; do
    rows=$((rows + 1))
    names=$(sed 's/ *|$//; s/.*| //' <<<"$row" | grep -o '`[^`]*`' | tr -d '`') || names=
    [ -n "$names" ] || { echo "no test in: $row" >&2 && status=1; }
    for name in $names; do
        grep -qx -- "$name" <<<"$tests" || { echo "there is no test $name, of: $row" >&2 && status=1; }
    done
done < <(sed -n '/^### Beside other tools/,/^###* [^B]/p' "$here/../README.md" | grep '^| [^-]' | tail -n +2)
[ "$rows" -ge 10 ] || { echo "only $rows rows found" >&2 && status=1; }
exit $status
