/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/queue.h"
#include "suite.h"

static uint32_t first_groups[] = { 3, 14 }, second_groups[] = { 7 }, overlapping_groups[] = { 1, 14, 20 };

static Operation first = { .groups = first_groups, .n_groups = ELEMENTSOF(first_groups) },
                 second = { .groups = second_groups, .n_groups = ELEMENTSOF(second_groups) },
                 overlapping = { .groups = overlapping_groups, .n_groups = ELEMENTSOF(overlapping_groups) }, groupless;

START_TEST(an_operation_holds_all_its_groups) {
        _cleanup_(queue_done) Queue queue = {};

        ck_assert_int_eq(queue_push(&queue, &first), 0);
        ck_assert_ptr_eq(queue_find_group(&queue, 3), &first);
        ck_assert_ptr_eq(queue_find_group(&queue, 14), &first);
        ck_assert_ptr_null(queue_find_group(&queue, 7));
}
END_TEST

START_TEST(operations_on_other_groups_run_beside) {
        _cleanup_(queue_done) Queue queue = {};

        ck_assert_int_eq(queue_push(&queue, &first), 0);
        ck_assert_int_eq(queue_push(&queue, &second), 0);
        ck_assert_int_eq(queue_push(&queue, &groupless), 0);
        ck_assert_ptr_eq(queue_find_group(&queue, 7), &second);
        ck_assert_uint_eq(queue.n_operations, 3);
}
END_TEST

START_TEST(one_taken_group_keeps_all_others_free) {
        _cleanup_(queue_done) Queue queue = {};

        ck_assert_int_eq(queue_push(&queue, &first), 0);
        ck_assert_int_eq(queue_push(&queue, &overlapping), -EBUSY);
        ck_assert_ptr_null(queue_find_group(&queue, 1));
        ck_assert_ptr_null(queue_find_group(&queue, 20));
}
END_TEST

START_TEST(a_removed_operation_frees_its_groups_and_keeps_the_order) {
        _cleanup_(queue_done) Queue queue = {};

        ck_assert_int_eq(queue_push(&queue, &first), 0);
        ck_assert_int_eq(queue_push(&queue, &second), 0);
        queue_remove(&queue, &first);
        queue_remove(&queue, &first); /* is not there any more */
        ck_assert_uint_eq(queue.n_operations, 1);
        ck_assert_ptr_eq(queue.operations[0], &second);
        ck_assert_int_eq(queue_push(&queue, &overlapping), 0);
        ck_assert_ptr_eq(queue.operations[1], &overlapping);
}
END_TEST

SUITE("queue", an_operation_holds_all_its_groups, operations_on_other_groups_run_beside, one_taken_group_keeps_all_others_free,
      a_removed_operation_frees_its_groups_and_keeps_the_order)
