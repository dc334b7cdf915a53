#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission daemon=no timeout=1200
#
# What is measured on a real kernel, as samples in $lab_out. Arguments: rounds of the quick pairs, rounds of the slow ones.

. "$(dirname "$0")/../vm/guest.sh"

quick=${1:-15}
slow=${2:-5}
programs=/usr/libexec/assignd-tests
functions=(0000:02:00.0 0000:02:00.1)

# The guest's root is in memory, where a commit costs nothing: the database goes to a disk.
daemon_start() {
        mkfs.ext4 -q /dev/nvme0n1 && mkdir -p -m 700 /var/lib/assignd && mount /dev/nvme0n1 /var/lib/assignd || return
        modprobe vfio-pci && systemctl start assignd.service && udevadm settle
}

wakeups() {
        awk '/_ctxt_switches/ { n += $2 } END { print n }' "/proc/$1/status"
}

# How often the daemon runs in 30 s on a host where nothing happens.
idle() {
        local pid before
        pid=$(systemctl show --property=MainPID --value assignd.service)
        before=$(wakeups "$pid")
        sleep 30
        printf 'idle-wakeups\t%s\t-\n' $(($(wakeups "$pid") - before))
}

pair() {
        "$programs/pair" "$@"
}

# As a person or a script would do it: a process for each verb.
by_hand() {
        local f0=${functions[0]} f1=${functions[1]} set="driverctl --nosave set-override" unset="driverctl --nosave unset-override"
        pair processes "$slow" sh -c "assign-ctl assign --owner bench $f0 && assign-ctl release bench" -- \
                sh -c "$set $f0 vfio-pci && $set $f1 vfio-pci && $unset $f0 && $unset $f1"
}

measure() {
        idle &&
                "$programs/pair-assign" assign-release "$quick" e1000e "${functions[@]}" &&
                pair list-lspci "$quick" assign-ctl list -- lspci -nnk &&
                pair list-driverctl "$slow" assign-ctl list -- driverctl list-devices &&
                pair list-dpdk "$slow" assign-ctl list -- dpdk-devbind.py -s &&
                by_hand
}

check "assignd runs, its database on a disk" daemon_start
if measure >"$lab_out/samples"; then
        pass "measured on the $lab_kernel kernel"
else
        fail "measured on the $lab_kernel kernel"
fi
