/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Devices, groups and memberships as rows: what this host has, since when, and every change of its shape, so that
 * yesterday's host can be asked for. A device row is one (address, identity) pair; a group row is one member set. */

#include "db/db.h"

typedef struct DbDevice {
        const char *address;
        uint32_t vendor, device, subsystem_vendor, subsystem_device, class, revision;
        const char *name; /* NULL: unknown */
        int64_t group;    /* -1: none */
} DbDevice;

typedef struct DbGroup {
        uint32_t number;
        const char *const *members; /* names of all members, sorted; NULL-terminated */
} DbGroup;

typedef enum DbChange {
        DB_DEVICE_APPEARED,
        DB_DEVICE_VANISHED,
        DB_DEVICE_REPLACED, /* another device at the same address */
        DB_DEVICE_MOVED,    /* to another group */
        DB_GROUP_APPEARED,
        DB_GROUP_VANISHED,
        DB_GROUP_RESHAPED,  /* the same number, other members */
} DbChange;

/* Brings the rows in line with a whole scan, inside an open transaction: everything seen is marked as last seen now, what is
 * new, gone, replaced or moved becomes a row of shape_changes. Cost grows with the host, so it is for start and rescans.
 * *ret_n_changes (may be NULL) counts the changes. At 10,000 devices in 4,000 groups: see ./bench. */
int db_inventory_sync(Db *db, uint64_t now_usec, const DbDevice *devices, size_t n_devices, const DbGroup *groups, size_t n_groups,
                      size_t *ret_n_changes);

/* The same for one device or group that changed: NULL means it is gone. Cost does not grow with the host. */
int db_inventory_update_device(Db *db, uint64_t now_usec, const char *address, const DbDevice *device);
int db_inventory_update_group(Db *db, uint64_t now_usec, uint32_t number, const DbGroup *group);

/* The newest shape changes and driver changes that concern `address` (or, NULL, group `number`), newest first, at most `max`. */
typedef struct DbHistory {
        uint64_t at_usec;
        char *event;  /* "appeared", "vanished", "assigned", ... : the words of the view device_history */
        char *detail;
} DbHistory;
int db_history_read(Db *db, const char *address, int64_t number, size_t max, DbHistory **ret, size_t *ret_n);
void db_history_free(DbHistory *history, size_t n);
