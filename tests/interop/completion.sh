#!/usr/bin/env bash
# Completion in bash, zsh and fish: the shells' own machinery is given a command line, and what it offers is compared. With
# a target on the wire and one attached; and without uaoed, when it has to be quiet.
export LIMIT_SECONDS=230
# Mounts made here end with the script.
[ -n "${INTEROP_MOUNTS:-}" ] || exec env INTEROP_MOUNTS=1 unshare -m bash "$0" "$@"
completion=$(cd "$(dirname "$0")/../../tools/completion" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade zsh fish
[ -r /usr/share/bash-completion/bash_completion ] || skip "bash-completion is not installed"
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

mkdir bin etc run
ln -s "$UAOE" bin/uaoe
ln -s "$UAOED" bin/uaoed
aoetools=$(sed -n '/^set(UAOE_AOETOOLS aoe/,/)/p' "$completion/../CMakeLists.txt" | sed 's/set(UAOE_AOETOOLS//; s/)//' | xargs)
for name in $aoetools; do ln -s "$UAOE" "bin/$name"; done
for file in uaoe.bash _uaoe uaoe.fish; do
    sed "s,@UAOE_COMPLETE@,$completion/complete,g; s/@UAOE_NAMES@/uaoe uaoed $aoetools/" "$completion/$file" >"$file"
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
offers "a word of another set" "short" uaoe smart 1.0 --test sh
offers "targets on the interface that is named" "1.0 1.17" uaoe ping -i i0 ""
offers "a target begun" "1.17" uaoe serve -i i0 1.1
offers "without uaoed and an interface: nothing, quietly" "" uaoe attach --control "$control" ""
offers "without uaoed: nothing, quietly" "" uaoe detach --control "$control" ""
offers "options of aoeping" "-I -S -h -i -s -t -v" aoeping -
offers "SMART commands of aoeping" "read_data read_log return_status" aoeping -S re
offers "interfaces, behind shelf and slot" "i0" aoeping -s 1 1 0 ""
offers "commands of aoecfg" "fset prefix read set test" aoecfg -c ""
offers "a string: nothing" "" aoecfg -s ""
offers "an interface alone" "i0" aoecfg i
offers "interfaces, one after the other" "i0" aoe-interfaces eth1 ""
offers "no operand" "" aoe-discover ""

echo 'interfaces = ["i0"]' >etc/uaoe.toml
in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml" --control "$control"
daemon=$background_pid
wait_until 10 test -S "$control" || fail "uaoed does not listen"
uri=$(in_initiator "$UAOE" attach 1.17 --export --control "$control")
offers "targets on uaoed's interfaces" "1.0 1.17" uaoe attach --control "$control" ""
offers "attached addresses" "1.17" uaoe show --control "$control" 1
offers "attached addresses and devices" "1.17 $uri" uaoe detach --control "$control" ""
# The names of aoetools ask the socket that is uaoed's without --control.
end_background "$daemon"
mkdir -p /run/uaoe
mount -t tmpfs tmpfs /run/uaoe
in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml"
daemon=$background_pid
wait_until 10 test -S /run/uaoe/control.sock || fail "uaoed does not listen"
in_initiator "$UAOE" attach 1.17 --export >/dev/null
offers "attached LUNs" "e1.17" aoe-flush ""
offers "one begun" "e1.17" aoe-revalidate e
offers "one as a pattern" "e1.17" aoe-stat e1
offers "shelves" "1" aoeping ""
offers "slots of a shelf" "0 17" aoeping 1 ""
offers "slots of a shelf that there is not" "" aoeping 2 ""
offers "shelves and interfaces" "1 i0" aoecfg -t 1 ""
end_background "$daemon"
umount /run/uaoe
offers "without uaoed: no LUNs, quietly" "" aoe-flush ""
offers "after uaoed" "" uaoe show --control "$control" ""
