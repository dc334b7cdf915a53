#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=endpoints-64 kernels=iommufd timeout=900
#
# Many groups and several clients at once: each gets what it asked for or a refusal, nobody gets what another has, and the host has
# everything back in the end.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)

# --- As many devices as fit into one message of the bus, and more.

many=(01:00.0 02:00.0 03:00.0 04:00.0 05:00.0 06:00.0 07:00.0)
check "seven groups with 14 devices are opened at once and proved" assign-ctl run --owner vm:seven "${many[@]}" -- "$consumer"
check_host "and are back" "$host"
check "sixteen devices come in two messages, with one iommufd" assign-ctl run --owner vm:eight "${many[@]}" 08:00.0 -- "$consumer"
check_host "and are back as well" "$host"
check_refused "on the group backend they would have to come in one, which is said" 1 "file descriptors" \
        assign-ctl run --backend group --open always --owner vm:eight "${many[@]}" 08:00.0 -- "$consumer"
check_host "and they are back again" "$host"

# --- Four clients: each has two groups of its own, and all want one more.

# client NAME TARGET...: three times takes its own groups, uses them, tries for the one that all want, and gives back. Tells what
# should not happen, and "prize" when it got that one.
prize=20:00.0
client() {
        local name=$1 round status
        shift
        for round in 1 2 3; do
                assign-ctl run --owner "vm:$name" "$@" -- "$consumer" >/dev/null 2>&1 || echo "$name, round $round: own groups: $?"
                assign-ctl run --owner "vm:prize-$name" "$prize" -- "$consumer" >/dev/null 2>&1
                status=$?
                case $status in
                0) echo prize ;;
                4) ;;
                *) echo "$name, round $round: the prize was refused with $status" ;;
                esac
        done
}

clients=()
client a 01:00.0 02:00.0 >"$scratch/a" &
clients+=($!)
client b 03:00.0 04:00.1 >"$scratch/b" &
clients+=($!)
client c 1d:00.0 1e:00.0 >"$scratch/c" &
clients+=($!)
client d 1f:00.0 05:00.0 >"$scratch/d" &
clients+=($!)
wait "${clients[@]}"

check_equal "each client got its own groups each time, and the one that all want or a clear no" "" "$(cat "$scratch"/[abcd] | grep -v '^prize$')"
check "somebody got the one that all want" grep -q prize "$scratch/a" "$scratch/b" "$scratch/c" "$scratch/d"
printf '    the one that all want was had %s times in 12 tries\n' "$(cat "$scratch"/[abcd] | grep -c prize)"
check_equal "no device had two owners at any time" 0 "$(sql "SELECT count(*) FROM assignment_history a JOIN assignment_history b
        ON a.address = b.address AND a.assignment < b.assignment AND (a.until_usec IS NULL OR b.since_usec < a.until_usec)")"
check_equal "the trail has as many assignments as releases" "$(sql "SELECT count(*) FROM audit_log WHERE verb = 'assign' AND outcome = 'done'")" \
        "$(sql "SELECT count(*) FROM audit_log WHERE verb = 'release' AND outcome = 'done'")"
check_equal "nobody has anything" "" "$(sql "SELECT * FROM current_assignments")"
check_host "and the host has every driver and override as before" "$host"
