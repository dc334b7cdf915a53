/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/queue.h"
#include "suite.h"

static uint32_t first_groups[] = { 3, 14 }, second_groups[] = { 7 }, overlapping_groups[] = { 1, 14, 20 }, late_groups[] = { 20 };

static Operation first = { .groups = first_groups, .n_groups = ELEMENTSOF(first_groups) },
                 second = { .groups = second_groups, .n_groups = ELEMENTSOF(second_groups) },
                 overlapping = { .groups = overlapping_groups, .n_groups = ELEMENTSOF(overlapping_groups) }, late = { .groups = late_groups, .n_groups = ELEMENTSOF(late_groups) }, groupless;

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
        ck_assert_uint_eq(queue.n_running, 3);
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

START_TEST(who_came_first_goes_first_where_both_want_the_same_group) {
        _cleanup_(queue_done) Queue queue = {};

        ck_assert_int_eq(queue_push(&queue, &first), 0);
        ck_assert_int_eq(queue_wait(&queue, &overlapping), 0);
        ck_assert_int_eq(queue_wait(&queue, &late), 0); /* its group is at work for nobody, and wanted by the one before it */
        ck_assert_ptr_null(queue_find_group(&queue, 20));
        ck_assert_ptr_eq(queue_find_waiting(&queue, 20, NULL), &overlapping);
        ck_assert_ptr_eq(queue_find_waiting(&queue, 20, &late), &overlapping);
        ck_assert_ptr_null(queue_find_waiting(&queue, 20, &overlapping));
        ck_assert_int_eq(queue_push(&queue, &late), -EBUSY);
        ck_assert_int_eq(queue_push(&queue, &second), 0);
        queue_remove(&queue, &first);
        ck_assert_int_eq(queue_push(&queue, &overlapping), 0);
        ck_assert_uint_eq(queue.n_waiting, 1);
        ck_assert_int_eq(queue_push(&queue, &late), -EBUSY);
        queue_remove(&queue, &overlapping);
        ck_assert_int_eq(queue_push(&queue, &late), 0);
        ck_assert_uint_eq(queue.n_waiting, 0);
}
END_TEST

START_TEST(who_waits_already_keeps_its_place) {
        _cleanup_(queue_done) Queue queue = {};

        ck_assert_int_eq(queue_wait(&queue, &overlapping), 0);
        ck_assert_int_eq(queue_wait(&queue, &late), 0);
        ck_assert_int_eq(queue_wait(&queue, &overlapping), 0);
        ck_assert_uint_eq(queue.n_waiting, 2);
        ck_assert_ptr_eq(queue.waiting[0], &overlapping);
        queue_remove(&queue, &overlapping);
        ck_assert_ptr_eq(queue.waiting[0], &late);
}
END_TEST

START_TEST(a_removed_operation_frees_its_groups_and_keeps_the_order) {
        _cleanup_(queue_done) Queue queue = {};

        ck_assert_int_eq(queue_push(&queue, &first), 0);
        ck_assert_int_eq(queue_push(&queue, &second), 0);
        queue_remove(&queue, &first);
        queue_remove(&queue, &first); /* is not there any more */
        ck_assert_uint_eq(queue.n_running, 1);
        ck_assert_ptr_eq(queue.running[0], &second);
        ck_assert_int_eq(queue_push(&queue, &overlapping), 0);
        ck_assert_ptr_eq(queue.running[1], &overlapping);
}
END_TEST

SUITE("queue", who_came_first_goes_first_where_both_want_the_same_group, who_waits_already_keeps_its_place, an_operation_holds_all_its_groups, operations_on_other_groups_run_beside, one_taken_group_keeps_all_others_free,
      a_removed_operation_frees_its_groups_and_keeps_the_order)
