/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the command line says. Every path has its default in the system; tests pass trees of their own. */

#include "base/macro.h"

typedef struct Config {
        const char *sysfs_path;      /* "/sys" */
        const char *dev_path;        /* "/dev" */
        const char *proc_path;       /* "/proc": for the boot id and who has what open */
        const char *state_directory; /* --state-directory, $STATE_DIRECTORY, or the built-in one */
        const char *policy_directory; /* "/etc/assignd/policy.d" */
        const char *worker_path;
        const char *pci_ids_path;    /* NULL: the system's */
        const char *uevent_socket;   /* NULL: the kernel's uevents; "": none; else a datagram socket to bind */
        const char *driverctl_path;  /* "/etc/driverctl.d": what driverctl is to do */
        const char *run_path;        /* "/run": pid files of other managers, and udev's database */
        uint64_t reconcile_usec;     /* how often what is held is compared with the kernel without an event; 0: never */
        bool require_reset;          /* a device that cannot be reset is a blocker */
        uint64_t slow_usec;
        uint64_t stuck_usec;
        uint64_t authorize_usec; /* how long polkit is waited for */
} Config;

/* Returns 1 to go on, 0 if --help or --version did the work, -EINVAL after saying on stderr what is wrong. */
int config_parse(int argc, char *argv[], Config *ret);
