/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The end of assignments: owners that still hold what is taken from them. */

#include "base/io.h"
#include "daemon-scene.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static GroupState state_of(uint32_t group) {
        return manager_group_state(manager(), group);
}

START_TEST(a_member_that_does_not_leave_keeps_the_others_off_their_host_drivers) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        operation = begin_release("vm:a");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_driver(&nic, "vfio-pci");
        assert_driver(&mate, NULL);
        assert_override(&mate, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.1", NULL), REFUSAL_OWNED, "vm:a");
}
END_TEST

START_TEST(a_group_that_does_not_leave_keeps_the_whole_assignment_with_its_owner) {
        Operation *operation;

        scene_start();
        await_end(begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", "0000:02:00.0", NULL)));
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        operation = begin_release("vm:a");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_driver(&single, NULL);
        assert_override(&single, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:01:00.0", NULL), REFUSAL_OWNED, "vm:a");
        assert_rows("SELECT count(*) FROM current_assignments WHERE owner = 'vm:a'", "3\n");
        release("vm:a");
        assert_driver(&single, "e1000e");
}
END_TEST

START_TEST(an_assignment_that_does_not_leave_keeps_the_others_of_its_owner) {
        _cleanup_free_ char *before = scene_snapshot();
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:01:00.0");
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        operation = begin_release("vm:a");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_driver(&single, NULL); /* not given back, so not over */
        assert_rows("SELECT count(*) FROM current_assignments WHERE owner = 'vm:a'", "3\n");
        release("vm:a");
        assert_snapshot(before);
}
END_TEST

static bool unbind_has_failed(const Operation *operation, const PciAddress *address) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->plan.steps[i].kind == STEP_UNBIND && pci_address_compare(&operation->plan.steps[i].address, address) == 0)
                        return operation->progress[i].state == STEP_FAILED;
        return false;
}

START_TEST(an_unbind_that_fails_for_a_device_that_is_unplugged_leaves_the_rest_to_be_given_back) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:01:00.0");
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        operation = begin_release("vm:a");
        AWAIT(unbind_has_failed(operation, &nic));
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.0"), 0);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_driver(&single, NULL);
        assert_override(&single, "vfio-pci");
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:01:00.0", NULL), REFUSAL_OWNED, "vm:a");
        release("vm:a");
        assert_driver(&single, "e1000e");
        assert_driver(&mate, "e1000e");
        assert_override(&single, NULL);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
}
END_TEST

static void put_on_vfio_by_hand(const PciAddress *address) {
        const char *text = PCI_ADDRESS_FORMAT(address);

        ck_assert_int_eq(treegen_set_override(daemon_scene.root, text, "vfio-pci"), 0);
        ck_assert_int_eq(simk_unbind(daemon_scene.root, address, "e1000e"), 0);
        ck_assert_int_eq(simk_bind(daemon_scene.root, address, "vfio-pci"), 0);
}

START_TEST(what_was_on_its_vfio_driver_before_is_not_given_on_while_somebody_holds_it) {
        _cleanup_free_ char *before = NULL;
        _cleanup_close_ int held = -EBADF;
        Operation *operation, *next;

        put_on_vfio_by_hand(&single);
        before = scene_snapshot();
        scene_start();
        (void) assign("vm:a", "0000:01:00.0");
        held = simk_hold(daemon_scene.root, &single);
        ck_assert_int_ge(held, 0);
        operation = begin_release("vm:a");
        await_trace("begin unbind 0000:01:00.0 vfio-pci");
        next = begin_assign("vm:b", "0000:01:00.0");
        loop_drain();
        ck_assert_int_eq(next->state, OPERATION_WAITING);

        held = safe_close(held);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        await_end(next);
        ck_assert_int_eq(next->state, OPERATION_DONE);
        release("vm:b");
        assert_snapshot(before);
}
END_TEST

/* Stuck. */

START_TEST(a_stuck_release_stops_its_group_only_and_goes_on_when_the_holder_lets_go) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int held = -EBADF;
        Operation *operation;

        daemon_scene.config.slow_usec = 1000;
        daemon_scene.config.stuck_usec = 2000;
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        held = simk_hold(daemon_scene.root, &nic);
        ck_assert_int_ge(held, 0);
        operation = begin_release("vm:a");
        AWAIT(operation->stuck);
        ck_assert_str_eq(operation_state_word(operation), "stuck");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RELEASING);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.0", NULL), REFUSAL_STUCK, "stuck");
        request_refused(make_request(VERB_RELEASE, "vm:a", NULL), REFUSAL_STUCK, "stuck");
        (void) assign("vm:b", "0000:05:00.1");
        release("vm:b");

        held = safe_close(held);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        ck_assert(!operation->stuck);
        assert_snapshot(before);
        assert_heard("operation-changed 2 stuck");
        assert_heard("group 14 changed releasing");
}
END_TEST

DAEMON_SUITE("release",
             a_member_that_does_not_leave_keeps_the_others_off_their_host_drivers,
             a_group_that_does_not_leave_keeps_the_whole_assignment_with_its_owner,
             an_assignment_that_does_not_leave_keeps_the_others_of_its_owner,
             an_unbind_that_fails_for_a_device_that_is_unplugged_leaves_the_rest_to_be_given_back,
             what_was_on_its_vfio_driver_before_is_not_given_on_while_somebody_holds_it,
             a_stuck_release_stops_its_group_only_and_goes_on_when_the_holder_lets_go)
