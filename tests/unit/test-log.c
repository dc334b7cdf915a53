/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"

/* stderr goes into a pipe (each test is a process of its own). Returns the end to read from. */
static int stderr_catch(void) {
        int fds[2];

        (void) unsetenv("JOURNAL_STREAM");
        (void) unsetenv("ASSIGND_LOG_LEVEL");
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
        ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
        (void) close(fds[1]);
        return fds[0];
}

static void assert_said(int fd, const char *expected) {
        char buffer[8192];
        ssize_t n = read(fd, buffer, sizeof(buffer) - 1);

        buffer[n < 0 ? 0 : n] = '\0';
        ck_assert_str_eq(buffer, expected);
}

START_TEST(a_line_is_what_was_said) {
        int fd = stderr_catch();

        log_info("Group %d is assigned.", 14);
        assert_said(fd, "Group 14 is assigned.\n");
}
END_TEST

START_TEST(percent_m_is_the_given_error_and_comes_back_negative) {
        int fd = stderr_catch();

        errno = EEXIST;
        ck_assert_int_eq(log_error_errno(-ENOENT, "Failed to open: %m"), -ENOENT);
        ck_assert_int_eq(log_error_errno(EBUSY, "%m"), -EBUSY);
        ck_assert_int_eq(errno, EEXIST);
        assert_said(fd, "Failed to open: No such file or directory\nDevice or resource busy\n");
}
END_TEST

START_TEST(lines_above_the_level_are_dropped_and_keep_their_result) {
        int fd = stderr_catch();

        log_debug("not shown by default");
        ck_assert_int_eq(setenv("ASSIGND_LOG_LEVEL", "3", 1), 0);
        log_warning("not shown either");
        ck_assert_int_eq(log_warning_errno(-EIO, "nor this"), -EIO);
        log_error("shown");
        ck_assert_int_eq(setenv("ASSIGND_LOG_LEVEL", "7", 1), 0);
        log_debug("shown too");
        ck_assert_int_eq(setenv("ASSIGND_LOG_LEVEL", "lots", 1), 0);
        log_debug("a level that is no number is the default");
        assert_said(fd, "shown\nshown too\n");
}
END_TEST

START_TEST(nobody_forges_a_line) {
        int fd = stderr_catch();

        log_info("Owner %s is unknown.", "x\n<0>panic\x1b[2J");
        log_info("%s", "escaped before: \\x0a");
        assert_said(fd, "Owner x\\x0a<0>panic\\x1b[2J is unknown.\nescaped before: \\x0a\n");
}
END_TEST

START_TEST(a_line_too_long_is_cut_and_says_so) {
        char huge[6000], line[6000] = {};
        int fd = stderr_catch();
        size_t n;

        memset(huge, 'x', sizeof(huge) - 1);
        huge[sizeof(huge) - 1] = '\0';
        log_info("%s", huge);

        ck_assert_int_gt(read(fd, line, sizeof(line) - 1), 0);
        n = strlen(line);
        ck_assert_uint_lt(n, 2100);
        ck_assert_str_eq(line + n - 5, "x...\n");
}
END_TEST

START_TEST(the_journal_gets_the_priority_and_only_the_journal) {
        _cleanup_free_ char *stream = NULL;
        int fd = stderr_catch();
        struct stat st;

        ck_assert_int_eq(setenv("JOURNAL_STREAM", "1:1", 1), 0);
        log_error("stderr was redirected");
        ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
        ck_assert_int_eq(string_format(&stream, "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino), 0);
        ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
        log_error("stderr is the journal");
        assert_said(fd, "stderr was redirected\n<3>stderr is the journal\n");
}
END_TEST

SUITE("log",
      a_line_is_what_was_said,
      percent_m_is_the_given_error_and_comes_back_negative,
      lines_above_the_level_are_dropped_and_keep_their_result,
      nobody_forges_a_line,
      a_line_too_long_is_cut_and_says_so,
      the_journal_gets_the_priority_and_only_the_journal)
