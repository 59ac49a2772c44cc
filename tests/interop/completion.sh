#!/usr/bin/env bash
# Completion in bash, zsh and fish: the shells' own machinery is given a command line, and what it offers is compared. With
# a target on the wire and one attached; and without uaoed, when it has to be quiet.
export LIMIT_SECONDS=220
completion=$(cd "$(dirname "$0")/../../tools/completion" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade zsh fish
[ -r /usr/share/bash-completion/bash_completion ] || skip "bash-completion is not installed"
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

mkdir bin etc run
ln -s "$UAOE" bin/uaoe
ln -s "$UAOED" bin/uaoed
for file in uaoe.bash _uaoe uaoe.fish; do
    sed "s,@UAOE_COMPLETE@,$completion/complete,g" "$completion/$file" >"$file"
done
export PATH=$work/bin:$PATH HOME=$work control=$work/run/control.sock

cat >in_bash <<'END'
set -eu
set +u
. /usr/share/bash-completion/bash_completion
. ./uaoe.bash
function=$(complete -p "$1" | sed -n 's/.*-F \([^ ]*\) .*/\1/p')
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_TYPE=9 COMP_KEY=9
COMP_POINT=${#COMP_LINE}
$function "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || true # its status says nothing
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
END
cat >in_zsh <<'END'
words=("$@") CURRENT=$# PREFIX=${@[-1]}
_describe() { printf '%s\n' "${candidates[@]}" | sed 's/\\:/\x01/g; s/:.*//; s/\x01/:/g'; }
_files() { print -rl -- ${~PREFIX}*(N) }
. ./_uaoe
END
cat >in_fish <<'END'
source ./uaoe.fish
complete -C "$argv" | string replace -r '\t.*' ''
true # nothing offered is no error
END

# offers WHAT EXPECTED WORD...: every shell offers the words of EXPECTED, in any order, for this command line.
offers() {
    local what=$1 expected shell start offered
    expected=$(tr ' ' '\n' <<<"$2" | LC_ALL=C sort | xargs)
    shift 2
    for shell in bash zsh fish; do
        start=$SECONDS
        case $shell in
            bash) offered=$(in_initiator bash --norc in_bash "$@" 2>err) ;;
            zsh) offered=$(in_initiator zsh -f in_zsh "$@" 2>err) ;;
            fish) offered=$(in_initiator fish --no-config in_fish "$*" 2>err) ;;
        esac || fail "$shell, $what: it ended with $?: $(cat err)"
        [ ! -s err ] || fail "$shell, $what: it says: $(cat err)"
        [ $((SECONDS - start)) -le 8 ] || fail "$shell, $what: it took $((SECONDS - start)) s"
        same "$shell: $what" "$expected" "$(LC_ALL=C sort <<<"$offered" | xargs)"
    done
}

commands=$("$UAOE" --help | awk '/^Subcommands:/ {on = 1; next} on && !/^  / {exit} on {print $1}' | xargs)
make_wire 0 1500
truncate -s 4M disk0 disk1
start_vblade 1 0 t0 disk0
start_vblade 1 17 t0 disk1

offers "commands" "$commands" uaoe ""
offers "a command begun" "discover" uaoe di
offers "options begun" "--wait --watch" uaoe discover --wa
offers "a flag takes nothing: the address follows" "" uaoe discover --json 9.
offers "options of the daemon" "--control --config" uaoed --con
offers "interfaces" "i0" uaoe discover -i i
offers "a file" "uaoe.bash uaoe.fish" uaoe config-check -c uaoe
offers "a number" "" uaoe ping -c ""
offers "a word of a set" "packet xdp" uaoe serve 1.0 --link ""
offers "targets on the interface that is named" "1.0 1.17" uaoe ping -i i0 ""
offers "a target begun" "1.17" uaoe serve -i i0 1.1
offers "without uaoed and an interface: nothing, quietly" "" uaoe attach --control "$control" ""
offers "without uaoed: nothing, quietly" "" uaoe detach --control "$control" ""

echo 'interfaces = ["i0"]' >etc/uaoe.toml
in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml" --control "$control"
daemon=$background_pid
wait_until 10 test -S "$control" || fail "uaoed does not listen"
uri=$(in_initiator "$UAOE" attach 1.17 --export --control "$control")
offers "targets on uaoed's interfaces" "1.0 1.17" uaoe attach --control "$control" ""
offers "attached addresses" "1.17" uaoe show --control "$control" 1
offers "attached addresses and devices" "1.17 $uri" uaoe detach --control "$control" ""
end_background "$daemon"
offers "after uaoed" "" uaoe show --control "$control" ""
