/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What is quarantined is closed, whoever asks and however often assignd starts, until root recovers it. */

#include "daemon-scene.h"

static GroupState state_of(uint32_t group) {
        return manager_group_state(daemon_scene.manager, group);
}

static void endanger(void) {
        ck_assert_int_eq(simk_set_override(daemon_scene.root, &nic, NULL), 0);
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &nic, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(daemon_scene.root, &nic, "e1000e"), 0);
        AWAIT(state_of(NIC_GROUP) == GROUP_STATE_QUARANTINED);
}

static Operation *begin_recover(const char *target) {
        return begin_request(make_request(VERB_RECOVER, NULL, target, NULL));
}

static void recover(const char *target) {
        Operation *operation = begin_recover(target);

        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
}

START_TEST(a_quarantined_group_goes_to_nobody_even_after_its_release_and_a_reboot) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        endanger();
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.1", NULL), REFUSAL_QUARANTINED, "is on the host driver e1000e");
        release("vm:a");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.0", NULL), REFUSAL_QUARANTINED, "until an administrator recovers it");
        scene_stop();
        scene_set_boot_id("11234567-89ab-cdef-0123-456789abcdef\n");
        scene_start();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        recover("group:14");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        assert_snapshot(before);
        (void) assign("vm:b", "0000:02:00.0");
        release("vm:b");
}
END_TEST

START_TEST(a_quarantined_assignment_cannot_be_opened) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;
        Caller caller = {};
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        endanger();
        ck_assert_int_eq(manager_open(daemon_scene.manager, id, NULL, &caller, &refusal, &operation), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_QUARANTINED);
        recover("0000:02:00.1");
        await_end(begin_open(id));
}
END_TEST

START_TEST(other_groups_go_on) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        endanger();
        (void) assign("vm:b", "0000:01:00.0");
        release("vm:b");
}
END_TEST

START_TEST(what_an_undo_cannot_bring_back_is_quarantined_until_it_is_recovered) {
        _cleanup_free_ char *before = scene_snapshot();
        Operation *operation;

        scene_start();
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_BIND, &mate, 1, EIO), 0); /* to vfio-pci */
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_BIND, &nic, 2, EIO), 0);  /* back to e1000e */
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        assert_rows("SELECT code, operation, detail FROM quarantines",
                    "failed-undo|1|operation 1 could not be undone: 0000:02:00.0 is not as it was\n");
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_QUARANTINED, "could not be undone");
        recover("group:14");
        assert_snapshot(before);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        assert_rows("SELECT end_reason FROM quarantines", "recovered\n");
        assert_rows("SELECT event FROM group_history WHERE group_number = 14 AND event IN ('quarantined', 'recovered') ORDER BY at",
                    "quarantined\nrecovered\n");
}
END_TEST

START_TEST(a_recovery_that_fails_leaves_the_group_closed_and_can_be_tried_again) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        endanger();
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        operation = begin_recover("group:14");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        assert_rows("SELECT count(*) FROM quarantines WHERE ended_usec IS NULL", "1\n");
        recover("group:14");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
}
END_TEST

START_TEST(a_crash_in_the_middle_of_a_recovery_leaves_the_group_closed) {
        _cleanup_close_ int hang = -EBADF;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        endanger();
        hang = simk_hang(daemon_scene.root, SIMK_BIND, &nic, 1);
        (void) begin_recover("group:14");
        await_trace("begin bind 0000:02:00.0 vfio-pci");
        scene_stop();
        hang = safe_close(hang);
        ck_assert_int_eq(simk_await(daemon_scene.root, "end bind 0000:02:00.0 vfio-pci"), 0);
        scene_start();
        AWAIT(state_of(NIC_GROUP) == GROUP_STATE_QUARANTINED); /* its worker may take its time to end */
        assert_rows("SELECT verb, state FROM operations ORDER BY id DESC LIMIT 1", "recover|interrupted\n");
        recover("group:14");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
}
END_TEST

START_TEST(only_root_recovers_and_only_what_there_is_to_recover) {
        Request of_another = make_request(VERB_RECOVER, NULL, "group:14", NULL);

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        endanger();
        of_another.caller.uid = 1000;
        request_refused(of_another, REFUSAL_DENIED, "Only an administrator");
        request_refused(make_request(VERB_RECOVER, NULL, "0000:01:00.0", NULL), REFUSAL_INVALID_ARGUMENT, "nothing to recover");
        request_refused(make_request(VERB_RECOVER, NULL, "group:99", NULL), REFUSAL_NO_SUCH_GROUP, "99");
        request_refused(make_request(VERB_RECOVER, NULL, NULL), REFUSAL_INVALID_TARGET, "No target");
        recover("group:14");
}
END_TEST

START_TEST(a_plan_of_a_recovery_shows_what_differs_and_changes_nothing) {
        _cleanup_(request_done) Request request = make_request(VERB_RECOVER, NULL, "group:14", NULL);
        _cleanup_(plan_result_done) PlanResult result = {};
        _cleanup_free_ char *before = NULL;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        endanger();
        before = scene_snapshot();
        ck_assert_int_eq(manager_plan(daemon_scene.manager, &request, &result), 0);
        ck_assert_int_eq(result.refusal.code, REFUSAL_NONE);
        ck_assert_uint_eq(result.plan.n_steps, 3); /* override, unbind, bind of the one */
        ck_assert_int_eq(result.plan.steps[1].kind, STEP_UNBIND);
        ck_assert_str_eq(result.differences[0], "0000:02:00.0 has left vfio-pci and is on the host driver e1000e");
        ck_assert_str_eq(result.differences[1], "the driver_override vfio-pci of 0000:02:00.0 was cleared");
        assert_snapshot(before);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
}
END_TEST

DAEMON_SUITE("quarantine",
             a_quarantined_group_goes_to_nobody_even_after_its_release_and_a_reboot,
             a_quarantined_assignment_cannot_be_opened,
             other_groups_go_on,
             what_an_undo_cannot_bring_back_is_quarantined_until_it_is_recovered,
             a_recovery_that_fails_leaves_the_group_closed_and_can_be_tried_again,
             a_crash_in_the_middle_of_a_recovery_leaves_the_group_closed,
             only_root_recovers_and_only_what_there_is_to_recover,
             a_plan_of_a_recovery_shows_what_differs_and_changes_nothing)
