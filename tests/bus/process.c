/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bus/process.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/macro.h"

static _Noreturn void become(const char *log, int keep_fd, const char *const *environment, const char *const *argv) {
        int fd;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                _exit(126);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
                _exit(126);
        if (keep_fd >= 0 && dup2(keep_fd, 3) < 0)
                _exit(126);
        (void) close_range(keep_fd >= 0 ? 4 : 3, ~0U, 0);
        for (const char *const *e = environment; e && *e; e++)
                if (putenv((char *) *e) != 0)
                        _exit(126);
        execvp(argv[0], (char **) argv);
        _exit(127);
}

pid_t process_start(const char *log, int keep_fd, const char *const *environment, const char *const *argv) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                become(log, keep_fd, environment, argv);
        return pid;
}

int process_end(pid_t *pid, int signal_number, int timeout_msec) {
        _cleanup_close_ int fd = (int) syscall(SYS_pidfd_open, *pid, 0);
        struct pollfd poll_fd = { fd, POLLIN, 0 };
        bool ended;
        int status;

        ck_assert_int_ge(fd, 0);
        if (signal_number > 0)
                ck_assert_int_eq(kill(*pid, signal_number), 0);
        ended = poll(&poll_fd, 1, timeout_msec) > 0;
        if (!ended)
                (void) kill(*pid, SIGKILL);
        ck_assert_int_eq(waitpid(*pid, &status, 0), *pid);
        *pid = 0;
        ck_assert_msg(ended, "a process has not ended in time");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
