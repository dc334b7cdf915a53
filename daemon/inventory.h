/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Facts kept current: a scan at the start, then uevents, and a rescan when uevents were lost. Every change goes to the
 * database and to the observer. */

#include <systemd/sd-event.h>

#include "db/db.h"
#include "host/pci-names.h"
#include "host/uevent.h"
#include "policy/facts.h"

typedef struct InventoryHandler {
        /* `now` NULL: the device or group is gone (`number`/`address` tell which). `before` NULL: it is new. */
        void (*device_changed)(void *userdata, const PciAddress *address, const Device *before, const Device *now);
        void (*group_changed)(void *userdata, uint32_t number, bool before, const Group *now);
        /* Whether an operation is changing the device's driver right now: its driver_override is not read meanwhile. */
        bool (*is_changing)(void *userdata, const PciAddress *address);
        void *userdata;
} InventoryHandler;

typedef struct Inventory {
        sd_event *event;
        Db *db;
        int sysfs_fd; /* borrowed */
        InventoryHandler handler;
        PciNames *names;
        UeventMonitor *monitor;
        Facts facts;
        PciAddress *dirty; /* devices that uevents spoke of since the last refresh */
        size_t n_dirty;
        bool rescan_needed;
        bool is_reporting;           /* a rescan's handler calls are under way */
        sd_event_source *refresh_source;
        PciAddress *changed_devices; /* whose rows have to follow */
        size_t n_changed_devices;
        uint32_t *changed_groups;
        size_t n_changed_groups;
        bool rows_are_behind;        /* a write of rows failed: the next one is of all of them */
} Inventory;

/* Watches uevents (uevent_fd: see uevent_monitor_new(), taken over in any case; watch false: not at all) and scans, in this
 * order, so that nothing between the two is missed. The database is brought in line in one transaction. */
int inventory_start(Inventory *inventory, bool watch, int uevent_fd);
void inventory_done(Inventory *inventory);

/* Reads everything afresh and reports every difference. Called by a handler while a rescan reports, it is done a little later. */
int inventory_rescan(Inventory *inventory);

/* Reads one device (and its groups, before and after) afresh and reports differences. */
int inventory_refresh_device(Inventory *inventory, const PciAddress *address);
