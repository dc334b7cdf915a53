/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/lease.h"

#include <sys/epoll.h>

#include "base/log.h"

struct Lease {
        Manager *manager;
        uint64_t assignment;
        int fd;
        sd_event_source *source;
        bool ended;
        bool tried; /* a release was begun since `retry` last ran out */
        sd_event_source *retry; /* after a release that could not begin */
};

#define RETRY_USEC (5 * USEC_PER_SEC)

static int on_hangup(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Lease *lease = userdata;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        lease->ended = true;
        lease_settle(lease);
        return 0;
}

int lease_new(Manager *manager, uint64_t assignment, int *fd, Lease **ret) {
        _cleanup_(lease_freep) Lease *lease = NULL;
        int r;

        assert(manager && fd && *fd >= 0 && ret);

        lease = malloc(sizeof(Lease));
        if (!lease)
                return -ENOMEM;
        *lease = (Lease) { .manager = manager, .assignment = assignment, .fd = -EBADF };
        r = sd_event_add_io(manager->event, &lease->source, *fd, EPOLLHUP | EPOLLERR, on_hangup, lease);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(lease->source, "lease");
        lease->fd = TAKE_FD(*fd);
        *ret = TAKE_PTR(lease);
        return 0;
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

uint64_t lease_assignment(const Lease *lease) {
        return lease->assignment;
}

bool lease_has_ended(const Lease *lease) {
        return lease->ended;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Lease *lease = userdata;

        lease->retry = sd_event_source_disable_unref(lease->retry);
        lease->tried = false;
        lease_settle(lease);
        return 0;
}

static void retry_later(Lease *lease) {
        int r;

        if (lease->retry)
                return;
        r = sd_event_add_time_relative(lease->manager->event, &lease->retry, CLOCK_MONOTONIC, RETRY_USEC, USEC_PER_SEC, on_retry, lease);
        if (r < 0)
                log_error_errno(r, "Assignment %" PRIu64 " stays until somebody releases it: %m", lease->assignment);
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
        r = manager_release_assignment(lease->manager, lease->assignment, &caller, &refusal, &operation);
        if (r < 0)
                log_error_errno(r, "Failed to release assignment %" PRIu64 " after its lease: %m", lease->assignment);
        else if (refusal.code != REFUSAL_NONE)
                log_error("Assignment %" PRIu64 " was not released after its lease: %s", lease->assignment, refusal.message ?: "no memory");
        else
                return;
        retry_later(lease);
}
