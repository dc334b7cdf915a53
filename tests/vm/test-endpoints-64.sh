#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=endpoints-64 kernels=iommufd timeout=600
#
# A host with many groups: all are known, and eight of them leave and come back as one assignment.

. "$(dirname "$0")/daemon.sh"

host=$(host_record)
endpoints='[d["address"] for g in data["groups"] for d in g["devices"] if d["role"] == "endpoint" and not d["address"].startswith("0000:00:")]'

check_equal "64 endpoints are listed" 64 "$(ctl_json "len($endpoints)" list)"
check_equal "in 32 groups of two" 32 \
        "$(ctl_json 'len([g for g in data["groups"] if len(g["devices"]) == 2 and all(not d["address"].startswith("0000:00:") for d in g["devices"])])' list)"
for address in 0000:01:00.0 0000:20:00.1; do
        check_equal "the group of $address is viable" True "$(ctl_json 'data["viable"]' show "$address")"
done

# Drivers of both kinds of card.
targets=(01:00.0 02:00.0 03:00.0 04:00.0 1d:00.0 1e:00.0 1f:00.0 20:00.0)
check "eight groups are assigned at once" assign-ctl assign --owner vm:many "${targets[@]}"
for target in "${targets[@]}"; do
        check "0000:$target and its companion are on vfio-pci" \
                sh -c "readlink /sys/bus/pci/devices/0000:$target/driver /sys/bus/pci/devices/0000:${target%.0}.1/driver | grep -c /vfio-pci | grep -qx 2"
done
check_equal "24 groups remain the host's" 24 \
        "$(ctl_json 'len([g for g in data["groups"] if g["state"] == "host" and len(g["devices"]) == 2])' list)"
check "all are released at once" assign-ctl release --wait 60 vm:many
check_host "every driver and override is as before" "$host"
