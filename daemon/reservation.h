/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A group (after a reboot that moved its devices: several) that is kept off the host with no owner. */

#include "policy/plan.h"

typedef enum ReservationState {
        RESERVATION_RESERVING, /* meant, not yet there */
        RESERVATION_ACTIVE,
        RESERVATION_RELEASING,
        _RESERVATION_STATE_MAX,
        _RESERVATION_STATE_INVALID = -EINVAL,
} ReservationState;

/* "reserving", "active", "releasing" */
const char *reservation_state_to_string(ReservationState state);
ReservationState reservation_state_from_string(const char *s);

typedef struct Reservation {
        uint64_t id; /* never reused */
        ReservationState state;
        uid_t uid;             /* of the caller it was made for */
        uint64_t created_usec; /* realtime */
        uint32_t *groups;      /* ordered; none if none of its devices is there */
        size_t n_groups;
        RecordList records;    /* its devices, as they were before */
        bool of_this_boot;     /* it was put into the kernel in this boot, or begun to be */
        bool left_half_way;    /* an earlier daemon began to make or to end it, and nobody has seen to it yet */
        bool to_renew;         /* it is active, and has to be put into the kernel once more */
} Reservation;

Reservation *reservation_free(Reservation *reservation);
DEFINE_CLEANUP(Reservation *, reservation_free)

/* A reservation of this boot in state RESERVATION_RESERVING of the groups in `records` (moved out of it). Returns 0 or -ENOMEM. */
int reservation_new(uid_t uid, RecordList *records, Reservation **ret);

/* Other records (moved out of `records`) take the place of its own, and their groups that of its groups. Returns 0, or -ENOMEM with
 * nothing changed. */
int reservation_set_records(Reservation *reservation, RecordList *records);

bool reservation_has_group(const Reservation *reservation, uint32_t number);

/* The reservations that have not ended, ordered by id, owned by the table. */
typedef struct ReservationTable {
        Reservation **items;
        size_t n_items;
} ReservationTable;

void reservation_table_done(ReservationTable *table);
int reservation_table_add(ReservationTable *table, Reservation *reservation);
/* Takes it out; the caller owns the result. NULL: it is not in the table. */
Reservation *reservation_table_take(ReservationTable *table, const Reservation *reservation);
Reservation *reservation_table_find(const ReservationTable *table, uint64_t id);
Reservation *reservation_table_find_group(const ReservationTable *table, uint32_t number);
/* The one that recorded the device at this address. */
Reservation *reservation_table_find_device(const ReservationTable *table, const PciAddress *address);
