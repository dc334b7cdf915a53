#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=900
#
# Programs of other people take devices by `assign-ctl run`: Debian's QEMU as it is (software emulation inside software emulation),
# and DPDK. However they end, the host gets everything back.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
qemu=(qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults -display none -S)

back() {
        [ "$(host_record)" = "$host" ] && [ -z "$(sql "SELECT * FROM current_assignments")" ]
}

# --- QEMU. What is typed at its monitor is read once all devices are realized.

printf 'info pci\nquit\n' | assign-ctl run --owner vm:qemu --backend group 02:00.0 -- \
        "${qemu[@]}" -monitor stdio -device vfio-pci,host=0000:02:00.0,addr=5.0,multifunction=on \
        -device vfio-pci,host=0000:02:00.1,addr=5.1 >"$scratch/qemu" 2>&1
check_equal "QEMU ends well" 0 "$?"
check_equal "it had both functions of the card" 2 "$(grep -c 'PCI device 8086:10d3' "$scratch/qemu")" || sed 's/^/    /' "$scratch/qemu"
check "run said that it leaves the opening to QEMU" grep -q "left to open the devices by itself" "$scratch/qemu"
check "the host has everything back" back
check_equal "nothing was opened for QEMU" 0 "$(sql "SELECT count(*) FROM audit_log WHERE verb = 'open'")"

check_status "a QEMU that wants another device fails by itself" 1 assign-ctl run --owner vm:qemu --backend group 01:00.0 -- \
        "${qemu[@]}" -device vfio-pci,host=0000:02:00.0
check "and what it was given is back" back

# qemu_begin: a QEMU that has 01:00.0 and stays. Sets `running` (assign-ctl's process) and `guest` (QEMU's).
qemu_begin() {
        rm -f "$scratch/qmp" "$scratch/pid"
        assign-ctl run --owner vm:qemu --backend group 01:00.0 -- \
                "${qemu[@]}" -device vfio-pci,host=0000:01:00.0 -pidfile "$scratch/pid" -qmp "unix:$scratch/qmp,server=on,wait=off" \
                </dev/null >"$scratch/qemu" 2>&1 &
        running=$!
        # The group's node can be open only once: QEMU has the device when the node is among its fds.
        wait_for 120 qemu_has_device
        guest=$(<"$scratch/pid")
}

qemu_has_device() {
        [ -s "$scratch/pid" ] && find "/proc/$(<"$scratch/pid")/fd" -lname '/dev/vfio/[0-9]*' | grep -q . &&
                find "/proc/$(<"$scratch/pid")/fd" -lname '*vfio-device*' | grep -q .
}

qemu_begin
check "a QEMU runs with the device" qemu_has_device
kill -KILL "$guest"
wait "$running"
check_equal "run tells that QEMU was killed" 137 "$?"
check "a killed QEMU's device is back on the host" wait_for 60 back

qemu_begin
check "another QEMU runs with the device" qemu_has_device
kill -KILL "$running"
wait "$running" 2>/dev/null
check "when assign-ctl is killed, QEMU is asked to end and the device is back on the host" wait_for 60 back
check_status "QEMU has ended" 1 kill -0 "$guest"

# --- DPDK: the two functions are joined by a wire, so that what one sends the other receives, by real DMA.

if command -v dpdk-testpmd >/dev/null; then
        mkfifo "$scratch/keys"
        assign-ctl run --owner app:testpmd --backend group 02:00.0 -- \
                dpdk-testpmd --no-huge -m 128 -l 0,1 -a 0000:02:00.0 -a 0000:02:00.1 -- \
                --total-num-mbufs=2048 --forward-mode=io --tx-first --stats-period=1 <"$scratch/keys" >"$scratch/testpmd" 2>&1 &
        running=$!
        exec 9>"$scratch/keys"
        check "DPDK moves packets through the devices" wait_for 180 grep -qE 'RX-packets: [1-9]' "$scratch/testpmd" || tail -n 20 "$scratch/testpmd"
        exec 9>&-
        kill -INT "$(pgrep -x dpdk-testpmd)"
        wait "$running"
        check "when it ends, both devices are back on the host" wait_for 60 back
else
        skip "DPDK moves packets through the devices" "dpdk-testpmd is not installed"
fi
