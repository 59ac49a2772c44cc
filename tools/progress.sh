# shellcheck shell=bash
# How far long work of a script is, on standard error: on a terminal a line that changes in place, elsewhere a line at the
# start and then one each ten seconds at most. Sourced by tools/packages.sh and tests/bench; not run by itself.

progress_interval_s=10 # elsewhere than on a terminal
progress_begin=$SECONDS
progress_next=0
progress_shown=''
progress_columns='' # of the terminal

# progress TEXT: what is done at this moment, with how long it has taken since progress_start. As often as one likes.
progress() {
    local text="$1 ($((SECONDS - progress_begin)) s)"
    if [ -t 2 ]; then
        if [ -z "$progress_columns" ]; then
            progress_columns=$(stty size <&2 2>/dev/null | cut -d ' ' -f 2) || true
            [ "${progress_columns:-0}" -gt 0 ] || progress_columns=80
        fi
        printf '\r\033[K%s' "${text:0:$((progress_columns - 1))}" >&2
        progress_shown=1
    elif [ "$SECONDS" -ge "$progress_next" ]; then
        printf '%s\n' "$text" >&2
        progress_next=$((SECONDS + progress_interval_s))
    fi
}

# The time counts from here, and the next line is not one of those ten seconds.
progress_start() {
    progress_begin=$SECONDS
    progress_next=0
}

# Before anything else is printed.
progress_clear() {
    [ -z "$progress_shown" ] || printf '\r\033[K' >&2
    progress_shown=''
}

# progress_while WHAT LOG COMMAND...: runs it. What it says goes to LOG, and is shown when it fails; of ninja's lines the
# count shows meanwhile. The command is not in the background, so that Ctrl-C reaches it; what shows the progress ends with
# the script.
progress_while() {
    local what=$1 log=$2 status=0 shower
    shift 2
    : >"$log"
    progress_start
    progress "$what"
    (
        while sleep 0.5 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
            progress "$what$(tail -n 1 "$log" 2>/dev/null | sed -nE 's/^(\[[0-9]+\/[0-9]+\]).*/ \1/p')"
        done
    ) &
    shower=$!
    "$@" >"$log" 2>&1 || status=$?
    kill "$shower" 2>/dev/null || true
    wait "$shower" 2>/dev/null || true
    progress_clear
    [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
    return "$status"
}
