#!/usr/bin/env bash
# What can be wrong around the devices: the LUN, the device, the kernel's modules, the user, the configuration, the control
# socket's clients, the disk of /run. Each is one line that says what and why, with its exit code, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"

make_wire san0 9000
for slot in 0 1 2; do
    truncate -s 16M "$disks/$slot"
    start_vblade 1 $slot san0 "$disks/$slot"
done
devices() {
    find /dev -maxdepth 1 -name 'ublk[bc]*' | sort
    ls -d /sys/block/nbd*/pid /dev/etherd/e* 2>/dev/null || true
}

# --- no daemon
refused "attach without a daemon" 4 'uaoed' "$UAOE" attach 1.0
refused "list without a daemon" 4 'uaoed' "$UAOE" list

# --- the kernel has the module, and may not load it
mkdir -p /etc/modprobe.d
printf 'install ublk_drv /bin/false\ninstall nbd /bin/false\n' >/etc/modprobe.d/deny.conf
start_daemon
nothing=$(devices)
refused "attach --ublk without ublk_drv" 1 'ublk_drv' "$UAOE" attach 1.0 --ublk
refused "attach --nbd-device without nbd" 1 'nbd' "$UAOE" attach 1.0 --nbd-device
refused "attach without any front end" 1 'ublk_drv|nbd' "$UAOE" attach 1.0
refused "serve --ublk without ublk_drv" 1 'ublk_drv' "$UAOE" serve 1.0 -i san0 --ublk
refused "serve --nbd-device without nbd" 1 'nbd' "$UAOE" serve 1.0 -i san0 --nbd-device
same "devices and links left" "$nothing" "$(devices)"
rm /etc/modprobe.d/deny.conf
load nbd
attach 1.0
same "front end where nbd is loaded and ublk_drv could not be" "nbd" "$("$UAOE" list --json | jq -r '.[].frontend')"
detach 1.0
stop_daemon
start_daemon # loads it at its start: later it may not
attach 1.0
same "front end where nbd is loaded, and ublk_drv can be" "ublk" "$("$UAOE" list --json | jq -r '.[].frontend')"
detach 1.0
nothing=$(devices)

# --- the LUN
start=$(now_ms)
refused "attach of an absent LUN" 3 '7\.7' "$UAOE" attach 7.7 --wait 2
took=$(($(now_ms) - start))
[ $took -ge 1900 ] && [ $took -le 12000 ] || fail "attach --wait 2 took $took ms"
same "devices and links left" "$nothing" "$(devices)"
attach 1.0 --ublk --wait 20
refused "attach of what is attached" 1 "$device" "$UAOE" attach 1.0
refused "attach of what is attached, through nbd" 1 "$device" "$UAOE" attach 1.0 --nbd-device
refused "detach of a device that is not uaoe's" 3 'vda|nbd15' "$UAOE" detach /dev/nbd15
refused "attach of a wrong address" 2 . "$UAOE" attach 1.999
refused "two front ends" 2 . "$UAOE" attach 1.1 --ublk --nbd-device

# --- the device
attach 1.1 --nbd-device
taken=$device
refused "serve on a taken $taken" 1 "$taken" timeout 20 "$UAOE" serve 1.2 -i san0 --nbd-device "$taken"
same_bytes "after that, the target's file and $taken" $disks/1 "$taken"
detach 1.1

# --- not root
refused "attach as nobody" 5 . setpriv --reuid=65534 --regid=65534 --clear-groups "$UAOE" attach 1.1
status=0
setpriv --reuid=65534 --regid=65534 --clear-groups "$UAOE" serve 1.1 -i san0 --ublk >refused.out 2>refused.err || status=$?
same "exit code of serve as nobody" 5 "$status"
matches "serve as nobody, last of $(wc -l <refused.err) lines" 'root' "$(tail -n 1 refused.err)"

# --- the control socket: whatever comes, uaoed answers the next client
control=/run/uaoe/control.sock
talk() { timeout 5 socat -t 1 - "UNIX-CONNECT:$control"; }
head -c 65536 /dev/urandom | talk >/dev/null 2>&1 || true
head -c 8M /dev/zero | tr '\0' 'x' | talk >/dev/null 2>&1 || true
{ printf '{"command":"li'; sleep 3; } | talk >/dev/null 2>&1 || true
printf '\n\n\n{}\n[]\nnull\n{"command":7}\n{"command":"list"}}}\n' | talk >/dev/null 2>&1 || true
clients=()
for _ in $(seq 60); do
    (trap - EXIT ERR; { printf '{'; sleep 8; } | talk >/dev/null 2>&1) &
    clients+=($!)
done
sleep 1
timeout 10 "$UAOE" list --json >list.json || fail "uaoed does not answer while 60 clients say nothing"
echo "ok: uaoed answers, after garbage, a line of 8 MiB, half a line, and beside 60 silent clients"
for pid in "${clients[@]}"; do wait "$pid" || true; done
same "attached still" "1.0" "$("$UAOE" list --json | jq -r '.[].address')"

# --- the configuration
mkdir -p /etc/uaoe
stop_daemon
printf 'interfaces = ["san0"]\n\n[[lun]]\naddress = "1.1"\nfrontend = "ublk"\n' >/etc/uaoe/uaoe.toml
interfaces=()
start_daemon
# A LUN that is being attached is in the list, and has no device yet.
configured() { [ "$("$UAOE" list --json | jq -r '[.[] | select(.device != null).address] | sort | join(" ")')" = "$1" ]; }
wait_until 30 configured "1.0 1.1" || fail "the configured LUN is not attached: $("$UAOE" list --json)"
echo "ok: the configured LUN is attached at the start, beside the recovered one"
before=$("$UAOE" list --json | jq -c 'map({address, device, frontend})')
printf 'interfaces = ["san0"]\n\n[[lun]]\naddress = "1.1"\nfrontend = "ublk"\n\n[[lun]]\naddress = "1.2"\nfrontend = "flp"\n' \
    >/etc/uaoe/uaoe.toml
kill -HUP "$daemon_pid"
wait_until 10 grep -qE 'uaoe\.toml, line 9, column [0-9]' uaoed.log || fail "no word of line 9 after SIGHUP: $(tail -n 5 uaoed.log)"
echo "ok: SIGHUP with a broken file: $(grep -E 'uaoe\.toml, line 9, column [0-9]' uaoed.log | tail -n 1)"
sleep 1
same "devices after SIGHUP with a broken file" "$before" "$("$UAOE" list --json | jq -c 'map({address, device, frontend})')"
dd if=/dev/etherd/e1.0 of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null || fail "e1.0 does not work"
stop_daemon
printf 'interfaces = ["san0"\n[[lun]]\naddress = 1.1\n' >/etc/uaoe/uaoe.toml
# What is attached goes on, on the interfaces of before.
start_daemon
wait_until 30 configured "1.0 1.1" || fail "not taken over: $("$UAOE" list --json)"
same "devices after a start with a broken file" "$before" "$("$UAOE" list --json | jq -c 'map({address, device, frontend})')"
matches "uaoed with a broken file" 'uaoe\.toml, line [0-9]+, column [0-9]+.*taken over' "$(grep 'taken over with' uaoed.log)"
dd if=/dev/etherd/e1.0 of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null || fail "e1.0 does not work"
stop_daemon
printf 'interfaces = ["san0"]\n\n[[lun]]\naddress = "1.1"\nfrontend = "ublk"\n\n[[lun]]\naddress = "1.2"\nfrontend = "nbd"\n' \
    >/etc/uaoe/uaoe.toml
start_daemon
wait_until 30 configured "1.0 1.1 1.2" || fail "not all are attached: $("$UAOE" list --json)"
same "devices that were there before" "$before" \
    "$("$UAOE" list --json | jq -c 'map(select(.address != "1.2") | {address, device, frontend})')"
for address in 1.0 1.1 1.2; do detach $address; done
stop_daemon
printf 'interfaces = ["san0"\n' >/etc/uaoe/uaoe.toml
status=0
timeout 20 "$UAOED" >broken.out 2>broken.err || status=$?
same "exit code of uaoed with a broken file and nothing attached" 1 "$status"
matches "what it says" 'uaoe\.toml, line [0-9]+, column [0-9]+' "$(tail -n 1 broken.err)"

# --- no room in /run/uaoe
rm /etc/uaoe/uaoe.toml
interfaces=(-i san0)
rm -rf /run/uaoe/*
mount -t tmpfs -o size=64k tmpfs /run/uaoe
start_daemon
nothing=$(devices)
dd if=/dev/zero of=/run/uaoe/full bs=4k 2>/dev/null || true
refused "attach --ublk with no room in /run/uaoe" 1 'No space left|/run/uaoe' "$UAOE" attach 1.0 --ublk
refused "attach --nbd-device with no room in /run/uaoe" 1 'No space left|/run/uaoe' "$UAOE" attach 1.0 --nbd-device
same "devices and links left" "$nothing" "$(devices)"
rm /run/uaoe/full
attach 1.0 --ublk
detach 1.0
stop_daemon
