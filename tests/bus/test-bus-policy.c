/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Policy and labels, as a client sees them. */

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define DEVICE ASSIGND_DEVICE_PREFIX "/0000_02_00_0"
#define GROUP ASSIGND_GROUP_PREFIX "/14"

static void write_policy(const Fixture *fixture, const char *quoted) {
        char directory[512], path[600];
        FILE *f;

        (void) snprintf(directory, sizeof(directory), "%s/policy.d", fixture->directory);
        (void) snprintf(path, sizeof(path), "%s/a.json", directory);
        (void) mkdir(directory, 0755);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        for (const char *p = quoted; *p; p++)
                ck_assert_int_ne(fputc(*p == '\'' ? '"' : *p, f), EOF);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(path, 0644), 0);
}

/* The whole answer as text. */
static char *answer_text(sd_bus_message *answer) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(sd_bus_message_dump(answer, f, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY), 0);
        ck_assert_int_eq(fclose(f), 0);
        sd_bus_message_unref(answer);
        return text;
}

static void assert_has(const char *text, const char *part) {
        ck_assert_msg(strstr(text, part), "'%s' is not in:\n%.3000s", part, text);
}

START_TEST(label_is_set_shown_and_taken_away) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_free_ char *label = NULL, *origin = NULL, *of_group = NULL, *none = NULL, *of_part = NULL;

        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "SetLabel", "ssa{sv}", "group:14", "tenant-a", 0));
        label = fixture_get_text(fixture, DEVICE, ASSIGND_DEVICE_INTERFACE, "Label");
        origin = fixture_get_text(fixture, DEVICE, ASSIGND_DEVICE_INTERFACE, "LabelOrigin");
        of_group = fixture_get_text(fixture, GROUP, ASSIGND_GROUP_INTERFACE, "Label");
        ck_assert_str_eq(label, "tenant-a");
        ck_assert_str_eq(origin, "administrator");
        ck_assert_str_eq(of_group, "tenant-a");
        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "SetLabel", "ssa{sv}", "0000:02:00.0", "", 0));
        none = fixture_get_text(fixture, DEVICE, ASSIGND_DEVICE_INTERFACE, "Label");
        of_part = fixture_get_text(fixture, GROUP, ASSIGND_GROUP_INTERFACE, "Label");
        ck_assert_str_eq(none, "");
        ck_assert_str_eq(of_part, "");
}
END_TEST

START_TEST(change_of_a_label_is_announced) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});

        fixture_listen(fixture);
        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "SetLabel", "ssa{sv}", "0000:02:00.0", "x", 0));
        ck_assert_ptr_nonnull(fixture_await_signal(fixture, "PropertiesChanged", DEVICE));
}
END_TEST

START_TEST(label_of_an_assigned_group_stays) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:a", "0000:02:00.0");

        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_OWNED, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "SetLabel", "ssa{sv}",
                                                  "0000:02:00.0", "x", 0));
}
END_TEST

START_TEST(reload_lists_the_new_policy_or_says_what_is_wrong) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_free_ char *text = NULL, *health = NULL, *after = NULL;
        sd_bus_message *error;

        write_policy(fixture, "{'version':1,\n'rules':[{'name':'cards','match':{'class':'02*'},'verdict':'deny'}],'protect':[{'match':{'numa':1},'reason':'why'}]}");
        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Reload", ""));
        text = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListPolicy", "a{sv}", 0));
        assert_has(text, "STRING \"cards\"");
        assert_has(text, "STRING \"deny\"");
        assert_has(text, "STRING \"a.json\"");
        assert_has(text, "STRING \"protect\"");

        write_policy(fixture, "{'version':1,'rules':7}");
        error = fixture_call_in_vain(fixture, SD_BUS_ERROR_FAILED, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Reload", "");
        assert_has(fixture_error_text(error), "a.json:1:22: found the number 7, expected an array");
        sd_bus_message_unref(error);
        health = fixture_get_text(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Health");
        assert_has(health, "the one before stays in force");
        after = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListPolicy", "a{sv}", 0));
        assert_has(after, "STRING \"cards\"");
}
END_TEST

/* The reload itself is a row, too, with who asked for it. */
START_TEST(reload_is_in_the_audit_trail) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_free_ char *good = NULL, *bad = NULL;
        const char *name;

        write_policy(fixture, "{'version':1,'rules':[{'verdict':'allow'}]}");
        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Reload", ""));
        good = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListAudit", "ta{sv}u", (uint64_t) 0, 1, "verb", "s",
                                             "reload", 10));
        assert_has(good, "STRING \"done\"");
        assert_has(good, "STRING \"The policy in force is 1 rules, 0 labels, 0 claims, 0 protections and 0 resets, from a.json\"");
        ck_assert_int_ge(sd_bus_get_unique_name(fixture->bus, &name), 0);
        assert_has(good, name);
        write_policy(fixture, "{'version':2}");
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_FAILED, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Reload", ""));
        bad = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListAudit", "ta{sv}u", (uint64_t) 1, 1, "verb", "s",
                                            "reload", 10));
        assert_has(bad, "STRING \"refused\"");
        assert_has(bad, "a.json:1:12: found the number 2");
}
END_TEST

START_TEST(signal_reloads_as_well_and_is_in_the_audit_trail) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_free_ char *row = NULL, *pid = NULL;

        write_policy(fixture, "{'version':1,'rules':[{'verdict':'allow'}]}");
        ck_assert_int_eq(kill(fixture->daemon_pid, SIGHUP), 0);
        fixture_await_notification(fixture, "RELOADING=1");
        fixture_await_notification(fixture, "READY=1");
        row = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListAudit", "ta{sv}u", (uint64_t) 0, 1, "verb", "s",
                                            "reload", 10));
        assert_has(row, "STRING \"SIGHUP\"");
        assert_has(row, "STRING \"done\"");
        ck_assert_int_ge(asprintf(&pid, " %d", (int) getpid()), 0);
        assert_has(row, pid);
}
END_TEST

START_TEST(policy_that_asks_for_a_reset_is_listed_and_explained) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) { .no_daemon = true });
        _cleanup_free_ char *listed = NULL, *explained = NULL, *of_release = NULL;

        ck_assert_int_eq(treegen_set_attribute(fixture->tree->fd, "0000:02:00.0", "reset_method", "\n"), 0);
        write_policy(fixture, "{'version':1,\n'reset':[{'match':{'class':'02*'},'reason':'firmware'}]}");
        fixture_start_daemon(fixture);
        listed = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListPolicy", "a{sv}", 0));
        assert_has(listed, "STRING \"reset\"");
        assert_has(listed, "STRING \"{\"match\": {\"class\": \"02*\"}, \"reason\": \"firmware\"}\"");
        explained = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", "ssa{sv}", "assign", "0000:02:00.1", 0));
        assert_has(explained, "STRING \"firmware\"");
        assert_has(explained, "STRING \"The kernel has no way to reset 0000:02:00.0, and a.json:2 asks for a reset between owners: firmware\"");
        of_release = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", "ssa{sv}", "release", "0000:02:00.1", 0));
        ck_assert_ptr_null(strstr(of_release, "no-reset"));
}
END_TEST

START_TEST(explanation_names_the_rule_and_why_the_others_did_not_match) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) { .no_daemon = true });
        _cleanup_free_ char *denied = NULL, *allowed = NULL, *of_root = NULL;

        write_policy(fixture, "{'version':1,'rules':[\n{'name':'first','match':{'vendor':'10de'},'verdict':'allow'},\n"
                              "{'name':'second','match':{'class':'02*'},'caller':{'groups':[36],'owner':'vm:*'},'verdict':'allow'}]}");
        fixture_start_daemon(fixture);
        denied = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", "ssa{sv}", "assign", "0000:02:00.0", 2,
                                               "uid", "t", (uint64_t) 1000, "owner", "s", "vm:a"));
        assert_has(denied, "STRING \"a.json:2 (first)\"");
        assert_has(denied, "STRING \"the vendor is 8086, not 10de\"");
        assert_has(denied, "STRING \"uid 1000 is in none of its groups\"");
        assert_has(denied, "STRING \"policy-denied\"");
        allowed = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", "ssa{sv}", "assign", "0000:02:00.0", 3,
                                                "uid", "t", (uint64_t) 1000, "owner", "s", "vm:a", "gids", "au", 2, 1000, 36));
        assert_has(allowed, "STRING \"a.json:3 (second)\"");
        ck_assert_ptr_null(strstr(allowed, "policy-denied"));
        of_root = answer_text(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", "ssa{sv}", "release", "group:14", 0));
        assert_has(of_root, "STRING \"uid 0 is in none of its groups\"");
}
END_TEST

START_TEST(questions_that_make_no_sense_are_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        static const struct {
                const char *verb, *target, *error;
        } cases[] = {
                { "take", "0000:02:00.0", SD_BUS_ERROR_INVALID_ARGS },
                { "label", "0000:02:00.0", SD_BUS_ERROR_INVALID_ARGS },
                { "assign", "nonsense", ASSIGND_ERROR_INVALID_TARGET },
                { "assign", "0000:7f:00.0", ASSIGND_ERROR_NO_SUCH_DEVICE },
                { "assign", "group:999", ASSIGND_ERROR_NO_SUCH_GROUP },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                sd_bus_message_unref(fixture_call_in_vain(fixture, cases[i].error, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", "ssa{sv}",
                                                          cases[i].verb, cases[i].target, 0));
}
END_TEST

/* The bus tells the groups of this very process, which a rule then finds. */
START_TEST(groups_of_the_caller_come_with_its_credentials) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) { .no_daemon = true });
        sd_bus_message *answer;
        char text[256];

        (void) snprintf(text, sizeof(text), "{'version':1,'rules':[{'name':'mine','caller':{'groups':[%u]},'verdict':'deny'}]}", (unsigned) getegid());
        write_policy(fixture, text);
        fixture_start_daemon(fixture);
        answer = fixture_call_in_vain(fixture, ASSIGND_ERROR_DENIED, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Assign", "sasa{sv}", "vm:a", 1,
                                      "0000:02:00.0", 0);
        assert_has(fixture_error_text(answer), "a.json:1 (mine)");
        sd_bus_message_unref(answer);
        (void) snprintf(text, sizeof(text), "{'version':1,'rules':[{'caller':{'groups':[%u]},'verdict':'deny'}]}", 4000000000U);
        write_policy(fixture, text);
        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Reload", ""));
        free(fixture_assign(fixture, "vm:a", "0000:02:00.0"));
}
END_TEST

BUS_SUITE("policy", label_is_set_shown_and_taken_away, change_of_a_label_is_announced, label_of_an_assigned_group_stays,
          reload_lists_the_new_policy_or_says_what_is_wrong, reload_is_in_the_audit_trail,
          signal_reloads_as_well_and_is_in_the_audit_trail, policy_that_asks_for_a_reset_is_listed_and_explained, explanation_names_the_rule_and_why_the_others_did_not_match,
          questions_that_make_no_sense_are_refused, groups_of_the_caller_come_with_its_credentials)
