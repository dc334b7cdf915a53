/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* udev's own messages (netlink group 2), which it sends when its rules have been applied to a device: then a node has the owner, mode and context
 * that they give it. The kernel's events (host/uevent.h) come before that. Nothing is read of the device, and nothing is missed that matters:
 * whoever is told looks at all nodes. */

#include <systemd/sd-event.h>

#include "base/macro.h"

/* Whether the raw message (systemd, src/libsystemd/sd-device/device-monitor.c: "libudev", a header, KEY=VALUE strings) is one of
 * udev's about a VFIO node: subsystem vfio (of a group) or vfio-dev (of a device). Reads nothing beyond `size`. */
bool udev_message_is_of_vfio(const void *message, size_t size);

typedef struct UdevMonitor UdevMonitor;

/* udev is done with a VFIO node, or messages were lost and it may be. Must not free the monitor. */
typedef void (*udev_handler_t)(void *userdata);

/* Listens on `event`'s loop, or, with fd >= 0, to the datagram socket `fd` (a test's), which it takes over when it returns 0. On netlink, messages of
 * others than root are dropped. Returns 0 or a negative errno. */
int udev_monitor_new(sd_event *event, int fd, udev_handler_t handler, void *userdata, UdevMonitor **ret);
UdevMonitor *udev_monitor_free(UdevMonitor *monitor);
DEFINE_CLEANUP(UdevMonitor *, udev_monitor_free)
