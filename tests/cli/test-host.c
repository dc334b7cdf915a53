/* SPDX-License-Identifier: GPL-2.0-or-later */

/* assign-ctl with the real assignd, on the simulated kernel: the main job as an operator does it. */

#include <signal.h>
#include <string.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/bus/fixture.h"
#include "tests/cli/harness.h"

/* The bus of a fixture, for the harness. */
static Stage stage_of(const Fixture *fixture) {
        return (Stage) { .address = fixture->address };
}

static Fixture *fixture_with_iommufd(void) {
        return fixture_new(&(FixtureSetup){ .host = FIXTURE_LAB_IOMMUFD });
}

static void assert_status(Stage *stage, int status, const char *sentence, const char *const *arguments) {
        _cleanup_result_ Result result = stage_run(stage, arguments);

        ck_assert_msg(result.status == status, "exit code %d, not %d: %s", result.status, status, result.err);
        ck_assert_msg(strstr(result.err, sentence), "'%s' is not in: %s", sentence, result.err);
}
#define ASSERT_STATUS(stage, status, sentence, ...) assert_status(stage, status, sentence, (const char *const[]){ __VA_ARGS__, NULL })

static Process monitor_start(Stage *stage) {
        static const char *const arguments[] = { "monitor", "--json", NULL };
        Process process = ctl_start(stage, arguments);
        _cleanup_free_ char *line = line_read(process.err);

        ck_assert_ptr_nonnull(line);
        return process;
}

/* Reads events up to one of this name. */
static void monitor_await(Process *monitor, const char *name) {
        for (;;) {
                _cleanup_free_ char *line = line_read(monitor->out);
                _cleanup_json_ json_t *event = NULL;

                ck_assert_msg(line, "the monitor ended before %s", name);
                event = json_loads(line, 0, NULL);
                if (string_equal(json_text(event, "event"), name))
                        return;
        }
}

static void monitor_end(Process *monitor) {
        _cleanup_result_ Result result = {};

        ck_assert_int_eq(kill(monitor->pid, SIGTERM), 0);
        result = ctl_finish(monitor);
        ck_assert_int_eq(result.status, 0);
}

START_TEST(the_main_job_leaves_no_trace) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result before = ctl(&stage, "list", "--devices", "--json"), plan = ctl(&stage, "plan", "assign", "--owner=vm:web1", "02:00.0");
        _cleanup_result_ Result assign = ctl(&stage, "assign", "--owner=vm:web1", "02:00.0"), taken = ctl(&stage, "list");
        _cleanup_result_ Result release = ctl(&stage, "release", "vm:web1"), after = ctl(&stage, "list", "--devices", "--json");

        ck_assert_int_eq(before.status, 0);
        ck_assert_int_eq(plan.status, 0);
        ck_assert_ptr_nonnull(strstr(plan.out, "e1000e -> none\n"));
        ck_assert_int_eq(assign.status, 0);
        ck_assert_ptr_nonnull(strstr(assign.out, "vm:web1 has group 14 (backend iommufd): 0000:02:00.0, 0000:02:00.1\n"));
        ck_assert_ptr_nonnull(strstr(assign.out, "0000:02:00.1 ("));
        ck_assert_ptr_nonnull(strstr(assign.out, "comes along: it shares group 14"));
        ck_assert_ptr_nonnull(strstr(taken.out, "   14  assigned  yes                    vm:web1  -      0000:02:00.0  endpoint  vfio-pci "));
        ck_assert_int_eq(release.status, 0);
        ck_assert_str_eq(after.out, before.out);
} END_TEST

START_TEST(what_is_shown_of_an_assigned_device) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result assign = ctl(&stage, "assign", "--owner=vm:web1", "02:00.0", "--json"), result = ctl(&stage, "show", "02:00.1", "--json");
        _cleanup_json_ json_t *assigned = result_json(&assign), *json = result_json(&result);

        ck_assert_str_eq(json_text(json, "owner"), "vm:web1");
        ck_assert_str_eq(json_text(json, "driver"), "vfio-pci");
        ck_assert_str_eq(json_text(json, "driver_override"), "vfio-pci");
        ck_assert(json_equal(json_object_get(json, "assignment"), json_object_get(assigned, "assignment")));
        ck_assert_uint_eq(json_array_size(json_object_get(json, "history")), 1);
} END_TEST

START_TEST(why_names_the_members) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result result = ctl(&stage, "why", "02:00.0");

        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.out, "Group 14"));
        ck_assert_ptr_nonnull(strstr(result.out, "0000:02:00.1"));
} END_TEST

START_TEST(refusals_have_their_exit_codes_and_sentences) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);

        ASSERT_STATUS(&stage, 6, "companion-not-named", "assign", "--owner=vm:a", "--exact", "02:00.0");
        ASSERT_STATUS(&stage, 6, "host-driver-stays", "assign", "--owner=vm:a", "00:1f.2");
        ASSERT_STATUS(&stage, 6, "not-endpoint", "assign", "--owner=vm:a", "00:02.0");
        ASSERT_STATUS(&stage, 7, "0000:7f:1f.0", "assign", "--owner=vm:a", "7f:1f.0");
        ASSERT_STATUS(&stage, 7, "999", "assign", "--owner=vm:a", "group:999");
        ASSERT_STATUS(&stage, 7, "vm:nobody", "release", "vm:nobody");
        ASSERT_STATUS(&stage, 2, "owner", "assign", "--owner=a\nb", "02:00.0");
        ASSERT_STATUS(&stage, 0, "", "assign", "--owner=vm:a", "02:00.0");
        ASSERT_STATUS(&stage, 4, "vm:a", "assign", "--owner=vm:b", "02:00.1");
} END_TEST

START_TEST(plan_and_assign_agree_on_the_exit_code) {
        static const char *const targets[] = { "02:00.0", "00:1f.2", "7f:1f.0", "group:14", "group:0" };
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                _cleanup_result_ Result plan = ctl(&stage, "plan", "assign", "--owner=vm:a", targets[i]);
                _cleanup_result_ Result assign = ctl(&stage, "assign", "--owner=vm:a", targets[i]), release = ctl(&stage, "release", "vm:a");

                ck_assert_msg(plan.status == assign.status, "%s: %d, %d", targets[i], plan.status, assign.status);
        }
} END_TEST

START_TEST(run_hands_over_the_nodes_of_the_iommufd_backend) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result result = ctl(&stage, "run", "--owner=vm:a", "02:00.0", "--", "sh", "-c", "for fd; do readlink /proc/self/fd/$fd; done", "sh",
                                             "{iommufd}", "{fd:02:00.0}", "{fd:02:00.1}");
        _cleanup_result_ Result list = ctl(&stage, "list");
        char *second = strstr(result.out, "/dev/vfio/devices/vfio"), *third = second ? strstr(second + 1, "/dev/vfio/devices/vfio") : NULL;

        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.out, "/dev/iommu\n"));
        ck_assert_ptr_nonnull(third);
        ck_assert_ptr_null(strstr(list.out, "assigned"));
} END_TEST

START_TEST(run_hands_over_the_nodes_of_the_group_backend) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .host = FIXTURE_LAB });
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result result = ctl(&stage, "run", "--owner=vm:a", "02:00.0", "--", "sh", "-c", "for fd; do readlink /proc/self/fd/$fd; done", "sh",
                                             "{container}", "{group:02:00.1}");
        _cleanup_result_ Result itself = ctl(&stage, "run", "--owner=vm:a", "02:00.0", "--", "sh", "-c", "echo ${ASSIGND_FDS-none}", "vfio-pci,host=02:00.0");
        _cleanup_result_ Result wrong = ctl(&stage, "run", "--owner=vm:a", "02:00.0", "--", "echo", "{iommufd}");

        ck_assert_str_eq(result.err + strlen(result.err) - 1, "\n");
        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.out, "/dev/vfio/vfio\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "/dev/vfio/14\n"));
        ck_assert_str_eq(itself.out, "none\n");
        ck_assert_int_eq(wrong.status, 2);
} END_TEST

START_TEST(run_that_is_killed_gives_back_when_the_command_ends) {
        static const char *const arguments[] = { "run", "--owner=vm:a", "02:00.0", "--", "sh", "-c", "trap '' TERM; echo ready; read x", NULL };
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);
        Process monitor = monitor_start(&stage), process = ctl_start(&stage, arguments);
        _cleanup_free_ char *line = line_read(process.out);
        _cleanup_result_ Result held = {}, result = {}, list = {};

        ck_assert_str_eq(line, "ready");
        monitor_await(&monitor, "assignment-new");
        ck_assert_int_eq(kill(process.pid, SIGKILL), 0);
        held = ctl(&stage, "list");
        ck_assert_ptr_nonnull(strstr(held.out, "  assigned  "));
        result = ctl_finish(&process); /* the end of its input ends the command */
        ck_assert_int_eq(result.status, 128 + SIGKILL);
        monitor_await(&monitor, "assignment-removed");
        list = ctl(&stage, "list");
        ck_assert_ptr_null(strstr(list.out, "vm:a"));
        monitor_end(&monitor);
} END_TEST

START_TEST(a_lease_gives_back_when_its_input_ends) {
        static const char *const arguments[] = { "assign", "--lease", "--owner=vm:a", "02:00.0", NULL };
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);
        Process process = ctl_start(&stage, arguments);
        _cleanup_free_ char *line = line_read(process.out);
        _cleanup_result_ Result held = ctl(&stage, "list"), result = ctl_finish(&process), list = ctl(&stage, "list");

        ck_assert_ptr_nonnull(line);
        ck_assert_ptr_nonnull(strstr(held.out, "vm:a"));
        ck_assert_str_eq(result.err, "");
        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_null(strstr(list.out, "vm:a"));
} END_TEST

START_TEST(the_trail_has_refusals_and_answers_queries) {
        _cleanup_fixture_ Fixture *fixture = fixture_with_iommufd();
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result refused = ctl(&stage, "assign", "--owner=vm:a", "--exact", "02:00.0"), assign = ctl(&stage, "assign", "--owner=vm:a", "02:00.0");
        _cleanup_result_ Result result = ctl(&stage, "audit", "--json", "--device=02:00.1"), filtered = ctl(&stage, "audit", "--json", "--outcome=refused");
        _cleanup_result_ Result query = ctl(&stage, "audit", "sql", "SELECT verb, owner, outcome FROM audit_log ORDER BY id", "--no-legend");
        _cleanup_json_ json_t *json = result_json(&result), *refusals = result_json(&filtered);
        _cleanup_free_ char *path = NULL;
        _cleanup_result_ Result exported = {};

        ck_assert_uint_eq(json_array_size(json_object_get(json, "entries")), 2);
        ck_assert_uint_eq(json_array_size(json_object_get(refusals, "entries")), 1);
        ck_assert_str_eq(query.out, "assign  vm:a  refused\nassign  vm:a  done\n");
        ck_assert_int_ge(asprintf(&path, "%s/export.db", fixture->directory), 0);
        exported = ctl(&stage, "audit", "export", path);
        ck_assert_int_eq(exported.status, 0);
} END_TEST

START_TEST(nobody_is_denied) {
        static const FixturePolicy policies[] = { FIXTURE_POLICY_SHIPPED, FIXTURE_POLICY_OPEN };

        for (size_t i = 0; i < ELEMENTSOF(policies); i++) {
                _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .host = FIXTURE_LAB_IOMMUFD, .policy = policies[i] });
                Stage stage = { .address = fixture->address, .as_nobody = true };

                ASSERT_STATUS(&stage, 3, "", "list");
                ASSERT_STATUS(&stage, 3, "", "assign", "--owner=vm:a", "02:00.0");
                ASSERT_STATUS(&stage, 3, "", "run", "--owner=vm:a", "02:00.0", "--", "true");
        }
} END_TEST

START_TEST(check_is_done_where_a_device_could_be_assigned) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result text = ctl(&stage, "check"), as_json = ctl(&stage, "check", "--json");
        _cleanup_json_ json_t *check = result_json(&as_json);
        const json_t *findings = json_object_get(check, "findings");

        ck_assert_int_eq(text.status, 0);
        ck_assert_ptr_nonnull(strstr(text.out, "ok       The IOMMU is on: "));
        ck_assert_ptr_nonnull(strstr(text.out, "ok       At least one group could be assigned now\n"));
        ck_assert_int_eq(as_json.status, 0);
        ck_assert(json_is_true(json_object_get(check, "fit")));
        ck_assert_uint_ge(json_array_size(findings), 8);
        ck_assert_str_eq(json_text(json_array_get(findings, 0), "code"), "iommu");
        ck_assert_str_eq(json_text(json_array_get(findings, 0), "level"), "ok");
}
END_TEST

/* Every group reaches all memory: nothing could be assigned without an override. */
START_TEST(check_says_six_where_none_could) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        Stage stage = stage_of(fixture);
        _cleanup_result_ Result result = {}, usage = ctl(&stage, "check", "02:00.0");

        for (uint32_t group = 0; group < 64; group++)
                (void) treegen_set_group_attribute(fixture->tree->fd, group, "type", "identity\n");
        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Rescan", ""));
        result = ctl(&stage, "check");
        ck_assert_int_eq(result.status, 6);
        ck_assert_ptr_nonnull(strstr(result.out, "groups reach all memory"));
        ck_assert_ptr_nonnull(strstr(result.out, "-> Take iommu=pt"));
        ck_assert_ptr_nonnull(strstr(result.out, "problem  No group could be assigned now"));
        ck_assert_int_eq(usage.status, 2);
}
END_TEST

BUS_SUITE("host", check_is_done_where_a_device_could_be_assigned, check_says_six_where_none_could, the_main_job_leaves_no_trace, what_is_shown_of_an_assigned_device, why_names_the_members,
          refusals_have_their_exit_codes_and_sentences, plan_and_assign_agree_on_the_exit_code, run_hands_over_the_nodes_of_the_iommufd_backend,
          run_hands_over_the_nodes_of_the_group_backend, run_that_is_killed_gives_back_when_the_command_ends, a_lease_gives_back_when_its_input_ends,
          the_trail_has_refusals_and_answers_queries, nobody_is_denied)
