/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/assignment.h"

#include "base/strutil.h"
#include "db/statement.h"

static int insert_device(Db *db, int64_t id, const DbAssignedDevice *d) {
        int r;

        r = statement_run(db, "INSERT INTO assignment_devices(assignment, address, vendor, device, subsystem_vendor, subsystem_device,"
                          " class, revision, group_number, wanted, driver, driver_override, vfio_driver, held)"
                          " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                          VALUES(INTEGER(id), TEXT(d->address), INTEGER(d->vendor), INTEGER(d->device), INTEGER(d->subsystem_vendor),
                                 INTEGER(d->subsystem_device), INTEGER(d->class), INTEGER(d->revision), INTEGER(d->group), INTEGER(d->wanted),
                                 TEXT(d->driver), TEXT(d->override), TEXT(d->vfio_driver)));
        return r < 0 ? r : 0;
}

int db_assignment_insert(Db *db, const DbAssignment *a, const DbAssignedDevice *devices, size_t n_devices, int64_t *ret_id) {
        int64_t boot, id;
        int r;

        r = db_boot_row(db, a->created_usec, &boot);
        if (r < 0)
                return r;
        r = statement_run_returning(db, "INSERT INTO assignments(owner, state, label, backend, lease, caller_uid, boot, created_usec)"
                                    " VALUES(?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                                    VALUES(TEXT(a->owner), TEXT(a->state), TEXT(a->label), TEXT(a->backend), INTEGER(a->lease),
                                           INTEGER(a->caller_uid), INTEGER(boot), USEC(a->created_usec)),
                                    &id);
        for (size_t i = 0; r >= 0 && i < n_devices; i++)
                r = insert_device(db, id, devices + i);
        if (r < 0)
                return r;
        *ret_id = id;
        return 0;
}

int db_assignment_set_state(Db *db, int64_t id, const char *state, uint64_t ended_usec, const char *end_reason) {
        int r;

        r = statement_run_one(db, "UPDATE assignments SET state = ?, ended_usec = ?, end_reason = ? WHERE id = ? AND ended_usec IS NULL",
                              VALUES(TEXT(state), USEC_OR_NULL(ended_usec), TEXT(end_reason), INTEGER(id)));
        if (r < 0 || ended_usec == 0)
                return r;
        r = statement_run(db, "UPDATE assignment_devices SET held = NULL WHERE assignment = ?", VALUES(INTEGER(id)));
        return r < 0 ? r : 0;
}

int db_assignment_set_backend(Db *db, int64_t id, const char *backend) {
        return statement_run_one(db, "UPDATE assignments SET backend = ? WHERE id = ? AND ended_usec IS NULL", VALUES(TEXT(backend), INTEGER(id)));
}

typedef struct Devices {
        DbAssignedDevice *items; /* which own their strings */
        size_t n;
} Devices;

static void devices_done(Devices *devices) {
        for (size_t i = 0; i < devices->n; i++) {
                free((char *) devices->items[i].address);
                free((char *) devices->items[i].driver);
                free((char *) devices->items[i].override);
                free((char *) devices->items[i].vfio_driver);
        }
        free(devices->items);
}

static int copy_column(sqlite3_stmt *s, int column, const char **ret) {
        char *copy = NULL;
        int r;

        r = string_copy(column_text(s, column), &copy);
        if (r < 0)
                return r;
        *ret = copy;
        return 0;
}

static int append_device(Db *db, sqlite3_stmt *s, Devices *devices) {
        DbAssignedDevice *items, *d;
        int r;

        items = reallocarray(devices->items, devices->n + 1, sizeof(DbAssignedDevice));
        if (!items)
                return -ENOMEM;
        devices->items = items;
        d = items + devices->n++;
        *d = (DbAssignedDevice){
                .vendor = (uint32_t) sqlite3_column_int64(s, 1),
                .device = (uint32_t) sqlite3_column_int64(s, 2),
                .subsystem_vendor = (uint32_t) sqlite3_column_int64(s, 3),
                .subsystem_device = (uint32_t) sqlite3_column_int64(s, 4),
                .class = (uint32_t) sqlite3_column_int64(s, 5),
                .revision = (uint32_t) sqlite3_column_int64(s, 6),
                .group = (uint32_t) sqlite3_column_int64(s, 7),
                .wanted = sqlite3_column_int64(s, 8) != 0,
        };
        r = copy_column(s, 0, &d->address);
        if (r >= 0)
                r = copy_column(s, 9, &d->driver);
        if (r >= 0)
                r = copy_column(s, 10, &d->override);
        if (r >= 0)
                r = copy_column(s, 11, &d->vfio_driver);
        return r < 0 ? r : statement_check(db);
}

static int read_devices(Db *db, int64_t id, Devices *devices) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT address, vendor, device, subsystem_vendor, subsystem_device, class, revision, group_number, wanted,"
                             " driver, driver_override, vfio_driver FROM assignment_devices WHERE assignment = ? ORDER BY address",
                             VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                r = append_device(db, s, devices);
                if (r < 0)
                        return r;
        }
        return r;
}

static int handle_assignment(Db *db, int64_t id, db_assignment_handler_t handler, void *userdata) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        _cleanup_(devices_done) Devices devices = {};
        DbAssignment a;
        int r;

        r = read_devices(db, id, &devices);
        if (r < 0)
                return r;
        r = statement_select(db, "SELECT a.owner, a.state, a.label, a.backend, a.lease, a.caller_uid, b.boot_id, a.created_usec"
                             " FROM assignments a JOIN boots b ON b.id = a.boot WHERE a.id = ? AND a.ended_usec IS NULL",
                             VALUES(INTEGER(id)), &s);
        if (r < 0)
                return r;
        r = statement_step(db, s);
        if (r <= 0)
                return r; /* none: the handler of one before it has ended it */
        a = (DbAssignment){
                .id = id,
                .owner = column_text(s, 0),
                .state = column_text(s, 1),
                .label = column_text(s, 2),
                .backend = column_text(s, 3),
                .lease = sqlite3_column_int64(s, 4) != 0,
                .caller_uid = sqlite3_column_int64(s, 5),
                .boot_id = column_text(s, 6),
                .created_usec = (uint64_t) sqlite3_column_int64(s, 7),
        };
        r = statement_check(db);
        if (r < 0)
                return r;
        return handler(&a, devices.items, devices.n, userdata);
}

int db_assignment_foreach_open(Db *db, db_assignment_handler_t handler, void *userdata) {
        _cleanup_free_ int64_t *ids = NULL;
        size_t n = 0;
        int r;

        r = statement_read_ids(db, "SELECT id FROM assignments WHERE ended_usec IS NULL ORDER BY id", &ids, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = handle_assignment(db, ids[i], handler, userdata);
        return r < 0 ? r : 0;
}
