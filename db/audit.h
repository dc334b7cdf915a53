/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The trail auditors ask: one row a request that was understood, with who asked for what on which devices and how it ended,
 * refusals too, written in the transaction that changed the state it speaks of. Rows are only ever added: triggers refuse
 * UPDATE and DELETE (against accidents, not against root). */

#include "db/db.h"

typedef struct DbAudit {
        int64_t id; /* gapless, from 1 */
        uint64_t at_usec;
        const char *boot_id; /* written from the Db */
        const char *verb;
        const char *owner;       /* NULL: none */
        int64_t caller_uid;
        int64_t caller_pid;      /* 0: unknown */
        const char *caller_name; /* NULL: the daemon itself */
        const char *targets;     /* JSON array of strings: as asked for */
        const char *devices;     /* JSON array of addresses: what it came to */
        const char *groups;      /* JSON array of numbers */
        int64_t operation;       /* 0: none was begun */
        int64_t assignment;      /* 0: none */
        const char *outcome;     /* "done", "refused", "failed", "interrupted" */
        const char *error;       /* the last part of the error name ("NotViable"); NULL: none */
        const char *message;     /* NULL: none */
        const char *blockers;    /* JSON array of {code, device, detail}; NULL: none */
} DbAudit;

/* Needs an open transaction; ret_id may be NULL. The lists must be JSON arrays (-EINVAL). */
int db_audit_insert(Db *db, const DbAudit *row, int64_t *ret_id);

typedef struct DbAuditFilter {
        const char *device; /* an address that `devices` must hold; NULL: any */
        const char *owner;  /* equal; NULL: any */
        const char *verb;   /* equal; NULL: any */
        const char *outcome;
        uint64_t since_usec; /* 0: from the beginning */
        uint64_t until_usec; /* 0: to the end */
} DbAuditFilter;

/* Rows with id > after that pass the filter, ascending, at most `max`; strings are borrowed for the call. With newest_first
 * the newest `max` rows, descending, and `after` is ignored. A negative return of the callback ends the walk. */
typedef int (*db_audit_handler_t)(const DbAudit *row, void *userdata);
int db_audit_foreach(Db *db, int64_t after, const DbAuditFilter *filter, size_t max, bool newest_first, db_audit_handler_t handler, void *userdata);

/* The id of the newest row; 0: there is none. */
int db_audit_head(Db *db, int64_t *ret_id);

/* A copy of the database as it is now, complete and in one file without a WAL, in a sealed memfd (F_SEAL_WRITE and so on):
 * what may be handed to somebody who must not touch the database itself. While it is made, memory holds it twice. Not within a
 * transaction. The caller owns *ret_fd. */
int db_export(Db *db, int *ret_fd);
