/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Devices, groups and memberships as rows: what this host has, since when, and every change of its shape, so that
 * yesterday's host can be asked for. A device row is one (address, identity) pair; a group row is one member set, whatever its
 * number; a membership row is one stay of a member in a group under one number.
 *
 * Presence is not written again for what stays: a whole scan notes its time once, and a row only when it comes or goes. So a
 * present device was last seen at the newest scan (later, as far as no uevent said otherwise), and one that a scan misses was
 * last seen at the scan before it. */

#include "db/db.h"

typedef struct DbDevice {
        const char *address;
        uint32_t vendor, device, subsystem_vendor, subsystem_device, class, revision;
        const char *name; /* NULL: unknown */
        int64_t group;    /* -1: none */
} DbDevice;

typedef struct DbGroup {
        uint32_t number;
        const char *const *members; /* names of all members, sorted, each once; NULL-terminated. Without members it is no group */
} DbGroup;

typedef enum DbChange {
        DB_DEVICE_APPEARED,
        DB_DEVICE_VANISHED,
        DB_DEVICE_REPLACED, /* another device at the same address */
        DB_DEVICE_MOVED,    /* to another group; not where its group only got another number */
        DB_GROUP_APPEARED,
        DB_GROUP_VANISHED,
        DB_GROUP_RESHAPED,   /* the same number, other members */
        DB_GROUP_RENUMBERED, /* the same members, another number */
        _DB_CHANGE_MAX,
} DbChange;

/* "appeared", "vanished", "replaced", "moved", "group-appeared", "group-vanished", "group-reshaped", "group-renumbered". */
const char *db_change_to_string(DbChange change);

/* Brings the rows in line with a whole scan, inside an open transaction: what is new, gone, replaced, moved, reshaped or renumbered
 * becomes a row of shape_changes. The arrays may be in any order; -EINVAL for an address or a group number that is there twice.
 * Cost grows with the host, so it is for start and rescans. *ret_n_changes (may be NULL) counts the changes. */
int db_inventory_sync(Db *db, uint64_t now_usec, const DbDevice *devices, size_t n_devices, const DbGroup *groups, size_t n_groups,
                      size_t *ret_n_changes);

/* The same for one device or group that changed, inside an open transaction: NULL means it is gone. Cost does not grow with the
 * host, and where nothing changed nothing is written. */
int db_inventory_update_device(Db *db, uint64_t now_usec, const char *address, const DbDevice *device);
int db_inventory_update_group(Db *db, uint64_t now_usec, uint32_t number, const DbGroup *group);

/* The newest shape changes and assignments that concern `address` (or, NULL, group `number`), newest first, at most `max`. */
typedef struct DbHistory {
        uint64_t at_usec;
        char *event;  /* "appeared", "vanished", "assigned", "released", ... : the words of the view device_history */
        char *detail;
} DbHistory;
/* What changed about devices and groups in this boot, oldest first, at most `max`; nothing in the first boot that the database knows. The
 * detail begins with the device's address or the group's number. */
int db_shape_changes_read(Db *db, size_t max, DbHistory **ret, size_t *ret_n);

int db_history_read(Db *db, const char *address, int64_t number, size_t max, DbHistory **ret, size_t *ret_n);
void db_history_free(DbHistory *history, size_t n);
