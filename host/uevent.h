/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The kernel's own uevents (netlink group 1), which arrive whether udev runs or not. sd_device_monitor is not used: it keeps
 * an overrun of the socket to itself, and reads `uevent` files, which can block behind a driver that does not let go. */

#include <systemd/sd-event.h>

#include "base/pci-address.h"

typedef enum UeventAction {
        UEVENT_ADD,
        UEVENT_REMOVE,
        UEVENT_CHANGE,
        UEVENT_MOVE,
        UEVENT_BIND,
        UEVENT_UNBIND,
        UEVENT_OTHER,
} UeventAction;

typedef struct Uevent {
        UeventAction action;
        const char *devpath;   /* these point into the message */
        const char *subsystem; /* "" if the message has none */
        const char *driver;    /* NULL: none */
        bool has_address;      /* a PCI device: PCI_SLOT_NAME */
        PciAddress address;
} Uevent;

/* Takes a raw kernel message ("ACTION@DEVPATH\0KEY=VALUE\0...", lib/kobject_uevent.c) apart. -EBADMSG: not of that form
 * (udev's own messages, forged or cut ones). Reads nothing beyond `size`. */
int uevent_parse(const char *message, size_t size, Uevent *ret);

typedef struct UeventMonitor UeventMonitor;

/* `uevent` NULL: messages were lost (the socket overran) and only a rescan tells what happened. Must not free the monitor. */
typedef void (*uevent_handler_t)(const Uevent *uevent, void *userdata);

/* Watches the kernel's uevents on `event`'s loop, or, with fd >= 0, the datagram socket `fd` (a test's), which it takes over
 * when it returns 0. On netlink, messages whose sender is not the kernel are dropped. Returns 0 or a negative errno. */
int uevent_monitor_new(sd_event *event, int fd, uevent_handler_t handler, void *userdata, UeventMonitor **ret);
UeventMonitor *uevent_monitor_free(UeventMonitor *monitor);
DEFINE_CLEANUP(UeventMonitor *, uevent_monitor_free)
