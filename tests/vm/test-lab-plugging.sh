#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission daemon=no
#
# The lab itself: devices come and go by QEMU's monitor, and every script finds the machine as it was after the boot.

. "$(dirname "$0")/guest.sh"

as_after_boot() {
        driver_is 0000:02:00.0 e1000e && driver_is 0000:02:00.1 e1000e &&
                [ -z "$(override_of 0000:02:00.0)" ] && [ -z "$(override_of 0000:02:00.1)" ]
}

check "the NICs are on their host driver, without override" as_after_boot

check "a device can be plugged" plug nic9 e1000e,bus=empty0
check "and appears" wait_for 20 device_exists 0000:0b:00.0
check "and gets its host driver" wait_for 20 driver_is 0000:0b:00.0 e1000e
check "and a group of one" test "$(members_of 0000:0b:00.0)" = 0000:0b:00.0
check "it can be unplugged" unplug nic9
check "and is gone" wait_for 10 device_gone 0000:0b:00.0
check_status "a bus that the topology does not have is refused" 1 plug nic9 e1000e,bus=nosuchbus
check_status "the monitor takes nothing but plugging" 1 lab_monitor quit
check_status "the monitor plugs nothing that reaches the host" 1 plug host0 vfio-pci,host=0000:00:00.0
check "a device can be left plugged" plug nic9 e1000e,bus=empty1
