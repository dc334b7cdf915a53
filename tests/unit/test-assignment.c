/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <string.h>

#include "base/strutil.h"
#include "daemon/assignment.h"
#include "suite.h"

/* Of devices in the given groups. */
static Assignment *make(uint64_t id, const uint32_t *groups, size_t n_groups) {
        const Request request = { .owner = (char *) "vm:a", .label = (char *) "blue", .caller = { .uid = 7 } };
        RecordList records = { .items = calloc(n_groups, sizeof(DeviceRecord)), .n_items = n_groups };
        Assignment *assignment;

        ck_assert_ptr_nonnull(records.items);
        for (size_t i = 0; i < n_groups; i++)
                records.items[i].group = groups[i];
        ck_assert_int_eq(assignment_new(&request, &records, BACKEND_GROUP, &assignment), 0);
        ck_assert_ptr_null(records.items);
        assignment->id = id;
        return assignment;
}

START_TEST(it_holds_the_groups_of_its_devices_each_once_in_order) {
        _cleanup_(assignment_freep) Assignment *assignment = make(1, (uint32_t[]) { 14, 3, 14, 3, 9 }, 5);

        ck_assert_uint_eq(assignment->n_groups, 3);
        ck_assert_int_eq(memcmp(assignment->groups, (uint32_t[]) { 3, 9, 14 }, 3 * sizeof(uint32_t)), 0);
        ck_assert(assignment_has_group(assignment, 9));
        ck_assert(!assignment_has_group(assignment, 10));
}
END_TEST

START_TEST(it_begins_as_meant_not_held_and_keeps_who_asked) {
        _cleanup_(assignment_freep) Assignment *assignment = make(1, (uint32_t[]) { 14 }, 1);

        ck_assert_int_eq(assignment->state, ASSIGNMENT_ASSIGNING);
        ck_assert_str_eq(assignment->owner, "vm:a");
        ck_assert_str_eq(assignment->label, "blue");
        ck_assert_uint_eq(assignment->uid, 7);
        ck_assert_uint_eq(assignment->backend, BACKEND_GROUP);
        ck_assert_uint_gt(assignment->created_usec, 0);
}
END_TEST

START_TEST(the_table_is_ordered_by_id_and_finds_by_id_and_group) {
        _cleanup_(assignment_table_done) AssignmentTable table = {};

        ck_assert_int_eq(assignment_table_add(&table, make(5, (uint32_t[]) { 14 }, 1)), 0);
        ck_assert_int_eq(assignment_table_add(&table, make(2, (uint32_t[]) { 3, 4 }, 2)), 0);
        ck_assert_int_eq(assignment_table_add(&table, make(9, (uint32_t[]) { 7 }, 1)), 0);
        ck_assert_uint_eq(table.items[0]->id, 2);
        ck_assert_uint_eq(table.items[2]->id, 9);
        ck_assert_uint_eq(assignment_table_find(&table, 5)->id, 5);
        ck_assert_ptr_null(assignment_table_find(&table, 6));
        ck_assert_uint_eq(assignment_table_find_group(&table, 4)->id, 2);
        ck_assert_ptr_null(assignment_table_find_group(&table, 5));
}
END_TEST

START_TEST(what_is_taken_out_is_the_takers) {
        _cleanup_(assignment_table_done) AssignmentTable table = {};
        _cleanup_(assignment_freep) Assignment *taken = NULL;

        for (uint64_t id = 1; id <= 3; id++)
                ck_assert_int_eq(assignment_table_add(&table, make(id, (uint32_t[]) { (uint32_t) id }, 1)), 0);
        taken = assignment_table_take(&table, 2);
        ck_assert_uint_eq(taken->id, 2);
        ck_assert_ptr_null(assignment_table_take(&table, 2));
        ck_assert_uint_eq(table.n_items, 2);
        ck_assert_uint_eq(table.items[1]->id, 3);
}
END_TEST

START_TEST(states_have_words_both_ways) {
        for (AssignmentState state = 0; state < _ASSIGNMENT_STATE_MAX; state++)
                ck_assert_int_eq(assignment_state_from_string(assignment_state_to_string(state)), state);
        ck_assert_int_eq(assignment_state_from_string("ended"), _ASSIGNMENT_STATE_INVALID);
        ck_assert_int_eq(assignment_state_from_string(NULL), _ASSIGNMENT_STATE_INVALID);
        ck_assert_ptr_null(assignment_state_to_string(_ASSIGNMENT_STATE_MAX));
        ck_assert_ptr_null(assignment_state_to_string(_ASSIGNMENT_STATE_INVALID));
}
END_TEST

SUITE("assignment", it_holds_the_groups_of_its_devices_each_once_in_order, it_begins_as_meant_not_held_and_keeps_who_asked,
      the_table_is_ordered_by_id_and_finds_by_id_and_group, what_is_taken_out_is_the_takers, states_have_words_both_ways)
