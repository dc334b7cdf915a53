/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rules-parse.h"

#include <string.h>

#include "policy-scene.h"
#include "policy/json-position.h"
#include "policy/rules-format.h"
#include "suite.h"

#define ADDRESS_EXPECTED "an address in full, such as \"0000:02:00.0\", in which * and ? may stand for others, such as \"0000:02:*\""
#define MATCH_KEYS "\"address\", \"vendor\", \"device\", \"subsystem\", \"class\", \"driver\", \"numa\", \"sriov\" or \"label\""

/* What stands in a policy, and what is said of it behind "test.json:". */
static const struct {
        const char *text;
        const char *told;
} slips[] = {
        /* not JSON */
        { "", "1:1: found end of file, expected '[' or '{'" },
        { "{", "1:2: found end of file, expected string or '}'" },
        { "{'version':1", "1:13: found end of file, expected '}'" },
        { "{'version':1}x", "1:14: found 'x', expected end of file" },
        { "{'version':1,\n 'rules':[{]}", "2:12: found ']', expected string or '}'" },
        { "{'version':1,'version':1}", "1:14: found duplicate object key near '\"version\"', expected valid JSON with each key once" },
        { "{'version':01}", "1:12: found invalid token near '0', expected valid JSON with each key once" },
        { "{'version':1,'rules':[{'verdict':'allow','verdict':'deny'}]}",
          "1:42: found duplicate object key near '\"verdict\"', expected valid JSON with each key once" },
        /* the file */
        { "[]", "1:1: found an empty array, expected an object ({...})" },
        { "{}", "1:1: found an object without \"version\", expected the key \"version\"" },
        { "{'version':2}", "1:12: found the number 2, expected the number 1, the only version there is" },
        { "{'version':'1'}", "1:12: found \"1\", expected the number 1, the only version there is" },
        { "{'version':1,\n\t'rulse':[]}", "2:2: found the key \"rulse\", expected \"version\", \"labels\", \"claims\", \"rules\", \"protect\" or \"reset\"" },
        { "{'version':1,'rules':{}}", "1:22: found an empty object, expected an array ([...])" },
        { "{'version':1,'labels':7}", "1:23: found the number 7, expected an array ([...])" },
        { "{'version':1,'protect':null}", "1:24: found null, expected an array ([...])" },
        { "{'version':1,'claims':true}", "1:23: found true, expected an array ([...])" },
        /* rules */
        { "{'version':1,'rules':[7]}", "1:23: found the number 7, expected an object ({...})" },
        { "{'version':1,'rules':[{}]}", "1:23: found an object without \"verdict\", expected the key \"verdict\"" },
        { "{'version':1,'rules':[{'verdict':'maybe'}]}", "1:34: found \"maybe\", expected \"allow\", \"deny\" or \"ask\"" },
        { "{'version':1,'rules':[{'verdict':1}]}", "1:34: found the number 1, expected \"allow\", \"deny\" or \"ask\"" },
        { "{'version':1,'rules':[{'verdict':'allow','name':''}]}", "1:49: found \"\", expected a name of 1 to 256 bytes" },
        { "{'version':1,'rules':[{'verdict':'allow','name':'a\\nb'}]}", "1:49: found \"a\\x0ab\", expected a name of 1 to 256 bytes" },
        { "{'version':1,'rules':[{'verdict':'allow','verbs':'assign'}]}", "1:50: found \"assign\", expected an array ([...])" },
        { "{'version':1,'rules':[{'verdict':'allow','verbs':[]}]}",
          "1:50: found an empty array, expected at least one verb; leave \"verbs\" out for all of them" },
        { "{'version':1,'rules':[{'verdict':'allow','verbs':['assign','take']}]}",
          "1:60: found \"take\", expected \"assign\", \"reserve\", \"open\", \"release\", \"unreserve\" or \"recover\"" },
        { "{'version':1,'rules':[{'verdict':'allow','verb':['assign']}]}",
          "1:42: found the key \"verb\", expected \"name\", \"match\", \"caller\", \"verbs\" or \"verdict\"" },
        /* what a device is asked for */
        { "{'version':1,'rules':[{'verdict':'allow','match':[]}]}", "1:50: found an empty array, expected an object ({...})" },
        { "{'version':1,'rules':[{'verdict':'allow',\n  'match':{'vendor':'8086',\n    'vendr':'8086'}}]}", "3:5: found the key \"vendr\", expected " MATCH_KEYS },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'vendor':8086}}]}",
          "1:60: found the number 8086, expected four hexadecimal digits, such as \"8086\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'vendor':'0x8086'}}]}",
          "1:60: found \"0x8086\", expected four hexadecimal digits, such as \"8086\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'device':'10d'}}]}", "1:60: found \"10d\", expected four hexadecimal digits, such as \"8086\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'subsystem':'1043'}}]}",
          "1:63: found \"1043\", expected a subsystem's vendor and device, such as \"1043:8672\" or \"1043:*\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'subsystem':'1043:867'}}]}",
          "1:63: found \"1043:867\", expected a subsystem's vendor and device, such as \"1043:8672\" or \"1043:*\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'class':'2'}}]}",
          "1:59: found \"2\", expected two to six hexadecimal digits that the class begins with, such as \"02*\" or \"0200\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'class':'02*0'}}]}",
          "1:59: found \"02*0\", expected two to six hexadecimal digits that the class begins with, such as \"02*\" or \"0200\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'class':'0z'}}]}",
          "1:59: found \"0z\", expected two to six hexadecimal digits that the class begins with, such as \"02*\" or \"0200\"" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'address':'02:*'}}]}", "1:61: found \"02:*\", expected " ADDRESS_EXPECTED },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'address':'0000:02:00.g'}}]}", "1:61: found \"0000:02:00.g\", expected " ADDRESS_EXPECTED },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'address':null}}]}", "1:61: found null, expected " ADDRESS_EXPECTED },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'driver':''}}]}",
          "1:60: found \"\", expected a driver's name, in which * and ? may stand for others, or null for none" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'label':7}}]}",
          "1:59: found the number 7, expected a label, in which * and ? may stand for others, or null for none" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'numa':'0'}}]}", "1:58: found \"0\", expected the number of a NUMA node, or -1 for none" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'numa':-2}}]}", "1:58: found the number -2, expected the number of a NUMA node, or -1 for none" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'numa':0.5}}]}", "1:58: found the number 0.5, expected the number of a NUMA node, or -1 for none" },
        { "{'version':1,'rules':[{'verdict':'allow','match':{'sriov':'both'}}]}", "1:59: found \"both\", expected \"pf\", \"vf\" or \"none\"" },
        /* what a caller is asked for */
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'user':['alice']}}]}",
          "1:52: found the key \"user\", expected \"users\", \"groups\", \"selinux\" or \"owner\"" },
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'users':['alice','mallory']}}]}",
          "1:69: found \"mallory\", expected a uid or the name of a user in /etc/passwd" },
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'users':[-1]}}]}",
          "1:61: found the number -1, expected a uid or the name of a user in /etc/passwd" },
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'users':[4294967295]}}]}",
          "1:61: found the number 4294967295, expected a uid or the name of a user in /etc/passwd" },
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'groups':['wheel']}}]}",
          "1:62: found \"wheel\", expected a gid or the name of a group in /etc/group" },
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'groups':'kvm'}}]}", "1:61: found \"kvm\", expected an array ([...])" },
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'selinux':[null]}}]}",
          "1:63: found null, expected an SELinux context, in which * and ? may stand for others" },
        { "{'version':1,'rules':[{'verdict':'allow','caller':{'owner':['vm:*']}}]}",
          "1:60: found an array, expected an owner's name, in which * and ? may stand for others" },
        /* labels, claims, protections */
        { "{'version':1,'labels':[{'match':{},'label':''}]}", "1:44: found \"\", expected a label of 1 to 128 bytes" },
        { "{'version':1,'labels':[{'label':'a'}]}", "1:24: found an object without \"match\", expected the key \"match\"" },
        { "{'version':1,'labels':[{'match':{}}]}", "1:24: found an object without \"label\", expected the key \"label\"" },
        { "{'version':1,'labels':[{'match':{'label':'a'},'label':'b'}]}",
          "1:34: found the key \"label\", expected \"address\", \"vendor\", \"device\", \"subsystem\", \"class\", \"driver\", \"numa\" or \"sriov\"" },
        { "{'version':1,'claims':[{'labels':['a']}]}", "1:24: found an object without \"caller\", expected the key \"caller\"" },
        { "{'version':1,'claims':[{'caller':{},'labels':['']}]}",
          "1:47: found \"\", expected a label of 1 to 128 bytes, in which * and ? may stand for others" },
        { "{'version':1,'claims':[{'caller':{},'label':false}]}", "1:45: found false, expected a label of 1 to 128 bytes" },
        { "{'version':1,'protect':[{'match':{}}]}", "1:25: found an object without \"reason\", expected the key \"reason\"" },
        { "{'version':1,'reset':{}}", "1:22: found an empty object, expected an array ([...])" },
        { "{'version':1,'reset':[{'reason':'a'}]}", "1:23: found an object without \"match\", expected the key \"match\"" },
        { "{'version':1,'reset':[{'match':{}}]}", "1:23: found an object without \"reason\", expected the key \"reason\"" },
        { "{'version':1,'reset':[{'match':{},'reason':''}]}", "1:44: found \"\", expected a reason of 1 to 256 bytes" },
        { "{'version':1,'reset':[{'match':{'vendr':'8086'},'reason':'a'}]}", "1:33: found the key \"vendr\", expected " MATCH_KEYS },
        { "{'version':1,'reset':[{'match':{},'reason':'a','always':true}]}", "1:48: found the key \"always\", expected \"match\" or \"reason\"" },
        { "{'version':1,'protect':[{'match':{},'reason':[]}]}", "1:46: found an empty array, expected a reason of 1 to 256 bytes" },
};

START_TEST(each_slip_is_told_with_its_place) {
        _cleanup_free_ char *told = policy_errors(slips[_i].text), *expected = NULL;

        ck_assert_int_ge(asprintf(&expected, "test.json:%s", slips[_i].told), 0);
        ck_assert_str_eq(told, expected);
}
END_TEST

START_TEST(all_slips_of_a_file_are_told_at_once) {
        _cleanup_free_ char *told = policy_errors("{\n  'version': 1,\n  'rules': [\n    {'verdict': 'allow'},\n    {'verdict': 'alow',\n     'match': {'vendor': 'x'}}\n  ],\n"
                                                  "  'rule': []\n}\n");

        ck_assert_str_eq(told, "test.json:5:17: found \"alow\", expected \"allow\", \"deny\" or \"ask\"\n"
                               "test.json:6:26: found \"x\", expected four hexadecimal digits, such as \"8086\"\n"
                               "test.json:8:3: found the key \"rule\", expected \"version\", \"labels\", \"claims\", \"rules\", \"protect\" or \"reset\"");
}
END_TEST

START_TEST(columns_count_characters_and_strings_may_hold_anything) {
        _cleanup_free_ char *told = policy_errors("{'version':1,'rules':[{'name':'\xc3\xa4{[,:\\\\\\'x','verdict':'?'}]}");

        ck_assert_str_eq(told, "test.json:1:54: found \"?\", expected \"allow\", \"deny\" or \"ask\"");
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused_and_not_repeated) {
        _cleanup_free_ char *told = policy_errors("{'version':1,'rules':[{'name':'\xff','verdict':'deny'}]}");

        ck_assert_msg(strstr(told, "test.json:1:"), "%s", told);
        ck_assert_ptr_null(strchr(told, '\xff'));
}
END_TEST

START_TEST(deep_nesting_is_refused) {
        char text[8001];

        memset(text, '[', 8000);
        text[8000] = '\0';
        {
                _cleanup_free_ char *told = policy_errors(text);

                ck_assert_ptr_nonnull(strstr(told, "maximum parsing depth reached"));
        }
}
END_TEST

START_TEST(no_more_errors_than_somebody_can_read) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet set = {};
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        fprintf(f, "{\"version\":1,\"rules\":[{}");
        for (size_t i = 0; i < 1000; i++)
                fprintf(f, ",{}");
        fprintf(f, "]}");
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(policy_parse("many.json", text, size, NULL, &set, &errors), 0);
        ck_assert_uint_eq(errors.n_items, POLICY_ERRORS_MAX);
}
END_TEST

START_TEST(file_that_is_too_large_is_refused) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet set = {};
        _cleanup_free_ char *text = calloc(1, POLICY_FILE_MAX + 1), *told = NULL;

        ck_assert_ptr_nonnull(text);
        ck_assert_int_eq(policy_parse("large.json", text, POLICY_FILE_MAX + 1, NULL, &set, &errors), 0);
        ck_assert_uint_eq(errors.n_items, 1);
        ck_assert_int_eq(policy_error_format(&errors.items[0], &told), 0);
        ck_assert_str_eq(told, "large.json: found a file of more than 4 MiB, expected a policy");
}
END_TEST

START_TEST(entries_know_their_lines) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,\n'rules':[\n{'verdict':'allow'}, {'verdict':'deny'},\n\n{'verdict':\n'ask'}],\n"
                                                             "'protect':[\n{'match':{},'reason':'r'}]}");

        ck_assert_uint_eq(set.n_rules, 3);
        ck_assert_uint_eq(set.rules[0].origin.line, 3);
        ck_assert_uint_eq(set.rules[1].origin.line, 3);
        ck_assert_uint_eq(set.rules[2].origin.line, 5);
        ck_assert_uint_eq(set.protections[0].origin.line, 8);
        ck_assert_str_eq(set.rules[2].origin.file, "test.json");
}
END_TEST

START_TEST(several_files_are_one_set_in_their_order) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet set = {};
        _cleanup_free_ char *a = policy_text("{'version':1,'rules':[{'name':'first','verdict':'allow'}]}"),
                            *b = policy_text("{'version':1,'rules':[{'name':'second','verdict':'deny'}]}");

        ck_assert_int_eq(policy_parse("a.json", a, strlen(a), NULL, &set, &errors), 0);
        ck_assert_int_eq(policy_parse("b.json", b, strlen(b), NULL, &set, &errors), 0);
        ck_assert_uint_eq(errors.n_items, 0);
        ck_assert_uint_eq(set.n_rules, 2);
        ck_assert_str_eq(set.rules[0].name, "first");
        ck_assert_str_eq(set.rules[0].origin.file, "a.json");
        ck_assert_str_eq(set.rules[1].origin.file, "b.json");
}
END_TEST

START_TEST(users_and_groups_are_numbers_or_names) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,'rules':[{'caller':{'users':[7,'8','alice'],'groups':['kvm',9]},'verdict':'allow'}]}");
        const PolicyCallerMatch *caller = &set.rules[0].caller;

        ck_assert_uint_eq(caller->n_users, 3);
        ck_assert_uint_eq(caller->users[0].id, 7);
        ck_assert_uint_eq(caller->users[1].id, 8);
        ck_assert_uint_eq(caller->users[2].id, 1000);
        ck_assert_uint_eq(caller->n_groups, 2);
        ck_assert_uint_eq(caller->groups[0].id, 36);
        ck_assert_uint_eq(caller->groups[1].id, 9);
}
END_TEST

static char *format(const PolicySet *set) {
        char *text = NULL;

        ck_assert_int_eq(policy_set_format(set, &text), 0);
        return text;
}

/* The set with everything that an entry can ask. */
#define EVERYTHING \
        "{'version':1," \
        "'labels':[{'match':{'address':'0000:02:*'},'label':'tenant-a'},{'match':{'sriov':'vf','numa':-1},'label':'b'}]," \
        "'claims':[{'caller':{'users':['alice']},'labels':['tenant-*'],'label':'tenant-a'},{'caller':{}}]," \
        "'rules':[{'name':'all','match':{'address':'0000:02:0?.0','vendor':'8086','device':'10d3','subsystem':'1043:*','class':'02*'," \
        "'driver':'e1000*','numa':1,'sriov':'pf','label':'tenant-a'},'caller':{'users':['bob',5],'groups':['kvm'],'selinux':['*:virtd_t:*']," \
        "'owner':'vm:*'},'verbs':['assign','open'],'verdict':'ask'}," \
        "{'match':{'driver':null,'label':null,'subsystem':'*:0001','class':'020000','sriov':'none'},'verdict':'allow'}," \
        "{'verbs':['reserve','unreserve','release','recover'],'verdict':'deny'}]," \
        "'protect':[{'match':{'class':'0108'},'reason':'the disks'}]," \
        "'reset':[{'match':{'label':'tenant-*','vendor':'10de'},'reason':'tenants are strangers'},{'match':{},'reason':'all'}]}"

START_TEST(what_is_formatted_is_read_as_the_same) {
        _cleanup_(policy_set_done) PolicySet set = policy_of(EVERYTHING);
        _cleanup_free_ char *once = format(&set), *twice = NULL;
        _cleanup_(policy_set_done) PolicySet again = policy_of(once);

        twice = format(&again);
        ck_assert_str_eq(once, twice);
        ck_assert(policy_set_equal(&set, &again));
        ck_assert_uint_eq(again.n_rules, 3);
        ck_assert_uint_eq(again.rules[0].match.ids, 0x808610d310430000);
        ck_assert_uint_eq(again.rules[0].match.ids_mask, 0xffffffffffff0000);
        ck_assert_uint_eq(again.rules[0].match.class, 0x020000);
        ck_assert_uint_eq(again.rules[0].match.class_mask, 0xff0000);
        ck_assert_uint_eq(again.rules[0].verbs, 1U << VERB_ASSIGN | 1U << VERB_OPEN);
        ck_assert_uint_eq(again.rules[1].verbs, POLICY_VERBS);
        ck_assert_uint_eq(again.rules[1].match.ids_mask, 0xffff);
        ck_assert(again.rules[1].match.no_driver && again.rules[1].match.no_label);
        ck_assert_int_eq(again.rules[1].match.sriov, POLICY_SRIOV_NONE);
        ck_assert_uint_eq(again.n_claims, 2);
        ck_assert_str_eq(again.claims[0].labels[0], "tenant-*");
        ck_assert_str_eq(again.protections[0].reason, "the disks");
        ck_assert_uint_eq(again.n_resets, 2);
        ck_assert_str_eq(again.resets[0].match.label.pattern, "tenant-*");
        ck_assert_str_eq(again.resets[1].reason, "all");
        ck_assert_int_eq(again.labels[1].match.numa, -1);
        ck_assert(again.labels[1].match.has_numa);
}
END_TEST

START_TEST(formatting_a_rule_leaves_out_what_it_does_not_ask) {
        _cleanup_(policy_set_done) PolicySet set = policy_of("{'version':1,'rules':[{'match':{'class':'0200*'},'verdict':'deny'}]}");
        _cleanup_free_ char *text = NULL, *expected = policy_text("{'match': {'class': '0200*'}, 'caller': {}, 'verdict': 'deny'}");

        ck_assert_int_eq(policy_rule_format(&set.rules[0], &text), 0);
        ck_assert_str_eq(text, expected);
}
END_TEST

/* Every text that is one byte away from a good one is either good or refused with a place in the file. */
START_TEST(a_wrong_byte_anywhere_is_no_harm) {
        _cleanup_free_ char *good = policy_text(EVERYTHING);
        static const char bytes[] = { '"', '{', ']', ',', '0', 'x', '\n', '\\', '\x01', (char) 0x80, '\0' };
        size_t size = strlen(good);

        for (size_t i = 0; i < size; i++)
                for (size_t b = 0; b < sizeof(bytes); b++) {
                        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
                        _cleanup_(policy_set_done) PolicySet set = {};
                        char before = good[i];

                        good[i] = bytes[b];
                        ck_assert_int_eq(policy_parse("t", good, size, &policy_names, &set, &errors), 0);
                        for (size_t e = 0; e < errors.n_items; e++) {
                                ck_assert_uint_ge(errors.items[e].line, 1);
                                ck_assert_uint_le(errors.items[e].line, 2);
                                ck_assert_uint_le(errors.items[e].column, size + 1);
                        }
                        good[i] = before;
                }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("rules-parse");
        TCase *tcase = tcase_create("slips");
        SRunner *runner;
        int n_failed;
        const TTest *const tests[] = {
                all_slips_of_a_file_are_told_at_once, columns_count_characters_and_strings_may_hold_anything,
                text_that_is_not_utf8_is_refused_and_not_repeated, deep_nesting_is_refused, no_more_errors_than_somebody_can_read,
                file_that_is_too_large_is_refused, entries_know_their_lines, several_files_are_one_set_in_their_order,
                users_and_groups_are_numbers_or_names, what_is_formatted_is_read_as_the_same, formatting_a_rule_leaves_out_what_it_does_not_ask,
                a_wrong_byte_anywhere_is_no_harm,
        };

        tcase_set_timeout(tcase, 30);
        tcase_add_loop_test(tcase, each_slip_is_told_with_its_place, 0, (int) ELEMENTSOF(slips));
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
