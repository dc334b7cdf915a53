/* SPDX-License-Identifier: GPL-2.0-or-later */

/* One caller cannot use up what all share. */

#include <string.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/limits.h"

static Request request_of(uid_t uid, const char *owner) {
        Request request = make_request(VERB_ASSIGN, owner, "0000:02:00.0", NULL);

        request.caller.uid = uid;
        request.caller.bus_name = strdup(":1.7");
        ck_assert_ptr_nonnull(request.caller.bus_name);
        return request;
}

START_TEST(only_so_many_of_one_caller_wait_and_others_may) {
        _cleanup_close_ int hang = -EBADF;
        Operation *first;

        scene_write_policy("everybody.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_SET_OVERRIDE, &nic, 1);
        first = begin_request(request_of(1000, "vm:a"));
        for (unsigned i = 0; i < LIMIT_WAITING; i++)
                ck_assert_int_eq(begin_request(request_of(1000, "vm:b"))->state, OPERATION_WAITING);
        request_refused(request_of(1000, "vm:c"), REFUSAL_LIMITS_EXCEEDED, "User 1000 has 128 operations that wait");
        ck_assert_int_eq(begin_request(request_of(1001, "vm:d"))->state, OPERATION_WAITING);
        ck_assert_int_eq(begin_release("vm:a")->state, OPERATION_WAITING); /* the daemon's own */
        hang = safe_close(hang);
        await_end(first);
        AWAIT(daemon_scene.manager->queue.n_waiting == 0);
        ck_assert_int_eq(first->state, OPERATION_DONE);
        AWAIT(daemon_scene.manager->queue.n_running == 0);
}
END_TEST

START_TEST(only_so_many_operations_of_one_caller_are_under_way) {
        _cleanup_(refusal_done) Refusal refusal = {}, other = {};
        Request request = request_of(1000, "vm:a");
        Operation *operation = NULL, asked = { .request = { .verb = VERB_RELEASE, .caller = { .uid = 1000, .bus_name = (char *) ":1.7" } } };

        scene_start();
        ck_assert_int_eq(operation_new(&daemon_scene.manager->context, &(const OperationOwner) {}, NULL, &request, &operation), 0);
        for (unsigned i = 0; i < LIMIT_OPERATIONS; i++)
                ck_assert_int_eq(manager_add_operation(daemon_scene.manager, &(Operation *) { operation }), 0);
        ck_assert_int_eq(limits_check_operations(daemon_scene.manager, &asked, &refusal), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_NONE);
        ck_assert_int_eq(manager_add_operation(daemon_scene.manager, &(Operation *) { operation }), 0);
        ck_assert_int_eq(limits_check_operations(daemon_scene.manager, &asked, &refusal), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_LIMITS_EXCEEDED);
        ck_assert_ptr_nonnull(strstr(refusal.message, "256 operations"));
        asked.request.caller.uid = 1001;
        ck_assert_int_eq(limits_check_operations(daemon_scene.manager, &asked, &other), 0);
        ck_assert_uint_eq(other.code, REFUSAL_NONE);
        daemon_scene.manager->n_operations = 1; /* the one that all these were */
}
END_TEST

START_TEST(only_so_many_assignments_are_one_callers) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Assignment held = { .uid = 1000 }, **held_often = NULL;
        Operation asked = { .request = { .verb = VERB_ASSIGN, .caller = { .uid = 1000, .bus_name = (char *) ":1.7" } } };
        Manager many = {};

        held_often = calloc(LIMIT_ASSIGNMENTS, sizeof(Assignment *));
        ck_assert_ptr_nonnull(held_often);
        for (unsigned i = 0; i < LIMIT_ASSIGNMENTS; i++)
                held_often[i] = &held;
        many.assignments = (AssignmentTable) { .items = held_often, .n_items = LIMIT_ASSIGNMENTS - 1 };
        ck_assert_int_eq(limits_check_operations(&many, &asked, &refusal), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_NONE);
        many.assignments.n_items++;
        ck_assert_int_eq(limits_check_operations(&many, &asked, &refusal), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_LIMITS_EXCEEDED);
        free(held_often);
}
END_TEST

START_TEST(while_too_many_are_stuck_nothing_is_begun_but_what_the_daemon_does_itself) {
        _cleanup_(refusal_done) Refusal refusal = {}, own = {};
        Operation asked = { .request = { .verb = VERB_RELEASE, .caller = { .uid = 0, .bus_name = (char *) ":1.7" } } }, stuck = { .stuck = true }, runs = {};
        Operation *running[LIMIT_STUCK + 1];
        Manager many = { .queue = { .running = running, .n_running = ELEMENTSOF(running) } };

        for (unsigned i = 0; i < LIMIT_STUCK; i++)
                running[i] = &stuck;
        running[0] = running[LIMIT_STUCK] = &runs;
        ck_assert_int_eq(limits_check_operations(&many, &asked, &refusal), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_NONE);
        running[0] = &stuck;
        ck_assert_int_eq(limits_check_operations(&many, &asked, &refusal), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_LIMITS_EXCEEDED);
        ck_assert_ptr_nonnull(strstr(refusal.message, "32 operations are stuck"));
        asked.request.caller.bus_name = NULL;
        ck_assert_int_eq(limits_check_operations(&many, &asked, &own), 0);
        ck_assert_uint_eq(own.code, REFUSAL_NONE);
}
END_TEST

DAEMON_SUITE("limits", only_so_many_of_one_caller_wait_and_others_may, only_so_many_operations_of_one_caller_are_under_way,
             only_so_many_assignments_are_one_callers, while_too_many_are_stuck_nothing_is_begun_but_what_the_daemon_does_itself)
