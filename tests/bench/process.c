/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/process.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"

static _Noreturn void become(const char *const *argv, const char *const *environment, int stdout_fd) {
        int fd = stdout_fd >= 0 ? stdout_fd : open("/dev/null", O_WRONLY);

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || dup2(fd, STDOUT_FILENO) < 0)
                _exit(126);
        for (const char *const *e = environment; e && *e; e++)
                if (putenv((char *) *e) != 0)
                        _exit(126);
        execvp(argv[0], (char **) argv);
        _exit(127);
}

pid_t process_start(const char *const *argv, const char *const *environment, int stdout_fd) {
        pid_t pid = fork();

        if (pid < 0)
                err(EXIT_FAILURE, "cannot fork");
        if (pid == 0)
                become(argv, environment, stdout_fd);
        return pid;
}

int process_end(pid_t pid, int signal_number) {
        int status;

        if (signal_number > 0 && kill(pid, signal_number) < 0)
                err(EXIT_FAILURE, "cannot end process %d", (int) pid);
        if (waitpid(pid, &status, 0) != pid)
                err(EXIT_FAILURE, "cannot wait for process %d", (int) pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

uint64_t process_run_usec(const char *const *argv) {
        uint64_t begin = monotonic_usec();
        int status = process_end(process_start(argv, NULL, -EBADF), 0);
        uint64_t usec = monotonic_usec() - begin;

        if (status != 0)
                errx(EXIT_FAILURE, "%s ended with status %d", argv[0], status);
        return usec;
}

void sample_print_pair(const char *row, uint64_t ours, uint64_t theirs) {
        printf("%s\t%" PRIu64 "\t%" PRIu64 "\n", row, ours, theirs);
        (void) fflush(stdout);
}

void sample_print(const char *row, uint64_t ours) {
        printf("%s\t%" PRIu64 "\t-\n", row, ours);
        (void) fflush(stdout);
}
