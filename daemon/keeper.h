/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who keeps groups off the host, and with which records: active assignments, and active reservations where there is no assignment on top. */

#include "daemon/manager.h"

typedef struct Keeper {
        uint64_t assignment;  /* 0: none */
        uint64_t reservation; /* 0: none */
        const char *name;     /* the owner's; NULL: a reservation has none */
        RecordList *records;
        const uint32_t *groups; /* ordered */
        size_t n_groups;
} Keeper; /* everything is borrowed and valid until a keeper comes or goes */

size_t keeper_count(const Manager *manager);

/* The i-th one. False: it does not hold anything at the moment (it takes or gives back). */
bool keeper_at(const Manager *manager, size_t i, Keeper *ret);

/* The one that holds the group. False: nobody does. */
bool keeper_find_group(const Manager *manager, uint32_t number, Keeper *ret);

/* Appends its new records (DeviceRecord.is_new) to its rows, inside an open transaction. */
int keeper_journal_new_records(Db *db, const Keeper *keeper);

/* After that transaction: they are like the others; or it failed, and they are taken out. */
void keeper_keep_new_records(const Keeper *keeper);
void keeper_drop_new_records(const Keeper *keeper);
