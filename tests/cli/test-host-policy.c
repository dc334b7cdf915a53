/* SPDX-License-Identifier: GPL-2.0-or-later */

/* policy and label with the real assignd. */

#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/bus/fixture.h"
#include "tests/cli/harness.h"

static void write_file(const char *path, const char *quoted) {
        FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        for (const char *p = quoted; *p; p++)
                ck_assert_int_ne(fputc(*p == '\'' ? '"' : *p, f), EOF);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(path, 0644), 0);
}

static char *policy_path(const Fixture *fixture, const char *name) {
        _cleanup_free_ char *directory = NULL;
        char *path;

        ck_assert_int_ge(asprintf(&directory, "%s/policy.d", fixture->directory), 0);
        (void) mkdir(directory, 0755);
        ck_assert_int_ge(asprintf(&path, "%s/%s", directory, name), 0);
        return path;
}

static Fixture *fixture_with_policy(const char *quoted) {
        Fixture *fixture = fixture_new(&(FixtureSetup) { .no_daemon = true });
        _cleanup_free_ char *path = policy_path(fixture, "50-a.json");

        write_file(path, quoted);
        fixture_start_daemon(fixture);
        return fixture;
}

static void assert_out(const Result *result, int status, const char *out) {
        ck_assert_msg(result->status == status, "exit code %d: %s", result->status, result->err);
        ck_assert_msg(strstr(result->out, out), "'%s' is not in:\n%s", out, result->out);
}

#define CARDS \
        "{'version':1,'rules':[\n{'name':'gpus','match':{'class':'03*'},'verdict':'allow'},\n" \
        "{'name':'cards','match':{'class':'02*'},'caller':{'owner':'vm:*'},'verbs':['assign'],'verdict':'allow'}]}"

START_TEST(list_shows_the_policy_in_its_order) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_policy(CARDS);
        Stage stage = { .address = fixture->address };
        _cleanup_result_ Result result = ctl(&stage, "policy"), json_result = ctl(&stage, "policy", "list", "--json");
        _cleanup_json_ json_t *json = result_json(&json_result);

        assert_out(&result, 0, "rules  50-a.json:2  allow    gpus");
        ck_assert_ptr_nonnull(strstr(strstr(result.out, "gpus"), "cards"));
        ck_assert_uint_eq(json_array_size(json_object_get(json, "entries")), 2);
        ck_assert_str_eq(json_text(json, "health"), "ok");
}
END_TEST

START_TEST(list_says_what_it_means_that_there_is_none) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        Stage stage = { .address = fixture->address };
        _cleanup_result_ Result result = ctl(&stage, "policy", "list");

        ck_assert_int_eq(result.status, 0);
        ck_assert_str_eq(result.err, "No policy is in force: root may have everything, nobody else anything.\n");
}
END_TEST

START_TEST(list_notes_that_the_files_are_not_in_force) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_policy("{'version':2}");
        Stage stage = { .address = fixture->address };
        _cleanup_result_ Result result = ctl(&stage, "policy", "list");

        ck_assert_msg(strstr(result.err, "50-a.json:1:12: found the number 2, expected the number 1"), "%s", result.err);
}
END_TEST

START_TEST(explain_tells_a_new_user_everything) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_policy(CARDS);
        Stage stage = { .address = fixture->address };
        _cleanup_result_ Result allowed = ctl(&stage, "policy", "explain", "assign", "02:00.0", "--owner=vm:a", "--user=4711");
        _cleanup_result_ Result denied = ctl(&stage, "policy", "explain", "assign", "02:00.0", "--owner=ct:a", "--user=4711");

        assert_out(&allowed, 0, "The policy lets uid 4711 assign the group of 02:00.0 for vm:a.\n"
                                "0000:02:00.0: no label, host driver e1000e\n"
                                "  50-a.json:2 (gpus) does not match: the class is 020000, not 03*\n"
                                "  50-a.json:3 (cards) matches: allow\n"
                                "0000:02:00.1: no label, host driver e1000e\n");
        assert_out(&denied, 3, "The policy does not let uid 4711 assign the group of 02:00.0 for ct:a.\n");
        assert_out(&denied, 3, "  50-a.json:3 (cards) does not match: the owner is ct:a, not vm:*\n  No rule matches: only root is allowed\n");
}
END_TEST

START_TEST(explain_counts_protections_and_labels) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_policy("{'version':1,'protect':[{'match':{'address':'0000:01:*'},'reason':'management'}],"
                                                                 "'labels':[\n{'match':{'address':'0000:02:*'},'label':'tenant-a'}]}");
        Stage stage = { .address = fixture->address };
        _cleanup_result_ Result protected = ctl(&stage, "policy", "explain", "assign", "01:00.0");
        _cleanup_result_ Result mismatch = ctl(&stage, "policy", "explain", "assign", "02:00.0");
        _cleanup_result_ Result match = ctl(&stage, "policy", "explain", "assign", "02:00.0", "--label=tenant-a", "--json");

        assert_out(&protected, 3, "Protected: management; goes only with '--override=policy-denied'");
        assert_out(&mismatch, 3, "0000:02:00.0: the label tenant-a, by 50-a.json:2, host driver e1000e\n");
        assert_out(&mismatch, 3, "Group 14 has the label tenant-a, and the owner has none");
        assert_out(&match, 0, "\"owner_label\"");
}
END_TEST

START_TEST(explain_tells_what_is_to_be_reset) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_policy("{'version':1,'reset':[{'match':{'address':'0000:02:00.1'},'reason':'keys in its memory'}]}");
        Stage stage = { .address = fixture->address };
        _cleanup_result_ Result result = ctl(&stage, "policy", "explain", "assign", "02:00.0"), list = ctl(&stage, "policy");

        assert_out(&result, 0, "0000:02:00.1: no label, host driver e1000e\n  No rule matches: root is allowed\n  To be reset between owners: keys in its memory\n");
        assert_out(&list, 0, "reset  50-a.json:1  -        keys in its memory");
}
END_TEST

START_TEST(check_needs_no_daemon_and_tells_every_slip) {
        _cleanup_stage_ Stage *stage = stage_new(NULL);
        _cleanup_free_ char *good = NULL, *bad = NULL, *told = NULL;

        ck_assert_int_ge(asprintf(&good, "%s/good.json", stage->directory), 0);
        ck_assert_int_ge(asprintf(&bad, "%s/bad.json", stage->directory), 0);
        ck_assert_int_ge(asprintf(&told, "%s:2:18: found the key \"vendr\", expected \"address\"", bad), 0);
        write_file(good, "{'version':1}");
        write_file(bad, "{'version':1,'labels':[{'label':'a',\n        'match':{'vendr':'8086'}},{}]}");
        {
                _cleanup_result_ Result fine = ctl(stage, "policy", "check", good), wrong = ctl(stage, "policy", "check", good, bad);
                _cleanup_result_ Result wrong_json = ctl(stage, "policy", "check", "--json", bad), missing = ctl(stage, "policy", "check", "/nowhere.json");
                _cleanup_json_ json_t *json = result_json(&wrong_json);

                ck_assert_int_eq(fine.status, 0);
                ck_assert_ptr_nonnull(strstr(fine.err, "Good: 0 rules"));
                assert_out(&wrong, 1, told);
                ck_assert_int_eq(wrong_json.status, 1);
                ck_assert_uint_eq(json_array_size(json_object_get(json, "errors")), 3);
                ck_assert_int_eq(missing.status, 1);
                ck_assert_ptr_nonnull(strstr(missing.err, "/nowhere.json cannot be read"));
        }
}
END_TEST

START_TEST(label_is_set_shown_and_taken_away) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        Stage stage = { .address = fixture->address };
        _cleanup_result_ Result set = ctl(&stage, "label", "group:14", "tenant-a"), show = ctl(&stage, "show", "02:00.1"), list = ctl(&stage, "list");
        _cleanup_result_ Result refused = ctl(&stage, "assign", "--owner=vm:a", "02:00.0");
        _cleanup_result_ Result clear = ctl(&stage, "label", "--clear", "group:14"), after = ctl(&stage, "show", "02:00.1");

        ck_assert_int_eq(set.status, 0);
        assert_out(&show, 0, "Label: tenant-a (administrator)");
        assert_out(&list, 0, "tenant-a");
        ck_assert_int_eq(refused.status, 3);
        ck_assert_ptr_nonnull(strstr(refused.err, "tenant-a"));
        ck_assert_int_eq(clear.status, 0);
        assert_out(&after, 0, "Label: -");
}
END_TEST

START_TEST(wrong_usage_is_told_with_the_right_one) {
        static const struct {
                const char *arguments[5], *told;
        } cases[] = {
                { { "label", "02:00.0" }, "'label' needs a TARGET and a LABEL; 'label --clear 02:00.0' takes the label away." },
                { { "label" }, "'label' takes a TARGET and a LABEL." },
                { { "label", "02:00.0", "" }, "A label is not empty" },
                { { "label", "--clear", "02:00.0", "a" }, "one TARGET with --clear" },
                { { "policy", "show" }, "not 'show'" },
                { { "policy", "check" }, "needs the FILEs" },
                { { "policy", "explain" }, "'policy explain assign 02:00.0'" },
                { { "policy", "explain", "assign" }, "'policy explain assign 02:00.0'" },
                { { "policy", "--owner=a" }, "are for 'policy explain'" },
                { { "policy", "explain", "assign", "02:00.0", "--user=no-such-user-here" }, "There is no user" },
        };
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        Stage stage = { .address = fixture->address };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *arguments[ELEMENTSOF(cases[i].arguments) + 1] = {};
                _cleanup_result_ Result result = {};

                memcpy(arguments, cases[i].arguments, sizeof(cases[i].arguments));
                result = stage_run(&stage, arguments);
                ck_assert_msg(result.status == 2, "case %zu: exit code %d", i, result.status);
                ck_assert_msg(strstr(result.err, cases[i].told), "'%s' is not in: %s", cases[i].told, result.err);
        }
}
END_TEST

BUS_SUITE("host-policy", list_shows_the_policy_in_its_order, list_says_what_it_means_that_there_is_none, list_notes_that_the_files_are_not_in_force,
          explain_tells_a_new_user_everything, explain_counts_protections_and_labels, explain_tells_what_is_to_be_reset, check_needs_no_daemon_and_tells_every_slip,
          label_is_set_shown_and_taken_away, wrong_usage_is_told_with_the_right_one)
