#!/usr/bin/env bash
# Who may do what on the control socket: root everything, the configured group looks, or changes where that is configured,
# nobody else gets in. And what uaoed keeps of root's privileges; that it listens on nothing else.
export LIMIT_SECONDS=90
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade setpriv ss
[ -x "${UAOED:-}" ] || fail "UAOED does not name the daemon under test"

make_wire 0 1500
truncate -s 4M disk0
start_vblade 1 0 t0 disk0
mkdir run etc
cp "$UAOE" uaoe-for-all
chmod 755 . run uaoe-for-all
control=$work/run/control.sock
group=games # every Debian has it, and no member
outsider=65534

start_daemon() {
    in_background uaoed ip netns exec "$initiator_ns" "$UAOED" -c "$work/etc/uaoe.toml" -i i0 --control "$control"
    daemon=$background_pid
    wait_until 10 test -S "$control" || fail "uaoed does not listen"
    wait_until 10 eval 'root list >/dev/null 2>&1' || fail "uaoed does not answer"
}
as() { in_initiator setpriv --reuid "$outsider" --regid "$1" --clear-groups "$work/uaoe-for-all" "${@:2}" --control "$control"; }
root() { in_initiator "$UAOE" "$@" --control "$control"; }
member() { as "$(getent group "$group" | cut -d: -f3)" "$@"; }
stranger() { as "$outsider" "$@"; }

echo "control_group = \"$group\"" >etc/uaoe.toml
start_daemon
same "the socket's mode, owner and group" "660 root $group" "$(stat -c '%a %U %G' "$control")"
uri=$(root attach 1.0 --export)
same "root attaches" "nbd+unix:///1.0?socket=$work/run/1.0.nbd" "$uri"
same "a member lists" "1.0" "$(member list --json | jq -r '.[].address')"
same "a member shows" "1.0" "$(member show 1.0 --json | jq -r .address)"
same "a member has the metrics" 1 "$(member metrics | grep -c ^uaoe_lun_info)"
matches "a member watches" '^1.0 +up ' "$(member top --once --interval 1 | grep ^1.0)"
refused "a stranger has no metrics" 5 'Permission denied' stranger metrics
refused "a stranger follows nothing" 5 'Permission denied' stranger events
refused "a member does not detach" 5 'only root may.*control_group_changes' member detach 1.0
refused "a member does not attach" 5 'only root may' member attach 1.0 --export
same "it is still attached" 1 "$(root list --json | jq length)"
refused "a stranger does not list" 5 'Permission denied' stranger list
refused "a stranger does not detach" 5 'Permission denied' stranger detach 1.0
same "the export's socket is its owner's alone" "600 root" "$(stat -c '%a %U' run/1.0.nbd)"

# CAP_DAC_READ_SEARCH, NET_ADMIN, NET_RAW, IPC_LOCK, SYS_PTRACE, SYS_ADMIN.
allowed=$((1 << 2 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 19 | 1 << 21))
for task in /proc/"$daemon"/task/*; do
    for set in CapEff CapPrm CapInh CapAmb; do
        held=$((16#$(sed -n "s/^$set:\t//p" "$task/status")))
        [ $((held & ~allowed)) -eq 0 ] || fail "a thread of uaoed has $set $(printf %x $held)"
    done
    [ "$(sed -n 's/^NoNewPrivs:\t//p' "$task/status")" = 1 ] || fail "a thread of uaoed can gain privileges"
done
echo "ok: $(ls /proc/"$daemon"/task | wc -l) threads keep no capability but those that are needed"
[ $(($(sed -n 's/^CapEff:\t/16#/p' /proc/"$daemon"/status) & 1 << 13)) -ne 0 ] || fail "uaoed gave up packet sockets"
same "TCP and UDP sockets that listen" "" "$(in_initiator ss -Hlntu)"
end_background "$daemon"

printf 'control_group = "%s"\ncontrol_group_changes = true\n' "$group" >etc/uaoe.toml
start_daemon
wait_until 10 test -S run/1.0.nbd || fail "the export is not back"
member detach 1.0
same "a member has detached" 0 "$(root list --json | jq length)"
refused "a stranger still does not list" 5 'Permission denied' stranger list
end_background "$daemon"

echo 'control_group = ""' >etc/uaoe.toml
start_daemon
same "nobody else's socket" "600 root" "$(stat -c '%a %U' "$control")"
refused "a member of no configured group" 5 'Permission denied' member list
end_background "$daemon"

echo 'control_group = "no-such-group"' >etc/uaoe.toml
start_daemon
matches "it says that the group is not there" 'no-such-group: there is no such group' "$(grep no-such uaoed.log)"
same "the socket of a group that is not there" "600 root" "$(stat -c '%a %U' "$control")"
refused "a member of no group that is there" 5 'Permission denied' member list
end_background "$daemon"
