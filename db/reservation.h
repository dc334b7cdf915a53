/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is kept off the host with no owner: reservations and, for each device, what it was before and must get back. */

#include "db/record.h"

typedef struct DbReservation {
        int64_t id;        /* never reused */
        const char *state; /* "reserving" (meant, not yet there), "active", "releasing", "ended", "undone" */
        int64_t caller_uid;
        const char *boot_id; /* in which it was last put into the kernel; written from the Db */
        uint64_t created_usec;
        uint64_t ended_usec; /* 0: not yet */
        const char *end_reason; /* NULL: none */
} DbReservation;

/* All that write need an open transaction. Strings are copied. Outcomes are those of db/assignment.h: inserting gives -EEXIST for
 * a device that is named twice or that a reservation which has not ended holds; setting gives -ENOENT for a reservation that
 * does not exist or has ended, and -EINVAL unless ended_usec is 0 exactly in the states before "ended" and "undone". */
int db_reservation_insert(Db *db, const DbReservation *reservation, const DbRecord *records, size_t n_records, int64_t *ret_id);
int db_reservation_set_state(Db *db, int64_t id, const char *state, uint64_t ended_usec, const char *end_reason);

/* It was put into the kernel once more, in this boot: `records` take the place of those it had. */
int db_reservation_renew(Db *db, int64_t id, uint64_t now_usec, const DbRecord *records, size_t n_records);

/* As db_assignment_foreach_open(). */
typedef int (*db_reservation_handler_t)(const DbReservation *reservation, const DbRecord *records, size_t n_records, void *userdata);
int db_reservation_foreach_open(Db *db, db_reservation_handler_t handler, void *userdata);
