/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/keeper.h"

#include "daemon/records.h"

size_t keeper_count(const Manager *manager) {
        return manager->assignments.n_items + manager->reservations.n_items;
}

static bool reservation_keeps(const Manager *manager, const Reservation *reservation) {
        if (reservation->state != RESERVATION_ACTIVE || reservation->to_renew)
                return false;
        for (size_t i = 0; i < reservation->n_groups; i++)
                if (assignment_table_find_group(&manager->assignments, reservation->groups[i]))
                        return false;
        return true;
}

static bool keeper_from_reservation(const Manager *manager, Reservation *reservation, Keeper *ret) {
        if (!reservation_keeps(manager, reservation))
                return false;
        *ret = (Keeper) {
                .reservation = reservation->id,
                .records = &reservation->records,
                .groups = reservation->groups,
                .n_groups = reservation->n_groups,
        };
        return true;
}

bool keeper_at(const Manager *manager, size_t i, Keeper *ret) {
        Assignment *assignment;

        if (i >= manager->assignments.n_items)
                return keeper_from_reservation(manager, manager->reservations.items[i - manager->assignments.n_items], ret);
        assignment = manager->assignments.items[i];
        if (assignment->state != ASSIGNMENT_ACTIVE)
                return false;
        *ret = (Keeper) {
                .assignment = assignment->id,
                .name = assignment->owner,
                .records = &assignment->records,
                .groups = assignment->groups,
                .n_groups = assignment->n_groups,
        };
        return true;
}

bool keeper_find_group(const Manager *manager, uint32_t number, Keeper *ret) {
        for (size_t i = 0; i < keeper_count(manager); i++) {
                Keeper keeper;

                if (!keeper_at(manager, i, &keeper))
                        continue;
                for (size_t g = 0; g < keeper.n_groups; g++)
                        if (keeper.groups[g] == number) {
                                *ret = keeper;
                                return true;
                        }
        }
        return false;
}

int keeper_journal_new_records(Db *db, const Keeper *keeper) {
        for (size_t i = 0; i < keeper->records->n_items; i++) {
                const RecordList one = { .items = &keeper->records->items[i], .n_items = 1 };
                int r;

                if (!one.items->is_new)
                        continue;
                r = keeper->assignment > 0 ? records_insert(db, DB_RECORDS_OF_ASSIGNMENT, (int64_t) keeper->assignment, &one)
                                           : records_insert(db, DB_RECORDS_OF_RESERVATION, (int64_t) keeper->reservation, &one);
                if (r < 0)
                        return r;
        }
        return 0;
}

void keeper_keep_new_records(const Keeper *keeper) {
        for (size_t i = 0; i < keeper->records->n_items; i++)
                keeper->records->items[i].is_new = false;
}

void keeper_drop_new_records(const Keeper *keeper) {
        for (size_t i = keeper->records->n_items; i > 0; i--) {
                const PciAddress address = keeper->records->items[i - 1].address;

                if (keeper->records->items[i - 1].is_new)
                        record_list_remove(keeper->records, &address);
        }
}
