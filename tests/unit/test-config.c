/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <getopt.h>
#include <string.h>

#include "base/strutil.h"
#include "daemon/config.h"
#include "suite.h"

static char said[1024]; /* on stderr */
static Config config;

/* Parses what follows argv[0]; the arguments end with NULL. */
static int parse(const char *const *arguments) {
        FILE *before = stderr;
        char *argv[16] = { (char *) "assignd" };
        int argc = 1, r;

        while (arguments[argc - 1]) {
                argv[argc] = (char *) arguments[argc - 1];
                argc++;
        }
        optind = 0;
        stderr = fmemopen(said, sizeof(said), "w");
        ck_assert_ptr_nonnull(stderr);
        r = config_parse(argc, argv, &config);
        (void) fclose(stderr);
        stderr = before;
        return r;
}

#define PARSE(...) parse((const char *const[]) { __VA_ARGS__, NULL })

START_TEST(without_arguments_it_is_the_systems_paths) {
        (void) unsetenv("STATE_DIRECTORY");
        ck_assert_int_eq(parse((const char *const[]) { NULL }), 1);
        ck_assert_str_eq(config.sysfs_path, "/sys");
        ck_assert_str_eq(config.dev_path, "/dev");
        ck_assert_str_eq(config.proc_path, "/proc");
        ck_assert_str_eq(config.state_directory, STATE_DIRECTORY);
        ck_assert_str_eq(config.worker_path, WORKER_PATH);
        ck_assert_ptr_null(config.pci_ids_path);
        ck_assert_ptr_null(config.uevent_socket);
        ck_assert_uint_lt(config.slow_usec, config.stuck_usec);
}
END_TEST

START_TEST(every_path_can_be_another) {
        ck_assert_int_eq(PARSE("--sysfs=/a", "--dev", "/b", "--proc=/c", "--state-directory=/d", "--worker=/e", "--pci-ids=/f", "--uevents=/g"), 1);
        ck_assert_str_eq(config.sysfs_path, "/a");
        ck_assert_str_eq(config.dev_path, "/b");
        ck_assert_str_eq(config.proc_path, "/c");
        ck_assert_str_eq(config.state_directory, "/d");
        ck_assert_str_eq(config.worker_path, "/e");
        ck_assert_str_eq(config.pci_ids_path, "/f");
        ck_assert_str_eq(config.uevent_socket, "/g");
}
END_TEST

START_TEST(the_state_directory_is_the_options_or_systemds) {
        ck_assert_int_eq(setenv("STATE_DIRECTORY", "/from/systemd", 1), 0);
        ck_assert_int_eq(parse((const char *const[]) { NULL }), 1);
        ck_assert_str_eq(config.state_directory, "/from/systemd");
        ck_assert_int_eq(PARSE("--state-directory=/from/me"), 1);
        ck_assert_str_eq(config.state_directory, "/from/me");
}
END_TEST

START_TEST(no_uevents_is_a_word) {
        ck_assert_int_eq(PARSE("--uevents=none"), 1);
        ck_assert_str_eq(config.uevent_socket, "");
}
END_TEST

START_TEST(times_are_milliseconds_within_a_day) {
        ck_assert_int_eq(PARSE("--slow-msec=1", "--stuck-msec=86400000"), 1);
        ck_assert_uint_eq(config.slow_usec, USEC_PER_MSEC);
        ck_assert_uint_eq(config.stuck_usec, 86400 * USEC_PER_SEC);
}
END_TEST

START_TEST(a_time_that_is_none_is_named_with_what_was_expected) {
        static const char *const texts[] = { "0", "-1", "1s", "", "86400001", "99999999999999999999999" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                ck_assert_int_eq(PARSE("--stuck-msec", texts[i]), -EINVAL);
                ck_assert_msg(strstr(said, "--stuck-msec takes a number of milliseconds from 1 to 86400000"), "%s", said);
                ck_assert_ptr_nonnull(strstr(said, texts[i]));
        }
}
END_TEST

START_TEST(an_unknown_option_or_an_argument_is_an_error) {
        ck_assert_int_eq(PARSE("--no-such-option"), -EINVAL);
        ck_assert_ptr_nonnull(strstr(said, "no-such-option"));
        ck_assert_int_eq(PARSE("--sysfs"), -EINVAL);
        ck_assert_int_eq(PARSE("start"), -EINVAL);
        ck_assert_ptr_nonnull(strstr(said, "'start'"));
}
END_TEST

START_TEST(help_and_version_do_the_work) {
        (void) !freopen("/dev/null", "w", stdout);
        ck_assert_int_eq(PARSE("--help"), 0);
        ck_assert_int_eq(PARSE("--version"), 0);
}
END_TEST

START_TEST(a_failed_parse_writes_nothing) {
        config = (Config) { .sysfs_path = "untouched" };
        ck_assert_int_eq(PARSE("--sysfs=/a", "--stuck-msec=x"), -EINVAL);
        ck_assert_str_eq(config.sysfs_path, "untouched");
}
END_TEST

SUITE("config", without_arguments_it_is_the_systems_paths, every_path_can_be_another, the_state_directory_is_the_options_or_systemds,
      no_uevents_is_a_word, times_are_milliseconds_within_a_day, a_time_that_is_none_is_named_with_what_was_expected,
      an_unknown_option_or_an_argument_is_an_error, help_and_version_do_the_work, a_failed_parse_writes_nothing)
