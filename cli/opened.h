/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The fds of an assignment's devices, as they are handed to a command. */

#include "cli/placeholder.h"
#include "cli/request.h"

typedef struct OpenedFd {
        char *name; /* "iommufd", "container", "group:N", or a device's address */
        bool shared;
        int fd;
} OpenedFd;

typedef struct Opened {
        char *backend;
        OpenedFd *fds;
        size_t n_fds;
} Opened;

void opened_done(Opened *opened);

/* Assignment.OpenDevices() for all devices. All fds are above the standard ones and close on exec. On the iommufd backend devices
 * that do not fit into one message come in several, and one iommufd is kept for all; a container cannot be shared that way, so on the
 * group backend such devices are a failure. */
int opened_get(Cli *cli, const Assigned *assigned, Opened *ret);

/* The fd of this name, or -ENOENT. */
int opened_find(const Opened *opened, const char *name);

/* {"backend":"iommufd","shared":{"iommufd":5},"devices":{"0000:02:00.0":6}}, freshly allocated; NULL if memory ran out. */
char *opened_format(const Opened *opened);
