#!/usr/bin/env bash
# Metrics: the text is what Prometheus takes, has every metric that the dashboard asks for and the numbers of `uaoe show`;
# it is served where the configuration says and nowhere else, whatever is sent there; frames that the kernel dropped show.
export LIMIT_SECONDS=150
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
folder=$(cd "$(dirname "$0")" && pwd)
need vblade nbdcopy python3 ss
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 1500
ip -n "$initiator_ns" link set lo up
truncate -s 4M disk0
start_vblade 1 0 t0 disk0
mkdir run etc
control=$work/run/control.sock
uaoe() { in_initiator "$UAOE" "$@" --control "$control"; }
start_daemon() {
    in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml" -i i0 --control "$control"
    daemon=$background_pid
    wait_until 10 eval 'uaoe list >/dev/null 2>&1' || fail "uaoed does not answer"
}
ask() { in_initiator python3 "$folder/http.py" "$@"; }
get='GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'
head_of() { sed '/^\r$/q' <<<"$1" | tr -d '\r'; }
# value METRIC LABELS: of $work/metrics.txt.
value() { awk -v wanted="$1$2" 'substr($0, 1, length(wanted) + 1) == wanted " " {print $NF}' metrics.txt; }

# Nothing is served unless it is configured, but there is a file to be had.
: >etc/uaoe.toml
start_daemon
same "TCP sockets that listen" "" "$(in_initiator ss -Hlnt)"
uaoe metrics >metrics.txt
matches "without a LUN" 'families' "$(python3 "$folder/exposition.py" <metrics.txt)"
end_background "$daemon"
refused "without uaoed" 4 'start uaoed' uaoe metrics
refused "metrics takes nothing" 2 'see .uaoe metrics --help' uaoe metrics 1.0

# The numbers are those of show, and of what was done.
echo 'metrics_listen = "127.0.0.1:9790"' >etc/uaoe.toml
start_daemon
uri=$(uaoe attach 1.0 --export)
random_file data 4
nbdcopy data "$uri"
nbdcopy --flush "$uri" back && cmp data back
uaoe metrics >metrics.txt
uaoe show 1.0 --json >show.json
check_text() { python3 "$folder/exposition.py" "$folder/../../tools/grafana/uaoe.json" <metrics.txt || fail "the text is not right"; }
check_text
for operation in read write flush; do
    labels="{lun=\"1.0\",operation=\"$operation\"}"
    shown() { jq ".requests.$operation | $1" show.json; }
    same "$operation requests" "$(shown .requests_count)" "$(value uaoe_lun_requests_total "$labels")"
    same "$operation bytes" "$(shown .size_bytes)" "$(value uaoe_lun_bytes_total "$labels")"
    [ "$(shown .requests_count)" -eq 0 ] ||
        same "$operation latencies" "$(shown '[.latency_buckets[].count] | add')" \
            "$(value uaoe_lun_request_duration_seconds_count "$labels")"
done
[ "$(jq .requests.write.size_bytes show.json)" -eq $((4 << 20)) ] || fail "not 4 MiB were written: $(cat show.json)"
path="{lun=\"1.0\",interface=\"i0\",target_mac=\"$(jq -r '.paths[0].target_mac' show.json)\"}"
same "frames sent on the path" "$(jq '.paths[0].sent' show.json)" "$(value uaoe_path_frames_sent_total "$path")"
same "round trips on the path" "$(jq '[.paths[0].rtt_buckets[].count] | add' show.json)" \
    "$(value uaoe_path_round_trip_seconds_count "$path")"
jq -e '.requests.write | .latency_p50_us > 0 and .latency_p50_us <= .latency_p99_us and
    .latency_sum_us > 0' show.json >/dev/null || fail "latencies of writes: $(jq .requests.write show.json)"
jq -e '.interfaces[0] | .interface == "i0" and .up and .mtu_bytes == 1500 and .frames_received > 4096 and
    .frames_dropped == 0' show.json >/dev/null || fail "interfaces: $(jq .interfaces show.json)"
same "state" "1 0" "$(value uaoe_lun_state '{lun="1.0",state="up"}') $(value uaoe_lun_state '{lun="1.0",state="silent"}')"
matches "as a table, too" '^write +[0-9]+ +4.00 MiB +0 +[0-9.]+[mu]?s +[0-9.]+[mu]?s$' "$(uaoe show 1.0 | grep ^write)"

# A file for node_exporter's textfile collector, from one line of shell.
uaoe metrics >x.prom.tmp && mv x.prom.tmp x.prom && grep -q '^uaoe_build_info{version="[0-9.]*"} 1$' x.prom ||
    fail "no version in the text file"

# Over HTTP.
same "what listens" "127.0.0.1:9790" "$(in_initiator ss -Hlnt | awk '{print $4}')"
answer=$(ask 127.0.0.1:9790 "$get")
matches "GET" '^HTTP/1.1 200 OK' "$(head -n 1 <<<"$answer")"
matches "its type" '^Content-Type: text/plain; version=0.0.4' "$(head_of "$answer" | grep Content-Type)"
ask 127.0.0.1:9790 "$get" | sed '1,/^\r$/d' >metrics.txt
check_text
ask 127.0.0.1:9790 "$get" >whole
same "its length" "$(sed '1,/^\r$/d' whole | wc -c)" "$(head_of "$(cat whole)" | sed -n 's/Content-Length: //p')"
matches "HTTP/1.0" '^HTTP/1.0 200' "$(ask 127.0.0.1:9790 'GET /metrics HTTP/1.0\r\n\r\n' | head -n 1)"
answer=$(ask 127.0.0.1:9790 'HEAD /metrics HTTP/1.1\r\n\r\n')
matches "HEAD has a length" '^Content-Length: [1-9][0-9]{3}' "$(head_of "$answer" | grep Length)"
same "HEAD has no body" "" "$(sed '1,/^\r$/d' <<<"$answer")"
matches "a query is ignored" '200 OK' "$(ask 127.0.0.1:9790 'GET /metrics?x=1 HTTP/1.1\r\n\r\n' | head -n 1)"
matches "POST" '^HTTP/1.1 405' "$(ask 127.0.0.1:9790 'POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n' | head -n 1)"
matches "another page" '^HTTP/1.1 404' "$(ask 127.0.0.1:9790 'GET /etc/passwd HTTP/1.1\r\n\r\n' | head -n 1)"
matches "the page for people" 'href="/metrics"' "$(ask 127.0.0.1:9790 'GET / HTTP/1.1\r\n\r\n' | tail -n 1)"
matches "garbage" '^HTTP/1.1 400' "$(ask 127.0.0.1:9790 '\x01\x02\x03 \r\n\r\n' | head -n 1)"
matches "a header without end" '^HTTP/1.1 400' "$(ask 127.0.0.1:9790 "GET / HTTP/1.1\r\nX: $(printf '%09000d' 0)\r\n\r\n" | head -n 1)"

# Clients that say nothing take all the places there are; uaoed serves on, and the places come back.
in_background silent ip netns exec "$initiator_ns" python3 -c '
import socket, time
held = [socket.create_connection(("127.0.0.1", 9790)) for _ in range(40)]
print("held", flush=True)
time.sleep(60)'
wait_until 10 grep -q held silent.out || fail "no connection"
same "uaoed answers beside silent clients" "1.0" "$(uaoe list --json | jq -r '.[].address')"
wait_until 20 eval 'ask 127.0.0.1:9790 "$get" 2>/dev/null | grep -q "200 OK"' || fail "silent clients keep their places"
echo "ok: silent clients lose their places"

# Frames for which there is no room while uaoed stands still.
kill -STOP "$daemon"
in_target python3 -c '
import socket
mac = bytes.fromhex(open("/sys/class/net/t0/address").read().strip().replace(":", ""))
advertisement = b"\xff" * 6 + mac + b"\x88\xa2\x18\x00\x00\x01\x00\x01" + bytes(4) + b"\x00\x10\x40\x19\x02\x10\x00\x00"
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("t0", 0))
for _ in range(20000):
    wire.send(advertisement.ljust(60, b"\0"))'
kill -CONT "$daemon"
dropped() {
    uaoe metrics >metrics.txt
    [ "$(value uaoe_interface_frames_dropped_total '{interface="i0",shard="0"}')" -gt 1000 ]
}
wait_until 10 dropped || fail "dropped frames are not counted: $(grep i0 metrics.txt)"
matches "show says so" '^i0: [0-9]{4,} frames dropped' "$(uaoe show 1.0 | tail -n 1)"
nbdcopy "$uri" back && cmp data back || fail "the data is not there afterwards"
end_background "$daemon"

# take_port PORT: somebody else has it, as process $other.
take_port() {
    in_background other ip netns exec "$initiator_ns" python3 -c '
import socket, sys, time
taken = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("taken", flush=True)
time.sleep(60)' "$1"
    other=$background_pid
    wait_until 10 grep -q taken other.out || fail "the port cannot be taken"
}
# Devices matter more.
take_port 9790
start_daemon
matches "the port is taken" 'cannot serve metrics on 127.0.0.1:9790: Address already in use' "$(grep metrics uaoed.log)"
wait_until 10 eval 'uaoe list --json | jq -e ".[0].state == \"up\"" >/dev/null' || fail "the LUN is not back"
end_background "$daemon"
end_background "$other"

# A reload moves them: the new place is open before the old one is closed, and the old one stays when it cannot be had.
listens() { in_initiator ss -Hlnt | awk '{print $4}' | xargs; }
reload() { # LINES: and it has been read so many times
    kill -HUP "$daemon"
    wait_until 10 eval '[ "$(grep -c "read again" uaoed.log)" -ge '"$1"' ]' || fail "SIGHUP was not heard"
}
: >etc/uaoe.toml
: >uaoed.log
start_daemon
same "what listens without metrics_listen" "" "$(listens)"
echo 'metrics_listen = "127.0.0.1:9790"' >etc/uaoe.toml
reload 1
same "what listens after a reload" "127.0.0.1:9790" "$(listens)"
matches "GET after a reload" '200 OK' "$(ask 127.0.0.1:9790 "$get" | head -n 1)"
take_port 9791
echo 'metrics_listen = "127.0.0.1:9791"' >etc/uaoe.toml
reload 2
matches "a reload to a port that is taken" \
    'cannot serve metrics on 127.0.0.1:9791: Address already in use; .*they stay where they were, on 127.0.0.1:9790$' \
    "$(grep 9791 uaoed.log)"
matches "GET where they were" '200 OK' "$(ask 127.0.0.1:9790 "$get" | head -n 1)"
end_background "$other"
reload 3
same "the same reload once the port is free" "127.0.0.1:9791" "$(listens)"
printf 'metrics_listen = "%s"\n' "$work/run/metrics.sock" >etc/uaoe.toml
reload 4
same "TCP sockets that listen after a reload to a unix socket" "" "$(listens)"
matches "GET on it" '200 OK' "$(ask "$work/run/metrics.sock" "$get" | head -n 1)"
printf 'buffer_mib = 65\nshards = 2\n' >etc/uaoe.toml
reload 5
same "a socket that is not wanted any more" "" "$(ls run/metrics.sock 2>/dev/null)"
matches "what a reload does not follow" 'shards and buffer_mib have changed, which counts from the next start on' \
    "$(grep 'next start' uaoed.log)"
end_background "$daemon"

# A unix socket, which the group of the control socket may read.
printf 'metrics_listen = "%s"\ncontrol_group = "games"\n' "$work/run/metrics.sock" >etc/uaoe.toml
: >uaoed.log
start_daemon
same "TCP sockets that listen" "" "$(in_initiator ss -Hlnt)"
same "mode and group" "660 games" "$(stat -c '%a %G' run/metrics.sock)"
ask "$work/run/metrics.sock" "$get" | sed '1,/^\r$/d' | python3 "$folder/exposition.py"
kill -HUP "$daemon"
wait_until 10 grep -q "read again" uaoed.log || fail "SIGHUP was not heard"
matches "after SIGHUP" '200 OK' "$(ask "$work/run/metrics.sock" "$get" | head -n 1)"
# Privileges are given up by then, that to give a socket to a group among them.
printf 'metrics_listen = "%s"\ncontrol_group = "games"\n' "$work/run/other.sock" >etc/uaoe.toml
kill -HUP "$daemon"
wait_until 10 grep -q 'other.sock: giving it to the group of the control socket is not permitted.*stay where they were' uaoed.log ||
    fail "a socket for the group after a reload: $(tail -n 3 uaoed.log)"
[ ! -e run/other.sock ] || fail "a socket that nobody serves is left"
matches "where they were" '200 OK' "$(ask "$work/run/metrics.sock" "$get" | head -n 1)"
uaoe detach 1.0
end_background "$daemon"
[ ! -e run/metrics.sock ] || fail "the socket is left"

# What is not this host's alone, and what is no address.
for listen in 0.0.0.0:9790 192.168.1.1:9790 '[::]:9790' '[2001:db8::1]:9790'; do
    echo "metrics_listen = \"$listen\"" >etc/uaoe.toml
    # Where the machine does not let uaoed protect itself it says so, in lines of their own.
    refused "metrics on $listen" 1 'line 1, column 18: metrics_listen is not a loopback address' in_initiator timeout 20 \
        bash -c '"$@" 2>said; status=$?; grep -v CAP_SYS_RESOURCE said >&2; exit $status' x "$UAOED" -c "$work/etc/uaoe.toml" -i i0 --control "$control"
    refused "config-check of $listen" 1 'uaoe.toml:1:18: metrics_listen is not a loopback' "$UAOE" config-check -c etc/uaoe.toml
done
for listen in 127.0.0.1 127.0.0.1:0 127.0.0.1:65536 127.0.0.1:x ::1:9790 localhost host:80 metrics.sock; do
    echo "metrics_listen = \"$listen\"" >etc/uaoe.toml
    refused "metrics on $listen" 1 'metrics_listen is the path of a unix socket' "$UAOE" config-check -c etc/uaoe.toml
done
