#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=900
#
# Groups that are kept off the host with no owner: taken, lent to an owner and back, through restarts, kills and a reboot.

. "$(dirname "$0")/daemon.sh"

nic=0000:02:00.0 mate=0000:02:00.1 single=0000:01:00.0
host=$(host_record)

# --- Wrong input.

check_refused "reserve wants a target" 2 "needs a TARGET" assign-ctl reserve
check_refused "a target that is none is named" 2 "banana" assign-ctl reserve banana
check_refused "a device that is not there is named" 7 "0000:77:00.0" assign-ctl reserve 77:00.0
check_refused "what is not reserved cannot be unreserved" 7 "not reserved" assign-ctl unreserve 02:00.0
check_refused "--exact wants every companion named" 6 "$mate" assign-ctl reserve --exact 02:00.0
check_refused "a group that cannot leave its host drivers cannot be reserved" 6 "0000:00:1f" assign-ctl reserve group:"$(group_of 0000:00:1f.2)"
check_host "and none of that changed anything" "$host"

# --- Reserved.

check_equal "plan reserve says what would be done" True "$(ctl_json 'data["possible"]' plan reserve 02:00.0)"
check "the group is reserved" assign-ctl reserve 02:00.0
check_equal "it is off the host" "vfio-pci vfio-pci" "$(driver_of "$nic") $(driver_of "$mate")"
check_equal "and guarded" "vfio-pci vfio-pci" "$(override_of "$nic") $(override_of "$mate")"
check_equal "its state is reserved" reserved "$(state_of "$nic")"
check "reserving it again does nothing and is fine" assign-ctl reserve 02:00.1
check_equal "there is one reservation" 1 "$(sql "SELECT count(DISTINCT reservation) FROM current_reservations")"
reserved=$(host_record)
echo "$mate" >"$lab_pci/drivers_probe" 2>/dev/null
check_host "a probe of the kernel's gives it to no host driver" "$reserved"

# --- An assignment on top.

check "a reserved group can be assigned and used" assign-ctl run --owner vm:lent 02:00.0 -- "$consumer"
check_host "and is reserved again after that" "$reserved"
check_equal "so says its state" reserved "$(state_of "$nic")"
check "it is assigned" assign-ctl assign --owner vm:lent 02:00.0
check_refused "what is assigned cannot be unreserved" 4 "vm:lent" assign-ctl unreserve 02:00.0
check_equal "its state is assigned" assigned "$(state_of "$nic")"
check "and given back" assign-ctl release vm:lent
check_equal "to the reservation" reserved "$(state_of "$nic")"

# --- Restarts and kills.

check "assignd restarts" systemctl restart assignd.service
check_host "which changes nothing" "$reserved"
check_equal "and forgets nothing" reserved "$(state_of "$nic")"

# killed VERB TARGET: kill -9 in the middle of it.
killed() {
        assign-ctl "$@" >/dev/null 2>&1 &
        sleep "0.0$((RANDOM % 10))"
        systemctl kill --signal=KILL assignd.service
        wait $!
        wait_for 60 assign-ctl list
}
wrong=0
for round in 1 2 3 4 5 6 7 8; do
        killed reserve 01:00.0
        case $(state_of "$single") in
        reserved) [ "$(driver_of "$single") $(override_of "$single")" = "vfio-pci vfio-pci" ] || wrong=$((wrong + 1)) ;;
        host) [ "$(driver_of "$single") $(override_of "$single")" = "e1000e " ] || wrong=$((wrong + 1)) ;;
        *) wrong=$((wrong + 1)) ;;
        esac
        [ "$(state_of "$single")" != reserved ] || killed unreserve 01:00.0
        [ "$(state_of "$single")" != reserved ] || assign-ctl unreserve 01:00.0 >/dev/null || wrong=$((wrong + 1))
done
check_equal "killed in the middle of reserving and unreserving, a group is reserved or the host's" 0 "$wrong"
check_host "and in the end the host's, the other one reserved" "$reserved"

# --- A reboot: the host's drivers have everything, and the database knows another boot.

check "assignd stops" systemctl stop assignd.service
for device in "$nic" "$mate"; do
        echo >"$lab_pci/devices/$device/driver_override"
        echo "$device" >"$lab_pci/drivers/vfio-pci/unbind"
        echo "$device" >"$lab_pci/drivers/e1000e/bind"
done
sqlite3 "$database" "UPDATE boots SET boot_id = '$(tr -d - </proc/sys/kernel/random/uuid)'"
check "and starts after what looks like a reboot" systemctl start assignd.service
reserved_again() {
        [ "$(state_of "$nic")" = reserved ] && [ "$(driver_of "$nic") $(driver_of "$mate")" = "vfio-pci vfio-pci" ]
}
check "what was reserved is off the host again" wait_for 60 reserved_again
check_host "guarded as before" "$reserved"
check "and can be unreserved" assign-ctl unreserve 02:00.0
check_host "which gives back everything" "$host"
check_equal "nothing is reserved" "" "$(sql "SELECT * FROM current_reservations")"
check "the trail tells of both" test "$(sql "SELECT count(*) FROM audit_log WHERE verb IN ('reserve', 'unreserve') AND outcome = 'done'")" -ge 3
