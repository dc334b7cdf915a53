#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission kernels=stock,iommufd timeout=900
#
# What the host uses stays with the host: a mounted disk, swap, a volume, the way to the network, an open node. Each refuses with its own
# blocker, an override goes past, the audit trail keeps it. All of it with the daemon in its unit, which has a namespace of its own.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
nvme=0000:05:00.0
nic=0000:01:00.0
mkdir -p "$scratch/mnt"

# codes VERB-ARGUMENTS...: the codes of the blockers of a plan, in order, each once.
codes() {
        ctl_json '" ".join(sorted({b["code"] for b in data["blockers"]}))' plan assign --owner vm:guard "$@"
}

# detail CODE TARGET: the first such blocker's sentence.
detail() {
        ctl_json '[b["detail"] for b in data["blockers"] if b["code"] == "'"$1"'"][0]' plan assign --owner vm:guard "$2"
}

disk=$(basename "$(find /sys/bus/pci/devices/$nvme/nvme/ -maxdepth 2 -name 'nvme*n1' | head -n 1)")
head=${disk/c[0-9]*n/n}
check "the disk has a node" test -b "/dev/$head"

# --- Nothing.

check_equal "an idle disk is in nobody's way" "" "$(codes $nvme)"
check_equal "nor is an idle NIC" "" "$(codes $nic)"

# --- A mounted file system on a partition. Two of 16 MiB, of type 83 and 82, in a table as DOS had it.

python3 - "/dev/$head" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as disk:
    entry = lambda kind, first: struct.pack('<8B2I', 0, 0, 2, 0, kind, 0, 2, 0, first, 32768)
    disk.seek(446)
    disk.write(entry(0x83, 2048) + entry(0x82, 34816) + bytes(32) + b'\x55\xaa')
END
blockdev --rereadpt "/dev/$head"
udevadm settle
volume=/dev/${head}p1
check "the disk has partitions" test -b "$volume"
mkfs.ext4 -q -F "$volume"
mount "$volume" "$scratch/mnt" && pass "a file system is mounted from ${volume#/dev/}" || fail "a file system is mounted"
check_equal "a mounted disk is in use" "in-use-mount" "$(codes $nvme)"
check_equal "and its mount point is named" "$scratch/mnt is mounted from ${volume#/dev/} on $nvme: unmount it" "$(detail in-use-mount $nvme)"
check_refused "it is not assigned" 6 "is mounted from" assign-ctl assign --owner vm:guard $nvme
check_host "and nothing was touched" "$host"
assign-ctl why $nvme | grep -qF "$scratch/mnt is mounted" && pass "why tells it too" || fail "why tells it too"
umount "$scratch/mnt"
check_equal "an unmounted disk is free" "" "$(codes $nvme)"

# --- Swap.

swap=/dev/${head}p2
if mkswap -q "$swap" >/dev/null 2>&1 && swapon "$swap" 2>/dev/null; then
        check_equal "a disk that is swapped to is in use" "in-use-swap" "$(codes $nvme)"
        check_refused "it is not assigned" 6 "swaps to ${swap#/dev/}" assign-ctl assign --owner vm:guard $nvme
        swapoff "$swap"
else
        skip "swap" "this kernel has none"
fi

# --- A volume on it.

if command -v dmsetup >/dev/null && modprobe -q dm_mod && dmsetup create lab-volume --table "0 8192 linear $volume 0" 2>/dev/null; then
        check_equal "a disk with a volume on it is in use" "in-use-block-holder" "$(codes $nvme)"
        mkfs.ext4 -q -F /dev/mapper/lab-volume
        mount /dev/mapper/lab-volume "$scratch/mnt"
        check_equal "a mounted volume is found through it" "in-use-block-holder in-use-mount" "$(codes $nvme)"
        umount "$scratch/mnt"
        dmsetup remove lab-volume
elif losetup /dev/loop0 "$volume" 2>/dev/null; then
        check_equal "a disk under a loop device is in use" "in-use-block-holder" "$(codes $nvme)"
        losetup -d /dev/loop0
else
        skip "volumes" "neither device-mapper nor loop devices"
fi

# --- Somebody has it open.

sleep infinity 9<"$volume" &
opener=$!
check_refused "an open node is in use" 6 "pid $opener (sleep) has ${volume#/dev/} of $nvme open" assign-ctl assign --owner vm:guard $nvme
check_host "and nothing was touched" "$host"
kill "$opener"
wait "$opener" 2>/dev/null

# --- The way to the network.

interface=$(find /sys/bus/pci/devices/$nic/net/ -mindepth 1 -maxdepth 1 -printf '%f\n')
ip link set "$interface" up
check_equal "an interface that is only up is free" "" "$(codes $nic)"
ip addr add 192.0.2.1/24 dev "$interface"
ip route add default via 192.0.2.2 dev "$interface"
check_equal "the interface of the default route is in use" "in-use-network" "$(codes $nic)"
check_refused "it is not assigned" 6 "default route goes through the interface $interface" assign-ctl assign --owner vm:guard $nic
ip addr flush dev "$interface"
if ip link add lab-bridge type bridge 2>/dev/null; then
        ip link set "$interface" master lab-bridge
        check_equal "a port of a bridge is in use" "The interface $interface of $nic is a port of lab-bridge: take it out of there" "$(detail in-use-network $nic)"
        ip link del lab-bridge
else
        skip "bridges" "this kernel has none"
fi
ip link set "$interface" down
if ip netns add lab-namespace 2>/dev/null; then
        ip link set "$interface" netns lab-namespace
        check_equal "an interface of another namespace is in use" "in-use-network" "$(codes $nic)"
        ip -n lab-namespace link set "$interface" netns 1
        ip netns del lab-namespace
else
        skip "namespaces" "this kernel has none"
fi
check_equal "the NIC is free again" "" "$(codes $nic)"

# --- Overrides.

ip link set "$interface" up
ip addr add 192.0.2.1/24 dev "$interface"
check_refused "another code does not go past" 6 "192.0.2.0/24" assign-ctl assign --owner vm:guard --override in-use-mount $nic
check "the code goes past" assign-ctl assign --owner vm:guard --override in-use-network $nic
check_equal "and the audit trail keeps it" "overridden in-use-network $nic" \
        "$(sql "SELECT substr(blockers, 1, 38) FROM audit_log WHERE outcome = 'done' ORDER BY id DESC LIMIT 1")"
check "it comes back" assign-ctl release vm:guard
check_host "and everything is as it was" "$host"

# --- Whether the host is fit.

check_status "the host is fit" 0 assign-ctl check
check_equal "and it says of the IOMMU" "ok" "$(ctl_json '[f["level"] for f in data["findings"] if f["code"] == "iommu"][0]' check)"
check_equal "and of the interrupts" "ok" "$(ctl_json '[f["level"] for f in data["findings"] if f["code"] == "interrupt-remapping"][0]' check)"
