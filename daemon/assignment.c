/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/assignment.h"

#include <string.h>

#include "base/clock.h"
#include "base/strutil.h"

static const char *const assignment_state_table[_ASSIGNMENT_STATE_MAX] = {
        [ASSIGNMENT_ASSIGNING] = "assigning",
        [ASSIGNMENT_ACTIVE] = "active",
        [ASSIGNMENT_RELEASING] = "releasing",
};

const char *assignment_state_to_string(AssignmentState state) {
        return state >= 0 && state < _ASSIGNMENT_STATE_MAX ? assignment_state_table[state] : NULL;
}

AssignmentState assignment_state_from_string(const char *s) {
        return (AssignmentState) string_table_find(assignment_state_table, ELEMENTSOF(assignment_state_table), s);
}

Assignment *assignment_free(Assignment *assignment) {
        if (!assignment)
                return NULL;

        free(assignment->owner);
        free(assignment->label);
        free(assignment->groups);
        record_list_done(&assignment->records);
        free(assignment);
        return NULL;
}

int assignment_new(const Request *request, RecordList *records, Backend backend, Assignment **ret) {
        _cleanup_(assignment_freep) Assignment *assignment = NULL;
        int r;

        assert(request && records && ret);

        assignment = calloc(1, sizeof(Assignment));
        if (!assignment)
                return -ENOMEM;
        assignment->state = ASSIGNMENT_ASSIGNING;
        assignment->uid = request->caller.uid;
        assignment->backend = backend;
        assignment->created_usec = realtime_usec();
        r = string_copy(request->owner, &assignment->owner);
        if (r < 0)
                return r;
        r = string_copy(request->label, &assignment->label);
        if (r < 0)
                return r;
        assignment->records = *records;
        *records = (RecordList) {};
        r = record_list_groups(&assignment->records, &assignment->groups, &assignment->n_groups);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(assignment);
        return 0;
}

bool assignment_has_group(const Assignment *assignment, uint32_t number) {
        for (size_t i = 0; i < assignment->n_groups; i++)
                if (assignment->groups[i] == number)
                        return true;
        return false;
}

void assignment_table_done(AssignmentTable *table) {
        for (size_t i = 0; i < table->n_items; i++)
                assignment_free(table->items[i]);
        free(table->items);
        *table = (AssignmentTable) {};
}

int assignment_table_add(AssignmentTable *table, Assignment *assignment) {
        Assignment **items;
        size_t i;

        items = reallocarray(table->items, table->n_items + 1, sizeof(Assignment *));
        if (!items)
                return -ENOMEM;
        table->items = items;
        for (i = table->n_items; i > 0 && items[i - 1]->id > assignment->id; i--)
                items[i] = items[i - 1];
        items[i] = assignment;
        table->n_items++;
        return 0;
}

Assignment *assignment_table_take(AssignmentTable *table, uint64_t id) {
        for (size_t i = 0; i < table->n_items; i++)
                if (table->items[i]->id == id) {
                        Assignment *assignment = table->items[i];

                        memmove(table->items + i, table->items + i + 1, (--table->n_items - i) * sizeof(Assignment *));
                        return assignment;
                }
        return NULL;
}

Assignment *assignment_table_find(const AssignmentTable *table, uint64_t id) {
        for (size_t i = 0; i < table->n_items; i++)
                if (table->items[i]->id == id)
                        return table->items[i];
        return NULL;
}

Assignment *assignment_table_find_group(const AssignmentTable *table, uint32_t number) {
        for (size_t i = 0; i < table->n_items; i++)
                if (assignment_has_group(table->items[i], number))
                        return table->items[i];
        return NULL;
}
