#!/usr/bin/env bash
# uaoe smart: a disk with SMART, disks with something wrong about it, and vblade, which has none.
export LIMIT_SECONDS=150
. "$(dirname "$0")/lib.sh"
need vblade

make_wire 0 1500
truncate -s 4M disk.img
uaoe() { in_initiator timeout 30 "$UAOE" "$@"; }
smart() { uaoe smart 1.0 -i i0 "$@"; }

start_vblade 1 0 t0 disk.img
refused "vblade" 1 '1\.0 has no SMART: the target aborts its commands, as vblade' smart
refused "vblade, a test" 1 '1\.0 has no SMART' smart --test short
kill -0 "$background_pid" || fail "vblade is gone"
end_background "$background_pid"

start_model -i t0 --size 1M --smart
smart >table.txt
cat table.txt
same "widest line" 1 "$(($(wc -L <table.txt) <= 80))"
matches "health" '^health +passed$' "$(grep ^health table.txt)"
matches "an attribute" '^  5  reallocated sectors +100 +100 +36  fail +8$' "$(grep '^  5 ' table.txt)"
same "JSON: health, attributes, log" '["passed",6,2,"once"]' \
    "$(smart --json | jq -c '[.health, (.attributes | length), (.self_test_log | length), .attributes[5].failed]')"
matches "a test begins" 'a short self-test of 1\.0 runs, for about 2 min' "$(smart --test short)"
refused "a second one" 1 'one is running, [0-9]+ % of it remains' smart --test long
same "it is ended" "" "$(smart --test abort 2>&1)"
same "a test to its end" "self-test of 1.0: completed without an error" "$(smart --test long --follow 2>progress.txt)"
matches "with progress" 'running, [0-9]+ % remain' "$(head -n 1 progress.txt)"
same "the log" "long short short long" "$(smart --log | awk 'NR > 1 { print $1 }' | xargs)"
same "as JSON" 'ended by the host' "$(smart --json | jq -r '.self_test_log[1].text')"
end_background "$background_pid"

start_model -i t0 --size 1M --smart-failing
status=0
smart >failing.out 2>failing.err || status=$?
same "a failing disk: exit code" 1 "$status"
matches "it says so" 'FAILING' "$(grep ^health failing.out)"
matches "and what to do" 'the disk of 1\.0 is failing.*replace it' "$(cat failing.err)"
end_background "$background_pid"

start_model -i t0 --size 1M --smart-disabled
refused "switched off" 1 'switched off; .uaoe smart 1\.0 --enable' smart
refused "a test, switched off" 1 'switched off' smart --test short
same "switched on" "" "$(smart --enable 2>&1)"
same "then it tells" passed "$(smart --json | jq -r .health)"
end_background "$background_pid"

start_model -i t0 --size 1M --smart-test-fails
status=0
smart --test short --follow >follow.out 2>follow.err || status=$?
same "a test that finds something: exit code" 1 "$status"
matches "it says what" 'failed: read element' "$(tail -n 1 follow.err)"
same "and where" 777 "$(smart --json | jq '.self_test_log[0].failing_lba')"
end_background "$background_pid"

# with OPTION CODE PATTERN ARGUMENT...
with() {
    local option=$1 code=$2 pattern=$3
    shift 3
    start_model -i t0 --size 1M "$option"
    refused "$option" "$code" "$pattern" smart "$@"
    end_background "$background_pid"
}
with --smart-no-tests 1 'has no self-tests' --test short
with --smart-short-blocks 1 'sent 412 of 512 bytes'
with --reserved 1 'reserved.*AoE error 6.*uaoe reserve get 1\.0'
with --unavailable 1 'unavailable' --wait 900
with --mute-identify 3 'never IDENTIFY' --wait 900
start_model -i t0 --size 1M --smart-zeroes
same "a target that leaves no status" unknown "$(smart --json | jq -r .health)"
end_background "$background_pid"
start_model -i t0 --size 1M --smart-wrong-checksums
same "wrong checksums are told" false "$(smart --json | jq .checksum_is_right)"
end_background "$background_pid"

start_model -i t0 --size 1M --smart --loss 20 --duplicate 20 --seed 3
same "over a lossy wire" '["passed",6,2]' \
    "$(smart --json --wait 15000 2>/dev/null | jq -c '[.health, (.attributes | length), (.self_test_log | length)]')"
end_background "$background_pid"

refused "no target" 3 'target 9\.9 not found' uaoe smart 9.9 -i i0 --wait 300
refused "a test that there is not" 2 'short' smart --test captive
refused "--follow alone" 2 '--test' smart --follow
