/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Every single look at the host's tree fails in turn, once or from then on: what the daemon cannot see it does not touch, what was begun
 * ends whole, and afterwards the host is what the database says. */

#include <string.h>

#include "base/strutil.h"
#include "attribute-fault.h"
#include "fault-scene.h"

static void say_case(const char *what, bool for_ever, unsigned long n) {
        (void) fprintf(stderr, "%s: the tree cannot be read %s from the call %lu on\n", what, for_ever ? "for ever" : "once", n);
}

/* Returns whether the fault came about. */
static bool act_in_the_dark(const FaultAct *act, bool for_ever, unsigned long n, const char *before) {
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_free_ char *host = NULL;
        Operation *operation = NULL;
        unsigned n_steps;
        bool hit;
        int r;

        if (act->prepare)
                act->prepare();
        fault_forget_calls();
        n_steps = fault_count_steps();
        host = scene_snapshot();

        attribute_fault_arm(daemon_scene.tree->path, n, for_ever);
        r = act->begin(&refusal, &operation);
        if (operation)
                AWAIT(operation_has_ended(operation) || operation->trying_again);
        loop_drain();
        hit = attribute_fault_disarm();

        if (r < 0 || refusal.code != REFUSAL_NONE) {
                assert_snapshot(host);
                ck_assert_uint_eq(fault_count_calls(), 0);
        }
        ck_assert_int_eq(manager_rescan(daemon_scene.manager), 0);
        AWAIT(r < 0 || refusal.code != REFUSAL_NONE || fault_act_is_over(act, operation));
        AWAIT(fault_is_at_rest());
        loop_drain();
        ck_assert_uint_eq(fault_count_calls(), fault_count_steps() - n_steps);
        fault_assert_truth(before);
        fault_give_back(before);
        return hit;
}

START_TEST(a_request_is_refused_or_ends_whole_whatever_cannot_be_read) {
        _cleanup_free_ char *before = scene_snapshot();
        const FaultAct *act = &fault_acts[_i];
        unsigned n_cases = 0;

        fault_start();
        for (int for_ever = 0; for_ever < 2; for_ever++) {
                unsigned long n = 1;

                while (act_in_the_dark(act, for_ever, n, before)) {
                        n_cases++;
                        n++;
                }
                say_case(act->name, for_ever, n);
        }
        (void) fprintf(stderr, "%s: %u cases\n", act->name, n_cases);
        ck_assert_uint_ge(n_cases, 1); /* an open looks at little */
}
END_TEST

int main(int argc, char *argv[]) {
        const LoopTest tests[] = {
                { a_request_is_refused_or_ends_whole_whatever_cannot_be_read, FAULT_ACTS },
        };

        return daemon_suite_run_loops(argc, argv, &simk_ops, "attribute-fault", tests, ELEMENTSOF(tests), 600);
}
