#!/usr/bin/env bash
# What can be wrong with a command line, for every command and option that --help names, so that new ones are in it, too:
# each mistake is one line on stderr that names the command and its --help, exit code 2, nothing on stdout, no control
# character, no frame, no file. Then what can be wrong around a right one: interfaces, files, the daemon and its answers.
export LIMIT_SECONDS=540
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need python3 setpriv
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

mkdir bin etc run
ln -s "$UAOE" bin/uaoe
ln -s "$UAOED" bin/uaoed
export PATH=$work/bin:$PATH LIST=$work/list.txt
cases_count=0

# said CODE PATTERN COMMAND...: that exit code and one line that matches; see above. Quiet: there are hundreds.
said() {
    local code=$1 pattern=$2 status=0
    shift 2
    cases_count=$((cases_count + 1))
    timeout 20 "$@" >said.out 2>said.err || status=$?
    [ "$status" -eq "$code" ] || fail "$(printf '%q ' "$@"): expected exit code $code, got $status: $(cat said.err said.out)"
    [ "$(wc -l <said.err)" -eq 1 ] || fail "$(printf '%q ' "$@"): expected one line on stderr: $(cat said.err)"
    [ ! -s said.out ] || fail "$(printf '%q ' "$@"): expected nothing on stdout: $(cat said.out)"
    grep -qE -- "$pattern" said.err || fail "$(printf '%q ' "$@"): expected to match '$pattern': $(cat said.err)"
    ! LC_ALL=C tr -d '\n' <said.err | LC_ALL=C grep -q '[[:cntrl:]]' ||
        fail "$(printf '%q ' "$@"): a control character: $(cat -v said.err)"
    ! grep -qE 'terminate|std::|Assert|basic_string|unexpected error' said.err || fail "$(printf '%q ' "$@"): $(cat said.err)"
}

commands_in() { "$@" --help | awk '/^Subcommands:/ {on = 1; next} on && !/^  / {exit} on && /^  [a-z]/ {print $1}'; }

# options_of PROGRAM WORD...: "NAME TYPE" of each option, by its long name; TYPE is "flag" for one without a value.
options_of() {
    "$@" --help | awk '/^  -/ {
        names = split($1, name, ",")
        type = $2
        sub(/[:=].*/, "", type)
        if (type !~ /^\[?[A-Z\/]|\|/ || type ~ /^(REQUIRED|Excludes|Needs)$/ || $0 !~ "^  [^ ]+ [^ ]") type = "flag"
        if (name[names] != "--help" && name[names] != "--version") print name[names], type
    }'
}

# positionals_of PROGRAM WORD...: their names in the usage.
positionals_of() { "$@" --help | sed -n 's/^Usage: .*\[OPTIONS\] *//p' | sed 's/([^)]*)//g' | tr -d '[].' | tr ' ' '\n' | grep -vx SUBCOMMAND || true; }

# wrong PROGRAM WORD... -- ARGUMENT...: a mistake in the arguments of that command.
wrong() {
    local command=()
    while [ "$1" != -- ]; do command+=("$1") && shift; done
    shift
    said 2 "^${command[*]}: .*; see .${command[*]}( [a-z-]+)? --help.\$" "${command[@]}" "$@"
}

# Values that are none of a type.
bad_values() {
    case $1 in
        S | MS | N | COUNT | USEC) printf '%s\n' x -1 +1 ' 1' 1.5 1x 99999999999999999999 -18446744073709551615 0x1 01 '1 2' '٣' ;;
        PATH) printf '%0200d\n' 0 ;;
        KIND) printf '%s\n' x PACKET ;;
        *\|*) printf '%s\n' x "$1" ;;
        \[*) printf '%s\n' /dev/sda /dev/nbd /dev/nbdx /dev/nbd1x /dev/nbd99999999 ;;
    esac
}

bad_addresses=(1 1. .0 1.0.0 x.y 65535.0 1.255 65535.255 65536.1 1.-1 +1.0 0x1.0 ' 1.0' '1.0 ' '1,0' e e1.x E1.0 '' $'1.0\n' $'1\x1b[2J.0' '１.０' "$(printf '%0300d' 0 | tr 0 9).0")

# try COMMAND...: every mistake in that command. One with subcommands has their names to be wrong with.
try() {
    local base=() before=$cases_count name type value other positionals
    if [ -n "$(commands_in "$@")" ]; then
        wrong "$@" --
        wrong "$@" -- frobnicate
        wrong "$@" -- --frobnicate
        wrong "$@" -- ''
        wrong "$@" -- $'\x1b[2Jlist'
        return
    fi
    positionals=$(positionals_of "$@")
    for name in $positionals; do
        case $name in
            ADDR | LUN) base+=(1.0) ;;
            STRING) base+=(text) ;;
            MAC) base+=(02:00:00:00:00:07) ;;
            *) fail "$*: no test knows what $name is" ;;
        esac
    done
    "$@" --help | grep -qE '^  -i.*REQUIRED' && base+=(-i i0)
    [ "$2" = serve ] && base+=(--nbd-socket "$work/none.sock")

    wrong "$@" -- "${base[@]}" --frobnicate
    wrong "$@" -- "${base[@]}" --frobnicate=7
    wrong "$@" -- "${base[@]}" -Z
    wrong "$@" -- "${base[@]}" surplus
    wrong "$@" -- "${base[@]}" $'\x1b[2Jsurplus'
    # An operand that has to be there, and is not.
    if "$@" --help | grep -qE '^  (ADDR|LUN|STRING|MAC) .*REQUIRED'; then wrong "$@" -- "${base[@]:1}"; fi
    if "$@" --help | grep -qE '^  -i.*REQUIRED'; then wrong "$@" -- "${base[@]:0:$(wc -w <<<"$positionals")}"; fi
    case $positionals in
        ADDR*) for value in "${bad_addresses[@]}"; do wrong "$@" -- "$value" "${base[@]:1}"; done ;;
        LUN*) wrong "$@" -- '' "${base[@]:1}" && wrong "$@" -- "$(printf '%0300d' 0)" "${base[@]:1}" ;;
    esac
    options_of "$@" >options.txt
    while read -r name type; do
        if [ "$type" = flag ]; then
            wrong "$@" -- "${base[@]}" "$name=maybe"
            continue
        fi
        case $type in \[*) ;; *) wrong "$@" -- "${base[@]}" "$name" && wrong "$@" -- "${base[@]}" "$name=" ;; esac
        while IFS= read -r value; do
            [ -z "$value" ] || wrong "$@" -- "${base[@]}" "$name=$value"
        done <<<"$(bad_values "$type")"
    done <options.txt
    # What --help says of options that exclude each other.
    while read -r name other; do
        [ -n "$name" ] || continue
        type=$(awk -v name="$other" '$1 == name {print $2}' options.txt)
        value=$(awk -v name="$name" '$1 == name {print $2}' options.txt)
        wrong "$@" -- "${base[@]}" "$name$(value_of "$value")" "$other$(value_of "$type")"
    done <<<"$(excluded "$@")"
    echo "$*: $((cases_count - before)) mistakes" >>"$LIST"
}

# value_of TYPE: "=VALUE" that is right.
value_of() {
    case $1 in
        flag | \[*) ;;
        *\|*) echo "=${1%%|*}" ;;
        PATH) echo "=$work/none.sock" ;;
        *) echo "=1" ;;
    esac
}

# excluded COMMAND...: pairs of options of which its --help says that they exclude each other.
excluded() {
    "$@" --help | awk '/^  -/ {
        names = split($1, name, ",")
        for (i = 2; i <= NF; ++i) if ($i == "Excludes:") for (++i; i <= NF && $i ~ /^--/; ++i) print name[names], $i
    }'
}

all_mistakes() {
    local command verb
    wrong uaoe --
    wrong uaoe -- frobnicate
    wrong uaoe -- --frobnicate
    wrong uaoe -- ''
    wrong uaoe -- $'\x1b[2J'
    for command in $(commands_in uaoe); do
        try uaoe "$command"
        for verb in $(commands_in uaoe "$command"); do try uaoe "$command" "$verb"; done
    done
    for value in --frobnicate -Z surplus '' -c -i --control --config= --interface= --control= "--control=$(printf '%0200d' 0)"; do
        wrong uaoed -- "$value"
    done
    echo "uaoe and uaoed: $cases_count mistakes in all" >>"$LIST"
}

# --- command lines
in_initiator sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
in_initiator sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
make_wire 0 1500
frames() { in_initiator cat /sys/class/net/i0/statistics/tx_packets; }
files() { find "$work" /run/uaoe /etc/uaoe ! -name 'said.*' ! -name options.txt ! -name '*.txt' ! -path "$work" -printf '%p %s %T@\n' 2>/dev/null | sort | md5sum | cut -c1-32; }
files_before=$(files) frames_before=$(frames)
export -f fail said commands_in options_of positionals_of wrong bad_values try value_of excluded all_mistakes
export UAOE work cases_count
in_initiator env BASH_ENV= bash -euo pipefail -c "$(declare -p bad_addresses); all_mistakes"
sed 's/^/ok: /' list.txt
same "files after all that" "$files_before" "$(files)"
same "frames sent by all that" "$frames_before" "$(frames)"

# --- interfaces
ip link add idle netns "$initiator_ns" type veth peer name idle netns "$target_ns" # it stays down
ours=(ip netns exec "$initiator_ns")
net_commands=("discover" "check" "identify 1.0" "ping 1.0" "smart 1.0" "config get 1.0" "config set 1.0 x" "config test 1.0 x"
    "config clear 1.0" "mask list 1.0" "mask add 1.0 02:00:00:00:00:07" "mask remove 1.0 02:00:00:00:00:07" "mask clear 1.0"
    "reserve get 1.0" "reserve set 1.0" "reserve force 1.0" "reserve release 1.0" "serve 1.0 --nbd-socket $work/none.sock")
same "commands that need a network, and are tried" \
    "$(for command in $(commands_in uaoe); do
        for verb in $(commands_in uaoe "$command") ''; do
            # shellcheck disable=SC2086 # none, or one
            options_of uaoe $command $verb | grep -q '^--interface IF' && echo "$command${verb:+ $verb}"
        done
    done | sort | xargs)" \
    "$(printf '%s\n' "${net_commands[@]}" | sed -E 's/ (1\.0|--).*//' | sort | xargs)"
cases_count=0
for command in "${net_commands[@]}"; do
    for name in eth77 abcdefghijklmnopq ../../etc i0/../i0 'i 0' ethö; do
        # shellcheck disable=SC2086 # words
        said 1 "^uaoe: .*$name.*no such interface" "${ours[@]}" uaoe $command -i "$name"
    done
    # shellcheck disable=SC2086
    said 1 '^uaoe: .*\\x1b\[2Jeth.*no such interface' "${ours[@]}" uaoe $command -i $'\x1b[2Jeth'
    # shellcheck disable=SC2086
    said 1 '^uaoe: .*lo.*not an Ethernet' "${ours[@]}" uaoe $command -i lo
    # shellcheck disable=SC2086
    said 1 '^uaoe: .*eth77.*no such interface' "${ours[@]}" uaoe $command -i i0 -i eth77
    # shellcheck disable=SC2086
    [ "$command" = check ] || said 1 '^uaoe: .*idle: it is down' "${ours[@]}" uaoe $command -i idle
done
echo "ok: interfaces that cannot be used: $cases_count mistakes"
same "files after that" "$files_before" "$(files)"
same "frames sent by that" "$frames_before" "$(frames)"

# --- no uaoed, or something else in its place
daemon_commands=("attach 1.0" "detach 1.0" "list" "list --json" "list --aoe-stat" "show 1.0" "show 1.0 --json" "top --once"
    "events" "metrics")
same "commands that need uaoed, and are tried" \
    "$(for command in $(commands_in uaoe); do options_of uaoe "$command" | grep -q '^--control' && echo "$command"; done | sort -u | xargs)" \
    "$(printf '%s\n' "${daemon_commands[@]}" | cut -d' ' -f1 | sort -u | xargs)"
cases_count=0
mkdir closed
echo precious >file
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("dead")'
chmod 700 closed
cp -L bin/uaoe closed-test
chmod 755 "$work" closed-test
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
for command in "${daemon_commands[@]}"; do
    for path in none none/none file/none file closed dead $'\x1b[2J'; do
        # shellcheck disable=SC2086
        said 4 '^uaoe: cannot reach uaoed at .*start uaoed.*--control$' uaoe $command --control "$path"
    done
    # shellcheck disable=SC2086
    said 5 '^uaoe: cannot reach uaoed at .*Permission denied.*run as root$' "${nobody[@]}" ./closed-test $command --control closed/control.sock
done
echo "ok: sockets where no uaoed is: $cases_count mistakes"
same "a file in the socket's place" precious "$(cat file)"
rm closed-test

# A uaoed that answers with what is in the file `answer`, in one piece, and closes.
cat >fake_daemon.py <<'END2'
import socket
server = socket.socket(socket.AF_UNIX)
server.bind("fake.sock")
server.listen(64)
while True:
    client, _ = server.accept()
    try:
        while b"\n" not in client.recv(65536):
            pass
        client.sendall(open("answer", "rb").read())
        client.close()
    except OSError:
        pass
END2
in_background fake python3 fake_daemon.py
wait_until 10 test -S fake.sock || fail "no socket"
cases_count=0
not_understood='^uaoe: uaoed gave an answer that was not understood; check that uaoe and uaoed have the same version$'
for command in "${daemon_commands[@]}"; do
    for answer in '' 'garbage' '{}' '[]' 'null' '{"ok":1}' '{"ok":true}' '{"ok":false}' '{"ok":false,"what":7}' '{"ok":true,"result":' \
        $'\xff\xfe\x00' $'\x1b[2J' "$(printf '%*s' 70000 '' | tr ' ' '[')" '{"ok":false,"what":"x","why":"y","what_to_do":"z","exit_code":"7"}'; do
        printf '%s\n' "$answer" >answer
        # shellcheck disable=SC2086
        said 4 "$not_understood" uaoe $command --control fake.sock
    done
    # A result of another kind than was asked for.
    case $command in
        detach* | events) ;; # nothing, or nothing yet, is made of it
        *)
            for result in 7 null true '{"a":1}' '[7]' '["x"]' '""' '"\u001b[2J' '[[]]'; do
                case $command,$result in "top "* | *,'"'*) ;; *) [ "$result" = '{"a":1}' ] && continue ;; esac
                printf '{"ok":true,"result":%s}\n' "$result" >answer
                # shellcheck disable=SC2086
                said 4 "$not_understood" uaoe $command --control fake.sock
            done
            ;;
    esac
    printf '' >answer
    # shellcheck disable=SC2086
    said 4 '^uaoe: uaoed did not answer: it ended, or is too busy; ' uaoe $command --control fake.sock
    printf '{"ok":true,"re' >answer
    # shellcheck disable=SC2086
    said 4 '^uaoe: uaoed did not answer: it ended, or is too busy; ' uaoe $command --control fake.sock
    printf '%s\n' '{"ok":false,"what":"\u001b[2Jx\ny","why":"because","what_to_do":"that","exit_code":3}' >answer
    # shellcheck disable=SC2086
    said 3 '^uaoe: .x1b\[2Jx.x0ay: because; that$' uaoe $command --control fake.sock
done
printf '%s\n' '{"ok":true,"result":""}' >answer
said 4 '^uaoe: uaoed has ended; ' uaoe events --control fake.sock
echo "ok: answers that make no sense: $cases_count"

# --- files
cases_count=0
mkdir folder
printf 'x = 1\n' >wrong.toml
printf '\xff\xfe\n' >bytes.toml
printf 'interfaces = ["i0"]\n' >right.toml
chmod 600 right.toml
cp -L bin/uaoe for-all && chmod 755 for-all
said 1 'none\.toml.*No such file' uaoe config-check -c none.toml
said 1 'folder' uaoe config-check -c folder
said 1 '^wrong\.toml:1:1: ' uaoe config-check -c wrong.toml
said 1 '^bytes\.toml:1:1: ' uaoe config-check -c bytes.toml
said 5 'right\.toml.*Permission denied' "${nobody[@]}" ./for-all config-check -c right.toml
# uaoed logs: what it lacks where it may not do all that it wants to, and then why it ends.
ends() {
    local code=$1 pattern=$2 status=0
    shift 2
    cases_count=$((cases_count + 1))
    timeout 20 "${ours[@]}" uaoed "$@" >said.out 2>said.err || status=$?
    [ "$status" -eq "$code" ] || fail "uaoed $*: expected exit code $code, got $status: $(cat said.err)"
    [ ! -s said.out ] || fail "uaoed $*: expected nothing on stdout: $(cat said.out)"
    grep -qE -- "$pattern" <<<"$(tail -n 1 said.err)" || fail "uaoed $*: expected to match '$pattern': $(cat said.err)"
}
ends 1 'none\.toml.*No such file' -c none.toml --control run/control.sock
ends 1 'wrong\.toml, line 1, column 1' -c wrong.toml --control run/control.sock
ends 2 'no interface can have the name "abcdefghijklmnop"' -i abcdefghijklmnop --control run/control.sock
ends 1 'Not a directory' -i i0 --control wrong.toml/control.sock
said 1 'statistics.*No such file' "${ours[@]}" uaoe serve 1.0 -i i0 --nbd-socket x.sock --stats none/s.json
said 1 'statistics.*directory' "${ours[@]}" uaoe serve 1.0 -i i0 --nbd-socket x.sock --stats folder
echo "ok: files that cannot be used: $cases_count mistakes"
same "sockets that are left" "" "$(find run x.sock -type s 2>/dev/null)"

# --- names of aoetools: their exit code is 1
cases_count=0
mkdir names
for name in $(sed -n '/^set(UAOE_AOETOOLS aoe/,/)/p' "$here/../../tools/CMakeLists.txt" | sed 's/set(UAOE_AOETOOLS//; s/)//'); do
    ln -s "$UAOE" "names/$name"
done
[ "$(find names -type l | wc -l)" -ge 11 ] || fail "names: $(ls names)"
tool() {
    local name=$1 pattern=$2
    shift 2
    said 1 "^$name: .*$pattern" "${ours[@]}" "names/$name" "$@"
}
usage() { tool "$1" "$2.*; see .$1 --help.\$" "${@:3}"; }
for name in names/*; do
    name=${name#names/}
    in_initiator "names/$name" --help >help.txt 2>help.err || fail "$name --help: $(cat help.err)"
    grep -q '^Examples:' help.txt || fail "$name --help has no examples"
    [ ! -s help.err ] || fail "$name --help: $(cat help.err)"
done
usage aoe-discover 'no arguments' surplus
usage aoe-interfaces 'no option -x' -x
usage aoe-interfaces '-c takes no' -c i0
usage aoe-revalidate 'name a device'
usage aoe-version 'no arguments' surplus
usage aoe-sancheck 'no option -x' -x
usage aoe-sancheck 'no arguments' surplus
usage aoe-mkdevs 'a directory'
usage aoe-mkdevs 'a directory' a b
usage aoe-mkshelf 'a directory and a shelf' a
usage aoe-flush 'takes no arguments' -a e1.0
for address in x 1 e1.255 e65535.0 '' -a $'e1\x1b[2J.0'; do
    usage aoe-revalidate 'not eSHELF.SLOT' "$address"
    [ "$address" = -a ] || usage aoe-flush 'not eSHELF.SLOT' "$address"
done
for arguments in "1 0" "1" "" "1 0 i0 i1"; do
    # shellcheck disable=SC2086
    usage aoeping 'shelf, slot and interface' $arguments
done
for address in "x 0" "65535 255" "1 256" "-1 0" "1 0x" "1.5 0" "0777777 1"; do
    # shellcheck disable=SC2086
    usage aoeping 'not a shelf|no option -1' $address i0
done
usage aoeping 'no option -z' -z 1 0 i0
usage aoeping '-s needs a value' 1 0 i0 -s
for value in 0 soon -1 1.5 99999999999 ''; do usage aoeping '-s is 1 to' -s "$value" 1 0 i0; done
for value in -1 x 99999999999 ''; do usage aoeping '-t is a number' -t "$value" 1 0 i0; done
for value in x read_log:x read_log:256 '' $'\x1b[2J'; do usage aoeping 'no SMART command' -S "$value" 1 0 i0; done
usage aoecfg 'no command' -c nonsense
usage aoecfg '1024 bytes' -s "$(printf '%01025d' 0)"
usage aoecfg 'a shelf, a slot' 1 0 i0 x
for value in never -1 1.5 99999999999; do usage aoecfg '-t is' -t "$value"; done
for address in "x 0" "65536 0" "1 256"; do
    # shellcheck disable=SC2086
    usage aoecfg 'not a shelf' $address i0
done
for name in eth77 abcdefghijklmnopq lo idle $'\x1b[2J'; do
    tool aoeping 'no such interface|not an Ethernet|down' -s 1 1 0 "$name"
    tool aoecfg 'no such interface|not an Ethernet|down' -t 1 "$name"
done
echo "ok: names of aoetools: $cases_count mistakes"
same "frames sent by all that" "$frames_before" "$(frames)"
