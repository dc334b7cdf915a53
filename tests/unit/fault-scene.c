/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault-scene.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "daemon/lease.h"

/* Of the one assignment with a lease that there may be. */
static int their_end = -EBADF;

static Manager *manager(void) {
        return daemon_scene.manager;
}

static void hasten(void) {
        manager()->context.retry_usec = USEC_PER_MSEC;
}

static void on_ready(void *userdata) {
        daemon_scene.ready = true;
}

static const ManagerObserver observer = { .ready = on_ready };

void fault_start(void) {
        ck_assert_int_eq(fault_try_to_start(), 0);
        AWAIT(daemon_scene.ready);
}

/* A start that fails is one that systemd tries again. */
int fault_try_to_start(void) {
        int r;

        daemon_scene.ready = false;
        r = manager_new(&daemon_scene.config, daemon_scene.event, &daemon_scene.manager);
        if (r < 0)
                return r;
        manager_set_observer(manager(), &observer);
        hasten();
        r = manager_start(manager());
        if (r < 0)
                scene_stop();
        return r;
}

void fault_leave_half(unsigned n_turns) {
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                /* An event loop does not survive a fork. */
                ck_assert_int_ge(sd_event_new(&daemon_scene.event), 0);
                fault_start();
                await_end(begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
                (void) begin_request(make_request(VERB_ASSIGN, "vm:b", "0000:01:00.0", "0000:05:00.1", NULL));
                for (unsigned i = 0; i < n_turns; i++)
                        ck_assert_int_ge(sd_event_run(daemon_scene.event, UINT64_MAX), 0);
                (void) raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

bool fault_is_at_rest(void) {
        for (size_t i = 0; i < manager()->assignments.n_items; i++)
                if (manager()->assignments.items[i]->state != ASSIGNMENT_ACTIVE)
                        return false;
        return daemon_scene.ready && manager()->queue.n_running == 0;
}

/* What the kernel was asked for since fault_forget_calls(): lines that tell of a call's begin. */
unsigned fault_count_calls(void) {
        _cleanup_free_ char *trace = NULL;
        unsigned n = 0;

        ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
        for (const char *at = trace; *at; at = strchr(at, '\n') + 1)
                n += strncmp(at, "begin ", strlen("begin ")) == 0;
        return n;
}

void fault_forget_calls(void) {
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
unsigned fault_count_steps(void) {
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

void fault_assert_truth(const char *before) {
        assert_host_is_as_recorded(before);
        assert_rows("PRAGMA integrity_check", "ok\n");
        assert_rows("SELECT count(*) FROM pragma_foreign_key_check", "0\n");
        assert_rows("SELECT count(*) FROM operations WHERE finished_usec IS NULL", "0\n");
        assert_rows("SELECT count(*) FROM current_assignments WHERE state <> 'active'", "0\n");
}


void fault_give_back(const char *before) {
        their_end = safe_close(their_end);
        AWAIT(fault_is_at_rest());
        while (manager()->assignments.n_items > 0) {
                const Assignment *assignment = manager()->assignments.items[0];

                if (assignment->lease)
                        AWAIT(manager()->assignments.n_items == 0);
                else
                        release(assignment->owner);
        }
        loop_drain();
        assert_snapshot(before);
}

/* What is done. */

static int fill_assign(Request *request) {
        int r;

        request->verb = VERB_ASSIGN;
        r = string_copy("vm:a", &request->owner);
        if (r >= 0)
                r = strv_append(&request->targets, "0000:02:00.0");
        return r < 0 ? r : strv_append(&request->targets, "0000:01:00.0");
}

static int begin_leased(Refusal *refusal, Operation **ret) {
        Request request = {};
        int our_end = -EBADF, r;

        r = lease_open_ends(manager(), &our_end, &their_end);
        if (r >= 0)
                r = fill_assign(&request);
        if (r >= 0)
                r = manager_assign(manager(), &request, &our_end, refusal, ret);
        lease_discard_end(manager(), &our_end);
        if (r < 0 || refusal->code != REFUSAL_NONE)
                their_end = safe_close(their_end);
        request_done(&request);
        return r;
}

static void prepare_assignment(void) {
        await_end(begin_request(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:01:00.0", NULL)));
}

static void prepare_leased(void) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;

        ck_assert_int_eq(begin_leased(&refusal, &operation), 0);
        ck_assert_msg(refusal.code == REFUSAL_NONE, "%s", refusal.message);
        await_end(operation);
}

static int begin_opening(Refusal *refusal, Operation **ret) {
        Caller caller = {};

        return manager_open(manager(), manager_group_assignment(manager(), NIC_GROUP)->id, NULL, &caller, refusal, ret);
}

static int begin_releasing(Refusal *refusal, Operation **ret) {
        Request request = { .verb = VERB_RELEASE, .owner = strdup("vm:a") };
        int r = request.owner ? manager_release(manager(), &request, refusal, ret) : -ENOMEM;

        request_done(&request);
        return r;
}

static int end_lease(Refusal *refusal, Operation **ret) {
        their_end = safe_close(their_end);
        return 0;
}

const FaultAct fault_acts[FAULT_ACTS] = {
        { "assign", NULL, begin_leased, false },
        { "open", prepare_assignment, begin_opening, false },
        { "release", prepare_assignment, begin_releasing, false },
        { "end of a lease", prepare_leased, end_lease, true },
};

bool fault_act_is_over(const FaultAct *act, const Operation *operation) {
        if (act->ends_assignments)
                return manager()->assignments.n_items == 0 && manager()->queue.n_running == 0;
        return operation_has_ended(operation);
}
