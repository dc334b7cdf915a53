#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=900
#
# Somebody else acts on what is assigned: binds, unbinds, clears an override, plugs, unplugs, turns virtual functions off. Each is
# seen, recorded and signalled; where it endangers the isolation the group is closed until it is recovered.

. "$(dirname "$0")/daemon.sh"

nic=0000:02:00.0 mate=0000:02:00.1 disk=0000:05:00.0 function=0000:05:00.1
group=$(group_of "$nic")
host=$(host_record)

busctl monitor --match "type='signal',interface='org.assignd1.Manager',member='Drift'" org.assignd1 >"$scratch/signals" 2>/dev/null &
signals=$!
assign-ctl monitor >"$scratch/monitor" 2>/dev/null &
monitor=$!
watching() {
        assign-ctl run --owner vm:noise 01:00.0 -- true
        grep -q vm:noise "$scratch/monitor"
}
check "monitor watches" wait_for 60 watching

# drifted CODE DEVICE: it is a row by now.
drifted() {
        [ "$(sql "SELECT count(*) FROM drifts WHERE code = '$1' AND address = '$2'")" -ge 1 ]
}

monitor_tells() {
        grep -q "$1" "$scratch/monitor"
}

# check_drift NAME CODE DEVICE: it is recorded, signalled and in the audit trail.
check_drift() {
        check "$1: seen and recorded" wait_for 30 drifted "$2" "$3"
        check "$1: monitor tells" wait_for 10 monitor_tells "drift $2 in group .*$3"
        check "$1: in the audit trail" test -n "$(sql "SELECT message FROM audit_log WHERE verb = 'drift' AND devices LIKE '%$3%' AND message LIKE '$2:%'")"
}

state_is() {
        [ "$(state_of "$1")" = "$2" ]
}

write() {
        printf '%s\n' "$1" >"$2"
}

# --- Unbinds.

check "a group is assigned" assign-ctl assign --owner vm:drift "$nic"
write "$mate" "$lab_pci/drivers/vfio-pci/unbind"
check_drift "a member is unbound" driver-changed "$mate"
check_equal "nobody is endangered" assigned "$(state_of "$nic")"
shows_difference() {
        assign-ctl recover --dry-run "group:$group" | grep -q "$mate has left vfio-pci"
}
check "recover shows what differs" shows_difference
check "and changes nothing yet" driver_is "$mate" ""
check "recover brings it back" assign-ctl recover "group:$group"
check "to its VFIO driver" driver_is "$mate" vfio-pci

# --- Binds to the host driver, as a manager that gives back behind our back.

echo >"$lab_pci/devices/$nic/driver_override"
write "$nic" "$lab_pci/drivers/vfio-pci/unbind"
write "$nic" "$lab_pci/drivers/e1000e/bind"
check_drift "a member is bound to its host driver" driver-changed "$nic"
check "the group is quarantined" wait_for 30 state_is "$nic" quarantined
check "nothing is repaired by itself" driver_is "$nic" e1000e
check_refused "nobody gets it" 5 "quarantined" assign-ctl assign --owner vm:other "$mate"
check_refused "its owner cannot open it" 1 "" "$consumer" "--assignment=$(assignment_path vm:drift)"
systemctl restart assignd.service
check "a restart opens nothing" wait_for 30 state_is "$nic" quarantined
check "recover takes it off the host again" assign-ctl recover "$nic"
check_equal "it is its owner's again" assigned "$(state_of "$nic")"
check "the owner uses it" "$consumer" "--assignment=$(assignment_path vm:drift)"
check "and gives it back" assign-ctl release vm:drift
check_host "the host has everything back" "$host"
check_equal "nothing is quarantined" 0 "$(sql "SELECT count(*) FROM quarantines WHERE ended_usec IS NULL")"

# --- Clears an override: no event tells. (A look is asked for; by itself it comes every five minutes.)

check "the group is assigned once more" assign-ctl assign --owner vm:drift "$nic"
echo >"$lab_pci/devices/$nic/driver_override"
busctl call org.assignd1 /org/assignd1 org.assignd1.Manager Rescan >/dev/null
check_drift "an override is cleared" override-changed "$nic"
check "recover sets it" assign-ctl recover "$nic"
check_equal "as it was" vfio-pci "$(override_of "$nic")"
check "the group is given back" assign-ctl release vm:drift
check_host "the host has everything back after that" "$host"

# --- Unplugs, and plugs another one in its place.

plug nic9 e1000e,bus=empty0 && wait_for 30 driver_is 0000:0b:00.0 e1000e
wait_for 30 state_is 0000:0b:00.0 host
check "a plugged device is assigned" assign-ctl assign --owner vm:pulled 0000:0b:00.0
check "it is unplugged" unplug nic9
check_drift "an assigned device is unplugged" device-gone 0000:0b:00.0
plug rng0 virtio-rng-pci,bus=empty0 && wait_for 30 device_exists 0000:0b:00.0
check_drift "another one is plugged" identity-changed 0000:0b:00.0
check_equal "it is not touched" "" "$(override_of 0000:0b:00.0)"
check "the assignment can be released" assign-ctl release vm:pulled
unplug rng0
wait_for 30 device_gone 0000:0b:00.0

# --- A device joins a group that somebody has: one behind the bridge, which is removed before and found again after. Whether assignd or
# the host driver is faster is not for a test to say; that nobody keeps quiet about it is.

joiner=0000:04:02.0 other=0000:04:01.0
bridged=$(group_of "$joiner")
guarded_or_lost() {
        { driver_is "$joiner" vfio-pci && [ "$(override_of "$joiner")" = vfio-pci ]; } || state_is "$other" quarantined
}
guard_is_over() {
        [ "$(sql "SELECT count(*) FROM operations WHERE finished_usec IS NULL")" = 0 ]
}
echo 1 >"$lab_pci/devices/$joiner/remove"
check "a group is assigned without one of its devices" assign-ctl assign --owner vm:joined "$other"
for round in "with a host driver" "without one"; do
        [ "$round" = "with a host driver" ] || modprobe -r e1000 2>/dev/null
        echo 1 >"$lab_pci/rescan"
        check "$round: it joins" wait_for 30 device_exists "$joiner"
        check_equal "$round: the same group" "$bridged" "$(group_of "$joiner")"
        check "$round: it is guarded, or the race was lost and the group is closed" wait_for 30 guarded_or_lost
        check "$round: the guard ends" wait_for 30 guard_is_over
        check "$round: it is recorded and told" test -n "$(sql "SELECT 1 FROM drifts WHERE address = '$joiner' AND code IN ('device-joined', 'driver-changed')")"
        echo "    $(state_of "$other"), $joiner on $(driver_of "$joiner"), override '$(override_of "$joiner")', guards: $(sql "SELECT count(*) FROM operations WHERE verb = 'guard'")"
        check "$round: recover makes it whole" assign-ctl recover "$other"
        check "$round: it is on the VFIO driver" driver_is "$joiner" vfio-pci
        check_equal "$round: and the owner's" assigned "$(state_of "$other")"
        [ "$round" = "without one" ] || echo 1 >"$lab_pci/devices/$joiner/remove"
done
modprobe e1000 2>/dev/null
check "all is given back" assign-ctl release vm:joined
write "$joiner" "$lab_pci/drivers_probe"
check "the host may have it again" wait_for 30 driver_is "$joiner" e1000

# --- Virtual functions.

echo 2 >"$lab_pci/devices/$disk/sriov_numvfs"
wait_for 20 device_exists 0000:05:00.2
wait_for 20 state_is "$function" host
check_refused "a disk with virtual functions goes to nobody" 6 has-vfs assign-ctl assign --owner vm:disk "$disk"
check "one of them does" assign-ctl assign --owner vm:function "$function"
echo 0 >"$lab_pci/devices/$disk/sriov_numvfs"
check_drift "the virtual functions are turned off" numvfs-changed "$function"
check "the assignment ends with a release" assign-ctl release vm:function
check "the disk goes to somebody now" assign-ctl run --owner vm:disk "$disk" -- true

# --- driverctl.

mkdir -p /etc/driverctl.d
echo pci-stub >/etc/driverctl.d/pci-0000:01:00.0
check_refused "what driverctl keeps is not taken" 6 foreign-manager assign-ctl assign --owner vm:ctl 01:00.0
check "but with an override" assign-ctl assign --owner vm:ctl --override=foreign-manager 01:00.0
write 0000:01:00.0 "$lab_pci/drivers/vfio-pci/unbind"
check_drift "what happens to it" driver-changed 0000:01:00.0
check_equal "is said to be driverctl's doing" driverctl "$(sql "SELECT DISTINCT manager FROM drifts WHERE address = '0000:01:00.0'")"
check "it is given back" assign-ctl release vm:ctl
rm -r /etc/driverctl.d

check "the signals were on the bus" grep -q 'Member=Drift' "$scratch/signals"
check_host "the host is as before all this" "$host"
kill "$monitor" "$signals"
