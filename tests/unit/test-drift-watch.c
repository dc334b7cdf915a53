/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Somebody else acts on what is assigned: it is seen, recorded and said once, and what appears in a held group is guarded. */

#include <sqlite3.h>

#include "daemon-scene.h"

#define JOINED "0000:02:00.2"

static const PciAddress joined = { .bus = 2, .function = 2 };

static GroupState state_of(uint32_t group) {
        return manager_group_state(daemon_scene.manager, group);
}

static void emit(const char *action, const PciAddress *address) {
        ck_assert_int_eq(simk_emit(daemon_scene.root, action, address), 0);
}

static void plug(const char *driver) {
        const TreeDevice device = { JOINED, "0000:00:03.0", 0x8086, 0x10d3, 0x8086, 0x0000, 0x020000, 0, NIC_GROUP, driver, NULL, "flr", -1 };

        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &device), 0);
        emit("add", &joined);
}

static void unplug(const PciAddress *address) {
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, PCI_ADDRESS_FORMAT(address)), 0);
        emit("remove", address);
}

static void take_for_the_host(const PciAddress *address) {
        ck_assert_int_eq(simk_set_override(daemon_scene.root, address, NULL), 0);
        ck_assert_int_eq(simk_unbind(daemon_scene.root, address, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(daemon_scene.root, address, "e1000e"), 0);
}

static void await_heard(const char *line) {
        AWAIT(count_heard(line) > 0);
}

static void run_to_done(Verb verb, const char *target) {
        Operation *operation = begin_request(make_request(verb, NULL, target, NULL));

        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
}

static void recover(const char *target) {
        run_to_done(VERB_RECOVER, target);
}

START_TEST(nothing_drifts_while_assignd_itself_works) {
        daemon_scene.config.reconcile_usec = 1000;
        scene_start();
        for (unsigned i = 0; i < 5; i++) {
                (void) assign("vm:a", "0000:02:00.0");
                release("vm:a");
        }
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(manager_rescan(daemon_scene.manager), 0);
        loop_drain();
        ck_assert_uint_eq(count_heard("drift"), 0);
        assert_rows("SELECT count(*) FROM drifts", "0\n");
}
END_TEST

START_TEST(a_member_that_somebody_binds_to_a_host_driver_closes_its_group_until_it_is_recovered) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        take_for_the_host(&nic);
        await_heard("drift driver-changed 0000:02:00.0");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        assert_heard("group 14 changed quarantined");
        assert_driver(&nic, "e1000e"); /* never repaired by itself */
        assert_rows("SELECT code, detail FROM quarantines WHERE ended_usec IS NULL",
                    "driver-changed|0000:02:00.0 has left vfio-pci and is on the host driver e1000e\n");
        assert_rows("SELECT verb, owner, message FROM audit_log WHERE verb = 'drift' AND message LIKE 'driver-changed%host driver%'",
                    "drift|vm:a|driver-changed: 0000:02:00.0 has left vfio-pci and is on the host driver e1000e\n");
        assert_rows("SELECT count(*) > 0 FROM device_history WHERE address = '0000:02:00.0' AND event = 'drift'", "1\n");

        recover("0000:02:00.0");
        assert_driver(&nic, "vfio-pci");
        assert_override(&nic, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        assert_rows("SELECT count(*) FROM quarantines WHERE ended_usec IS NULL", "0\n");
        release("vm:a");
        assert_snapshot(before);
}
END_TEST

START_TEST(a_member_that_somebody_unbinds_is_told_of_and_endangers_nobody) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "vfio-pci"), 0);
        await_heard("drift driver-changed 0000:02:00.1");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        recover("group:14");
        assert_driver(&mate, "vfio-pci");
}
END_TEST

START_TEST(an_override_that_somebody_clears_is_found_by_the_clock_and_said_once) {
        daemon_scene.config.reconcile_usec = 5 * USEC_PER_MSEC;
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_set_override(daemon_scene.root, &nic, NULL), 0); /* no event */
        await_heard("drift override-changed 0000:02:00.0");
        ck_assert_int_eq(simk_set_override(daemon_scene.root, &mate, "e1000e"), 0);
        await_heard("drift override-changed 0000:02:00.1"); /* some looks later */
        ck_assert_uint_eq(count_heard("drift"), 2);
        assert_rows("SELECT count(*) FROM drifts", "2\n");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
}
END_TEST

START_TEST(what_happens_again_is_said_again) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &nic, "vfio-pci"), 0);
        AWAIT(count_heard("drift driver-changed 0000:02:00.0") == 1);
        recover("group:14");
        loop_drain();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &nic, "vfio-pci"), 0);
        AWAIT(count_heard("drift driver-changed 0000:02:00.0") == 2);
        assert_rows("SELECT count(*) FROM drifts", "2\n");
}
END_TEST

START_TEST(a_device_that_is_unplugged_is_gone_and_the_rest_is_given_back) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        unplug(&mate);
        await_heard("drift device-gone 0000:02:00.1");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
        assert_driver(&nic, "e1000e");
        assert_override(&nic, NULL);
}
END_TEST

START_TEST(another_device_at_the_address_is_another_device) {
        const TreeDevice other = { "0000:02:00.1", "0000:00:03.0", 0x8086, 0x1533, 0x8086, 0x0000, 0x020000, 0, NIC_GROUP, "e1000e", NULL, "flr", -1 };

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        unplug(&mate);
        await_heard("drift device-gone 0000:02:00.1");
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &other), 0);
        emit("add", &mate);
        await_heard("drift identity-changed 0000:02:00.1");
        loop_drain();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        assert_override(&mate, NULL); /* never touched */
        ck_assert_uint_eq(count_heard("operation-added 2"), 0);
}
END_TEST

/* A VFIO driver has it, so nothing is closed; but nobody was given it. */
START_TEST(another_device_at_the_address_is_not_opened_for_the_owner_of_the_first) {
        const TreeDevice other = { "0000:02:00.1", "0000:00:03.0", 0x8086, 0x1533, 0x8086, 0x0000, 0x020000, 0, NIC_GROUP, "vfio-pci", "vfio-pci", "flr", -1 };
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;
        Caller caller = {};
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        unplug(&mate);
        await_heard("drift device-gone 0000:02:00.1");
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &other), 0);
        emit("add", &mate);
        await_heard("drift identity-changed 0000:02:00.1");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        ck_assert_int_eq(manager_open(daemon_scene.manager, id, NULL, &caller, &refusal, &operation), 0);
        ck_assert_ptr_null(operation);
        ck_assert_int_eq(refusal.code, REFUSAL_IDENTITY_CHANGED);
        ck_assert_int_eq(refusal.blockers.items[0].code, BLOCKER_IDENTITY_CHANGED);
        ck_assert_str_eq(refusal.blockers.items[0].device, "0000:02:00.1");
        release("vm:a");
        assert_driver(&mate, "vfio-pci"); /* it is not ours to move */
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(a_device_that_joins_a_held_group_is_guarded_and_given_back_with_it) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        plug(NULL);
        await_heard("drift device-joined " JOINED);
        await_heard("operation-removed 2 done");
        assert_override(&joined, "vfio-pci");
        assert_driver(&joined, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        assert_rows("SELECT address, role, coalesce(driver_before, '-') FROM current_assignments WHERE address = '" JOINED "'",
                    JOINED "|companion|-\n");
        assert_rows("SELECT verb, devices, owner FROM audit_log WHERE verb = 'guard'", "guard|" JOINED "|vm:a\n");
        loop_drain();
        ck_assert_uint_eq(count_heard("drift"), 1);

        release("vm:a");
        assert_driver(&joined, NULL);
        assert_override(&joined, NULL);
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(a_device_that_a_host_driver_was_faster_to_take_closes_the_group_until_it_is_recovered) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        plug("e1000e");
        await_heard("drift device-joined " JOINED);
        loop_drain();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        assert_driver(&joined, "e1000e");
        recover("group:14");
        assert_driver(&joined, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
        assert_driver(&joined, "e1000e");
        assert_override(&joined, NULL);
}
END_TEST

START_TEST(a_device_that_joins_a_reserved_group_is_guarded_and_given_back_with_it) {
        scene_start();
        run_to_done(VERB_RESERVE, "0000:02:00.0");
        plug(NULL);
        await_heard("drift device-joined " JOINED);
        await_heard("operation-removed 2 done");
        assert_override(&joined, "vfio-pci");
        assert_driver(&joined, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RESERVED);
        assert_rows("SELECT address, role, coalesce(driver_before, '-') FROM current_reservations WHERE address = '" JOINED "'",
                    JOINED "|companion|-\n");

        run_to_done(VERB_UNRESERVE, "group:14");
        assert_driver(&joined, NULL);
        assert_override(&joined, NULL);
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(what_joined_a_reserved_group_is_recovered_into_it_and_stays_over_a_restart) {
        scene_start();
        run_to_done(VERB_RESERVE, "0000:02:00.0");
        plug("e1000e");
        await_heard("drift device-joined " JOINED);
        AWAIT(state_of(NIC_GROUP) == GROUP_STATE_QUARANTINED);
        recover("group:14");
        assert_driver(&joined, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RESERVED);
        assert_rows("SELECT address, driver_before FROM current_reservations WHERE address = '" JOINED "'", JOINED "|e1000e\n");

        scene_stop();
        scene_start();
        run_to_done(VERB_UNRESERVE, "0000:02:00.0");
        assert_driver(&joined, "e1000e");
        assert_override(&joined, NULL);
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(what_joined_keeps_its_group_closed_when_all_others_are_gone) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        plug("e1000e");
        await_heard("drift device-joined " JOINED);
        loop_drain();
        release("vm:a");
        unplug(&nic);
        unplug(&mate);
        AWAIT(!facts_find_device(manager_facts(daemon_scene.manager), &mate));
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        request_refused(make_request(VERB_ASSIGN, "vm:b", JOINED, NULL), REFUSAL_QUARANTINED, "quarantined");
        recover("group:14");
        assert_driver(&joined, "e1000e");
        (void) assign("vm:b", JOINED);
        release("vm:b");
        assert_driver(&joined, "e1000e");
}
END_TEST

START_TEST(a_device_that_joins_in_the_middle_of_an_operation_is_guarded_after_it) {
        _cleanup_close_ int hang = -EBADF;
        Operation *opening;
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        hang = simk_hang(daemon_scene.root, SIMK_OPEN_CDEV, &nic, 1);
        opening = begin_open(id);
        await_trace("begin open-cdev 0000:02:00.0");
        plug(NULL);
        await_heard("device " JOINED " new");
        loop_drain();
        ck_assert_uint_eq(count_heard("drift"), 0);
        hang = safe_close(hang);
        await_end(opening);
        await_heard("drift device-joined " JOINED);
        AWAIT(count_heard("operation-removed 3 done") > 0);
        assert_override(&joined, "vfio-pci");
}
END_TEST

START_TEST(a_device_that_comes_back_is_guarded_again_under_its_old_record) {
        const TreeDevice again = { "0000:02:00.1", "0000:00:03.0", 0x8086, 0x10d3, 0x8086, 0x0000, 0x020000, 0, NIC_GROUP, NULL, NULL, "flr", -1 };

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        unplug(&mate);
        await_heard("drift device-gone 0000:02:00.1");
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &again), 0);
        emit("add", &mate);
        await_heard("operation-removed 2 done");
        assert_override(&mate, "vfio-pci");
        assert_driver(&mate, "vfio-pci");
        assert_rows("SELECT count(*) FROM current_assignments", "2\n");
        release("vm:a");
        assert_driver(&mate, "e1000e");
}
END_TEST

START_TEST(a_guard_that_fails_leaves_the_device_guarded_and_says_so) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_BIND, &joined, 1, EIO), 0);
        plug(NULL);
        await_heard("operation-removed 2 failed");
        await_heard("drift driver-changed " JOINED);
        assert_override(&joined, "vfio-pci");
        release("vm:a");
        assert_override(&joined, NULL);
}
END_TEST

START_TEST(a_stranger_in_a_host_group_is_nobodys_business) {
        scene_start();
        (void) assign("vm:a", "0000:01:00.0");
        plug(NULL);
        await_heard("device " JOINED " new");
        loop_drain();
        ck_assert_uint_eq(count_heard("drift"), 0);
        assert_override(&joined, NULL);
}
END_TEST

START_TEST(a_vf_that_is_turned_off_is_a_change_of_their_number) {
        scene_start();
        (void) assign("vm:a", "0000:05:00.1");
        loop_drain();
        unplug(&vf);
        await_heard("drift numvfs-changed 0000:05:00.1");
        release("vm:a");
}
END_TEST

START_TEST(a_restart_says_nothing_twice_and_opens_nothing) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        take_for_the_host(&nic);
        await_heard("drift override-changed 0000:02:00.0");
        AWAIT(state_of(NIC_GROUP) == GROUP_STATE_QUARANTINED);
        scene_stop();
        forget_heard();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "vfio-pci"), 0); /* while nobody looks */
        scene_start();
        await_heard("drift driver-changed 0000:02:00.1");
        ck_assert_uint_eq(count_heard("drift"), 1);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_QUARANTINED);
        recover("group:14");
        release("vm:a");
}
END_TEST

START_TEST(what_cannot_be_recorded_is_said_when_it_can) {
        sqlite3 *sqlite = NULL;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        loop_drain();
        ck_assert_int_eq(sqlite3_open_v2(daemon_scene.database_path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        forget_heard();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "vfio-pci"), 0);
        await_heard("device 0000:02:00.1 changed");
        loop_drain();
        ck_assert_uint_eq(count_heard("drift"), 0);
        ck_assert_int_eq(sqlite3_exec(sqlite, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(sqlite), SQLITE_OK);
        await_heard("drift driver-changed 0000:02:00.1");
        ck_assert_uint_eq(count_heard("drift"), 1);
        assert_rows("SELECT count(*) FROM drifts", "1\n");
}
END_TEST

DAEMON_SUITE("drift-watch",
             nothing_drifts_while_assignd_itself_works,
             a_member_that_somebody_binds_to_a_host_driver_closes_its_group_until_it_is_recovered,
             a_member_that_somebody_unbinds_is_told_of_and_endangers_nobody,
             an_override_that_somebody_clears_is_found_by_the_clock_and_said_once,
             what_happens_again_is_said_again,
             a_device_that_is_unplugged_is_gone_and_the_rest_is_given_back,
             another_device_at_the_address_is_another_device, another_device_at_the_address_is_not_opened_for_the_owner_of_the_first,
             a_device_that_joins_a_held_group_is_guarded_and_given_back_with_it,
             a_device_that_a_host_driver_was_faster_to_take_closes_the_group_until_it_is_recovered,
             a_device_that_joins_a_reserved_group_is_guarded_and_given_back_with_it,
             what_joined_a_reserved_group_is_recovered_into_it_and_stays_over_a_restart,
             what_joined_keeps_its_group_closed_when_all_others_are_gone,
             a_device_that_joins_in_the_middle_of_an_operation_is_guarded_after_it,
             a_device_that_comes_back_is_guarded_again_under_its_old_record,
             a_guard_that_fails_leaves_the_device_guarded_and_says_so,
             a_stranger_in_a_host_group_is_nobodys_business,
             a_vf_that_is_turned_off_is_a_change_of_their_number,
             a_restart_says_nothing_twice_and_opens_nothing,
             what_cannot_be_recorded_is_said_when_it_can)
