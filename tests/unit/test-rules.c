/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rules.h"

#include <string.h>

#include "base/strutil.h"
#include "machine.h"
#include "policy-scene.h"
#include "suite.h"

/* The device that the tests ask about: an Intel network card. */
static Device card(void) {
        return (Device) {
                .address = { .bus = 2 },
                .identity = { 0x8086, 0x10d3, 0x1043, 0x8672, 0x020000, 1 },
                .role = ROLE_ENDPOINT,
                .group = 14,
                .numa_node = 1,
        };
}

static const gid_t gids_of_alice[] = { 1000, 36 };

static PolicyCaller alice(void) {
        return (PolicyCaller) {
                .uid = 1000,
                .gids = gids_of_alice,
                .n_gids = ELEMENTSOF(gids_of_alice),
                .has_gids = true,
                .selinux = "system_u:system_r:virtd_t:s0",
                .owner = "vm:web1",
        };
}

static PolicyDecision decide(const PolicySet *set, const PolicyCaller *caller, Verb verb, const Device *device, const char *driver, const char *label) {
        _cleanup_(policy_query_done) PolicyQuery query = {};
        PolicyDevice subject;

        ck_assert_int_eq(policy_query(set, caller, verb, &query), 0);
        policy_device_init(device, driver, label, &subject);
        return policy_decide(&query, &subject);
}

/* What each key asks, of the card on e1000e with the label tenant-a, and why it does not match where it does not. */
static const struct {
        const char *match;
        const char *mismatch; /* NULL: it matches */
} device_cases[] = {
        { "{}", NULL },
        { "{'address':'0000:02:00.0'}", NULL },
        { "{'address':'02:00.0'}", NULL },
        { "{'address':'0000:02:*'}", NULL },
        { "{'address':'*:02:00.?'}", NULL },
        { "{'address':'0000:0?:00.0'}", NULL },
        { "{'address':'0000:03:*'}", "the address is 0000:02:00.0, not 0000:03:*" },
        { "{'address':'0000:02:00.0*0'}", "the address is 0000:02:00.0, not 0000:02:00.0*0" },
        { "{'address':'0000:02:00.000000000000000000000000'}", "the address is 0000:02:00.0, not 0000:02:00.000000000000000000000000" },
        { "{'vendor':'8086'}", NULL },
        { "{'vendor':'10de'}", "the vendor is 8086, not 10de" },
        { "{'device':'10D3'}", NULL },
        { "{'device':'10d4'}", "the device id is 10d3, not 10d4" },
        { "{'vendor':'8086','device':'1533'}", "the device id is 10d3, not 1533" },
        { "{'subsystem':'1043:8672'}", NULL },
        { "{'subsystem':'1043:*'}", NULL },
        { "{'subsystem':'*:8672'}", NULL },
        { "{'subsystem':'*:*'}", NULL },
        { "{'subsystem':'1043:0000'}", "the subsystem is 1043:8672, not 1043:0000" },
        { "{'subsystem':'1af4:*'}", "the subsystem is 1043:8672, not 1af4:*" },
        { "{'class':'02*'}", NULL },
        { "{'class':'02'}", NULL },
        { "{'class':'0200'}", NULL },
        { "{'class':'020000'}", NULL },
        { "{'class':'0201*'}", "the class is 020000, not 0201*" },
        { "{'class':'020001'}", "the class is 020000, not 020001" },
        { "{'class':'03'}", "the class is 020000, not 03*" },
        { "{'driver':'e1000e'}", NULL },
        { "{'driver':'e1000*'}", NULL },
        { "{'driver':'igb'}", "the driver is e1000e, not igb" },
        { "{'driver':null}", "it has the driver e1000e, and the rule is for devices with none" },
        { "{'label':'tenant-a'}", NULL },
        { "{'label':'tenant-?'}", NULL },
        { "{'label':'tenant-b'}", "the label is tenant-a, not tenant-b" },
        { "{'label':null}", "it has the label tenant-a, and the rule is for devices with none" },
        { "{'numa':1}", NULL },
        { "{'numa':0}", "it is on NUMA node 1, not 0" },
        { "{'numa':-1}", "it is on NUMA node 1, and the rule is for devices on none" },
        { "{'sriov':'none'}", NULL },
        { "{'sriov':'pf'}", "it is neither a physical nor a virtual function of SR-IOV, and the rule is for a physical function" },
        { "{'sriov':'vf'}", "it is neither a physical nor a virtual function of SR-IOV, and the rule is for a virtual function" },
        { "{'vendor':'8086','class':'02*','address':'0000:02:*','driver':'e1000e','label':'tenant-a','numa':1,'sriov':'none'}", NULL },
        { "{'vendor':'8086','class':'02*','address':'0000:02:*','driver':'e1000e','label':'tenant-b','numa':1}", "the label is tenant-a, not tenant-b" },
};

/* One rule with that "match" or "caller", before one that allows everybody if `and_allow`. */
static PolicySet set_of_rule(const char *key, const char *part, const char *verdict, bool and_allow) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(asprintf(&text, "{'version':1,'rules':[{'%s':%s,'verdict':'%s'}%s]}", key, part, verdict,
                                  and_allow ? ",{'verdict':'allow'}" : ""), 0);
        return policy_of(text);
}

/* Whether a decision and its explanation say the same of the only rule. */
static void assert_mismatch(const PolicySet *set, const PolicyCaller *caller, Verb verb, const Device *device, const char *driver, const char *label,
                            const char *mismatch) {
        PolicyDecision decision = decide(set, caller, verb, device, driver, label);
        _cleanup_free_ char *told = NULL;
        PolicyDevice subject;

        policy_device_init(device, driver, label, &subject);
        ck_assert_int_eq(policy_rule_mismatch(&set->rules[0], caller, verb, &subject, &told), 0);
        ck_assert_pstr_eq(told, mismatch);
        ck_assert_ptr_eq(decision.rule, mismatch ? NULL : &set->rules[0]);
}

START_TEST(each_key_of_a_match_asks_what_it_says) {
        _cleanup_(policy_set_done) PolicySet set = set_of_rule("match", device_cases[_i].match, "allow", false);
        const Device device = card();
        PolicyCaller caller = alice();

        assert_mismatch(&set, &caller, VERB_ASSIGN, &device, "e1000e", "tenant-a", device_cases[_i].mismatch);
}
END_TEST

START_TEST(device_without_a_driver_label_or_node_matches_only_null) {
        static const struct {
                const char *match, *mismatch;
        } cases[] = {
                { "{'driver':null}", NULL },
                { "{'label':null}", NULL },
                { "{'numa':-1}", NULL },
                { "{'driver':'*'}", "it has no driver, and the rule is for *" },
                { "{'label':'*'}", "it has no label, and the rule is for *" },
                { "{'numa':0}", "it is on no NUMA node, and the rule is for node 0" },
        };
        Device device = card();
        PolicyCaller caller = alice();

        device.numa_node = -1;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(policy_set_done) PolicySet set = set_of_rule("match", cases[i].match, "allow", false);

                assert_mismatch(&set, &caller, VERB_ASSIGN, &device, NULL, NULL, cases[i].mismatch);
        }
}
END_TEST

START_TEST(physical_and_virtual_functions_are_told_apart) {
        _cleanup_(policy_set_done) PolicySet pf = policy_of("{'version':1,'rules':[{'match':{'sriov':'pf'},'verdict':'allow'}]}");
        _cleanup_(policy_set_done) PolicySet vf = policy_of("{'version':1,'rules':[{'match':{'sriov':'vf'},'verdict':'allow'}]}");
        Device is_pf = card(), is_vf = card();
        PolicyCaller caller = alice();

        is_pf.is_pf = true;
        is_vf.is_vf = true;
        assert_mismatch(&pf, &caller, VERB_ASSIGN, &is_pf, NULL, NULL, NULL);
        assert_mismatch(&vf, &caller, VERB_ASSIGN, &is_vf, NULL, NULL, NULL);
        assert_mismatch(&pf, &caller, VERB_ASSIGN, &is_vf, NULL, NULL, "it is a virtual function, and the rule is for a physical function");
        assert_mismatch(&vf, &caller, VERB_ASSIGN, &is_pf, NULL, NULL, "it is a physical function, and the rule is for a virtual function");
}
END_TEST

static const struct {
        const char *caller;
        const char *mismatch;
} caller_cases[] = {
        { "{}", NULL },
        { "{'users':[],'groups':[],'selinux':[]}", NULL },
        { "{'users':['alice']}", NULL },
        { "{'users':['bob',1000]}", NULL },
        { "{'users':['bob']}", "uid 1000 is none of its users" },
        { "{'groups':['kvm']}", NULL },
        { "{'groups':[7]}", "uid 1000 is in none of its groups" },
        { "{'users':['bob'],'groups':['kvm']}", NULL },
        { "{'users':['alice'],'groups':[7]}", NULL },
        { "{'users':['bob'],'groups':[7]}", "uid 1000 is none of its users and in none of its groups" },
        { "{'selinux':['*:virtd_t:*']}", NULL },
        { "{'selinux':['*:other_t:*','*:virtd_t:s0']}", NULL },
        { "{'selinux':['*:other_t:*']}", "the caller's SELinux context is system_u:system_r:virtd_t:s0" },
        { "{'owner':'vm:*'}", NULL },
        { "{'owner':'ct:*'}", "the owner is vm:web1, not ct:*" },
        { "{'users':['alice'],'selinux':['*'],'owner':'ct:*'}", "the owner is vm:web1, not ct:*" },
};

START_TEST(each_key_of_a_caller_asks_what_it_says) {
        _cleanup_(policy_set_done) PolicySet set = set_of_rule("caller", caller_cases[_i].caller, "allow", false);
        const Device device = card();
        PolicyCaller caller = alice();

        assert_mismatch(&set, &caller, VERB_ASSIGN, &device, NULL, NULL, caller_cases[_i].mismatch);
}
END_TEST

START_TEST(what_is_not_known_of_a_caller_never_opens_and_always_closes) {
        static const char *const callers[] = { "{'groups':['kvm']}", "{'selinux':['*']}" };
        const Device device = card();
        PolicyCaller caller = { .uid = 1000, .owner = "vm:web1" };

        for (size_t i = 0; i < ELEMENTSOF(callers); i++) {
                _cleanup_(policy_set_done) PolicySet allow = set_of_rule("caller", callers[i], "allow", false);
                _cleanup_(policy_set_done) PolicySet deny =
                                set_of_rule("caller", callers[i], "deny", true);

                ck_assert_ptr_null(decide(&allow, &caller, VERB_ASSIGN, &device, NULL, NULL).rule);
                ck_assert_int_eq(decide(&deny, &caller, VERB_ASSIGN, &device, NULL, NULL).verdict, POLICY_DENY);
        }
}
END_TEST

START_TEST(request_without_an_owner_is_for_no_rule_about_owners) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,'rules':[{'caller':{'owner':'*'},'verdict':'allow'}]}");
        const Device device = card();
        PolicyCaller caller = alice();

        caller.owner = NULL;
        assert_mismatch(&set, &caller, VERB_RESERVE, &device, NULL, NULL, "no owner is named, and the rule is for *");
}
END_TEST

START_TEST(rule_is_about_its_verbs_only) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,'rules':[{'verbs':['assign','release'],'verdict':'allow'}]}");
        const Device device = card();
        PolicyCaller caller = alice();

        assert_mismatch(&set, &caller, VERB_ASSIGN, &device, NULL, NULL, NULL);
        assert_mismatch(&set, &caller, VERB_RELEASE, &device, NULL, NULL, NULL);
        assert_mismatch(&set, &caller, VERB_OPEN, &device, NULL, NULL, "it is not about open");
        assert_mismatch(&set, &caller, VERB_RESERVE, &device, NULL, NULL, "it is not about reserve");
}
END_TEST

START_TEST(first_rule_that_matches_decides) {
        _cleanup_(policy_set_done) PolicySet set = policy_of(
                        "{'version':1,'rules':[{'match':{'vendor':'10de'},'verdict':'allow'},{'match':{'class':'02*'},'verdict':'deny'},"
                        "{'match':{'vendor':'8086'},'verdict':'allow'},{'verdict':'ask'}]}");
        Device device = card();
        PolicyCaller caller = alice();
        PolicyDecision decision = decide(&set, &caller, VERB_ASSIGN, &device, NULL, NULL);

        ck_assert_int_eq(decision.verdict, POLICY_DENY);
        ck_assert_ptr_eq(decision.rule, &set.rules[1]);
        device.identity.class = 0x010802;
        ck_assert_int_eq(decide(&set, &caller, VERB_ASSIGN, &device, NULL, NULL).verdict, POLICY_ALLOW);
        device.identity.vendor = 0x1b36;
        ck_assert_int_eq(decide(&set, &caller, VERB_ASSIGN, &device, NULL, NULL).verdict, POLICY_ASK);
}
END_TEST

START_TEST(without_a_rule_only_root_is_allowed) {
        const PolicySet empty = {};
        const Device device = card();
        PolicyCaller caller = alice(), root = { .uid = 0 };

        for (Verb verb = 0; verb < _VERB_MAX; verb++) {
                ck_assert_int_eq(decide(&empty, &caller, verb, &device, NULL, NULL).verdict, POLICY_DENY);
                ck_assert_int_eq(decide(&empty, &root, verb, &device, NULL, NULL).verdict, POLICY_ALLOW);
        }
}
END_TEST

START_TEST(a_rule_can_deny_root) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,'rules':[{'match':{'class':'02*'},'verdict':'deny'}]}");
        const Device device = card();
        PolicyCaller root = { .uid = 0 };

        ck_assert_int_eq(decide(&set, &root, VERB_ASSIGN, &device, NULL, NULL).verdict, POLICY_DENY);
}
END_TEST

START_TEST(protection_and_label_are_the_first_that_match) {
        _cleanup_(policy_set_done) PolicySet set = policy_of(
                        "{'version':1,'labels':[{'match':{'vendor':'10de'},'label':'x'},{'match':{'class':'02*'},'label':'tenant-a'},{'match':{},'label':'y'}],"
                        "'protect':[{'match':{'label':'tenant-a'},'reason':'a'},{'match':{},'reason':'b'}]}");
        const Device device = card();
        PolicyDevice subject;

        policy_device_init(&device, NULL, "tenant-a", &subject);
        ck_assert_str_eq(policy_find_label(&set, &subject)->label, "tenant-a");
        ck_assert_str_eq(policy_find_protection(&set, &subject)->reason, "a");
        subject.label = NULL;
        ck_assert_str_eq(policy_find_protection(&set, &subject)->reason, "b");
}
END_TEST

START_TEST(reset_is_asked_for_by_the_first_that_matches) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,'protect':[{'match':{},'reason':'no'}],'reset':[{'match':{'vendor':'10de'},'reason':'a'},"
                                                             "\n{'match':{'label':'tenant-*'},'reason':'b'},{'match':{'class':'02*'},'reason':'c'}]}");
        Device device = card();
        PolicyDevice subject;

        policy_device_init(&device, NULL, "tenant-a", &subject);
        ck_assert_str_eq(policy_find_reset(&set, &subject)->reason, "b");
        ck_assert_uint_eq(policy_find_reset(&set, &subject)->origin.line, 2);
        subject.label = NULL;
        ck_assert_str_eq(policy_find_reset(&set, &subject)->reason, "c");
        device.identity.class = 0x010802;
        ck_assert_ptr_null(policy_find_reset(&set, &subject));
}
END_TEST

/* What differs from the first in one thing each. */
static const char *const different[] = {
        "{'version':1}",
        "{'version':1,'rules':[{'name':'b','match':{'address':'0000:02:*'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'match':{'address':'0000:02:*'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:03:*'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','numa':0},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','driver':null},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','driver':'nvme'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','label':null},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','label':'x'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','vendor':'0000'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','class':'00'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*','sriov':'vf'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['bob']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':[1000]},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['alice','bob']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['alice'],'groups':[7]},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['alice'],'selinux':['x']},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['alice'],'owner':'x'},'verbs':['assign'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['alice']},'verbs':['assign','open'],'verdict':'allow'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'ask'}]}",
        "{'version':1,'labels':[{'match':{},'label':'a'}]}",
        "{'version':1,'labels':[{'match':{},'label':'b'}]}",
        "{'version':1,'labels':[{'match':{'numa':0},'label':'a'}]}",
        "{'version':1,'claims':[{'caller':{}}]}",
        "{'version':1,'claims':[{'caller':{'owner':'x'}}]}",
        "{'version':1,'claims':[{'caller':{},'label':'a'}]}",
        "{'version':1,'claims':[{'caller':{},'labels':['a']}]}",
        "{'version':1,'claims':[{'caller':{},'labels':['b']}]}",
        "{'version':1,'protect':[{'match':{},'reason':'a'}]}",
        "{'version':1,'protect':[{'match':{},'reason':'b'}]}",
        "{'version':1,'reset':[{'match':{},'reason':'a'}]}",
        "{'version':1,'reset':[{'match':{'numa':0},'reason':'a'}]}",
        "{'version':1,'rules':[{'name':'a','match':{'address':'0000:02:*'},'caller':{'users':['alice']},'verbs':['assign'],'verdict':'allow'}]}",
};

START_TEST(sets_are_equal_only_if_nothing_of_them_differs) {
        _cleanup_(policy_set_done) PolicySet set = policy_of(different[_i]), same = {};
        _cleanup_free_ char *spaced = NULL;

        ck_assert_int_ge(asprintf(&spaced, "\n\n  %s\n", different[_i]), 0);
        same = policy_of(spaced);
        for (size_t i = 0; i < ELEMENTSOF(different); i++) {
                _cleanup_(policy_set_done) PolicySet other = policy_of(different[i]);

                ck_assert_msg(policy_set_equal(&set, &other) == ((size_t) _i == i), "%s against %s", different[_i], different[i]);
        }
        ck_assert(policy_set_equal(&set, &same));
}
END_TEST

START_TEST(origin_is_a_place_with_a_name) {
        const PolicyOrigin origin = { "50-vms.json", 12 };
        _cleanup_free_ char *named = NULL, *unnamed = NULL;

        ck_assert_int_eq(policy_origin_format(&origin, "web servers", &named), 0);
        ck_assert_int_eq(policy_origin_format(&origin, NULL, &unnamed), 0);
        ck_assert_str_eq(named, "50-vms.json:12 (web servers)");
        ck_assert_str_eq(unnamed, "50-vms.json:12");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("rules");
        TCase *tcase = tcase_create("rules");
        SRunner *runner;
        int n_failed;
        const TTest *const tests[] = {
                device_without_a_driver_label_or_node_matches_only_null, physical_and_virtual_functions_are_told_apart,
                what_is_not_known_of_a_caller_never_opens_and_always_closes, request_without_an_owner_is_for_no_rule_about_owners,
                rule_is_about_its_verbs_only, first_rule_that_matches_decides, without_a_rule_only_root_is_allowed, a_rule_can_deny_root,
                protection_and_label_are_the_first_that_match, reset_is_asked_for_by_the_first_that_matches, origin_is_a_place_with_a_name,
        };

        tcase_add_loop_test(tcase, each_key_of_a_match_asks_what_it_says, 0, (int) ELEMENTSOF(device_cases));
        tcase_add_loop_test(tcase, each_key_of_a_caller_asks_what_it_says, 0, (int) ELEMENTSOF(caller_cases));
        tcase_add_loop_test(tcase, sets_are_equal_only_if_nothing_of_them_differs, 0, (int) ELEMENTSOF(different));
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
