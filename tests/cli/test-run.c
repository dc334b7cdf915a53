/* SPDX-License-Identifier: GPL-2.0-or-later */

/* run: a command with the devices. */

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/cli/harness.h"
#include "tests/cli/suite.h"

#define RUN "run", "--owner", "vm:web1", "02:00.0"
/* What is behind fd $1; the fake writes into each fd what it is. */
#define SHOW_FD "cat /proc/self/fd/$1"

static const FakeScript on_iommufd = {};
static const FakeScript on_group = { .backend = "group" };

START_TEST(placeholders_name_fds_that_the_command_has) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result iommufd = ctl(stage, RUN, "--", "sh", "-c", SHOW_FD, "sh", "{iommufd}");
        _cleanup_result_ Result wanted = ctl(stage, RUN, "--", "sh", "-c", SHOW_FD, "sh", "{fd:02:00.0}");
        _cleanup_result_ Result companion = ctl(stage, RUN, "--", "sh", "-c", SHOW_FD, "sh", "{fd:0000:02:00.1}");

        ck_assert_str_eq(iommufd.out, "iommufd");
        ck_assert_str_eq(wanted.out, "0000:02:00.0");
        ck_assert_str_eq(companion.out, "0000:02:00.1");
        ck_assert_int_eq(iommufd.status, 0);
} END_TEST

START_TEST(placeholders_of_the_group_backend) {
        _cleanup_stage_ Stage *stage = stage_new(&on_group);
        _cleanup_result_ Result container = ctl(stage, RUN, "--", "sh", "-c", SHOW_FD, "sh", "{container}");
        _cleanup_result_ Result group = ctl(stage, RUN, "--backend=group", "--", "sh", "-c", SHOW_FD, "sh", "{group:02:00.1}");

        ck_assert_str_eq(container.out, "container");
        ck_assert_str_eq(group.out, "group 14");
} END_TEST

START_TEST(only_an_address_that_was_not_named_needs_the_plan) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result named = ctl(stage, RUN, "--", "true", "{fd:0000:02:00.0}");
        _cleanup_free_ char *first = stage_await(stage, ""), *end = stage_await(stage, "lease-closed"), *second = NULL;
        _cleanup_result_ Result companion = ctl(stage, RUN, "--", "true", "{fd:02:00.1}");

        ck_assert_int_eq(strncmp(first, "AssignWithLease", strlen("AssignWithLease")), 0);
        second = stage_await(stage, "");
        ck_assert_int_eq(strncmp(second, "Plan", strlen("Plan")), 0);
} END_TEST

START_TEST(a_placeholder_may_stand_within_an_argument) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "printf", "%s", "a{{fd}b{\"x\":1}iommufd,fd={iommufd}!");
        int fd;

        ck_assert_int_eq(sscanf(result.out, "a{fd}b{\"x\":1}iommufd,fd=%d!", &fd), 1);
        ck_assert_int_gt(fd, 2);
} END_TEST

START_TEST(the_environment_names_every_fd) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "sh", "-c", "printf %s \"$ASSIGND_FDS\"");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *devices = json_object_get(json, "devices");

        ck_assert_str_eq(json_text(json, "backend"), "iommufd");
        ck_assert(json_is_integer(json_object_get(json_object_get(json, "shared"), "iommufd")));
        ck_assert_uint_eq(json_object_size(devices), 2);
        ck_assert(json_is_integer(json_object_get(devices, "0000:02:00.0")));
} END_TEST

/* The three standard ones, three that were opened, and the lease: "ls" itself opens the directory. */
START_TEST(nothing_else_is_inherited) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result opened = ctl(stage, RUN, "--", "sh", "-c", "ls /proc/self/fd | wc -l");
        _cleanup_result_ Result closed = ctl(stage, RUN, "--open=never", "--", "sh", "-c", "ls /proc/self/fd | wc -l");

        ck_assert_int_eq(atoi(opened.out), 3 + 3 + 1 + 1);
        ck_assert_int_eq(atoi(closed.out), 3 + 1 + 1);
} END_TEST

START_TEST(everything_is_given_back_when_the_command_ends) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "sh", "-c", "exit 42");
        _cleanup_free_ char *assign = stage_await(stage, "Assign"), *opened = stage_await(stage, "OpenDevices");
        _cleanup_free_ char *release = stage_await(stage, "Release"), *closed = stage_await(stage, "lease-closed");

        ck_assert_int_eq(result.status, 42);
        ck_assert_str_eq(result.out, "");
        ck_assert_str_eq(assign, "AssignWithLease [\"vm:web1\",[\"02:00.0\"],{}]");
        ck_assert_ptr_nonnull(opened);
        ck_assert_str_eq(release, "Release [{\"wait\":true}]");
        ck_assert_ptr_nonnull(closed);
} END_TEST

START_TEST(what_is_assigned_is_told_on_stderr) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "echo", "data");

        ck_assert_str_eq(result.out, "data\n");
        ck_assert_ptr_nonnull(strstr(result.err, "vm:web1 has group 14"));
        ck_assert_ptr_nonnull(strstr(result.err, "0000:02:00.1 (Something) comes along"));
} END_TEST

START_TEST(a_command_that_is_killed_is_128_and_the_signal) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "sh", "-c", "kill -KILL $$");
        _cleanup_free_ char *release = stage_await(stage, "Release");

        ck_assert_int_eq(result.status, 128 + SIGKILL);
        ck_assert_ptr_nonnull(release);
} END_TEST

START_TEST(a_command_that_is_not_there_is_127) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result missing = ctl(stage, RUN, "--", "no-such-command-anywhere"), directory = ctl(stage, RUN, "--", "/tmp");
        _cleanup_free_ char *release = stage_await(stage, "Release"), *closed = stage_await(stage, "lease-closed");

        ck_assert_int_eq(missing.status, 127);
        ck_assert_ptr_nonnull(strstr(missing.err, "'no-such-command-anywhere' cannot be run: No such file or directory"));
        ck_assert_int_eq(directory.status, 126);
        ck_assert_ptr_nonnull(release);
        ck_assert_ptr_nonnull(closed);
} END_TEST

static Process run_start(Stage *stage, const char *script) {
        const char *const arguments[] = { RUN, "--", "sh", "-c", script, NULL };
        Process process = ctl_start(stage, arguments);
        _cleanup_free_ char *line = line_read(process.out);

        ck_assert_str_eq(line, "ready");
        return process;
}

START_TEST(signals_are_passed_on) {
        static const struct {
                int signal;
                const char *name;
        } cases[] = { { SIGTERM, "TERM" }, { SIGINT, "INT" }, { SIGHUP, "HUP" }, { SIGUSR1, "USR1" } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
                _cleanup_free_ char *script = NULL;
                _cleanup_result_ Result result = {};
                Process process;

                ck_assert_int_ge(asprintf(&script, "trap 'echo got %s; exit 9' %s; echo ready; read x", cases[i].name, cases[i].name), 0);
                ck_assert(signal(cases[i].signal, SIG_DFL) != SIG_ERR); /* what was ignored before a shell it cannot trap: SIGHUP under nohup */
                process = run_start(stage, script);
                ck_assert_int_eq(kill(process.pid, cases[i].signal), 0);
                {
                        _cleanup_free_ char *line = line_read(process.out);

                        ck_assert_ptr_nonnull(line);
                        ck_assert_ptr_nonnull(strstr(line, cases[i].name));
                }
                result = ctl_finish(&process);
                ck_assert_int_eq(result.status, 9);
        }
} END_TEST

START_TEST(the_command_is_ended_and_everything_given_back_when_assign_ctl_is_killed) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        Process process = run_start(stage, "trap 'echo ending; exit 0' TERM; echo ready; read x; read x <&-");
        _cleanup_result_ Result result = {};
        _cleanup_free_ char *line = NULL, *closed = NULL;

        ck_assert_int_eq(kill(process.pid, SIGKILL), 0);
        line = line_read(process.out);
        ck_assert_str_eq(line, "ending");
        closed = stage_await(stage, "lease-closed");
        ck_assert_ptr_nonnull(closed);
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 128 + SIGKILL);
} END_TEST

/* The command ignores the signal and lives on: its devices must not be taken away under it. */
START_TEST(the_lease_lasts_as_long_as_the_command) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        Process process = run_start(stage, "trap '' TERM; echo ready; read x; echo still here");
        _cleanup_free_ char *line = NULL, *next = NULL, *closed = NULL;
        _cleanup_result_ Result list = {}, result = {};

        ck_assert_int_eq(kill(process.pid, SIGKILL), 0);
        list = ctl(stage, "list", "--json");
        ck_assert_ptr_nonnull(strstr(list.out, "\"owner\": \"vm:web1\""));
        next = stage_await(stage, "ListGroups");
        ck_assert_ptr_nonnull(next);

        ck_assert_int_eq(write(process.in, "\n", 1), 1);
        line = line_read(process.out);
        ck_assert_str_eq(line, "still here");
        closed = stage_await(stage, "lease-closed");
        ck_assert_ptr_nonnull(closed);
        result = ctl_finish(&process);
} END_TEST

START_TEST(wrong_placeholders_are_found_before_anything_is_assigned) {
        static const struct {
                const char *backend;
                const char *argument;
                const char *open;
                const char *sentence;
        } cases[] = {
                { "auto", "{print}", "auto", "'{print}' is no placeholder" },
                { "auto", "{fd:nonsense}", "auto", "'{fd:nonsense}' is no placeholder" },
                { "auto", "{fd:03:00.0}", "auto", "'{fd:03:00.0}' names a device that is not among those" },
                { "auto", "{container}", "auto", "no {container} and no {group:ADDRESS} on the iommufd backend" },
                { "iommufd", "{group:02:00.0}", "auto", "on the iommufd backend" },
                { "group", "{iommufd}", "auto", "no {iommufd} on the group backend" },
                { "auto", "{iommufd}{container}", "auto", "no {iommufd} on the group backend" },
                { "auto", "{iommufd}", "never", "With --open=never" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
                _cleanup_result_ Result result = ctl(stage, RUN, "--backend", cases[i].backend, "--open", cases[i].open, "--", "echo", cases[i].argument);
                _cleanup_result_ Result marker = ctl(stage, "show", "group:99");
                _cleanup_free_ char *line = NULL;

                ck_assert_msg(result.status == 2, "%s: %d", cases[i].argument, result.status);
                ck_assert_msg(strstr(result.err, cases[i].sentence), "%s: %s", cases[i].argument, result.err);
                ck_assert_str_eq(result.out, "");
                while ((line = stage_await(stage, "")) && !string_equal(line, "GetGroup [99]")) {
                        ck_assert_msg(strncmp(line, "Assign", strlen("Assign")) != 0, "%s", line);
                        free(TAKE_PTR(line));
                }
        }
} END_TEST

static bool was_opened(Stage *stage) {
        _cleanup_free_ char *assign = stage_await(stage, "AssignWithLease"), *line = NULL;

        ck_assert_ptr_nonnull(assign);
        while ((line = stage_await(stage, "")) && !strstr(line, "Release ")) {
                if (strstr(line, "OpenDevices"))
                        return true;
                free(TAKE_PTR(line));
        }
        return false;
}

START_TEST(a_command_that_opens_by_itself_is_left_to_it_on_the_group_backend) {
        static const struct {
                const char *mode;
                const char *argument;
                bool opened;
        } cases[] = {
                { "auto", "plain", true }, { "auto", "vfio-pci,host=02:00.0", false }, { "auto", "-a0000:02:00.1", false },
                { "auto", "/dev/vfio/14", false }, { "auto", "03:00.0", true }, { "auto", "host=02:00.0,fd={fd:02:00.0}", true },
                { "always", "vfio-pci,host=02:00.0", true }, { "never", "plain", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_stage_ Stage *stage = stage_new(&on_group);
                _cleanup_result_ Result result = ctl(stage, RUN, "--open", cases[i].mode, "--", "sh", "-c", "echo \"${ASSIGND_FDS-none}\"", cases[i].argument);

                ck_assert_int_eq(result.status, 0);
                ck_assert_msg(was_opened(stage) == cases[i].opened, "%s", cases[i].argument);
                ck_assert_int_eq(string_equal(result.out, "none\n"), !cases[i].opened);
                ck_assert_int_eq(strstr(result.err, "open the devices by itself") != NULL, string_equal(cases[i].mode, "auto") && !cases[i].opened);
        }
} END_TEST

START_TEST(on_the_iommufd_backend_devices_are_always_opened) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "true", "vfio-pci,host=02:00.0");

        ck_assert_int_eq(result.status, 0);
        ck_assert(was_opened(stage));
} END_TEST

START_TEST(a_failed_opening_gives_everything_back) {
        static const FakeScript failing = { .fail_member = "OpenDevices", .fail_name = "org.assignd1.Error.LimitsExceeded", .fail_message = "Too many." };
        _cleanup_stage_ Stage *stage = stage_new(&failing);
        _cleanup_result_ Result result = ctl(stage, "--json", RUN, "--", "echo", "not reached");
        _cleanup_json_ json_t *json = result_json(&result);
        _cleanup_free_ char *release = stage_await(stage, "Release"), *closed = stage_await(stage, "lease-closed");

        ck_assert_int_eq(result.status, 1);
        ck_assert_str_eq(json_text(json_object_get(json, "error"), "name"), "org.assignd1.Error.LimitsExceeded");
        ck_assert_ptr_nonnull(release);
        ck_assert_ptr_nonnull(closed);
} END_TEST

START_TEST(a_failed_release_counts_unless_the_command_failed_too) {
        static const FakeScript failing = { .fail_member = "Release", .fail_name = "org.assignd1.Error.Timeout", .fail_message = "Still held." };
        _cleanup_stage_ Stage *stage = stage_new(&failing);
        _cleanup_result_ Result well = ctl(stage, RUN, "--", "true"), badly = ctl(stage, RUN, "--", "sh", "-c", "exit 3");

        ck_assert_int_eq(well.status, 5);
        ck_assert_ptr_nonnull(strstr(well.err, "Still held."));
        ck_assert_int_eq(badly.status, 3);
        ck_assert_ptr_nonnull(strstr(badly.err, "Still held."));
} END_TEST

START_TEST(a_refused_assignment_runs_nothing) {
        static const FakeScript refusing = { .fail_member = "AssignWithLease", .fail_name = "org.assignd1.Error.Owned", .fail_message = "vm:other has it." };
        _cleanup_stage_ Stage *stage = stage_new(&refusing);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "echo", "not reached");

        ck_assert_int_eq(result.status, 4);
        ck_assert_str_eq(result.out, "");
        ck_assert_str_eq(result.err, "assign-ctl: vm:other has it.\n");
} END_TEST

/* A message carries 16 fds: the iommufd and 15 devices. */
START_TEST(many_devices_come_in_several_messages_with_one_iommufd) {
        static const struct {
                unsigned n_devices, n_messages;
        } cases[] = { { 15, 1 }, { 16, 2 }, { 30, 2 }, { 31, 3 } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakeScript many = { .n_devices = cases[i].n_devices };
                _cleanup_stage_ Stage *stage = stage_new(&many);
                _cleanup_result_ Result result = ctl(stage, RUN, "--", "sh", "-c", "printf %s \"$ASSIGND_FDS\"; cat /proc/self/fd/$1 >&2", "sh", "{iommufd}");
                _cleanup_json_ json_t *json = result_json(&result);
                const json_t *devices = json_object_get(json, "devices");

                ck_assert_int_eq(result.status, 0);
                ck_assert_ptr_nonnull(strstr(result.err, "iommufd"));
                ck_assert_uint_eq(json_object_size(json_object_get(json, "shared")), 1);
                ck_assert_uint_eq(json_object_size(devices), cases[i].n_devices);
                for (unsigned k = 0; k < cases[i].n_messages; k++) {
                        _cleanup_free_ char *line = stage_await(stage, "");

                        while (line && strncmp(line, "OpenDevices", strlen("OpenDevices")) != 0) {
                                ck_assert_msg(strncmp(line, "Release", strlen("Release")) != 0, "%u messages for %u devices", k, cases[i].n_devices);
                                free(TAKE_PTR(line));
                                line = stage_await(stage, "");
                        }
                        ck_assert_int_eq(strstr(line, "\"devices\"") != NULL, cases[i].n_messages > 1);
                }
        }
} END_TEST

START_TEST(more_than_a_message_carries_is_said_on_the_group_backend) {
        static const FakeScript many = { .n_devices = 15, .backend = "group" };
        _cleanup_stage_ Stage *stage = stage_new(&many);
        _cleanup_result_ Result result = ctl(stage, RUN, "--open=always", "--", "echo", "not reached"), by_itself = ctl(stage, RUN, "--open=never", "--", "true");

        ck_assert_int_eq(result.status, 1);
        ck_assert_str_eq(result.out, "");
        ck_assert_ptr_nonnull(strstr(result.err, "takes 17 file descriptors, and a message carries 16"));
        ck_assert_int_eq(by_itself.status, 0);
} END_TEST

static void end_process(pid_t *pid) {
        ck_assert_int_eq(kill(*pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(*pid, NULL, 0), *pid);
        *pid = 0;
}

START_TEST(an_assignd_that_was_restarted_meanwhile_is_asked_to_give_back) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        Process process = run_start(stage, "echo ready; read x; exit 42");
        _cleanup_free_ char *release = NULL;
        _cleanup_result_ Result result = {};
        int log;

        end_process(&stage->fake);
        (void) fclose(stage->log);
        stage->fake = fake_start(stage->address, &on_iommufd, &log);
        stage->log = fdopen(log, "re");
        ck_assert_ptr_nonnull(stage->log);
        ck_assert_int_eq(write(process.in, "\n", 1), 1);
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 42);
        release = stage_await(stage, "Release");
        ck_assert_ptr_nonnull(release);
} END_TEST

START_TEST(without_an_assignd_the_end_of_the_lease_gives_back) {
        static const char *const scripts[] = { "echo ready; read x; exit 42", "echo ready; read x; exit 0" };
        static const int statuses[] = { 42, 8 };

        for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
                _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
                Process process = run_start(stage, scripts[i]);
                _cleanup_result_ Result result = {};

                end_process(&stage->fake);
                result = ctl_finish(&process);
                ck_assert_int_eq(result.status, statuses[i]);
                ck_assert_ptr_nonnull(strstr(result.err, "gives the devices back when it is there again"));
        }
} END_TEST

START_TEST(the_command_and_its_lease_outlive_the_bus) {
        _cleanup_stage_ Stage *stage = stage_new(&on_iommufd);
        Process process = run_start(stage, "echo ready; read x; echo still here; exit 42");
        _cleanup_result_ Result result = {};
        _cleanup_free_ char *line = NULL;

        end_process(&stage->bus);
        ck_assert_int_eq(write(process.in, "\n", 1), 1);
        line = line_read(process.out);
        ck_assert_str_eq(line, "still here");
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 42);
        ck_assert_ptr_nonnull(strstr(result.err, "The lease ends now"));
} END_TEST

START_TEST(an_assignd_that_dies_while_it_gives_back_is_no_broken_answer) {
        static const FakeScript dying = { .drop_member = "Release" };
        _cleanup_stage_ Stage *stage = stage_new(&dying);
        _cleanup_result_ Result result = ctl(stage, RUN, "--", "true");

        ck_assert_int_eq(result.status, 8);
        ck_assert_ptr_nonnull(strstr(result.err, "The lease ends now"));
} END_TEST

int main(void) {
        const SuiteTest tests[] = {
                placeholders_name_fds_that_the_command_has,
                placeholders_of_the_group_backend,
                only_an_address_that_was_not_named_needs_the_plan,
                a_placeholder_may_stand_within_an_argument,
                the_environment_names_every_fd,
                nothing_else_is_inherited,
                everything_is_given_back_when_the_command_ends,
                what_is_assigned_is_told_on_stderr,
                a_command_that_is_killed_is_128_and_the_signal,
                a_command_that_is_not_there_is_127,
                signals_are_passed_on,
                the_command_is_ended_and_everything_given_back_when_assign_ctl_is_killed,
                the_lease_lasts_as_long_as_the_command,
                wrong_placeholders_are_found_before_anything_is_assigned,
                a_command_that_opens_by_itself_is_left_to_it_on_the_group_backend,
                on_the_iommufd_backend_devices_are_always_opened,
                a_failed_opening_gives_everything_back,
                a_failed_release_counts_unless_the_command_failed_too,
                a_refused_assignment_runs_nothing,
                many_devices_come_in_several_messages_with_one_iommufd,
                more_than_a_message_carries_is_said_on_the_group_backend,
                an_assignd_that_was_restarted_meanwhile_is_asked_to_give_back,
                without_an_assignd_the_end_of_the_lease_gives_back,
                the_command_and_its_lease_outlive_the_bus,
                an_assignd_that_dies_while_it_gives_back_is_no_broken_answer,
        };

        return suite_run("run", tests, ELEMENTSOF(tests));
}
