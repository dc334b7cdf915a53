#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=900
#
# The VFIO nodes of what is assigned can be opened by the user that they are given to, by no other, whatever udev's rules say, and by
# nobody any more once they are given back.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
group=$(group_of 0000:02:00.0)
rules=/run/udev/rules.d/90-hostile.rules
user=nobody uid=65534 other=1

# Of the two devices of the group, and of the group itself, whichever the kernel has.
nodes() {
        local path
        for path in "/dev/vfio/$group" "$lab_pci"/devices/0000:02:00.[01]/vfio-dev/vfio*; do
                [ -c "$path" ] && printf '%s\n' "$path"
                [ -c "/dev/vfio/devices/${path##*/}" ] && printf '%s\n' "/dev/vfio/devices/${path##*/}"
        done
}

# "65534 65534 600", once where all are the same.
access_of_nodes() {
        # shellcheck disable=SC2046
        stat -c '%u %g %a' $(nodes) | sort -u
}

access_is() {
        [ "$(access_of_nodes)" = "$1" ]
}

# can_open UID NODE
can_open() {
        setpriv "--reuid=$1" --regid=65534 --clear-groups sh -c 'exec 3<>"$0"' "$2" 2>/dev/null
}

# Exit status 1 where one of them can be opened.
cannot_open_any() {
        local node
        for node in $(nodes); do
                ! can_open "$1" "$node" || return 1
        done
}

n_drifts() {
        sql "SELECT count(*) FROM drifts WHERE code = 'node-changed'"
}

n_grants_done() {
        sql "SELECT count(*) FROM operations WHERE verb = 'grant' AND state = 'done'"
}

# --- Given, opened, given back.

check "the group is assigned for a user" assign-ctl assign --owner vm:user "--node-user=$user" 02:00.0
check_equal "its nodes belong to the user" "65534 65534 600" "$(access_of_nodes)"
check_equal "there are nodes" 1 "$(($(nodes | wc -l) > 0))"
for node in $(nodes); do
        case $node in
        */devices/*) check "the user opens a device's" can_open "$uid" "$node" ;;
        *) check "the user opens the group's" can_open "$uid" "$node" ;;
        esac
done
check "another user opens none" cannot_open_any "$other"
check_equal "show tells" "65534 0600" "$(ctl_json '"%d %s" % (data["node_access"]["user"], data["node_access"]["mode"])' show 02:00.0)"
check_equal "the trail tells" "The VFIO nodes belong to uid 65534, gid 65534, mode 0600" \
        "$(sql "SELECT message FROM audit_log WHERE verb = 'assign' ORDER BY id DESC LIMIT 1")"
check_equal "every write had its row" "done" "$(sql "SELECT DISTINCT state FROM steps WHERE kind LIKE 'set-%-node'")"

# --- udev has other ideas.

mkdir -p "${rules%/*}"
printf 'SUBSYSTEM=="vfio", OWNER="root", GROUP="root", MODE="0666"\nSUBSYSTEM=="vfio-dev", OWNER="root", GROUP="root", MODE="0666"\n' >"$rules"
udevadm control --reload
udevadm trigger --action=change --subsystem-match=vfio --subsystem-match=vfio-dev
udevadm settle --timeout=60
check "the daemon notices what udev's rules did" wait_for 60 eval '[ "$(n_drifts)" -ge 1 ]'
check "and gives the nodes to the user again" wait_for 60 eval '[ "$(n_grants_done)" -ge 1 ] && access_is "65534 65534 600"'
check "another user opens none of them" cannot_open_any "$other"
check "it is released" assign-ctl release vm:user
check_equal "no node is left" "" "$(nodes)"
check_host "and the host has its devices" "$host"

# --- The same rules at work while nodes are made; two owners in a row.

check "another owner gets it for another user" assign-ctl assign --owner vm:second "--node-user=$other" --node-group=0 --node-mode=0660 02:00.0
udevadm settle --timeout=60
check "who keeps the nodes whatever udev makes of them" wait_for 60 access_is "1 0 660"
sleep 1
check_equal "and still does" "1 0 660" "$(access_of_nodes)"
check "the first user opens none of them" cannot_open_any "$uid"
check "the second does" can_open "$other" "$(nodes | head -n 1)"
rm "$rules"
udevadm control --reload

# --- A daemon that dies knows them when it is back.

systemctl kill --signal=KILL assignd.service
chown root:root "$(nodes | head -n 1)"
check "a killed daemon comes back" wait_for 60 assign-ctl list
check "and gives back to the user what somebody took meanwhile" wait_for 60 access_is "1 0 660"
check "it is released" assign-ctl release vm:second

# --- On top of a reservation nodes stay, and are root's.

check "it is reserved" assign-ctl reserve 02:00.0
check_equal "the nodes are root's" "0 0 600" "$(access_of_nodes)"
check "it is assigned for the user" assign-ctl assign --owner vm:third "--node-user=$user" 02:00.0
check_equal "who has the nodes" "65534 65534 600" "$(access_of_nodes)"
check "it is released" assign-ctl release vm:third
check_equal "back on the reservation they are root's" "0 0 600" "$(access_of_nodes)"
check "the user opens none of them" cannot_open_any "$uid"
check "it is given back" assign-ctl unreserve 02:00.0
check_host "exactly" "$host"

# --- Who is not root gets its own, and asks for no other's.

mkdir -p /etc/assignd/policy.d
printf '{"version": 1, "rules": [{"name": "nobody", "match": {}, "caller": {"users": ["nobody"]}, "verbs": ["assign", "release"], "verdict": "allow"}]}\n' \
        >/etc/assignd/policy.d/50-nobody.json
check "the policy is read" systemctl reload assignd.service
as_user() {
        setpriv "--reuid=$uid" --regid=65534 --clear-groups "$@"
}
check_refused "who is not root gives nodes to nobody else" 3 "only root gives them to others" \
        as_user assign-ctl assign --owner vm:own "--node-user=$other" 02:00.0
check "but gets its own" as_user assign-ctl assign --owner vm:own 02:00.0 02:00.1
check_equal "unasked" "65534 600" "$(access_of_nodes | cut -d' ' -f1,3)"
check "and opens them" can_open "$uid" "$(nodes | head -n 1)"
check "and gives them back" as_user assign-ctl release vm:own
check_host "exactly, again" "$host"
check_refused "a context where there is no SELinux is refused" 1 "SELinux is not on" assign-ctl assign --owner vm:a --node-user=0 --node-context=a:b:c 02:00.0
