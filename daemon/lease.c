/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/lease.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/strutil.h"

struct Lease {
        Manager *manager;
        uint64_t assignment;
        int fd;
        sd_event_source *source;
        bool ended;
        bool tried; /* a release was begun since `retry` last ran out */
        sd_event_source *retry; /* after a release that could not begin */
};

/* In times of the context's retry_usec: the kernel does not change its mind at once. */
#define RETRIES 5U

/* A FIFO is made under the first name, has the second (with its inode's number) while it belongs to no assignment, and then the
 * assignment's id as its name. */
#define NAME_MAKING "making"
#define NAME_NEW "new-"
#define NAME_SIZE 32U

static int directory_open(const Manager *manager) {
        _cleanup_close_ int state_fd = RET_NERRNO(open(manager->config->state_directory, O_PATH | O_DIRECTORY | O_CLOEXEC));

        if (state_fd < 0)
                return state_fd;
        if (mkdirat(state_fd, "leases", 0700) < 0 && errno != EEXIST)
                return -errno;
        return RET_NERRNO(openat(state_fd, "leases", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static int name_of_new(int fd, char ret[static NAME_SIZE]) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return -EBADF;
        (void) snprintf(ret, NAME_SIZE, NAME_NEW "%ju", (uintmax_t) st.st_ino);
        return 0;
}

static void name_of_assignment(uint64_t assignment, char ret[static NAME_SIZE]) {
        (void) snprintf(ret, NAME_SIZE, "%" PRIu64, assignment);
}

/* Both ends of the FIFO that is being made, which then has the name of a new one. */
static int open_made(int directory_fd, int *ret_our_end, int *ret_their_end) {
        _cleanup_close_ int our_end = -EBADF, their_end = -EBADF;
        char name[NAME_SIZE];
        int r;

        our_end = RET_NERRNO(openat(directory_fd, NAME_MAKING, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
        if (our_end < 0)
                return our_end;
        their_end = RET_NERRNO(openat(directory_fd, NAME_MAKING, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
        if (their_end < 0)
                return their_end;
        r = name_of_new(our_end, name);
        if (r < 0)
                return r;
        if (renameat(directory_fd, NAME_MAKING, directory_fd, name) < 0)
                return -errno;
        *ret_our_end = TAKE_FD(our_end);
        *ret_their_end = TAKE_FD(their_end);
        return 0;
}

int lease_open_ends(const Manager *manager, int *ret_our_end, int *ret_their_end) {
        _cleanup_close_ int directory_fd = directory_open(manager);
        int r;

        if (directory_fd < 0)
                return directory_fd;
        if (unlinkat(directory_fd, NAME_MAKING, 0) < 0 && errno != ENOENT)
                return -errno;
        if (mkfifoat(directory_fd, NAME_MAKING, 0600) < 0)
                return -errno;
        r = open_made(directory_fd, ret_our_end, ret_their_end);
        if (r < 0)
                (void) unlinkat(directory_fd, NAME_MAKING, 0);
        return r;
}

static void name_remove(const Manager *manager, const char *name) {
        _cleanup_close_ int directory_fd = directory_open(manager);

        if (directory_fd < 0 || (unlinkat(directory_fd, name, 0) < 0 && errno != ENOENT))
                log_warning_errno(directory_fd < 0 ? directory_fd : -errno, "The lease %s cannot be removed: %m", name);
}

void lease_discard_end(const Manager *manager, int *our_end) {
        char name[NAME_SIZE];

        if (*our_end >= 0 && name_of_new(*our_end, name) >= 0)
                name_remove(manager, name);
        *our_end = safe_close(*our_end);
}

static int name_after_assignment(const Lease *lease) {
        _cleanup_close_ int directory_fd = directory_open(lease->manager);
        char from[NAME_SIZE], to[NAME_SIZE];
        int r;

        if (directory_fd < 0)
                return directory_fd;
        r = name_of_new(lease->fd, from);
        if (r < 0)
                return r;
        name_of_assignment(lease->assignment, to);
        return RET_NERRNO(renameat(directory_fd, from, directory_fd, to));
}

static int on_end(Lease *lease) {
        lease->ended = true;
        lease_settle(lease);
        return 0;
}

static int on_hangup(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return on_end(userdata);
}

static int on_found_ended(sd_event_source *source, void *userdata) {
        return on_end(userdata);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Lease *lease = userdata;

        lease->tried = false;
        lease_settle(lease);
        return 0;
}

/* There from the beginning, so that trying again cannot fail for want of memory. */
static int add_retry(Lease *lease) {
        int r;

        r = sd_event_add_time_relative(lease->manager->event, &lease->retry, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_retry, lease);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(lease->retry, "lease-retry");
        return sd_event_source_set_enabled(lease->retry, SD_EVENT_OFF);
}

static void retry_later(Lease *lease) {
        int r;

        if (sd_event_source_get_enabled(lease->retry, NULL) > 0)
                return;
        r = sd_event_source_set_time_relative(lease->retry, RETRIES * lease->manager->context.retry_usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(lease->retry, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Assignment %" PRIu64 " stays until somebody releases it: %m", lease->assignment);
}

static int lease_watch(Manager *manager, uint64_t assignment, int *fd, bool is_gone, Lease **ret) {
        _cleanup_(lease_freep) Lease *lease = NULL;
        int r;

        lease = malloc(sizeof(Lease));
        if (!lease)
                return -ENOMEM;
        *lease = (Lease) { .manager = manager, .assignment = assignment, .fd = -EBADF };
        r = add_retry(lease);
        if (r < 0)
                return r;
        if (is_gone)
                r = sd_event_add_defer(manager->event, &lease->source, on_found_ended, lease);
        else
                r = sd_event_add_io(manager->event, &lease->source, *fd, EPOLLHUP | EPOLLERR, on_hangup, lease);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(lease->source, "lease");
        lease->fd = TAKE_FD(*fd);
        *ret = TAKE_PTR(lease);
        return 0;
}

int lease_new(Manager *manager, int fd, Lease **ret) {
        _cleanup_close_ int copy = -EBADF;

        assert(manager && fd >= 0 && ret);

        copy = RET_NERRNO(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
        return copy < 0 ? copy : lease_watch(manager, LEASE_OF_NONE, &copy, /* is_gone= */ false, ret);
}

void lease_set_assignment(Lease *lease, uint64_t assignment) {
        int r;

        assert(lease->assignment == LEASE_OF_NONE);

        lease->assignment = assignment;
        r = name_after_assignment(lease);
        if (r < 0)
                log_warning_errno(r, "A daemon that comes after will not know the lease of assignment %" PRIu64 ": %m", assignment);
}

/* Nobody has the other end any more: the kernel does not tell of it who opened this end after that. */
static bool client_is_gone(int fd) {
        char byte;

        return read(fd, &byte, sizeof(byte)) == 0;
}

static int lease_restore(Manager *manager, int directory_fd, uint64_t assignment, Lease **ret) {
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_SIZE];
        struct stat st;

        name_of_assignment(assignment, name);
        fd = RET_NERRNO(openat(directory_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return -EBADMSG;
        return lease_watch(manager, assignment, &fd, client_is_gone(fd), ret);
}

static void restore_leases(Manager *manager, int directory_fd) {
        for (size_t i = 0; i < manager->assignments.n_items; i++) {
                const Assignment *assignment = manager->assignments.items[i];
                Lease *lease;
                int r;

                if (!assignment->lease)
                        continue;
                r = lease_restore(manager, directory_fd, assignment->id, &lease);
                if (r >= 0) {
                        r = manager_append_lease(manager, lease);
                        if (r < 0)
                                lease_free(lease);
                }
                if (r < 0)
                        log_error_errno(r, "The lease of assignment %" PRIu64 " of %s cannot be taken up, it stays until somebody releases it: %m",
                                        assignment->id, assignment->owner);
        }
}

static bool name_is_known(const Manager *manager, const char *name) {
        for (size_t i = 0; i < manager->assignments.n_items; i++) {
                char known[NAME_SIZE];

                name_of_assignment(manager->assignments.items[i]->id, known);
                if (manager->assignments.items[i]->lease && string_equal(name, known))
                        return true;
        }
        return false;
}

/* Of requests that came to nothing, and of assignments that ended just before a daemon did. Takes the fd over. */
static void remove_unknown(const Manager *manager, int *directory_fd) {
        DIR *directory = fdopendir(*directory_fd);

        if (!directory)
                return;
        for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
                if (entry->d_name[0] != '.' && !name_is_known(manager, entry->d_name))
                        (void) unlinkat(*directory_fd, entry->d_name, 0);
        (void) closedir(directory);
        *directory_fd = -EBADF;
}

void lease_restore_all(Manager *manager) {
        _cleanup_close_ int directory_fd = directory_open(manager);

        if (directory_fd < 0) {
                log_error_errno(directory_fd, "There can be no leases, and those that there are are not known: %m");
                return;
        }
        restore_leases(manager, directory_fd);
        remove_unknown(manager, &directory_fd);
}

Lease *lease_free(Lease *lease) {
        if (!lease)
                return NULL;

        sd_event_source_disable_unref(lease->source);
        sd_event_source_disable_unref(lease->retry);
        safe_close(lease->fd);
        free(lease);
        return NULL;
}

Lease *lease_remove(Lease *lease) {
        char name[NAME_SIZE];

        if (lease->assignment != LEASE_OF_NONE) {
                name_of_assignment(lease->assignment, name);
                name_remove(lease->manager, name);
        }
        return lease_free(lease);
}

uint64_t lease_assignment(const Lease *lease) {
        return lease->assignment;
}

bool lease_has_ended(const Lease *lease) {
        return lease->ended;
}

void lease_settle(Lease *lease) {
        _cleanup_(refusal_done) Refusal refusal = {};
        const Assignment *assignment = manager_find_assignment(lease->manager, lease->assignment);
        Operation *operation;
        Caller caller;
        int r;

        if (!lease->ended || !assignment || assignment->state != ASSIGNMENT_ACTIVE)
                return;
        for (size_t i = 0; i < assignment->n_groups; i++)
                if (manager_group_operation(lease->manager, assignment->groups[i]))
                        return;
        if (lease->tried) { /* its release has failed: not at once again, for the kernel has not changed its mind */
                retry_later(lease);
                return;
        }
        lease->tried = true;

        caller = (Caller) { .uid = assignment->uid };
        log_info("The lease of %s has ended, releasing assignment %" PRIu64, assignment->owner, assignment->id);
        r = manager_release_assignment(lease->manager, lease->assignment, /* wait= */ true, &caller, &refusal, &operation);
        if (r < 0)
                log_error_errno(r, "Failed to release assignment %" PRIu64 " after its lease: %m", lease->assignment);
        else if (refusal.code != REFUSAL_NONE)
                log_error("Assignment %" PRIu64 " was not released after its lease: %s", lease->assignment, refusal.message ?: "no memory");
        else
                return;
        retry_later(lease);
}
