#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission daemon=no
#
# The lab itself: the kernel makes the groups that the topology `mission` promises, on raw sysfs, with no help of assignd.

. "$(dirname "$0")/guest.sh"

members_are() {
        check_equal "$1" "$2" "$(members_of "${2%% *}")"
}

members_are "a NIC alone is a group of one" "0000:01:00.0"
members_are "two functions of one card are one group" "0000:02:00.0 0000:02:00.1"
members_are "a bridge to conventional PCI and all below it are one group" "0000:03:00.0 0000:04:01.0 0000:04:01.1 0000:04:02.0"
members_are "an NVMe disk is a group of one" "0000:05:00.0"
members_are "a root port without ACS shares the group of its NIC" "0000:00:08.0 0000:06:00.0"
members_are "the first downstream port shares the group of its NIC" "0000:08:00.0 0000:09:00.0"
members_are "the second downstream port shares the group of its NIC" "0000:08:01.0 0000:0a:00.0"
members_are "the chipset's functions are one group" "0000:00:1f.0 0000:00:1f.2 0000:00:1f.3"

for address in 0000:02:00.0 0000:02:00.1 0000:06:00.0; do
        check_equal "$address begins on e1000e" e1000e "$(driver_of "$address")"
done
check_equal "0000:04:01.1 begins on e1000" e1000 "$(driver_of 0000:04:01.1)"
check_equal "0000:03:00.0 begins on no driver" "" "$(driver_of 0000:03:00.0)"
check_equal "0000:00:1f.2 begins on ahci" ahci "$(driver_of 0000:00:1f.2)"
check_equal "0000:05:00.0 begins on nvme" nvme "$(driver_of 0000:05:00.0)"
check_equal "no device begins with an override" "" "$(for path in /sys/bus/pci/devices/*; do override_of "${path##*/}"; done)"

numvfs=$lab_pci/devices/0000:05:00.0/sriov_numvfs
check "two virtual functions can be made" sh -c "echo 2 >$numvfs"
members_are "the first virtual function is a group of one" "0000:05:00.1"
members_are "the second virtual function is a group of one" "0000:05:00.2"
check "the virtual functions can be taken away" sh -c "echo 0 >$numvfs"
check "and are gone" device_gone 0000:05:00.1

modprobe vfio-pci
check "function 0 can be bound to vfio-pci" bind_by_hand 0000:02:00.0 vfio-pci
check "function 1 can be bound to vfio-pci" bind_by_hand 0000:02:00.1 vfio-pci
check "the group has a node" wait_for 10 test -c "/dev/vfio/$(group_of 0000:02:00.0)"
case $lab_kernel in
stock)
        check_status "the stock kernel has no iommufd" 1 test -e /dev/iommu
        ;;
iommufd)
        check "the iommufd kernel has iommufd" test -c /dev/iommu
        check "each function has a node of its own" wait_for 10 test -c /dev/vfio/devices/vfio0 -a -c /dev/vfio/devices/vfio1
        ;;
esac
# The two functions stay on vfio-pci: the lab has to bring them back.
