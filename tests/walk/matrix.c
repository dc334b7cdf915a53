/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/walk/matrix.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "daemon/drift.h"
#include "daemon/lease.h"
#include "tests/simk/simk.h"
#include "tests/walk/clock.h"
#include "tests/walk/rules.h"

#define MOMENTS_MAX 500U
#define HOSTS 3U
#define CASE_TEXT_MAX 512U
#define WRONG_MAX 20U
#define SAMPLES 4U

/* What is under way when the daemon dies: comes to its end before the next one starts, hangs until that has come up, or dies
 * with it, nothing more being done. */
typedef enum WorkerFate {
        WORKER_FINISHES,
        WORKER_HANGS,
        WORKER_DIES,
        _WORKER_FATE_MAX,
} WorkerFate;

static const char *const fate_names[] = { "finishes", "hangs", "dies" };

typedef struct Case {
        unsigned verb, host;
        unsigned moment;          /* at which the daemon dies */
        WorkerFate fate;
        bool reboot;
        unsigned recovery_moment; /* at which the next one does; 0: never */
} Case;

typedef struct Stage {
        World *world;
        Rules rules;
        int lease_fd; /* the client's end */
} Stage;

static void must(int r) {
        if (r < 0)
                abort();
}

/* --- The verbs. Four devices in two groups: one of two functions, one behind a bridge. */

static int ask(Manager *manager, Verb verb, Request *request, int *lease_fd, Refusal *refusal, Operation **ret) {
        if (verb == VERB_ASSIGN)
                return manager_assign(manager, request, lease_fd, refusal, ret);
        if (verb == VERB_RESERVE)
                return manager_reserve(manager, request, refusal, ret);
        if (verb == VERB_UNRESERVE)
                return manager_unreserve(manager, request, refusal, ret);
        if (verb == VERB_RECOVER)
                return manager_recover(manager, request, refusal, ret);
        return manager_release(manager, request, refusal, ret);
}

static void begin(Stage *stage, Verb verb, const char *owner, const char *a, const char *b, int *lease_fd) {
        _cleanup_(request_done) Request request = {
                .verb = verb,
                .has_node_user = verb == VERB_ASSIGN,
                .node_user = string_equal(owner, "vm:b") ? 1001 : 1000,
        };
        _cleanup_(refusal_done) Refusal refusal = {};
        int none = -EBADF, r;
        Operation *operation;

        if (owner)
                must(string_copy(owner, &request.owner));
        if (a)
                must(strv_append(&request.targets, a));
        if (b)
                must(strv_append(&request.targets, b));
        r = ask(stage->world->manager, verb, &request, lease_fd ?: &none, &refusal, &operation);
        if (!stage->world->is_dead && (r < 0 || !operation))
                world_wrong(stage->world, "%s is not begun: %s", verb_to_string(verb), refusal.message ?: strerror(-r));
}

static void assign(Stage *stage) {
        begin(stage, VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:04:01.0", NULL);
}

static void release(Stage *stage) {
        begin(stage, VERB_RELEASE, "vm:a", NULL, NULL, NULL);
}

static void open_all(Stage *stage) {
        const Hold *hold = rules_pick_hold(&stage->rules, 0);
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation;
        Caller caller = {};

        if (!hold || manager_open(stage->world->manager, (uint64_t) hold->id, NULL, &caller, &refusal, &operation) < 0)
                return;
        if (!operation && !stage->world->is_dead)
                world_wrong(stage->world, "open is not begun: %s", refusal.message);
}

/* The second waits for the first, on one group of it. */
static void assign_and_wait(Stage *stage) {
        assign(stage);
        if (!stage->world->is_dead)
                begin(stage, VERB_ASSIGN, "vm:b", "0000:01:00.0", "0000:02:00.1", NULL);
}

static void assign_and_cancel(Stage *stage) {
        _cleanup_(refusal_done) Refusal refusal = {};
        World *world = stage->world;

        assign(stage);
        for (unsigned n = 0; n < 12 && world_turn(world); n++)
                ;
        if (!world->is_dead && world->manager->n_operations > 0)
                must(manager_cancel(world->manager, world->manager->operations[0]->id, &(Caller) {}, &refusal));
}

static void assign_with_lease(Stage *stage) {
        int our_end = -EBADF;

        if (lease_open_ends(stage->world->manager, &our_end, &stage->lease_fd) < 0)
                return;
        begin(stage, VERB_ASSIGN, "vm:a", "0000:02:00.0", "0000:04:01.0", &our_end);
        safe_close(our_end);
}

static void end_lease(Stage *stage) {
        stage->lease_fd = safe_close(stage->lease_fd);
}

/* Two assignments of one owner go back together. */
static void assign_twice(Stage *stage) {
        begin(stage, VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL, NULL);
        begin(stage, VERB_ASSIGN, "vm:a", "0000:04:01.0", NULL, NULL);
}

/* As udev's rules do, which tells that it is done. */
static void change_node(Stage *stage) {
        const WorldDevice *device = world_find_device(stage->world, &(PciAddress) { .bus = 2 });

        must(simk_set_node(stage->world->root, NULL, device->shape.group, &(NodeAccess) { .mode = 0666 }));
        drift_watch_nodes(stage->world->manager->drift);
}

static void reserve(Stage *stage) {
        begin(stage, VERB_RESERVE, NULL, "0000:02:00.0", "0000:04:01.0", NULL);
}

static void unreserve(Stage *stage) {
        begin(stage, VERB_UNRESERVE, NULL, "0000:02:00.1", "0000:04:01.0", NULL);
}

static void reserve_and_assign(Stage *stage) {
        reserve(stage);
        world_settle(stage->world);
        assign(stage);
}

/* The second of two functions comes when the first is reserved already, and a driver of the host is faster: that closes their group. */
static void reserve_before_it_joins(Stage *stage) {
        WorldDevice *device = world_find_device(stage->world, &(PciAddress) { .bus = 2, .function = 1 });

        must(world_unplug(stage->world, device));
        world_settle(stage->world);
        begin(stage, VERB_RESERVE, NULL, "0000:02:00.0", NULL, NULL);
        world_settle(stage->world);
        must(world_plug(stage->world, device, /* other= */ false));
}

static void recover(Stage *stage) {
        begin(stage, VERB_RECOVER, NULL, "0000:02:00.0", NULL, NULL);
}

/* samples: of so many moments of its first death one is tried with every moment of the recovery's. */
static const struct {
        const char *name;
        void (*prepare)(Stage *stage);
        void (*act)(Stage *stage);
        unsigned samples;
} verbs[] = {
        { "assign", NULL, assign },
        { "release", assign, release },
        { "open", assign, open_all },
        { "release two", assign_twice, release, SAMPLES },
        { "assign, another waits", NULL, assign_and_wait, SAMPLES },
        { "assign, cancelled", NULL, assign_and_cancel, SAMPLES },
        { "end of a lease", assign_with_lease, end_lease, SAMPLES },
        { "nodes given again", assign, change_node },
        { "reserve", NULL, reserve, SAMPLES },
        { "unreserve", reserve, unreserve, SAMPLES },
        { "assign on top of a reservation", reserve, assign, SAMPLES },
        { "release back to the reservation", reserve_and_assign, release, SAMPLES },
        { "recover what joined a reservation", reserve_before_it_joins, recover, SAMPLES },
};

/* --- A case. */

static void meet_fate(World *world, WorkerFate fate) {
        for (size_t i = world->n_workers; i > 0; i--) {
                WorldWorker *worker = world->workers[i - 1];

                if (fate == WORKER_DIES)
                        world_kill_worker(world, worker);
                for (size_t s = 0; fate == WORKER_HANGS && s < worker->n_steps; s++)
                        worker->steps[s].held_back = true;
        }
        if (fate != WORKER_HANGS)
                world_run_workers(world);
}

/* The next daemon, which may die as well; returns whether it did. */
static bool come_up(World *world, const Case *c, bool reboot, unsigned moment) {
        world_bury(world);
        meet_fate(world, c->fate);
        if (reboot)
                world_reboot(world);
        world->dies_at = moment > 0 ? world->n_moments + moment : 0;
        if (world_start(world))
                world_settle(world);
        return world->is_dead;
}

static void let_go_all(World *world) {
        while (world_let_go(world, 0))
                ;
        world_settle(world);
}

/* What is over is exactly given back, what is not is whole; then everything is given back. */
static void end_case(Stage *stage) {
        World *world = stage->world;

        world->dies_at = 0;
        let_go_all(world);
        rules_check(&stage->rules, /* at_rest= */ true);
        if (!world->is_ready)
                world_wrong(world, "rule 6: the daemon does not become ready");
        stage->lease_fd = safe_close(stage->lease_fd);
        clock_pass(6 * USEC_PER_SEC);
        world_settle(world);
        while (rules_n_open(&stage->rules) > 0 && !world->wrong) {
                begin(stage, VERB_RELEASE, rules_pick_hold(&stage->rules, 0)->owner, NULL, NULL, NULL);
                let_go_all(world);
        }
        rules_check(&stage->rules, /* at_rest= */ true);
        for (const WorldDevice *device; !world->wrong && (device = rules_pick_reserved(&stage->rules, 0));) {
                begin(stage, VERB_UNRESERVE, NULL, device->shape.address, NULL, NULL);
                let_go_all(world);
        }
        if (!world->wrong)
                rules_check_end(&stage->rules);
}

typedef enum CaseEnd {
        CASE_NO_DEATH,          /* it came to its end before that moment */
        CASE_NO_RECOVERY_DEATH, /* so did the recovery */
        CASE_BOTH,
} CaseEnd;

static CaseEnd play(Stage *stage, const Case *c) {
        World *world = stage->world;
        CaseEnd end = CASE_NO_DEATH;

        if (world_start(world))
                world_settle(world);
        if (verbs[c->verb].prepare)
                verbs[c->verb].prepare(stage);
        world_settle(world);
        world->dies_at = world->n_moments + c->moment;
        verbs[c->verb].act(stage);
        world_settle(world);
        if (world->is_dead) {
                end = CASE_NO_RECOVERY_DEATH;
                if (come_up(world, c, c->reboot, c->recovery_moment)) {
                        end = CASE_BOTH;
                        (void) come_up(world, c, false, 0);
                }
                let_go_all(world);
                if (world->is_dead) { /* while something that hung came to its end */
                        end = CASE_BOTH;
                        (void) come_up(world, c, false, 0);
                }
        }
        end_case(stage);
        return end;
}

static void tell_case(const Case *c, const char *wrong, char text[static CASE_TEXT_MAX]) {
        (void) snprintf(text, CASE_TEXT_MAX, "%s on host %u, death at moment %u, worker %s%s, death of the recovery at %u: %s", verbs[c->verb].name,
                        c->host, c->moment, fate_names[c->fate], c->reboot ? ", reboot" : "", c->recovery_moment, wrong);
}

static CaseEnd run_case(World *world, const Case *c) {
        Stage stage = { .world = world, .lease_fd = -EBADF };
        CaseEnd end;

        must(world_reset(world, c->host * 1000 + 1, /* iommufd= */ c->host != 1));
        world->random = c->moment * 7919 + c->recovery_moment;
        rules_init(&stage.rules, world);
        end = play(&stage, c);
        world->is_dead = true;
        world_bury(world);
        safe_close(stage.lease_fd);
        rules_done(&stage.rules);
        return end;
}

/* --- All of them. */

typedef struct Sum {
        _Atomic unsigned next;
        _Atomic unsigned n_cases, n_recovery_cases, n_wrong;
        unsigned moments[ELEMENTSOF(verbs)];
        char text[CASE_TEXT_MAX];
} Sum;

static bool case_is_wrong(World *world, const Case *c, Sum *sum) {
        if (!world->wrong)
                return false;
        if (sum->n_wrong++ == 0)
                tell_case(c, world->wrong, sum->text);
        return true;
}

static void run_recoveries(World *world, Case c, Sum *sum) {
        for (c.recovery_moment = 1; c.recovery_moment < MOMENTS_MAX; c.recovery_moment++) {
                CaseEnd end = run_case(world, &c);

                if (case_is_wrong(world, &c, sum) || end != CASE_BOTH)
                        return;
                sum->n_recovery_cases++;
        }
}

static void run_verb(World *world, unsigned verb, unsigned host, Sum *sum) {
        for (unsigned moment = 1; moment < MOMENTS_MAX; moment++) {
                sum->moments[verb] = moment - 1 > sum->moments[verb] ? moment - 1 : sum->moments[verb];
                for (unsigned i = 0; i <= _WORKER_FATE_MAX; i++) { /* a reboot is a worker's death as well */
                        bool reboot = i == _WORKER_FATE_MAX;
                        Case c = { .verb = verb, .host = host, .moment = moment, .fate = reboot ? WORKER_DIES : i, .reboot = reboot };
                        CaseEnd end = run_case(world, &c);

                        if (!case_is_wrong(world, &c, sum) && end == CASE_NO_DEATH)
                                return;
                        sum->n_cases++;
                        if (host == 0 && moment % (verbs[verb].samples ?: 1) == 0)
                                run_recoveries(world, c, sum);
                        if (sum->n_wrong > WRONG_MAX)
                                return;
                }
        }
}

static void run_part(Sum *sum, bool verbose) {
        World *world = NULL;
        unsigned part;

        must(world_new(&world));
        world->verbose = verbose;
        while ((part = sum->next++) < ELEMENTSOF(verbs) * HOSTS)
                run_verb(world, part % ELEMENTSOF(verbs), part / ELEMENTSOF(verbs), sum);
        world_free(world);
}

int matrix_run(unsigned n_jobs, bool verbose) {
        Sum *sum = mmap(NULL, sizeof(Sum), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        uint64_t began = clock_real_usec();
        bool died = false;
        int status;

        if (sum == MAP_FAILED)
                return EXIT_FAILURE;
        for (unsigned i = 0; i < n_jobs; i++)
                if (fork() == 0) {
                        run_part(sum, verbose);
                        _exit(EXIT_SUCCESS);
                }
        while (wait(&status) > 0)
                died = died || status != 0;
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                printf(verbs[i].samples ? "%s: up to %u moments, each %uth with deaths of the recovery\n" : "%s: up to %u moments\n", verbs[i].name,
                       sum->moments[i], verbs[i].samples);
        printf("%u cases, and %u with a death of the recovery, %u violations%s, %.1f s\n", sum->n_cases, sum->n_recovery_cases, sum->n_wrong,
               died ? ", and the test itself died" : "", (double) (clock_real_usec() - began) / 1e6);
        if (sum->n_wrong > 0)
                printf("%s\n", sum->text);
        return sum->n_wrong > 0 || died ? EXIT_FAILURE : EXIT_SUCCESS;
}
