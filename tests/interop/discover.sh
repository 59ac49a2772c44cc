#!/usr/bin/env bash
# Finds several vblades at once, on two wires; what `discover`, `identify` and `ping` print is what the targets are.
export LIMIT_SECONDS=60
. "$(dirname "$0")/lib.sh"
need vblade

make_wire 0 9000
make_wire 1 1500
truncate -s 10M ten.img
truncate -s 3T large.img
start_vblade 1 0 t0 ten.img
start_vblade 1 0 t1 ten.img # the same disk on the second wire
start_vblade 1 254 t0 large.img -b 64
start_vblade 65534 7 t1 ten.img -b 1

same "nothing but stdout" "" "$(in_initiator "$UAOE" discover -i i0 -i i1 --json 2>&1 >found.json)"
of() { jq -r --arg address "$1" ".[] | select(.address == \$address) | $2" found.json; }

same "addresses, in order" '["1.0","1.254","65534.7"]' "$(jq -c 'map(.address)' found.json)"
same "states" '["ready"]' "$(jq -c 'map(.state) | unique' found.json)"
same "size of 1.0" $((10 << 20)) "$(of 1.0 .size_bytes)"
same "size of 1.254" $((3 << 40)) "$(of 1.254 .size_bytes)"
same "buffers of 1.0, 1.254, 65534.7" "16 64 1" "$(jq -r 'map(.buffer_count | tostring) | join(" ")' found.json)"
same "payload of 1.254, MTU 9000" 17 "$(of 1.254 .sectors_per_frame)"
same "payload of 65534.7, MTU 1500" 2 "$(of 65534.7 .sectors_per_frame)"
same "model" "Coraid EtherDrive vblade" "$(of 1.0 .model)"
matches "serial" '^1\.0:' "$(of 1.0 .serial)"
same "firmware" V25 "$(of 1.0 .firmware | cut -c 1-3)"
same "config string" "" "$(of 1.0 .config_string)"
same "interfaces of 1.0's paths" "i0 i1" "$(of 1.0 '[.paths[].interface] | sort | join(" ")')"
for number in 0 1; do
    same "MAC addresses of 1.0's path on wire $number" \
        "$(in_initiator cat /sys/class/net/i$number/address) $(in_target cat /sys/class/net/t$number/address)" \
        "$(of 1.0 ".paths[] | select(.interface == \"i$number\") | .local_mac + \" \" + .target_mac")"
done

in_initiator "$UAOE" discover -i i0 -i i1 >table.txt
cat table.txt
same "lines of the table" 4 "$(wc -l <table.txt)"
matches "the table's row of 1.254" '^1\.254 +3\.00 TiB +Coraid' "$(grep '^1\.254 ' table.txt)"
same "without -i, all interfaces" "$(jq -c 'map(.address)' found.json)" \
    "$(in_initiator "$UAOE" discover --json | jq -c 'map(.address)')"

in_initiator "$UAOE" discover -i i0 --json 1.254 >one.json
same "one address asked for" 1.254 "$(jq -r '.[].address' one.json)"
refused "discover of an absent address" 3 'target 9\.9 not found' \
    in_initiator "$UAOE" discover -i i0 --wait 300 9.9

in_initiator "$UAOE" identify 1.0 -i i0 --json >identify.json
same "identify: LBA48, FLUSH CACHE, no FLUSH CACHE EXT, no TRIM" "true true false false" \
    "$(jq -r '[.lba48, .flush_cache, .flush_cache_ext, .trim] | map(tostring) | join(" ")' identify.json)"
same "identify: sectors" $(((10 << 20) / 512)) "$(jq .sectors_count identify.json)"
same "identify --raw: words" 256 "$(in_initiator "$UAOE" identify 1.0 -i i0 --raw | grep -oE '\b[0-9a-f]{4}\b' | wc -l)"

in_initiator "$UAOE" ping 1.0 -i i0 -i i1 -c 3 --interval 20 --json >ping.json
same "ping: paths, sent, answered" '[2,6,6]' \
    "$(jq -c '[(.paths | length), ([.paths[].sent] | add), ([.paths[].answered] | add)]' ping.json)"
refused "ping of an absent address" 3 'target 9\.9 not found' \
    in_initiator "$UAOE" ping 9.9 -i i0 -c 1 --wait 300
