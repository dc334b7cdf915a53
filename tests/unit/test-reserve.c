/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Groups that are kept off the host with no owner: over assignments, restarts, crashes and reboots. */

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "daemon-scene.h"

#define OTHER_BOOT "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static GroupState state_of(uint32_t group) {
        return manager_group_state(manager(), group);
}

static Operation *begin(Verb verb, const char *target) {
        return begin_request(make_request(verb, NULL, target, NULL));
}

static void reserve(const char *target) {
        Operation *operation = begin(VERB_RESERVE, target);

        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
}

static void unreserve(const char *target) {
        Operation *operation = begin(VERB_UNRESERVE, target);

        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
}

static void assert_reserved(void) {
        assert_driver(&nic, "vfio-pci");
        assert_driver(&mate, "vfio-pci");
        assert_override(&nic, "vfio-pci");
        assert_override(&mate, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RESERVED);
}

START_TEST(a_reserved_group_is_off_the_host_with_no_owner_and_comes_back_exactly) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        reserve("0000:02:00.0");
        assert_reserved();
        ck_assert_uint_eq(manager()->assignments.n_items, 0);
        assert_rows("SELECT address, role, driver_before, state FROM current_reservations ORDER BY address",
                    "0000:02:00.0|wanted|e1000e|active\n0000:02:00.1|companion|e1000e|active\n");

        unreserve("group:14");
        assert_snapshot(before);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        assert_rows("SELECT count(*) FROM current_reservations", "0\n");
        assert_rows("SELECT verb, targets, devices, groups, outcome FROM audit_log",
                    "reserve|0000:02:00.0|0000:02:00.0 0000:02:00.1|14|done\nunreserve|group:14|0000:02:00.0 0000:02:00.1|14|done\n");
}
END_TEST

START_TEST(an_assignment_on_top_returns_to_reserved) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        reserve("0000:02:00.0");
        (void) assign("vm:a", "0000:02:00.1");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        request_refused(make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", NULL), REFUSAL_OWNED, "vm:a");
        release("vm:a");
        assert_reserved();
        unreserve("0000:02:00.0");
        assert_snapshot(before);
}
END_TEST

START_TEST(reserving_what_is_reserved_changes_nothing) {
        PlanResult result;
        Request request;

        scene_start();
        reserve("0000:02:00.0");
        request = make_request(VERB_RESERVE, NULL, "0000:02:00.1", NULL);
        ck_assert_int_eq(manager_plan(manager(), &request, &result), 0);
        ck_assert_int_eq(result.refusal.code, REFUSAL_NONE);
        ck_assert_uint_eq(result.plan.n_steps, 0);
        plan_result_done(&result);
        request_done(&request);

        reserve("0000:02:00.1");
        assert_reserved();
        assert_rows("SELECT count(*) FROM reservation_history", "2\n");
}
END_TEST

START_TEST(what_is_not_reserved_yet_is_reserved_beside_what_is) {
        scene_start();
        reserve("0000:02:00.0");
        await_end(begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", "0000:01:00.0", NULL)));
        ck_assert_uint_eq(manager()->reservations.n_items, 2);
        assert_driver(&single, "vfio-pci");
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
        assert_driver(&single, "vfio-pci");
        unreserve("0000:01:00.0");
        assert_driver(&single, "e1000e");
}
END_TEST

START_TEST(several_groups_are_reserved_together_and_unreserved_one_by_one) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        await_end(begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", "0000:01:00.0", NULL)));
        ck_assert_uint_eq(manager()->reservations.n_items, 2);
        ck_assert_uint_ne(manager()->reservations.items[0]->id, manager()->reservations.items[1]->id);
        unreserve("0000:01:00.0");
        assert_reserved();
        unreserve("0000:02:00.0");
        assert_snapshot(before);
}
END_TEST

START_TEST(what_is_assigned_is_not_reserved) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        request_refused(make_request(VERB_RESERVE, NULL, "0000:02:00.1", NULL), REFUSAL_OWNED, "vm:a");
        ck_assert_uint_eq(manager()->reservations.n_items, 0);
}
END_TEST

START_TEST(what_is_not_reserved_is_not_unreserved) {
        scene_start();
        request_refused(make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", NULL), REFUSAL_NO_SUCH_OWNER, "0000:02:00.0 is not reserved");
        request_refused(make_request(VERB_UNRESERVE, NULL, "group:14", NULL), REFUSAL_NO_SUCH_OWNER, "Group 14 is not reserved");
        request_refused(make_request(VERB_UNRESERVE, NULL, "group:4711", NULL), REFUSAL_NO_SUCH_GROUP, "4711");
        request_refused(make_request(VERB_UNRESERVE, NULL, "0000:77:00.0", NULL), REFUSAL_NO_SUCH_DEVICE, "0000:77:00.0");
        request_refused(make_request(VERB_UNRESERVE, NULL, "nonsense", NULL), REFUSAL_INVALID_TARGET, "nonsense");
        request_refused(make_request(VERB_RESERVE, NULL, NULL), REFUSAL_INVALID_TARGET, "No target");
}
END_TEST

START_TEST(somebody_elses_reservation_is_not_unreserved) {
        Request request;

        scene_start();
        reserve("0000:02:00.0");
        request = make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", NULL);
        request.caller.uid = 1000;
        request_refused(request, REFUSAL_DENIED, "belongs to another user");
        assert_reserved();
}
END_TEST

START_TEST(a_reservation_that_fails_is_undone_as_a_whole) {
        _cleanup_free_ char *before = scene_snapshot();
        Operation *operation;

        scene_start();
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_BIND, &mate, 1, EBUSY), 0);
        operation = begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", "0000:01:00.0", NULL));
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_snapshot(before);
        ck_assert_uint_eq(manager()->reservations.n_items, 0);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        assert_rows("SELECT DISTINCT state FROM reservation_history", "undone\n");
        assert_rows("SELECT verb, outcome FROM audit_log", "reserve|failed\n");
}
END_TEST

START_TEST(a_member_that_does_not_leave_keeps_its_group_reserved) {
        Operation *operation;

        scene_start();
        reserve("0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        operation = begin(VERB_UNRESERVE, "0000:02:00.0");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_driver(&mate, NULL);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RESERVED);
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
        assert_driver(&mate, "e1000e");
}
END_TEST

START_TEST(reserve_and_unreserve_wait_for_their_turn) {
        _cleanup_free_ char *before = scene_snapshot();
        Operation *assigning, *reserving, *unreserving;

        scene_start();
        reserving = begin(VERB_RESERVE, "0000:02:00.0");
        assigning = begin_assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(assigning->state, OPERATION_WAITING);
        await_end(reserving);
        await_end(assigning);
        ck_assert_int_eq(assigning->state, OPERATION_DONE);

        (void) begin_release("vm:a");
        unreserving = begin(VERB_UNRESERVE, "0000:02:00.0");
        ck_assert_int_eq(unreserving->state, OPERATION_WAITING);
        await_end(unreserving);
        ck_assert_int_eq(unreserving->state, OPERATION_DONE);
        assert_snapshot(before);
}
END_TEST

START_TEST(a_restart_of_the_daemon_changes_nothing) {
        _cleanup_free_ char *reserved = NULL;

        scene_start();
        reserve("0000:02:00.0");
        reserved = scene_snapshot();
        scene_stop();
        scene_start();
        assert_snapshot(reserved);
        assert_reserved();
        assert_rows("SELECT count(*) FROM operations", "1\n");
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
}
END_TEST

static void put_on(const PciAddress *address, const char *driver) {
        ck_assert_int_eq(treegen_set_override(daemon_scene.root, PCI_ADDRESS_FORMAT(address), NULL), 0);
        (void) simk_unbind(daemon_scene.root, address, "vfio-pci");
        (void) simk_unbind(daemon_scene.root, address, "e1000e");
        if (driver)
                ck_assert_int_eq(simk_bind(daemon_scene.root, address, driver), 0);
}

/* What a reboot leaves of vfio-pci and of overrides: nothing. */
static void reboot_with(const char *nic_driver) {
        scene_stop();
        scene_set_boot_id(OTHER_BOOT);
        put_on(&nic, nic_driver);
        put_on(&mate, "e1000e");
        put_on(&single, "e1000e");
}

START_TEST(after_a_reboot_it_is_put_into_the_kernel_once_more) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        reserve("0000:02:00.0");
        reboot_with("e1000e");
        assert_snapshot(before);
        scene_start();
        assert_reserved();
        assert_rows("SELECT verb, outcome, message FROM audit_log ORDER BY id", "reserve|done|\nreserve|done|\n");
        assert_rows("SELECT count(*) FROM current_reservations WHERE boot_id LIKE 'aaaa%'", "2\n");

        /* Once a boot: what somebody does to it later is not repaired silently. */
        scene_stop();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &nic, "vfio-pci"), 0);
        scene_start();
        assert_driver(&nic, NULL);
        assert_rows("SELECT count(*) FROM operations", "2\n");
        unreserve("0000:02:00.0");
        assert_snapshot(before);
}
END_TEST

START_TEST(after_a_reboot_an_assignment_on_top_has_ended_and_the_reservation_stays) {
        scene_start();
        reserve("0000:02:00.0");
        (void) assign("vm:a", "0000:02:00.0");
        reboot_with("e1000e");
        scene_start();
        assert_reserved();
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
        assert_override(&nic, NULL);
}
END_TEST

START_TEST(a_driver_that_is_not_loaded_after_a_reboot_stays_recorded) {
        scene_start();
        reserve("0000:02:00.0");
        reboot_with(NULL);
        scene_start();
        assert_reserved();
        assert_rows("SELECT driver_before FROM current_reservations ORDER BY address", "e1000e\ne1000e\n");
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(another_device_at_the_address_after_a_reboot_is_not_touched) {
        scene_start();
        reserve("0000:02:00.0");
        reboot_with("e1000e");
        ck_assert_int_eq(treegen_set_attribute(daemon_scene.root, "0000:02:00.0", "modalias", "pci:v00008086d000010D3sv00008086sd00004711bc02sc00i00\n"), 0);
        scene_start();
        assert_driver(&nic, "e1000e");
        assert_override(&nic, NULL);
        assert_driver(&mate, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RESERVED);
        {
                _cleanup_free_ char *message = answer("SELECT outcome, message FROM audit_log ORDER BY id DESC LIMIT 1");

                ck_assert_ptr_nonnull(strstr(message, "0000:02:00.0 is another device now"));
        }
        assert_rows("SELECT address, group_number FROM current_reservations ORDER BY address", "0000:02:00.0|\n0000:02:00.1|14\n");
        unreserve("0000:02:00.1");
        assert_driver(&mate, "e1000e");
}
END_TEST

START_TEST(a_reservation_of_devices_that_are_all_gone_stays_until_it_is_unreserved) {
        scene_start();
        reserve("0000:01:00.0");
        reboot_with("e1000e");
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:01:00.0"), 0);
        scene_start();
        assert_rows("SELECT address, group_number FROM current_reservations", "0000:01:00.0|\n");
        assert_rows("SELECT verb, outcome, message FROM audit_log ORDER BY id DESC LIMIT 1", "reserve|failed|0000:01:00.0 is gone\n");
        scene_stop();
        scene_start();
        assert_rows("SELECT count(*) FROM audit_log", "2\n");
        unreserve("0000:01:00.0");
        assert_rows("SELECT count(*) FROM current_reservations", "0\n");
}
END_TEST

START_TEST(one_that_cannot_be_put_back_stays_off_the_host_where_it_can_and_is_told_of) {
        scene_start();
        reserve("0000:02:00.0");
        reboot_with("e1000e");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_BIND, &nic, 1, EIO), 0);
        scene_start();
        assert_driver(&nic, NULL);
        assert_override(&nic, "vfio-pci");
        assert_driver(&mate, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RESERVED);
        assert_rows("SELECT verb, outcome FROM audit_log ORDER BY id DESC LIMIT 1", "reserve|failed\n");
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
        assert_driver(&mate, "e1000e");
}
END_TEST

START_TEST(one_whose_override_cannot_be_put_back_leaves_its_group_on_the_host_and_is_told_of) {
        scene_start();
        reserve("0000:02:00.0");
        reboot_with("e1000e");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_SET_OVERRIDE, &nic, 1, EIO), 0);
        scene_start();
        assert_driver(&nic, "e1000e");
        assert_override(&nic, NULL);
        assert_driver(&mate, "e1000e");
        assert_rows("SELECT count(*) FROM steps WHERE kind IN ('unbind', 'bind') AND state = 'skipped'", "4\n");
        assert_rows("SELECT verb, outcome FROM audit_log ORDER BY id DESC LIMIT 1", "reserve|failed\n");
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
        assert_override(&mate, NULL);
        assert_driver(&mate, "e1000e");
}
END_TEST

START_TEST(one_that_is_unplugged_while_it_is_put_back_keeps_no_other_on_the_host) {
        scene_start();
        reserve("0000:02:00.0");
        reboot_with("e1000e");
        daemon_scene.ready = false;
        scene_create();
        ck_assert_int_eq(manager_start(manager()), 0); /* nothing is sent to the worker before the loop turns */
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.0"), 0);
        AWAIT(daemon_scene.ready);
        assert_driver(&mate, "vfio-pci");
        assert_override(&mate, "vfio-pci");
        assert_rows("SELECT kind, state FROM steps WHERE operation = 2 AND address = '0000:02:00.0' ORDER BY sequence",
                    "set-override|failed\nunbind|skipped\nbind|skipped\n");
        assert_rows("SELECT verb, outcome FROM audit_log ORDER BY id DESC LIMIT 1", "reserve|failed\n");
        unreserve("0000:02:00.1");
        assert_driver(&mate, "e1000e");
        assert_override(&mate, NULL);
}
END_TEST

/* Quarantined before a reboot, and after it as the host has it. */
static void reboot_quarantined(void) {
        scene_start();
        reserve("0000:02:00.0");
        put_on(&nic, "e1000e");
        AWAIT(state_of(NIC_GROUP) == GROUP_STATE_QUARANTINED);
        reboot_with("e1000e");
        ck_assert_int_eq(treegen_set_override(daemon_scene.root, "0000:02:00.1", "e1000e"), 0);
        scene_start();
        assert_driver(&nic, "e1000e");
        assert_driver(&mate, "e1000e");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        assert_rows("SELECT count(*) FROM current_reservations WHERE boot_id LIKE 'aaaa%'", "0\n");
}

START_TEST(one_that_was_quarantined_over_a_reboot_is_put_back_when_it_is_recovered) {
        Operation *operation;

        reboot_quarantined();
        operation = begin(VERB_RECOVER, "group:14");
        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
        assert_reserved();
        assert_rows("SELECT address, driver_before, group_number FROM current_reservations WHERE boot_id LIKE 'aaaa%' ORDER BY address",
                    "0000:02:00.0|e1000e|14\n0000:02:00.1|e1000e|14\n");

        /* Once a boot, whoever does it; and what is given back is what this boot had. */
        scene_stop();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &nic, "vfio-pci"), 0);
        scene_start();
        assert_driver(&nic, NULL);
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
        assert_override(&nic, NULL);
        assert_driver(&mate, "e1000e");
        assert_override(&mate, "e1000e");
}
END_TEST

START_TEST(no_member_is_taken_off_the_host_by_a_recovery_that_cannot_set_every_override) {
        Operation *operation;

        reboot_quarantined();
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_SET_OVERRIDE, &nic, 1, EIO), 0);
        operation = begin(VERB_RECOVER, "group:14");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_driver(&nic, "e1000e");
        assert_driver(&mate, "e1000e");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        await_end(begin(VERB_RECOVER, "group:14"));
        assert_reserved();
        unreserve("0000:02:00.0");
        assert_driver(&nic, "e1000e");
        assert_override(&mate, "e1000e");
}
END_TEST

/* A daemon of its own process, which does `act` (NULL: recovers) and is killed after `n_turns` turns of its loop. */
typedef Operation *(*act_t)(void);

static bool is_at_rest(void) {
        if (manager()->queue.n_running > 0)
                return false;
        for (size_t i = 0; i < manager()->reservations.n_items; i++)
                if (manager()->reservations.items[i]->state != RESERVATION_ACTIVE || manager()->reservations.items[i]->to_renew)
                        return false;
        return true;
}

static bool killed_while(act_t act, unsigned n_turns) {
        Operation *operation = NULL;
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                ck_assert_int_ge(sd_event_new(&daemon_scene.event), 0);
                if (act) {
                        scene_start();
                        operation = act();
                } else {
                        scene_create();
                        ck_assert_int_eq(manager_start(manager()), 0);
                }
                for (unsigned i = 0; i < n_turns; i++) {
                        if (operation ? operation_has_ended(operation) : daemon_scene.ready && is_at_rest())
                                _exit(0);
                        ck_assert_int_ge(sd_event_run(daemon_scene.event, UINT64_MAX), 0);
                }
                (void) raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "the daemon to be killed failed");
        return WIFSIGNALED(status);
}

static Operation *act_reserve(void) {
        return begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", "0000:01:00.0", NULL));
}

static Operation *act_unreserve(void) {
        return begin_request(make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", "0000:01:00.0", NULL));
}

/* Either all is reserved, or the host has all as it was; and the rows say the same. */
static void assert_whole(const char *before) {
        AWAIT(is_at_rest());
        assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
        assert_rows("SELECT count(*) FROM current_reservations WHERE state <> 'active'", "0\n");
        if (manager()->reservations.n_items > 0) {
                assert_reserved();
                assert_driver(&single, "vfio-pci");
                await_end(act_unreserve());
        }
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM current_reservations", "0\n");
}

START_TEST(killed_at_any_moment_of_a_reserve) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;

        while (killed_while(act_reserve, n)) {
                scene_start();
                assert_whole(before);
                scene_stop();
                n++;
        }
        ck_assert_uint_ge(n, 8);
}
END_TEST

START_TEST(killed_at_any_moment_of_an_unreserve) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;
        bool killed;

        do {
                scene_start();
                await_end(act_reserve());
                scene_stop();
                killed = killed_while(act_unreserve, n++);
                scene_start();
                assert_whole(before);
                scene_stop();
        } while (killed);
        ck_assert_uint_ge(n, 8);
}
END_TEST

START_TEST(killed_at_any_moment_of_putting_it_back_after_a_reboot) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;
        bool killed;

        do {
                scene_set_boot_id("bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee\n");
                scene_start();
                await_end(act_reserve());
                reboot_with("e1000e");
                killed = killed_while(NULL, n++);
                scene_start();
                ck_assert_uint_eq(manager()->reservations.n_items, 2);
                assert_whole(before);
                scene_stop();
        } while (killed);
        ck_assert_uint_ge(n, 8);
}
END_TEST

START_TEST(a_reservation_left_half_way_by_another_boot_is_undone) {
        ck_assert(killed_while(act_reserve, 2));
        reboot_with("e1000e");
        scene_start();
        assert_rows("SELECT DISTINCT state, end_reason FROM reservation_history", "undone|The host was rebooted\n");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        assert_driver(&nic, "e1000e");
}
END_TEST

DAEMON_SUITE("reserve",
             a_reserved_group_is_off_the_host_with_no_owner_and_comes_back_exactly,
             an_assignment_on_top_returns_to_reserved,
             reserving_what_is_reserved_changes_nothing,
             what_is_not_reserved_yet_is_reserved_beside_what_is,
             several_groups_are_reserved_together_and_unreserved_one_by_one,
             what_is_assigned_is_not_reserved,
             what_is_not_reserved_is_not_unreserved,
             somebody_elses_reservation_is_not_unreserved,
             a_reservation_that_fails_is_undone_as_a_whole,
             a_member_that_does_not_leave_keeps_its_group_reserved,
             reserve_and_unreserve_wait_for_their_turn,
             a_restart_of_the_daemon_changes_nothing,
             after_a_reboot_it_is_put_into_the_kernel_once_more,
             after_a_reboot_an_assignment_on_top_has_ended_and_the_reservation_stays,
             a_driver_that_is_not_loaded_after_a_reboot_stays_recorded,
             another_device_at_the_address_after_a_reboot_is_not_touched,
             a_reservation_of_devices_that_are_all_gone_stays_until_it_is_unreserved,
             one_that_cannot_be_put_back_stays_off_the_host_where_it_can_and_is_told_of,
             one_whose_override_cannot_be_put_back_leaves_its_group_on_the_host_and_is_told_of,
             one_that_is_unplugged_while_it_is_put_back_keeps_no_other_on_the_host,
             one_that_was_quarantined_over_a_reboot_is_put_back_when_it_is_recovered,
             no_member_is_taken_off_the_host_by_a_recovery_that_cannot_set_every_override,
             killed_at_any_moment_of_a_reserve,
             killed_at_any_moment_of_an_unreserve,
             killed_at_any_moment_of_putting_it_back_after_a_reboot,
             a_reservation_left_half_way_by_another_boot_is_undone)
