/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A host, its kernel, assignd's workers and the daemon itself in one process, where everything happens when the test says so:
 *
 *   kernel    a tree of tests/tree under the rules of tests/simk, never blocking: a write that hangs is one that the world
 *             does not answer yet
 *   workers   the other ends of the daemon's sockets; each step they received is run on a turn of its own
 *   daemon    a Manager on its own event loop, with a database in memory's file system; it dies at a chosen moment and
 *             nothing that it does after that moment has any effect
 *   time      tests/walk/clock.h
 *
 * A moment is just before or just after a commit or a write of a worker to the kernel; they are counted, so that a test can
 * kill the daemon at each of them. What is wrong is noted, not asserted: a walk that fails is replayed and shrunk. */

#include <sqlite3.h>

#include "daemon/manager.h"
#include "host/kernel.h"
#include "tests/tree/treegen.h"

#define WORLD_NAME_MAX 32U
#define VFIO "vfio-pci"

/* What a device is on; "" is none. */
typedef struct WorldPlace {
        char driver[WORLD_NAME_MAX];
        char override[WORLD_NAME_MAX];
} WorldPlace;

typedef struct WorldDevice {
        TreeDevice shape; /* as it is plugged in; the driver is the one of the host that matches it */
        PciAddress address;
        bool present;
        bool in_kernel;      /* in the middle of probe() or remove() */
        unsigned generation; /* another device each time one is plugged in */
} WorldDevice;

/* A step that a worker has received. */
typedef struct WorldStep {
        WorkerRequest request;
        bool inside;    /* the first half of its unbind or bind has happened */
        bool held_back; /* hangs until world_let_go() */
        int error;      /* of the first half */
        bool is_injected; /* `error` is a fault's */
} WorldStep;

typedef struct WorldWorker {
        struct World *world;
        pid_t pid;
        int fd;       /* its end of the socket; -EBADF: closed */
        bool is_killed; /* and gone once its last step leaves the kernel: only then its socket closes */
        int ended_fd; /* readable once it has ended */
        WorkerState *state;
        WorldStep *steps;
        size_t n_steps;
} WorldWorker;

typedef enum WorldFaultKind {
        WORLD_FAIL, /* the write does nothing and returns `error` */
        WORLD_HANG, /* it does not return until world_let_go() */
} WorldFaultKind;

/* What the n-th write to a device (NULL: to any) suffers. */
typedef struct WorldFault {
        WorldFaultKind kind;
        const WorldDevice *device;
        unsigned n;
        int error;
} WorldFault;

typedef enum WorldMoment {
        BEFORE_COMMIT,
        AFTER_COMMIT,
        BEFORE_WRITE,
        AFTER_WRITE,
} WorldMoment;

typedef struct WorldUevent {
        const char *action;
        PciAddress address;
} WorldUevent;

typedef struct World {
        TreeGen *tree;
        int root;
        int dev_fd;
        Kernel kernel;
        Config config;
        char *database_path, *boot_id_path;
        char *paths[7]; /* that `config` names */
        void *template; /* an empty database */
        size_t template_size;
        WorldDevice *devices;
        size_t n_devices;

        uint64_t random; /* state of the generator that decides who is next */
        unsigned boot;
        WorldWorker **workers;
        size_t n_workers;
        pid_t next_pid;
        WorldStep *current; /* whose second half runs */
        WorldFault *faults;
        size_t n_faults;
        WorldUevent *uevents; /* that the daemon's socket had no room for */
        size_t n_uevents;

        sd_event *event;
        Manager *manager; /* NULL: no daemon runs */
        bool is_ready;
        bool is_dead;     /* the daemon: what it still does has no effect */
        bool is_settled;  /* it has heard of all that has happened, and looked */
        bool leases_are_hidden; /* from a dead one */
        unsigned n_moments;
        unsigned dies_at; /* the moment's number, from 1; 0: none */
        WorkerSource source;

        /* Whoever checks; any may be NULL. A worker's step is told before its first half and after its last. */
        struct {
                void (*before_write)(void *userdata, const WorldWorker *worker, const WorldStep *step);
                void (*after_write)(void *userdata, const WorldWorker *worker, const WorldStep *step, int error);
                void (*after_commit)(void *userdata);
                void (*operation_ended)(void *userdata, const Operation *operation);
                void *userdata;
        } observer;
        char *wrong; /* the first thing that was; NULL: nothing yet */
        bool verbose;
        unsigned n_commits, n_writes;
} World;

int world_new(World **ret);
World *world_free(World *world);
DEFINE_CLEANUP(World *, world_free)

/* A host as it comes, other devices in other places for another `seed`; no daemon. `iommufd`: whether the kernel has it. */
int world_reset(World *world, uint64_t seed, bool iommufd);

uint64_t world_random(World *world);

/* Notes what is wrong, the first time. */
void world_wrong(World *world, const char *format, ...) _printf_(2, 3);
void world_tell(const World *world, const char *format, ...) _printf_(2, 3);

/* --- The daemon. */

/* Starts one; returns whether it lives (it may be due to die before it has come up). */
bool world_start(World *world);

/* Everything that the daemon does from now on is without effect; its workers live on with what they have received. */
void world_kill(World *world);

/* The dead daemon's process is gone: its fds are closed. */
void world_bury(World *world);

/* The host goes down, and comes up with another boot id: no worker, no holder, no override is left. The daemon must be buried. */
void world_reboot(World *world);

/* One turn of the daemon's loop or of a worker. Returns whether anything happened; never after the daemon died. */
bool world_turn(World *world);

/* Turns until nothing happens any more, the daemon's short delays included. */
void world_settle(World *world);

/* A dead daemon's workers go on with what does not hang, while no daemon runs. */
void world_run_workers(World *world);

/* --- The kernel. */

WorldDevice *world_find_device(World *world, const PciAddress *address);
bool device_is_endpoint(const WorldDevice *device);
bool driver_is_host(const char *driver);
WorldPlace world_place(const World *world, const WorldDevice *device);
bool place_equal(const WorldPlace *a, const WorldPlace *b);
bool world_is_open(const World *world, const WorldDevice *device);

int world_add_fault(World *world, const WorldFault *fault);
void world_clear_faults(World *world);

/* Lets the n-th of the steps that hang go on (modulo their number); returns false if none hangs. */
bool world_let_go(World *world, uint64_t n);

/* Whether a step of some worker waits for somebody: for world_let_go(), for a holder, or for a device in the kernel. */
bool worker_is_blocked(const WorldWorker *worker);
const WorldWorker *world_find_worker(const World *world, pid_t pid);

/* The worker's process is killed: what is inside the kernel comes to its end first. */
void world_kill_worker(World *world, WorldWorker *worker);

/* Somebody with root acts: 0 or the errno of the write; -EDEADLK where that somebody would hang. */
int world_set_override(World *world, WorldDevice *device, const char *driver);
int world_bind(World *world, WorldDevice *device, const char *driver);
int world_unbind(World *world, WorldDevice *device);

/* Unplugs it; -EDEADLK where the kernel would wait for somebody. */
int world_unplug(World *world, WorldDevice *device);

/* Plugs one in; `other`: of another kind than the one that was there. The host's driver takes it. */
int world_plug(World *world, WorldDevice *device, bool other);

/* --- For the parts of the world among themselves. */

int world_make_host(World *world);
int world_put_host(World *world, bool iommufd);
int world_put_at_boot(World *world);
bool world_moment(World *world, WorldMoment moment);
int world_start_worker(void *userdata, pid_t *ret_pid, uint64_t *ret_start_time);
int world_watch_leftover(void *userdata, pid_t pid, uint64_t start_time, int *ret_fd);
void world_receive(World *world);
bool world_run_step(World *world);
void world_orphan_workers(World *world);
void world_end_workers(World *world);
void world_drop_workers(World *world);
int world_emit(World *world, const char *action, const WorldDevice *device);
bool world_flush_uevents(World *world);
extern const KernelOps world_ops;
