/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/reservation.h"

#include <string.h>

#include "base/clock.h"
#include "base/strutil.h"

static const char *const reservation_state_table[_RESERVATION_STATE_MAX] = {
        [RESERVATION_RESERVING] = "reserving",
        [RESERVATION_ACTIVE] = "active",
        [RESERVATION_RELEASING] = "releasing",
};

const char *reservation_state_to_string(ReservationState state) {
        return state >= 0 && state < _RESERVATION_STATE_MAX ? reservation_state_table[state] : NULL;
}

ReservationState reservation_state_from_string(const char *s) {
        return (ReservationState) string_table_find(reservation_state_table, ELEMENTSOF(reservation_state_table), s);
}

Reservation *reservation_free(Reservation *reservation) {
        if (!reservation)
                return NULL;

        free(reservation->groups);
        record_list_done(&reservation->records);
        free(reservation);
        return NULL;
}

int reservation_set_records(Reservation *reservation, RecordList *records) {
        uint32_t *groups;
        size_t n_groups;
        int r;

        r = record_list_groups(records, &groups, &n_groups);
        if (r < 0)
                return r;
        free(reservation->groups);
        reservation->groups = groups;
        reservation->n_groups = n_groups;
        record_list_done(&reservation->records);
        reservation->records = *records;
        *records = (RecordList) {};
        return 0;
}

int reservation_new(uid_t uid, RecordList *records, Reservation **ret) {
        _cleanup_(reservation_freep) Reservation *reservation = NULL;
        int r;

        reservation = calloc(1, sizeof(Reservation));
        if (!reservation)
                return -ENOMEM;
        reservation->uid = uid;
        reservation->created_usec = realtime_usec();
        reservation->of_this_boot = true;
        r = reservation_set_records(reservation, records);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reservation);
        return 0;
}

bool reservation_has_group(const Reservation *reservation, uint32_t number) {
        for (size_t i = 0; i < reservation->n_groups; i++)
                if (reservation->groups[i] == number)
                        return true;
        return false;
}

void reservation_table_done(ReservationTable *table) {
        for (size_t i = 0; i < table->n_items; i++)
                reservation_free(table->items[i]);
        free(table->items);
        *table = (ReservationTable) {};
}

int reservation_table_add(ReservationTable *table, Reservation *reservation) {
        Reservation **items;
        size_t i;

        items = reallocarray(table->items, table->n_items + 1, sizeof(Reservation *));
        if (!items)
                return -ENOMEM;
        table->items = items;
        for (i = table->n_items; i > 0 && items[i - 1]->id > reservation->id; i--)
                items[i] = items[i - 1];
        items[i] = reservation;
        table->n_items++;
        return 0;
}

Reservation *reservation_table_take(ReservationTable *table, const Reservation *reservation) {
        for (size_t i = 0; i < table->n_items; i++)
                if (table->items[i] == reservation) {
                        Reservation *taken = table->items[i];

                        memmove(table->items + i, table->items + i + 1, (--table->n_items - i) * sizeof(Reservation *));
                        return taken;
                }
        return NULL;
}

Reservation *reservation_table_find(const ReservationTable *table, uint64_t id) {
        for (size_t i = 0; i < table->n_items; i++)
                if (table->items[i]->id == id)
                        return table->items[i];
        return NULL;
}

Reservation *reservation_table_find_group(const ReservationTable *table, uint32_t number) {
        for (size_t i = 0; i < table->n_items; i++)
                if (reservation_has_group(table->items[i], number))
                        return table->items[i];
        return NULL;
}

Reservation *reservation_table_find_device(const ReservationTable *table, const PciAddress *address) {
        for (size_t i = 0; i < table->n_items; i++)
                if (record_list_find(&table->items[i]->records, address))
                        return table->items[i];
        return NULL;
}
