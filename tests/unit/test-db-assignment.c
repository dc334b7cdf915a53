/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "db-scene.h"
#include "db/assignment.h"
#include "db/inventory.h"

#define NIC .vendor = 0x8086, .device = 0x10d3, .subsystem_vendor = 0x8086, .subsystem_device = 0xa01f, .class = 0x020000

static const DbRecord nic[] = {
        { .address = "0000:02:00.0", NIC, .group = 14, .wanted = true, .driver = "e1000e", .vfio_driver = "vfio-pci" },
        { .address = "0000:02:00.1", NIC, .revision = 1, .group = 14, .override = "none", .vfio_driver = "vfio-pci" },
};

static const DbRecord disk[] = {
        { .address = "0000:03:00.0", .vendor = 0x1b36, .device = 0x0010, .class = 0x010802, .group = 15, .wanted = true, .driver = "nvme",
          .vfio_driver = "vfio-pci" },
};

static int64_t assign(const char *owner, const char *state, const DbRecord *devices, size_t n_devices, uint64_t at_usec) {
        int64_t id = 0;

        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = owner, .state = state, .backend = "iommufd", .caller_uid = 64055,
                                                                         .created_usec = at_usec }, devices, n_devices, &id), 0);
        ck_assert_int_gt(id, 0);
        return id;
}

static void end(int64_t id, const char *state, uint64_t at_usec, const char *reason) {
        ck_assert_int_eq(db_assignment_set_state(scene.db, id, state, at_usec, reason), 0);
}

static char seen[4096];

static int see(const DbAssignment *a, const DbRecord *devices, size_t n_devices, void *userdata) {
        size_t length = strlen(seen);

        length += (size_t) snprintf(seen + length, sizeof(seen) - length, "%s %s %s %s %d uid %d at %d:", a->owner, a->state,
                                    a->label ? a->label : "-", a->backend, a->lease, (int) a->caller_uid, (int) (a->created_usec - TUESDAY));
        for (const DbRecord *d = devices; d < devices + n_devices; d++)
                length += (size_t) snprintf(seen + length, sizeof(seen) - length, " %s %04x:%04x %04x:%04x %06x %02x in %u %s %s %s %s", d->address,
                                            d->vendor, d->device, d->subsystem_vendor, d->subsystem_device, d->class, d->revision, d->group,
                                            d->wanted ? "wanted" : "companion", d->driver ? d->driver : "-", d->override ? d->override : "-",
                                            d->vfio_driver);
        (void) snprintf(seen + length, sizeof(seen) - length, "\n");
        ck_assert_str_eq(a->boot_id, BOOT_ONE);
        ck_assert_uint_eq(a->ended_usec, 0);
        return userdata ? *(int *) userdata : 0;
}

START_TEST(an_assignment_comes_back_as_it_was_meant) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        (void) assign("vm:web1", "assigning", nic, 2, TUESDAY);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "vm:db", .state = "active", .label = "tenant-a", .backend = "auto",
                                                                         .lease = true, .created_usec = TUESDAY + 1 }, disk, 1, &id), 0);
        ck_assert_int_eq(db_assignment_set_backend(scene.db, id, "group"), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        scene_close();

        scene_open(BOOT_TWO);
        ck_assert_int_eq(db_assignment_foreach_open(scene.db, see, NULL), 0);
        ck_assert_str_eq(seen, "vm:web1 assigning - iommufd 0 uid 64055 at 0:"
                               " 0000:02:00.0 8086:10d3 8086:a01f 020000 00 in 14 wanted e1000e - vfio-pci"
                               " 0000:02:00.1 8086:10d3 8086:a01f 020000 01 in 14 companion - none vfio-pci\n"
                               "vm:db active tenant-a group 1 uid 0 at 1:"
                               " 0000:03:00.0 1b36:0010 0000:0000 010802 00 in 15 wanted nvme - vfio-pci\n");
}
END_TEST

START_TEST(a_device_is_held_by_one_assignment_at_most) {
        int64_t id, other;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = assign("vm:web1", "active", nic, 2, TUESDAY);
        ck_assert_int_eq(db_commit(scene.db), 0);

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "vm:thief", .state = "assigning", .backend = "auto", .created_usec = TUESDAY },
                                              nic + 1, 1, &other), -EEXIST);
        ck_assert_int_eq(db_commit(scene.db), -EEXIST);
        assert_answer("SELECT DISTINCT owner FROM assignment_history", "vm:web1\n");

        ck_assert_int_eq(db_begin(scene.db), 0);
        end(id, "releasing", 0, NULL);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "vm:thief", .state = "assigning", .backend = "auto", .created_usec = TUESDAY },
                                              nic, 1, &other), -EEXIST);
        db_rollback(scene.db);

        ck_assert_int_eq(db_begin(scene.db), 0);
        end(id, "ended", TUESDAY + HOUR, NULL);
        (void) assign("vm:heir", "active", nic, 2, TUESDAY + HOUR);
        ck_assert_int_eq(db_commit(scene.db), 0);
        assert_answer("SELECT DISTINCT owner FROM current_assignments", "vm:heir\n");
}
END_TEST

START_TEST(what_has_ended_stays_ended) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = assign("vm:web1", "assigning", nic, 2, TUESDAY);
        end(id, "undone", TUESDAY + 1, "the kernel said no");
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_assignment_foreach_open(scene.db, see, NULL), 0);
        ck_assert_str_eq(seen, "");

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_assignment_set_state(scene.db, id, "active", 0, NULL), -ENOENT);
        db_rollback(scene.db);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_assignment_set_backend(scene.db, id, "group"), -ENOENT);
        db_rollback(scene.db);
}
END_TEST

START_TEST(a_state_and_its_end_go_together) {
        static const struct {
                const char *state;
                uint64_t ended;
        } wrong[] = { { "ended", 0 }, { "undone", 0 }, { "active", TUESDAY }, { "lost", 0 }, { "lost", TUESDAY } };

        scene_open(BOOT_ONE);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                ck_assert_int_eq(db_begin(scene.db), 0);
                ck_assert_int_eq(db_assignment_set_state(scene.db, assign("vm:web1", "active", nic, 2, TUESDAY), wrong[i].state, wrong[i].ended, NULL),
                                 -EINVAL);
                db_rollback(scene.db);
        }
}
END_TEST

START_TEST(a_device_named_twice_is_refused) {
        DbRecord twice[] = { nic[0], nic[0] };
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "o", .state = "assigning", .backend = "auto" }, twice, 2, &id), -EEXIST);
        db_rollback(scene.db);
        assert_answer("SELECT count(*) FROM assignments", "0\n");
}
END_TEST

START_TEST(an_owner_without_a_name_is_refused) {
        int64_t id;

        scene_open(BOOT_ONE);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_int_eq(db_begin(scene.db), 0);
                ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = i == 0 ? "" : NULL, .state = "active", .backend = "auto" },
                                                      NULL, 0, &id), -EINVAL);
                db_rollback(scene.db);
        }
}
END_TEST

START_TEST(a_time_that_is_none_is_refused) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "o", .state = "active", .backend = "auto", .created_usec = USEC_INFINITY },
                                              NULL, 0, &id), -ERANGE);
        db_rollback(scene.db);
}
END_TEST

START_TEST(a_hostile_name_is_only_a_name) {
        static const char hostile[] = "x'; DROP TABLE assignments; --\xff\n%s";

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        (void) assign(hostile, "active", nic, 2, TUESDAY);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_assignment_foreach_open(scene.db, see, NULL), 0);
        ck_assert_mem_eq(seen, hostile, strlen(hostile));
        assert_answer("SELECT count(*) FROM assignments", "1\n");
}
END_TEST

START_TEST(a_text_beyond_the_limit_is_refused) {
        _cleanup_free_ char *huge = malloc(9 * 1024 * 1024);
        int64_t id;

        memset(huge, 'x', 9 * 1024 * 1024);
        huge[9 * 1024 * 1024 - 1] = '\0';
        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = huge, .state = "active", .backend = "auto" }, NULL, 0, &id), -E2BIG);
        db_rollback(scene.db);
        ck_assert(db_is_healthy(scene.db));
}
END_TEST

START_TEST(a_walk_ends_where_its_handler_says) {
        int stop = -ECANCELED;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        (void) assign("vm:web1", "active", nic, 2, TUESDAY);
        (void) assign("vm:db", "active", disk, 1, TUESDAY);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_assignment_foreach_open(scene.db, see, &stop), -ECANCELED);
        ck_assert_ptr_eq(strchr(seen, '\n'), strrchr(seen, '\n'));
}
END_TEST

static int end_it(const DbAssignment *a, const DbRecord *devices, size_t n_devices, void *userdata) {
        return db_assignment_set_state(scene.db, a->id, "ended", TUESDAY + 9, "another boot");
}

START_TEST(a_handler_may_end_what_it_is_told_of) {
        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        (void) assign("vm:web1", "active", nic, 2, TUESDAY);
        (void) assign("vm:db", "active", disk, 1, TUESDAY);
        ck_assert_int_eq(db_assignment_foreach_open(scene.db, end_it, NULL), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        assert_answer("SELECT count(*) FROM current_assignments", "0\n");
}
END_TEST

/* web1 has the NIC from Monday to Tuesday noon, nobody gets it for a moment, db has it from Tuesday afternoon on. */
static void live_a_week(void) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_inventory_update_device(scene.db, TUESDAY - 2 * DAY, nic[0].address,
                                                    &(DbDevice){ .address = nic[0].address, NIC, .name = "Intel 82574L", .group = 14 }), 0);
        id = assign("vm:web1", "active", nic, 2, TUESDAY - DAY);
        end(id, "ended", TUESDAY + HOUR, "released");
        id = assign("vm:unlucky", "assigning", nic, 2, TUESDAY + 2 * HOUR);
        end(id, "undone", TUESDAY + 2 * HOUR + 1, "0000:02:00.1: bind: Device or resource busy");
        (void) assign("vm:db", "active", nic, 2, TUESDAY + 3 * HOUR);
        ck_assert_int_eq(db_commit(scene.db), 0);
}

START_TEST(who_had_this_device_on_tuesday) {
        live_a_week();
        assert_answer("SELECT owner, uid, since, until FROM assignment_history WHERE address = '0000:02:00.0' AND state <> 'undone'"
                      " AND since < '2026-11-18' AND ifnull(until, '9') >= '2026-11-17' ORDER BY since",
                      "vm:web1|64055|2026-11-16T09:30:00.000000Z|2026-11-17T10:30:00.000000Z\n"
                      "vm:db|64055|2026-11-17T12:30:00.000000Z|\n");
        assert_answer("SELECT owner FROM assignment_history WHERE address = '0000:02:00.0' AND since < '2026-11-16' AND ifnull(until, '9') >= '2026-11-15'", "");
        assert_answer("SELECT owner FROM assignment_history WHERE address = '0000:02:00.1' AND state = 'undone'", "vm:unlucky\n");
}
END_TEST

START_TEST(who_has_what_now) {
        live_a_week();
        assert_answer("SELECT owner, address, role, group_number, ids, name, driver_before, override_before, vfio_driver, backend, lease, state, since,"
                      " boot_id FROM current_assignments ORDER BY address",
                      "vm:db|0000:02:00.0|wanted|14|8086:10d3|Intel 82574L|e1000e||vfio-pci|iommufd|no|active|2026-11-17T12:30:00.000000Z|" BOOT_ONE "\n"
                      "vm:db|0000:02:00.1|companion|14|8086:10d3|||none|vfio-pci|iommufd|no|active|2026-11-17T12:30:00.000000Z|" BOOT_ONE "\n");
}
END_TEST

START_TEST(what_happened_to_this_device) {
        live_a_week();
        assert_answer("SELECT at, event, detail, owner, uid FROM device_history WHERE address = '0000:02:00.0' ORDER BY at",
                      "2026-11-15T09:30:00.000000Z|appeared|8086:10d3 Intel 82574L||\n"
                      "2026-11-16T09:30:00.000000Z|assigned|to vm:web1, from e1000e to vfio-pci|vm:web1|64055\n"
                      "2026-11-17T10:30:00.000000Z|released|by vm:web1: released|vm:web1|64055\n"
                      "2026-11-17T11:30:00.000000Z|assigning|to vm:unlucky, from e1000e to vfio-pci|vm:unlucky|64055\n"
                      "2026-11-17T11:30:00.000001Z|undone|by vm:unlucky: 0000:02:00.1: bind: Device or resource busy|vm:unlucky|64055\n"
                      "2026-11-17T12:30:00.000000Z|assigned|to vm:db, from e1000e to vfio-pci|vm:db|64055\n");
        assert_answer("SELECT detail FROM device_history WHERE address = '0000:02:00.1' AND event = 'assigned' ORDER BY at LIMIT 1",
                      "to vm:web1 as a companion, from no driver to vfio-pci\n");
        assert_answer("SELECT event, owner FROM group_history WHERE group_number = 14 AND at >= '2026-11-17' ORDER BY at",
                      "released|vm:web1\nassigning|vm:unlucky\nundone|vm:unlucky\nassigned|vm:db\n");
}
END_TEST

START_TEST(the_history_of_a_device_and_of_a_group_is_read_newest_first) {
        DbHistory *history;
        size_t n;

        live_a_week();
        ck_assert_int_eq(db_history_read(scene.db, "0000:02:00.0", -1, 2, &history, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(history[0].event, "assigned");
        ck_assert_str_eq(history[0].detail, "to vm:db, from e1000e to vfio-pci");
        ck_assert_uint_eq(history[0].at_usec, TUESDAY + 3 * HOUR);
        ck_assert_str_eq(history[1].event, "undone");
        db_history_free(history, n);

        ck_assert_int_eq(db_history_read(scene.db, NULL, 14, 100, &history, &n), 0);
        ck_assert_uint_eq(n, 5);
        ck_assert_str_eq(history[4].event, "assigned");
        ck_assert_str_eq(history[4].detail, "to vm:web1");
        db_history_free(history, n);

        ck_assert_int_eq(db_history_read(scene.db, "0000:09:00.0", -1, 100, &history, &n), 0);
        ck_assert_uint_eq(n, 0);
        db_history_free(history, n);
}
END_TEST

START_TEST(a_history_reads_no_rows_of_others) {
        static const char *const questions[] = {
                "EXPLAIN QUERY PLAN SELECT * FROM device_history WHERE address = 'x' ORDER BY at_usec DESC LIMIT 5",
                "EXPLAIN QUERY PLAN SELECT * FROM group_history WHERE group_number = 1 ORDER BY at_usec DESC LIMIT 5",
                "EXPLAIN QUERY PLAN SELECT * FROM assignment_history WHERE address = 'x'",
        };
        static const char *const whole[] = { "SCAN a\n", "SCAN d\n", "SCAN m\n", "SCAN c\n", "SCAN shape_changes", "SCAN assignment_devices" };

        live_a_week();
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                _cleanup_free_ char *plan = ask(questions[i]);

                ck_assert_ptr_nonnull(strstr(plan, "SEARCH"));
                for (size_t k = 0; k < ELEMENTSOF(whole); k++)
                        ck_assert_msg(!strstr(plan, whole[k]), "%s\n%s", questions[i], plan);
        }
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { an_assignment_comes_back_as_it_was_meant },
                { a_device_is_held_by_one_assignment_at_most },
                { what_has_ended_stays_ended },
                { a_state_and_its_end_go_together },
                { a_device_named_twice_is_refused },
                { an_owner_without_a_name_is_refused },
                { a_time_that_is_none_is_refused },
                { a_hostile_name_is_only_a_name },
                { a_text_beyond_the_limit_is_refused },
                { a_walk_ends_where_its_handler_says },
                { a_handler_may_end_what_it_is_told_of },
                { who_had_this_device_on_tuesday },
                { who_has_what_now },
                { what_happened_to_this_device },
                { the_history_of_a_device_and_of_a_group_is_read_newest_first },
                { a_history_reads_no_rows_of_others },
        };

        return scene_suite_run("db-assignment", tests, ELEMENTSOF(tests));
}
