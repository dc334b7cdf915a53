/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What inventory.c decides on and the writes of each kind of change: the rows it touches and its row of shape_changes, together. */

#include "db/inventory.h"
#include "db/statement.h"

/* One run of changes: what it needs everywhere. */
typedef struct InventoryRun {
        Db *db;
        uint64_t now_usec;
        int64_t boot;
        uint64_t scanned_usec; /* the scan before this one; USEC_INFINITY: what vanishes, vanishes now */
        size_t n_changes;
} InventoryRun;

/* A device that is present as far as the rows know; owns its strings. */
typedef struct KnownDevice {
        DbDevice device;
        uint64_t since_usec;
} KnownDevice;

void known_device_done(KnownDevice *known);

/* From the columns of SELECT KNOWN_DEVICE_COLUMNS FROM devices. */
#define KNOWN_DEVICE_COLUMNS "address, vendor, device, subsystem_vendor, subsystem_device, class, revision, name, group_number, last_usec"
int known_device_read(Db *db, sqlite3_stmt *s, KnownDevice *ret);

int device_appeared(InventoryRun *run, const DbDevice *found);
int device_vanished(InventoryRun *run, const KnownDevice *known);

/* Whatever differs between the two. `expected_group` is the number that the known device's group has now: a device found there
 * has not moved. */
int device_compare(InventoryRun *run, const KnownDevice *known, const DbDevice *found, int64_t expected_group);

/* A group that is present as far as the rows know, or one that was found; owns `members`, the names separated by blanks. */
typedef struct GroupShape {
        int64_t id; /* 0: found */
        uint32_t number;
        char *members;
        uint64_t since_usec;
} GroupShape;

void group_shape_done(GroupShape *shape);

/* The names separated by blanks, freshly allocated. */
int members_join(const char *const *members, char **ret);

int group_appeared(InventoryRun *run, const GroupShape *found);
int group_vanished(InventoryRun *run, const GroupShape *known);
int group_reshaped(InventoryRun *run, const GroupShape *known, const GroupShape *found);
int group_renumbered(InventoryRun *run, const GroupShape *known, uint32_t number);
