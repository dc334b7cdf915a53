/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The fds of an assignment, as somebody who uses its devices gets them. */

#include "base/macro.h"

typedef struct ReceivedFd {
        char *name; /* of a device: its address; of what is shared: "iommufd", "container" or "group:N" */
        int fd;
} ReceivedFd;

typedef struct Received {
        char *backend;
        ReceivedFd *shared;
        size_t n_shared;
        ReceivedFd *devices;
        size_t n_devices;
} Received;

void received_done(Received *received);

/* The shared fd of that name, -EBADF if there is none. Borrowed. */
int received_find_shared(const Received *received, const char *name);

/* Takes over the inherited fds that the JSON text of $ASSIGND_FDS tells of. Says what is wrong with it: -EINVAL, -ENOMEM. */
int received_from_environment(const char *json, Received *ret);

/* Calls OpenDevices of the assignment at the object path on the system bus, for one device or (NULL) for all. Says what went wrong. */
int received_from_bus(const char *path, const char *device, Received *ret);
