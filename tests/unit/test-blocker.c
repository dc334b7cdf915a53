/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/blocker.h"

#include <string.h>

#include "suite.h"

START_TEST(codes_have_words_both_ways) {
        for (BlockerCode code = 0; code < _BLOCKER_CODE_MAX; code++) {
                const char *word = blocker_code_to_string(code);

                ck_assert_msg(word, "code %d has no word", (int) code);
                ck_assert_uint_eq(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
                ck_assert_int_eq(blocker_code_from_string(word), code);
        }
}
END_TEST

START_TEST(unknown_words_and_codes_have_no_counterpart) {
        ck_assert_int_eq(blocker_code_from_string("no-such-code"), _BLOCKER_CODE_INVALID);
        ck_assert_int_eq(blocker_code_from_string(""), _BLOCKER_CODE_INVALID);
        ck_assert_int_eq(blocker_code_from_string(NULL), _BLOCKER_CODE_INVALID);
        ck_assert_ptr_null(blocker_code_to_string(_BLOCKER_CODE_MAX));
        ck_assert_ptr_null(blocker_code_to_string(_BLOCKER_CODE_INVALID));
}
END_TEST

START_TEST(a_list_keeps_copies_in_order) {
        _cleanup_(blocker_list_done) BlockerList list = {};
        char device[] = "0000:02:00.0";

        ck_assert_int_eq(blocker_list_add(&list, BLOCKER_OWNED, 14, device, false, "%s is owned by %s", device, "vm:web1"), 0);
        ck_assert_int_eq(blocker_list_add(&list, BLOCKER_NO_RESET, GROUP_NONE, NULL, true, "nothing resets it"), 0);
        device[0] = 'X';

        ck_assert_uint_eq(list.n_items, 2);
        ck_assert_int_eq(list.items[0].code, BLOCKER_OWNED);
        ck_assert_uint_eq(list.items[0].group, 14);
        ck_assert_str_eq(list.items[0].device, "0000:02:00.0");
        ck_assert_str_eq(list.items[0].detail, "0000:02:00.0 is owned by vm:web1");
        ck_assert(!list.items[0].overridable);
        ck_assert_uint_eq(list.items[1].group, GROUP_NONE);
        ck_assert_ptr_null(list.items[1].device);
        ck_assert(list.items[1].overridable);
}
END_TEST

START_TEST(a_list_knows_what_it_contains) {
        _cleanup_(blocker_list_done) BlockerList list = {};

        ck_assert(!blocker_list_contains(&list, BLOCKER_BUSY));
        ck_assert_int_eq(blocker_list_add(&list, BLOCKER_BUSY, 1, NULL, false, "busy"), 0);
        ck_assert(blocker_list_contains(&list, BLOCKER_BUSY));
        ck_assert(!blocker_list_contains(&list, BLOCKER_NO_IOMMU));
}
END_TEST

START_TEST(a_list_that_is_done_is_empty) {
        BlockerList list = {};

        ck_assert_int_eq(blocker_list_add(&list, BLOCKER_BUSY, 1, "x", false, "busy"), 0);
        blocker_list_done(&list);
        ck_assert_uint_eq(list.n_items, 0);
        ck_assert_ptr_null(list.items);
        blocker_list_done(&list);
}
END_TEST

SUITE("blocker",
      codes_have_words_both_ways,
      unknown_words_and_codes_have_no_counterpart,
      a_list_keeps_copies_in_order,
      a_list_knows_what_it_contains,
      a_list_that_is_done_is_empty)
