/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/refusal.h"

#include <string.h>

#include "suite.h"

START_TEST(a_refusal_is_a_code_and_a_sentence) {
        _cleanup_(refusal_done) Refusal refusal = {};

        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
        ck_assert_int_eq(refusal_set(&refusal, REFUSAL_NO_SUCH_OWNER, "There is no owner %s", "vm:web1"), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_NO_SUCH_OWNER);
        ck_assert_str_eq(refusal.message, "There is no owner vm:web1");
        ck_assert_uint_eq(refusal.blockers.n_items, 0);
}
END_TEST

static void add(BlockerList *list, BlockerCode code) {
        ck_assert_int_eq(blocker_list_add(list, code, 14, NULL, false, "it is %s", blocker_code_to_string(code)), 0);
}

START_TEST(every_refusal_has_a_word_and_no_refusal_has_none) {
        for (RefusalCode code = REFUSAL_NONE + 1; code < _REFUSAL_CODE_MAX; code++) {
                ck_assert_msg(refusal_code_to_string(code), "code %d has no word", (int) code);
                for (RefusalCode other = REFUSAL_NONE + 1; other < code; other++)
                        ck_assert_str_ne(refusal_code_to_string(code), refusal_code_to_string(other));
        }
        ck_assert_ptr_null(refusal_code_to_string(REFUSAL_NONE));
        ck_assert_ptr_null(refusal_code_to_string(_REFUSAL_CODE_MAX));
        ck_assert_ptr_null(refusal_code_to_string(_REFUSAL_CODE_INVALID));
}
END_TEST

START_TEST(no_blockers_are_no_refusal) {
        _cleanup_(refusal_done) Refusal refusal = {};
        BlockerList none = {};

        ck_assert_int_eq(refusal_from_blockers(&refusal, &none), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
        ck_assert_ptr_null(refusal.message);
}
END_TEST

START_TEST(every_blocker_alone_is_some_refusal) {
        for (BlockerCode code = 0; code < _BLOCKER_CODE_MAX; code++) {
                _cleanup_(refusal_done) Refusal refusal = {};
                BlockerList list = {};

                add(&list, code);
                ck_assert_int_eq(refusal_from_blockers(&refusal, &list), 0);
                ck_assert_int_ne(refusal.code, REFUSAL_NONE);
                ck_assert_msg(refusal.code != REFUSAL_FAILED, "%s has no refusal of its own", blocker_code_to_string(code));
        }
}
END_TEST

START_TEST(the_most_lasting_blocker_decides) {
        static const struct {
                BlockerCode blocker;
                RefusalCode refusal;
        } most_lasting_first[] = {
                { BLOCKER_POLICY_DENIED, REFUSAL_DENIED },
                { BLOCKER_LABEL_MISMATCH, REFUSAL_LABEL_CONFLICT },
                { BLOCKER_QUARANTINED, REFUSAL_QUARANTINED },
                { BLOCKER_STUCK, REFUSAL_STUCK },
                { BLOCKER_IDENTITY_CHANGED, REFUSAL_IDENTITY_CHANGED },
                { BLOCKER_HOST_DRIVER_STAYS, REFUSAL_NOT_VIABLE },
                { BLOCKER_OWNED, REFUSAL_OWNED },
                { BLOCKER_BUSY, REFUSAL_BUSY },
        };

        for (size_t i = 0; i < ELEMENTSOF(most_lasting_first); i++)
                for (size_t k = i; k < ELEMENTSOF(most_lasting_first); k++) {
                        _cleanup_(refusal_done) Refusal refusal = {};
                        BlockerList list = {};

                        add(&list, most_lasting_first[k].blocker);
                        add(&list, most_lasting_first[i].blocker);
                        ck_assert_int_eq(refusal_from_blockers(&refusal, &list), 0);
                        ck_assert_int_eq(refusal.code, most_lasting_first[i].refusal);
                }
}
END_TEST

START_TEST(blockers_move_into_the_refusal_in_order) {
        _cleanup_(refusal_done) Refusal refusal = {};
        BlockerList list = {};

        add(&list, BLOCKER_BUSY);
        add(&list, BLOCKER_NO_IOMMU);
        ck_assert_int_eq(refusal_from_blockers(&refusal, &list), 0);
        ck_assert_uint_eq(list.n_items, 0);
        ck_assert_ptr_null(list.items);
        ck_assert_uint_eq(refusal.blockers.n_items, 2);
        ck_assert_int_eq(refusal.blockers.items[0].code, BLOCKER_BUSY);
        ck_assert_str_eq(refusal.message, "it is busy; it is no-iommu");
}
END_TEST

START_TEST(the_message_of_one_blocker_is_its_detail) {
        _cleanup_(refusal_done) Refusal refusal = {};
        BlockerList list = {};

        ck_assert_int_eq(blocker_list_add(&list, BLOCKER_OWNED, 14, "0000:02:00.0", false, "0000:02:00.0 is owned by vm:web1"), 0);
        ck_assert_int_eq(refusal_from_blockers(&refusal, &list), 0);
        ck_assert_str_eq(refusal.message, "0000:02:00.0 is owned by vm:web1");
}
END_TEST

START_TEST(the_message_names_the_device_where_the_detail_does_not) {
        _cleanup_(refusal_done) Refusal refusal = {};
        BlockerList list = {};

        ck_assert_int_eq(blocker_list_add(&list, BLOCKER_NO_RESET, 14, "0000:02:00.0", true, "nothing resets it"), 0);
        ck_assert_int_eq(blocker_list_add(&list, BLOCKER_NO_RESET, 14, "0000:02:00.1", true, "0000:02:00.1 cannot be reset"), 0);
        ck_assert_int_eq(refusal_from_blockers(&refusal, &list), 0);
        ck_assert_str_eq(refusal.message, "0000:02:00.0: nothing resets it; 0000:02:00.1 cannot be reset");
}
END_TEST

START_TEST(a_refusal_that_is_done_can_be_filled_again) {
        Refusal refusal = {};
        BlockerList list = {};

        add(&list, BLOCKER_BUSY);
        ck_assert_int_eq(refusal_from_blockers(&refusal, &list), 0);
        refusal_done(&refusal);
        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
        ck_assert_ptr_null(refusal.message);
        ck_assert_int_eq(refusal_set(&refusal, REFUSAL_FAILED, "again"), 0);
        refusal_done(&refusal);
}
END_TEST

SUITE("refusal",
      a_refusal_is_a_code_and_a_sentence,
      every_refusal_has_a_word_and_no_refusal_has_none,
      no_blockers_are_no_refusal,
      every_blocker_alone_is_some_refusal,
      the_most_lasting_blocker_decides,
      blockers_move_into_the_refusal_in_order,
      the_message_of_one_blocker_is_its_detail,
      the_message_names_the_device_where_the_detail_does_not,
      a_refusal_that_is_done_can_be_filled_again)
