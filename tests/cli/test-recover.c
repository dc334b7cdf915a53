/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Opening a quarantined group again: first what differs and what is going to be done, then the doing. */

#include <string.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/cli/harness.h"
#include "tests/cli/suite.h"

#define DIFFERENCE "0000:02:00.0 has left vfio-pci and is on the host driver e1000e"

static const FakeScript drifted = { .plan_difference = DIFFERENCE };

START_TEST(recover_shows_what_differs_and_does_it) {
        _cleanup_stage_ Stage *stage = stage_new(&drifted);
        _cleanup_result_ Result result = ctl(stage, "recover", "--timeout=7", "group:14");
        _cleanup_free_ char *plan = stage_await(stage, "Plan"), *call = stage_await(stage, "Recover");

        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.out, "Not as it should be:\n  " DIFFERENCE "\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "0000:02:00.0  bind to driver       none -> vfio-pci\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "\nRecovered: group 14\n"));
        ck_assert_str_eq(plan, "Plan [\"recover\",[\"group:14\"],{}]");
        ck_assert_str_eq(call, "Recover [[\"group:14\"],{\"timeout_usec\":7000000}]");
} END_TEST

START_TEST(a_dry_run_only_shows_it) {
        _cleanup_stage_ Stage *stage = stage_new(&drifted);
        _cleanup_result_ Result result = ctl(stage, "recover", "--dry-run", "02:00.0"), planned = ctl(stage, "plan", "recover", "02:00.0");
        _cleanup_free_ char *first = NULL, *second = NULL;

        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.out, DIFFERENCE));
        ck_assert_ptr_null(strstr(result.out, "Recovered"));
        ck_assert_str_eq(planned.out, result.out);
        first = stage_await(stage, "");
        second = stage_await(stage, "");
        ck_assert_ptr_nonnull(strstr(first, "Plan"));
        ck_assert_ptr_nonnull(strstr(second, "Plan"));
} END_TEST

START_TEST(recover_as_json_is_its_plan_and_that_it_was_done) {
        _cleanup_stage_ Stage *stage = stage_new(&drifted);
        _cleanup_result_ Result result = ctl(stage, "recover", "--json", "group:14");
        _cleanup_json_ json_t *json = result_json(&result);

        ck_assert(json_is_true(json_object_get(json, "recovered")));
        ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "differences"), 0)), DIFFERENCE);
        ck_assert_uint_eq(json_array_size(json_object_get(json, "steps")), 5);
} END_TEST

START_TEST(a_recovery_that_is_refused_or_fails_says_why) {
        static const struct {
                const char *error;
                int status;
        } cases[] = { { "org.assignd1.Error.Denied", 3 }, { "org.assignd1.Error.Failed", 1 }, { "org.freedesktop.DBus.Error.Failed", 1 },
                      { "org.assignd1.Error.Stuck", 5 } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakeScript script = { .fail_member = "Recover", .fail_name = cases[i].error, .fail_message = "Group 14 stays quarantined." };
                _cleanup_stage_ Stage *stage = stage_new(&script);
                _cleanup_result_ Result result = ctl(stage, "recover", "group:14");

                ck_assert_int_eq(result.status, cases[i].status);
                ck_assert_ptr_nonnull(strstr(result.err, "Group 14 stays quarantined."));
                ck_assert_ptr_null(strstr(result.out, "Recovered"));
        }
} END_TEST

START_TEST(a_plan_that_is_not_possible_has_the_exit_code_of_the_verb) {
        static const FakeScript script = { .plan_error = "org.assignd1.Error.Denied" };
        _cleanup_stage_ Stage *stage = stage_new(&script);
        _cleanup_result_ Result text = ctl(stage, "recover", "--dry-run", "group:14"), json = ctl(stage, "recover", "--dry-run", "--json", "group:14");

        ck_assert_int_eq(text.status, 3);
        ck_assert_int_eq(json.status, 3);
        ck_assert_ptr_nonnull(strstr(text.out, "Not possible now: It stays."));
} END_TEST

START_TEST(recover_needs_targets) {
        _cleanup_stage_ Stage *stage = stage_new(&drifted);
        _cleanup_result_ Result none = ctl(stage, "recover"), owner = ctl(stage, "recover", "vm:web1");

        ck_assert_int_eq(none.status, 2);
        ck_assert_int_eq(owner.status, 2);
} END_TEST

int main(void) {
        const TTest *const tests[] = {
                recover_shows_what_differs_and_does_it,
                a_dry_run_only_shows_it,
                recover_as_json_is_its_plan_and_that_it_was_done,
                a_recovery_that_is_refused_or_fails_says_why,
                a_plan_that_is_not_possible_has_the_exit_code_of_the_verb,
                recover_needs_targets,
        };

        return suite_run("recover", tests, ELEMENTSOF(tests));
}
