#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=no-iommu
#
# A host without an IOMMU: assignd runs, says what is, and gives nothing away.

. "$(dirname "$0")/daemon.sh"

check_equal "the kernel makes no groups" "" "$(ls /sys/kernel/iommu_groups 2>/dev/null)"
host=$(host_record)

check "assignd runs" systemctl is-active assignd.service
check_equal "there are no groups to list" 0 "$(ctl_json 'len(data["groups"])' list)"
check_equal "the device itself is known, and its driver" e1000e "$(ctl_json 'data["driver"]' show 01:00.0)"

check_status "an assignment is refused as not viable" 6 assign-ctl assign --owner vm:web1 01:00.0
check_equal "and no-iommu is the reason" True \
        "$(ctl_json '"no-iommu" in [b["code"] for b in data["error"]["blockers"]]' assign --owner vm:web1 01:00.0)"
check_status "a plan says the same" 6 assign-ctl plan assign --owner vm:web1 01:00.0
check_host "nothing was changed" "$host"
