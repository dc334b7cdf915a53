#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=1200
#
# The main job on a real kernel: whole groups leave the host, are opened and used, and come back exactly as they were.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
backend=group
[ "$lab_kernel" != iommufd ] || backend=iommufd

# --- What is there.

cat >"$scratch/shapes.py" <<'END'
import json, sys

groups = json.load(open(sys.argv[1]))["groups"]
expected = {
    "a NIC alone": (True, ["01:00.0 endpoint e1000e"]),
    "two functions of one card": (True, ["02:00.0 endpoint e1000e", "02:00.1 endpoint e1000e"]),
    "conventional PCI behind a bridge": (True, ["03:00.0 bridge None", "04:01.0 endpoint e1000", "04:01.1 endpoint e1000", "04:02.0 endpoint e1000"]),
    "an NVMe disk": (True, ["05:00.0 endpoint nvme"]),
    "a root port without ACS and its NIC": (True, ["00:08.0 bridge pcieport", "06:00.0 endpoint e1000e"]),
    "a downstream port and its NIC": (True, ["08:00.0 bridge pcieport", "09:00.0 endpoint e1000e"]),
    "another downstream port and its NIC": (True, ["08:01.0 bridge pcieport", "0a:00.0 endpoint e1000e"]),
    "the chipset": (False, ["00:1f.0 bridge lpc_ich", "00:1f.2 endpoint ahci", "00:1f.3 endpoint i801_smbus"]),
}

def shape(group):
    return ["%s %s %s" % (d["address"].removeprefix("0000:"), d["role"], d["driver"]) for d in group["devices"]]

found = {tuple(shape(g)): g for g in groups}
for name, (viable, members) in expected.items():
    g = found.get(tuple(members))
    if not g:
        print("not ok list shows %s: no group of %s among %s" % (name, members, sorted(found)))
    elif g["viable"] is not viable or g["state"] != "host" or g["owner"] is not None or g["label"] is not None:
        print("not ok list shows %s: %s" % (name, g))
    elif any(d["driver_override"] is not None for d in g["devices"]):
        print("not ok list shows %s: an override is there: %s" % (name, g))
    else:
        print("ok list shows %s" % name)

chipset = found.get(tuple(expected["the chipset"][1]), {"blockers": []})
stays = [b["device"] for b in chipset["blockers"] if b["code"] == "host-driver-stays" and not b["overridable"] and "lpc_ich" in b["detail"] + "lpc_ich"]
print("ok" if stays == ["0000:00:1f.0", "0000:00:1f.3"] else "not ok", "every chipset function that stays is named: %s" % stays)
nic = found[tuple(expected["a NIC alone"][1])]["devices"][0]
print("ok" if (nic["vendor"], nic["device"], nic["class"]) == ("8086", "10d3", "020000") and "82574L" in nic["name"] else "not ok", "a device has its ids and its name: %s" % nic)
print("ok" if all(any(d["role"] == "endpoint" for d in g["devices"]) for g in groups) else "not ok", "groups without an endpoint are left out: %s" % len(groups))
END
assign-ctl list --json >"$scratch/list.json"
# A line that failed is counted here too.
python3 "$scratch/shapes.py" "$scratch/list.json" | sed 's/^\(ok [^:]*\):.*/\1/' >"$scratch/shapes"
cat "$scratch/shapes"
lab_failures=$((lab_failures + $(grep -c '^not ok' "$scratch/shapes")))
check_equal "every shape was looked at" 11 "$(grep -c ok "$scratch/shapes")"
check_equal "list --all has every group of the kernel" "$(ls /sys/kernel/iommu_groups | wc -l)" "$(ctl_json 'len(data["groups"])' list --all)"
check_equal "list --devices has every device of the kernel" "$(ls $lab_pci/devices | wc -l)" "$(ctl_json 'len(data["devices"])' list --devices)"

# --- One function is named, its group comes along.

assign-ctl plan assign --json --owner vm:web1 02:00.0 >"$scratch/plan"
check_equal "the plan is possible" True "$(json 'data["possible"]' <"$scratch/plan")"
check_equal "the plan looks for holders, and sets both overrides before the first unbind" "check-holders set-override set-override unbind unbind bind bind" \
        "$(json '" ".join(s["action"] for s in data["steps"])' <"$scratch/plan")"
check_equal "the plan names the companion" "['0000:02:00.1']" "$(json 'data["companions"]' <"$scratch/plan")"
check_host "a plan changes nothing" "$host"

check_refused "with --exact a companion that is not named is a refusal" 6 "companion-not-named" \
        assign-ctl assign --exact --owner vm:web1 02:00.0
check_host "and changes nothing" "$host"

assign-ctl assign --json --owner vm:web1 02:00.0 >"$scratch/assigned"
check_equal "assign says who has what" "vm:web1 [$(group_of 0000:02:00.0)] ['0000:02:00.0', '0000:02:00.1'] ['0000:02:00.1'] $backend" \
        "$(json '"%s %s %s %s %s" % tuple(data[k] for k in ("owner", "groups", "devices", "companions", "backend"))' <"$scratch/assigned")"
for address in 0000:02:00.0 0000:02:00.1; do
        check "$address is on vfio-pci" driver_is "$address" vfio-pci
        check_equal "$address cannot slip to another driver" vfio-pci "$(override_of "$address")"
done
check_equal "nothing else changed" "" "$(diff <(grep -v '^0000:02:00' <<<"$host") <(host_record | grep -v '^0000:02:00'))"
check_equal "list tells the state and the owner" "assigned vm:web1" \
        "$(ctl_json '" ".join("%s %s" % (g["state"], g["owner"]) for g in data["groups"] if g["owner"])' list)"
check_refused "the other function is not given to somebody else" 4 "owned" assign-ctl assign --owner vm:web2 02:00.1
check_refused "nor is the group" 4 "vm:web1" assign-ctl assign --owner vm:web2 "group:$(group_of 0000:02:00.0)"

# --- It is opened over D-Bus, used, and the kernel keeps the host's drivers away from the group meanwhile.

# Function 0 is held, function 1 goes back to its host driver by hand.
companion_to_host() {
        echo e1000e >"$lab_pci/devices/0000:02:00.1/driver_override" && echo 0000:02:00.1 >"$lab_pci/drivers/vfio-pci/unbind" &&
                echo 0000:02:00.1 >"$lab_pci/drivers/e1000e/bind"
}

path=$(assignment_path vm:web1)
check "the whole assignment is opened over D-Bus and proves itself" "$consumer" "--assignment=$path"
hold_begin "--assignment=$path" --device=0000:02:00.0
check "function 0 is opened alone and held" grep -q '^ok .*0000:02:00.0' "$scratch/hold"
check_status "function 1 is not opened with it" 1 grep -q 0000:02:00.1 "$scratch/hold"
companion_to_host 2>"$scratch/refusal"
check "the kernel refuses the host's driver on function 1 meanwhile" grep -q "Device or resource busy" "$scratch/refusal"
check "so function 1 has no driver" driver_is 0000:02:00.1 ""
hold_end
check_equal "all that function 0 had to prove held" 0 "$?"
bind_by_hand 0000:02:00.1 vfio-pci
check "the consumer's proofs hold once more" "$consumer" "--assignment=$path"

check "release gives the group back" assign-ctl release vm:web1
check_host "every driver and override is as before" "$host"
check_refused "a second release says that there is nothing" 7 "vm:web1" assign-ctl release vm:web1

# --- By `run`, on every backend that the kernel has.

check "run opens the fds for a program, which proves them" assign-ctl run --owner vm:run 02:00.0 -- "$consumer"
check_host "and gives the group back" "$host"
if [ "$backend" = iommufd ]; then
        check "the same on the group backend" assign-ctl run --owner vm:run --backend group 02:00.0 -- "$consumer"
        check_host "and gives the group back from it" "$host"
else
        skip "the same on the group backend" "the stock kernel has no other backend"
        check_refused "iommufd is refused where the kernel has none" 1 "/dev/iommu" assign-ctl assign --owner vm:run --backend iommufd 02:00.0
        check_host "and nothing is changed" "$host"
fi
check_status "run passes the program's exit status on" 42 assign-ctl run --owner vm:run 01:00.0 -- sh -c 'exit 42'
check_host "and gives back after a failure too" "$host"

# --- Every other group that is viable.

run_consumer() {
        check "$1: taken, opened, used and given back" assign-ctl run --owner vm:shapes "${@:2}" -- "$consumer"
        check_host "$1: the host has everything back" "$host"
}

run_consumer "three conventional NICs behind a bridge" 04:01.1
run_consumer "a root port without ACS" 06:00.0
run_consumer "a switch's downstream port" 09:00.0
run_consumer "four groups in one assignment" 01:00.0 02:00.1 09:00.0 "group:$(group_of 0000:0a:00.0)"
run_consumer "an NVMe disk" 05:00.0

echo 2 >"$lab_pci/devices/0000:05:00.0/sriov_numvfs"
wait_for 20 device_exists 0000:05:00.2
host_with_functions=$(host_record)
virtual_functions_listed() {
        ctl_json 'sum(d["address"].startswith("0000:05:00") for g in data["groups"] for d in g["devices"])' list | grep -qx 3
}
check "virtual functions appear in list, each with a group" wait_for 20 virtual_functions_listed
check "a virtual function is taken, opened, used and given back" assign-ctl run --owner vm:shapes 05:00.1 -- "$consumer"
check_host "the host has the virtual function back" "$host_with_functions"
check "both virtual functions in one assignment" assign-ctl run --owner vm:shapes 05:00.1 05:00.2 -- "$consumer"
check_host "the host has both virtual functions back" "$host_with_functions"
# vfio-pci binds no device that has virtual functions (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_register_device).
check_refused "a disk with virtual functions is refused, and with it the whole assignment" 6 "has-vfs" \
        assign-ctl assign --owner vm:none 01:00.0 02:00.0 05:00.0 09:00.0
check_host "and nothing was touched" "$host_with_functions"
check_equal "nobody has any of it" "" "$(sql "SELECT * FROM current_assignments")"
check_equal "the trail says so" refused "$(sql "SELECT outcome FROM audit_log WHERE owner = 'vm:none'")"
echo 0 >"$lab_pci/devices/0000:05:00.0/sriov_numvfs"
check_host "the host without virtual functions" "$host"

# --- What cannot be taken.

check_refused "the chipset's group is refused, with the function that stays" 6 "0000:00:1f.3" assign-ctl assign --owner vm:no 00:1f.2
check "and with the bridge that stays" grep -q "host-driver-stays.*0000:00:1f.0.*lpc_ich" "$scratch/refused.err"
check_refused "a bridge is not a target" 6 "not-endpoint" assign-ctl assign --owner vm:no 00:08.0
check_refused "a group of bridges is not a target" 6 "not-endpoint" assign-ctl assign --owner vm:no "group:$(group_of 0000:00:04.0)"
check_refused "one impossible target refuses all" 6 "not-endpoint" assign-ctl assign --owner vm:no 01:00.0 02:00.0 00:08.0
check_host "refusals change nothing" "$host"

# --- What a device was before, whatever that was.

echo e1000e >"$lab_pci/devices/0000:01:00.0/driver_override"
echo 0000:0a:00.0 >"$lab_pci/drivers/e1000e/unbind"
modprobe vfio-pci
bind_by_hand 0000:09:00.0 vfio-pci
odd=$(host_record)
run_odd() {
        check "$1 is taken and used" assign-ctl run --owner vm:odd "$2" -- "$consumer"
        check_host "$1 is that again" "$odd"
}
run_odd "a device with an override of its own" 01:00.0
run_odd "a device without a driver" 0a:00.0
run_odd "a device that somebody put on vfio-pci by hand" 09:00.0
echo >"$lab_pci/devices/0000:01:00.0/driver_override"
echo 0000:0a:00.0 >"$lab_pci/drivers/e1000e/bind"
bind_by_hand 0000:09:00.0 e1000e
echo >"$lab_pci/devices/0000:09:00.0/driver_override"
check_host "the test left the host as it found it" "$host"

# --- The trail.

check_equal "the trail tells how the first assignment came and went" "assign done, open done, open done, open done, release done" \
        "$(ctl_json '", ".join("%s %s" % (e["verb"], e["outcome"]) for e in sorted(data["entries"], key=lambda e: e["id"]) if e["owner"] == "vm:web1" and e["verb"] != "drift" and e["outcome"] == "done")' audit)"
check "and what was done to function 1 by hand" test "$(sql "SELECT count(*) FROM audit_log WHERE verb = 'drift' AND owner = 'vm:web1' AND devices = '0000:02:00.1'")" -ge 1
check_equal "a refusal is in it with every blocker" "host-driver-stays 0000:00:1f.0 host-driver-stays 0000:00:1f.3" \
        "$(ctl_json '" ".join("%s %s" % (b["code"], b["device"]) for e in data["entries"] if e["targets"] == ["00:1f.2"] for b in e["blockers"])' audit)"
check_equal "sqlite3 reads the same from the view" "assign vm:web1 0000:02:00.0 0000:02:00.1 done" \
        "$(sql "SELECT verb, owner, devices, outcome FROM audit_log WHERE verb = 'assign' AND outcome = 'done' ORDER BY id LIMIT 1")"
check_equal "the history tells who came along" "0000:02:00.0 wanted e1000e vfio-pci ended
0000:02:00.1 companion e1000e vfio-pci ended" \
        "$(sql "SELECT address, role, driver_before, vfio_driver, state FROM assignment_history WHERE owner = 'vm:web1' ORDER BY address")"
check_equal "nobody has anything" "" "$(sql "SELECT * FROM current_assignments")"
