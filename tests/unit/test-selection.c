/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/request.h"

#include <string.h>

#include "machine.h"
#include "suite.h"

/* Group 14: a port and a NIC of two functions; group 3: one disk; group 9: only a bridge; no group: a sound card. */
static void add_host(Facts *facts) {
        machine_add(facts, "0000:00:1c.0", 0x060400, 14, "pcieport", NULL);
        machine_add(facts, "0000:02:00.0", 0x020000, 14, "e1000e", NULL);
        machine_add(facts, "0000:02:00.1", 0x020000, 14, "e1000e", NULL);
        machine_add(facts, "0000:03:00.0", 0x010802, 3, "nvme", NULL);
        machine_add(facts, "0000:00:1d.0", 0x060400, 9, "pcieport", NULL);
        machine_add(facts, "0000:00:1b.0", 0x040300, GROUP_NONE, "snd_hda_intel", NULL);
        machine_link(facts);
}

/* "14 3 | wanted... | companions..." of what `targets` come to. */
static char *selection_text(const Selection *s) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        for (size_t i = 0; i < s->n_groups; i++)
                (void) fprintf(f, "%u ", s->groups[i]->number);
        (void) fprintf(f, "|");
        for (size_t i = 0; i < s->n_wanted; i++)
                (void) fprintf(f, " %s", PCI_ADDRESS_FORMAT(&s->wanted[i]->address));
        (void) fprintf(f, " |");
        for (size_t i = 0; i < s->n_companions; i++)
                (void) fprintf(f, " %s", PCI_ADDRESS_FORMAT(&s->companions[i]->address));
        ck_assert_int_eq(fclose(f), 0);
        return text;
}

static void assert_selection(char *const *targets, const char *expected) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_free_ char *text = NULL;

        add_host(&facts);
        ck_assert_int_eq(selection_resolve(&facts, targets, &selection, &blockers, &refusal), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
        ck_assert_uint_eq(blockers.n_items, 0);
        text = selection_text(&selection);
        ck_assert_str_eq(text, expected);
}

START_TEST(one_function_brings_its_group) {
        assert_selection(TARGETS("0000:02:00.0"), "14 | 0000:02:00.0 | 0000:02:00.1");
        assert_selection(TARGETS("02:00.1"), "14 | 0000:02:00.1 | 0000:02:00.0");
}
END_TEST

START_TEST(a_named_group_wants_all_its_endpoints_and_no_bridge) {
        assert_selection(TARGETS("group:14"), "14 | 0000:02:00.0 0000:02:00.1 |");
}
END_TEST

START_TEST(the_same_thing_twice_counts_once) {
        assert_selection(TARGETS("0000:02:00.0", "02:00.0", "group:14", "group:14"), "14 | 0000:02:00.0 0000:02:00.1 |");
        assert_selection(TARGETS("group:14", "02:00.0"), "14 | 0000:02:00.0 0000:02:00.1 |");
}
END_TEST

START_TEST(groups_and_devices_are_ordered_whatever_the_order_of_targets) {
        assert_selection(TARGETS("02:00.1", "03:00.0"), "3 14 | 0000:02:00.1 0000:03:00.0 | 0000:02:00.0");
        assert_selection(TARGETS("group:3", "02:00.0", "02:00.1"), "3 14 | 0000:02:00.0 0000:02:00.1 0000:03:00.0 |");
}
END_TEST

START_TEST(no_targets_select_nothing) {
        assert_selection(NULL, "| |");
}
END_TEST

START_TEST(a_group_without_endpoints_is_selected_for_its_blockers) {
        assert_selection(TARGETS("group:9"), "9 | |");
}
END_TEST

static void assert_refused(char *const *targets, RefusalCode code, const char *message) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        Selection selection = { .n_groups = 77 };

        add_host(&facts);
        ck_assert_int_eq(selection_resolve(&facts, targets, &selection, &blockers, &refusal), 0);
        ck_assert_int_eq(refusal.code, code);
        ck_assert_msg(strstr(refusal.message, message), "%s", refusal.message);
        ck_assert_uint_eq(selection.n_groups, 77);
}

START_TEST(what_does_not_exist_is_refused_by_name) {
        assert_refused(TARGETS("02:00.0", "0000:09:00.0"), REFUSAL_NO_SUCH_DEVICE, "There is no PCI device 0000:09:00.0");
        assert_refused(TARGETS("group:99"), REFUSAL_NO_SUCH_GROUP, "There is no IOMMU group 99");
}
END_TEST

START_TEST(everything_that_does_not_exist_is_named_at_once) {
        assert_refused(TARGETS("group:99", "09:00.0", "09:00.1"), REFUSAL_NO_SUCH_DEVICE,
                       "There is no PCI device 0000:09:00.0. There is no PCI device 0000:09:00.1. There is no IOMMU group 99");
}
END_TEST

START_TEST(a_text_that_is_no_target_is_refused_here_too) {
        assert_refused(TARGETS("02:00.0", "../02:00.0"), REFUSAL_INVALID_TARGET, "\"../02:00.0\"");
}
END_TEST

static void assert_blocked(char *const *targets, const BlockerCode *codes, size_t n, uint32_t group, const char *device) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};

        add_host(&facts);
        machine_add(&facts, "0000:00:00.0", 0x060000, GROUP_NONE, NULL, NULL);
        machine_add(&facts, "0000:07:00.0", 0, 3, NULL, NULL)->role = ROLE_OTHER;
        machine_link(&facts);
        ck_assert_int_eq(selection_resolve(&facts, targets, &selection, &blockers, &refusal), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
        ck_assert_uint_eq(blockers.n_items, n);
        for (size_t i = 0; i < n; i++) {
                ck_assert_int_eq(blockers.items[i].code, codes[i]);
                ck_assert_uint_eq(blockers.items[i].group, group);
                ck_assert_str_eq(blockers.items[i].device, device);
                ck_assert_ptr_nonnull(strstr(blockers.items[i].detail, device));
        }
        ck_assert_uint_eq(selection.n_groups, group == GROUP_NONE ? 0 : 1);
}

START_TEST(a_device_without_a_group_is_blocked_by_no_iommu) {
        assert_blocked(TARGETS("00:1b.0"), (BlockerCode[]){ BLOCKER_NO_IOMMU }, 1, GROUP_NONE, "0000:00:1b.0");
}
END_TEST

START_TEST(a_bridge_is_blocked_as_no_endpoint_once) {
        assert_blocked(TARGETS("00:1c.0", "0000:00:1c.0"), (BlockerCode[]){ BLOCKER_NOT_ENDPOINT }, 1, 14, "0000:00:1c.0");
}
END_TEST

START_TEST(a_function_without_identity_is_blocked_as_no_endpoint) {
        assert_blocked(TARGETS("07:00.0"), (BlockerCode[]){ BLOCKER_NOT_ENDPOINT }, 1, 3, "0000:07:00.0");
}
END_TEST

START_TEST(a_bridge_without_a_group_is_blocked_by_both) {
        assert_blocked(TARGETS("00:00.0"), (BlockerCode[]){ BLOCKER_NOT_ENDPOINT, BLOCKER_NO_IOMMU }, 2, GROUP_NONE, "0000:00:00.0");
}
END_TEST

SUITE("selection",
      one_function_brings_its_group,
      a_named_group_wants_all_its_endpoints_and_no_bridge,
      the_same_thing_twice_counts_once,
      groups_and_devices_are_ordered_whatever_the_order_of_targets,
      no_targets_select_nothing,
      a_group_without_endpoints_is_selected_for_its_blockers,
      what_does_not_exist_is_refused_by_name,
      everything_that_does_not_exist_is_named_at_once,
      a_text_that_is_no_target_is_refused_here_too,
      a_device_without_a_group_is_blocked_by_no_iommu,
      a_bridge_is_blocked_as_no_endpoint_once,
      a_function_without_identity_is_blocked_as_no_endpoint,
      a_bridge_without_a_group_is_blocked_by_both)
