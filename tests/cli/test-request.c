/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Asking for devices and giving them back: plan, assign, release, and the lease. */

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/cli/harness.h"
#include "tests/cli/suite.h"

static const FakeScript ordinary = {};

START_TEST(plan_reads_like_a_list_of_things_to_do) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "plan", "assign", "--owner", "vm:web1", "02:00.0");

        ck_assert_int_eq(result.status, 0);
        ck_assert_str_eq(result.out,
                         "Groups:     14\n"
                         "Devices:    0000:02:00.0, 0000:02:00.1\n"
                         "Companions: 0000:02:00.1 (not named; they come along because they share a group with a device that is)\n"
                         "STEP  DEVICE        ACTION               CHANGE\n"
                         "   1  -             load module          vfio-pci\n"
                         "   2  0000:02:00.0  set driver_override  none -> vfio-pci\n"
                         "   3  0000:02:00.1  set driver_override  mine -> vfio-pci\n"
                         "   4  0000:02:00.0  unbind from driver   e1000e -> none\n"
                         "   5  0000:02:00.0  bind to driver       none -> vfio-pci\n");
} END_TEST

START_TEST(plan_passes_the_options_on) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result assign = ctl(stage, "plan", "assign", "--owner=vm:a", "--exact", "--backend=group", "--label=red", "--override=no-reset", "group:14");
        _cleanup_result_ Result release = ctl(stage, "plan", "release", "vm:a"), targets = ctl(stage, "plan", "release", "02:00.0", "group:14");
        _cleanup_free_ char *first = stage_await(stage, "Plan"), *second = stage_await(stage, "Plan"), *third = stage_await(stage, "Plan");

        ck_assert_str_eq(first, "Plan [\"assign\",[\"group:14\"],{\"owner\":\"vm:a\",\"exact\":true,\"backend\":\"group\",\"label\":\"red\",\"override\":[\"no-reset\"]}]");
        ck_assert_str_eq(second, "Plan [\"release\",[],{\"owner\":\"vm:a\"}]");
        ck_assert_str_eq(third, "Plan [\"release\",[\"02:00.0\",\"group:14\"],{}]");
} END_TEST

START_TEST(plan_has_the_exit_code_of_the_real_verb) {
        static const struct {
                const char *error;
                int status;
        } cases[] = {
                { "org.assignd1.Error.NotViable", 6 }, { "org.assignd1.Error.Owned", 4 }, { "org.assignd1.Error.Stuck", 5 },
                { "org.assignd1.Error.Denied", 3 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakeScript script = { .plan_error = cases[i].error };
                _cleanup_stage_ Stage *stage = stage_new(&script);
                _cleanup_result_ Result text = ctl(stage, "plan", "assign", "02:00.0"), result = ctl(stage, "--json", "plan", "assign", "02:00.0");
                _cleanup_json_ json_t *json = result_json(&result);

                ck_assert_int_eq(text.status, cases[i].status);
                ck_assert_int_eq(result.status, cases[i].status);
                ck_assert_ptr_nonnull(strstr(text.out, "Not possible now: It stays.\n  direct-mapping: Firmware maps memory.\n"));
                ck_assert(json_is_false(json_object_get(json, "possible")));
                ck_assert_uint_eq(json_array_size(json_object_get(json, "blockers")), 2);
                ck_assert_str_eq(json_text(json_object_get(json, "error"), "name"), cases[i].error);
        }
} END_TEST

START_TEST(plan_as_json_keeps_the_order_of_the_steps) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "plan", "assign", "02:00.0", "--json");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *steps = json_object_get(json, "steps"), *second = json_array_get(steps, 2);

        ck_assert(json_is_true(json_object_get(json, "possible")));
        ck_assert(json_is_null(json_object_get(json, "error")));
        ck_assert_uint_eq(json_array_size(steps), 5);
        ck_assert_str_eq(json_text(json_array_get(steps, 0), "action"), "load-module");
        ck_assert(json_is_null(json_object_get(json_array_get(steps, 0), "device")));
        ck_assert_str_eq(json_text(second, "device"), "0000:02:00.1");
        ck_assert_str_eq(json_text(second, "prior"), "mine");
        ck_assert_str_eq(json_text(second, "value"), "vfio-pci");
        ck_assert_int_eq(json_integer_value(json_object_get(second, "phase")), 1);
} END_TEST

START_TEST(assign_tells_what_came_along_and_why) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "assign", "--owner", "vm:web1", "02:00.0");

        ck_assert_int_eq(result.status, 0);
        ck_assert_str_eq(result.out, "Assignment 7: vm:web1 has group 14 (backend iommufd): 0000:02:00.0, 0000:02:00.1\n"
                                     "  0000:02:00.1 (Something) comes along: it shares group 14 with a device that was named.\n");
        ck_assert_str_eq(result.err, "");
} END_TEST

START_TEST(who_may_not_see_devices_is_told_less_and_has_them_all_the_same) {
        static const FakeScript hiding = { .fail_member = "GetAll", .fail_path = "/org/assignd1/device/0000_02_00_1", .fail_name = SD_BUS_ERROR_ACCESS_DENIED };
        _cleanup_stage_ Stage *stage = stage_new(&hiding);
        _cleanup_result_ Result result = ctl(stage, "assign", "--owner", "vm:web1", "02:00.0");

        ck_assert_int_eq(result.status, 0);
        ck_assert_str_eq(result.out, "Assignment 7: vm:web1 has group 14 (backend iommufd): 0000:02:00.0, 0000:02:00.1\n"
                                     "  0000:02:00.1 comes along: it shares a group with a device that was named.\n");
        ck_assert_str_eq(result.err, "");
} END_TEST

START_TEST(assign_as_json_has_the_keys_of_the_contract) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "assign", "--owner", "vm:web1", "02:00.0", "--json");
        _cleanup_json_ json_t *json = result_json(&result);

        ck_assert_int_eq(json_integer_value(json_object_get(json, "assignment")), 7);
        ck_assert_str_eq(json_text(json, "owner"), "vm:web1");
        ck_assert_str_eq(json_text(json, "backend"), "iommufd");
        ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(json, "groups"), 0)), 14);
        ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "devices"), 0)), "0000:02:00.0");
        ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "companions"), 0)), "0000:02:00.1");
} END_TEST

START_TEST(assign_passes_the_options_on) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "assign", "--owner=vm:a", "--exact", "--timeout=7", "--override=no-reset", "--override=in-use-open", "02:00.0", "02:00.1");
        _cleanup_free_ char *call = stage_await(stage, "Assign");

        ck_assert_str_eq(call, "Assign [\"vm:a\",[\"02:00.0\",\"02:00.1\"],{\"exact\":true,\"override\":[\"no-reset\",\"in-use-open\"],\"timeout_usec\":7000000}]");
} END_TEST

START_TEST(whom_the_nodes_go_to_is_passed_on_as_numbers) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result named = ctl(stage, "assign", "--owner=vm:a", "--node-user=root", "02:00.0");
        _cleanup_result_ Result numbers = ctl(stage, "assign", "--owner=vm:a", "--node-group=36", "--node-user=4711", "--node-mode=660", "--node-context=a:b:c", "02:00.0");
        _cleanup_result_ Result plan = ctl(stage, "plan", "assign", "--node-group=36", "--node-user=root", "02:00.0");
        _cleanup_free_ char *first = stage_await(stage, "Assign"), *second = stage_await(stage, "Assign"), *third = stage_await(stage, "Plan");

        ck_assert_str_eq(first, "Assign [\"vm:a\",[\"02:00.0\"],{\"node_user\":0,\"node_group\":0}]");
        ck_assert_str_eq(second, "Assign [\"vm:a\",[\"02:00.0\"],{\"node_user\":4711,\"node_group\":36,\"node_mode\":432,\"node_context\":\"a:b:c\"}]");
        ck_assert_str_eq(third, "Plan [\"assign\",[\"02:00.0\"],{\"node_user\":0,\"node_group\":36}]");
} END_TEST

START_TEST(who_may_open_the_nodes_is_told_as_json) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "--json", "assign", "--owner=vm:a", "--node-user=1000", "02:00.0");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *access = json_object_get(json, "node_access");

        ck_assert_int_eq(json_integer_value(json_object_get(access, "user")), 1000);
        ck_assert_int_eq(json_integer_value(json_object_get(access, "group")), 36);
        ck_assert_str_eq(json_text(access, "mode"), "0640");
        ck_assert(json_is_null(json_object_get(access, "context")));
} END_TEST

START_TEST(a_refusal_lists_every_blocker) {
        static const FakeScript refusing = { .fail_member = "Assign", .fail_name = "org.assignd1.Error.NotViable", .fail_message = "Group 14 is not\x1b viable.",
                                             .fail_with_blockers = true };
        _cleanup_stage_ Stage *stage = stage_new(&refusing);
        _cleanup_result_ Result text = ctl(stage, "assign", "--owner", "vm:a", "02:00.0"), result = ctl(stage, "assign", "--json", "--owner", "vm:a", "02:00.0");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *error = json_object_get(json, "error"), *blockers = json_object_get(error, "blockers");

        ck_assert_int_eq(text.status, 6);
        ck_assert_str_eq(text.out, "");
        ck_assert_str_eq(text.err, "assign-ctl: Group 14 is not\\x1b viable.\n"
                                   "  direct-mapping: Firmware maps memory.\n"
                                   "  host-driver-stays 0000:02:00.1: It stays. (--override host-driver-stays goes past it)\n");
        ck_assert_int_eq(result.status, 6);
        ck_assert_str_eq(json_text(error, "name"), "org.assignd1.Error.NotViable");
        ck_assert_uint_eq(json_array_size(blockers), 2);
        ck_assert(json_is_null(json_object_get(json_array_get(blockers, 0), "device")));
        ck_assert_str_eq(json_text(json_array_get(blockers, 1), "device"), "0000:02:00.1");
} END_TEST

START_TEST(what_the_message_and_the_blockers_both_say_is_printed_once) {
        static const FakeScript refusing = { .fail_member = "Assign", .fail_name = "org.assignd1.Error.NotViable", .fail_with_blockers = true,
                                             .fail_message = "It stays.; Firmware maps memory." };
        _cleanup_stage_ Stage *stage = stage_new(&refusing);
        _cleanup_result_ Result result = ctl(stage, "assign", "--owner", "vm:a", "02:00.0");

        ck_assert_str_eq(result.err, "assign-ctl: It cannot be done:\n"
                                     "  direct-mapping: Firmware maps memory.\n"
                                     "  host-driver-stays 0000:02:00.1: It stays. (--override host-driver-stays goes past it)\n");
} END_TEST

START_TEST(release_tells_owners_and_targets_apart) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result owner = ctl(stage, "release", "vm:web1"), targets = ctl(stage, "release", "--wait", "3", "02:00.0", "group:14");
        _cleanup_result_ Result result = ctl(stage, "release", "vm:web1", "--json");
        _cleanup_free_ char *first = stage_await(stage, "Release"), *second = stage_await(stage, "Release");
        _cleanup_json_ json_t *json = result_json(&result);

        ck_assert_str_eq(first, "Release [\"vm:web1\",{}]");
        ck_assert_str_eq(second, "Release [\"\",{\"targets\":[\"02:00.0\",\"group:14\"],\"wait\":true,\"timeout_usec\":3000000}]");
        ck_assert_str_eq(owner.out, "vm:web1 has given everything back.\n");
        ck_assert_str_eq(targets.out, "Given back: 02:00.0, group:14\n");
        ck_assert_str_eq(json_text(json, "owner"), "vm:web1");
} END_TEST

START_TEST(reserve_and_unreserve_name_their_targets) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result reserved = ctl(stage, "reserve", "--exact", "--override=no-reset", "--timeout=3", "02:00.0", "group:3");
        _cleanup_result_ Result unreserved = ctl(stage, "unreserve", "--wait", "4", "02:00.0"), json_result = ctl(stage, "reserve", "02:00.0", "--json");
        _cleanup_free_ char *first = stage_await(stage, "Reserve"), *second = stage_await(stage, "Unreserve");
        _cleanup_json_ json_t *json = result_json(&json_result);

        ck_assert_int_eq(reserved.status, 0);
        ck_assert_str_eq(first, "Reserve [[\"02:00.0\",\"group:3\"],{\"exact\":true,\"override\":[\"no-reset\"],\"timeout_usec\":3000000}]");
        ck_assert_str_eq(second, "Unreserve [[\"02:00.0\"],{\"wait\":true,\"timeout_usec\":4000000}]");
        ck_assert_str_eq(reserved.out, "Reserved: 02:00.0, group:3\n");
        ck_assert_str_eq(unreserved.out, "Not reserved any more: 02:00.0\n");
        ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "targets"), 0)), "02:00.0");
} END_TEST

START_TEST(reserve_needs_targets_and_takes_no_owner) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result none = ctl(stage, "reserve"), wrong = ctl(stage, "unreserve", "vm:web1");
        _cleanup_result_ Result owner = ctl(stage, "reserve", "--owner=vm:web1", "02:00.0");

        ck_assert_int_eq(none.status, 2);
        ck_assert_int_eq(wrong.status, 2);
        ck_assert_ptr_nonnull(strstr(wrong.err, "vm:web1"));
        ck_assert_int_eq(owner.status, 2);
} END_TEST

START_TEST(plan_knows_reserve_and_unreserve) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "plan", "reserve", "--exact", "02:00.0"), back = ctl(stage, "plan", "unreserve", "group:14");
        _cleanup_free_ char *first = stage_await(stage, "Plan"), *second = stage_await(stage, "Plan");

        ck_assert_int_eq(result.status, 0);
        ck_assert_int_eq(back.status, 0);
        ck_assert_str_eq(first, "Plan [\"reserve\",[\"02:00.0\"],{\"exact\":true}]");
        ck_assert_str_eq(second, "Plan [\"unreserve\",[\"group:14\"],{}]");
} END_TEST

START_TEST(release_that_takes_too_long_is_five) {
        static const FakeScript slow = { .fail_member = "Release", .fail_name = "org.assignd1.Error.Timeout", .fail_message = "Operation 4 goes on." };
        _cleanup_stage_ Stage *stage = stage_new(&slow);
        _cleanup_result_ Result result = ctl(stage, "release", "vm:web1");

        ck_assert_int_eq(result.status, 5);
        ck_assert_str_eq(result.err, "assign-ctl: Operation 4 goes on.\n");
} END_TEST

static Process lease_start(Stage *stage) {
        static const char *const arguments[] = { "assign", "--lease", "--owner", "vm:web1", "02:00.0", NULL };
        Process process = ctl_start(stage, arguments);
        _cleanup_free_ char *line = line_read(process.out);

        ck_assert_str_eq(line, "Assignment 7: vm:web1 has group 14 (backend iommufd): 0000:02:00.0, 0000:02:00.1");
        return process;
}

START_TEST(a_lease_ends_with_standard_input) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = lease_start(stage);
        _cleanup_result_ Result result = ctl_finish(&process);
        _cleanup_free_ char *call = stage_await(stage, "Release"), *closed = stage_await(stage, "lease-closed");

        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(call);
        ck_assert_ptr_nonnull(closed);
} END_TEST

START_TEST(a_lease_ends_with_a_signal) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = lease_start(stage);
        _cleanup_result_ Result result = {};
        _cleanup_free_ char *companion = line_read(process.out), *call = NULL;

        ck_assert_int_eq(kill(process.pid, SIGTERM), 0);
        call = stage_await(stage, "Release");
        ck_assert_ptr_nonnull(call); /* with standard input still open */
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 0);
} END_TEST

START_TEST(a_lease_ends_when_assign_ctl_is_killed) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = lease_start(stage);
        _cleanup_free_ char *closed = NULL;
        _cleanup_result_ Result result = {};

        ck_assert_int_eq(kill(process.pid, SIGKILL), 0);
        closed = stage_await(stage, "lease-closed");
        ck_assert_ptr_nonnull(closed);
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 128 + SIGKILL);
} END_TEST

/* The parent is a shell that starts assign-ctl with our input, so that the input outlives the parent. */
START_TEST(a_lease_ends_with_the_parent) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_free_ char *assigned = NULL, *closed = NULL, *call = NULL;
        int hold[2];
        pid_t parent;

        ck_assert_int_ge(pipe(hold), 0);
        parent = fork();
        ck_assert_int_ge(parent, 0);
        if (parent == 0) {
                (void) dup2(hold[0], STDIN_FILENO);
                (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", stage->address, 1);
                (void) execl("/bin/sh", "sh", "-c", "exec 3<&0; \"$ASSIGN_CTL\" assign --lease --owner vm:a 02:00.0 <&3 >/dev/null 2>&1 & wait", NULL);
                _exit(EXIT_FAILURE);
        }
        /* The last call it makes before it holds on. */
        assigned = stage_await(stage, "AssignWithLease");
        ck_assert_ptr_nonnull(assigned);

        ck_assert_int_eq(kill(parent, SIGKILL), 0);
        ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
        closed = stage_await(stage, "lease-closed");
        ck_assert_ptr_nonnull(closed);
        (void) close(hold[0]);
        (void) close(hold[1]);
} END_TEST

START_TEST(a_lease_that_somebody_else_ended_is_told) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = lease_start(stage);
        _cleanup_result_ Result release = ctl(stage, "release", "vm:web1"), result = {};
        _cleanup_free_ char *line = line_read(process.err);

        ck_assert_int_eq(release.status, 0);
        ck_assert_str_eq(line, "assign-ctl: The assignment was released by somebody else.");
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 1);
} END_TEST

START_TEST(a_lease_notices_the_end_of_the_bus) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = lease_start(stage);
        _cleanup_free_ char *line = NULL;
        _cleanup_result_ Result result = {};

        ck_assert_int_eq(kill(stage->bus, SIGKILL), 0);
        line = line_read(process.err);
        ck_assert_str_eq(line, "assign-ctl: The connection to the system bus was lost; the lease ends with it.");
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 8);
} END_TEST

int main(void) {
        const SuiteTest tests[] = {
                plan_reads_like_a_list_of_things_to_do,
                plan_passes_the_options_on,
                plan_has_the_exit_code_of_the_real_verb,
                plan_as_json_keeps_the_order_of_the_steps,
                assign_tells_what_came_along_and_why,
                assign_as_json_has_the_keys_of_the_contract,
                who_may_not_see_devices_is_told_less_and_has_them_all_the_same,
                assign_passes_the_options_on,
                whom_the_nodes_go_to_is_passed_on_as_numbers,
                who_may_open_the_nodes_is_told_as_json,
                a_refusal_lists_every_blocker,
                what_the_message_and_the_blockers_both_say_is_printed_once,
                release_tells_owners_and_targets_apart,
                reserve_and_unreserve_name_their_targets,
                reserve_needs_targets_and_takes_no_owner,
                plan_knows_reserve_and_unreserve,
                release_that_takes_too_long_is_five,
                a_lease_ends_with_standard_input,
                a_lease_ends_with_a_signal,
                a_lease_ends_when_assign_ctl_is_killed,
                a_lease_ends_with_the_parent,
                a_lease_that_somebody_else_ended_is_told,
                a_lease_notices_the_end_of_the_bus,
        };

        return suite_run("request", tests, ELEMENTSOF(tests));
}
