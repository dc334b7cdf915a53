/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Every single allocation fails in turn, once or from then on: the daemon may refuse or fail, but leaves nothing half, and goes on when
 * there is memory again. */

#include <string.h>

#include "base/strutil.h"
#include "fault-scene.h"
#include "memory-fault.h"

/* While nothing can be allocated: so many turns of the loop, each of this length at most. */
#define TURNS_WITHOUT 30U
#define TURN_USEC (2 * USEC_PER_MSEC)

static void say_case(const char *what, bool for_ever, unsigned long n) {
        (void) fprintf(stderr, "%s: no memory %s from the allocation %lu on\n", what, for_ever ? "for ever" : "once", n);
}

/* Turns of the loop until the fault is over or has lasted, with nothing asserted. Returns what ended the loop: 0, or a negative errno other
 * than -ENOMEM, which is the loop's own and passes. */
static int turn_without_memory(bool for_ever, bool (*is_over)(const void *userdata), const void *userdata) {
        unsigned n_without = 0;

        while (!is_over(userdata) && (!for_ever || n_without < TURNS_WITHOUT)) {
                int r = sd_event_run(daemon_scene.event, for_ever ? TURN_USEC : UINT64_MAX);

                if (r < 0 && r != -ENOMEM)
                        return r;
                n_without += memory_fault_has_hit();
        }
        return 0;
}

typedef struct Acting {
        const FaultAct *act;
        const Operation *operation;
} Acting;

static bool acting_is_over(const void *userdata) {
        const Acting *acting = userdata;

        return fault_act_is_over(acting->act, acting->operation);
}

/* Returns whether the fault came about. */
static bool act_without_memory(const FaultAct *act, bool for_ever, unsigned long n, const char *before) {
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_free_ char *host = NULL;
        Operation *operation = NULL;
        bool hit, begun;
        unsigned n_steps;
        int r, loop = 0;

        if (act->prepare)
                act->prepare();
        fault_forget_calls();
        n_steps = fault_count_steps();
        host = scene_snapshot();

        memory_fault_arm(n, for_ever);
        r = act->begin(&refusal, &operation);
        begun = r == 0 && refusal.code == REFUSAL_NONE;
        if (begun)
                loop = turn_without_memory(for_ever, acting_is_over, &(Acting) { act, operation });
        hit = memory_fault_disarm();

        if (loop < 0 || (r < 0 && r != -ENOMEM)) {
                say_case(act->name, for_ever, n);
                ck_abort_msg("%s", strerror(loop < 0 ? -loop : -r));
        }
        if (begun)
                AWAIT(fault_act_is_over(act, operation));
        else {
                loop_drain();
                assert_snapshot(host);
                ck_assert_uint_eq(fault_count_calls(), 0);
        }
        AWAIT(fault_is_at_rest());
        loop_drain();
        ck_assert_uint_le(fault_count_calls(), fault_count_steps() - n_steps); /* a step that could not be sent for want of memory has failed */
        fault_assert_truth(before);
        fault_give_back(before);
        return hit;
}

START_TEST(a_request_is_refused_or_ends_whole_whichever_allocation_fails) {
        _cleanup_free_ char *before = scene_snapshot();
        const FaultAct *act = &fault_acts[_i];
        unsigned n_cases = 0;

        if (!memory_fault_is_possible())
                return;
        fault_start();
        for (int for_ever = 0; for_ever < 2; for_ever++) {
                unsigned long n = 1;

                while (act_without_memory(act, for_ever, n, before)) {
                        n_cases++;
                        n += n < 200 ? 1 : 7; /* then it is rows and more rows */
                }
                say_case(act->name, for_ever, n);
        }
        (void) fprintf(stderr, "%s: %u cases\n", act->name, n_cases);
        ck_assert_uint_gt(n_cases, 100);
}
END_TEST

static bool start_is_over(const void *userdata) {
        return daemon_scene.ready && fault_is_at_rest();
}

static bool start_without_memory(bool for_ever, unsigned long n, const char *before) {
        int r, loop = 0;
        bool hit;

        fault_leave_half(3 + n % 7); /* at another moment each time */
        memory_fault_arm(n, for_ever);
        r = fault_try_to_start();
        if (r >= 0)
                loop = turn_without_memory(for_ever, start_is_over, NULL);
        hit = memory_fault_disarm();

        if (loop < 0 || (r < 0 && r != -ENOMEM)) {
                say_case("start", for_ever, n);
                ck_abort_msg("%s", strerror(loop < 0 ? -loop : -r));
        }
        if (r < 0)
                ck_assert_int_eq(fault_try_to_start(), 0);
        AWAIT(daemon_scene.ready && fault_is_at_rest());
        loop_drain();
        assert_rows("SELECT DISTINCT owner FROM current_assignments", "vm:a\n");
        fault_assert_truth(before);
        fault_give_back(before);
        scene_stop();
        return hit;
}

START_TEST(a_start_fails_or_recovers_whichever_allocation_fails) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n_cases = 0;
        unsigned long n = 1;

        if (!memory_fault_is_possible())
                return;
        while (start_without_memory(_i > 0, n, before)) {
                n_cases++;
                n += n < 30 ? 1 : 1 + n / 30; /* most of it is facts and rows */
        }
        say_case("start", _i > 0, n);
        (void) fprintf(stderr, "start: %u cases\n", n_cases);
        ck_assert_uint_gt(n_cases, 50);
}
END_TEST

int main(int argc, char *argv[]) {
        const LoopTest tests[] = {
                { a_request_is_refused_or_ends_whole_whichever_allocation_fails, FAULT_ACTS },
                { a_start_fails_or_recovers_whichever_allocation_fails, 1 }, /* once; not for ever */
        };

        return daemon_suite_run_loops(argc, argv, &simk_ops, "memory-fault", tests, ELEMENTSOF(tests), 600);
}
