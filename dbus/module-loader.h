/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Kernel modules by way of systemd: the job of modprobe@NAME.service, so that the daemon itself needs no right to load
 * any. A bus without systemd answers -ENOENT.
 *
 * What modprobe says is not passed on by systemd (modprobe@.service ignores its exit status): success means that it was run. */

#include "dbus/bus.h"

typedef struct ModuleRequests ModuleRequests;

int module_requests_new(sd_bus *bus, ModuleRequests **ret);

/* Requests that wait are dropped without their `done` being called. */
ModuleRequests *module_requests_free(ModuleRequests *requests);
DEFINE_CLEANUP(ModuleRequests *, module_requests_free)

/* A ModuleLoader's `load`, with the ModuleRequests as userdata: -EINVAL for what cannot be a module's name, or a negative errno
 * (`done` is not called then). `done` gets 0; -ENOENT: no systemd, or it has no such unit; -EIO: the job did not end well;
 * -ETIMEDOUT. */
int module_requests_load(void *requests, const char *module, module_done_t done, void *done_userdata);
