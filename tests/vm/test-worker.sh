#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: topology=mission daemon=no
#
# assignd-worker on a real kernel, without the daemon: the steps that the simulated kernel is held to, and what the consumer
# proves with the fds that the worker opens.

. "$(dirname "$0")/guest.sh"

tests=/usr/libexec/assignd-tests
modprobe vfio-pci

# The devices as they were, for the next file of steps: whatever the last one left.
give_back() {
        local address
        for address in 0000:02:00.0 0000:02:00.1; do
                if [ "$(driver_of "$address")" != e1000e ]; then
                        bind_by_hand "$address" e1000e
                        echo >"$lab_pci/devices/$address/driver_override"
                fi
        done
}

run_steps() {
        check "the kernel does as the simulated one: $1" "$tests/conformance" --worker=/usr/libexec/assignd-worker --consumer="$tests/consumer" "$tests/$1.steps"
        give_back
}

run_steps drivers
run_steps group
if [ "$lab_kernel" = iommufd ]; then
        run_steps iommufd
else
        skip "the kernel does as the simulated one: iommufd" "the stock kernel has no iommufd"
fi
