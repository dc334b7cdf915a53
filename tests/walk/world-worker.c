/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Workers without processes: they receive, run and answer one step at a time, in any order. */

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"
#include "tests/walk/world.h"

static bool is_write(const WorkerRequest *request) {
        return request->action == WORKER_SET_OVERRIDE || request->action == WORKER_UNBIND || request->action == WORKER_BIND ||
               request->action == WORKER_SET_DEVICE_NODE || request->action == WORKER_SET_GROUP_NODE;
}

static bool is_binding(const WorkerRequest *request) {
        return request->action == WORKER_UNBIND || request->action == WORKER_BIND;
}

static PciAddress address_of(const WorkerRequest *request) {
        return (PciAddress) { .domain = request->domain, .bus = request->bus, .slot = request->slot, .function = request->function };
}

static WorldDevice *device_of(World *world, const WorkerRequest *request) {
        PciAddress address = address_of(request);

        return world_find_device(world, &address);
}

/* --- Their lives. */

static void worker_drop(WorldWorker *worker) {
        uint64_t one = 1;

        (void) !write(worker->ended_fd, &one, sizeof(one));
        safe_close(worker->ended_fd);
        safe_close(worker->fd);
        worker_state_free(worker->state);
        free(worker->steps);
        free(worker);
}

static void end_idle_workers(World *world) {
        size_t n = 0;

        for (size_t i = 0; i < world->n_workers; i++)
                if ((world->workers[i]->fd < 0 || world->workers[i]->is_killed) && world->workers[i]->n_steps == 0)
                        worker_drop(world->workers[i]);
                else
                        world->workers[n++] = world->workers[i];
        world->n_workers = n;
}

void world_drop_workers(World *world) {
        for (size_t i = 0; i < world->n_workers; i++)
                worker_drop(world->workers[i]);
        world->n_workers = 0;
}

static int add_worker(World *world, int fd) {
        WorldWorker **workers, *worker;
        int r;

        workers = reallocarray(world->workers, world->n_workers + 1, sizeof(WorldWorker *));
        if (!workers)
                return -ENOMEM;
        world->workers = workers;
        worker = calloc(1, sizeof(WorldWorker));
        if (!worker)
                return -ENOMEM;
        *worker = (WorldWorker) { .world = world, .pid = world->next_pid, .fd = fd, .ended_fd = eventfd(0, EFD_CLOEXEC) };
        r = worker->ended_fd < 0 ? -errno : worker_state_new(&world->kernel, &worker->state);
        if (r < 0) {
                safe_close(worker->ended_fd);
                free(worker);
                return r;
        }
        workers[world->n_workers++] = worker;
        return 0;
}

int world_start_worker(void *userdata, pid_t *ret_pid, uint64_t *ret_start_time) {
        World *world = userdata;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        world->next_pid++;
        r = world->is_dead ? 0 : add_worker(world, pair[1]);
        if (world->is_dead || r < 0)
                safe_close(pair[1]);
        if (r < 0) {
                safe_close(pair[0]);
                return r;
        }
        *ret_pid = world->next_pid;
        *ret_start_time = (uint64_t) world->next_pid * 10;
        return pair[0];
}

const WorldWorker *world_find_worker(const World *world, pid_t pid) {
        for (size_t i = 0; i < world->n_workers; i++)
                if (world->workers[i]->pid == pid)
                        return world->workers[i];
        return NULL;
}

int world_watch_leftover(void *userdata, pid_t pid, uint64_t start_time, int *ret_fd) {
        const WorldWorker *worker = world_find_worker(userdata, pid);
        int fd;

        if (!worker || start_time != (uint64_t) pid * 10)
                return 0;
        fd = RET_NERRNO(fcntl(worker->ended_fd, F_DUPFD_CLOEXEC, 3));
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 1;
}

/* --- What they receive. */

static void add_step(WorldWorker *worker, const WorkerRequest *request) {
        WorldStep *steps = reallocarray(worker->steps, worker->n_steps + 1, sizeof(WorldStep));

        if (!steps)
                abort();
        steps[worker->n_steps++] = (WorldStep) { .request = *request };
        worker->steps = steps;
}

static void receive_all(WorldWorker *worker) {
        WorkerRequest request;

        while (worker->fd >= 0 && !worker->is_killed) {
                ssize_t n = recv(worker->fd, &request, sizeof(request), MSG_DONTWAIT);

                if (n < 0)
                        return;
                if (n == sizeof(request) && worker_request_check(&request) >= 0)
                        add_step(worker, &request);
                else if (n > 0)
                        world_wrong(worker->world, "the daemon sent a worker what is not a request");
                else
                        worker->fd = safe_close(worker->fd);
        }
}

void world_receive(World *world) {
        if (world->is_dead)
                return;
        for (size_t i = 0; i < world->n_workers; i++)
                receive_all(world->workers[i]);
        end_idle_workers(world);
}

/* Of what the daemon had sent a worker has received all, or nothing that it had not received before. */
void world_orphan_workers(World *world) {
        for (size_t i = 0; i < world->n_workers; i++)
                if (world_random(world) % 2 == 0)
                        receive_all(world->workers[i]);
}

/* Their daemon is gone. */
void world_end_workers(World *world) {
        for (size_t i = 0; i < world->n_workers; i++)
                world->workers[i]->fd = safe_close(world->workers[i]->fd);
        end_idle_workers(world);
}

/* --- Faults. */

int world_add_fault(World *world, const WorldFault *fault) {
        WorldFault *faults = reallocarray(world->faults, world->n_faults + 1, sizeof(WorldFault));

        if (!faults)
                return -ENOMEM;
        faults[world->n_faults++] = *fault;
        world->faults = faults;
        return 0;
}

void world_clear_faults(World *world) {
        world->n_faults = 0;
}

static bool take_fault(World *world, const WorldDevice *device, WorldFault *ret) {
        for (size_t i = 0; i < world->n_faults; i++) {
                WorldFault *fault = &world->faults[i];

                if ((fault->device && fault->device != device) || --fault->n > 0)
                        continue;
                *ret = *fault;
                world->faults[i] = world->faults[--world->n_faults];
                return true;
        }
        return false;
}

bool world_let_go(World *world, uint64_t n) {
        uint64_t count = 0;

        for (unsigned round = 0; round < 2; round++) {
                if (round == 1 && count == 0)
                        return false;
                n = round == 1 ? n % count : UINT64_MAX;
                for (size_t w = 0; w < world->n_workers; w++)
                        for (size_t i = 0; i < world->workers[w]->n_steps; i++) {
                                WorldStep *step = &world->workers[w]->steps[i];

                                if (!step->held_back)
                                        continue;
                                if (round == 0)
                                        count++;
                                else if (n-- == 0) {
                                        step->held_back = false;
                                        return true;
                                }
                        }
        }
        return false;
}

/* --- Running them. */

static bool step_is_blocked(World *world, const WorldStep *step) {
        const WorldDevice *device = device_of(world, &step->request);

        if (step->held_back)
                return true;
        if (!device || !is_binding(&step->request))
                return false;
        if (!step->inside)
                return device->in_kernel;
        return step->error == 0 && step->request.action == WORKER_UNBIND && string_equal(step->request.name, VFIO) && world_is_open(world, device);
}

bool worker_is_blocked(const WorldWorker *worker) {
        for (size_t i = 0; i < worker->n_steps; i++)
                if (step_is_blocked(worker->world, &worker->steps[i]))
                        return true;
        return false;
}

/* The first half; returns whether the second may follow at once. */
static bool enter_kernel(WorldWorker *worker, WorldStep *step) {
        World *world = worker->world;
        const WorkerRequest *request = &step->request;
        PciAddress address = address_of(request);
        WorldDevice *device = device_of(world, request);
        WorldFault fault = {};

        if (is_write(request) && world->observer.before_write)
                world->observer.before_write(world->observer.userdata, worker, step);
        step->inside = true;
        if (is_write(request) && take_fault(world, device, &fault) && fault.kind == WORLD_FAIL) {
                step->error = -fault.error;
                step->is_injected = true;
        } else if (request->action == WORKER_UNBIND)
                step->error = simk_unbind_begin(world->root, &address, request->name);
        else if (request->action == WORKER_BIND)
                step->error = simk_bind_begin(world->root, &address, request->name);
        if (fault.kind == WORLD_HANG)
                step->held_back = true;
        if (device && step->error == 0 && is_binding(request))
                device->in_kernel = true;
        return !is_binding(request) || world_random(world) % 4 != 0;
}

static void remove_step(WorldWorker *worker, size_t i) {
        memmove(worker->steps + i, worker->steps + i + 1, (--worker->n_steps - i) * sizeof(WorldStep));
}

static void leave_kernel(WorldWorker *worker, size_t i) {
        World *world = worker->world;
        WorldStep step = worker->steps[i];
        WorldDevice *device = device_of(world, &step.request);
        _cleanup_close_ int fd = -EBADF;
        WorkerAnswer answer;

        world->current = &step;
        worker_state_run(worker->state, &step.request, &answer, &fd);
        world->current = NULL;
        if (device && is_binding(&step.request) && step.error == 0)
                device->in_kernel = false;
        remove_step(worker, i);
        if (is_write(&step.request)) {
                world->n_writes++;
                if (world->observer.after_write)
                        world->observer.after_write(world->observer.userdata, worker, &step, answer.error);
                if (world_moment(world, AFTER_WRITE))
                        return;
        }
        if (worker->fd >= 0 && !worker->is_killed && !world->is_dead && worker_answer_send(worker->fd, &answer, fd) < 0)
                worker->fd = safe_close(worker->fd);
}

static void run_step(WorldWorker *worker, size_t i) {
        WorldStep *step = &worker->steps[i];

        if (!step->inside) {
                if (is_write(&step->request) && world_moment(worker->world, BEFORE_WRITE))
                        return;
                if (!enter_kernel(worker, step) || step_is_blocked(worker->world, step))
                        return;
        }
        leave_kernel(worker, i);
}

bool world_run_step(World *world) {
        size_t n = 0, chosen;

        for (unsigned round = 0; round < 2; round++) {
                if (round == 1 && n == 0)
                        break;
                chosen = round == 1 ? world_random(world) % n : SIZE_MAX;
                for (size_t w = 0; w < world->n_workers; w++)
                        for (size_t i = 0; i < world->workers[w]->n_steps; i++) {
                                if (step_is_blocked(world, &world->workers[w]->steps[i]))
                                        continue;
                                if (round == 0)
                                        n++;
                                else if (chosen-- == 0) {
                                        run_step(world->workers[w], i);
                                        end_idle_workers(world);
                                        return true;
                                }
                        }
        }
        end_idle_workers(world);
        return false;
}

void world_kill_worker(World *world, WorldWorker *worker) {
        for (size_t i = worker->n_steps; i > 0; i--)
                if (!worker->steps[i - 1].inside)
                        remove_step(worker, i - 1);
        worker->is_killed = true;
        end_idle_workers(world);
}

/* --- The kernel under them (host/kernel.h): what was begun ends. */

static World *world_of(Kernel *kernel) {
        return (World *) (void *) ((char *) kernel - offsetof(World, kernel));
}

static void read_found(World *world, const PciAddress *address, char found[static WORKER_NAME_MAX]) {
        WorldPlace place = world_place(world, &(WorldDevice) { .address = *address });

        (void) snprintf(found, WORKER_NAME_MAX, "%s", place.driver);
}

static int ops_set_override(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        World *world = world_of(kernel);
        WorldPlace place;
        int r;

        r = world->current->error ?: simk_set_override(world->root, address, driver);
        if (r < 0)
                return r;
        place = world_place(world, &(WorldDevice) { .address = *address });
        (void) snprintf(found, WORKER_NAME_MAX, "%s", place.override);
        return 0;
}

static int ops_unbind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        World *world = world_of(kernel);
        int r;

        r = world->current->error ?: simk_unbind_end(world->root, address, driver);
        if (r < 0)
                return r;
        read_found(world, address, found);
        return world_emit(world, "unbind", world_find_device(world, address));
}

static int ops_bind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        World *world = world_of(kernel);
        int r;

        r = world->current->error ?: simk_bind_end(world->root, address, driver);
        if (r == 0 || r == -EBUSY)
                read_found(world, address, found);
        return r < 0 ? r : world_emit(world, "bind", world_find_device(world, address));
}

/* Every holder of this world is a guest of the same name. */
static int ops_check_holders(Kernel *kernel, uint32_t group, HolderList *ret) {
        const World *world = world_of(kernel);

        *ret = (HolderList) {};
        for (size_t i = 0; i < world->n_devices; i++) {
                const WorldDevice *device = &world->devices[i];

                if (device->shape.group != group || !device->present || !world_is_open(world, device) || ret->n_items == WORKER_HOLDERS_MAX)
                        continue;
                ret->items[ret->n_items++] = (WorkerHolder) {
                        .kind = HOLDS_DEVICE,
                        .pid = 4711,
                        .fd = 3,
                        .domain = device->address.domain,
                        .bus = device->address.bus,
                        .slot = device->address.slot,
                        .function = device->address.function,
                        .comm = "guest",
                };
        }
        return 0;
}

static int ops_set_device_node(Kernel *kernel, const PciAddress *address, const NodeAccess *access) {
        World *world = world_of(kernel);

        return world->current->error ?: simk_set_node(world->root, address, 0, access);
}

static int ops_set_group_node(Kernel *kernel, uint32_t group, const NodeAccess *access) {
        World *world = world_of(kernel);

        return world->current->error ?: simk_set_node(world->root, NULL, group, access);
}

const KernelOps world_ops = {
        .set_override = ops_set_override,
        .unbind = ops_unbind,
        .bind = ops_bind,
        .open_iommufd = simk_open_iommufd,
        .open_cdev = simk_open_cdev,
        .open_container = simk_open_container,
        .open_group = simk_open_group,
        .open_device = simk_open_device,
        .check_holders = ops_check_holders,
        .set_device_node = ops_set_device_node,
        .set_group_node = ops_set_group_node,
};
