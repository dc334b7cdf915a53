/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who was found to have a group or its devices open, in words and as blockers. */

#include "host/worker-protocol.h"
#include "policy/refusal.h"
#include "policy/request.h"

typedef struct Holding {
        uint32_t group;
        WorkerHolder holder;
} Holding;

typedef struct HoldingList {
        Holding *items;
        size_t n_items;
        uint64_t n_more;   /* found, and not listed */
        uint32_t n_hidden; /* processes that could not be looked into */
} HoldingList;

void holding_list_done(HoldingList *list);

/* Adds what one look at `group` found. Returns 0 or -ENOMEM (the list unchanged). */
int holding_list_add(HoldingList *list, uint32_t group, const HolderList *found);

/* "pid 1234 (qemu) has 0000:02:00.0 open as fd 22". The caller frees *ret. Returns 0 or -ENOMEM. */
int holding_describe(const Holding *holding, char **ret);

/* All of them, and that some could not be seen: one line; "nobody was found who has it open" where the list is empty. */
int holding_list_describe(const HoldingList *list, char **ret);

/* Refuses with a blocker `in-use-open` for each holder: what gives devices back with REFUSAL_BUSY, anything else with
 * REFUSAL_NOT_VIABLE and blockers that an override goes past. Does nothing to a refusal that is one already. Returns 0 or -ENOMEM (then
 * the code is set). */
int holding_list_refuse(const HoldingList *list, Verb verb, Refusal *refusal);

/* Moves the holders to `blockers`, as holding_list_refuse() tells of them. Returns 0 or -ENOMEM. */
int holding_list_override(HoldingList *list, BlockerList *blockers);
