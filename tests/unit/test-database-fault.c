/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Every single call of SQLite to its files fails in turn, once or from then on: what was refused has touched nothing, what was begun is
 * finished as soon as the database can be written again, and the host is what the database says. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/strutil.h"
#include "daemon-scene.h"
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

static void start(void) {
        scene_start();
        manager()->context.retry_usec = USEC_PER_MSEC;
}

/* What the kernel was asked for since forget_trace(): lines that tell of a call's begin. */
static unsigned count_calls(void) {
        _cleanup_free_ char *trace = NULL;
        unsigned n = 0;

        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
        for (const char *at = trace; *at; at = strchr(at, '\n') + 1)
                n += strncmp(at, "begin ", strlen("begin ")) == 0;
        return n;
}

static void forget_trace(void) {
        int fd = openat(daemon_scene.root, "simk/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

        if (fd < 0)
                ck_assert_int_eq(errno, ENOENT);
        safe_close(fd);
}

static unsigned count_rows(const char *sql) {
        _cleanup_free_ char *text = answer(sql);

        return (unsigned) strtoul(text, NULL, 10);
}

/* Steps that the database says were given to a worker. */
static unsigned count_steps(void) {
        return count_rows("SELECT count(*) FROM steps WHERE state NOT IN ('planned', 'skipped') AND kind <> 'load-module'");
}

/* Devices of an assignment are on its VFIO driver with the override, and all others are as they were before. */
static void assert_host_is_as_recorded(const char *before) {
        _cleanup_free_ char *expected = NULL;
        size_t size;
        FILE *f = open_memstream(&expected, &size);

        ck_assert_ptr_nonnull(f);
        for (const char *line = before; *line; line = strchr(line, '\n') + 1) {
                _cleanup_free_ char *sql = NULL;
                int length = (int) (strchr(line, '\n') - line);

                ck_assert_int_ge(asprintf(&sql, "SELECT count(*) FROM current_assignments WHERE address = '%.12s'", line), 0);
                if (count_rows(sql) > 0)
                        (void) fprintf(f, "%.12s vfio-pci vfio-pci\n", line);
                else
                        (void) fprintf(f, "%.*s\n", length, line);
        }
        (void) fclose(f);
        assert_snapshot(expected);
}

static void assert_database_is_sound(void) {
        assert_rows("PRAGMA integrity_check", "ok\n");
        assert_rows("SELECT count(*) FROM pragma_foreign_key_check", "0\n");
        assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
        assert_rows("SELECT count(*) FROM current_assignments WHERE state <> 'active'", "0\n");
}

/* A request whose every access to the database fails in turn. */

typedef struct Act {
        const char *name;
        bool on_assignment; /* of something that is assigned */
        int (*begin)(Refusal *refusal, Operation **ret);
} Act;

static int act_assign(Refusal *refusal, Operation **ret) {
        Request request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:01:00.0", NULL);
        int lease = -EBADF, r;

        r = manager_assign(manager(), &request, &lease, refusal, ret);
        request_done(&request);
        return r;
}

static int act_open(Refusal *refusal, Operation **ret) {
        Caller caller = {};

        return manager_open(manager(), manager_group_assignment(manager(), NIC_GROUP)->id, NULL, &caller, refusal, ret);
}

static int act_release(Refusal *refusal, Operation **ret) {
        Request request = make_request(VERB_RELEASE, "vm:a", NULL);
        int r;

        r = manager_release(manager(), &request, refusal, ret);
        request_done(&request);
        return r;
}

static const Act acts[] = {
        { "assign", false, act_assign },
        { "open", true, act_open },
        { "release", true, act_release },
};

static void say_case(const char *what, Fault fault, unsigned long n) {
        (void) fprintf(stderr, "%s: %s %s from the call %lu on\n", what, sqlite_fault_kind_to_string(fault.kind), fault.for_ever ? "for ever" : "once", n);
}

static void assert_refused_as_degraded(const Act *act, Fault fault, unsigned long n, const char *host) {
        _cleanup_(refusal_done) Refusal again = {};
        Operation *operation = NULL;

        assert_snapshot(host);
        ck_assert_uint_eq(count_calls(), 0);
        if (!fault.for_ever)
                return;
        ck_assert_int_eq(act->begin(&again, &operation), 0);
        ck_assert_ptr_null(operation);
        ck_assert_int_eq(again.code, REFUSAL_DEGRADED);
        ck_assert_int_eq(strncmp(manager_health(manager()), "degraded", strlen("degraded")), 0);
        assert_snapshot(host);
        ck_assert_uint_eq(count_calls(), 0);
}

/* Returns whether the fault came about. */
static bool act_with_fault(const Act *act, Fault fault, unsigned long n, const char *before) {
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_free_ char *host = NULL;
        Operation *operation = NULL;
        unsigned n_steps;
        bool hit;
        int r;

        if (act->on_assignment)
                await_end(begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:01:00.0", NULL)));
        forget_trace();
        n_steps = count_steps();
        host = scene_snapshot();

        sqlite_fault_arm(fault.kind, n, fault.for_ever);
        r = act->begin(&refusal, &operation);
        if (r != 0 || (!operation && refusal.code != REFUSAL_DEGRADED)) {
                say_case(act->name, fault, n);
                ck_abort_msg("%s: %s", strerror(-r), refusal.message);
        }
        if (!operation)
                assert_refused_as_degraded(act, fault, n, host);
        else
                AWAIT(operation_has_ended(operation) || (fault.for_ever && operation->trying_again));
        hit = sqlite_fault_disarm();

        if (operation) {
                AWAIT(operation_has_ended(operation));
                ck_assert_msg(operation->state == OPERATION_DONE, "%s: %s", operation_state_word(operation), operation->outcome.message);
        }
        loop_drain();
        ck_assert_uint_eq(count_calls(), count_steps() - n_steps);
        assert_host_is_as_recorded(before);
        assert_database_is_sound();
        if (manager()->assignments.n_items == 0 && refusal.code == REFUSAL_DEGRADED) /* whoever asks next finds it mended */
                (void) assign("vm:a", "0000:02:00.0");
        if (manager()->assignments.n_items > 0)
                release("vm:a");
        assert_snapshot(before);
        ck_assert_str_eq(manager_health(manager()), "ok");
        return hit;
}

START_TEST(a_request_is_refused_or_finished_whatever_call_of_the_database_fails) {
        _cleanup_free_ char *before = scene_snapshot();
        const Act *act = &acts[_i];
        unsigned n_cases = 0;

        sqlite_fault_install();
        start();
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

/* A start whose every access to the database fails in turn. What an earlier daemon left: group 14 is assigned, and another assignment
 * was being made when it was killed. */

static void leave_half(unsigned n_turns) {
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                /* An event loop does not survive a fork. */
                ck_assert_int_ge(sd_event_new(&daemon_scene.event), 0);
                start();
                await_end(begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
                (void) begin_request(make_request(VERB_ASSIGN, "vm:b", "0000:01:00.0", "0000:05:00.1", NULL));
                for (unsigned i = 0; i < n_turns; i++)
                        ck_assert_int_ge(sd_event_run(daemon_scene.event, UINT64_MAX), 0);
                (void) raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static bool is_at_rest(void) {
        for (size_t i = 0; i < manager()->assignments.n_items; i++)
                if (manager()->assignments.items[i]->state != ASSIGNMENT_ACTIVE)
                        return false;
        return daemon_scene.ready && manager()->queue.n_running == 0;
}

/* A start that fails is one that systemd tries again. */
static int try_to_start(void) {
        int r;

        daemon_scene.ready = false;
        r = manager_new(&daemon_scene.config, daemon_scene.event, &daemon_scene.manager);
        if (r < 0)
                return r;
        manager()->context.retry_usec = USEC_PER_MSEC;
        scene_observe();
        r = manager_start(manager());
        if (r < 0)
                scene_stop();
        return r;
}

static bool start_with_fault(Fault fault, unsigned long n, const char *before) {
        bool hit;
        int r;

        leave_half(3 + n % 7); /* at another moment each time */
        sqlite_fault_arm(fault.kind, n, fault.for_ever);
        r = try_to_start();
        if (r >= 0)
                AWAIT(is_at_rest() || (fault.for_ever && sqlite_fault_has_hit()));
        if (r >= 0)
                loop_drain();
        hit = sqlite_fault_disarm();

        if (r == -EUCLEAN && fault.kind != SQLITE_FAULT_READ_ONLY) {
                say_case("start", fault, n);
                ck_abort_msg("a fault that passes was taken for a database that cannot be used: no start would follow");
        }
        if (r < 0)
                ck_assert_int_eq(try_to_start(), 0);
        AWAIT(is_at_rest());
        loop_drain();
        assert_host_is_as_recorded(before);
        assert_rows("SELECT DISTINCT owner FROM current_assignments", "vm:a\n");
        assert_database_is_sound();
        release("vm:a");
        assert_snapshot(before);
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
        start();
        ck_assert_uint_eq(manager()->assignments.n_items, 1);
        assert_driver(&nic, "vfio-pci");
        assert_database_is_sound();
        release("vm:a");
        (void) assign("vm:a", "0000:02:00.0");
        return hit;
}

START_TEST(an_end_loses_nothing_whatever_call_of_the_database_fails) {
        unsigned n_cases = 0;

        sqlite_fault_install();
        start();
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
                { a_request_is_refused_or_finished_whatever_call_of_the_database_fails, ELEMENTSOF(acts) },
                { a_start_fails_or_recovers_whatever_call_of_the_database_fails, ELEMENTSOF(all_faults) },
                { an_end_loses_nothing_whatever_call_of_the_database_fails, 1 },
        };

        return daemon_suite_run_loops(argc, argv, &simk_ops, "database-fault", tests, ELEMENTSOF(tests), 600);
}
