/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "db-scene.h"
#include "db/assignment.h"
#include "db/audit.h"
#include "db/operation.h"

static const DbAudit request = {
        .at_usec = TUESDAY, .verb = "assign", .owner = "vm:web1", .caller_uid = 1000, .caller_pid = 4711, .caller_name = ":1.23",
        .targets = "[\"02:00.0\"]", .devices = "[\"0000:02:00.0\",\"0000:02:00.1\"]", .groups = "[14]", .outcome = "done",
};

static int64_t insert(const DbAudit *row) {
        int64_t id = 0;

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_audit_insert(scene.db, row, &id), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        return id;
}

/* Ten requests of two owners on two devices, an hour apart; every third is refused. */
static void insert_ten(void) {
        scene_open(BOOT_ONE);
        for (unsigned i = 0; i < 10; i++) {
                DbAudit row = request;

                row.at_usec = TUESDAY + i * HOUR;
                row.verb = i % 2 == 0 ? "assign" : "release";
                row.owner = i < 5 ? "vm:web1" : "vm:db";
                row.outcome = i % 3 == 0 ? "refused" : "done";
                row.devices = i % 4 == 0 ? "[\"0000:03:00.0\",\"0000:03:00.0\"]" : "[\"0000:02:00.0\"]";
                ck_assert_int_eq(insert(&row), i + 1);
        }
}

static char seen[256];

static int see(const DbAudit *row, void *userdata) {
        size_t length = strlen(seen);

        (void) snprintf(seen + length, sizeof(seen) - length, "%d ", (int) row->id);
        return userdata ? *(int *) userdata : 0;
}

static const char *ids(int64_t after, const DbAuditFilter *filter, size_t max, bool newest_first) {
        seen[0] = '\0';
        ck_assert_int_eq(db_audit_foreach(scene.db, after, filter, max, newest_first, see, NULL), 0);
        return seen;
}

static int compare(const DbAudit *row, void *userdata) {
        const DbAudit *expected = userdata;

        ck_assert_int_eq(row->id, 1);
        ck_assert_uint_eq(row->at_usec, expected->at_usec);
        ck_assert_str_eq(row->boot_id, BOOT_ONE);
        ck_assert_str_eq(row->verb, expected->verb);
        ck_assert_pstr_eq(row->owner, expected->owner);
        ck_assert_int_eq(row->caller_uid, expected->caller_uid);
        ck_assert_int_eq(row->caller_pid, expected->caller_pid);
        ck_assert_pstr_eq(row->caller_name, expected->caller_name);
        ck_assert_str_eq(row->targets, expected->targets);
        ck_assert_str_eq(row->devices, expected->devices);
        ck_assert_str_eq(row->groups, expected->groups);
        ck_assert_int_eq(row->operation, expected->operation);
        ck_assert_int_eq(row->assignment, expected->assignment);
        ck_assert_str_eq(row->outcome, expected->outcome);
        ck_assert_pstr_eq(row->error, expected->error);
        ck_assert_pstr_eq(row->message, expected->message);
        ck_assert_pstr_eq(row->blockers, expected->blockers);
        return 7;
}

START_TEST(a_row_comes_back_as_it_was_written) {
        DbAudit full = request;

        scene_open(BOOT_ONE);
        full.error = "NotViable";
        full.message = "a bridge stays";
        full.blockers = "[{\"code\":\"host-driver-stays\"}]";
        full.outcome = "refused";
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_assignment_insert(scene.db, &(DbAssignment){ .owner = "o", .state = "active", .backend = "auto" }, NULL, 0, &full.assignment), 0);
        ck_assert_int_eq(db_operation_insert(scene.db, &(DbOperation){ .verb = "assign", .state = "running" }, NULL, 0, &full.operation), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(insert(&full), 1);
        ck_assert_int_eq(db_audit_foreach(scene.db, 0, &(DbAuditFilter){}, 10, false, compare, &full), 0);
}
END_TEST

START_TEST(a_row_of_the_daemon_itself_has_no_caller) {
        DbAudit own = { .at_usec = TUESDAY, .verb = "release", .targets = "[]", .devices = "[]", .groups = "[]", .outcome = "interrupted" };

        scene_open(BOOT_ONE);
        ck_assert_int_eq(insert(&own), 1);
        ck_assert_int_eq(db_audit_foreach(scene.db, 0, &(DbAuditFilter){}, 10, false, compare, &own), 0);
        assert_answer("SELECT caller, pid, owner, devices, blockers FROM audit_log", "assignd||||\n");
}
END_TEST

START_TEST(ids_have_no_gaps_after_rollbacks_and_reopening) {
        int64_t id;

        scene_open(BOOT_ONE);
        for (unsigned i = 0; i < 6; i++) {
                ck_assert_int_eq(db_begin(scene.db), 0);
                ck_assert_int_eq(db_audit_insert(scene.db, &request, &id), 0);
                ck_assert_int_eq(db_audit_insert(scene.db, &request, NULL), 0);
                db_rollback(scene.db);
                ck_assert_int_eq(insert(&request), i + 1);
                if (i == 3) {
                        scene_close();
                        scene_open(BOOT_TWO);
                }
        }
        ck_assert_int_eq(db_audit_head(scene.db, &id), 0);
        ck_assert_int_eq(id, 6);
        assert_answer("SELECT min(id), max(id), count(*) FROM audit", "1|6|6\n");
}
END_TEST

START_TEST(the_head_of_an_empty_trail_is_zero) {
        int64_t id = -1;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_audit_head(scene.db, &id), 0);
        ck_assert_int_eq(id, 0);
}
END_TEST

START_TEST(rows_are_only_ever_added) {
        static const char *const accidents[] = {
                "UPDATE audit SET outcome = 'done'", "DELETE FROM audit", "UPDATE audit_devices SET address = ''", "DELETE FROM audit_devices",
                "REPLACE INTO audit SELECT * FROM audit WHERE id = 2",
                "INSERT INTO audit SELECT 12, at_usec, boot, verb, owner, caller_uid, caller_pid, caller_name, targets, devices, groups, operation,"
                " assignment, outcome, error, message, blockers FROM audit WHERE id = 2",
        };
        _cleanup_free_ char *before = NULL;

        insert_ten();
        before = ask("SELECT * FROM audit");
        for (size_t i = 0; i < ELEMENTSOF(accidents); i++) {
                ck_assert_msg((try_sql(scene.path, accidents[i]) & 0xff) == SQLITE_CONSTRAINT, "%s", accidents[i]);
                assert_answer("SELECT * FROM audit", before);
        }
}
END_TEST

START_TEST(what_is_no_list_is_refused) {
        static const char *const wrong[] = { "", "0000:02:00.0", "{}", "[", "null", "[] []", NULL };

        scene_open(BOOT_ONE);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                for (unsigned k = 0; k < 4; k++) {
                        DbAudit row = request;
                        const char **fields[] = { &row.targets, &row.devices, &row.groups, &row.blockers };

                        if (k == 3 && !wrong[i])
                                continue;
                        *fields[k] = wrong[i];
                        ck_assert_int_eq(db_begin(scene.db), 0);
                        ck_assert_int_eq(db_audit_insert(scene.db, &row, NULL), -EINVAL);
                        db_rollback(scene.db);
                }
        ck_assert(db_is_healthy(scene.db));
        ck_assert_int_eq(insert(&request), 1);
}
END_TEST

START_TEST(what_it_refers_to_must_be_there) {
        for (unsigned i = 0; i < 2; i++) {
                DbAudit row = request;

                if (i == 0)
                        row.operation = 5;
                else
                        row.assignment = 5;
                scene_open(BOOT_ONE);
                ck_assert_int_eq(db_begin(scene.db), 0);
                ck_assert_int_eq(db_audit_insert(scene.db, &row, NULL), -ENOENT);
                ck_assert_int_eq(db_commit(scene.db), -ENOENT);
                scene_close();
        }
}
END_TEST

START_TEST(a_trail_is_read_in_pages) {
        insert_ten();
        ck_assert_str_eq(ids(0, &(DbAuditFilter){}, 4, false), "1 2 3 4 ");
        ck_assert_str_eq(ids(4, &(DbAuditFilter){}, 4, false), "5 6 7 8 ");
        ck_assert_str_eq(ids(8, &(DbAuditFilter){}, 4, false), "9 10 ");
        ck_assert_str_eq(ids(10, &(DbAuditFilter){}, 4, false), "");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){}, 0, false), "");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){}, SIZE_MAX, false), "1 2 3 4 5 6 7 8 9 10 ");
        ck_assert_str_eq(ids(4, &(DbAuditFilter){}, 3, true), "10 9 8 ");
}
END_TEST

START_TEST(every_filter_keeps_what_it_names) {
        insert_ten();
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .device = "0000:03:00.0" }, 100, false), "1 5 9 ");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .device = "0000:03:00" }, 100, false), "");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .owner = "vm:db" }, 100, false), "6 7 8 9 10 ");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .verb = "release" }, 100, false), "2 4 6 8 10 ");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .outcome = "refused" }, 100, false), "1 4 7 10 ");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .since_usec = TUESDAY + 7 * HOUR }, 100, false), "8 9 10 ");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .until_usec = TUESDAY + 2 * HOUR }, 100, false), "1 2 3 ");
        ck_assert_str_eq(ids(0, &(DbAuditFilter){ .until_usec = USEC_INFINITY }, 2, true), "10 9 ");
}
END_TEST

START_TEST(filters_together_keep_what_all_name) {
        DbAuditFilter all = { .device = "0000:03:00.0", .owner = "vm:web1", .verb = "assign", .outcome = "refused", .since_usec = TUESDAY,
                              .until_usec = TUESDAY };

        insert_ten();
        ck_assert_str_eq(ids(0, &all, 100, false), "1 ");
        ck_assert_str_eq(ids(0, &all, 100, true), "1 ");
        ck_assert_str_eq(ids(1, &all, 100, false), "");
        all.owner = "vm:db' OR '1'='1";
        ck_assert_str_eq(ids(0, &all, 100, false), "");
}
END_TEST

START_TEST(a_walk_ends_where_its_handler_says) {
        int stop = -ECANCELED;

        insert_ten();
        ck_assert_int_eq(db_audit_foreach(scene.db, 0, &(DbAuditFilter){}, 100, false, see, &stop), -ECANCELED);
        ck_assert_str_eq(seen, "1 ");
}
END_TEST

START_TEST(what_did_root_try_that_was_refused) {
        DbAudit refused = request;

        scene_open(BOOT_ONE);
        refused.caller_uid = 0;
        refused.outcome = "refused";
        refused.error = "NotViable";
        refused.message = "Group 14 is not viable";
        refused.blockers = "[{\"code\":\"host-driver-stays\",\"device\":\"0000:00:1f.0\",\"detail\":\"it is bound to lpc_ich\"},"
                           "{\"code\":\"no-iommu\",\"device\":null,\"detail\":\"there is no IOMMU\"}]";
        (void) insert(&request);
        (void) insert(&refused);
        assert_answer("SELECT at, verb, targets, devices, message, blockers FROM audit_log WHERE uid = 0 AND outcome = 'refused'",
                      "2026-11-17T09:30:00.000000Z|assign|02:00.0|0000:02:00.0 0000:02:00.1|Group 14 is not viable|"
                      "host-driver-stays 0000:00:1f.0: it is bound to lpc_ich; no-iommu: there is no IOMMU\n");
        assert_answer("SELECT count(*), min(uid), max(caller) FROM audit_log WHERE devices LIKE '%0000:02:00.1%' AND at LIKE '2026-11-17%'", "2|0|:1.23\n");
}
END_TEST

static void assert_sealed(int fd) {
        char byte = 0;

        ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        ck_assert_int_eq(pwrite(fd, &byte, 1, 0), -1);
        ck_assert_int_eq(ftruncate(fd, 0), -1);
        ck_assert_ptr_eq(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

START_TEST(an_export_is_a_sealed_copy_that_stands_alone) {
        static const char *const questions[] = {
                "SELECT * FROM audit_log", "SELECT * FROM assignment_history", "SELECT * FROM device_history", "SELECT * FROM current_assignments",
                "SELECT * FROM group_history", "SELECT * FROM known_devices", "SELECT * FROM group_members", "PRAGMA integrity_check",
                "PRAGMA user_version",
        };
        _cleanup_free_ char *copy = scene_beside(".copy");
        _cleanup_free_ void *data = NULL;
        _cleanup_close_ int fd = -EBADF;
        char link[64];
        size_t size;

        insert_ten();
        ck_assert_int_eq(db_export(scene.db, &fd), 0);
        assert_sealed(fd);
        ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        file_read(link, &data, &size);
        file_write(copy, data, size);
        ck_assert_int_eq(chmod(copy, 0400), 0);
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                _cleanup_free_ char *original = ask(questions[i]), *answer = ask_file(copy, questions[i]);

                ck_assert_str_eq(answer, original);
        }
        {
                _cleanup_free_ char *mode = ask_file(copy, "PRAGMA journal_mode");

                ck_assert_str_eq(mode, "delete\n");
        }
}
END_TEST

START_TEST(an_export_does_not_follow_what_comes_after_it) {
        _cleanup_free_ char *copy = scene_beside(".copy"), *answer = NULL;
        _cleanup_free_ void *data = NULL;
        _cleanup_close_ int fd = -EBADF;
        char link[64];
        size_t size;

        insert_ten();
        ck_assert_int_eq(db_export(scene.db, &fd), 0);
        (void) insert(&request);
        ck_assert_int_eq(db_checkpoint(scene.db), 0);
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        file_read(link, &data, &size);
        file_write(copy, data, size);
        answer = ask_file(copy, "SELECT max(id) FROM audit_log");
        ck_assert_str_eq(answer, "10\n");
        ck_assert_int_eq(insert(&request), 12);
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { a_row_comes_back_as_it_was_written },
                { a_row_of_the_daemon_itself_has_no_caller },
                { ids_have_no_gaps_after_rollbacks_and_reopening },
                { the_head_of_an_empty_trail_is_zero },
                { rows_are_only_ever_added },
                { what_is_no_list_is_refused },
                { what_it_refers_to_must_be_there },
                { a_trail_is_read_in_pages },
                { every_filter_keeps_what_it_names },
                { filters_together_keep_what_all_name },
                { a_walk_ends_where_its_handler_says },
                { what_did_root_try_that_was_refused },
                { an_export_is_a_sealed_copy_that_stands_alone },
                { an_export_does_not_follow_what_comes_after_it },
        };

        return scene_suite_run("db-audit", tests, ELEMENTSOF(tests));
}
