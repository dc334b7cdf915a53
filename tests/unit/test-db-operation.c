/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "db-scene.h"
#include "db/assignment.h"
#include "db/operation.h"

static const DbOperation assign = {
        .verb = "assign", .state = "running", .owner = "vm:web1", .caller_uid = 1000, .caller_pid = 4711, .caller_name = ":1.23",
        .created_usec = TUESDAY,
};

static int64_t insert(const DbOperation *operation, const uint32_t *groups, size_t n_groups) {
        int64_t id = 0;

        ck_assert_int_eq(db_operation_insert(scene.db, operation, groups, n_groups, &id), 0);
        ck_assert_int_gt(id, 0);
        return id;
}

/* What a walk saw, as text. */
static char seen[4096];

static int see_operation(const DbOperation *o, const uint32_t *groups, size_t n_groups, void *userdata) {
        size_t length = strlen(seen);

        length += (size_t) snprintf(seen + length, sizeof(seen) - length, "%s %s %s assignment %d uid %d pid %d %s worker %d@%d at %d",
                                    o->verb, o->state, o->owner ? o->owner : "-", (int) o->assignment, (int) o->caller_uid, (int) o->caller_pid,
                                    o->caller_name ? o->caller_name : "-", (int) o->worker_pid, (int) o->worker_start_time,
                                    (int) (o->created_usec - TUESDAY));
        for (size_t i = 0; i < n_groups; i++)
                length += (size_t) snprintf(seen + length, sizeof(seen) - length, " %u", groups[i]);
        (void) snprintf(seen + length, sizeof(seen) - length, "\n");
        ck_assert_str_eq(o->boot_id, BOOT_ONE);
        ck_assert_uint_eq(o->finished_usec, 0);
        return userdata ? *(int *) userdata : 0;
}

START_TEST(an_operation_comes_back_as_it_was_meant) {
        int64_t first, second;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        first = insert(&assign, (const uint32_t[]){ 15, 14 }, 2);
        second = insert(&(DbOperation){ .verb = "release", .state = "undoing", .created_usec = TUESDAY + 1 }, NULL, 0);
        ck_assert_int_eq(db_operation_set_worker(scene.db, first, 99, 123456), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_gt(second, first);
        scene_close();

        scene_open(BOOT_TWO);
        ck_assert_int_eq(db_operation_foreach_open(scene.db, see_operation, NULL), 0);
        ck_assert_str_eq(seen, "assign running vm:web1 assignment 0 uid 1000 pid 4711 :1.23 worker 99@123456 at 0 14 15\n"
                               "release undoing - assignment 0 uid 0 pid 0 - worker 0@0 at 1\n");
}
END_TEST

START_TEST(an_operation_that_ended_is_no_longer_open_and_stays_ended) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = insert(&assign, (const uint32_t[]){ 14 }, 1);
        ck_assert_int_eq(db_operation_set_state(scene.db, id, "undoing", 0, "a device is gone"), 0);
        ck_assert_int_eq(db_operation_set_state(scene.db, id, "failed", TUESDAY + 5, "a device is gone"), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_operation_foreach_open(scene.db, see_operation, NULL), 0);
        ck_assert_str_eq(seen, "");
        assert_answer("SELECT state, finished_usec - created_usec, reason FROM operations", "failed|5|a device is gone\n");

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_operation_set_state(scene.db, id, "running", 0, NULL), -ENOENT);
        ck_assert_int_eq(db_commit(scene.db), -ENOENT);
}
END_TEST

START_TEST(a_state_and_its_end_go_together) {
        static const struct {
                const char *state;
                uint64_t finished;
        } wrong[] = { { "done", 0 }, { "running", TUESDAY }, { "finished", TUESDAY }, { "", 0 }, { NULL, 0 } };

        scene_open(BOOT_ONE);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                ck_assert_int_eq(db_begin(scene.db), 0);
                ck_assert_int_eq(db_operation_set_state(scene.db, insert(&assign, NULL, 0), wrong[i].state, wrong[i].finished, NULL), -EINVAL);
                db_rollback(scene.db);
        }
}
END_TEST

START_TEST(ids_are_not_used_again) {
        int64_t first, second;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        first = insert(&assign, NULL, 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(try_sql(scene.path, "DELETE FROM operations"), SQLITE_OK);
        ck_assert_int_eq(db_begin(scene.db), 0);
        second = insert(&assign, NULL, 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_gt(second, first);
}
END_TEST

START_TEST(what_is_not_there_cannot_be_referred_to) {
        int64_t id;
        DbOperation of_nothing = assign;

        of_nothing.assignment = 7;
        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_operation_insert(scene.db, &of_nothing, NULL, 0, &id), -ENOENT);
        db_rollback(scene.db);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_step_insert(scene.db, 7, &(DbStep){ .kind = "unbind" }), -ENOENT);
        db_rollback(scene.db);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_operation_set_worker(scene.db, 7, 1, 1), -ENOENT);
        db_rollback(scene.db);
}
END_TEST

START_TEST(a_group_is_in_an_operation_once) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_operation_insert(scene.db, &assign, (const uint32_t[]){ 14, 14 }, 2, &id), -EEXIST);
        db_rollback(scene.db);
        assert_answer("SELECT count(*) FROM operations", "0\n");
}
END_TEST

static int see_step(const DbStep *s, void *userdata) {
        size_t length = strlen(seen);

        (void) snprintf(seen + length, sizeof(seen) - length, "%u/%u %s %s %d %s %s %d state %d error %d\n", s->sequence, s->phase, s->kind,
                        s->address ? s->address : "-", (int) s->group, s->value ? s->value : "-", s->prior ? s->prior : "-", s->undo,
                        s->state, s->error);
        return userdata ? *(int *) userdata : 0;
}

/* Three steps, written out of order. */
static int64_t journal(void) {
        int64_t id = insert(&assign, (const uint32_t[]){ 14 }, 1);
        static const DbStep steps[] = {
                { .sequence = 2, .phase = 1, .kind = "unbind", .address = "0000:02:00.0", .group = 14, .prior = "e1000e" },
                { .sequence = 1, .phase = 0, .kind = "set-override", .address = "0000:02:00.0", .group = 14, .value = "vfio-pci", .prior = "" },
                { .sequence = 3, .phase = 2, .kind = "open-iommufd", .group = -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                ck_assert_int_eq(db_step_insert(scene.db, id, steps + i), 0);
        return id;
}

START_TEST(steps_come_back_in_order_with_what_became_of_them) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = journal();
        ck_assert_int_eq(db_step_set_state(scene.db, id, 1, DB_STEP_ISSUED, 0, TUESDAY + 1), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        assert_answer("SELECT state, issued_usec - 1794907800000000, answered_usec FROM steps", "issued|1|\nplanned||\nplanned||\n");
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_step_set_state(scene.db, id, 1, DB_STEP_DONE, 0, TUESDAY + 2), 0);
        ck_assert_int_eq(db_step_set_state(scene.db, id, 2, DB_STEP_ISSUED, 0, TUESDAY + 3), 0);
        ck_assert_int_eq(db_step_set_state(scene.db, id, 2, DB_STEP_FAILED, -ENODEV, TUESDAY + 4), 0);
        ck_assert_int_eq(db_step_set_state(scene.db, id, 3, DB_STEP_SKIPPED, 0, TUESDAY + 4), 0);
        ck_assert_int_eq(db_step_insert(scene.db, id, &(DbStep){ .sequence = 4, .phase = 0, .kind = "set-override", .address = "0000:02:00.0",
                                                                 .group = 14, .undo = true }), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);

        ck_assert_int_eq(db_step_foreach(scene.db, id, see_step, NULL), 0);
        ck_assert_str_eq(seen, "1/0 set-override 0000:02:00.0 14 vfio-pci  0 state 2 error 0\n"
                               "2/1 unbind 0000:02:00.0 14 - e1000e 0 state 3 error -19\n"
                               "3/2 open-iommufd - -1 - - 0 state 4 error 0\n"
                               "4/0 set-override 0000:02:00.0 14 - - 1 state 0 error 0\n");
        assert_answer("SELECT state, issued_usec - 1794907800000000, answered_usec - 1794907800000000 FROM steps",
                      "done|1|2\nfailed|3|4\nskipped||4\nplanned||\n");
}
END_TEST

START_TEST(every_state_of_a_step_is_kept) {
        int64_t id;

        scene_open(BOOT_ONE);
        for (DbStepState state = 0; state < _DB_STEP_STATE_MAX; state++) {
                char expected[32];

                ck_assert_int_eq(db_begin(scene.db), 0);
                id = journal();
                ck_assert_int_eq(db_step_set_state(scene.db, id, 1, state, 0, TUESDAY), 0);
                ck_assert_int_eq(db_commit(scene.db), 0);
                seen[0] = '\0';
                ck_assert_int_eq(db_step_foreach(scene.db, id, see_step, NULL), 0);
                (void) snprintf(expected, sizeof(expected), "state %d", state);
                *strchr(seen, '\n') = '\0';
                ck_assert_ptr_nonnull(strstr(seen, expected));
        }
}
END_TEST

START_TEST(a_step_that_is_not_there_is_an_error) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = journal();
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_step_set_state(scene.db, id, 9, DB_STEP_ISSUED, 0, TUESDAY), -ENOENT);
        db_rollback(scene.db);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_step_set_state(scene.db, id + 1, 1, DB_STEP_ISSUED, 0, TUESDAY), -ENOENT);
        db_rollback(scene.db);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_step_insert(scene.db, id, &(DbStep){ .sequence = 1, .kind = "unbind" }), -EEXIST);
        db_rollback(scene.db);
}
END_TEST

START_TEST(a_walk_ends_where_its_handler_says) {
        int64_t id;
        int stop = -ECANCELED;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        id = journal();
        (void) journal();
        ck_assert_int_eq(db_commit(scene.db), 0);
        ck_assert_int_eq(db_step_foreach(scene.db, id, see_step, &stop), -ECANCELED);
        ck_assert_ptr_eq(strchr(seen, '\n'), strrchr(seen, '\n'));
        seen[0] = '\0';
        ck_assert_int_eq(db_operation_foreach_open(scene.db, see_operation, &stop), -ECANCELED);
        ck_assert_ptr_eq(strchr(seen, '\n'), strrchr(seen, '\n'));
        ck_assert_int_eq(db_step_foreach(scene.db, id, see_step, NULL), 0);
}
END_TEST

static int close_it(const DbOperation *o, const uint32_t *groups, size_t n_groups, void *userdata) {
        ck_assert_int_eq(db_step_foreach(scene.db, o->id, see_step, NULL), 0);
        return db_operation_set_state(scene.db, o->id, "interrupted", TUESDAY + 9, "another boot");
}

START_TEST(a_handler_may_end_what_it_is_told_of) {
        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        for (unsigned i = 0; i < 3; i++)
                (void) journal();
        ck_assert_int_eq(db_operation_foreach_open(scene.db, close_it, NULL), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        assert_answer("SELECT state, count(*) FROM operations GROUP BY state", "interrupted|3\n");
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { an_operation_comes_back_as_it_was_meant },
                { an_operation_that_ended_is_no_longer_open_and_stays_ended },
                { a_state_and_its_end_go_together },
                { ids_are_not_used_again },
                { what_is_not_there_cannot_be_referred_to },
                { a_group_is_in_an_operation_once },
                { steps_come_back_in_order_with_what_became_of_them },
                { every_state_of_a_step_is_kept },
                { a_step_that_is_not_there_is_an_error },
                { a_walk_ends_where_its_handler_says },
                { a_handler_may_end_what_it_is_told_of },
        };

        return scene_suite_run("db-operation", tests, ELEMENTSOF(tests));
}
