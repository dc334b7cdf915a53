/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* An owner's hold on one or more whole groups. */

#include "policy/plan.h"

typedef enum AssignmentState {
        ASSIGNMENT_ASSIGNING, /* meant, not yet held */
        ASSIGNMENT_ACTIVE,
        ASSIGNMENT_RELEASING,
        _ASSIGNMENT_STATE_MAX,
        _ASSIGNMENT_STATE_INVALID = -EINVAL,
} AssignmentState;

/* "assigning", "active", "releasing" */
const char *assignment_state_to_string(AssignmentState state);
AssignmentState assignment_state_from_string(const char *s);

typedef struct Assignment {
        uint64_t id; /* never reused */
        AssignmentState state;
        char *owner;
        char *label; /* NULL: none */
        uid_t uid;   /* of the caller it was given to */
        Backend backend;
        bool lease;
        bool has_nodes;   /* somebody may open its nodes: */
        NodeAccess nodes;
        uint64_t created_usec; /* realtime */
        uint32_t *groups;      /* ordered */
        size_t n_groups;
        RecordList records; /* its devices, as they were before */
} Assignment;

Assignment *assignment_free(Assignment *assignment);
DEFINE_CLEANUP(Assignment *, assignment_free)

/* An assignment in state ASSIGNMENT_ASSIGNING of the groups in `records` (moved out of it). Returns 0 or -ENOMEM. */
int assignment_new(const Request *request, RecordList *records, Backend backend, Assignment **ret);

bool assignment_has_group(const Assignment *assignment, uint32_t number);

/* The assignments that have not ended, ordered by id, owned by the table. */
typedef struct AssignmentTable {
        Assignment **items;
        size_t n_items;
} AssignmentTable;

void assignment_table_done(AssignmentTable *table);
int assignment_table_add(AssignmentTable *table, Assignment *assignment);
/* Takes it out; the caller owns the result. NULL: no such id. */
Assignment *assignment_table_take(AssignmentTable *table, uint64_t id);
Assignment *assignment_table_find(const AssignmentTable *table, uint64_t id);
Assignment *assignment_table_find_group(const AssignmentTable *table, uint32_t number);
