# shellcheck shell=sh
# What users of aoetools have in their scripts, each a function that runs in a shell of its own; the same words for Debian's
# aoetools and for ours. What they print and return is compared. Not changed for uaoe in any way: that is the point.

# A probe of a monitoring system.
monitor() {
    status=0
    aoe-stat | while read -r name size interface payload state rest; do
        echo "$name,$size,$interface,$payload,$state,$rest"
    done
    down=$(aoe-stat | awk '$5 != "up" { print $1 } { sub("GB", "", $2); sum += $2 } END { printf "# %.3f GB in all\n", sum }')
    case $down in
        '#'*) echo "OK: $down" ;;
        *) echo "CRITICAL: down: $down" && status=2 ;;
    esac
    return $status
}

# Is this one there? By pattern, by word, by number of lines.
ask_for_one() {
    aoe-stat e1.1 | wc -l
    aoe-stat e5.5 >/dev/null || echo "e5.5 is not there: $?"
    test "$(aoe-stat | awk -v d=e1.0 '$1 == d { print $NF }')" = up && echo "e1.0 is up"
    aoe-stat 'e1\.[01]' | cut -c1-10 | tr -d ' '
    for device in $(aoe-stat | awk '{print $1}'); do
        echo "/dev/etherd/$device"
    done
}

# Waits until it is up, as an init script does before it mounts.
wait_for_it() {
    tries=0
    until aoe-stat e1.1 | grep -qw up; do
        tries=$((tries + 1))
        [ $tries -lt 5 ] || exit 1
        sleep 1
    done
    aoe-stat e1.1 | awk '{ print $1, $2, $NF }'
}
