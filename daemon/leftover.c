/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/leftover.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "db/operation.h"

static void leftover_done(Leftover *leftover) {
        sd_event_source_disable_unref(leftover->source);
        safe_close(leftover->pidfd);
        look_free(leftover->look);
        holding_list_done(&leftover->holdings);
        free(leftover->owner);
        caller_done(&leftover->caller);
        free(leftover->groups);
        *leftover = (Leftover) { .pidfd = -EBADF };
}

void leftover_list_done(LeftoverList *list) {
        for (size_t i = 0; i < list->n_items; i++)
                leftover_done(&list->items[i]);
        free(list->items);
        *list = (LeftoverList) {};
}

/* What one walk over the journal fills. */
typedef struct Loading {
        LeftoverList list;
        const char *boot_id;
} Loading;

static int leftover_fill(Leftover *leftover, const DbOperation *row, const uint32_t *groups, size_t n_groups, const char *boot_id) {
        int r;

        leftover->id = row->id;
        leftover->verb = verb_from_string(row->verb);
        leftover->assignment = row->assignment;
        leftover->waited = string_equal(row->state, operation_state_to_string(OPERATION_WAITING));
        leftover->same_boot = string_equal(row->boot_id, boot_id);
        leftover->worker_pid = (pid_t) row->worker_pid;
        leftover->worker_start_time = row->worker_start_time;
        leftover->caller.uid = (uid_t) row->caller_uid;
        leftover->caller.pid = (pid_t) row->caller_pid;
        r = string_copy(row->owner, &leftover->owner);
        if (r < 0)
                return r;
        r = string_copy(row->caller_name, &leftover->caller.bus_name);
        if (r < 0)
                return r;
        leftover->groups = calloc(n_groups ?: 1, sizeof(uint32_t));
        if (!leftover->groups)
                return -ENOMEM;
        if (n_groups > 0)
                memcpy(leftover->groups, groups, n_groups * sizeof(uint32_t));
        leftover->n_groups = n_groups;
        return leftover->verb < 0 ? -EBADMSG : 0;
}

static int on_row(const DbOperation *row, const uint32_t *groups, size_t n_groups, void *userdata) {
        Loading *loading = userdata;
        Leftover *items;

        items = reallocarray(loading->list.items, loading->list.n_items + 1, sizeof(Leftover));
        if (!items)
                return -ENOMEM;
        loading->list.items = items;
        items[loading->list.n_items] = (Leftover) { .pidfd = -EBADF };
        return leftover_fill(&items[loading->list.n_items++], row, groups, n_groups, loading->boot_id);
}

int leftover_list_load(Db *db, LeftoverList *ret) {
        Loading loading = { .boot_id = db_boot_id(db) };
        int r;

        r = db_operation_foreach_open(db, on_row, &loading);
        if (r < 0) {
                leftover_list_done(&loading.list);
                return r;
        }
        *ret = loading.list;
        return 0;
}

bool leftover_has_group(const Leftover *leftover, uint32_t number) {
        for (size_t i = 0; i < leftover->n_groups; i++)
                if (leftover->groups[i] == number)
                        return true;
        return false;
}

int leftover_open_worker(Leftover *leftover, const WorkerLauncher *launcher) {
        if (!leftover->same_boot || leftover->worker_pid <= 0)
                return 0;
        return worker_watch_leftover(launcher, leftover->worker_pid, leftover->worker_start_time, &leftover->pidfd);
}

static void on_looked(HoldingList *found, int error, void *userdata) {
        Leftover *leftover = userdata;
        _cleanup_free_ char *text = NULL;

        holding_list_done(&leftover->holdings);
        leftover->holdings = *found;
        *found = (HoldingList) {};
        leftover->look = look_free(leftover->look);
        if (error < 0)
                log_warning_errno(error, "Failed to find out who holds up operation %" PRIi64 " of an earlier daemon: %m", leftover->id);
        else if (holding_list_describe(&leftover->holdings, &text) >= 0)
                log_warning("Operation %" PRIi64 " of an earlier daemon is held up: %s", leftover->id, text);
}

void leftover_look(Leftover *leftover, sd_event *event, const WorkerLauncher *launcher) {
        int r;

        if (leftover->n_groups == 0 || leftover->look)
                return;
        r = look_new(event, launcher, leftover->groups, leftover->n_groups, on_looked, leftover, &leftover->look);
        if (r < 0)
                log_warning_errno(r, "Failed to look who holds up operation %" PRIi64 " of an earlier daemon: %m", leftover->id);
}

int leftover_interrupt(Db *db, const Leftover *leftover, const char *reason) {
        int r;

        r = db_operation_set_state(db, leftover->id, "interrupted", realtime_usec(), reason);
        if (r < 0)
                return r;
        return audit_interrupted(db, leftover, reason);
}
