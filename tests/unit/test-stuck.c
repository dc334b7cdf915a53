/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Devices that somebody has open: a release that says who, or waits for them, and operations that are held up. */

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/look.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static GroupState state_of(uint32_t group) {
        return manager_group_state(manager(), group);
}

static int hold(const PciAddress *address) {
        int fd = simk_hold(daemon_scene.root, address);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* As somebody on the bus asks for it. */
static Operation *ask_release(const char *owner, bool wait) {
        Request request = make_request(VERB_RELEASE, owner, NULL);

        ck_assert_int_eq(string_copy(":1.7", &request.caller.bus_name), 0);
        request.wait = wait;
        return begin_request(request);
}

static const Holding *only_holding(const Operation *operation) {
        ck_assert_uint_eq(operation->holdings.n_items, 1);
        return operation->holdings.items;
}

static void assert_is_this_process(const Holding *holding, const PciAddress *address, int fd) {
        ck_assert_uint_eq(holding->holder.pid, (uint32_t) getpid());
        ck_assert_uint_eq(holding->holder.fd, (uint32_t) fd);
        ck_assert_uint_eq(holding->holder.bus, address->bus);
        ck_assert_uint_eq(holding->holder.function, address->function);
}

static bool was_written(const char *line) {
        _cleanup_free_ char *trace = NULL;

        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
        return strstr(trace, line);
}

static unsigned count_looks(void) {
        _cleanup_free_ char *trace = NULL;
        unsigned n = 0;

        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
        for (const char *at = trace; (at = strstr(at, "begin check-holders")); at++)
                n++;
        return n;
}

/* The trace is a file, which the loop cannot watch. */
static void await_another_look(unsigned looks) {
        while (count_looks() == looks)
                ck_assert_int_ge(sd_event_run(daemon_scene.event, 5 * USEC_PER_MSEC), 0);
}

START_TEST(a_release_that_somebody_keeps_from_ending_is_refused_by_name_and_nothing_is_begun) {
        _cleanup_close_ int held = -EBADF;
        _cleanup_free_ char *assigned = NULL;
        char pid[32];
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        assigned = scene_snapshot();
        held = hold(&mate);
        operation = ask_release("vm:a", /* wait= */ false);
        await_end(operation);

        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_int_eq(operation->outcome.code, REFUSAL_BUSY);
        (void) snprintf(pid, sizeof(pid), "pid %d (", (int) getpid());
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, pid));
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "has 0000:02:00.1 open as fd "));
        ck_assert_uint_eq(operation->outcome.blockers.n_items, 1);
        ck_assert_int_eq(operation->outcome.blockers.items[0].code, BLOCKER_IN_USE_OPEN);
        ck_assert_str_eq(operation->outcome.blockers.items[0].device, "0000:02:00.1");
        assert_is_this_process(only_holding(operation), &mate, held);

        assert_snapshot(assigned);
        ck_assert(!was_written("unbind 0000:02:00.0 vfio-pci"));
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        assert_rows("SELECT state FROM assignments", "active\n");
        assert_rows("SELECT kind, group_number, state, error FROM steps WHERE operation = 2 AND state <> 'skipped'", "check-holders|14|failed|-16\n");
        assert_rows("SELECT DISTINCT state FROM steps WHERE operation = 2 AND kind <> 'check-holders'", "skipped\n");
        assert_rows("SELECT outcome, error FROM audit WHERE verb = 'release'", "failed|Busy\n");
}
END_TEST

START_TEST(and_succeeds_once_the_holder_has_let_go) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int held = -EBADF;
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        held = hold(&nic);
        await_end(ask_release("vm:a", /* wait= */ false));
        held = safe_close(held);
        operation = ask_release("vm:a", /* wait= */ false);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        ck_assert_uint_eq(operation->holdings.n_items, 0);
        assert_snapshot(before);
}
END_TEST

START_TEST(every_holder_of_every_group_is_a_blocker) {
        _cleanup_close_ int first = -EBADF, second = -EBADF, third = -EBADF;
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        (void) assign("vm:a", "0000:01:00.0");
        first = hold(&nic);
        second = hold(&mate);
        third = hold(&single);
        operation = ask_release("vm:a", /* wait= */ false);
        await_end(operation);
        ck_assert_int_eq(operation->outcome.code, REFUSAL_BUSY);
        ck_assert_uint_eq(operation->outcome.blockers.n_items, 3);
        assert_rows("SELECT count(*) FROM current_assignments", "3\n");
}
END_TEST

START_TEST(who_only_waits_for_the_group_does_not_hold_it_up) {
        _cleanup_close_ int held = -EBADF;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        (void) assign("vm:b", "0000:01:00.0");
        held = hold(&single); /* of another group */
        await_end(ask_release("vm:a", /* wait= */ false));
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_HOST);
}
END_TEST

START_TEST(with_wait_the_group_is_releasing_at_once_and_the_holder_is_known) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int held = -EBADF;
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        held = hold(&nic);
        operation = ask_release("vm:a", /* wait= */ true);
        await_trace("begin unbind 0000:02:00.0 vfio-pci");
        ck_assert(!operation->stuck);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RELEASING);
        assert_is_this_process(only_holding(operation), &nic, held);
        (void) assign("vm:b", "0000:01:00.0"); /* everything else goes on */
        release("vm:b");

        held = safe_close(held);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        assert_snapshot(before);
}
END_TEST

START_TEST(the_end_of_a_lease_asks_nobody_and_the_holder_is_looked_for_when_it_is_stuck) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_close_ int held = -EBADF;
        Operation *operation;
        char pid[32];

        daemon_scene.config.slow_usec = 1000;
        daemon_scene.config.stuck_usec = 2000;
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        held = hold(&nic);
        operation = begin_release("vm:a"); /* by the daemon itself */
        AWAIT(operation->stuck);
        AWAIT(operation->holdings.n_items > 0);
        assert_rows("SELECT count(*) FROM steps WHERE operation = 2 AND kind = 'check-holders'", "0\n");
        ck_assert_uint_eq(only_holding(operation)->holder.pid, (uint32_t) getpid());
        ck_assert_ptr_null(operation->look);
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_RELEASING);

        ck_assert_int_eq(manager_check_state(manager(), NIC_GROUP, &blockers), 0);
        ck_assert(blocker_list_contains(&blockers, BLOCKER_STUCK));
        (void) snprintf(pid, sizeof(pid), "pid %d (", (int) getpid());
        request_refused(make_request(VERB_ASSIGN, "vm:b", "0000:02:00.0", NULL), REFUSAL_STUCK, pid);

        held = safe_close(held);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
}
END_TEST

START_TEST(a_look_that_hangs_changes_nothing) {
        _cleanup_close_ int held = -EBADF, hang = -EBADF;
        Operation *operation;
        unsigned looks;

        daemon_scene.config.slow_usec = 1000;
        daemon_scene.config.stuck_usec = 2000;
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        held = hold(&nic);
        hang = simk_hang(daemon_scene.root, SIMK_CHECK_HOLDERS, NULL, 1);
        ck_assert_int_ge(hang, 0);
        looks = count_looks();
        operation = begin_release("vm:a");
        AWAIT(operation->look);
        await_another_look(looks); /* or the assign that follows would look first, and hang */
        (void) assign("vm:b", "0000:01:00.0");
        held = safe_close(held);
        await_end(operation); /* while the look still hangs */
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        ck_assert_ptr_null(operation->look);
}
END_TEST

START_TEST(a_look_that_fails_keeps_a_release_from_beginning_and_says_why) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_CHECK_HOLDERS, NULL, 1, EMFILE), 0);
        operation = ask_release("vm:a", /* wait= */ false);
        await_end(operation);
        ck_assert_int_eq(operation->outcome.code, REFUSAL_FAILED);
        ck_assert_ptr_nonnull(strstr(operation->outcome.message, "could not be found out: Too many open files"));
        ck_assert(!was_written("unbind 0000:02:00.0 vfio-pci"));
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
}
END_TEST

START_TEST(a_worker_that_dies_looking_has_begun_nothing) {
        Operation *operation;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_crash(daemon_scene.root, SIMK_CHECK_HOLDERS, NULL, 1, /* when_done= */ true), 0);
        operation = ask_release("vm:a", /* wait= */ true);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert(!was_written("unbind 0000:02:00.0 vfio-pci"));
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        release("vm:a");
}
END_TEST

START_TEST(a_daemon_that_ends_while_it_looks_leaves_the_assignment_as_it_is) {
        _cleanup_close_ int hang = -EBADF;
        _cleanup_free_ char *assigned = NULL;
        unsigned looks;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        assigned = scene_snapshot();
        hang = simk_hang(daemon_scene.root, SIMK_CHECK_HOLDERS, NULL, 1);
        ck_assert_int_ge(hang, 0);
        looks = count_looks();
        (void) ask_release("vm:a", /* wait= */ false);
        await_another_look(looks);
        scene_stop();
        assert_snapshot(assigned);
        hang = safe_close(hang);
        scene_start();
        AWAIT(state_of(NIC_GROUP) == GROUP_STATE_HOST || state_of(NIC_GROUP) == GROUP_STATE_ASSIGNED);
}
END_TEST

/* The look by itself. */

typedef struct Seen {
        HoldingList found;
        int error;
        bool is_over;
} Seen;

static void on_looked(HoldingList *found, int error, void *userdata) {
        Seen *seen = userdata;

        ck_assert(!seen->is_over);
        seen->found = *found;
        *found = (HoldingList) {};
        seen->error = error;
        seen->is_over = true;
}

static Look *look_at(const uint32_t *groups, size_t n_groups, Seen *seen) {
        Look *look = NULL;

        ck_assert_int_eq(look_new(daemon_scene.event, &manager()->context.launcher, groups, n_groups, on_looked, seen, &look), 0);
        return look;
}

START_TEST(a_look_tells_of_all_its_groups_once) {
        static const uint32_t groups[] = { BRIDGED_GROUP, NIC_GROUP };
        _cleanup_(look_freep) Look *look = NULL;
        _cleanup_close_ int held = -EBADF;
        Seen seen = {};

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        held = hold(&nic);
        look = look_at(groups, ELEMENTSOF(groups), &seen);
        AWAIT(seen.is_over);
        ck_assert_int_eq(seen.error, 0);
        ck_assert_uint_eq(seen.found.n_items, 1);
        ck_assert_uint_eq(seen.found.items[0].group, NIC_GROUP);
        loop_drain();
        holding_list_done(&seen.found);
}
END_TEST

START_TEST(a_look_whose_worker_dies_ends_with_an_error) {
        static const uint32_t groups[] = { NIC_GROUP };
        _cleanup_(look_freep) Look *look = NULL;
        Seen seen = {};

        scene_start();
        ck_assert_int_eq(simk_crash(daemon_scene.root, SIMK_CHECK_HOLDERS, NULL, 1, /* when_done= */ false), 0);
        look = look_at(groups, ELEMENTSOF(groups), &seen);
        AWAIT(seen.is_over);
        ck_assert_int_eq(seen.error, -EPIPE);
        holding_list_done(&seen.found);
}
END_TEST

START_TEST(a_look_can_be_given_up_at_any_time) {
        static const uint32_t groups[] = { NIC_GROUP };
        _cleanup_close_ int hang = -EBADF;
        Seen seen = {};
        Look *look;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_CHECK_HOLDERS, NULL, 1);
        look = look_at(groups, ELEMENTSOF(groups), &seen);
        await_trace("begin check-holders");
        look_free(look);
        hang = safe_close(hang);
        loop_drain();
        ck_assert(!seen.is_over);
}
END_TEST

DAEMON_SUITE("stuck",
             a_release_that_somebody_keeps_from_ending_is_refused_by_name_and_nothing_is_begun,
             and_succeeds_once_the_holder_has_let_go,
             every_holder_of_every_group_is_a_blocker,
             who_only_waits_for_the_group_does_not_hold_it_up,
             with_wait_the_group_is_releasing_at_once_and_the_holder_is_known,
             the_end_of_a_lease_asks_nobody_and_the_holder_is_looked_for_when_it_is_stuck,
             a_look_that_hangs_changes_nothing,
             a_look_that_fails_keeps_a_release_from_beginning_and_says_why,
             a_worker_that_dies_looking_has_begun_nothing,
             a_daemon_that_ends_while_it_looks_leaves_the_assignment_as_it_is,
             a_look_tells_of_all_its_groups_once,
             a_look_whose_worker_dies_ends_with_an_error,
             a_look_can_be_given_up_at_any_time)
