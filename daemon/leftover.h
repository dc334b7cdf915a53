/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Operations that a daemon before us began and did not end, as the journal tells of them. */

#include <systemd/sd-event.h>

#include "daemon/look.h"
#include "db/db.h"
#include "host/worker.h"
#include "policy/request.h"

typedef struct Leftover {
        int64_t id;
        Verb verb;
        char *owner;
        int64_t assignment;
        Caller caller;
        bool same_boot;
        bool waited;              /* it had not begun */
        pid_t worker_pid;
        uint64_t worker_start_time;
        uint32_t *groups;
        size_t n_groups;
        bool is_closed;           /* its row is, as interrupted */
        int pidfd;                /* of its worker, while that runs; else -EBADF */
        sd_event_source *source;  /* watches the pidfd */
        Look *look;               /* for who holds its groups up, while that goes on */
        HoldingList holdings;     /* what it found */
} Leftover;

typedef struct LeftoverList {
        Leftover *items;
        size_t n_items;
} LeftoverList;

void leftover_list_done(LeftoverList *list);

/* Reads all open operations. Returns 0 or a negative errno. */
int leftover_list_load(Db *db, LeftoverList *ret);

bool leftover_has_group(const Leftover *leftover, uint32_t number);

/* Opens a pidfd of the worker if it still runs: 1, 0 if it does not, or a negative errno. */
int leftover_open_worker(Leftover *leftover, const WorkerLauncher *launcher);

/* Looks once who holds up its worker; what is found goes into `holdings` and the log. A failure is logged. */
void leftover_look(Leftover *leftover, sd_event *event, const WorkerLauncher *launcher);

/* Closes the operation's row as interrupted and leaves an audit row, inside an open transaction. */
int leftover_interrupt(Db *db, const Leftover *leftover, const char *reason);
