/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Every single call of SQLite to its files fails in turn, once or from then on: what was refused has touched nothing, what was begun is
 * finished as soon as the database can be written again, and the host is what the database says. */

#include <string.h>

#include "base/strutil.h"
#include "fault-scene.h"
#include "sqlite-fault.h"

typedef struct Fault {
        SqliteFaultKind kind;
        bool for_ever;
} Fault;

static const Fault all_faults[] = {
        { SQLITE_FAULT_IO, false },   { SQLITE_FAULT_IO, true },        { SQLITE_FAULT_FULL, false },
        { SQLITE_FAULT_FULL, true },  { SQLITE_FAULT_READ_ONLY, true },
};

static Manager *manager(void) {
        return daemon_scene.manager;
}

static void say_case(const char *what, Fault fault, unsigned long n) {
        (void) fprintf(stderr, "%s: %s %s from the call %lu on\n", what, sqlite_fault_kind_to_string(fault.kind), fault.for_ever ? "for ever" : "once", n);
}

static void assert_refused_as_degraded(const FaultAct *act, Fault fault, const char *host) {
        _cleanup_(refusal_done) Refusal again = {};
        Operation *operation = NULL;

        assert_snapshot(host);
        ck_assert_uint_eq(fault_count_calls(), 0);
        if (!fault.for_ever)
                return;
        ck_assert_int_eq(act->begin(&again, &operation), 0);
        ck_assert_ptr_null(operation);
        ck_assert_int_eq(again.code, REFUSAL_DEGRADED);
        ck_assert_int_eq(strncmp(manager_health(manager()), "degraded", strlen("degraded")), 0);
        assert_snapshot(host);
        ck_assert_uint_eq(fault_count_calls(), 0);
}

/* Returns whether the fault came about. */
static bool act_with_fault(const FaultAct *act, Fault fault, unsigned long n, const char *before) {
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

        sqlite_fault_arm(fault.kind, n, fault.for_ever);
        r = act->begin(&refusal, &operation);
        if (r != 0 || (refusal.code != REFUSAL_NONE && refusal.code != REFUSAL_DEGRADED)) {
                say_case(act->name, fault, n);
                ck_abort_msg("%s: %s", strerror(-r), refusal.message);
        }
        if (refusal.code == REFUSAL_DEGRADED)
                assert_refused_as_degraded(act, fault, host);
        else
                AWAIT(fault_act_is_over(act, operation) || (fault.for_ever && sqlite_fault_has_hit()));
        if (fault.for_ever)
                loop_drain();
        hit = sqlite_fault_disarm();

        if (refusal.code == REFUSAL_NONE)
                AWAIT(fault_act_is_over(act, operation));
        if (operation)
                ck_assert_msg(operation->state == OPERATION_DONE, "%s: %s", operation_state_word(operation), operation->outcome.message);
        loop_drain();
        ck_assert_uint_eq(fault_count_calls(), fault_count_steps() - n_steps);
        fault_assert_truth(before);
        if (manager()->assignments.n_items == 0 && refusal.code == REFUSAL_DEGRADED) /* whoever asks next finds it mended */
                (void) assign("vm:a", "0000:02:00.0");
        fault_give_back(before);
        ck_assert_str_eq(manager_health(manager()), "ok");
        return hit;
}

START_TEST(a_request_is_refused_or_finished_whatever_call_of_the_database_fails) {
        _cleanup_free_ char *before = scene_snapshot();
        const FaultAct *act = &fault_acts[_i];
        unsigned n_cases = 0;

        sqlite_fault_install();
        fault_start();
        for (size_t i = 0; i < ELEMENTSOF(all_faults); i++) {
                unsigned long n = 1;

                while (act_with_fault(act, all_faults[i], n, before))
                        n++;
                say_case(act->name, all_faults[i], n - 1);
                n_cases += (unsigned) n;
        }
        (void) fprintf(stderr, "%s: %u cases\n", act->name, n_cases);
        ck_assert_uint_gt(n_cases, 50);
}
END_TEST

/* What an earlier daemon left: group 14 is assigned, and another assignment was being made when it was killed. */
static bool start_with_fault(Fault fault, unsigned long n, const char *before) {
        bool hit;
        int r;

        fault_leave_half(3 + n % 7); /* at another moment each time */
        sqlite_fault_arm(fault.kind, n, fault.for_ever);
        r = fault_try_to_start();
        if (r >= 0) {
                AWAIT((daemon_scene.ready && fault_is_at_rest()) || (fault.for_ever && sqlite_fault_has_hit()));
                loop_drain();
        }
        hit = sqlite_fault_disarm();

        if (r == -EUCLEAN && fault.kind != SQLITE_FAULT_READ_ONLY) {
                say_case("start", fault, n);
                ck_abort_msg("a fault that passes was taken for a database that cannot be used: no start would follow");
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

START_TEST(a_start_fails_or_recovers_whatever_call_of_the_database_fails) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n_cases = 0;
        unsigned long n = 1;

        sqlite_fault_install();
        while (start_with_fault(all_faults[_i], n, before)) {
                n_cases++;
                n += n < 100 ? 1 : 7; /* then it is rows and more rows */
        }
        say_case("start", all_faults[_i], n);
        (void) fprintf(stderr, "start: %u cases\n", n_cases);
        ck_assert_uint_gt(n_cases, 10);
}
END_TEST

/* An end with a WAL that cannot be moved into the database leaves it where it is. */
static bool stop_with_fault(Fault fault, unsigned long n) {
        bool hit;

        sqlite_fault_arm(fault.kind, n, fault.for_ever);
        scene_stop();
        hit = sqlite_fault_disarm();
        fault_start();
        ck_assert_uint_eq(manager()->assignments.n_items, 1);
        assert_driver(&nic, "vfio-pci");
        assert_rows("PRAGMA integrity_check", "ok\n");
        release("vm:a");
        (void) assign("vm:a", "0000:02:00.0");
        return hit;
}

START_TEST(an_end_loses_nothing_whatever_call_of_the_database_fails) {
        unsigned n_cases = 0;

        sqlite_fault_install();
        fault_start();
        (void) assign("vm:a", "0000:02:00.0");
        for (size_t i = 0; i < ELEMENTSOF(all_faults); i++)
                for (unsigned long n = 1; stop_with_fault(all_faults[i], n); n++)
                        n_cases++;
        (void) fprintf(stderr, "end: %u cases\n", n_cases);
        ck_assert_uint_gt(n_cases, 10);
}
END_TEST

int main(int argc, char *argv[]) {
        const LoopTest tests[] = {
                { a_request_is_refused_or_finished_whatever_call_of_the_database_fails, FAULT_ACTS },
                { a_start_fails_or_recovers_whatever_call_of_the_database_fails, ELEMENTSOF(all_faults) },
                { an_end_loses_nothing_whatever_call_of_the_database_fails, 1 },
        };

        return daemon_suite_run_loops(argc, argv, &simk_ops, "database-fault", tests, ELEMENTSOF(tests), 600);
}
