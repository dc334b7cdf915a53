/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A daemon that was killed, and the next one on the same database and host. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "daemon-scene.h"

#define OTHER_BOOT "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static bool is_at_rest(void) {
        const AssignmentTable *table = &manager()->assignments;

        if (manager()->queue.n_running > 0)
                return false;
        for (size_t i = 0; i < table->n_items; i++)
                if (table->items[i]->state != ASSIGNMENT_ACTIVE)
                        return false;
        return true;
}

/* A daemon of its own process, which does `act` and is killed after `n_turns` turns of its loop, or, with `line`, once that line is
 * in the kernel's trace. Returns false if it came to the end before. */
typedef Operation *(*act_t)(void);

static void be_daemon(act_t act, unsigned n_turns, const char *line) {
        Operation *operation;

        /* An event loop does not survive a fork. */
        ck_assert_int_ge(sd_event_new(&daemon_scene.event), 0);
        if (act)
                scene_start();
        else {
                scene_create();
                ck_assert_int_eq(manager_start(manager()), 0);
        }
        operation = act ? act() : NULL;
        if (line)
                await_trace(line);
        for (unsigned i = 0; !line && i < n_turns; i++) {
                if (operation ? operation_has_ended(operation) : daemon_scene.ready && is_at_rest())
                        _exit(0);
                ck_assert_int_ge(sd_event_run(daemon_scene.event, UINT64_MAX), 0);
        }
        (void) raise(SIGKILL);
}

static bool killed_while(act_t act, unsigned n_turns, const char *line) {
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                be_daemon(act, n_turns, line);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "the daemon to be killed failed");
        return WIFSIGNALED(status);
}

static Operation *act_assign(void) {
        return begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:05:00.1", NULL));
}

static Operation *act_release(void) {
        return begin_release("vm:a");
}

static Operation *act_open(void) {
        return begin_open(manager_group_assignment(manager(), NIC_GROUP)->id);
}

/* Nothing half: either the owner has all, or the host has all as it was; and the rows say the same. */
static void assert_whole(const char *before) {
        AWAIT(is_at_rest());
        assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
        assert_rows("SELECT count(*) FROM current_assignments WHERE state <> 'active'", "0\n");
        if (manager()->assignments.n_items > 0) {
                assert_driver(&nic, "vfio-pci");
                assert_driver(&mate, "vfio-pci");
                assert_driver(&vf, "vfio-pci");
                assert_override(&vf, "vfio-pci");
                assert_rows("SELECT count(*) FROM current_assignments", "3\n");
                release("vm:a");
        }
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
}

START_TEST(killed_at_any_moment_of_an_assignment) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;

        while (killed_while(act_assign, n, NULL)) {
                scene_start();
                assert_whole(before);
                scene_stop();
                n++;
        }
        ck_assert_uint_ge(n, 12); /* at least: three phases of several answers each, their sends and commits */
}
END_TEST

START_TEST(killed_at_any_moment_of_a_release) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;
        bool killed;

        do {
                scene_start();
                await_end(act_assign());
                scene_stop();
                killed = killed_while(act_release, n, NULL);
                scene_start();
                if (n > 0 && killed)
                        AWAIT(is_at_rest());
                assert_whole(before);
                scene_stop();
                n++;
        } while (killed);
        ck_assert_uint_ge(n, 12);
}
END_TEST

START_TEST(killed_at_any_moment_of_opening_keeps_the_assignment) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;

        scene_start();
        await_end(act_assign());
        scene_stop();
        while (killed_while(act_open, n++, NULL)) {
                scene_start();
                ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_ASSIGNED);
                assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
                scene_stop();
        }
        ck_assert_uint_ge(n, 4);
        scene_start();
        assert_whole(before);
}
END_TEST

static void forget_trace(void) {
        ck_assert_int_eq(treegen_remove_path(daemon_scene.root, "simk/trace"), 0);
        safe_close(openat(daemon_scene.root, "simk/trace", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

START_TEST(killed_at_any_moment_of_the_recovery_itself) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;
        bool killed;

        do {
                ck_assert(killed_while(act_assign, 0, "end bind 0000:02:00.0"));
                killed = killed_while(NULL, n, NULL);
                scene_start();
                assert_whole(before);
                scene_stop();
                forget_trace();
                n++;
        } while (killed);
        ck_assert_uint_ge(n, 4);
}
END_TEST

/* The daemon is killed while its worker is in the kernel, which does not let go. Returns what lets it. */
static int leave_worker(act_t act, SimkCall call, const PciAddress *address, const char *line) {
        int hang = simk_hang(daemon_scene.root, call, address, 1);

        ck_assert_int_ge(hang, 0);
        ck_assert(killed_while(act, 0, line));
        return hang;
}

/* As the file is while the device lock is held (before Linux 6.12): whoever opens it hangs. */
static void block_override(const char *address) {
        char path[128];

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver_override", address);
        ck_assert_int_eq(unlinkat(daemon_scene.root, path, 0), 0);
        ck_assert_int_eq(mkfifoat(daemon_scene.root, path, 0600), 0);
}

static void unblock_override(const char *address, const char *value) {
        char path[128];
        int fd;

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver_override", address);
        ck_assert_int_eq(unlinkat(daemon_scene.root, path, 0), 0);
        fd = openat(daemon_scene.root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(dprintf(fd, "%s\n", value), 0);
        safe_close(fd);
}

START_TEST(a_worker_that_was_left_behind_is_waited_for_by_its_groups_only) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int hang = leave_worker(act_assign, SIMK_UNBIND, &nic, "begin unbind 0000:02:00.0");

        block_override("0000:02:00.0");
        scene_start();
        ck_assert_uint_eq(count_heard("ready"), 1);
        ck_assert_int_eq(manager_rescan(manager()), 0);
        ck_assert_int_eq(simk_emit(daemon_scene.root, "change", &nic), 0);
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_STUCK);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.1", NULL), REFUSAL_STUCK, "an earlier assignd");
        await_end(begin_assign("vm:b", "0000:01:00.0"));
        assert_driver(&single, "vfio-pci");
        release("vm:b");

        unblock_override("0000:02:00.0", "vfio-pci");
        hang = safe_close(hang);
        AWAIT(is_at_rest());
        assert_snapshot(before);
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_HOST);
        assert_heard("group 14 changed host");
        loop_drain();
        ck_assert_uint_eq(count_heard("ready"), 1);
        assert_rows("SELECT verb, outcome FROM audit_log WHERE owner = 'vm:a' ORDER BY id", "assign|interrupted\nrecover|done\n");
}
END_TEST

START_TEST(a_release_that_hung_is_finished_once_the_holder_lets_go) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int hang = -EBADF;

        scene_start();
        await_end(act_assign());
        scene_stop();
        hang = leave_worker(act_release, SIMK_UNBIND, &mate, "begin unbind 0000:02:00.1 vfio-pci");
        scene_start();
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_RELEASING);
        scene_stop(); /* and another restart, while it hangs */
        scene_start();
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_RELEASING);
        hang = safe_close(hang);
        AWAIT(is_at_rest());
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
}
END_TEST

static bool is_named_as_holder(void) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        char pid[32];

        (void) snprintf(pid, sizeof(pid), "; pid %d (", (int) getpid());
        ck_assert_int_eq(manager_check_state(manager(), NIC_GROUP, &blockers), 0);
        for (size_t i = 0; i < blockers.n_items; i++)
                if (blockers.items[i].code == BLOCKER_STUCK && strstr(blockers.items[i].detail, pid))
                        return true;
        return false;
}

START_TEST(who_holds_up_a_worker_that_was_left_behind_is_named) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int held = -EBADF;

        scene_start();
        await_end(act_assign());
        scene_stop();
        held = simk_hold(daemon_scene.root, &nic);
        ck_assert_int_ge(held, 0);
        ck_assert(killed_while(act_release, 0, "begin unbind 0000:02:00.0 vfio-pci"));
        scene_start();
        AWAIT(is_named_as_holder());
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_RELEASING);
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.1", NULL), REFUSAL_STUCK, "an earlier assignd");
        held = safe_close(held);
        AWAIT(is_at_rest());
        assert_snapshot(before);
        ck_assert(!is_named_as_holder());
}
END_TEST

START_TEST(a_recovered_release_that_somebody_holds_up_is_releasing_and_says_who) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int held = -EBADF;

        scene_start();
        await_end(act_assign());
        scene_stop();
        ck_assert(killed_while(act_release, 0, NULL));
        held = simk_hold(daemon_scene.root, &nic);
        ck_assert_int_ge(held, 0);
        daemon_scene.config.slow_usec = 1000;
        daemon_scene.config.stuck_usec = 2000;
        scene_start();
        AWAIT(is_named_as_holder());
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_RELEASING);
        held = safe_close(held);
        AWAIT(is_at_rest());
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
}
END_TEST

START_TEST(nothing_is_read_that_a_stuck_operation_of_ours_holds) {
        _cleanup_close_ int hang = -EBADF;
        Operation *operation;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_UNBIND, &nic, 1);
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_trace("begin unbind 0000:02:00.0");
        block_override("0000:02:00.0");
        ck_assert_int_eq(manager_rescan(manager()), 0);
        ck_assert_int_eq(simk_emit(daemon_scene.root, "change", &nic), 0);
        ck_assert_int_eq(begin_assign("vm:b", "0000:02:00.0")->state, OPERATION_WAITING);
        unblock_override("0000:02:00.0", "vfio-pci");
        hang = safe_close(hang);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
}
END_TEST

START_TEST(what_the_kernel_does_not_let_go_in_the_recovery_stays_its_owners) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        await_end(act_assign());
        scene_stop();
        ck_assert(killed_while(act_release, 0, NULL));
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        scene_start();
        AWAIT(is_at_rest());
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_ASSIGNED);
        assert_rows("SELECT DISTINCT state FROM current_assignments", "active\n");
        release("vm:a");
        assert_snapshot(before);
}
END_TEST

/* Whether the answer to one step is all that the operation waits for. */
static bool waits_for_step(const Operation *operation, StepKind kind, const PciAddress *address) {
        for (size_t i = 0; i < operation->plan.n_steps; i++)
                if (operation->progress[i].sent && operation->progress[i].state == STEP_ISSUED && operation->plan.steps[i].kind == kind &&
                    pci_address_compare(&operation->plan.steps[i].address, address) == 0)
                        return operation->n_unanswered == 1;
        return false;
}

/* Both functions had left the VFIO driver, one was back with the host, when the daemon died; then somebody made the kernel probe the other,
 * and it does not leave a second time. Its owner must not have it back beside a function that the host uses. */
START_TEST(what_was_let_go_before_is_nobodys_whatever_happens_to_it_since) {
        _cleanup_close_ int hang = -EBADF;
        Operation *operation;

        scene_start();
        await_end(act_assign());
        hang = simk_hang(daemon_scene.root, SIMK_SET_OVERRIDE, &mate, 1);
        operation = begin_release("vm:a");
        AWAIT(waits_for_step(operation, STEP_SET_OVERRIDE, &mate));
        scene_stop();
        ck_assert_int_eq(simk_probe(daemon_scene.root, &mate), 0);
        assert_driver(&mate, "vfio-pci");
        hang = safe_close(hang);
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &mate, 1, EIO), 0);
        scene_start();
        AWAIT(is_at_rest());
        ck_assert_ptr_null(manager_group_assignment(manager(), NIC_GROUP));
        assert_rows("SELECT DISTINCT state FROM assignment_history", "ended\n");
        assert_rows("SELECT count(*) FROM audit WHERE verb = 'recover' AND message LIKE '%0000:02:00.1 is on the driver vfio-pci%'", "1\n");
}
END_TEST

#define NIC_OVERRIDE "bus/pci/devices/0000:02:00.0/driver_override"

START_TEST(what_cannot_be_read_is_given_back_later_and_keeps_nobody_else_waiting) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_(plan_result_done) PlanResult result = {};
        const Request request = { .verb = VERB_ASSIGN, .targets = (char *[]) { (char *) "0000:02:00.1", NULL } };

        ck_assert(killed_while(act_assign, 0, "end bind 0000:02:00.0"));
        ck_assert_int_eq(unlinkat(daemon_scene.root, NIC_OVERRIDE, 0), 0);
        ck_assert_int_eq(mkdirat(daemon_scene.root, NIC_OVERRIDE, 0755), 0);
        scene_start(); /* is ready */
        ck_assert_int_eq(manager_plan(manager(), &request, &result), 0);
        ck_assert(blocker_list_contains(&result.refusal.blockers, BLOCKER_STUCK));
        (void) assign("vm:b", "0000:01:00.0");
        release("vm:b");

        ck_assert_int_eq(unlinkat(daemon_scene.root, NIC_OVERRIDE, AT_REMOVEDIR), 0);
        ck_assert_int_eq(treegen_set_override(daemon_scene.root, "0000:02:00.0", "vfio-pci"), 0);
        assert_whole(before);
}
END_TEST

START_TEST(a_restart_changes_nothing_on_the_host) {
        _cleanup_free_ char *assigned = NULL, *trace_before = NULL, *trace_after = NULL;
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        assigned = scene_snapshot();
        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace_before), 0);
        scene_stop();
        scene_start();
        ck_assert_ptr_nonnull(manager_find_assignment(manager(), id));
        ck_assert_str_eq(manager_group_assignment(manager(), NIC_GROUP)->owner, "vm:a");
        ck_assert_uint_eq(manager_group_assignment(manager(), NIC_GROUP)->records.n_items, 2);
        assert_snapshot(assigned);
        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace_after), 0);
        ck_assert_str_eq(trace_before, trace_after);
}
END_TEST

START_TEST(after_another_boot_assignments_have_ended) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        scene_stop();
        ck_assert(killed_while(act_open, 0, NULL));
        /* What a boot does to drivers and overrides. */
        for (unsigned i = 0; i < 2; i++) {
                const PciAddress *device = i == 0 ? &nic : &mate;

                ck_assert_int_eq(simk_unbind(daemon_scene.root, device, "vfio-pci"), 0);
                ck_assert_int_eq(simk_set_override(daemon_scene.root, device, NULL), 0);
                ck_assert_int_eq(simk_bind(daemon_scene.root, device, "e1000e"), 0);
        }
        scene_set_boot_id(OTHER_BOOT);
        scene_start();
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_HOST);
        assert_snapshot(before);
        assert_rows("SELECT DISTINCT state, end_reason FROM assignment_history", "ended|The host was rebooted\n");
        assert_rows("SELECT verb, outcome, message FROM audit_log WHERE id > 1 ORDER BY id",
                    "release|done|The host was rebooted\nopen|interrupted|The host was rebooted\n");
        ck_assert_uint_eq(count_heard("operation-added"), 1); /* the first daemon's */
        (void) assign("vm:b", "0000:02:00.0");
}
END_TEST

START_TEST(an_assignment_that_a_boot_interrupted_was_never_there) {
        ck_assert(killed_while(act_assign, 0, "end set-override 0000:02:00.0"));
        scene_set_boot_id(OTHER_BOOT);
        scene_start();
        assert_rows("SELECT DISTINCT state FROM assignment_history", "undone\n");
        assert_rows("SELECT DISTINCT state FROM operations", "interrupted\n");
        assert_rows("SELECT count(*) FROM audit_log WHERE verb = 'assign' AND outcome = 'interrupted'", "1\n");
}
END_TEST

static Operation *act_recover(void) {
        Request request = make_request(VERB_RECOVER, NULL, "0000:02:00.0", NULL);
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;

        ck_assert_int_eq(manager_recover(manager(), &request, &refusal, &operation), 0);
        request_done(&request);
        ck_assert_ptr_nonnull(operation);
        return operation;
}

/* The assignment is active and stays so, but nothing else may begin while something still writes to its group. */
START_TEST(the_worker_of_an_administrators_recovery_is_waited_for_as_well) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int hang = -EBADF;

        scene_start();
        await_end(act_assign());
        scene_stop();
        ck_assert_int_eq(simk_set_override(daemon_scene.root, &nic, NULL), 0);
        forget_trace();
        hang = leave_worker(act_recover, SIMK_SET_OVERRIDE, &nic, "begin set-override 0000:02:00.0");
        scene_start();
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_STUCK);
        request_refused(make_request(VERB_RELEASE, "vm:a", NULL), REFUSAL_STUCK, "an earlier assignd");
        assert_rows("SELECT verb FROM operations WHERE finished_usec IS NULL", "recover\n");
        hang = safe_close(hang);
        AWAIT(manager_group_state(manager(), NIC_GROUP) == GROUP_STATE_ASSIGNED);
        assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
        assert_rows("SELECT verb, outcome FROM audit_log ORDER BY id DESC LIMIT 1", "recover|interrupted\n");
        release("vm:a");
        assert_snapshot(before);
}
END_TEST

static Operation *act_assign_and_wait(void) {
        Operation *first = act_assign();

        ck_assert_uint_eq(begin_request(make_request(VERB_ASSIGN, "vm:b", "0000:01:00.0", "0000:02:00.0", NULL))->state, OPERATION_WAITING);
        return first;
}

/* Its first group is not one of those that are recovered. */
START_TEST(what_waited_has_ended_with_its_daemon) {
        ck_assert(killed_while(act_assign_and_wait, 0, "end set-override 0000:02:00.0"));
        scene_start();
        AWAIT(is_at_rest());
        assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
        assert_rows("SELECT verb, outcome FROM audit_log WHERE owner = 'vm:b'", "assign|interrupted\n");
}
END_TEST

START_TEST(a_second_daemon_is_kept_out) {
        Manager *second = NULL;

        scene_start();
        ck_assert_int_eq(manager_new(&daemon_scene.config, daemon_scene.event, &second), -EUCLEAN);
        ck_assert_ptr_null(second);
}
END_TEST

DAEMON_SUITE("recover",
             killed_at_any_moment_of_an_assignment,
             killed_at_any_moment_of_a_release,
             killed_at_any_moment_of_opening_keeps_the_assignment,
             killed_at_any_moment_of_the_recovery_itself,
             a_worker_that_was_left_behind_is_waited_for_by_its_groups_only,
             a_release_that_hung_is_finished_once_the_holder_lets_go,
             who_holds_up_a_worker_that_was_left_behind_is_named,
             a_recovered_release_that_somebody_holds_up_is_releasing_and_says_who,
             nothing_is_read_that_a_stuck_operation_of_ours_holds,
             what_the_kernel_does_not_let_go_in_the_recovery_stays_its_owners,
             what_was_let_go_before_is_nobodys_whatever_happens_to_it_since,
             what_cannot_be_read_is_given_back_later_and_keeps_nobody_else_waiting,
             a_restart_changes_nothing_on_the_host,
             after_another_boot_assignments_have_ended,
             an_assignment_that_a_boot_interrupted_was_never_there,
             the_worker_of_an_administrators_recovery_is_waited_for_as_well,
             what_waited_has_ended_with_its_daemon,
             a_second_daemon_is_kept_out)
