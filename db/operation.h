/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The journal: operations, their groups and their steps. A step is committed as issued before the worker hears of it. */

#include "db/db.h"

typedef enum DbStepState {
        DB_STEP_PLANNED,
        DB_STEP_ISSUED,
        DB_STEP_DONE,
        DB_STEP_FAILED,
        DB_STEP_SKIPPED, /* never issued, since one before it failed */
        DB_STEP_UNKNOWN, /* issued, and its worker died without an answer */
        _DB_STEP_STATE_MAX,
} DbStepState;

typedef struct DbStep {
        uint32_t sequence; /* unique within the operation, in order */
        uint32_t phase;
        const char *kind;
        const char *address; /* NULL: none */
        int64_t group;       /* -1: none */
        const char *value;   /* NULL: none */
        const char *prior;   /* NULL: none */
        bool undo;           /* part of the undo of the steps before it */
        DbStepState state;
        int error;           /* 0 or negative errno */
} DbStep;

typedef struct DbOperation {
        int64_t id; /* never reused (AUTOINCREMENT) */
        const char *verb;
        const char *state; /* "waiting", "running", "undoing", "done", "failed", "interrupted" */
        const char *owner; /* NULL: none */
        int64_t assignment; /* 0: none */
        int64_t caller_uid;
        int64_t caller_pid;
        const char *caller_name; /* NULL: the daemon itself */
        const char *boot_id;     /* of the boot it was begun in; written from the Db */
        int64_t worker_pid;      /* 0: none yet */
        uint64_t worker_start_time;
        uint64_t created_usec;
        uint64_t finished_usec; /* 0: not yet */
        const char *reason;     /* NULL: none */
} DbOperation;

/* All that write need an open transaction. Strings are copied. Beside the errors of db/db.h: inserting gives -EEXIST for a group or
 * step that is there already and -ENOENT for an assignment or operation that is not; setting gives -ENOENT for an operation that
 * does not exist or has ended, and -EINVAL unless finished_usec is 0 exactly in the states "waiting", "running" and "undoing". */
int db_operation_insert(Db *db, const DbOperation *operation, const uint32_t *groups, size_t n_groups, int64_t *ret_id);
/* One that waited begins: what is known of it by now takes the place of what was. */
int db_operation_set_begun(Db *db, int64_t id, const DbOperation *operation, const uint32_t *groups, size_t n_groups);
int db_operation_set_worker(Db *db, int64_t id, int64_t pid, uint64_t start_time);
int db_operation_set_state(Db *db, int64_t id, const char *state, uint64_t finished_usec, const char *reason);
int db_step_insert(Db *db, int64_t operation, const DbStep *step);
/* -ENOENT if the operation has no such step. */
int db_step_set_state(Db *db, int64_t operation, uint32_t sequence, DbStepState state, int error, uint64_t now_usec);

/* Operations that have not ended (state waiting, running or undoing), oldest first, each handed to the callback with its groups in
 * order; the strings are borrowed for the call. The handler may change what it is told of and walk its steps, but not start the same
 * walk. A negative return of it ends the walk and is returned. */
typedef int (*db_operation_handler_t)(const DbOperation *operation, const uint32_t *groups, size_t n_groups, void *userdata);
int db_operation_foreach_open(Db *db, db_operation_handler_t handler, void *userdata);

typedef int (*db_step_handler_t)(const DbStep *step, void *userdata);
int db_step_foreach(Db *db, int64_t operation, db_step_handler_t handler, void *userdata);
