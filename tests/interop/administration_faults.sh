#!/usr/bin/env bash
# uaoe config, mask and reserve with targets that refuse, that lie, and that have no such commands; over a wire that loses
# frames; and with wrong input.
export LIMIT_SECONDS=200
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/administration_lib.sh
. "$here/administration_lib.sh"

start_model -i t0 --size 1M --mask-list-max 2 --mask "$own"
refused "a full list" 1 "list is full at number 2 of 2, $third; the one before it is done" \
    uaoe mask add 1.0 $other $third -i i0
end_background "$background_pid"
start_model -i t0 --size 1M --lists-ignored
refused "a target that only says it did" 1 'its list is another one now' uaoe mask add 1.0 "$own" -i i0
refused "... with a reservation" 1 'reserved for nobody now' uaoe reserve set 1.0 -i i0
end_background "$background_pid"
start_model -i t0 --size 1M --lists-silent
refused "a target without lists" 1 'answers Query Config, and not this' uaoe mask list 1.0 -i i0 --wait 1000
refused "... nor reservations" 1 'answers Query Config, and not this' uaoe reserve set 1.0 -i i0 --wait 1500
end_background "$background_pid"
start_model -i t0 --size 1M --lists-unknown
refused "a target that knows no lists" 1 'does not know the command' uaoe mask list 1.0 -i i0
end_background "$background_pid"
start_model -i t0 --size 1M --short-errors --config-string here --reserve-for $other
refused "a conflict without the string" 1 'it is "here"' uaoe config set 1.0 there -i i0
refused "a refusal without the holder" 1 "reserved for $other" uaoe reserve set 1.0 -i i0
end_background "$background_pid"
start_model -i t0 --size 1M --reserved-identify --reserve-for $other
prints "a target that answers no IDENTIFY is released" "" reserve release 1.0 --force -i i0
end_background "$background_pid"

# A wire that loses a third of all frames, and doubles others.
start_model -i t0 --size 1M --loss 33 --duplicate 20 --seed 5
for round in 1 2; do
    prints "lossy, round $round: set" "" config set 1.0 "round $round" -i i0 --wait 15000
    prints "lossy, round $round: get" "round $round" config get 1.0 -i i0 --wait 15000
    refused "lossy, round $round: conflict" 1 "it is \"round $round\"" uaoe config set 1.0 x -i i0 --wait 15000
    prints "lossy, round $round: clear" "" config clear 1.0 -i i0 --wait 15000
    prints "lossy, round $round: reserve for others" "" reserve set 1.0 $other -i i0 --wait 15000
    prints "lossy, round $round: release" "" reserve release 1.0 --force -i i0 --wait 15000
done
end_background "$background_pid"

# Two paths: both interfaces of this host hold the reservation.
start_model -i t0 -i t1 --size 1M
prints "two paths: reserve set" "" reserve set 1.0 -i i0 -i i1
same "two paths: both hold it" "[\"$own\",\"$own1\"]" "$(holders)"
end_background "$background_pid"

# ---- bad input ----
for command in "config get" "config clear" "mask list" "mask clear" "reserve get" "reserve set" "reserve release"; do
    # shellcheck disable=SC2086 # words
    refused "$command: no target" 3 'target 9\.9 not found' uaoe $command 9.9 -i i0 --wait 300
    # shellcheck disable=SC2086
    refused "$command: no such interface" 1 'eth77.*no such interface' uaoe $command 1.0 -i eth77
    # shellcheck disable=SC2086
    refused "$command: no interface" 2 '--interface' uaoe $command 1.0
    # shellcheck disable=SC2086
    refused "$command: broadcast address" 2 'shelf\.slot' uaoe $command 65535.255 -i i0
done
refused "no verb" 2 'get, set, test or clear' uaoe config
refused "a wrong verb" 2 'there is no "drop"' uaoe mask drop 1.0
refused "a wrong MAC" 2 'not a host.s MAC address' uaoe mask add 1.0 01:00:5e:00:00:01 -i i0
refused "an empty string" 2 'config clear' uaoe config set 1.0 "" -i i0
