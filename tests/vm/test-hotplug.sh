#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=900
#
# Devices that come and go while the daemon runs: it notices by itself, remembers, tells who watches, and is honest about an
# assignment whose device was pulled.

. "$(dirname "$0")/daemon.sh"

nic=0000:0b:00.0
host=$(host_record)

listed() {
        assign-ctl list --devices --no-legend | grep -q "^$nic "
}

not_listed() {
        ! listed
}

monitor_tells() {
        grep -q "$1" "$scratch/monitor"
}

assign-ctl monitor >"$scratch/monitor" 2>/dev/null &
monitor=$!
assign-ctl monitor --json >"$scratch/monitor.json" 2>/dev/null &
monitor_json=$!
check_equal "only what exists is listed" no "$(listed && echo yes || echo no)"
# Something happens until both have told of it.
watched() {
        assign-ctl run --owner vm:noise 01:00.0 -- true
        grep -q vm:noise "$scratch/monitor" && grep -q vm:noise "$scratch/monitor.json"
}
check "monitor tells who is given something" wait_for 60 watched

# --- Plugged.

plug nic9 e1000e,bus=empty0 || fail "plugging"
check "a plugged device appears in list" wait_for 30 listed
check "it gets its host driver" wait_for 30 driver_is "$nic" e1000e
driver_listed() {
        [ "$(ctl_json 'data["driver"]' show "$nic")" = e1000e ]
}
check "the driver is shown" wait_for 30 driver_listed
check_equal "with the group that the kernel made" "$(group_of "$nic")" "$(ctl_json 'data["group"]' show "$nic")"
check "monitor tells of the device" wait_for 10 monitor_tells "$nic appeared"
check "and of its group" wait_for 10 monitor_tells "group $(group_of "$nic") appeared"
check_equal "monitor --json has an object a line" "['0000:0b:00.0']" \
        "$(python3 -c 'import json, sys; print([e["device"] for e in map(json.loads, open(sys.argv[1])) if e["event"] == "device-added"])' "$scratch/monitor.json")"
check_equal "the database knows since when" 1 "$(sql "SELECT count(*) FROM device_history WHERE address = '$nic' AND event = 'appeared'")"
check "a device that was plugged can be assigned, used and given back" assign-ctl run --owner vm:plugged "$nic" -- "$consumer"
check "and is on its host driver again" driver_is "$nic" e1000e

# --- Unplugged.

check "it can be unplugged" unplug nic9
check "it is gone from list" wait_for 30 not_listed
check "monitor tells that it is gone" wait_for 10 monitor_tells "$nic is gone"
check_refused "it can be assigned no more" 7 "$nic" assign-ctl assign --owner vm:plugged "$nic"
check_equal "the database remembers it" "appeared vanished" \
        "$(sql "SELECT event FROM device_history WHERE address = '$nic' AND event IN ('appeared', 'vanished') ORDER BY at_usec" | paste -sd ' ')"
check_equal "as a device that is not there" no "$(sql "SELECT present FROM known_devices WHERE address = '$nic'")"
check_host "the host is as before" "$host"

# --- Unplugged while it is assigned, and nobody has it open.

plug nic9 e1000e,bus=empty0 && wait_for 30 driver_is "$nic" e1000e
wait_for 30 listed
assign-ctl assign --owner vm:pulled "$nic" 01:00.0 >/dev/null || fail "assign to vm:pulled"
check "an assigned device can be unplugged" unplug nic9
check "list does not show it any more" wait_for 30 not_listed
check_equal "the owner keeps the rest" "0000:01:00.0" "$(ctl_json '" ".join(d["address"] for g in data["groups"] if g["owner"] == "vm:pulled" for d in g["devices"])' list)"
check "the assignment can be released" assign-ctl release vm:pulled
check "the trail says that a device did not come back" test -n "$(sql "SELECT message FROM audit_log WHERE verb = 'release' AND owner = 'vm:pulled' AND message LIKE '%$nic%'")"
sql "SELECT '    ' || message FROM audit_log WHERE verb = 'release' AND owner = 'vm:pulled'"
check_host "what is there is as before" "$host"

# --- Unplugged while somebody holds it open: the kernel waits for the holder.

plug nic9 e1000e,bus=empty0 && wait_for 30 driver_is "$nic" e1000e
wait_for 30 listed
assign-ctl assign --owner vm:holds "$nic" >/dev/null || fail "assign to vm:holds"
hold_begin "--assignment=$(assignment_path vm:holds)" || fail "the device is held"
check "a held device can be asked to go" unplug_begin nic9
check "list answers meanwhile" assign-ctl list
check "another group is taken, used and given back meanwhile" assign-ctl run --owner vm:other 01:00.0 -- "$consumer"
hold_end
check "when the holder ends, the device is gone" wait_for 60 unplug_ended nic9
unplug nic9
check "from list too" wait_for 30 not_listed
check "what was assigned ends with a release" assign-ctl release vm:holds
check_equal "nobody has anything" "" "$(sql "SELECT * FROM current_assignments")"
check_host "the host is as before all this" "$host"

kill "$monitor" "$monitor_json"
wait "$monitor"
check_equal "monitor ends well when it is asked to" 0 "$?"
check "it told of assignments" monitor_tells "vm:pulled"
