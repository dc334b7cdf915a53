/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/walk/walk.h"

#include <fcntl.h>
#include <string.h>

#include "base/strutil.h"
#include "daemon/lease.h"
#include "tests/walk/clock.h"

#define N_OWNERS 4U
#define ROOT 0U

/* One walk. */
typedef struct Walk {
        World *world;
        Rules rules;
        int *leases; /* the clients' ends */
        size_t n_leases;
        WalkResult *result;
} Walk;

static uint64_t draw(Walk *walk) {
        return world_random(walk->world);
}

static WorldDevice *draw_device(Walk *walk) {
        return &walk->world->devices[draw(walk) % walk->world->n_devices];
}

static bool clients_reach_it(const Walk *walk) {
        return walk->world->manager && !walk->world->is_dead && walk->world->is_ready;
}

static void owner_name(unsigned owner, char buffer[static 16]) {
        (void) snprintf(buffer, 16, "vm:%u", owner);
}

static uid_t owner_uid(unsigned owner) {
        return owner == 0 ? ROOT : 1000 + owner;
}

static void must(int r) {
        if (r < 0)
                abort();
}

/* --- Clients. */


/* Between a call and its return the daemon may have died: nobody hears the answer then. */
static void hear_answer(Walk *walk, const char *what, bool expected, bool expectation_holds, int r, Refusal *refusal, const Operation *operation) {
        if (!walk->world->is_dead) {
                if (r < 0)
                        world_wrong(walk->world, "%s fails: %s", what, strerror(-r));
                else if (!operation != (refusal->code != REFUSAL_NONE))
                        world_wrong(walk->world, "%s is neither refused nor begun", what);
                else if (expectation_holds && expected != !!operation)
                        world_wrong(walk->world, "%s is %s: %s", what, operation ? "begun" : "refused", refusal->message ?: "-");
                world_tell(walk->world, "  %s: %s", what, operation ? "begun" : refusal->message ?: "-");
                walk->result->n_refused += !operation;
        }
        refusal_done(refusal);
}

/* What is free can be had and what is held cannot; where something is at work, the answer comes later. */
static bool add_targets(Walk *walk, Request *request, bool *ret_expectation_holds) {
        bool can_be_had = true, is_busy = false;
        unsigned n = 1 + (unsigned) (draw(walk) % 3);

        for (unsigned i = 0; i < n; i++) {
                const WorldDevice *device;

                do
                        device = draw_device(walk);
                while (!device_is_endpoint(device));
                must(strv_append(&request->targets, device->shape.address));
                world_tell(walk->world, "    %s", device->shape.address);
                can_be_had = can_be_had && device->present && !rules_group_is_held(&walk->rules, device->shape.group) &&
                        !rules_group_is_closed(&walk->rules, device->shape.group);
                is_busy = is_busy || rules_group_is_busy(&walk->rules, device->shape.group);
        }
        *ret_expectation_holds = !is_busy;
        return can_be_had;
}

static void keep_lease(Walk *walk, int fd) {
        int *leases = reallocarray(walk->leases, walk->n_leases + 1, sizeof(int));

        if (!leases)
                abort();
        leases[walk->n_leases++] = fd;
        walk->leases = leases;
}

static void act_assign(Walk *walk) {
        unsigned owner = (unsigned) (draw(walk) % N_OWNERS);
        bool with_lease = draw(walk) % 3 == 0, expected, expectation_holds;
        _cleanup_(request_done) Request request = { .verb = VERB_ASSIGN, .caller.uid = owner_uid(owner) };
        int our_end = -EBADF, their_end = -EBADF, r;
        Operation *operation = NULL;
        Refusal refusal = {};
        char name[16];

        if (!clients_reach_it(walk))
                return;
        owner_name(owner, name);
        must(string_copy(name, &request.owner));
        expected = add_targets(walk, &request, &expectation_holds);
        expectation_holds = expectation_holds && walk->world->is_settled;
        if (with_lease)
                must(lease_open_ends(walk->world->manager, &our_end, &their_end));
        r = manager_assign(walk->world->manager, &request, &our_end, &refusal, &operation);
        if (!walk->world->is_dead && r >= 0 && operation && with_lease)
                keep_lease(walk, TAKE_FD(their_end));
        safe_close(our_end);
        safe_close(their_end);
        hear_answer(walk, "assign", expected, expectation_holds, r, &refusal, operation);
}

/* What of an owner must be given back whole; `uid` must have it all. Something at work decides later, and
 * so does what has drifted. */
static bool owner_can_release(Walk *walk, const char *owner, uid_t uid, bool *ret_expectation_holds) {
        bool has_one = false, is_busy = false, is_denied = false;

        for (size_t i = 0; i < walk->rules.n_holds; i++) {
                const Hold *hold = &walk->rules.holds[i];

                if (hold->is_over || !string_equal(hold->owner, owner))
                        continue;
                has_one = true;
                is_denied = is_denied || (uid != ROOT && uid != hold->uid);
                for (size_t d = 0; d < walk->world->n_devices; d++)
                        is_busy = is_busy || ((hold->devices & (UINT32_C(1) << d)) &&
                                              (rules_group_is_busy(&walk->rules, walk->world->devices[d].shape.group) ||
                                               rules_group_is_closed(&walk->rules, walk->world->devices[d].shape.group)));
        }
        *ret_expectation_holds = !is_busy;
        return has_one && !is_denied;
}

static void act_release(Walk *walk) {
        unsigned owner = (unsigned) (draw(walk) % N_OWNERS);
        _cleanup_(request_done) Request request = { .verb = VERB_RELEASE, .caller.uid = draw(walk) % 8 == 0 ? owner_uid(3 - owner) : owner_uid(owner) };
        bool expected, expectation_holds;
        Operation *operation = NULL;
        Refusal refusal = {};
        char name[16];
        int r;

        if (!clients_reach_it(walk))
                return;
        owner_name(owner, name);
        must(string_copy(name, &request.owner));
        request.wait = draw(walk) % 2 == 0;
        expected = owner_can_release(walk, name, request.caller.uid, &expectation_holds);
        r = manager_release(walk->world->manager, &request, &refusal, &operation);
        if (operation && !walk->world->is_dead)
                rules_forget_spoiled(&walk->rules, operation);
        hear_answer(walk, "release", expected, expectation_holds, r, &refusal, operation);
}

static void act_release_one(Walk *walk) {
        const Hold *hold = rules_pick_hold(&walk->rules, draw(walk));
        Operation *operation = NULL;
        Refusal refusal = {};
        Caller caller = {};
        int r;

        if (!clients_reach_it(walk) || !hold)
                return;
        r = manager_release_assignment(walk->world->manager, (uint64_t) hold->id, /* wait= */ draw(walk) % 2 == 0, &caller, &refusal, &operation);
        if (operation && !walk->world->is_dead)
                rules_forget_spoiled(&walk->rules, operation);
        hear_answer(walk, "release of one", false, /* expectation_holds= */ false, r, &refusal, operation);
}

/* What is reserved already stays so; a device that came since in the place of a reserved one keeps the answer open. */
static bool add_groups_to_reserve(Walk *walk, Request *request, bool *ret_expectation_holds) {
        bool can_be_had = add_targets(walk, request, ret_expectation_holds);

        for (size_t i = 0; request->targets[i]; i++) {
                const WorldDevice *device = NULL;

                for (size_t k = 0; k < walk->world->n_devices; k++)
                        if (string_equal(walk->world->devices[k].shape.address, request->targets[i]))
                                device = &walk->world->devices[k];
                *ret_expectation_holds = *ret_expectation_holds && device && rules_reservation_is_whole(&walk->rules, device->shape.group);
        }
        return can_be_had;
}

static void act_reserve(Walk *walk) {
        _cleanup_(request_done) Request request = { .verb = VERB_RESERVE };
        Operation *operation = NULL;
        bool expected, expectation_holds;
        Refusal refusal = {};
        int r;

        if (!clients_reach_it(walk))
                return;
        expected = add_groups_to_reserve(walk, &request, &expectation_holds);
        r = manager_reserve(walk->world->manager, &request, &refusal, &operation);
        hear_answer(walk, "reserve", expected, expectation_holds && walk->world->is_settled, r, &refusal, operation);
}

static void unreserve_device(Walk *walk, const WorldDevice *device) {
        _cleanup_(request_done) Request request = { .verb = VERB_UNRESERVE };
        uint32_t group = device->shape.group;
        bool expected = rules_group_is_reserved(&walk->rules, group) && !rules_group_is_held(&walk->rules, group);
        bool expectation_holds = walk->world->is_settled && !rules_group_is_busy(&walk->rules, group) && rules_reservation_is_whole(&walk->rules, group);
        Operation *operation = NULL;
        Refusal refusal = {};
        int r;

        must(strv_append(&request.targets, device->shape.address));
        world_tell(walk->world, "  of %s", device->shape.address);
        request.wait = draw(walk) % 2 == 0;
        r = manager_unreserve(walk->world->manager, &request, &refusal, &operation);
        if (operation && !walk->world->is_dead)
                rules_forget_spoiled(&walk->rules, operation);
        hear_answer(walk, "unreserve", expected, expectation_holds, r, &refusal, operation);
}

/* Most ask for what is reserved. */
static void act_unreserve(Walk *walk) {
        const WorldDevice *device = draw(walk) % 8 == 0 ? draw_device(walk) : rules_pick_reserved(&walk->rules, draw(walk));

        if (clients_reach_it(walk) && device)
                unreserve_device(walk, device);
}

/* The fds reach the client with the reply. */
static void on_opened(Operation *operation, void *userdata) {
        Walk *walk = userdata;
        Hold *hold = rules_find_hold(&walk->rules, (int64_t) operation->assignment);

        if (walk->world->is_dead || operation->state != OPERATION_DONE || !hold)
                return;
        if (hold->is_over)
                world_wrong(walk->world, "rule 1: what was given back is opened");
        hold->fds = reallocarray(hold->fds, hold->n_fds + operation->n_fds + 1, sizeof(int));
        if (!hold->fds)
                abort();
        for (size_t i = 0; i < operation->n_fds; i++)
                hold->fds[hold->n_fds++] = fcntl(operation->fds[i].fd, F_DUPFD_CLOEXEC, 3);
}

static void act_open(Walk *walk) {
        const Hold *hold = rules_pick_hold(&walk->rules, draw(walk));
        Operation *operation = NULL;
        Refusal refusal = {};
        Caller caller = {};
        int r;

        if (!clients_reach_it(walk) || !hold)
                return;
        r = manager_open(walk->world->manager, (uint64_t) hold->id, NULL, &caller, &refusal, &operation);
        if (r >= 0 && operation)
                must(operation_watch(operation, on_opened, walk));
        hear_answer(walk, "open", false, /* expectation_holds= */ false, r, &refusal, operation);
}

static void act_close(Walk *walk) {
        uint64_t n = draw(walk);

        for (size_t i = 0; i < walk->rules.n_holds; i++) {
                Hold *hold = &walk->rules.holds[(n + i) % walk->rules.n_holds];

                if (hold->n_fds > 0) {
                        hold_close_fds(hold);
                        return;
                }
        }
}

static void act_end_lease(Walk *walk) {
        size_t n;

        if (walk->n_leases == 0)
                return;
        n = draw(walk) % walk->n_leases;
        safe_close(walk->leases[n]);
        walk->leases[n] = walk->leases[--walk->n_leases];
}

/* The administrator's. */
static void recover_device(Walk *walk, const WorldDevice *device) {
        _cleanup_(request_done) Request request = { .verb = VERB_RECOVER };
        Operation *operation = NULL;
        Refusal refusal = {};
        int r;

        must(strv_append(&request.targets, device->shape.address));
        world_tell(walk->world, "  of %s", device->shape.address);
        r = manager_recover(walk->world->manager, &request, &refusal, &operation);
        hear_answer(walk, "recover", false, /* expectation_holds= */ false, r, &refusal, operation);
}

static void act_recover(Walk *walk) {
        const WorldDevice *device = draw_device(walk);

        if (clients_reach_it(walk))
                recover_device(walk, device);
}

static void act_cancel(Walk *walk) {
        const Manager *manager = walk->world->manager;
        Refusal refusal = {};
        Caller caller = {};

        if (!clients_reach_it(walk) || manager->n_operations == 0)
                return;
        if (manager_cancel(walk->world->manager, manager->operations[draw(walk) % manager->n_operations]->id, &caller, &refusal) < 0)
                world_wrong(walk->world, "a cancel fails");
        world_tell(walk->world, "  %s", refusal.message ?: "cancelled");
        refusal_done(&refusal);
}

/* --- Faults. */

static void act_fail(Walk *walk) {
        /* Not -ENODEV: it is the kernel's word that the device is not on that driver. */
        static const int errors[] = { EBUSY, EIO, EINVAL, EPERM, ENOMEM };

        must(world_add_fault(walk->world, &(WorldFault) {
                .kind = WORLD_FAIL,
                .device = draw(walk) % 2 == 0 ? draw_device(walk) : NULL,
                .n = 1 + (unsigned) (draw(walk) % 6),
                .error = errors[draw(walk) % ELEMENTSOF(errors)],
        }));
}

static void act_hang(Walk *walk) {
        must(world_add_fault(walk->world, &(WorldFault) {
                .kind = WORLD_HANG,
                .device = draw(walk) % 2 == 0 ? draw_device(walk) : NULL,
                .n = 1 + (unsigned) (draw(walk) % 6),
        }));
}

static void act_let_go(Walk *walk) {
        (void) world_let_go(walk->world, draw(walk));
}

static void act_kill_worker(Walk *walk) {
        World *world = walk->world;
        WorldWorker *worker;

        world_receive(world);
        if (world->n_workers == 0)
                return;
        worker = world->workers[draw(walk) % world->n_workers];
        if (worker->fd < 0)
                return;
        world_tell(world, "  worker %d is killed", (int) worker->pid);
        rules_note_spoiled(&walk->rules, worker);
        world_kill_worker(world, worker);
}

static void act_crash(Walk *walk) {
        if (walk->world->manager && !walk->world->is_dead)
                world_kill(walk->world);
}

/* At some moment of what comes next. */
static void act_crash_later(Walk *walk) {
        walk->world->dies_at = walk->world->n_moments + 1 + (unsigned) (draw(walk) % 40);
}

static void act_pass_time(Walk *walk) {
        static const uint64_t spans[] = { USEC_PER_SEC, 6 * USEC_PER_SEC, 11 * USEC_PER_SEC };

        clock_pass(spans[draw(walk) % ELEMENTSOF(spans)]);
}

/* --- Others with root. */

static void act_foreign_override(Walk *walk) {
        static const char *const drivers[] = { "", "e1000e", "nvme", VFIO, "pci-stub" };
        WorldDevice *device = draw_device(walk);
        const char *driver = drivers[draw(walk) % ELEMENTSOF(drivers)];

        world_tell(walk->world, "  %s override '%s'", device->shape.address, driver);
        if (world_set_override(walk->world, device, driver) >= 0)
                rules_note_foreign(&walk->rules, device);
}

static void act_foreign_unbind(Walk *walk) {
        WorldDevice *device = draw_device(walk);
        int r = world_unbind(walk->world, device);

        world_tell(walk->world, "  %s: %d", device->shape.address, r);
        if (r >= 0)
                rules_note_foreign(&walk->rules, device);
}

static void act_foreign_bind(Walk *walk) {
        WorldDevice *device = draw_device(walk);
        const char *driver = draw(walk) % 2 == 0 && device->shape.driver ? device->shape.driver : VFIO;
        int r = world_bind(walk->world, device, driver);

        world_tell(walk->world, "  %s to %s: %d", device->shape.address, driver, r);
        if (r >= 0)
                rules_note_foreign(&walk->rules, device);
}

static void act_unplug(Walk *walk) {
        WorldDevice *device = draw_device(walk);
        int r = device_is_endpoint(device) ? world_unplug(walk->world, device) : -EDEADLK;

        world_tell(walk->world, "  %s: %d", device->shape.address, r);
        if (r >= 0)
                rules_note_foreign(&walk->rules, device);
}

static void act_plug(Walk *walk) {
        uint64_t n = draw(walk);
        bool other = draw(walk) % 2 == 0;

        for (size_t i = 0; i < walk->world->n_devices; i++) {
                WorldDevice *device = &walk->world->devices[(n + i) % walk->world->n_devices];

                if (device->present)
                        continue;
                must(world_plug(walk->world, device, other));
                world_tell(walk->world, "  %s", device->shape.address);
                rules_note_foreign(&walk->rules, device);
                return;
        }
}

static void act_rescan(Walk *walk) {
        if (clients_reach_it(walk) && manager_rescan(walk->world->manager) < 0 && !walk->world->is_dead)
                world_wrong(walk->world, "a rescan fails");
}

static void act_nothing(Walk *walk) {
}

/* --- The walk. */

static const struct {
        const char *name;
        unsigned weight;
        void (*function)(Walk *walk);
} acts[] = {
        { "assign", 24, act_assign },
        { "release", 12, act_release },
        { "release one", 5, act_release_one },
        { "open", 6, act_open },
        { "close", 6, act_close },
        { "end a lease", 3, act_end_lease },
        { "reserve", 7, act_reserve },
        { "unreserve", 5, act_unreserve },
        { "cancel", 4, act_cancel },
        { "recover", 3, act_recover },
        { "fail", 5, act_fail },
        { "hang", 4, act_hang },
        { "let go", 7, act_let_go },
        { "kill a worker", 2, act_kill_worker },
        { "crash", 3, act_crash },
        { "crash later", 4, act_crash_later },
        { "pass time", 4, act_pass_time },
        { "foreign override", 2, act_foreign_override },
        { "foreign unbind", 2, act_foreign_unbind },
        { "foreign bind", 2, act_foreign_bind },
        { "unplug", 2, act_unplug },
        { "plug", 4, act_plug },
        { "rescan", 1, act_rescan },
        { "nothing", 4, act_nothing },
};

static size_t choose_act(uint64_t random) {
        unsigned total = 0;

        for (size_t i = 0; i < ELEMENTSOF(acts); i++)
                total += acts[i].weight;
        random %= total;
        for (size_t i = 0;; i++) {
                if (random < acts[i].weight)
                        return i;
                random -= acts[i].weight;
        }
}

/* Holders die with the host, and nothing hangs any more. */
static void reboot(Walk *walk) {
        world_tell(walk->world, "  the host is rebooted");
        for (size_t i = 0; i < walk->rules.n_holds; i++)
                hold_close_fds(&walk->rules.holds[i]);
        world_reboot(walk->world);
        walk->result->n_reboots++;
}

/* A dead daemon is followed by another, which may die while it comes up. */
static void revive(Walk *walk) {
        World *world = walk->world;

        while (world->is_dead && !world->wrong) {
                walk->result->n_crashes++;
                world_bury(world);
                rules_forget_spoiled(&walk->rules, NULL);
                if (draw(walk) % 8 == 0)
                        reboot(walk);
                else if (draw(walk) % 2 == 0)
                        world_run_workers(world);
                if (draw(walk) % 4 == 0)
                        world->dies_at = world->n_moments + 1 + (unsigned) (draw(walk) % 10);
                if (world_start(world) && draw(walk) % 2 == 0)
                        world_settle(world);
        }
}

static void take(Walk *walk, unsigned number, uint64_t random) {
        World *world = walk->world;
        uint64_t turns;
        bool at_rest = false;
        size_t act;

        world->random = random;
        act = choose_act(draw(walk));
        world_tell(world, "%u: %s", number, acts[act].name);
        acts[act].function(walk);
        turns = draw(walk) % 10;
        if (turns < 5) {
                world_settle(world);
                at_rest = true;
        } else
                for (turns = draw(walk) % 12; turns > 0 && world_turn(world); turns--)
                        ;
        at_rest = at_rest && !world->is_dead;
        revive(walk);
        rules_check(&walk->rules, at_rest);
        walk->result->n_actions++;
}

/* Whoever hangs is let go, and everything is released: the host must be as it was. */
static void finish(Walk *walk) {
        World *world = walk->world;

        world_tell(world, "the end");
        world->dies_at = 0;
        world_clear_faults(world);
        for (unsigned n = 0; n < 4 && !world->wrong; n++) {
                for (size_t i = 0; i < walk->rules.n_holds; i++)
                        hold_close_fds(&walk->rules.holds[i]);
                while (walk->n_leases > 0)
                        act_end_lease(walk);
                while (world_let_go(world, 0))
                        ;
                world_settle(world);
                clock_pass(6 * USEC_PER_SEC);
                world_settle(world);
        }
        if (!world->is_ready)
                world_wrong(world, "rule 6: the daemon never becomes ready");
        for (size_t i = 0; i < walk->rules.n_holds; i++)
                if (walk->rules.holds[i].has_lease && !walk->rules.holds[i].is_over)
                        world_wrong(world, "rule 5: the lease of assignment %" PRIi64 " is over, and it is not", walk->rules.holds[i].id);
        for (unsigned n = 0; n < 8 && rules_n_open(&walk->rules) > 0 && !world->wrong; n++) {
                act_release_one(walk);
                world_settle(world);
        }
        rules_check(&walk->rules, /* at_rest= */ true);
        for (unsigned n = 0; n < 16 && rules_pick_reserved(&walk->rules, 0) && !world->wrong; n++) {
                unreserve_device(walk, rules_pick_reserved(&walk->rules, n));
                world_settle(world);
        }
        if (!world->wrong)
                rules_check_end(&walk->rules);
}

void walk(World *world, uint64_t seed, unsigned n_actions, const bool *keep, WalkResult *result) {
        Walk walk = { .world = world, .result = result };
        uint64_t random;

        must(world_reset(world, seed, seed % 4 != 0));
        random = world_random(world);
        rules_init(&walk.rules, world);
        if (world_start(world))
                world_settle(world);
        for (unsigned i = 0; i < n_actions && !world->wrong; i++) {
                world->random = random + i;
                if (!keep || keep[i])
                        take(&walk, i, world_random(world));
        }
        if (!world->wrong)
                finish(&walk);
        result->n_operations += walk.rules.n_operations;
        result->n_recovered += walk.rules.n_recovered;
        result->n_commits += world->n_commits;
        result->n_writes += world->n_writes;
        world->is_dead = true;
        world_bury(world);
        while (walk.n_leases > 0)
                act_end_lease(&walk);
        free(walk.leases);
        rules_done(&walk.rules);
}
