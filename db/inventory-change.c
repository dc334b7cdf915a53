/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/inventory-change.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/strutil.h"

static const char *const changes[_DB_CHANGE_MAX] = {
        [DB_DEVICE_APPEARED] = "appeared",      [DB_DEVICE_VANISHED] = "vanished",      [DB_DEVICE_REPLACED] = "replaced",
        [DB_DEVICE_MOVED] = "moved",            [DB_GROUP_APPEARED] = "group-appeared", [DB_GROUP_VANISHED] = "group-vanished",
        [DB_GROUP_RESHAPED] = "group-reshaped", [DB_GROUP_RENUMBERED] = "group-renumbered",
};

const char *db_change_to_string(DbChange change) {
        return changes[change];
}

static _printf_(5, 6) int record(InventoryRun *run, DbChange change, const char *address, int64_t group, const char *format, ...) {
        _cleanup_free_ char *detail = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&detail, format, ap);
        va_end(ap);
        if (r < 0)
                return db_fail(run->db, -ENOMEM);
        r = statement_run(run->db, "INSERT INTO shape_changes(at_usec, boot, event, address, group_number, detail) VALUES(?, ?, ?, ?, ?, ?)",
                          VALUES(USEC(run->now_usec), INTEGER(run->boot), TEXT(changes[change]), TEXT(address), INTEGER_OR_NULL(group, -1),
                                 TEXT(detail)));
        if (r < 0)
                return r;
        run->n_changes++;
        return 0;
}

/* When something that is gone was there for the last time. */
static uint64_t last_seen(const InventoryRun *run, uint64_t present_since_usec) {
        if (run->scanned_usec == USEC_INFINITY)
                return run->now_usec;
        return run->scanned_usec > present_since_usec ? run->scanned_usec : present_since_usec;
}

void known_device_done(KnownDevice *known) {
        free((char *) known->device.address);
        free((char *) known->device.name);
}

int known_device_read(Db *db, sqlite3_stmt *s, KnownDevice *ret) {
        _cleanup_free_ char *address = NULL, *name = NULL;
        int r;

        r = string_copy(column_text(s, 0), &address);
        if (r < 0)
                return r;
        r = string_copy(column_text(s, 7), &name);
        if (r < 0)
                return r;
        r = statement_check(db);
        if (r < 0)
                return r;
        *ret = (KnownDevice){
                .device = {
                        .address = TAKE_PTR(address),
                        .vendor = (uint32_t) sqlite3_column_int64(s, 1),
                        .device = (uint32_t) sqlite3_column_int64(s, 2),
                        .subsystem_vendor = (uint32_t) sqlite3_column_int64(s, 3),
                        .subsystem_device = (uint32_t) sqlite3_column_int64(s, 4),
                        .class = (uint32_t) sqlite3_column_int64(s, 5),
                        .revision = (uint32_t) sqlite3_column_int64(s, 6),
                        .name = TAKE_PTR(name),
                        .group = column_integer(s, 8, -1),
                },
                .since_usec = (uint64_t) sqlite3_column_int64(s, 9),
        };
        return 0;
}

static bool identity_equal(const DbDevice *a, const DbDevice *b) {
        return a->vendor == b->vendor && a->device == b->device && a->subsystem_vendor == b->subsystem_vendor &&
                        a->subsystem_device == b->subsystem_device && a->class == b->class && a->revision == b->revision;
}

static int device_open(const InventoryRun *run, const DbDevice *d) {
        int r;

        r = statement_run(run->db, "INSERT INTO devices(address, vendor, device, subsystem_vendor, subsystem_device, class, revision, name,"
                          " group_number, present, first_usec, last_usec) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?10)"
                          " ON CONFLICT DO UPDATE SET name = excluded.name, group_number = excluded.group_number, present = 1,"
                          " last_usec = excluded.last_usec",
                          VALUES(TEXT(d->address), INTEGER(d->vendor), INTEGER(d->device), INTEGER(d->subsystem_vendor),
                                 INTEGER(d->subsystem_device), INTEGER(d->class), INTEGER(d->revision), TEXT(d->name),
                                 INTEGER_OR_NULL(d->group, -1), USEC(run->now_usec)));
        return r < 0 ? r : 0;
}

static int device_close(const InventoryRun *run, const KnownDevice *known) {
        return statement_run_one(run->db, "UPDATE devices SET present = 0, last_usec = ? WHERE address = ? AND present = 1",
                                 VALUES(USEC(last_seen(run, known->since_usec)), TEXT(known->device.address)));
}

static int device_update(const InventoryRun *run, const DbDevice *d) {
        return statement_run_one(run->db, "UPDATE devices SET name = ?, group_number = ? WHERE address = ? AND present = 1",
                                 VALUES(TEXT(d->name), INTEGER_OR_NULL(d->group, -1), TEXT(d->address)));
}

int device_appeared(InventoryRun *run, const DbDevice *found) {
        int r;

        r = device_open(run, found);
        if (r < 0)
                return r;
        return record(run, DB_DEVICE_APPEARED, found->address, found->group, "%04x:%04x%s%s", found->vendor, found->device, found->name ? " " : "",
                      found->name ? found->name : "");
}

int device_vanished(InventoryRun *run, const KnownDevice *known) {
        const DbDevice *d = &known->device;
        int r;

        r = device_close(run, known);
        if (r < 0)
                return r;
        return record(run, DB_DEVICE_VANISHED, d->address, d->group, "%04x:%04x%s%s", d->vendor, d->device, d->name ? " " : "",
                      d->name ? d->name : "");
}

static int device_replaced(InventoryRun *run, const KnownDevice *known, const DbDevice *found) {
        const DbDevice *d = &known->device;
        int r;

        r = device_close(run, known);
        if (r < 0)
                return r;
        r = device_open(run, found);
        if (r < 0)
                return r;
        return record(run, DB_DEVICE_REPLACED, d->address, found->group,
                      "%04x:%04x (subsystem %04x:%04x, class %06x, rev %02x) by %04x:%04x (subsystem %04x:%04x, class %06x, rev %02x)", d->vendor,
                      d->device, d->subsystem_vendor, d->subsystem_device, d->class, d->revision, found->vendor, found->device,
                      found->subsystem_vendor, found->subsystem_device, found->class, found->revision);
}

static int device_moved(InventoryRun *run, const KnownDevice *known, const DbDevice *found) {
        if (found->group < 0)
                return record(run, DB_DEVICE_MOVED, found->address, -1, "out of group %" PRId64, known->device.group);
        if (known->device.group < 0)
                return record(run, DB_DEVICE_MOVED, found->address, found->group, "into group %" PRId64, found->group);
        return record(run, DB_DEVICE_MOVED, found->address, found->group, "from group %" PRId64 " to group %" PRId64, known->device.group,
                      found->group);
}

int device_compare(InventoryRun *run, const KnownDevice *known, const DbDevice *found, int64_t expected_group) {
        int r;

        if (!identity_equal(&known->device, found))
                return device_replaced(run, known, found);
        if (known->device.group == found->group && string_equal(known->device.name, found->name))
                return 0;
        r = device_update(run, found);
        if (r < 0 || found->group == expected_group)
                return r;
        return device_moved(run, known, found);
}

void group_shape_done(GroupShape *shape) {
        free(shape->members);
}

int members_join(const char *const *members, char **ret) {
        size_t size = 1;
        char *joined, *p;

        for (const char *const *m = members; *m; m++)
                size += strlen(*m) + 1;
        joined = p = malloc(size);
        if (!joined)
                return -ENOMEM;
        for (const char *const *m = members; *m; m++) {
                if (m != members)
                        *p++ = ' ';
                p = stpcpy(p, *m);
        }
        *p = '\0';
        *ret = joined;
        return 0;
}

typedef int (*member_handler_t)(const InventoryRun *run, int64_t id, uint32_t number, const char *member);

static int membership_open(const InventoryRun *run, int64_t id, uint32_t number, const char *member) {
        return statement_run(run->db, "INSERT INTO memberships(member, group_id, group_number, since_usec) VALUES(?, ?, ?, ?)"
                             " ON CONFLICT DO UPDATE SET group_number = excluded.group_number, until_usec = NULL",
                             VALUES(TEXT(member), INTEGER(id), INTEGER(number), USEC(run->now_usec)));
}

static int membership_close(const InventoryRun *run, int64_t id, uint32_t number, const char *member) {
        return statement_run(run->db, "UPDATE memberships SET until_usec = ? WHERE member = ? AND group_id = ? AND until_usec IS NULL",
                             VALUES(USEC(run->now_usec), TEXT(member), INTEGER(id)));
}

static int members_foreach(const InventoryRun *run, int64_t id, uint32_t number, const char *members, member_handler_t handler) {
        _cleanup_free_ char *copy = strdup(members);
        char *rest = copy, *member;

        if (!copy)
                return db_fail(run->db, -ENOMEM);
        while ((member = strsep(&rest, " "))) {
                int r = handler(run, id, number, member);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int group_open(const InventoryRun *run, const GroupShape *found) {
        int64_t id;
        int r;

        r = statement_run_returning(run->db, "INSERT INTO groups(number, members, present, first_usec, last_usec) VALUES(?1, ?2, 1, ?3, ?3)"
                                    " ON CONFLICT(members) DO UPDATE SET number = excluded.number, present = 1,"
                                    " last_usec = excluded.last_usec RETURNING id",
                                    VALUES(INTEGER(found->number), TEXT(found->members), USEC(run->now_usec)), &id);
        if (r < 0)
                return r;
        return members_foreach(run, id, found->number, found->members, membership_open);
}

static int group_close(const InventoryRun *run, const GroupShape *known) {
        int r;

        r = statement_run_one(run->db, "UPDATE groups SET present = 0, last_usec = ? WHERE id = ?",
                              VALUES(USEC(last_seen(run, known->since_usec)), INTEGER(known->id)));
        if (r < 0)
                return r;
        return members_foreach(run, known->id, known->number, known->members, membership_close);
}

int group_appeared(InventoryRun *run, const GroupShape *found) {
        int r;

        r = group_open(run, found);
        if (r < 0)
                return r;
        return record(run, DB_GROUP_APPEARED, NULL, found->number, "%s", found->members);
}

int group_vanished(InventoryRun *run, const GroupShape *known) {
        int r;

        r = group_close(run, known);
        if (r < 0)
                return r;
        return record(run, DB_GROUP_VANISHED, NULL, known->number, "%s", known->members);
}

int group_reshaped(InventoryRun *run, const GroupShape *known, const GroupShape *found) {
        int r;

        r = group_close(run, known);
        if (r < 0)
                return r;
        r = group_open(run, found);
        if (r < 0)
                return r;
        return record(run, DB_GROUP_RESHAPED, NULL, found->number, "from %s to %s", known->members, found->members);
}

int group_renumbered(InventoryRun *run, const GroupShape *known, uint32_t number) {
        int r;

        r = members_foreach(run, known->id, known->number, known->members, membership_close);
        if (r < 0)
                return r;
        r = statement_run_one(run->db, "UPDATE groups SET number = ? WHERE id = ?", VALUES(INTEGER(number), INTEGER(known->id)));
        if (r < 0)
                return r;
        r = members_foreach(run, known->id, number, known->members, membership_open);
        if (r < 0)
                return r;
        return record(run, DB_GROUP_RENUMBERED, NULL, number, "group %" PRIu32 " is now group %" PRIu32 ": %s", known->number, number,
                      known->members);
}
