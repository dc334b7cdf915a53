/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "db-scene.h"
#include "db/assignment.h"
#include "db/inventory.h"
#include "db/reservation.h"

#define NIC .vendor = 0x8086, .device = 0x10d3, .subsystem_vendor = 0x8086, .subsystem_device = 0xa01f, .class = 0x020000

static const DbRecord nic[] = {
        { .address = "0000:02:00.0", NIC, .group = 14, .wanted = true, .driver = "e1000e", .vfio_driver = "vfio-pci" },
        { .address = "0000:02:00.1", NIC, .revision = 1, .group = 14, .override = "none", .vfio_driver = "vfio-pci" },
};

static int64_t reserve(const char *state, const DbRecord *records, size_t n_records, uint64_t at_usec) {
        int64_t id = 0;

        ck_assert_int_eq(db_reservation_insert(scene.db, &(DbReservation){ .state = state, .caller_uid = 1000, .created_usec = at_usec }, records,
                                               n_records, &id), 0);
        ck_assert_int_gt(id, 0);
        return id;
}

static void end(int64_t id, const char *state, uint64_t at_usec, const char *reason) {
        ck_assert_int_eq(db_reservation_set_state(scene.db, id, state, at_usec, reason), 0);
}

static char seen[4096];

static int see(const DbReservation *x, const DbRecord *records, size_t n_records, void *userdata) {
        size_t length = strlen(seen);

        length += (size_t) snprintf(seen + length, sizeof(seen) - length, "%s uid %d at %d in %.4s:", x->state, (int) x->caller_uid,
                                    (int) (x->created_usec - TUESDAY), x->boot_id);
        for (const DbRecord *d = records; d < records + n_records; d++)
                length += (size_t) snprintf(seen + length, sizeof(seen) - length, " %s %04x:%04x %04x:%04x %06x %02x in %u %s %s %s %s", d->address,
                                            d->vendor, d->device, d->subsystem_vendor, d->subsystem_device, d->class, d->revision, d->group,
                                            d->wanted ? "wanted" : "companion", d->driver ?: "-", d->override ?: "-", d->vfio_driver);
        (void) snprintf(seen + length, sizeof(seen) - length, "\n");
        ck_assert_uint_eq(x->ended_usec, 0);
        return userdata ? *(int *) userdata : 0;
}

START_TEST(a_reservation_comes_back_as_it_was_meant) {
        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        (void) reserve("reserving", nic, 2, TUESDAY + 7);
        ck_assert_int_eq(db_commit(scene.db), 0);
        scene_close();

        scene_open(BOOT_TWO);
        ck_assert_int_eq(db_reservation_foreach_open(scene.db, see, NULL), 0);
        ck_assert_str_eq(seen, "reserving uid 1000 at 7 in 0123:"
                               " 0000:02:00.0 8086:10d3 8086:a01f 020000 00 in 14 wanted e1000e - vfio-pci"
                               " 0000:02:00.1 8086:10d3 8086:a01f 020000 01 in 14 companion - none vfio-pci\n");
}
END_TEST

START_TEST(a_device_is_kept_by_one_reservation_at_most_and_may_be_assigned_besides) {
        int64_t id, other;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = reserve("active", nic, 2, TUESDAY);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "vm:web1", .state = "active", .backend = "iommufd", .created_usec = TUESDAY },
                                              nic, 2, &other), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_reservation_insert(scene.db, &(DbReservation){ .state = "reserving", .created_usec = TUESDAY }, nic + 1, 1, &other), -EEXIST);
        db_rollback(scene.db);

        ck_assert_int_eq(db_begin(scene.db), 0);
        end(id, "ended", TUESDAY + HOUR, NULL);
        (void) reserve("active", nic + 1, 1, TUESDAY + HOUR);
        ck_assert_int_eq(db_commit(scene.db), 0);
        assert_answer("SELECT address FROM current_reservations", "0000:02:00.1\n");
        assert_answer("SELECT count(*) FROM current_assignments", "2\n");
}
END_TEST

START_TEST(what_has_ended_stays_ended) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = reserve("reserving", nic, 2, TUESDAY);
        end(id, "undone", TUESDAY + 1, "the kernel said no");
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_reservation_foreach_open(scene.db, see, NULL), 0);
        ck_assert_str_eq(seen, "");

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_reservation_set_state(scene.db, id, "active", 0, NULL), -ENOENT);
        db_rollback(scene.db);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_reservation_renew(scene.db, id, TUESDAY, nic, 2), -ENOENT);
        db_rollback(scene.db);
}
END_TEST

START_TEST(a_state_and_its_end_go_together) {
        static const struct {
                const char *state;
                uint64_t ended;
        } wrong[] = { { "ended", 0 }, { "undone", 0 }, { "active", TUESDAY }, { "assigning", 0 }, { "lost", TUESDAY } };

        scene_open(BOOT_ONE);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                ck_assert_int_eq(db_begin(scene.db), 0);
                ck_assert_int_eq(db_reservation_set_state(scene.db, reserve("active", nic, 2, TUESDAY), wrong[i].state, wrong[i].ended, NULL), -EINVAL);
                db_rollback(scene.db);
        }
}
END_TEST

START_TEST(another_boot_puts_other_records_in_the_place_of_the_old_ones) {
        DbRecord fresh[] = { nic[0], nic[1] };
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = reserve("active", nic, 2, TUESDAY);
        ck_assert_int_eq(db_commit(scene.db), 0);
        scene_close();

        scene_open(BOOT_TWO);
        fresh[0].group = fresh[1].group = 21;
        fresh[1].driver = "igb";
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_reservation_renew(scene.db, id, TUESDAY + DAY, fresh, 2), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        assert_answer("SELECT address, group_number, driver_before, since, boot_id FROM current_reservations ORDER BY address",
                      "0000:02:00.0|21|e1000e|2026-11-17T09:30:00.000000Z|" BOOT_TWO "\n"
                      "0000:02:00.1|21|igb|2026-11-17T09:30:00.000000Z|" BOOT_TWO "\n");
}
END_TEST

START_TEST(a_device_that_joins_is_recorded_beside_the_others) {
        DbRecord joined = { .address = "0000:02:00.7", NIC, .group = 14, .driver = "e1000e", .vfio_driver = "vfio-pci" };
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = reserve("active", nic, 2, TUESDAY);
        ck_assert_int_eq(db_record_insert(scene.db, DB_RECORDS_OF_RESERVATION, id, &joined, 1), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        assert_answer("SELECT address, role FROM current_reservations ORDER BY address",
                      "0000:02:00.0|wanted\n0000:02:00.1|companion\n0000:02:00.7|companion\n");

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_record_insert(scene.db, DB_RECORDS_OF_RESERVATION, id, &joined, 1), -EEXIST);
        db_rollback(scene.db);
        joined.address = "0000:09:00.0";
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_lt(db_record_insert(scene.db, DB_RECORDS_OF_RESERVATION, id + 100, &joined, 1), 0);
        db_rollback(scene.db);
}
END_TEST

START_TEST(a_walk_ends_where_its_handler_says) {
        int stop = -ECANCELED;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        (void) reserve("active", nic, 1, TUESDAY);
        (void) reserve("active", nic + 1, 1, TUESDAY);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_reservation_foreach_open(scene.db, see, &stop), -ECANCELED);
        ck_assert_ptr_eq(strchr(seen, '\n'), strrchr(seen, '\n'));
}
END_TEST

/* Reserved and given back, refused by the kernel, reserved again, and then somebody else interferes. */
static void live_a_week(void) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_inventory_update_device(scene.db, TUESDAY - 2 * DAY, nic[0].address,
                                                    &(DbDevice){ .address = nic[0].address, NIC, .name = "Intel 82574L", .group = 14 }), 0);
        id = reserve("active", nic, 2, TUESDAY - DAY);
        end(id, "ended", TUESDAY, "0000:02:00.1 is gone");
        id = reserve("reserving", nic, 2, TUESDAY + HOUR);
        end(id, "undone", TUESDAY + HOUR + 1, "the kernel said no");
        (void) reserve("active", nic, 2, TUESDAY + 2 * HOUR);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(try_sql(scene.path, "PRAGMA foreign_keys = ON;"
                "INSERT INTO quarantines(code, detail, boot, since_usec, ended_usec, end_reason)"
                "  VALUES('driver-changed', 'it is on e1000e', 1, 1794918600000000, 1794918600000002, 'by an administrator');"
                "INSERT INTO quarantine_devices VALUES(1, '0000:02:00.0', 32902, 4307, 0, 0, 131072, 0, 14, 1, 'e1000e', NULL, 'vfio-pci', NULL, NULL, NULL);"
                "INSERT INTO drifts(at_usec, boot, code, group_number, address, detail, reservation, manager, quarantine)"
                "  VALUES(1794918600000000, 1, 'driver-changed', 14, '0000:02:00.0', 'it is on e1000e', 3, 'driverctl', 1);"
                "INSERT INTO drifts(at_usec, boot, code, group_number, detail) VALUES(1794918600000001, 1, 'group-changed', 14, 'a member left');"), SQLITE_OK);
}

START_TEST(what_happened_to_this_device) {
        live_a_week();
        assert_answer("SELECT at, event, detail, uid FROM device_history WHERE address = '0000:02:00.0' ORDER BY at, event",
                      "2026-11-15T09:30:00.000000Z|appeared|8086:10d3 Intel 82574L|\n"
                      "2026-11-16T09:30:00.000000Z|reserved|from e1000e to vfio-pci|1000\n"
                      "2026-11-17T09:30:00.000000Z|unreserved|0000:02:00.1 is gone|1000\n"
                      "2026-11-17T10:30:00.000000Z|reserving|from e1000e to vfio-pci|1000\n"
                      "2026-11-17T10:30:00.000001Z|undone|the kernel said no|1000\n"
                      "2026-11-17T11:30:00.000000Z|reserved|from e1000e to vfio-pci|1000\n"
                      "2026-11-17T12:30:00.000000Z|drift|driver-changed: it is on e1000e (driverctl)|\n"
                      "2026-11-17T12:30:00.000000Z|quarantined|driver-changed: it is on e1000e|\n"
                      "2026-11-17T12:30:00.000002Z|recovered|by an administrator|\n");
        assert_answer("SELECT detail FROM device_history WHERE address = '0000:02:00.1' AND event = 'reserved' LIMIT 1",
                      "as a companion, from no driver to vfio-pci\n");
        assert_answer("SELECT event, detail FROM group_history WHERE group_number = 14 AND at >= '2026-11-17T11' ORDER BY at, event",
                      "reserved|\ndrift|0000:02:00.0: driver-changed: it is on e1000e (driverctl)\nquarantined|driver-changed: it is on e1000e\n"
                      "drift|group-changed: a member left\nrecovered|by an administrator\n");
}
END_TEST

START_TEST(what_is_reserved_now_and_what_was) {
        live_a_week();
        assert_answer("SELECT reservation, uid, address, role, group_number, ids, name, driver_before, override_before, vfio_driver, state, since, boot_id"
                      " FROM current_reservations ORDER BY address",
                      "3|1000|0000:02:00.0|wanted|14|8086:10d3|Intel 82574L|e1000e||vfio-pci|active|2026-11-17T11:30:00.000000Z|" BOOT_ONE "\n"
                      "3|1000|0000:02:00.1|companion|14|8086:10d3|||none|vfio-pci|active|2026-11-17T11:30:00.000000Z|" BOOT_ONE "\n");
        assert_answer("SELECT reservation, state, until FROM reservation_history WHERE address = '0000:02:00.0' ORDER BY 1",
                      "1|ended|2026-11-17T09:30:00.000000Z\n2|undone|2026-11-17T10:30:00.000001Z\n3|active|\n");
}
END_TEST

START_TEST(a_history_reads_no_rows_of_others) {
        static const char *const questions[] = {
                "EXPLAIN QUERY PLAN SELECT * FROM device_history WHERE address = 'x' ORDER BY at_usec DESC LIMIT 5",
                "EXPLAIN QUERY PLAN SELECT * FROM group_history WHERE group_number = 1 ORDER BY at_usec DESC LIMIT 5",
                "EXPLAIN QUERY PLAN SELECT * FROM reservation_history WHERE address = 'x'",
        };
        static const char *const whole[] = { "SCAN r\n", "SCAN q\n", "SCAN x\n", "SCAN d\n", "SCAN reservation_devices", "SCAN quarantine_devices" };

        live_a_week();
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                _cleanup_free_ char *plan = ask(questions[i]);

                ck_assert_ptr_nonnull(strstr(plan, "SEARCH"));
                for (size_t k = 0; k < ELEMENTSOF(whole); k++)
                        ck_assert_msg(!strstr(plan, whole[k]), "%s\n%s", questions[i], plan);
        }
}
END_TEST

START_TEST(a_drift_and_a_quarantine_name_only_what_there_is) {
        live_a_week();
        ck_assert_int_ne(try_sql(scene.path, "PRAGMA foreign_keys = ON; INSERT INTO drifts(at_usec, boot, code, group_number, detail, reservation)"
                                             " VALUES(1, 1, 'x', 1, '', 99)"), SQLITE_OK);
        ck_assert_int_ne(try_sql(scene.path, "PRAGMA foreign_keys = ON; INSERT INTO quarantines(code, detail, boot, since_usec, operation)"
                                             " VALUES('x', '', 1, 1, 99)"), SQLITE_OK);
        ck_assert_int_ne(try_sql(scene.path, "INSERT INTO quarantines(code, detail, boot, since_usec) VALUES('', '', 1, 1)"), SQLITE_OK);
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { a_reservation_comes_back_as_it_was_meant },
                { a_device_is_kept_by_one_reservation_at_most_and_may_be_assigned_besides },
                { what_has_ended_stays_ended },
                { a_state_and_its_end_go_together },
                { another_boot_puts_other_records_in_the_place_of_the_old_ones },
                { a_device_that_joins_is_recorded_beside_the_others },
                { a_walk_ends_where_its_handler_says },
                { what_happened_to_this_device },
                { what_is_reserved_now_and_what_was },
                { a_history_reads_no_rows_of_others },
                { a_drift_and_a_quarantine_name_only_what_there_is },
        };

        return scene_suite_run("db-reservation", tests, ELEMENTSOF(tests));
}
