/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/label.h"

#include "base/strutil.h"
#include "policy-scene.h"
#include "suite.h"

static Device device_at(uint8_t bus, uint8_t function) {
        return (Device) { .address = { .bus = bus, .function = function }, .role = ROLE_ENDPOINT, .group = 14 };
}

START_TEST(table_keeps_one_label_an_address) {
        _cleanup_(label_table_done) LabelTable table = {};

        for (unsigned i = 0; i < 64; i++) {
                PciAddress address = { .bus = (uint8_t) (i * 37 % 64) };
                char label[16];

                (void) snprintf(label, sizeof(label), "l%u", i * 37 % 64);
                ck_assert_int_eq(label_table_set(&table, &address, label), 0);
        }
        ck_assert_uint_eq(table.n_items, 64);
        for (unsigned i = 0; i < 64; i++) {
                PciAddress address = { .bus = (uint8_t) i };
                char label[16];

                (void) snprintf(label, sizeof(label), "l%u", i);
                ck_assert_pstr_eq(label_table_find(&table, &address), label);
        }
        ck_assert_int_eq(label_table_set(&table, &(PciAddress) { .bus = 7 }, "other"), 0);
        ck_assert_str_eq(label_table_find(&table, &(PciAddress) { .bus = 7 }), "other");
        ck_assert_int_eq(label_table_set(&table, &(PciAddress) { .bus = 7 }, NULL), 0);
        ck_assert_ptr_null(label_table_find(&table, &(PciAddress) { .bus = 7 }));
        ck_assert_int_eq(label_table_set(&table, &(PciAddress) { .bus = 7 }, NULL), 0);
        ck_assert_uint_eq(table.n_items, 63);
        ck_assert_str_eq(label_table_find(&table, &(PciAddress) { .bus = 8 }), "l8");
}
END_TEST

START_TEST(administrators_label_comes_before_the_policys) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,'labels':[\n{'match':{'driver':'e1000e'},'label':'tenant-a'}]}");
        _cleanup_(label_table_done) LabelTable table = {};
        _cleanup_free_ char *by_policy = NULL, *by_administrator = NULL, *none = NULL;
        const Device device = device_at(2, 0);
        DeviceLabel label = device_label(&set, &table, &device, "e1000e");

        ck_assert_int_eq(device_label_format(&label, &by_policy), 0);
        ck_assert_str_eq(by_policy, "the label tenant-a, by test.json:2");
        label = device_label(&set, &table, &device, "igb");
        ck_assert_int_eq(device_label_format(&label, &none), 0);
        ck_assert_str_eq(none, "no label");
        ck_assert_int_eq(label_table_set(&table, &device.address, "mine"), 0);
        label = device_label(&set, &table, &device, "e1000e");
        ck_assert_int_eq(device_label_format(&label, &by_administrator), 0);
        ck_assert_str_eq(by_administrator, "the label mine, set by an administrator");
}
END_TEST

static int check_group(const char *first, const char *second, const char **ret, BlockerList *blockers) {
        static Device devices[2];
        LabelledDevice labelled[2];

        devices[0] = device_at(2, 0);
        devices[1] = device_at(2, 1);
        labelled[0] = (LabelledDevice) { &devices[0], { .label = first } };
        labelled[1] = (LabelledDevice) { &devices[1], { .label = second } };
        return group_label(14, labelled, 2, ret, blockers);
}

START_TEST(labels_of_a_group_are_all_the_same_or_a_conflict_that_names_each) {
        static const struct {
                const char *first, *second;
                bool agree;
        } cases[] = { { NULL, NULL, true }, { "a", "a", true }, { "a", "b", false }, { "a", NULL, false }, { NULL, "a", false } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(blocker_list_done) BlockerList blockers = {};
                const char *label = "untouched";

                ck_assert_int_eq(check_group(cases[i].first, cases[i].second, &label, &blockers), cases[i].agree);
                ck_assert_pstr_eq(label, cases[i].agree ? cases[i].first : NULL);
                ck_assert_uint_eq(blockers.n_items, cases[i].agree ? 0 : 2);
                for (size_t k = 0; k < blockers.n_items; k++) {
                        ck_assert_int_eq(blockers.items[k].code, BLOCKER_LABEL_CONFLICT);
                        ck_assert_str_eq(blockers.items[k].device, k == 0 ? "0000:02:00.0" : "0000:02:00.1");
                        ck_assert(!blockers.items[k].overridable);
                }
        }
}
END_TEST

START_TEST(conflict_says_where_each_label_is_from) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        const char *label;

        ck_assert_int_eq(check_group("a", NULL, &label, &blockers), 0);
        ck_assert_str_eq(blockers.items[0].detail, "0000:02:00.0 has the label a, set by an administrator, and the devices of group 14 must all have the same label, or none");
        ck_assert_str_eq(blockers.items[1].detail, "0000:02:00.1 has no label, and the devices of group 14 must all have the same label, or none");
}
END_TEST

START_TEST(owner_and_group_have_the_same_label_or_both_none) {
        static const struct {
                const char *owner, *group, *told;
        } cases[] = {
                { NULL, NULL, NULL },
                { "a", "a", NULL },
                { NULL, "a", "Group 14 has the label a, and the owner has none" },
                { "a", NULL, "The owner has the label a, and group 14 has none" },
                { "a", "b", "The owner has the label a, and group 14 has b" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(blocker_list_done) BlockerList blockers = {};

                ck_assert_int_eq(owner_label_check(cases[i].owner, 14, cases[i].group, &blockers), 0);
                ck_assert_uint_eq(blockers.n_items, cases[i].told ? 1 : 0);
                if (!cases[i].told)
                        continue;
                ck_assert_int_eq(blockers.items[0].code, BLOCKER_LABEL_MISMATCH);
                ck_assert_str_eq(blockers.items[0].detail, cases[i].told);
                ck_assert(!blockers.items[0].overridable);
        }
}
END_TEST

#define CLAIMS \
        "{'version':1,'claims':[{'caller':{'users':['alice']},'labels':['tenant-a','shared-*'],'label':'tenant-a'}," \
        "{'caller':{'selinux':['*:b_t:*']},'label':'tenant-b'},{'caller':{'users':[7]},'labels':['*']}]}"

START_TEST(caller_claims_what_the_policy_lets_it) {
        static const struct {
                uid_t uid;
                const char *selinux, *claimed, *label;
                bool denied;
        } cases[] = {
                { 1000, NULL, NULL, "tenant-a", false },       { 1000, NULL, "tenant-a", "tenant-a", false },
                { 1000, NULL, "shared-1", "shared-1", false }, { 1000, NULL, "tenant-b", NULL, true },
                { 1001, "u:r:b_t:s0", NULL, "tenant-b", false }, { 1001, "u:r:b_t:s0", "tenant-b", "tenant-b", false },
                { 1001, "u:r:b_t:s0", "tenant-a", NULL, true }, { 1001, "u:r:c_t:s0", NULL, NULL, false },
                { 1001, "u:r:c_t:s0", "tenant-b", NULL, true }, { 7, NULL, NULL, NULL, false },
                { 7, NULL, "anything", "anything", false },     { 0, NULL, "anything", "anything", false },
                { 0, NULL, NULL, NULL, false },
        };
        _cleanup_(policy_set_done) PolicySet set = policy_of(CLAIMS);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(blocker_list_done) BlockerList blockers = {};
                const PolicyCaller caller = { .uid = cases[i].uid, .selinux = cases[i].selinux, .has_gids = true };
                const char *label = "untouched";

                ck_assert_int_eq(owner_label(&set, &caller, cases[i].claimed, &label, &blockers), 0);
                ck_assert_pstr_eq(label, cases[i].label);
                ck_assert_uint_eq(blockers.n_items, cases[i].denied);
                if (cases[i].denied)
                        ck_assert_int_eq(blockers.items[0].code, BLOCKER_POLICY_DENIED);
        }
}
END_TEST

SUITE("label", table_keeps_one_label_an_address, administrators_label_comes_before_the_policys,
      labels_of_a_group_are_all_the_same_or_a_conflict_that_names_each, conflict_says_where_each_label_is_from,
      owner_and_group_have_the_same_label_or_both_none, caller_claims_what_the_policy_lets_it)
