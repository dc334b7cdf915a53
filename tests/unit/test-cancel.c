/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Cancelling: at once while it waits, by an undo while it takes, and not at all once giving back has begun. */

#include <string.h>

#include "base/strutil.h"
#include "daemon-scene.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static void cancel_as(uid_t uid, Operation *operation, RefusalCode code, const char *in_message) {
        _cleanup_(refusal_done) Refusal refusal = {};

        ck_assert_int_eq(manager_cancel(manager(), operation->id, &(Caller) { .uid = uid }, &refusal), 0);
        ck_assert_msg(refusal.code == code, "%s: %s", refusal_code_to_string(refusal.code) ?: "cancelled", refusal.message ?: "");
        ck_assert(!in_message || strstr(refusal.message, in_message));
}

static void cancel(Operation *operation) {
        cancel_as(0, operation, REFUSAL_NONE, NULL);
}

static void assert_cancelled(Operation *operation) {
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_msg(operation->outcome.code == REFUSAL_CANCELLED, "%s", operation->outcome.message ?: "done");
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "cancelled"));
}

START_TEST(one_that_waits_ends_at_once_and_lets_others_by) {
        Operation *a, *b, *c;

        scene_start();
        a = begin_assign("vm:a", "0000:02:00.0");
        b = begin_request(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.0", "0000:01:00.0", NULL));
        c = begin_assign("vm:c", "0000:01:00.0");
        ck_assert_int_eq(c->state, OPERATION_WAITING);
        cancel(b);
        ck_assert(operation_has_ended(b));
        assert_cancelled(b);
        await_end(c);
        ck_assert_int_eq(c->state, OPERATION_DONE);
        await_end(a);
        assert_rows("SELECT state, reason FROM operations WHERE id = 2", "failed|User 0 cancelled operation 2 while it waited\n");
        assert_rows("SELECT outcome, error FROM audit WHERE operation = 2", "failed|Cancelled\n");
}
END_TEST

static const SimkCall assign_calls[] = { SIMK_SET_OVERRIDE, SIMK_UNBIND, SIMK_BIND };

/* In every phase. */
START_TEST(an_assign_is_undone_after_the_steps_under_way) {
        for (size_t i = 0; i < ELEMENTSOF(assign_calls); i++) {
                _cleanup_free_ char *before = scene_snapshot();
                _cleanup_close_ int hang = -EBADF;
                Operation *operation;

                if (i == 0)
                        scene_start();
                hang = simk_hang(daemon_scene.root, assign_calls[i], &nic, 1);
                operation = begin_assign("vm:a", "0000:02:00.0");
                AWAIT(operation->n_unanswered == 1);
                cancel(operation);
                cancel_as(0, operation, REFUSAL_NOT_SUPPORTED, "being undone already");
                hang = safe_close(hang);
                assert_cancelled(operation);
                assert_snapshot(before);
                ck_assert_ptr_null(manager_group_assignment(manager(), NIC_GROUP));
        }
        assert_rows("SELECT state, count(*) FROM assignments GROUP BY state", "undone|3\n");
}
END_TEST

START_TEST(an_opening_that_is_cancelled_hands_out_nothing) {
        _cleanup_close_ int hang = -EBADF;
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        hang = simk_hang(daemon_scene.root, SIMK_ANY, NULL, 1);
        operation = begin_open(1);
        AWAIT(operation->n_unanswered == 1);
        cancel(operation);
        hang = safe_close(hang);
        assert_cancelled(operation);
        ck_assert_uint_eq(operation->n_fds, 0);
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
}
END_TEST

START_TEST(giving_back_goes_on_once_it_has_begun) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int hang = -EBADF;
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        hang = simk_hang(daemon_scene.root, SIMK_UNBIND, &nic, 1);
        operation = begin_release("vm:a");
        await_trace("begin unbind 0000:02:00.0 vfio-pci");
        cancel_as(0, operation, REFUSAL_NOT_SUPPORTED, "too late");
        hang = safe_close(hang);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        assert_snapshot(before);
}
END_TEST

START_TEST(an_operation_is_its_callers_and_roots_to_cancel) {
        Request request = make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", NULL);
        Operation *operation;

        request.caller.uid = 1000;
        scene_write_policy("everybody.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        scene_start();
        operation = begin_request(request);
        cancel_as(1001, operation, REFUSAL_DENIED, "another user");
        cancel_as(1000, operation, REFUSAL_NONE, NULL);
        assert_cancelled(operation);
        cancel_as(1000, operation, REFUSAL_NOT_SUPPORTED, "is over: it is failed");
}
END_TEST

START_TEST(a_recovery_is_not_cancelled) {
        Operation *operation;

        scene_start();
        ck_assert_int_eq(simk_crash(daemon_scene.root, SIMK_BIND, &nic, 1, false), 0);
        (void) begin_assign("vm:a", "0000:02:00.0");
        await_trace("end unbind 0000:02:00.0");
        scene_stop();
        scene_create();
        ck_assert_int_eq(manager_start(manager()), 0);
        AWAIT(manager()->n_operations > 0);
        operation = manager()->operations[0];
        cancel_as(0, operation, REFUSAL_NOT_SUPPORTED, operation->settled ? "is over" : "puts right");
        await_end(operation);
}
END_TEST

DAEMON_SUITE("cancel", one_that_waits_ends_at_once_and_lets_others_by, an_assign_is_undone_after_the_steps_under_way,
             an_opening_that_is_cancelled_hands_out_nothing, giving_back_goes_on_once_it_has_begun, an_operation_is_its_callers_and_roots_to_cancel,
             a_recovery_is_not_cancelled)
