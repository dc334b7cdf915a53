/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Steps, their rows, and what goes wrong between the two. The worker looks for its step's row before it does the step. */

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>

#include "base/strutil.h"
#include "daemon-scene.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

/* The worker's side: no step without a committed row that says it was issued. */

static int count_issued(const char *path, const char *kind, const char *address) {
        sqlite3 *sqlite = NULL;
        sqlite3_stmt *s = NULL;
        int n = -1;

        if (sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
            sqlite3_busy_timeout(sqlite, 10000) == SQLITE_OK &&
            sqlite3_prepare_v2(sqlite, "SELECT count(*) FROM steps s JOIN operations o ON o.id = s.operation"
                               " WHERE s.kind = ? AND s.address IS ? AND s.state = 'issued' AND o.finished_usec IS NULL", -1, &s, NULL) == SQLITE_OK &&
            sqlite3_bind_text(s, 1, kind, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_bind_text(s, 2, address, -1, SQLITE_STATIC) == SQLITE_OK &&
            sqlite3_step(s) == SQLITE_ROW)
                n = sqlite3_column_int(s, 0);
        (void) sqlite3_finalize(s);
        (void) sqlite3_close(sqlite);
        return n;
}

static int check_row(Kernel *kernel, const char *kind, const PciAddress *address) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d/state/assignd.db", kernel->sysfs_fd);
        return count_issued(path, kind, address ? PCI_ADDRESS_FORMAT(address) : NULL) == 1 ? 0 : -EILSEQ;
}

static int watched_set_override(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        return check_row(kernel, "set-override", address) ?: simk_ops.set_override(kernel, address, driver, found);
}

static int watched_unbind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        return check_row(kernel, "unbind", address) ?: simk_ops.unbind(kernel, address, driver, found);
}

static int watched_bind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        return check_row(kernel, "bind", address) ?: simk_ops.bind(kernel, address, driver, found);
}

static int watched_open_iommufd(Kernel *kernel) {
        return check_row(kernel, "open-iommufd", NULL) ?: simk_ops.open_iommufd(kernel);
}

static int watched_open_cdev(Kernel *kernel, const PciAddress *address) {
        return check_row(kernel, "open-cdev", address) ?: simk_ops.open_cdev(kernel, address);
}

/* Its row names a group and no device. */
static int watched_check_holders(Kernel *kernel, uint32_t group, HolderList *ret) {
        return simk_ops.check_holders(kernel, group, ret);
}

static int watched_set_device_node(Kernel *kernel, const PciAddress *address, const NodeAccess *access) {
        return check_row(kernel, "set-device-node", address) ?: simk_ops.set_device_node(kernel, address, access);
}

static int watched_set_group_node(Kernel *kernel, uint32_t group, const NodeAccess *access) {
        return check_row(kernel, "set-group-node", NULL) ?: simk_ops.set_group_node(kernel, group, access);
}

static const KernelOps watched_ops = {
        .set_override = watched_set_override,
        .unbind = watched_unbind,
        .bind = watched_bind,
        .open_iommufd = watched_open_iommufd,
        .open_cdev = watched_open_cdev,
        .check_holders = watched_check_holders,
        .set_device_node = watched_set_device_node,
        .set_group_node = watched_set_group_node,
};

START_TEST(every_step_is_a_committed_row_before_the_kernel_hears_of_it) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        operation = begin_open(1);
        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
        release("vm:a");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_BIND, &mate, 1, EIO), 0); /* and so are those of an undo */
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_end(operation);
        ck_assert_ptr_null(strstr(operation->outcome.message, "Invalid or incomplete"));
        assert_driver(&nic, "e1000e");
        assert_rows("SELECT state, undo, count(*) FROM steps GROUP BY state, undo ORDER BY state, undo", "done|0|24\ndone|1|7\nfailed|0|1\n");
}
END_TEST

START_TEST(rows_tell_phases_values_and_what_was_before) {
        scene_start();
        ck_assert_int_eq(treegen_set_override(daemon_scene.root, "0000:02:00.1", "e1000e"), 0);
        (void) assign("vm:a", "0000:02:00.0");
        assert_rows("SELECT sequence, phase, kind, address, group_number, value, prior, state, error FROM steps ORDER BY sequence",
                    "1|0|check-holders||14|||done|0\n"
                    "2|1|set-override|0000:02:00.0|14|vfio-pci||done|0\n3|1|set-override|0000:02:00.1|14|vfio-pci|e1000e|done|0\n"
                    "4|2|unbind|0000:02:00.0|14|e1000e||done|0\n5|2|unbind|0000:02:00.1|14|e1000e||done|0\n"
                    "6|3|bind|0000:02:00.0|14|vfio-pci||done|0\n7|3|bind|0000:02:00.1|14|vfio-pci||done|0\n");
        assert_rows("SELECT verb, state, owner, assignment, worker_pid > 0, worker_start_time > 0 FROM operations", "assign|done|vm:a|1|1|1\n");
        assert_rows("SELECT group_number FROM operation_groups", "14\n");
}
END_TEST

START_TEST(a_phase_begins_when_all_of_the_one_before_is_over) {
        _cleanup_close_ int hang = -EBADF;
        _cleanup_free_ char *trace = NULL;
        unsigned n_done, n_all;
        Operation *operation;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_SET_OVERRIDE, &nic, 1);
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_trace("end set-override 0000:02:00.1"); /* side by side with the one that hangs */
        AWAIT(operation->n_unanswered == 1);
        loop_drain();
        operation_get_progress(operation, &n_done, &n_all);
        ck_assert_uint_eq(n_done, 2); /* the look for holders, too */
        ck_assert_uint_eq(n_all, 7);
        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
        ck_assert_ptr_null(strstr(trace, "begin unbind"));
        hang = safe_close(hang);
        await_end(operation);
        operation_get_progress(operation, &n_done, &n_all);
        ck_assert_uint_eq(n_done, 7);
}
END_TEST

START_TEST(one_group_that_cannot_be_undone_does_not_keep_another_from_it) {
        Operation *operation;

        scene_start();
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_SET_OVERRIDE, &bridged[0], 2, EIO), 0);
        operation = begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:04:01.0", NULL));
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "0000:02:00.0 could not be unbound from e1000e"));
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "The driver_override of 0000:04:01.0 could not be set"));
        assert_driver(&mate, "e1000e");
        assert_override(&mate, NULL);
        assert_override(&nic, NULL);
        assert_driver(&bridged[2], "e1000");
        assert_driver(&bridged[0], NULL); /* its override was not set, so it is not bound */
        assert_override(&bridged[0], NULL);
}
END_TEST

/* The database. */

/* Somebody at sqlite3 who has begun to write and gone to lunch. */
static sqlite3 *lock_database(void) {
        sqlite3 *sqlite = NULL;

        ck_assert_int_eq(sqlite3_open_v2(daemon_scene.database_path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        return sqlite;
}

static void unlock_database(sqlite3 *sqlite) {
        ck_assert_int_eq(sqlite3_exec(sqlite, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(sqlite), SQLITE_OK);
}

START_TEST(a_database_that_cannot_be_written_refuses_before_the_kernel_is_touched) {
        _cleanup_free_ char *before = scene_snapshot(), *trace = NULL;
        sqlite3 *lock;

        scene_start();
        lock = lock_database();
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_DEGRADED, "The database cannot be written");
        unlock_database(lock);
        loop_drain();
        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
        ck_assert_str_eq(trace, "");
        assert_snapshot(before);
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_HOST);
        ck_assert_uint_eq(manager()->n_operations, 0);
        ck_assert_uint_eq(manager()->assignments.n_items, 0);
        assert_rows("SELECT count(*) FROM assignments", "0\n");
        (void) assign("vm:a", "0000:02:00.0");
}
END_TEST

START_TEST(a_database_that_fails_in_the_middle_is_asked_again_and_nothing_is_written_meanwhile) {
        _cleanup_close_ int hang = -EBADF;
        _cleanup_free_ char *trace = NULL;
        Operation *operation;
        sqlite3 *lock;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_UNBIND, &nic, 1);
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_trace("begin unbind 0000:02:00.0");
        lock = lock_database();
        hang = safe_close(hang);
        AWAIT(operation->stuck);
        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
        ck_assert_ptr_null(strstr(trace, "begin bind"));
        ck_assert_uint_eq(manager_group_state(manager(), NIC_GROUP), GROUP_STATE_STUCK);
        ck_assert_int_eq(kill(worker_pid(operation->worker), SIGKILL), 0); /* and the worker does not live to see it */
        AWAIT(!operation->worker);
        unlock_database(lock);
        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
        assert_driver(&nic, "vfio-pci");
        assert_driver(&mate, "vfio-pci");
}
END_TEST

static void on_end(Operation *operation, void *userdata) {
        ck_assert(operation_has_ended(operation));
        ck_assert_int_ne(operation->state, OPERATION_RUNNING);
        (*(unsigned *) userdata)++;
}

START_TEST(an_operation_has_not_ended_before_its_last_rows_are_committed) {
        _cleanup_close_ int hang = -EBADF;
        unsigned n_told = 0;
        Operation *operation;
        sqlite3 *lock;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_BIND, &nic, 1);
        operation = begin_assign("vm:a", "0000:02:00.0");
        await_trace("begin bind 0000:02:00.0");
        lock = lock_database();
        hang = safe_close(hang);
        AWAIT(operation->stuck);
        ck_assert(!operation_has_ended(operation));
        ck_assert_int_eq(operation_watch(operation, on_end, &n_told), 0); /* as Operation.Wait() does now */
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.0", NULL), REFUSAL_STUCK, "");
        ck_assert_uint_eq(n_told, 0);
        ck_assert_ptr_null(manager_group_assignment(manager(), NIC_GROUP));
        unlock_database(lock);
        await_end(operation);
        ck_assert_uint_eq(n_told, 1);
        ck_assert_ptr_nonnull(manager_group_assignment(manager(), NIC_GROUP));
}
END_TEST

/* A disk that is full for every file that is longer than this. */
static void limit_files(rlim_t bytes) {
        struct rlimit limit;

        ck_assert_ptr_ne(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = bytes;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_full_disk_refuses_until_there_is_room_again) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        ck_assert_str_eq(manager_health(manager()), "ok");
        limit_files(4096);
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_DEGRADED, "No space left");
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_DEGRADED, "No space left");
        ck_assert_ptr_nonnull(strstr(manager_health(manager()), "degraded"));
        assert_snapshot(before);
        limit_files(RLIM_INFINITY);
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_str_eq(manager_health(manager()), "ok");
}
END_TEST

START_TEST(a_disk_that_fills_in_the_middle_stops_the_operation_until_there_is_room) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int hang = -EBADF;
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        hang = simk_hang(daemon_scene.root, SIMK_UNBIND, &nic, 1);
        operation = begin_release("vm:a");
        await_trace("begin unbind 0000:02:00.0 vfio-pci");
        limit_files(4096);
        hang = safe_close(hang);
        AWAIT(operation->stuck);
        limit_files(RLIM_INFINITY);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        assert_snapshot(before);
        ck_assert_int_eq(manager_reload(manager(), &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        ck_assert_str_eq(manager_health(manager()), "ok");
}
END_TEST

/* With an owner of its own. */

static struct {
        unsigned n_plan_undo, n_settled, n_journal_end, n_ended;
        unsigned undo_fails, end_fails;
} played;

static int played_plan_undo(Operation *operation, void *userdata, Plan *ret) {
        Step *step;

        played.n_plan_undo++;
        if (played.undo_fails > 0) {
                played.undo_fails--;
                return -ENOMEM;
        }
        step = calloc(1, sizeof(Step));
        ck_assert_ptr_nonnull(step);
        *step = (Step) { .kind = STEP_SET_OVERRIDE, .address = nic, .group = NIC_GROUP };
        *ret = (Plan) { .steps = step, .n_steps = 1 };
        return 0;
}

static void played_settled(Operation *operation, void *userdata) {
        played.n_settled++;
}

static int played_journal_end(Operation *operation, void *userdata) {
        played.n_journal_end++;
        if (played.end_fails == 0)
                return 0;
        played.end_fails--;
        return -ENOSPC;
}

static void played_ended(Operation *operation, void *userdata) {
        played.n_ended++;
}

static const OperationOwner played_owner = {
        .plan_undo = played_plan_undo,
        .settled = played_settled,
        .journal_end = played_journal_end,
        .ended = played_ended,
};

/* Sets the override of the NIC, then unbinds it from `driver`. */
static Operation *begin_played(const char *driver) {
        const uint32_t groups[] = { NIC_GROUP };
        Request request = { .verb = VERB_RECOVER };
        Operation *operation = NULL;
        Plan plan = { .steps = calloc(2, sizeof(Step)), .n_steps = 2 };

        ck_assert_ptr_nonnull(plan.steps);
        plan.steps[0] = (Step) { .kind = STEP_SET_OVERRIDE, .address = nic, .group = NIC_GROUP, .value = strdup("vfio-pci") };
        plan.steps[1] = (Step) { .kind = STEP_UNBIND, .phase = 1, .address = nic, .group = NIC_GROUP, .value = strdup(driver) };
        ck_assert_int_eq(operation_new(&manager()->context, &played_owner, NULL, &request, &operation), 0);
        ck_assert_int_eq(operation_set_groups(operation, groups, ELEMENTSOF(groups)), 0);
        ck_assert_int_eq(operation_set_plan(operation, &plan), 0);
        ck_assert_int_eq(operation_begin(operation), 0);
        return operation;
}

START_TEST(an_undo_that_cannot_be_planned_is_planned_later) {
        _cleanup_(operation_freep) Operation *operation = NULL;

        scene_start();
        played.undo_fails = 1;
        operation = begin_played("no-such-driver");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_uint_eq(played.n_plan_undo, 2);
        ck_assert_uint_eq(played.n_ended, 1);
        assert_override(&nic, NULL);
        assert_rows("SELECT sequence, phase, undo, state FROM steps ORDER BY sequence", "1|0|0|done\n2|1|0|failed\n3|2|1|done\n");
}
END_TEST

START_TEST(the_end_is_journalled_again_if_its_rows_fail_and_settled_once) {
        _cleanup_(operation_freep) Operation *operation = NULL;

        scene_start();
        played.end_fails = 1;
        operation = begin_played("e1000e");
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        ck_assert_uint_eq(played.n_journal_end, 2);
        ck_assert_uint_eq(played.n_settled, 1);
        ck_assert_uint_eq(played.n_ended, 1);
        assert_rows("SELECT state FROM operations", "done\n");
}
END_TEST

START_TEST(a_watcher_that_is_taken_back_hears_nothing) {
        _cleanup_(operation_freep) Operation *operation = NULL;
        unsigned n_told = 0, n_untold = 0;

        scene_start();
        operation = begin_played("e1000e");
        ck_assert_int_eq(operation_watch(operation, on_end, &n_untold), 0);
        ck_assert_int_eq(operation_watch(operation, on_end, &n_told), 0);
        operation_unwatch(operation, on_end, &n_untold);
        await_end(operation);
        ck_assert_uint_eq(n_told, 1);
        ck_assert_uint_eq(n_untold, 0);
}
END_TEST

START_TEST(an_operation_may_be_freed_in_the_middle) {
        _cleanup_close_ int hang = -EBADF;
        Operation *operation;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_UNBIND, &nic, 1);
        operation = begin_played("e1000e");
        await_trace("begin unbind 0000:02:00.0");
        operation_free(operation);
        hang = safe_close(hang);
        await_trace("end unbind 0000:02:00.0");
        loop_drain();
        assert_rows("SELECT state FROM operations", "running\n");
}
END_TEST

START_TEST(a_worker_that_cannot_be_started_begins_nothing) {
        _cleanup_free_ char *before = scene_snapshot();
        Request request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation;
        int lease = -EBADF;

        daemon_scene.config.worker_path = "/no/such/worker";
        scene_start();
        ck_assert_int_eq(manager_assign(manager(), &request, &lease, &refusal, &operation), -ENOENT);
        request_done(&request);
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM operations", "0\n");
        ck_assert_uint_eq(manager()->queue.n_running, 0);
        ck_assert_uint_eq(manager()->assignments.n_items, 0);
}
END_TEST

START_TEST(states_have_their_words) {
        ck_assert_str_eq(operation_state_to_string(OPERATION_UNDOING), "undoing");
        ck_assert_ptr_null(operation_state_to_string(_OPERATION_STATE_MAX));
        for (OperationState state = 0; state < _OPERATION_STATE_MAX; state++)
                ck_assert_ptr_nonnull(operation_state_to_string(state));
        for (GroupState state = 0; state < _GROUP_STATE_MAX; state++)
                ck_assert_ptr_nonnull(group_state_to_string(state));
}
END_TEST

DAEMON_SUITE_WITH(&watched_ops, "operation",
                  every_step_is_a_committed_row_before_the_kernel_hears_of_it,
                  rows_tell_phases_values_and_what_was_before,
                  a_phase_begins_when_all_of_the_one_before_is_over,
                  one_group_that_cannot_be_undone_does_not_keep_another_from_it,
                  a_database_that_cannot_be_written_refuses_before_the_kernel_is_touched,
                  a_database_that_fails_in_the_middle_is_asked_again_and_nothing_is_written_meanwhile,
                  an_operation_has_not_ended_before_its_last_rows_are_committed,
                  a_full_disk_refuses_until_there_is_room_again,
                  a_disk_that_fills_in_the_middle_stops_the_operation_until_there_is_room,
                  an_undo_that_cannot_be_planned_is_planned_later,
                  the_end_is_journalled_again_if_its_rows_fail_and_settled_once,
                  a_watcher_that_is_taken_back_hears_nothing,
                  an_operation_may_be_freed_in_the_middle,
                  a_worker_that_cannot_be_started_begins_nothing,
                  states_have_their_words)
