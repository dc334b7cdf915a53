/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Wrong usage, errors of the daemon, and a daemon that is not there. */

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/cli/harness.h"
#include "tests/cli/suite.h"

typedef struct Usage {
        const char *arguments[8];
        const char *sentence; /* part of what is said */
} Usage;

static const Usage usages[] = {
        { { "lst" }, "Did you mean 'list'?" },
        { { "frobnicate" }, "no verb 'frobnicate'" },
        { { "reserve" }, "needs a TARGET" },
        { { "unreserve", "vm:a" }, "'vm:a' is no target" },
        { { "\x1b[31m" }, "no verb '\\x1b[31m'" },
        { { "list", "02:00.0" }, "'list' takes no arguments" },
        { { "list", "--owner=x" }, "Unknown option '--owner=x'" },
        { { "list", "-z" }, "Unknown option '-z'" },
        { { "list", "--json=1" }, "'--json=1'" },
        { { "-H" }, "--host needs a value" },
        { { "show" }, "needs a TARGET" },
        { { "show", "" }, "'' is no target" },
        { { "show", "02:00" }, "'02:00' is no target" },
        { { "show", "../../etc" }, "'../../etc' is no target" },
        { { "show", "02:00.0\n" }, "'02:00.0\\x0a' is no target" },
        { { "show", "\xff" }, "'\\xff' is not valid UTF-8" },
        { { "show", "02:00.0", "02:00.1" }, "takes one TARGET" },
        { { "why" }, "needs a TARGET" },
        { { "why", "02:00.0", "02:00.1" }, "takes one TARGET" },
        { { "plan" }, "'plan assign ...', or release, reserve, unreserve or recover" },
        { { "plan", "label", "02:00.0" }, "not 'label'" },
        { { "plan", "assign" }, "needs a TARGET" },
        { { "plan", "release" }, "needs an OWNER" },
        { { "assign", "02:00.0" }, "needs --owner NAME" },
        { { "assign", "--owner", "vm:a" }, "needs a TARGET" },
        { { "assign", "--owner", "", "02:00.0" }, "--owner needs a value that is not empty" },
        { { "assign", "--owner" }, "--owner needs a value" },
        { { "assign", "--owner=a\xff", "02:00.0" }, "is not valid UTF-8" },
        { { "assign", "--owner=a", "vm:b" }, "'vm:b' is no target" },
        { { "assign", "--owner=a", "--node-user=no such user", "02:00.0" }, "there is no 'no such user'" },
        { { "assign", "--owner=a", "--node-group=no such group", "02:00.0" }, "there is no 'no such group'" },
        { { "assign", "--owner=a", "--node-mode=0666", "02:00.0" }, "not '0666'" },
        { { "assign", "--owner=a", "--node-mode=rw", "02:00.0" }, "not 'rw'" },
        { { "run", "--owner=a", "--node-context=", "02:00.0", "--", "true" }, "--node-context" },
        { { "assign", "--owner=a", "--backend=kvm", "02:00.0" }, "--backend is auto, iommufd or group, not 'kvm'" },
        { { "assign", "--owner=a", "--timeout=soon", "02:00.0" }, "--timeout takes a whole number of seconds, not 'soon'" },
        { { "assign", "--owner=a", "--timeout=-1", "02:00.0" }, "not '-1'" },
        { { "assign", "--owner=a", "--timeout=99999999999", "02:00.0" }, "not '99999999999'" },
        { { "assign", "-H", "nowhere", "--lease", "--owner=a", "02:00.0" }, "cannot travel over ssh" },
        { { "release" }, "needs an OWNER" },
        { { "release", "" }, "that is not empty" },
        { { "release", "vm:a", "vm:b" }, "'vm:a' is no target" },
        { { "release", "--wait", "x", "vm:a" }, "--wait takes a whole number" },
        { { "run", "--owner=a", "02:00.0" }, "needs '-- COMMAND'" },
        { { "run", "--owner=a", "02:00.0", "--" }, "needs a COMMAND" },
        { { "run", "02:00.0", "--", "true" }, "needs --owner NAME" },
        { { "run", "--owner=a", "--", "true" }, "needs a TARGET" },
        { { "run", "--owner=a", "--open=maybe", "02:00.0", "--", "true" }, "--open is auto, always or never, not 'maybe'" },
        { { "run", "-H", "nowhere", "--owner=a", "02:00.0", "--", "true" }, "cannot travel over ssh" },
        { { "audit", "verfy" }, "not 'verfy'" },
        { { "audit", "export" }, "needs a FILE" },
        { { "audit", "sql" }, "needs a QUERY" },
        { { "audit", "sql", "SELECT 1", "SELECT 2" }, "takes one argument" },
        { { "audit", "--since", "sometime" }, "--since takes a time" },
        { { "audit", "--limit", "many" }, "--limit takes a number" },
        { { "monitor", "02:00.0" }, "takes no arguments" },
};

START_TEST(wrong_usage_is_two_and_says_what_is_wrong) {
        _cleanup_stage_ Stage *stage = stage_new(NULL); /* none of these may get as far as the daemon */

        for (size_t i = 0; i < ELEMENTSOF(usages); i++) {
                _cleanup_result_ Result result = stage_run(stage, usages[i].arguments);

                ck_assert_msg(result.status == 2, "%s: exit code %d, %s", usages[i].sentence, result.status, result.err);
                ck_assert_msg(strstr(result.err, usages[i].sentence), "'%s' is not in: %s", usages[i].sentence, result.err);
                ck_assert_str_eq(result.out, "");
        }
} END_TEST

START_TEST(wrong_usage_with_json_is_an_error_object) {
        _cleanup_stage_ Stage *stage = stage_new(NULL);
        _cleanup_result_ Result result = ctl(stage, "assign", "--json", "02:00.0");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *error = json_object_get(json, "error");

        ck_assert_int_eq(result.status, 2);
        ck_assert_str_eq(result.err, "");
        ck_assert_str_eq(json_text(error, "name"), "org.freedesktop.DBus.Error.InvalidArgs");
        ck_assert_ptr_nonnull(strstr(json_text(error, "message"), "--owner"));
        ck_assert_uint_eq(json_array_size(json_object_get(error, "blockers")), 0);
} END_TEST

START_TEST(four_kibibytes_of_target_are_cut_in_the_answer) {
        _cleanup_stage_ Stage *stage = stage_new(NULL);
        char target[4097];

        memset(target, 'x', sizeof(target) - 1);
        target[sizeof(target) - 1] = '\0';
        {
                _cleanup_result_ Result result = ctl(stage, "show", target);

                ck_assert_int_eq(result.status, 2);
                ck_assert_uint_lt(strlen(result.err), 300);
        }
} END_TEST

START_TEST(help_is_there_for_all_and_for_each_verb) {
        static const char *const verbs[] = { "list", "show", "why", "plan", "assign", "release", "run", "audit", "monitor" };
        _cleanup_stage_ Stage *stage = stage_new(NULL);
        _cleanup_result_ Result overview = ctl(stage, "--help"), version = ctl(stage, "--version");

        ck_assert_int_eq(overview.status, 0);
        ck_assert_int_eq(version.status, 0);
        ck_assert_str_eq(version.out, "assign-ctl " PROJECT_VERSION "\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                _cleanup_result_ Result result = ctl(stage, verbs[i], "--help");
                char head[64], line[64];

                (void) snprintf(head, sizeof(head), "assign-ctl %s", verbs[i]);
                (void) snprintf(line, sizeof(line), "\n  %s", verbs[i]);
                ck_assert_int_eq(result.status, 0);
                ck_assert_ptr_eq(strstr(result.out, head), result.out);
                ck_assert_ptr_nonnull(strstr(result.out, "Everywhere:"));
                ck_assert_ptr_nonnull(strstr(overview.out, line));
        }
} END_TEST

START_TEST(help_offers_no_more_than_there_is) {
        static const char *const later[] = { "verify" };
        _cleanup_stage_ Stage *stage = stage_new(NULL);
        _cleanup_result_ Result overview = ctl(stage, "--help"), audit = ctl(stage, "audit", "--help");

        for (size_t i = 0; i < ELEMENTSOF(later); i++) {
                ck_assert_msg(!strstr(overview.out, later[i]), "%s", later[i]);
                ck_assert_msg(!strstr(audit.out, later[i]), "%s", later[i]);
        }
} END_TEST

START_TEST(every_error_of_the_daemon_has_its_exit_code) {
        static const struct {
                const char *name;
                int status;
        } cases[] = {
                { "org.assignd1.Error.Degraded", 1 }, { "org.assignd1.Error.InvalidTarget", 2 }, { "org.freedesktop.DBus.Error.AccessDenied", 3 },
                { "org.assignd1.Error.Owned", 4 }, { "org.assignd1.Error.Quarantined", 5 }, { "org.assignd1.Error.IdentityChanged", 6 },
                { "org.assignd1.Error.NoSuchOwner", 7 }, { "org.freedesktop.DBus.Error.NoReply", 8 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakeScript script = { .fail_member = "Release", .fail_name = cases[i].name, .fail_message = "No." };
                _cleanup_stage_ Stage *stage = stage_new(&script);
                _cleanup_result_ Result text = ctl(stage, "release", "vm:a"), result = ctl(stage, "release", "vm:a", "--json");
                _cleanup_json_ json_t *json = result_json(&result);

                ck_assert_int_eq(text.status, cases[i].status);
                ck_assert_int_eq(result.status, cases[i].status);
                ck_assert_str_eq(json_text(json_object_get(json, "error"), "name"), cases[i].name);
                ck_assert_ptr_nonnull(strstr(text.err, "No.\n"));
        }
} END_TEST

static const char *const reaching[][8] = {
        { "list" }, { "list", "--devices" }, { "show", "02:00.0" }, { "show", "group:14" }, { "why", "02:00.0" }, { "plan", "assign", "02:00.0" },
        { "assign", "--owner=a", "02:00.0" }, { "assign", "--lease", "--owner=a", "02:00.0" }, { "release", "vm:a" },
        { "run", "--owner=a", "02:00.0", "--", "true" }, { "audit" }, { "audit", "sql", "SELECT 1" }, { "monitor" },
};

START_TEST(a_daemon_that_is_not_there_is_eight) {
        _cleanup_stage_ Stage *stage = stage_new(NULL);

        for (size_t i = 0; i < ELEMENTSOF(reaching); i++) {
                _cleanup_result_ Result result = stage_run(stage, reaching[i]);

                ck_assert_msg(result.status == 8, "%s: %d", reaching[i][0], result.status);
                ck_assert_ptr_nonnull(strstr(result.err, "assignd cannot be reached"));
        }
} END_TEST

START_TEST(a_bus_that_is_not_there_is_eight) {
        _cleanup_stage_ Stage *stage = stage_new(NULL);

        free(stage->address);
        stage->address = strdup("unix:path=/nonexistent/bus");
        for (size_t i = 0; i < ELEMENTSOF(reaching); i++) {
                _cleanup_result_ Result result = stage_run(stage, reaching[i]);

                ck_assert_msg(result.status == 8, "%s: %d", reaching[i][0], result.status);
                ck_assert_str_eq(result.err, "assign-ctl: The system bus cannot be reached: No such file or directory\n");
        }
} END_TEST

START_TEST(a_daemon_that_dies_before_it_answers_is_eight) {
        static const FakeScript dying = { .drop_member = "Assign" };
        _cleanup_stage_ Stage *stage = stage_new(&dying);
        _cleanup_result_ Result result = ctl(stage, "assign", "--owner=a", "02:00.0");

        ck_assert_int_eq(result.status, 8);
        ck_assert_ptr_nonnull(strstr(result.err, "assignd cannot be reached"));
} END_TEST

START_TEST(an_answer_of_another_form_is_one_and_not_a_crash) {
        static const struct {
                const char *member;
                const char *arguments[6];
        } cases[] = {
                { "ListGroups", { "list" } }, { "GetDevice", { "show", "02:00.0" } }, { "GetAll", { "show", "group:14" } }, { "Explain", { "why", "02:00.0" } },
                { "Plan", { "plan", "assign", "02:00.0" } }, { "Assign", { "assign", "--owner=a", "02:00.0" } }, { "Release", { "release", "a" } },
                { "ListAudit", { "audit" } }, { "ExportAudit", { "audit", "sql", "SELECT 1" } },
                { "OpenDevices", { "run", "--owner=a", "02:00.0", "--", "true" } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakeScript script = { .wrong_member = cases[i].member };
                _cleanup_stage_ Stage *stage = stage_new(&script);
                _cleanup_result_ Result result = stage_run(stage, cases[i].arguments);

                ck_assert_msg(result.status == 1, "%s: %d %s", cases[i].member, result.status, result.err);
                ck_assert_ptr_nonnull(strstr(result.err, "where '"));
        }
} END_TEST

/* "ssh" is a script of ours that does what ssh would do with a working or a broken host behind it. */
static void ssh_make(Stage *stage, const char *script) {
        _cleanup_free_ char *path = NULL, *search = NULL;
        FILE *f;

        ck_assert_int_ge(asprintf(&path, "%s/ssh", stage->directory), 0);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        (void) fprintf(f, "#!/bin/sh\n%s\n", script);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(path, 0755), 0);
        ck_assert_int_ge(asprintf(&search, "%s:%s", stage->directory, getenv("PATH")), 0);
        ck_assert_int_eq(setenv("PATH", search, 1), 0);
}

START_TEST(a_host_that_ssh_does_not_reach_is_eight) {
        _cleanup_stage_ Stage *stage = stage_new(NULL);
        _cleanup_result_ Result result = {};

        ssh_make(stage, "exit 255");
        result = ctl(stage, "-H", "root@far", "list");
        ck_assert_int_eq(result.status, 8);
        ck_assert_ptr_nonnull(strstr(result.err, "root@far"));
} END_TEST

START_TEST(another_host_is_reached_through_ssh) {
        static const FakeScript ordinary = {};
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result here = ctl(stage, "list"), there = {};
        _cleanup_free_ char *script = NULL;

        if (access("/usr/bin/systemd-stdio-bridge", X_OK) < 0)
                return; /* nothing there that could play the other host */
        ck_assert_int_ge(asprintf(&script, "exec systemd-stdio-bridge -p '%s'", stage->address), 0);
        ssh_make(stage, script);
        there = ctl(stage, "-H", "root@far", "list");
        ck_assert_str_eq(there.err, "");
        ck_assert_int_eq(there.status, 0);
        ck_assert_str_eq(there.out, here.out);
} END_TEST

START_TEST(output_that_cannot_be_written_is_a_failure) {
        static const FakeScript ordinary = {};
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_free_ char *command = NULL;

        ck_assert_int_ge(asprintf(&command, "DBUS_SYSTEM_BUS_ADDRESS='%s' '%s' list >/dev/full 2>&1", stage->address, ASSIGN_CTL), 0);
        ck_assert_int_eq(WEXITSTATUS(system(command)), 1);
} END_TEST

START_TEST(closed_standard_streams_do_no_harm) {
        static const FakeScript ordinary = {};
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_free_ char *command = NULL;

        ck_assert_int_ge(asprintf(&command, "DBUS_SYSTEM_BUS_ADDRESS='%s' '%s' list <&- >&- 2>&-", stage->address, ASSIGN_CTL), 0);
        ck_assert_int_eq(system(command), 0);
} END_TEST

int main(void) {
        const SuiteTest tests[] = {
                wrong_usage_is_two_and_says_what_is_wrong,
                wrong_usage_with_json_is_an_error_object,
                four_kibibytes_of_target_are_cut_in_the_answer,
                help_is_there_for_all_and_for_each_verb,
                help_offers_no_more_than_there_is,
                every_error_of_the_daemon_has_its_exit_code,
                a_daemon_that_is_not_there_is_eight,
                a_bus_that_is_not_there_is_eight,
                a_daemon_that_dies_before_it_answers_is_eight,
                an_answer_of_another_form_is_one_and_not_a_crash,
                a_host_that_ssh_does_not_reach_is_eight,
                another_host_is_reached_through_ssh,
                output_that_cannot_be_written_is_a_failure,
                closed_standard_streams_do_no_harm,
        };

        return suite_run("errors", tests, ELEMENTSOF(tests));
}
