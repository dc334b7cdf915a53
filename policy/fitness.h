/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whether a host is fit for giving devices away: findings for an administrator, each with what to do. */

#include "policy/facts.h"
#include "policy/host-facts.h"

typedef enum FindingLevel {
        FINDING_OK,      /* as it should be */
        FINDING_NOTE,    /* to be known */
        FINDING_PROBLEM, /* to be mended */
        _FINDING_LEVEL_MAX,
} FindingLevel;

/* "ok", "note", "problem" */
const char *finding_level_to_string(FindingLevel level);

typedef struct Finding {
        const char *code; /* a constant word: "iommu", "backend", ... */
        FindingLevel level;
        char *text;       /* one sentence */
        char *advice;     /* what to do; NULL: nothing */
} Finding;

typedef struct FindingList {
        Finding *items;
        size_t n_items;
} FindingList;

void finding_list_done(FindingList *list);

typedef struct Fitness {
        const HostFacts *host;
        const Facts *facts;
        const char *health;         /* "ok", or what is wrong with the daemon or its database */
        const char *policy_problem; /* NULL: the policy files are what is in force */
        size_t n_rules;             /* in force */
        char *const *shape_changes; /* in words, since the last boot; NULL: none */
        size_t n_closed;            /* groups that are stuck or quarantined */
        bool is_assignable;         /* a group could be assigned now, without an override */
} Fitness;

/* One finding or more of each kind, always in the same order: iommu, no-group, interrupt-remapping, passthrough, vfio, backend, no-iommu-mode,
 * foreign-manager, shape, closed, policy, daemon, assignable. Returns 0 or -ENOMEM. */
int fitness_check(const Fitness *fitness, FindingList *ret);
