/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Quarantines and drifts as rows. */

#include <string.h>

#include "base/strutil.h"
#include "db-scene.h"
#include "db/assignment.h"
#include "db/drift.h"
#include "db/quarantine.h"

static const DbRecord nic[] = {
        { .address = "0000:02:00.0", .vendor = 0x8086, .device = 0x10d3, .group = 14, .wanted = true, .driver = "e1000e", .vfio_driver = "vfio-pci" },
        { .address = "0000:02:00.1", .vendor = 0x8086, .device = 0x10d3, .group = 14, .override = "none", .vfio_driver = "vfio-pci" },
};

static int64_t assign(void) {
        int64_t id = 0;

        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "vm:web1", .state = "active", .backend = "iommufd", .created_usec = TUESDAY },
                                              nic, 2, &id), 0);
        return id;
}

static int64_t quarantine(const char *code, int64_t assignment) {
        int64_t id = 0;

        ck_assert_int_eq(db_quarantine_insert(scene.db, &(DbQuarantine){ .code = code, .detail = "it is so", .assignment = assignment, .since_usec = TUESDAY + 1 },
                                              nic, 2, &id), 0);
        ck_assert_int_gt(id, 0);
        return id;
}

static void drift(const char *detail, int64_t assignment, int64_t in_quarantine) {
        ck_assert_int_eq(db_drift_insert(scene.db, &(DbDrift){ .at_usec = TUESDAY + 2, .code = "driver-changed", .group = 14, .address = "0000:02:00.0", .detail = detail,
                                                               .assignment = assignment, .manager = "libvirt", .quarantine = in_quarantine }), 0);
}

static void begin(void) {
        ck_assert_int_eq(db_begin(scene.db), 0);
}

static void commit(void) {
        ck_assert_int_eq(db_commit(scene.db), 0);
}

static char seen[2048];

static int see_quarantine(const DbQuarantine *q, const DbRecord *records, size_t n_records, void *userdata) {
        size_t length = strlen(seen);

        length += (size_t) snprintf(seen + length, sizeof(seen) - length, "%s, %s, of %d, since %d:", q->code, q->detail, (int) q->assignment,
                                    (int) (q->since_usec - TUESDAY));
        for (size_t i = 0; i < n_records; i++)
                length += (size_t) snprintf(seen + length, sizeof(seen) - length, " %s %s %s", records[i].address, records[i].driver ?: "-", records[i].override ?: "-");
        (void) snprintf(seen + length, sizeof(seen) - length, "\n");
        return userdata ? *(int *) userdata : 0;
}

static int see_drift(const DbDrift *d, void *userdata) {
        size_t length = strlen(seen);

        (void) snprintf(seen + length, sizeof(seen) - length, "%s %u %s %s of %d by %s, quarantine %d\n", d->code, d->group, d->address, d->detail, (int) d->assignment,
                        d->manager ?: "-", (int) d->quarantine);
        return userdata ? *(int *) userdata : 0;
}

START_TEST(a_quarantine_comes_back_in_another_boot) {
        scene_open(BOOT_ONE);
        begin();
        (void) quarantine("driver-changed", assign());
        (void) quarantine("failed-undo", 0); /* of the same devices: both have to be mended */
        commit();
        scene_close();
        scene_open(BOOT_TWO);
        ck_assert_int_eq(db_quarantine_foreach_open(scene.db, see_quarantine, NULL), 0);
        ck_assert_str_eq(seen, "driver-changed, it is so, of 1, since 1: 0000:02:00.0 e1000e - 0000:02:00.1 - none\n"
                               "failed-undo, it is so, of 0, since 1: 0000:02:00.0 e1000e - 0000:02:00.1 - none\n");
}
END_TEST

START_TEST(a_quarantine_ends_once) {
        int64_t id;

        scene_open(BOOT_ONE);
        begin();
        id = quarantine("driver-changed", 0);
        ck_assert_int_eq(db_quarantine_end(scene.db, id, TUESDAY + HOUR, "recovered"), 0);
        commit();
        ck_assert_int_eq(db_quarantine_foreach_open(scene.db, see_quarantine, NULL), 0);
        ck_assert_str_eq(seen, "");
        assert_answer("SELECT count(*) FROM quarantine_devices WHERE held = 1", "0\n");
        assert_answer("SELECT event, detail FROM device_history WHERE address = '0000:02:00.1' ORDER BY at_usec",
                      "quarantined|driver-changed: it is so\nrecovered|recovered\n");
        begin();
        ck_assert_int_eq(db_quarantine_end(scene.db, id, TUESDAY + HOUR, "recovered"), -ENOENT);
        db_rollback(scene.db);
        begin();
        ck_assert_int_eq(db_quarantine_end(scene.db, 99, TUESDAY + HOUR, "recovered"), -ENOENT);
        db_rollback(scene.db);
}
END_TEST

START_TEST(what_was_said_of_those_who_still_have_something_is_known_in_this_boot) {
        int64_t ended, current;

        scene_open(BOOT_ONE);
        begin();
        ended = assign();
        drift("of one that ended", ended, 0);
        ck_assert_int_eq(db_assignment_set_state(scene.db, ended, "ended", TUESDAY + 5, NULL), 0);
        current = assign();
        drift("first", current, quarantine("driver-changed", current));
        drift("second", current, 0);
        commit();
        ck_assert_int_eq(db_drift_foreach_current(scene.db, see_drift, NULL), 0);
        ck_assert_str_eq(seen, "driver-changed 14 0000:02:00.0 first of 2 by libvirt, quarantine 1\n"
                               "driver-changed 14 0000:02:00.0 second of 2 by libvirt, quarantine 0\n");
        scene_close();
        scene_open(BOOT_TWO);
        seen[0] = '\0';
        ck_assert_int_eq(db_drift_foreach_current(scene.db, see_drift, NULL), 0);
        ck_assert_str_eq(seen, "");
}
END_TEST

START_TEST(a_walk_ends_where_its_handler_says) {
        int stop = -ECANCELED;
        int64_t id;

        scene_open(BOOT_ONE);
        begin();
        id = assign();
        drift("first", id, 0);
        drift("second", id, 0);
        (void) quarantine("driver-changed", id);
        (void) quarantine("device-joined", id);
        commit();
        ck_assert_int_eq(db_drift_foreach_current(scene.db, see_drift, &stop), -ECANCELED);
        ck_assert_ptr_null(strstr(seen, "second"));
        seen[0] = '\0';
        ck_assert_int_eq(db_quarantine_foreach_open(scene.db, see_quarantine, &stop), -ECANCELED);
        ck_assert_ptr_null(strstr(seen, "device-joined"));
        ck_assert_int_eq(db_drift_foreach_current(scene.db, see_drift, NULL), 0); /* nothing is left half walked */
}
END_TEST

START_TEST(a_drift_is_a_line_of_both_histories) {
        scene_open(BOOT_ONE);
        begin();
        drift("it left", assign(), 0);
        commit();
        assert_answer("SELECT event FROM device_history WHERE address = '0000:02:00.0' AND detail LIKE '%it left%'", "drift\n");
        assert_answer("SELECT event FROM group_history WHERE group_number = 14 AND detail LIKE '%it left%'", "drift\n");
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { a_quarantine_comes_back_in_another_boot },
                { a_quarantine_ends_once },
                { what_was_said_of_those_who_still_have_something_is_known_in_this_boot },
                { a_walk_ends_where_its_handler_says },
                { a_drift_is_a_line_of_both_histories },
        };

        return scene_suite_run("db-drift", tests, ELEMENTSOF(tests));
}
