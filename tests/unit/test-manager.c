/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Requests from end to end: what a manager of devices asks for, what the host is afterwards, and what is written down. */

#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "daemon-scene.h"
#include "policy/viability.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static GroupState state_of(uint32_t group) {
        return manager_group_state(manager(), group);
}

/* The ordinary way. */

START_TEST(a_whole_group_goes_and_comes_back_exactly) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        (void) assign("vm:web1", "0000:02:00.0");
        assert_driver(&nic, "vfio-pci");
        assert_driver(&mate, "vfio-pci");
        assert_override(&nic, "vfio-pci");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        assert_rows("SELECT owner, address, role, driver_before, state FROM current_assignments ORDER BY address",
                    "vm:web1|0000:02:00.0|wanted|e1000e|active\nvm:web1|0000:02:00.1|companion|e1000e|active\n");

        release("vm:web1");
        assert_snapshot(before);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        assert_rows("SELECT verb, owner, outcome, devices, groups FROM audit_log ORDER BY id",
                    "assign|vm:web1|done|0000:02:00.0 0000:02:00.1|14\nrelease|vm:web1|done|0000:02:00.0 0000:02:00.1|14\n");
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
}
END_TEST

static bool is_viable(const Group *group) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        ck_assert_int_eq(viability_check(group, &blockers), 0);
        return blockers.n_items == 0;
}

START_TEST(every_group_of_the_lab_goes_and_comes_back_or_is_refused_untouched) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n_given = 0, n_refused = 0;

        scene_start();
        for (uint32_t number = 0; number < 32; number++) {
                const Group *group = facts_find_group(manager_facts(manager()), number);
                char target[32];

                if (!group)
                        continue;
                (void) snprintf(target, sizeof(target), "group:%" PRIu32, number);
                if (is_viable(group)) {
                        (void) assign("vm:a", target);
                        ck_assert_uint_eq(state_of(number), GROUP_STATE_ASSIGNED);
                        release("vm:a");
                        n_given++;
                } else {
                        request_refused(make_request(VERB_ASSIGN, "vm:a", target, NULL), REFUSAL_NOT_VIABLE, "");
                        n_refused++;
                }
                assert_snapshot(before);
        }
        ck_assert_uint_ge(n_given, 8);
        ck_assert_uint_ge(n_refused, 4);
}
END_TEST

START_TEST(an_override_changed_behind_our_back_is_given_back_too) {
        scene_start();
        ck_assert_int_eq(treegen_set_override(daemon_scene.root, "0000:02:00.1", "e1000e"), 0); /* tells nobody */
        (void) assign("vm:a", "0000:02:00.0");
        assert_override(&mate, "vfio-pci");
        release("vm:a");
        assert_override(&mate, "e1000e");
        assert_driver(&mate, "e1000e");
        assert_override(&nic, NULL);
}
END_TEST

START_TEST(two_groups_go_together_and_come_back_together) {
        _cleanup_free_ char *before = scene_snapshot();
        Operation *operation;

        scene_start();
        operation = begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:04:02.0", "0000:02:00.0", NULL));
        ck_assert_uint_eq(operation->n_groups, 2);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        for (size_t i = 0; i < ELEMENTSOF(bridged); i++)
                assert_driver(&bridged[i], "vfio-pci");

        request_refused(make_request(VERB_RELEASE, NULL, "group:14", NULL), REFUSAL_INVALID_ARGUMENT, "also holds group 15");
        request_refused(make_request(VERB_RELEASE, "vm:b", "group:14", "group:15", NULL), REFUSAL_OWNED, "assigned to vm:a");
        await_end(begin_request(make_request(VERB_RELEASE, NULL, "group:14", "0000:04:01.0", NULL)));
        assert_snapshot(before);
}
END_TEST

START_TEST(an_owner_of_two_assignments_releases_both) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        (void) assign("vm:b", "0000:05:00.1");
        (void) assign("vm:a", "0000:04:02.0");
        release("vm:a");
        assert_driver(&vf, "vfio-pci");
        assert_rows("SELECT owner, state FROM current_assignments", "vm:b|active\n");
        release("vm:b");
        assert_snapshot(before);
        ck_assert_uint_eq(count_heard("assignment-removed vm:a"), 2);
        assert_rows("SELECT devices FROM audit_log WHERE verb = 'release' AND owner = 'vm:a'",
                    "0000:02:00.0 0000:02:00.1 0000:04:01.0 0000:04:01.1 0000:04:02.0\n");
}
END_TEST

START_TEST(the_observer_hears_things_in_their_order) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        release("vm:a");
        ck_assert_ptr_nonnull(strstr(daemon_scene.heard, "operation-added 1 assign\ngroup 14 changed busy\n"));
        ck_assert_ptr_nonnull(strstr(daemon_scene.heard, "assignment-added vm:a active\noperation-removed 1 done\ngroup 14 changed assigned\n"));
        ck_assert_ptr_nonnull(strstr(daemon_scene.heard, "operation-added 2 release\ngroup 14 changed busy\nassignment-changed vm:a releasing\n"));
        ck_assert_ptr_nonnull(strstr(daemon_scene.heard, "assignment-removed vm:a\noperation-removed 2 done\ngroup 14 changed host\n"));
        ck_assert(strstr(daemon_scene.heard, "operation-added 1") < strstr(daemon_scene.heard, "operation-changed 1"));
        ck_assert_uint_eq(count_heard("operation-changed 1 stuck"), 0);
}
END_TEST

static PlanResult plan_of(Request request) {
        PlanResult result = {};

        ck_assert_int_eq(manager_plan(manager(), &request, &result), 0);
        request_done(&request);
        return result;
}

START_TEST(a_plan_says_what_would_happen_and_changes_nothing) {
        _cleanup_free_ char *before = scene_snapshot();
        PlanResult result;

        scene_start();
        result = plan_of(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL));
        ck_assert_uint_eq(result.refusal.code, REFUSAL_NONE);
        ck_assert_uint_eq(result.plan.n_steps, 7); /* a look for holders, overrides, unbinds, binds */
        ck_assert_uint_eq(result.n_groups, 1);
        ck_assert_uint_eq(strv_length(result.devices), 2);
        ck_assert_str_eq(result.companions[0], "0000:02:00.1");
        plan_result_done(&result);

        result = plan_of(make_request(VERB_RELEASE, "vm:a", NULL));
        ck_assert_uint_eq(result.refusal.code, REFUSAL_NO_SUCH_OWNER);
        plan_result_done(&result);
        result = plan_of(make_request(VERB_ASSIGN, "vm:a", "0000:00:1f.3", NULL));
        ck_assert_uint_eq(result.refusal.code, REFUSAL_NOT_VIABLE);
        plan_result_done(&result);

        (void) assign("vm:a", "0000:02:00.0");
        result = plan_of(make_request(VERB_RELEASE, "vm:a", NULL));
        ck_assert_uint_eq(result.refusal.code, REFUSAL_NONE);
        ck_assert_uint_eq(result.plan.n_steps, 8);
        plan_result_done(&result);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM audit_log", "2\n");
}
END_TEST

/* Refusals. */

START_TEST(a_refusal_names_every_blocker_at_once) {
        _cleanup_(request_done) Request request = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation;
        int lease = -EBADF;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        request = make_request(VERB_ASSIGN, "vm:b", "0000:02:00.0", "0000:00:1f.2", "0000:00:02.0", NULL);
        request.exact = true;
        ck_assert_int_eq(manager_assign(manager(), &request, &lease, &refusal, &operation), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_NOT_VIABLE);
        ck_assert(blocker_list_contains(&refusal.blockers, BLOCKER_OWNED));
        ck_assert(blocker_list_contains(&refusal.blockers, BLOCKER_NOT_ENDPOINT));
        ck_assert(blocker_list_contains(&refusal.blockers, BLOCKER_HOST_DRIVER_STAYS));
        ck_assert(blocker_list_contains(&refusal.blockers, BLOCKER_COMPANION_NOT_NAMED));
        assert_rows("SELECT outcome, error, owner, targets FROM audit_log WHERE id = 2",
                    "refused|NotViable|vm:b|0000:02:00.0 0000:00:1f.2 0000:00:02.0\n");
        assert_rows("SELECT blockers LIKE '%owned%' AND blockers LIKE '%not-endpoint%' FROM audit_log WHERE id = 2", "1\n");
}
END_TEST

START_TEST(what_is_no_request_leaves_no_trace) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        request_refused(make_request(VERB_ASSIGN, "vm:a", "../../etc", NULL), REFUSAL_INVALID_TARGET, "");
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0\n", NULL), REFUSAL_INVALID_TARGET, "");
        request_refused(make_request(VERB_ASSIGN, "", "0000:02:00.0", NULL), REFUSAL_INVALID_ARGUMENT, "");
        request_refused(make_request(VERB_ASSIGN, "vm:a", NULL), REFUSAL_INVALID_TARGET, "");
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:77:00.0", NULL), REFUSAL_NO_SUCH_DEVICE, "0000:77:00.0");
        request_refused(make_request(VERB_ASSIGN, "vm:a", "group:99", NULL), REFUSAL_NO_SUCH_GROUP, "99");
        request_refused(make_request(VERB_RELEASE, "vm:nobody", NULL), REFUSAL_NO_SUCH_OWNER, "vm:nobody");
        request_refused(make_request(VERB_RELEASE, NULL, "group:14", NULL), REFUSAL_NO_SUCH_OWNER, "14");
        assert_rows("SELECT count(*) FROM audit_log", "0\n");
        assert_rows("SELECT count(*) FROM operations", "0\n");
        assert_snapshot(before);
}
END_TEST

START_TEST(a_wrong_override_code_and_a_claimed_label_are_refused) {
        Request request;

        scene_start();
        request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);
        ck_assert_int_eq(strv_append(&request.overrides, "no-such-code"), 0);
        request_refused(request, REFUSAL_INVALID_ARGUMENT, "no-such-code");
        request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);
        ck_assert_int_eq(string_copy("tenant-a", &request.label), 0);
        request_refused(request, REFUSAL_LABEL_CONFLICT, "tenant-a");
}
END_TEST

START_TEST(another_user_can_neither_open_nor_release) {
        _cleanup_(refusal_done) Refusal refusal = {}, refusal_of_open = {};
        Caller caller = { .uid = 1000 };
        Operation *operation = (Operation *) -1;
        Request request;
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        request = make_request(VERB_RELEASE, "vm:a", NULL);
        request.caller.uid = 1000;
        request_refused(request, REFUSAL_DENIED, "another user");
        ck_assert_int_eq(manager_release_assignment(manager(), id, false, &caller, &refusal, &operation), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_DENIED);
        ck_assert_ptr_null(operation);
        caller = (Caller) { .uid = 1000 };
        ck_assert_int_eq(manager_open(manager(), id, NULL, &caller, &refusal_of_open, &operation), 0);
        ck_assert_uint_eq(refusal_of_open.code, REFUSAL_DENIED);
        assert_rows("SELECT verb, owner, uid, error, devices FROM audit_log WHERE outcome = 'refused' ORDER BY id",
                    "release|vm:a|1000|Denied|0000:02:00.0 0000:02:00.1\nrelease|vm:a|1000|Denied|0000:02:00.0 0000:02:00.1\n"
                    "open|vm:a|1000|Denied|0000:02:00.0 0000:02:00.1\n");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
}
END_TEST

START_TEST(an_assignment_that_does_not_exist_is_no_operation) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Caller caller = {};
        Operation *operation = (Operation *) -1;

        scene_start();
        ck_assert_int_eq(manager_release_assignment(manager(), 77, false, &caller, &refusal, &operation), 0);
        ck_assert_uint_eq(refusal.code, REFUSAL_NO_SUCH_OWNER);
        ck_assert_ptr_null(operation);
}
END_TEST

START_TEST(a_group_at_work_is_busy_in_every_plan) {
        const Request request = { .verb = VERB_ASSIGN, .targets = (char *[]) { (char *) "0000:02:00.1", NULL } };
        _cleanup_(plan_result_done) PlanResult result = {};
        Operation *operation;

        scene_start();
        operation = begin_assign("vm:a", "0000:02:00.0");
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_BUSY);
        ck_assert_int_eq(manager_plan(manager(), &request, &result), 0);
        ck_assert_uint_eq(result.refusal.code, REFUSAL_BUSY);
        ck_assert_ptr_nonnull(strstr(result.refusal.message, "Operation 1 (assign)"));
        await_end(operation);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.1", NULL), REFUSAL_OWNED, "assigned to vm:a");
}
END_TEST

/* Opening. */

static const OpenedFd *find_fd(const Operation *operation, StepKind kind) {
        for (size_t i = 0; i < operation->n_fds; i++)
                if (operation->fds[i].kind == kind)
                        return &operation->fds[i];
        return NULL;
}

static unsigned fds_seen;

/* The fds are there while the watchers are called, and not after. */
static void on_opened(Operation *operation, void *userdata) {
        ck_assert(operation_has_ended(operation));
        fds_seen = 0;
        for (size_t i = 0; i < operation->n_fds; i++)
                fds_seen += operation->fds[i].fd >= 0;
        ck_assert_ptr_nonnull(find_fd(operation, *(StepKind *) userdata));
}

static void open_and_see(uint64_t assignment, StepKind kind, unsigned n_fds) {
        Operation *operation = begin_open(assignment);

        ck_assert_int_eq(operation_watch(operation, on_opened, &kind), 0);
        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
        ck_assert_uint_eq(fds_seen, n_fds);
        ck_assert_uint_eq(operation->n_fds, 0);
}

START_TEST(devices_open_on_an_iommufd) {
        scene_start();
        open_and_see(assign("vm:a", "0000:02:00.0"), STEP_OPEN_CDEV, 3);
        assert_rows("SELECT verb, outcome, devices FROM audit_log ORDER BY id DESC LIMIT 1", "open|done|0000:02:00.0 0000:02:00.1\n");
        release("vm:a");
}
END_TEST

START_TEST(devices_open_through_their_group_where_there_is_no_iommufd) {
        uint64_t id;

        scene_replace_tree(treegen_make_lab, /* iommufd= */ false);
        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        ck_assert_uint_eq(manager_find_assignment(manager(), id)->backend, BACKEND_GROUP);
        open_and_see(id, STEP_OPEN_DEVICE, 4);
        release("vm:a");
}
END_TEST

START_TEST(what_is_not_there_cannot_be_asked_for) {
        Request request;

        scene_replace_tree(treegen_make_lab, /* iommufd= */ false);
        scene_start();
        request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);
        request.backend = BACKEND_IOMMUFD;
        request_refused(request, REFUSAL_NOT_SUPPORTED, "/dev/iommu");
}
END_TEST

static void open_refused(uint64_t id, char *const *devices, RefusalCode code) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = (Operation *) -1;
        Caller caller = {};

        ck_assert_int_eq(manager_open(manager(), id, devices, &caller, &refusal, &operation), 0);
        ck_assert_msg(refusal.code == code, "%s: %s", refusal_code_to_string(refusal.code), refusal.message);
        ck_assert_ptr_null(operation);
}

START_TEST(only_devices_of_the_assignment_can_be_opened_each_once) {
        _cleanup_strv_free_ char **many = NULL;
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        for (unsigned i = 0; i <= TARGETS_MAX; i++)
                ck_assert_int_eq(strv_append(&many, "0000:02:00.0"), 0);
        open_refused(id + 1, NULL, REFUSAL_NO_SUCH_OWNER);
        open_refused(id, (char *[]) { (char *) "0000:01:00.0", NULL }, REFUSAL_NO_SUCH_DEVICE);
        open_refused(id, (char *[]) { (char *) "\x1b[31m", NULL }, REFUSAL_INVALID_TARGET);
        open_refused(id, (char *[]) { (char *) "0000:02:00.0", (char *) "0000:02:00.0", NULL }, REFUSAL_INVALID_ARGUMENT);
        open_refused(id, (char *[]) { NULL }, REFUSAL_INVALID_ARGUMENT);
        open_refused(id, many, REFUSAL_LIMITS_EXCEEDED);
        assert_rows("SELECT count(*) FROM operations WHERE verb = 'open'", "0\n");
}
END_TEST

START_TEST(an_open_that_fails_keeps_nothing_open_and_the_assignment) {
        Operation *operation;
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_OPEN_CDEV, &mate, 1, EBUSY), 0);
        operation = begin_open(id);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_uint_eq(operation->outcome.code, REFUSAL_BUSY);
        ck_assert_uint_eq(operation->n_fds, 0);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
}
END_TEST

/* The host changes meanwhile. */

START_TEST(a_device_unplugged_while_assigned_ends_with_a_remark) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "vfio-pci"), 0);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.1"), 0);
        ck_assert_int_eq(simk_emit(daemon_scene.root, "remove", &mate), 0);
        AWAIT(count_heard("device 0000:02:00.1 gone") > 0);
        operation = begin_release("vm:a");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "0000:02:00.1 is gone"));
        assert_driver(&nic, "e1000e");
        assert_override(&nic, NULL);
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
        assert_rows("SELECT message LIKE '%is gone%' FROM audit_log WHERE verb = 'release'", "1\n");
}
END_TEST

static const TreeDevice stranger = { "0000:02:00.1", "0000:00:03.0", 0x10ec, 0x8168, 0, 0, 0x020000, 0, 31, NULL, NULL, "flr", -1 };

START_TEST(a_stranger_at_an_assigned_address_is_not_touched_until_the_release) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "vfio-pci"), 0);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.1"), 0);
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &stranger), 0);
        ck_assert_int_eq(simk_emit(daemon_scene.root, "add", &mate), 0);
        AWAIT(count_heard("group 31 new") > 0);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.1", NULL), REFUSAL_OWNED, "assigned to vm:a");

        operation = begin_release("vm:a");
        await_end(operation);
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "another device now"));
        assert_driver(&mate, NULL);
        (void) assign("vm:b", "0000:02:00.1");
        assert_driver(&mate, "vfio-pci");
}
END_TEST

START_TEST(a_device_somebody_else_took_is_left_to_them_and_reported) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "vfio-pci"), 0);
        ck_assert_int_eq(simk_add_driver(daemon_scene.root, "other", SIMK_DRIVER_HOST), 0);
        ck_assert_int_eq(simk_set_override(daemon_scene.root, &mate, "other"), 0);
        ck_assert_int_eq(simk_bind(daemon_scene.root, &mate, "other"), 0);
        operation = begin_release("vm:a");
        await_end(operation);
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "0000:02:00.1 is on the driver other"));
        assert_driver(&mate, "other");
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(a_device_that_vanishes_in_the_middle_undoes_the_rest) {
        _cleanup_close_ int hang = -EBADF;
        Operation *operation;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_SET_OVERRIDE, &mate, 1);
        ck_assert_int_ge(hang, 0);
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_trace("begin set-override 0000:02:00.1");
        loop_drain();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "e1000e"), 0);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.1"), 0);
        hang = safe_close(hang);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        assert_driver(&nic, "e1000e");
        assert_override(&nic, NULL);
        assert_rows("SELECT DISTINCT state FROM assignment_history", "undone\n");
}
END_TEST

/* Failures. */

/* Fails the n-th call of a worker in the assignment of two groups; false once there is no n-th. */
static bool assign_with_failure(unsigned n, const char *before) {
        Operation *operation;

        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_ANY, NULL, n, EIO), 0);
        operation = begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:05:00.1", NULL));
        await_end(operation);
        if (operation->state == OPERATION_DONE)
                return false;

        ck_assert_uint_eq(operation->outcome.code, REFUSAL_FAILED);
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "Input/output error"));
        assert_snapshot(before);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
        assert_rows("SELECT outcome, error FROM audit_log ORDER BY id DESC LIMIT 1", "failed|Failed\n");
        assert_rows("SELECT count(*) FROM steps WHERE state IN ('planned', 'issued')", "0\n");
        return true;
}

START_TEST(a_failure_at_any_step_of_an_assignment_is_undone_exactly) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 1;

        scene_start();
        while (assign_with_failure(n, before))
                n++;
        ck_assert_uint_eq(n, 11); /* two looks for holders, three overrides, two unbinds, three binds */
        ck_assert_int_eq(treegen_remove_path(daemon_scene.root, "simk/faults/0000"), 0);
        release("vm:a");
        assert_snapshot(before);
        ck_assert_uint_eq(count_heard("assignment-removed"), 1);
}
END_TEST

/* The same for the release; what failed is told, everything else is as it was, and what is still held can be released again. */
static bool release_with_failure(unsigned n, const char *before) {
        Operation *operation;

        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_ANY, NULL, n, EIO), 0);
        operation = begin_release("vm:a");
        await_end(operation);
        if (operation->state == OPERATION_DONE)
                return false;

        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "Input/output error"));
        if (manager_group_assignment(manager(), NIC_GROUP)) {
                assert_rows("SELECT DISTINCT state FROM current_assignments", "active\n");
                release("vm:a");
                assert_snapshot(before);
                return true;
        }
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
        for (unsigned i = 0; i < 2; i++) { /* an administrator mends it */
                const PciAddress *device = i == 0 ? &nic : &mate;

                (void) simk_set_override(daemon_scene.root, device, "e1000e");
                (void) simk_bind(daemon_scene.root, device, "e1000e");
                (void) simk_set_override(daemon_scene.root, device, NULL);
        }
        assert_snapshot(before);
        return true;
}

START_TEST(a_failure_at_any_step_of_a_release_is_told_and_can_be_mended) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 1;

        scene_start();
        while (release_with_failure(n, before))
                n++;
        ck_assert_uint_eq(n, 9);
        assert_snapshot(before);
}
END_TEST

static bool assign_with_crash(unsigned n, bool when_done, const char *before) {
        Operation *operation;

        ck_assert_int_eq(simk_crash(daemon_scene.root, SIMK_ANY, NULL, n, when_done), 0);
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_end(operation);
        if (operation->state == OPERATION_DONE) {
                ck_assert_int_eq(treegen_remove_path(daemon_scene.root, "simk/faults/0000"), 0);
                release("vm:a");
                return false;
        }
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "the worker ended without an answer"));
        assert_snapshot(before);
        return true;
}

START_TEST(a_worker_that_dies_at_any_step_is_replaced_and_all_undone) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        for (unsigned when_done = 0; when_done < 2; when_done++) {
                unsigned n = 1;

                while (assign_with_crash(n, when_done == 1, before))
                        n++;
                ck_assert_uint_eq(n, 8);
                assert_snapshot(before);
        }
        assert_rows("SELECT count(*) > 0 FROM steps WHERE state = 'unknown'", "1\n");
}
END_TEST

static int make_crowd(int root_fd) {
        return treegen_make_big(root_fd, 600, 3);
}

START_TEST(more_devices_than_the_workers_socket_holds_steps_go_and_come_back) {
        _cleanup_free_ char *before = NULL;
        Operation *operation;

        scene_replace_tree(make_crowd, /* iommufd= */ true);
        before = scene_snapshot();
        scene_start();
        operation = begin_request(make_request(VERB_ASSIGN, "vm:a", "group:0", "group:1", "group:2", NULL));
        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%.200s", operation->outcome.message);
        release("vm:a");
        assert_snapshot(before);
}
END_TEST

/* The observer acts. */

static void rescan_at_each_device(const char *line) {
        if (strncmp(line, "device", 6) == 0 || strncmp(line, "group", 5) == 0)
                ck_assert_int_eq(manager_rescan(manager()), 0);
}

START_TEST(an_observer_may_ask_for_a_rescan) {
        scene_create();
        daemon_scene.also = rescan_at_each_device;
        ck_assert_int_eq(manager_start(manager()), 0);
        AWAIT(daemon_scene.ready);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.1"), 0);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.0"), 0);
        ck_assert_int_eq(manager_rescan(manager()), 0);
        loop_drain();
        ck_assert_ptr_null(facts_find_group(manager_facts(manager()), NIC_GROUP));
}
END_TEST

static void release_at_once(const char *line) {
        if (string_equal(line, "operation-removed 1 done"))
                (void) begin_release("vm:a");
}

START_TEST(an_observer_may_begin_the_next_operation) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        daemon_scene.also = release_at_once;
        (void) begin_assign("vm:a", "0000:02:00.0");
        AWAIT(count_heard("operation-removed 2 done") > 0);
        assert_snapshot(before);
}
END_TEST

static void begin_the_next(Operation *operation, void *userdata) {
        unsigned *n_told = userdata;

        (*n_told)++;
        ck_assert_str_eq(operation->request.owner, "vm:slow");
        (void) begin_assign("vm:next", "0000:05:00.1"); /* may forget ended operations, but not this one */
        ck_assert_str_eq(operation->request.owner, "vm:slow");
}

START_TEST(ended_operations_are_forgotten_but_not_while_somebody_is_told_of_them) {
        _cleanup_close_ int hang = -EBADF;
        Operation *slow;
        unsigned n_told = 0;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_UNBIND, &nic, 1);
        slow = begin_assign("vm:slow", "0000:02:00.0");
        ck_assert_int_eq(operation_watch(slow, begin_the_next, &n_told), 0);
        await_trace("begin unbind 0000:02:00.0");
        for (unsigned i = 0; i < MANAGER_FINISHED_MAX + 10; i++)
                if (i % 2 == 0)
                        (void) assign("vm:other", "0000:05:00.2");
                else
                        release("vm:other");
        hang = safe_close(hang);
        await_end(slow);
        ck_assert_uint_eq(n_told, 1);
        AWAIT(manager()->queue.n_running == 0);
        ck_assert_uint_le(manager()->n_operations, MANAGER_FINISHED_MAX + 2); /* these two ended last */
        ck_assert_ptr_eq(manager_find_operation(manager(), slow->id), slow); /* the newest to end */
}
END_TEST

/* Modules. */

static struct {
        unsigned n_asked;
        bool at_once;
        int error;
        module_done_t done;
        void *userdata;
} loader;

static int load_module(void *userdata, const char *module, module_done_t done, void *done_userdata) {
        loader.n_asked++;
        ck_assert_str_eq(module, "vfio_pci");
        if (loader.error < 0 && loader.at_once)
                return loader.error;
        ck_assert_int_eq(simk_add_driver(daemon_scene.root, "vfio-pci", SIMK_DRIVER_VFIO), 0);
        if (loader.at_once)
                done(0, done_userdata);
        loader.done = done;
        loader.userdata = done_userdata;
        return 0;
}

static void start_without_vfio(void) {
        ck_assert_int_eq(treegen_remove_path(daemon_scene.root, "bus/pci/drivers/vfio-pci"), 0);
        ck_assert_int_eq(treegen_remove_path(daemon_scene.root, "simk/drivers/vfio-pci"), 0);
        scene_start();
        manager_set_module_loader(manager(), &(ModuleLoader) { .load = load_module });
}

START_TEST(a_missing_driver_is_loaded_first) {
        Operation *operation;

        start_without_vfio();
        operation = begin_assign("vm:a", "0000:02:00.0");
        AWAIT(loader.n_asked == 1);
        ck_assert(!operation_has_ended(operation));
        assert_override(&nic, NULL);
        loader.done(0, loader.userdata);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        assert_driver(&nic, "vfio-pci");
}
END_TEST

START_TEST(a_loader_that_answers_at_once_is_heard) {
        loader.at_once = true;
        start_without_vfio();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert(strstr(daemon_scene.heard, "operation-added 1") < strstr(daemon_scene.heard, "operation-changed 1"));
}
END_TEST

START_TEST(a_module_that_cannot_be_loaded_leaves_the_host_alone) {
        _cleanup_free_ char *before = NULL;
        Operation *operation;

        loader.at_once = true;
        loader.error = -ENOENT;
        start_without_vfio();
        before = scene_snapshot();
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "vfio_pci could not be loaded"));
        assert_snapshot(before);
}
END_TEST

START_TEST(the_end_of_the_daemon_does_not_wait_for_a_module) {
        start_without_vfio();
        (void) begin_assign("vm:a", "0000:02:00.0");
        AWAIT(loader.n_asked == 1);
        scene_stop(); /* the sanitizers see what is left */
}
END_TEST

DAEMON_SUITE("manager",
             a_whole_group_goes_and_comes_back_exactly,
             every_group_of_the_lab_goes_and_comes_back_or_is_refused_untouched,
             an_override_changed_behind_our_back_is_given_back_too,
             two_groups_go_together_and_come_back_together,
             an_owner_of_two_assignments_releases_both,
             the_observer_hears_things_in_their_order,
             a_plan_says_what_would_happen_and_changes_nothing,
             a_refusal_names_every_blocker_at_once,
             what_is_no_request_leaves_no_trace,
             a_wrong_override_code_and_a_claimed_label_are_refused,
             another_user_can_neither_open_nor_release,
             an_assignment_that_does_not_exist_is_no_operation,
             a_group_at_work_is_busy_in_every_plan,
             devices_open_on_an_iommufd,
             devices_open_through_their_group_where_there_is_no_iommufd,
             what_is_not_there_cannot_be_asked_for,
             only_devices_of_the_assignment_can_be_opened_each_once,
             an_open_that_fails_keeps_nothing_open_and_the_assignment,
             a_device_unplugged_while_assigned_ends_with_a_remark,
             a_stranger_at_an_assigned_address_is_not_touched_until_the_release,
             a_device_somebody_else_took_is_left_to_them_and_reported,
             a_device_that_vanishes_in_the_middle_undoes_the_rest,
             a_failure_at_any_step_of_an_assignment_is_undone_exactly,
             a_failure_at_any_step_of_a_release_is_told_and_can_be_mended,
             a_worker_that_dies_at_any_step_is_replaced_and_all_undone,
             more_devices_than_the_workers_socket_holds_steps_go_and_come_back,
             an_observer_may_ask_for_a_rescan,
             an_observer_may_begin_the_next_operation,
             ended_operations_are_forgotten_but_not_while_somebody_is_told_of_them,
             a_missing_driver_is_loaded_first,
             a_loader_that_answers_at_once_is_heard,
             a_module_that_cannot_be_loaded_leaves_the_host_alone,
             the_end_of_the_daemon_does_not_wait_for_a_module)
