#!/usr/bin/env bash
# The manuals, the example of the configuration and the README against the programs: every command, option and key that
# there is, is in them, and nothing else is. What there is, the programs say: commands and options their --help, keys
# what `uaoe config-check` answers to one that is unknown. ctest names the programs in UAOE and UAOED.
set -euo pipefail
shopt -s inherit_errexit
top=$(cd "$(dirname "$0")/.." && pwd)
man=$top/tools/man
example=$top/tools/config/uaoe.toml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mistakes=0

# commands_in PROGRAM [WORD...]: the subcommands that its --help names.
commands_in() { "$@" --help | awk '/^Subcommands:/ {on = 1; next} on && !/^  / {exit} on && /^  [a-z]/ {print $1}'; }

# options_in PROGRAM [WORD...]: its options, aliases joined by a comma; those of its subcommands too, but for the
# program itself.
options_in() {
    local command
    "$@" --help | awk '/^  -/ {print $1}'
    [ $# -gt 1 ] || return 0
    for command in $(commands_in "$@"); do
        options_in "$@" "$command"
    done
}

# section FILE HEADING: its text up to the next heading of the same or a higher level.
section() {
    awk -v heading="$2" '$0 == heading {on = 1; next} on && /^##? / && (/^# / || heading ~ /^## /) {exit} on' "$man/$1"
}

# manual_options FILE HEADING: as options_in.
manual_options() { section "$1" "$2" | sed -n '/^\*-/p' | grep -oE '^(\*-[^*]+\*(, )?)+' | tr -d '* '; }

# manual_keys HEADING: the keys that a section of uaoe.toml(5) describes.
manual_keys() {
    section uaoe.toml.5.scd "$1" | sed -n '/^\*[a-z]/p' | grep -oE '^(\*[a-z_]+\*(, )?)+' | tr -d '* ' | tr ',' '\n'
}

# example_keys SECTION: those of the example; "" is what comes before the first section.
example_keys() {
    awk -v wanted="$1" '/^#?\[/ {at = $0; sub(/^#/, "", at)} /^#?[a-z_]+ = / && at == wanted {sub(/^#/, ""); print $1}' "$example"
}

# parser_keys TOML: what the parser says it knows where TOML has an unknown key.
parser_keys() {
    local answer
    printf '%b' "$1" >unknown.toml
    answer=$("$UAOE" config-check -c unknown.toml 2>&1) && { echo "config-check takes an unknown key" >&2 && exit 1; }
    grep nonsense <<<"$answer" | sed 's/.*"; \(it has\|there are\) //' | tr ',' '\n' | grep -oE '^ *[a-z_]+' | tr -d ' '
}

# same_lists WHAT LIST LIST: the second is what there is, and has something in it.
same_lists() {
    sort -u <<<"$2" >said
    sort -u <<<"$3" >real
    [ -n "$3" ] || { echo "FAILED: $1: found nothing; did the form of --help change?" >&2 && mistakes=1; }
    if diff said real >difference; then
        echo "ok: $1: $(wc -l <real)"
    else
        sed -n "s/^< /FAILED: $1: there is no /p; s/^> /FAILED: $1: missing: /p" difference >&2
        mistakes=1
    fi
}

commands=$(commands_in "$UAOE")
same_lists "commands in uaoe(8)" "$(sed -n 's/^## uaoe //p' "$man/uaoe.8.scd")" "$commands"
same_lists "options of uaoe" "$(manual_options uaoe.8.scd '# OPTIONS')" "$(options_in "$UAOE")"
same_lists "options of uaoed in uaoed(8)" "$(manual_options uaoed.8.scd '# OPTIONS')" "$(options_in "$UAOED")"
for command in $commands; do
    real=$(options_in "$UAOE" "$command" | grep -v -- --help || true)
    [ -z "$real" ] || same_lists "options of uaoe $command in uaoe(8)" "$(manual_options uaoe.8.scd "## uaoe $command")" "$real"
done

# Each command's help shows how it is used.
has_examples() { "$@" --help | grep -A1 -E '^Examples?:$' | grep -q "^  .*\b$(basename "$1")\b" || { echo "FAILED: $* --help has no example" >&2 && mistakes=1; }; }
has_examples "$UAOE"
has_examples "$UAOED"
for command in $commands; do
    has_examples "$UAOE" "$command"
    for verb in $(commands_in "$UAOE" "$command"); do has_examples "$UAOE" "$command" "$verb"; done
done

# The names of aoetools: what there is, is what the packages install; each has a section and its options in their manual.
names=$(sed -n '/^set(UAOE_AOETOOLS aoe/,/)/p' "$top/tools/CMakeLists.txt" | sed 's/set(UAOE_AOETOOLS//; s/)//' | xargs -n 1)
same_lists "names of aoetools in uaoe-aoetools(8)" "$(sed -n 's/^## \(aoe[a-z-]*\)$/\1/p' "$man/uaoe-aoetools.8.scd")" "$names"
same_lists "names of aoetools in its NAME" "$(section uaoe-aoetools.8.scd '# NAME' | sed 's/ - .*//' | tr -d ' ' | tr ',' '\n' | grep .)" "$names"
for name in $names; do
    ln -sf "$UAOE" "$name"
    "./$name" --version | grep -q "^$name (uaoe " || { echo "FAILED: uaoe does not answer to $name" >&2 && mistakes=1; }
    has_examples "./$name"
    real=$("./$name" --help | grep -oE '^  -[a-zA-Z]|^Usage.*|^    .*\[?-[a-z]\]?$' | grep -oE '(^|[ [])-[a-zA-Z]\b' | tr -d ' []' | sort -u || true)
    [ -z "$real" ] || same_lists "options of $name in uaoe-aoetools(8)" \
        "$({ manual_options uaoe-aoetools.8.scd "## $name" || true; section uaoe-aoetools.8.scd "## $name" | grep -oE '\*-[a-zA-Z]\*' | tr -d '*'; } | sort -u)" "$real"
done

same_lists "keys in uaoe.toml(5)" "$(manual_keys '# KEYS')" "$(parser_keys 'nonsense = 1\n')"
same_lists "keys of [defaults] in uaoe.toml(5)" "$(manual_keys '# [defaults]')" "$(parser_keys '[defaults]\nnonsense = 1\n')"
same_lists "keys of [[lun]] in uaoe.toml(5)" "$(manual_keys '# [[lun]]')" "$(parser_keys '[[lun]]\nnonsense = 1\n')"
same_lists "keys in the example" "$(example_keys '')" "$(parser_keys 'nonsense = 1\n')"
same_lists "keys of [defaults] in the example" "$(example_keys '[defaults]')" "$(parser_keys '[defaults]\nnonsense = 1\n')"
same_lists "keys of [[lun]] in the example" "$(example_keys '[[lun]]')" "$(parser_keys '[[lun]]\nnonsense = 1\n')"

# The example says nothing as it is, and everything when its comments are taken off.
grep -qE '^[^#]' "$example" && echo "FAILED: the example sets something" >&2 && mistakes=1
sed -E 's/^#([a-z_]+ = |\[)/\1/' "$example" >all.toml
"$UAOE" config-check -c all.toml || mistakes=1

# The README's table of commands: an option is there by one of its names; --control is named once, under the table.
readme_table=$(sed -n '/^| command |/,/^$/p' "$top/README.md")
readme_options() { grep -oE "\`uaoe $1[^a-z-][^\`]*\`|\`uaoe $1\`" <<<"$readme_table" | grep -oE '(^|[][ (|])--?[a-z][a-z-]*' | tr -d '][ (|'; }
for command in $commands; do
    grep -qE "^\|.*\`uaoe ([a-z-]*\\\\\|)*$command([^a-z-]|\$)" <<<"$readme_table" || {
        echo "FAILED: the README's table has no uaoe $command" >&2
        mistakes=1
    }
    real=$(options_in "$UAOE" "$command" | grep -vE -- '--(help|control)$' || true)
    readme=$(readme_options "$command" 2>/dev/null | grep -vx -- --control | sort -u || true)
    for option in $real; do
        grep -qxE -- "${option//,/|}" <<<"$readme" || {
            echo "FAILED: the README has no $option of uaoe $command" >&2
            mistakes=1
        }
    done
    for option in $readme; do
        tr ',' '\n' <<<"$real" | grep -qx -- "$option" || {
            echo "FAILED: the README has $option of uaoe $command, which there is not" >&2
            mistakes=1
        }
    done
done
exit "$mistakes"
