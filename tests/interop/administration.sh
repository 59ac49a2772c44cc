#!/usr/bin/env bash
# administration.sh vblade|model: uaoe config, mask and reserve with Debian's vblade, or with the model target: what
# they print and do, and that what is refused has changed nothing; vblade is served by `uaoe serve` meanwhile.
export LIMIT_SECONDS=200
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/administration_lib.sh
. "$here/administration_lib.sh"
need vblade nbdinfo
truncate -s 4M disk.img

# config WHAT: of the target that runs.
config() {
    same "$1: no string at first" "" "$(string)"
    prints "$1: set says nothing" "" config set 1.0 "two words" -i i0
    prints "$1: get" "two words" config get 1.0 -i i0
    refused "$1: set over another one" 1 'it is "two words"; --force overwrites it' uaoe config set 1.0 other -i i0
    prints "$1: set the same one" "" config set 1.0 "two words" -i i0
    prints "$1: test" "" config test 1.0 "two words" -i i0
    refused "$1: test that fails" 1 'is not "two": it is "two words"' uaoe config test 1.0 two -i i0
    prints "$1: test --prefix" "" config test 1.0 two --prefix -i i0
    prints "$1: test --json" '{"address":"1.0","config_string":"two words","matches":true}' \
        config test 1.0 two --prefix --json -i i0
    refused "$1: test --prefix that fails" 1 'does not begin with "words"' uaoe config test 1.0 words --prefix -i i0
    prints "$1: set --force" "" config set 1.0 $'tab\tescape\e[31m' --force -i i0
    prints "$1: shown safely" 'tab\x09escape\x1b[31m' config get 1.0 -i i0
    local longest
    longest=$(printf '%01024d' 0)
    prints "$1: 1024 bytes" "" config 1.0 set "$longest" --force -i i0
    same "$1: 1024 bytes are there" "$longest" "$(string)"
    refused "$1: 1025 bytes" 2 'at most 1024' uaoe config set 1.0 "${longest}0" --force -i i0
    prints "$1: clear" '{"address":"1.0","config_string":""}' config clear 1.0 -i i0 --json
    prints "$1: test for none" "" config test 1.0 "" -i i0
}

# reserve WHAT: of the target that runs.
reserve() {
    same "$1: reserved for nobody at first" '[]' "$(holders)"
    same "$1: reserve get says so" "1.0 is reserved for nobody" "$(uaoe reserve get 1.0 -i i0 2>&1)"
    prints "$1: reserve set" "" reserve set 1.0 -i i0
    prints "$1: reserve get" "$(printf '%-17s  INTERFACE\n%s  i0' MAC "$own")" reserve get 1.0 -i i0
    same "$1: usable by the holder" 1 "$(in_initiator timeout 20 "$UAOE" discover -i i0 --json 1.0 | jq length)"
    prints "$1: reserve set for others" "" reserve set 1.0 $other $third -i i0
    refused "$1: reserve set, others have it" 1 "reserved for $other, $third; .uaoe reserve force 1.0. takes it" \
        uaoe reserve set 1.0 -i i0
    refused "$1: release, others have it" 1 "reserved for $other.*release 1.0 --force" uaoe reserve release 1.0 -i i0
    same "$1: refusals changed nothing" "[\"$other\",\"$third\"]" "$(holders)"
    prints "$1: reserve force" "" reserve force 1.0 -i i0
    same "$1: taken" "[\"$own\"]" "$(holders)"
    prints "$1: reserve release" '{"address":"1.0","reserved_for":[]}' reserve release 1.0 -i i0 --json
    prints "$1: reserve set again" "" reserve set 1.0 $other -i i0
    prints "$1: release --force" "" reserve release 1.0 --force -i i0
    same "$1: released" '[]' "$(holders)"
}

# Debian's, served at the same time.
with_vblade() {
    start_vblade 1 0 t0 disk.img
    vblade_pid=$background_pid
    start_serve 1.0 -i i0
    config vblade
    reserve vblade
    same "the server beside it goes on" $((4 << 20)) "$(timeout 10 nbdinfo --size "$uri")"
    stop_serve

    same "vblade: mask list of nobody" "1.0: its MAC mask list is empty, it listens to everybody" \
        "$(uaoe mask list 1.0 -i i0 2>&1)"
    refused "vblade: locking oneself out" 1 "would not hear this host any more, as $own" uaoe mask add 1.0 $other -i i0
    same "vblade: nothing changed" '[]' "$(masks)"
    prints "vblade: mask add" "" mask add 1.0 "$own" $other -i i0
    prints "vblade: mask list" "$(printf '%-17s  INTERFACE\n%s  i0\n%s' MAC "$own" $other)" mask list 1.0 -i i0
    refused "vblade: a third entry, which damages its list" 1 'damages its list.*-m' uaoe mask add 1.0 $third -i i0
    refused "vblade: mask remove, which crashes it" 1 'crashes.*-m' uaoe mask remove 1.0 $other -i i0
    refused "vblade: mask clear, which crashes it" 1 'crashes.*-m' uaoe mask clear 1.0 -i i0
    same "vblade: nothing changed" "[\"$own\",\"$other\"]" "$(masks)"
    kill -0 "$vblade_pid" || fail "vblade is gone"
    end_background "$vblade_pid"

    start_vblade 1 0 t0 disk.img -m "$third"
    refused "vblade -m without this host" 3 'target 1\.0 not found.*MAC mask list|nothing answered' \
        uaoe mask list 1.0 -i i0 --wait 500
    end_background "$background_pid"
}

with_model() {
    start_model -i t0 --size 1M
    config model
    reserve model
    prints "model: mask add" "" mask add 1.0 "$own" $other $third -i i0
    local left="[{\"mac\":\"$own\",\"interface\":\"i0\"},{\"mac\":\"$third\",\"interface\":null}]"
    prints "model: mask remove" "{\"address\":\"1.0\",\"mask_list\":$left}" mask remove 1.0 $other -i i0 --json
    refused "model: removing oneself" 1 'would not hear this host' uaoe mask remove 1.0 "$own" -i i0
    prints "model: mask clear" "" mask clear 1.0 -i i0
    same "model: cleared" '[]' "$(masks)"
    mapfile -t many < <(seq 0 183 | xargs printf '02:00:00:00:01:%02x\n')
    prints "model: 185 entries" "" mask add 1.0 "$own" "${many[@]}" -i i0
    same "model: they are there" 185 "$(masks | jq length)"
    refused "model: more than a frame holds" 1 'a frame of this MTU holds 185' uaoe mask add 1.0 $other -i i0
    prints "model: all of them away" "" mask clear 1.0 -i i0
    same "model: --force locks out" "" "$(uaoe mask add 1.0 $other --force -i i0 2>&1)"
    refused "model: locked out" 3 'not found' uaoe mask list 1.0 -i i0 --wait 500
    end_background "$background_pid"
}

"with_$1"
