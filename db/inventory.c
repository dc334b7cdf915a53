/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/inventory.h"

#include <string.h>

#include "base/strutil.h"
#include "db/inventory-change.h"

/* The two sides of a comparison. */
typedef struct Devices {
        KnownDevice *known; /* ordered by address */
        size_t n_known;
        const DbDevice **found; /* ordered by address */
        size_t n_found;
} Devices;

static void devices_done(Devices *devices) {
        for (size_t i = 0; i < devices->n_known; i++)
                known_device_done(devices->known + i);
        free(devices->known);
        free(devices->found);
}

/* A group that stayed the same, by the number it had. */
typedef struct Renumbering {
        uint32_t from, to;
} Renumbering;

typedef struct Groups {
        GroupShape *known, *found; /* ordered by members, in the end those without a match, ordered by number */
        size_t n_known, n_found;
        Renumbering *kept; /* ordered by `from` */
        size_t n_kept;
} Groups;

static void groups_done(Groups *groups) {
        for (size_t i = 0; i < groups->n_known; i++)
                group_shape_done(groups->known + i);
        for (size_t i = 0; i < groups->n_found; i++)
                group_shape_done(groups->found + i);
        free(groups->known);
        free(groups->found);
        free(groups->kept);
}

/* Makes room for one more of `size` bytes in an array that grows by doubling. */
static int grow(void **array, size_t n, size_t size) {
        void *more;

        if (n != 0 && (n < 16 || (n & (n - 1)) != 0))
                return 0;
        more = reallocarray(*array, n < 16 ? 16 : 2 * n, size);
        if (!more)
                return -ENOMEM;
        *array = more;
        return 0;
}

static int devices_load(Db *db, Devices *devices) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT " KNOWN_DEVICE_COLUMNS " FROM devices WHERE present = 1 ORDER BY address", NULL, 0, &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                r = grow((void **) &devices->known, devices->n_known, sizeof(KnownDevice));
                if (r >= 0)
                        r = known_device_read(db, s, devices->known + devices->n_known);
                if (r < 0)
                        return r;
                devices->n_known++;
        }
        return r;
}

static int compare_found(const void *a, const void *b) {
        return strcmp((*(const DbDevice *const *) a)->address, (*(const DbDevice *const *) b)->address);
}

static int devices_order(Devices *devices, const DbDevice *found, size_t n_found) {
        devices->found = calloc(n_found + 1, sizeof(const DbDevice *));
        if (!devices->found)
                return -ENOMEM;
        devices->n_found = n_found;
        for (size_t i = 0; i < n_found; i++)
                devices->found[i] = found + i;
        qsort(devices->found, n_found, sizeof(const DbDevice *), compare_found);
        for (size_t i = 1; i < n_found; i++)
                if (compare_found(devices->found + i - 1, devices->found + i) == 0)
                        return -EINVAL;
        return 0;
}

static int compare_from(const void *a, const void *b) {
        uint32_t x = ((const Renumbering *) a)->from, y = ((const Renumbering *) b)->from;

        return x < y ? -1 : x > y;
}

/* Where a group's number went: another number, or the same if it did not. */
static int64_t groups_follow(const Groups *groups, int64_t number) {
        const Renumbering key = { .from = (uint32_t) number }, *found;

        if (number < 0 || groups->n_kept == 0)
                return number;
        found = bsearch(&key, groups->kept, groups->n_kept, sizeof(Renumbering), compare_from);
        return found ? found->to : number;
}

static int devices_sync(InventoryRun *run, const Devices *devices, const Groups *groups) {
        size_t i = 0, j = 0;

        while (i < devices->n_known || j < devices->n_found) {
                const KnownDevice *known = i < devices->n_known ? devices->known + i : NULL;
                const DbDevice *found = j < devices->n_found ? devices->found[j] : NULL;
                int order = !known ? 1 : !found ? -1 : strcmp(known->device.address, found->address), r;

                if (order < 0)
                        r = device_vanished(run, known);
                else if (order > 0)
                        r = device_appeared(run, found);
                else
                        r = device_compare(run, known, found, groups_follow(groups, known->device.group));
                if (r < 0)
                        return r;
                i += order <= 0;
                j += order >= 0;
        }
        return 0;
}

static int group_shape_read(Db *db, sqlite3_stmt *s, GroupShape *ret) {
        _cleanup_free_ char *members = NULL;
        int r;

        r = string_copy(column_text(s, 2), &members);
        if (r >= 0)
                r = statement_check(db);
        if (r < 0)
                return r;
        *ret = (GroupShape){
                .id = sqlite3_column_int64(s, 0),
                .number = (uint32_t) sqlite3_column_int64(s, 1),
                .members = TAKE_PTR(members),
                .since_usec = (uint64_t) sqlite3_column_int64(s, 3),
        };
        return 0;
}

static int groups_load(Db *db, Groups *groups) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT id, number, members, last_usec FROM groups WHERE present = 1 ORDER BY members", NULL, 0, &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                r = grow((void **) &groups->known, groups->n_known, sizeof(GroupShape));
                if (r >= 0)
                        r = group_shape_read(db, s, groups->known + groups->n_known);
                if (r < 0)
                        return r;
                groups->n_known++;
        }
        return r;
}

static int compare_members(const void *a, const void *b) {
        return strcmp(((const GroupShape *) a)->members, ((const GroupShape *) b)->members);
}

static int compare_number(const void *a, const void *b) {
        uint32_t x = ((const GroupShape *) a)->number, y = ((const GroupShape *) b)->number;

        return x < y ? -1 : x > y;
}

static int groups_order(Groups *groups, const DbGroup *found, size_t n_found) {
        groups->found = calloc(n_found + 1, sizeof(GroupShape));
        if (!groups->found)
                return -ENOMEM;
        for (size_t i = 0; i < n_found; i++) {
                GroupShape *shape = groups->found + groups->n_found;
                int r;

                if (!found[i].members[0])
                        continue;
                r = members_join(found[i].members, &shape->members);
                if (r < 0)
                        return r;
                shape->number = found[i].number;
                groups->n_found++;
        }
        qsort(groups->found, groups->n_found, sizeof(GroupShape), compare_number);
        for (size_t i = 1; i < groups->n_found; i++)
                if (groups->found[i - 1].number == groups->found[i].number)
                        return -EINVAL;
        qsort(groups->found, groups->n_found, sizeof(GroupShape), compare_members);
        return 0;
}

static void keep(GroupShape *shapes, size_t *n, GroupShape *shape) {
        GroupShape kept = *shape;

        shape->members = NULL;
        shapes[(*n)++] = kept;
}

/* Matches member sets. What has none stays in the two arrays, by number. */
static int groups_match(InventoryRun *run, Groups *groups) {
        size_t i = 0, j = 0, n_known = 0, n_found = 0;

        groups->kept = calloc(groups->n_known + 1, sizeof(Renumbering));
        if (!groups->kept)
                return -ENOMEM;
        while (i < groups->n_known || j < groups->n_found) {
                GroupShape *known = i < groups->n_known ? groups->known + i : NULL, *found = j < groups->n_found ? groups->found + j : NULL;
                int order = !known ? 1 : !found ? -1 : strcmp(known->members, found->members);

                i += order <= 0;
                j += order >= 0;
                if (order < 0)
                        keep(groups->known, &n_known, known);
                else if (order > 0)
                        keep(groups->found, &n_found, found);
                else {
                        int r = known->number == found->number ? 0 : group_renumbered(run, known, found->number);

                        if (r < 0)
                                return r;
                        groups->kept[groups->n_kept++] = (Renumbering){ known->number, found->number };
                        group_shape_done(known);
                        group_shape_done(found);
                        known->members = found->members = NULL;
                }
        }
        groups->n_known = n_known;
        groups->n_found = n_found;
        if (n_known > 0)
                qsort(groups->known, n_known, sizeof(GroupShape), compare_number);
        qsort(groups->found, n_found, sizeof(GroupShape), compare_number);
        qsort(groups->kept, groups->n_kept, sizeof(Renumbering), compare_from);
        return 0;
}

static int groups_sync(InventoryRun *run, Groups *groups) {
        size_t i = 0, j = 0;
        int r;

        r = groups_match(run, groups);
        if (r < 0)
                return r;
        while (i < groups->n_known || j < groups->n_found) {
                const GroupShape *known = i < groups->n_known ? groups->known + i : NULL,
                                 *found = j < groups->n_found ? groups->found + j : NULL;
                int order = !known ? 1 : !found ? -1 : compare_number(known, found);

                if (order < 0)
                        r = group_vanished(run, known);
                else if (order > 0)
                        r = group_appeared(run, found);
                else
                        r = group_reshaped(run, known, found);
                if (r < 0)
                        return r;
                i += order <= 0;
                j += order >= 0;
        }
        return 0;
}

/* The time of the newest scan, 0 if there was none; then notes this one. */
static int note_scan(InventoryRun *run) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(run->db, "SELECT scanned_usec FROM boots WHERE scanned_usec IS NOT NULL ORDER BY id DESC LIMIT 1", NULL, 0, &s);
        if (r < 0)
                return r;
        r = statement_step(run->db, s);
        if (r < 0)
                return r;
        run->scanned_usec = r > 0 ? (uint64_t) sqlite3_column_int64(s, 0) : 0;
        return statement_run_one(run->db, "UPDATE boots SET scanned_usec = ? WHERE id = ?", VALUES(USEC(run->now_usec), INTEGER(run->boot)));
}

static int run_begin(InventoryRun *run, Db *db, uint64_t now_usec) {
        *run = (InventoryRun){ .db = db, .now_usec = now_usec, .scanned_usec = USEC_INFINITY };
        return db_boot_row(db, now_usec, &run->boot);
}

int db_inventory_sync(Db *db, uint64_t now_usec, const DbDevice *devices, size_t n_devices, const DbGroup *groups, size_t n_groups,
                      size_t *ret_n_changes) {
        _cleanup_(devices_done) Devices d = {};
        _cleanup_(groups_done) Groups g = {};
        InventoryRun run;
        int r;

        r = run_begin(&run, db, now_usec);
        if (r >= 0)
                r = note_scan(&run);
        if (r >= 0)
                r = devices_load(db, &d);
        if (r >= 0)
                r = devices_order(&d, devices, n_devices);
        if (r >= 0)
                r = groups_load(db, &g);
        if (r >= 0)
                r = groups_order(&g, groups, n_groups);
        if (r >= 0)
                r = groups_sync(&run, &g);
        if (r >= 0)
                r = devices_sync(&run, &d, &g);
        if (r < 0)
                return db_fail(db, r);
        if (ret_n_changes)
                *ret_n_changes = run.n_changes;
        return 0;
}

/* *ret stays empty (no address) where there is no such row. */
static int device_find(Db *db, const char *address, KnownDevice *ret) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT " KNOWN_DEVICE_COLUMNS " FROM devices WHERE address = ? AND present = 1", VALUES(TEXT(address)), &s);
        if (r >= 0)
                r = statement_step(db, s);
        if (r <= 0)
                return r;
        r = known_device_read(db, s, ret);
        return r < 0 ? db_fail(db, r) : 0;
}

int db_inventory_update_device(Db *db, uint64_t now_usec, const char *address, const DbDevice *device) {
        _cleanup_(known_device_done) KnownDevice known = {};
        InventoryRun run;
        int r;

        r = run_begin(&run, db, now_usec);
        if (r < 0)
                return r;
        r = device_find(db, address, &known);
        if (r < 0)
                return r;
        if (!known.device.address)
                return device ? device_appeared(&run, device) : 0;
        return device ? device_compare(&run, &known, device, known.device.group) : device_vanished(&run, &known);
}

/* *ret stays empty (id 0) where there is no such row. */
static int group_find(Db *db, const char *sql, Value key, GroupShape *ret) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, sql, VALUES(key), &s);
        if (r >= 0)
                r = statement_step(db, s);
        if (r <= 0)
                return r;
        r = group_shape_read(db, s, ret);
        return r < 0 ? db_fail(db, r) : 0;
}

static int group_update(InventoryRun *run, const GroupShape *known, const GroupShape *found) {
        _cleanup_(group_shape_done) GroupShape elsewhere = {};
        int r;

        if (known->id != 0 && string_equal(known->members, found->members))
                return 0;
        r = group_find(run->db, "SELECT id, number, members, last_usec FROM groups WHERE members = ? AND present = 1", TEXT(found->members), &elsewhere);
        if (r < 0)
                return r;
        if (elsewhere.id == 0)
                return known->id != 0 ? group_reshaped(run, known, found) : group_appeared(run, found);
        if (known->id != 0)
                r = group_vanished(run, known);
        return r < 0 ? r : group_renumbered(run, &elsewhere, found->number);
}

int db_inventory_update_group(Db *db, uint64_t now_usec, uint32_t number, const DbGroup *group) {
        _cleanup_(group_shape_done) GroupShape known = {}, found = { .number = number };
        InventoryRun run;
        int r;

        r = run_begin(&run, db, now_usec);
        if (r < 0)
                return r;
        r = group_find(db, "SELECT id, number, members, last_usec FROM groups WHERE number = ? AND present = 1", INTEGER(number), &known);
        if (r < 0)
                return r;
        if (!group || !group->members[0])
                return known.id != 0 ? group_vanished(&run, &known) : 0;
        r = members_join(group->members, &found.members);
        if (r < 0)
                return db_fail(db, r);
        return group_update(&run, &known, &found);
}
