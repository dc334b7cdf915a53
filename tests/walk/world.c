/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/walk/world.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"
#include "db/internal.h"
#include "tests/simk/simk.h"
#include "tests/walk/clock.h"

#define TURNS_MAX 20000U /* a daemon that is not at rest then never will be */
#define LEASES "state/leases"
#define LEASES_KEPT "state/leases.kept"
#define BURST_USEC (11 * USEC_PER_MSEC) /* after a burst of uevents the daemon looks at the host */

/* splitmix64, by Sebastiano Vigna, in the public domain. */
uint64_t world_random(World *world) {
        uint64_t z = (world->random += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

void world_wrong(World *world, const char *format, ...) {
        va_list arguments;

        if (world->wrong)
                return;
        va_start(arguments, format);
        if (vasprintf(&world->wrong, format, arguments) < 0)
                abort();
        va_end(arguments);
        world_tell(world, "WRONG: %s", world->wrong);
}

void world_tell(const World *world, const char *format, ...) {
        va_list arguments;

        if (!world->verbose)
                return;
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void) fputc('\n', stderr);
}

/* --- Making it. */

static int make_directories(World *world) {
        static const char *const directories[] = { "state", "proc", "proc/sys", "proc/sys/kernel", "proc/sys/kernel/random", "policy.d",
                                                   "driverctl.d", "run" };

        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                if (mkdirat(world->root, directories[i], 0700) < 0)
                        return -errno;
        if (asprintf(&world->paths[0], "%s/state", world->tree->path) < 0 || asprintf(&world->paths[1], "%s/dev", world->tree->path) < 0 ||
            asprintf(&world->paths[2], "%s/proc", world->tree->path) < 0 || asprintf(&world->paths[3], "%s/simk/uevents", world->tree->path) < 0 ||
            asprintf(&world->paths[4], "%s/policy.d", world->tree->path) < 0 || asprintf(&world->paths[5], "%s/driverctl.d", world->tree->path) < 0 ||
            asprintf(&world->paths[6], "%s/run", world->tree->path) < 0 || asprintf(&world->database_path, "%s/state/assignd.db", world->tree->path) < 0 ||
            asprintf(&world->boot_id_path, "%s/proc/sys/kernel/random/boot_id", world->tree->path) < 0)
                return -ENOMEM;
        world->config = (Config) {
                .sysfs_path = world->tree->path,
                .state_directory = world->paths[0],
                .dev_path = world->paths[1],
                .proc_path = world->paths[2],
                .uevent_socket = world->paths[3],
                .policy_directory = world->paths[4],
                .driverctl_path = world->paths[5],
                .run_path = world->paths[6],
                .worker_path = "/nonexistent",
                .pci_ids_path = "/dev/null",
                .slow_usec = 5 * USEC_PER_SEC,
                .stuck_usec = 10 * USEC_PER_SEC,
        };
        return 0;
}

static int write_file(const char *path, const void *data, size_t size) {
        _cleanup_close_ int fd = RET_NERRNO(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

        if (fd < 0)
                return fd;
        return write(fd, data, size) == (ssize_t) size ? 0 : -EIO;
}

static int write_boot_id(World *world) {
        char text[64];

        (void) snprintf(text, sizeof(text), "00000000-0000-0000-0000-%012u\n", world->boot);
        return write_file(world->boot_id_path, text, strlen(text));
}

/* Everybody may take, and give back what is his own. */
static int write_policy(World *world) {
        static const char text[] = "{\"version\":1,\"rules\":[{\"verbs\":[\"assign\",\"reserve\"],\"verdict\":\"allow\"}]}";
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/everybody.json", world->config.policy_directory) < 0)
                return -ENOMEM;
        return write_file(path, text, strlen(text));
}

/* A database that was never used, so that not every walk has to make its tables. */
static int make_template(World *world) {
        _cleanup_close_ int fd = -EBADF;
        DbProblem problem;
        struct stat st;
        Db *db = NULL;
        int r;

        r = db_open(world->database_path, "00000000000000000000000000000000", &db, &problem);
        if (r < 0 || problem != DB_OK)
                return r < 0 ? r : -EUCLEAN;
        db_close(db);
        fd = RET_NERRNO(open(world->database_path, O_RDONLY | O_CLOEXEC));
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        world->template_size = (size_t) st.st_size;
        world->template = malloc(world->template_size);
        if (!world->template)
                return -ENOMEM;
        return read(fd, world->template, world->template_size) == st.st_size ? 0 : -EIO;
}

int world_new(World **ret) {
        _cleanup_(world_freep) World *world = calloc(1, sizeof(World));
        int r;

        if (!world)
                return -ENOMEM;
        *world = (World) { .root = -EBADF, .dev_fd = -EBADF };
        world->source = (WorkerSource) { .start = world_start_worker, .watch_leftover = world_watch_leftover, .userdata = world };
        r = treegen_new(&world->tree);
        if (r < 0)
                return r;
        world->root = world->tree->fd;
        r = world_make_host(world);
        if (r >= 0)
                r = make_directories(world);
        if (r >= 0)
                r = write_policy(world);
        if (r >= 0)
                r = make_template(world);
        if (r < 0)
                return r;
        world->dev_fd = simk_open_dev(world->root);
        if (world->dev_fd < 0)
                return world->dev_fd;
        world->kernel = (Kernel) { .ops = &world_ops, .sysfs_fd = world->root, .dev_fd = world->dev_fd };
        *ret = TAKE_PTR(world);
        return 0;
}

World *world_free(World *world) {
        if (!world)
                return NULL;
        world->is_dead = true;
        world_bury(world);
        world_drop_workers(world);
        free(world->workers);
        free(world->faults);
        free(world->uevents);
        free(world->devices);
        free(world->template);
        for (size_t i = 0; i < ELEMENTSOF(world->paths); i++)
                free(world->paths[i]);
        free(world->database_path);
        free(world->boot_id_path);
        free(world->wrong);
        safe_close(world->dev_fd);
        treegen_free(world->tree);
        free(world);
        return NULL;
}

static int reset_database(World *world) {
        static const char *const suffixes[] = { "", "-wal", "-shm" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                char path[512];

                (void) snprintf(path, sizeof(path), "%s%s", world->database_path, suffixes[i]);
                if (unlink(path) < 0 && errno != ENOENT)
                        return -errno;
        }
        return write_file(world->database_path, world->template, world->template_size);
}

int world_reset(World *world, uint64_t seed, bool iommufd) {
        int r;

        world->is_dead = true;
        world_bury(world);
        world_drop_workers(world);
        (void) treegen_remove_path(world->root, LEASES);
        world_clear_faults(world);
        world->n_uevents = 0;
        free(TAKE_PTR(world->wrong));
        world->random = seed;
        world->boot = 1;
        world->next_pid = 1000;
        world->n_moments = world->dies_at = world->n_commits = world->n_writes = 0;
        clock_reset();
        r = world_put_host(world, iommufd);
        if (r >= 0)
                r = reset_database(world);
        return r < 0 ? r : write_boot_id(world);
}

/* --- The daemon's life. */

bool world_moment(World *world, WorldMoment moment) {
        if (!world->manager) /* its workers outlive it */
                return false;
        if (world->is_dead)
                return true;
        world->n_moments++;
        if (world->dies_at > 0 && world->n_moments == world->dies_at)
                world_kill(world);
        return world->is_dead;
}

/* SQLite's word before a COMMIT; not 0 makes it a ROLLBACK. */
static int on_commit(void *userdata) {
        return world_moment(userdata, BEFORE_COMMIT);
}

/* And after it. */
static int on_committed(void *userdata, sqlite3 *sqlite, const char *name, int n_pages) {
        World *world = userdata;

        world->n_commits++;
        if (world->observer.after_commit)
                world->observer.after_commit(world->observer.userdata);
        (void) world_moment(world, AFTER_COMMIT);
        return SQLITE_OK;
}

static void on_ready(void *userdata) {
        World *world = userdata;

        world->is_ready = !world->is_dead;
}

static void on_operation_ended(void *userdata, const Operation *operation) {
        World *world = userdata;

        if (!world->is_dead && world->observer.operation_ended)
                world->observer.operation_ended(world->observer.userdata, operation);
}

bool world_start(World *world) {
        int r;

        assert(!world->manager);
        world->is_dead = world->is_ready = world->is_settled = false;
        world->n_uevents = 0;
        if (sd_event_new(&world->event) < 0)
                abort();
        r = manager_new(&world->config, world->event, &world->manager);
        if (r < 0) {
                world_wrong(world, "the daemon does not start: %s", strerror(-r));
                world->is_dead = true;
                world_bury(world);
                return false;
        }
        (void) sqlite3_commit_hook(world->manager->db->sqlite, on_commit, world);
        (void) sqlite3_wal_hook(world->manager->db->sqlite, on_committed, world);
        world->manager->context.launcher.source = &world->source;
        manager_set_observer(world->manager, &(ManagerObserver) { .ready = on_ready, .operation_removed = on_operation_ended, .userdata = world });
        r = manager_start(world->manager);
        if (r < 0 && !world->is_dead) {
                world_wrong(world, "the daemon does not come up: %s", strerror(-r));
                world->is_dead = true;
        }
        return !world->is_dead;
}

/* The one thing that a daemon changes by name and not in its database: what a dead one does to it must fail. */
static void hide_leases(World *world) {
        if (renameat(world->root, LEASES, world->root, LEASES_KEPT) < 0 && errno != ENOENT)
                abort();
        safe_close(openat(world->root, LEASES, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        world->leases_are_hidden = true;
}

static void show_leases(World *world) {
        if (!world->leases_are_hidden)
                return;
        (void) unlinkat(world->root, LEASES, 0);
        if (renameat(world->root, LEASES_KEPT, world->root, LEASES) < 0 && errno != ENOENT)
                abort();
        world->leases_are_hidden = false;
}

void world_kill(World *world) {
        world_tell(world, "  the daemon dies at moment %u", world->n_moments);
        world->is_dead = true;
        world->dies_at = 0;
        hide_leases(world);
        world_orphan_workers(world);
}

void world_bury(World *world) {
        world->manager = manager_free(world->manager);
        show_leases(world);
        world->event = sd_event_unref(world->event);
        world_end_workers(world);
        (void) unlink(world->config.uevent_socket);
}

void world_reboot(World *world) {
        assert(!world->manager);
        world_drop_workers(world);
        world->boot++;
        if (world_put_at_boot(world) < 0 || write_boot_id(world) < 0)
                world_wrong(world, "the host cannot be rebooted");
}

static bool run_daemon(World *world) {
        int r;

        if (world->is_dead || !world->manager)
                return false;
        r = sd_event_run(world->event, 0);
        if (r < 0)
                world_wrong(world, "the daemon's loop failed: %s", strerror(-r));
        return r > 0;
}

static bool run_host(World *world) {
        bool flushed = world_flush_uevents(world);

        world_receive(world);
        return world_run_step(world) || flushed;
}

bool world_turn(World *world) {
        if (world->is_dead || world->wrong)
                return false;
        if (world_random(world) % 4 == 0)
                return run_host(world) || run_daemon(world);
        return run_daemon(world) || run_host(world);
}

void world_settle(World *world) {
        bool waited = false;

        for (unsigned n = 0; !world->is_dead && world->manager && !world->wrong; n++) {
                if (n == TURNS_MAX)
                        world_wrong(world, "the daemon does not come to rest");
                if (world_turn(world)) {
                        waited = false;
                        continue;
                }
                if (waited) {
                        world->is_settled = !world->is_dead;
                        return;
                }
                clock_pass(BURST_USEC);
                waited = true;
        }
}

void world_run_workers(World *world) {
        while (world_run_step(world))
                ;
}
