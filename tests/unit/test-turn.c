/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Operations that want the same group: one works, the others wait, in the order in which they came. */

#include <string.h>
#include <unistd.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/turn.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static Operation *begin_assign_two(const char *owner, const char *a, const char *b) {
        return begin_request(make_request(VERB_ASSIGN, owner, a, b, NULL));
}

static void assert_waits(const Operation *operation) {
        ck_assert_str_eq(operation_state_word(operation), "waiting");
}

static void await_outcome(Operation *operation, RefusalCode code) {
        await_end(operation);
        ck_assert_msg(operation->outcome.code == code, "%s: %s", refusal_code_to_string(operation->outcome.code) ?: "done",
                      operation->outcome.message ?: "");
}

START_TEST(the_second_waits_and_is_decided_afresh_at_its_turn) {
        Operation *assigned, *refused, *released, *again;

        scene_start();
        assigned = begin_assign("vm:a", "0000:02:00.0");
        refused = begin_assign("vm:b", "0000:02:00.1");
        released = begin_release("vm:a");
        again = begin_assign("vm:c", "0000:02:00.1");
        assert_waits(refused);
        assert_waits(released);
        assert_waits(again);
        await_outcome(assigned, REFUSAL_NONE);
        await_outcome(refused, REFUSAL_OWNED);
        await_outcome(released, REFUSAL_NONE);
        await_outcome(again, REFUSAL_NONE);
        ck_assert_ptr_nonnull(manager_group_assignment(manager(), NIC_GROUP));
        ck_assert_str_eq(manager_group_assignment(manager(), NIC_GROUP)->owner, "vm:c");
        assert_rows("SELECT id, verb, owner, state FROM operations ORDER BY id",
                    "1|assign|vm:a|done\n2|assign|vm:b|failed\n3|release|vm:a|done\n4|assign|vm:c|done\n");
        assert_rows("SELECT verb, owner, outcome, error, assignment FROM audit ORDER BY id",
                    "assign|vm:a|done||1\nassign|vm:b|failed|Owned|\nrelease|vm:a|done||1\nassign|vm:c|done||2\n");
}
END_TEST

START_TEST(one_that_waits_is_a_row_without_steps_and_touches_nothing) {
        Operation *waits;

        scene_start();
        (void) begin_assign("vm:a", "0000:02:00.0");
        waits = begin_assign_two("vm:b", "0000:02:00.1", "0000:01:00.0");
        assert_waits(waits);
        assert_rows("SELECT state, finished_usec IS NULL, worker_pid IS NULL FROM operations WHERE id = 2", "waiting|1|1\n");
        assert_rows("SELECT count(*) FROM steps WHERE operation = 2", "0\n");
        assert_rows("SELECT count(*) FROM assignments WHERE owner = 'vm:b'", "0\n");
        ck_assert_uint_eq(manager_group_state(manager(), facts_find_device(manager_facts(manager()), &single)->group), GROUP_STATE_HOST);
        await_outcome(waits, REFUSAL_OWNED);
        assert_driver(&single, "e1000e");
        assert_heard("operation-added 2 assign");
}
END_TEST

START_TEST(others_go_side_by_side_meanwhile) {
        _cleanup_close_ int hang = -EBADF;
        Operation *waits;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_BIND, &nic, 1);
        (void) begin_assign("vm:a", "0000:02:00.0");
        waits = begin_assign("vm:b", "0000:02:00.0");
        (void) assign("vm:c", "0000:01:00.0");
        (void) assign("vm:d", "0000:04:01.0");
        assert_waits(waits);
        hang = safe_close(hang);
        await_outcome(waits, REFUSAL_OWNED);
}
END_TEST

/* vm:b wants the NIC, which is at work, and the single one, which is free; vm:c wants the single one only and came later. */
START_TEST(nobody_overtakes_on_a_group_that_somebody_waits_for) {
        _cleanup_close_ int hang = -EBADF;
        Operation *a, *b, *c;

        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_BIND, &nic, 1);
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_BIND, &mate, 1, EIO), 0); /* so that vm:a does not get it */
        a = begin_assign("vm:a", "0000:02:00.0");
        b = begin_assign_two("vm:b", "0000:02:00.0", "0000:01:00.0");
        c = begin_assign("vm:c", "0000:01:00.0");
        assert_waits(b);
        assert_waits(c);
        hang = safe_close(hang);
        await_end(a);
        ck_assert_int_eq(a->state, OPERATION_FAILED);
        await_outcome(b, REFUSAL_NONE);
        await_outcome(c, REFUSAL_OWNED);
}
END_TEST

START_TEST(two_that_want_each_others_groups_both_get_their_turn) {
        Operation *a, *b, *back;

        scene_start();
        a = begin_assign_two("vm:a", "0000:02:00.0", "0000:01:00.0");
        b = begin_assign_two("vm:b", "0000:01:00.0", "0000:02:00.0");
        back = begin_release("vm:a");
        await_outcome(a, REFUSAL_NONE);
        await_outcome(b, REFUSAL_OWNED);
        await_outcome(back, REFUSAL_NONE);
}
END_TEST

START_TEST(what_can_never_come_to_be_is_refused_at_once) {
        scene_start();
        (void) begin_assign("vm:a", "0000:02:00.0");
        (void) assign("vm:b", "0000:01:00.0");
        (void) begin_release("vm:a");
        /* the one group is at work, the other is vm:b's for good */
        (void) begin_assign("vm:c", "0000:04:01.0");
        request_refused(make_request(VERB_ASSIGN, "vm:d", "0000:04:01.0", "0000:01:00.0", NULL), REFUSAL_OWNED, "vm:b");
}
END_TEST

START_TEST(who_waits_for_one_that_gets_stuck_is_told_so) {
        _cleanup_close_ int hang = -EBADF;
        Operation *a, *b, *c;

        daemon_scene.config.slow_usec = 1000;
        daemon_scene.config.stuck_usec = 200000;
        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_UNBIND, &nic, 1);
        a = begin_assign("vm:a", "0000:02:00.0");
        b = begin_assign_two("vm:b", "0000:02:00.0", "0000:01:00.0");
        c = begin_assign("vm:c", "0000:01:00.0"); /* behind vm:b, and not stuck */
        assert_waits(b);
        await_outcome(b, REFUSAL_STUCK);
        ck_assert(a->stuck);
        ck_assert_ptr_nonnull(strstr(b->outcome.message, "stuck"));
        await_outcome(c, REFUSAL_NONE);
        hang = safe_close(hang);
        await_outcome(a, REFUSAL_NONE);
}
END_TEST

START_TEST(a_lease_that_ends_while_its_assignment_waits_leaves_nothing) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Request request = make_request(VERB_ASSIGN, "vm:b", "0000:01:00.0", NULL);
        Operation *released, *leased = NULL;
        int ends[2];

        scene_start();
        (void) assign("vm:a", "0000:01:00.0");
        released = begin_release("vm:a");
        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(manager_assign(manager(), &request, &ends[0], &refusal, &leased), 0);
        request_done(&request);
        assert_waits(leased);
        ck_assert_int_eq(ends[0], -EBADF);
        safe_close(ends[1]);
        await_outcome(released, REFUSAL_NONE);
        await_outcome(leased, REFUSAL_CANCELLED);
        ck_assert_ptr_null(manager_group_assignment(manager(), facts_find_device(manager_facts(manager()), &single)->group));
        assert_driver(&single, "e1000e");
        assert_rows("SELECT count(*) FROM assignments WHERE owner = 'vm:b'", "0\n");
}
END_TEST

START_TEST(a_release_by_its_id_is_not_one_of_a_later_assignment) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *first, *second, *third = NULL;
        Caller caller = {};
        uint64_t id;

        scene_start();
        id = assign("vm:a", "0000:01:00.0");
        first = begin_release("vm:a");
        second = begin_assign("vm:a", "0000:01:00.0");
        ck_assert_int_eq(manager_release_assignment(manager(), id, false, &caller, &refusal, &third), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
        await_outcome(first, REFUSAL_NONE);
        await_outcome(second, REFUSAL_NONE);
        await_outcome(third, REFUSAL_NO_SUCH_OWNER);
        ck_assert_ptr_nonnull(manager_find_assignment(manager(), second->assignment));
}
END_TEST

START_TEST(opening_waits_for_the_assignment_that_is_under_way) {
        Operation *assigned, *opened;

        scene_start();
        assigned = begin_assign("vm:a", "0000:01:00.0");
        await_outcome(assigned, REFUSAL_NONE);
        opened = begin_open(1);
        (void) begin_release("vm:a");
        await_outcome(opened, REFUSAL_NONE);
        ck_assert_uint_gt(opened->plan.n_steps, 0);
}
END_TEST

START_TEST(what_waited_when_the_daemon_ended_is_closed_by_the_next) {
        _cleanup_free_ char *before = NULL;
        _cleanup_close_ int hang = -EBADF;

        before = scene_snapshot();
        scene_start();
        hang = simk_hang(daemon_scene.root, SIMK_SET_OVERRIDE, &nic, 1);
        (void) begin_assign("vm:a", "0000:02:00.0");
        assert_waits(begin_assign_two("vm:b", "0000:02:00.0", "0000:01:00.0"));
        await_trace("begin set-override 0000:02:00.0");
        scene_stop();
        hang = safe_close(hang);
        scene_start();
        AWAIT(manager_group_state(manager(), NIC_GROUP) == GROUP_STATE_HOST);
        assert_rows("SELECT id, owner, state FROM operations ORDER BY id", "1|vm:a|interrupted\n2|vm:b|interrupted\n3|vm:a|done\n");
        assert_snapshot(before);
}
END_TEST

static const char spoil[] = "CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END;";

START_TEST(an_end_that_cannot_be_written_is_written_later) {
        Operation *a, *b;

        scene_start();
        manager()->context.retry_usec = 1000;
        a = begin_assign("vm:a", "0000:02:00.0");
        b = begin_assign("vm:b", "0000:02:00.0");
        await_outcome(a, REFUSAL_NONE);
        free(answer(spoil));
        AWAIT(b->settled);
        loop_drain();
        ck_assert(!operation_has_ended(b));
        assert_rows("SELECT state FROM operations WHERE id = 2", "waiting\n");
        free(answer("DROP TRIGGER no_audit"));
        await_outcome(b, REFUSAL_OWNED);
        assert_rows("SELECT state FROM operations WHERE id = 2", "failed\n");
}
END_TEST

static void refuse(Refusal *refusal, BlockerCode code, uint32_t group) {
        ck_assert_int_eq(blocker_list_add(&refusal->blockers, code, group, NULL, false, "it is"), 0);
}

START_TEST(only_what_an_operation_may_change_is_waited_for) {
        _cleanup_(refusal_done) Refusal nothing = {}, busy = {}, owned = {}, lasting = {}, elsewhere = {};

        ck_assert(!turn_may_come(&nothing));
        refuse(&busy, BLOCKER_BUSY, 14);
        ck_assert(turn_may_come(&busy));
        refuse(&busy, BLOCKER_OWNED, 14);
        refuse(&busy, BLOCKER_RESERVED, 14);
        ck_assert(turn_may_come(&busy));
        refuse(&owned, BLOCKER_OWNED, 14);
        ck_assert(!turn_may_come(&owned));
        refuse(&lasting, BLOCKER_BUSY, 14);
        refuse(&lasting, BLOCKER_HOST_DRIVER_STAYS, 14);
        ck_assert(!turn_may_come(&lasting));
        refuse(&elsewhere, BLOCKER_BUSY, 14);
        refuse(&elsewhere, BLOCKER_OWNED, 15);
        ck_assert(!turn_may_come(&elsewhere));
}
END_TEST

/* The user 1000, whom polkit was asked about. */
static Operation *begin_asked(const char *owner, const char *target) {
        Request request = make_request(VERB_ASSIGN, owner, target, NULL);

        request.caller.uid = 1000;
        request.caller.asked = true;
        request.caller.has_gids = true;
        ck_assert_int_eq(string_copy(":1.7", &request.caller.bus_name), 0);
        return begin_request(request);
}

START_TEST(what_was_asked_about_and_is_still_so_gets_its_turn) {
        Operation *waits;

        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'ask'}]}");
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        (void) begin_release("vm:a");
        waits = begin_asked("vm:b", "0000:02:00.0");
        assert_waits(waits);
        (void) assign("vm:other", "0000:01:00.0"); /* which is none of its business */
        await_outcome(waits, REFUSAL_NONE);
}
END_TEST

START_TEST(an_owner_that_somebody_else_has_meanwhile_is_not_extended) {
        Operation *waits;

        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'ask'}]}");
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        (void) begin_release("vm:a");
        waits = begin_asked("vm:b", "0000:02:00.0");
        assert_waits(waits);
        (void) begin_assign("vm:b", "0000:01:00.0");
        await_outcome(waits, REFUSAL_STALE_GENERATION);
        ck_assert_uint_eq(manager()->assignments.n_items, 1);
}
END_TEST

/* The answer was about a rule that asks. */
START_TEST(a_policy_that_changes_while_it_waits_is_not_what_was_asked_about) {
        Operation *waits, *roots;

        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'ask'}]}");
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        (void) begin_release("vm:a");
        waits = begin_asked("vm:b", "0000:02:00.0");
        roots = begin_assign("vm:c", "0000:02:00.0");
        assert_waits(waits);
        scene_write_policy("a.json", "{'version':1,'rules':[{'match':{'driver':'e1000e'},'verdict':'allow'}]}");
        ck_assert_int_eq(manager_reload(manager(), &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        await_outcome(waits, REFUSAL_STALE_GENERATION);
        await_outcome(roots, REFUSAL_NONE);
        assert_rows("SELECT verb, owner, outcome, error FROM audit WHERE owner = 'vm:b'", "assign|vm:b|failed|StaleGeneration\n");
}
END_TEST

DAEMON_SUITE("turn", the_second_waits_and_is_decided_afresh_at_its_turn, one_that_waits_is_a_row_without_steps_and_touches_nothing,
             others_go_side_by_side_meanwhile, nobody_overtakes_on_a_group_that_somebody_waits_for,
             two_that_want_each_others_groups_both_get_their_turn, what_can_never_come_to_be_is_refused_at_once,
             who_waits_for_one_that_gets_stuck_is_told_so, a_lease_that_ends_while_its_assignment_waits_leaves_nothing,
             a_release_by_its_id_is_not_one_of_a_later_assignment, opening_waits_for_the_assignment_that_is_under_way,
             what_waited_when_the_daemon_ended_is_closed_by_the_next, an_end_that_cannot_be_written_is_written_later,
             only_what_an_operation_may_change_is_waited_for, what_was_asked_about_and_is_still_so_gets_its_turn,
             an_owner_that_somebody_else_has_meanwhile_is_not_extended, a_policy_that_changes_while_it_waits_is_not_what_was_asked_about)
