/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reads what is true of the host as a whole. What is read comes from memory and waits for nothing: class/iommu, module
 * parameters, the names of interrupt chips (kernel/irq/N/chip_name, until one tells), /proc/cmdline, and whether nodes and files
 * exist. */

#include "policy/host-facts.h"

typedef struct HostRoots {
        int sysfs_fd;
        int proc_fd;
        int dev_fd;
        int driverctl_fd; /* /etc/driverctl.d; -EBADF: there is none */
        int run_fd;       /* /run; -EBADF: not looked at */
} HostRoots;

/* What cannot be read is told as unknown or absent. Returns 0, or -ENOMEM. */
int host_facts_read(const HostRoots *roots, HostFacts *ret);
