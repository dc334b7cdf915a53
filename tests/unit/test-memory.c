/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Memory runs out at many places in turn where the daemon asks for some; test-memory-fault.c has them all. It may refuse or fail, but leaves nothing half. */

#include <string.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "memory-fault.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

/* What the loop cannot do for want of memory it is asked again. */
static void run_until_idle(void) {
        while (manager()->queue.n_running > 0) {
                int r = sd_event_run(daemon_scene.event, UINT64_MAX);

                if (r < 0 && r != -ENOMEM) {
                        (void) memory_fault_disarm();
                        ck_abort_msg("the loop failed: %s", strerror(-r));
                }
        }
}

static void assert_begun_or_refused(int r, const Refusal *refusal, const Operation *operation) {
        if (r < 0)
                ck_assert_int_eq(r, -ENOMEM);
        else
                ck_assert((operation != NULL) == (refusal->code == REFUSAL_NONE));
}

/* Returns false once all of it needs fewer than n allocations. */
static bool assign_without_memory(unsigned long n, const char *before) {
        _cleanup_(request_done) Request request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;
        int lease = -EBADF, r;
        bool failed;

        memory_fault_arm(n, /* for_ever= */ false);
        r = manager_assign(manager(), &request, &lease, &refusal, &operation);
        run_until_idle();
        failed = memory_fault_disarm();
        assert_begun_or_refused(r, &refusal, operation);

        if (manager()->assignments.n_items > 0) {
                assert_driver(&nic, "vfio-pci");
                assert_driver(&mate, "vfio-pci");
                release("vm:a");
        }
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
        return failed;
}

static bool release_without_memory(unsigned long n, const char *before) {
        _cleanup_(request_done) Request request = make_request(VERB_RELEASE, "vm:a", NULL);
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;
        bool failed;
        int r;

        (void) assign("vm:a", "0000:02:00.0");
        memory_fault_arm(n, /* for_ever= */ false);
        r = manager_release(manager(), &request, &refusal, &operation);
        run_until_idle();
        failed = memory_fault_disarm();
        assert_begun_or_refused(r, &refusal, operation);

        if (manager()->assignments.n_items > 0)
                release("vm:a");
        assert_snapshot(before);
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
        return failed;
}

/* Every place of the request and its begin, then places of the rest, which is mostly rows and more rows. */
static unsigned long after(unsigned long n) {
        return n < 150 ? n + 1 : n + 5;
}

static bool begin_deaf(void) {
        if (!memory_fault_is_possible()) {
                (void) fprintf(stderr, "skipped: the sanitizer has an allocator of its own\n");
                return false;
        }
        scene_start();
        manager_set_observer(manager(), &(ManagerObserver) {}); /* a test's memory is not to fail */
        manager()->context.retry_usec = USEC_PER_MSEC;
        return true;
}

START_TEST(an_assignment_is_whole_or_not_there_wherever_memory_runs_out) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned long n = 1;

        if (!begin_deaf())
                return;
        while (assign_without_memory(n, before))
                n = after(n);
        ck_assert_uint_gt(n, 100);
}
END_TEST

START_TEST(a_release_comes_to_its_end_wherever_memory_runs_out) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned long n = 1;

        if (!begin_deaf())
                return;
        while (release_without_memory(n, before))
                n = after(n);
        ck_assert_uint_gt(n, 100);
}
END_TEST

DAEMON_SUITE("memory", an_assignment_is_whole_or_not_there_wherever_memory_runs_out, a_release_comes_to_its_end_wherever_memory_runs_out)
