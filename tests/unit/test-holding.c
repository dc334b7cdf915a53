/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <string.h>

#include "base/strutil.h"
#include "daemon/holding.h"
#include "suite.h"

static HolderList found(HolderKind kind, uint32_t pid, const char *comm) {
        HolderList list = { .n_items = 1 };

        list.items[0] = (WorkerHolder) { .kind = kind, .pid = pid, .fd = 22, .bus = kind == HOLDS_DEVICE ? 2 : 0 };
        (void) snprintf(list.items[0].comm, sizeof(list.items[0].comm), "%s", comm);
        return list;
}

static void add(HoldingList *list, uint32_t group, HolderKind kind, uint32_t pid, const char *comm) {
        HolderList one = found(kind, pid, comm);

        ck_assert_int_eq(holding_list_add(list, group, &one), 0);
}

static void assert_described(const HoldingList *list, const char *expected) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(holding_list_describe(list, &text), 0);
        ck_assert_str_eq(text, expected);
}

START_TEST(each_holder_is_told_with_what_it_holds) {
        _cleanup_(holding_list_done) HoldingList list = {};

        add(&list, 14, HOLDS_DEVICE, 1234, "qemu");
        add(&list, 14, HOLDS_GROUP, 77, "dpdk");
        add(&list, 15, HOLDS_PERHAPS, 78, "vhost");
        assert_described(&list,
                         "pid 1234 (qemu) has 0000:02:00.0 open as fd 22; pid 77 (dpdk) has group 14 open as fd 22; "
                         "pid 78 (vhost) has a VFIO device open as fd 22, which can be one of group 15");
}
END_TEST

START_TEST(what_could_not_be_seen_is_said) {
        _cleanup_(holding_list_done) HoldingList list = {};
        HolderList hidden = { .n_hidden = 3 }, more = found(HOLDS_GROUP, 1, "x");

        assert_described(&list, "nobody was found who has it open");
        ck_assert_int_eq(holding_list_add(&list, 14, &hidden), 0);
        assert_described(&list, "nobody was found who has it open; 3 processes could not be looked into");
        more.n_more = 5;
        more.n_hidden = 2;
        ck_assert_int_eq(holding_list_add(&list, 14, &more), 0);
        assert_described(&list, "pid 1 (x) has group 14 open as fd 22; and 5 more; 3 processes could not be looked into");
}
END_TEST

START_TEST(a_refusal_has_a_blocker_for_each_and_is_busy) {
        _cleanup_(holding_list_done) HoldingList list = {};
        _cleanup_(refusal_done) Refusal refusal = {};

        add(&list, 14, HOLDS_DEVICE, 1234, "qemu");
        add(&list, 15, HOLDS_GROUP, 77, "dpdk");
        ck_assert_int_eq(holding_list_refuse(&list, VERB_RELEASE, &refusal), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_BUSY);
        ck_assert_str_eq(refusal.message,
                         "Still open, so nothing was given back: pid 1234 (qemu) has 0000:02:00.0 open as fd 22; pid 77 (dpdk) has group 15 open as fd 22");
        ck_assert_uint_eq(refusal.blockers.n_items, 2);
        ck_assert_int_eq(refusal.blockers.items[0].code, BLOCKER_IN_USE_OPEN);
        ck_assert_str_eq(refusal.blockers.items[0].device, "0000:02:00.0");
        ck_assert_uint_eq(refusal.blockers.items[0].group, 14);
        ck_assert_str_eq(refusal.blockers.items[1].detail, "pid 77 (dpdk) has group 15 open as fd 22");
        ck_assert_ptr_null(refusal.blockers.items[1].device);
}
END_TEST

START_TEST(what_the_host_has_open_is_not_viable_and_can_be_overridden) {
        _cleanup_(holding_list_done) HoldingList list = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        HolderList disk = found(HOLDS_NODE, 9, "dd");

        disk.items[0].bus = 5;
        (void) strcpy(disk.items[0].node, "nvme0n1");
        ck_assert_int_eq(holding_list_add(&list, 16, &disk), 0);
        ck_assert_int_eq(holding_list_refuse(&list, VERB_ASSIGN, &refusal), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_NOT_VIABLE);
        ck_assert_str_eq(refusal.message, "In use, so nothing was taken: pid 9 (dd) has nvme0n1 of 0000:05:00.0 open as fd 22");
        ck_assert_str_eq(refusal.blockers.items[0].device, "0000:05:00.0");
        ck_assert(refusal.blockers.items[0].overridable);
        ck_assert_int_eq(holding_list_override(&list, &blockers), 0);
        ck_assert_uint_eq(blockers.n_items, 1);
        ck_assert_uint_eq(list.n_items, 0);
}
END_TEST

START_TEST(what_is_refused_for_another_reason_stays_so) {
        _cleanup_(holding_list_done) HoldingList list = {};
        _cleanup_(refusal_done) Refusal refusal = {};

        add(&list, 14, HOLDS_GROUP, 77, "dpdk");
        ck_assert_int_eq(refusal_set(&refusal, REFUSAL_FAILED, "first"), 0);
        ck_assert_int_eq(holding_list_refuse(&list, VERB_RELEASE, &refusal), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_FAILED);
        ck_assert_str_eq(refusal.message, "first");
        ck_assert_uint_eq(refusal.blockers.n_items, 0);
}
END_TEST

SUITE("holding",
      each_holder_is_told_with_what_it_holds,
      what_could_not_be_seen_is_said,
      a_refusal_has_a_blocker_for_each_and_is_busy,
      what_the_host_has_open_is_not_viable_and_can_be_overridden,
      what_is_refused_for_another_reason_stays_so)
