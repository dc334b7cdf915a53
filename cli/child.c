/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "base/io.h"

#define CHILD_STATUS_SIGNALLED 128

static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

typedef struct Child {
        char *const *argv;
        const int *fds;
        size_t n_fds;
        const char *name;
        const char *value;
        sigset_t mask; /* what it gets back */
        pid_t parent;
        int error_fd;  /* an errno is written here if exec fails */
} Child;

typedef struct Watch {
        pid_t pid;
        int status;
        bool ended;
} Watch;

static int fds_inherit(const int *fds, size_t n_fds) {
        for (size_t i = 0; i < n_fds; i++)
                if (fcntl(fds[i], F_SETFD, 0) < 0)
                        return -errno;
        return 0;
}

static int environment_set(const char *name, const char *value) {
        return RET_NERRNO(value ? setenv(name, value, 1) : unsetenv(name));
}

static int child_prepare(const Child *child) {
        int r;

        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
                return -errno;
        if (getppid() != child->parent)
                return -ESRCH; /* it died before the signal was set */
        r = fds_inherit(child->fds, child->n_fds);
        if (r < 0)
                return r;
        r = environment_set(child->name, child->value);
        if (r < 0)
                return r;
        return RET_NERRNO(sigprocmask(SIG_SETMASK, &child->mask, NULL));
}

static _Noreturn void child_exec(const Child *child) {
        int error = child_prepare(child);

        if (error >= 0) {
                (void) execvp(child->argv[0], child->argv);
                error = -errno;
        }
        (void) !write(child->error_fd, &error, sizeof(error));
        _exit(CHILD_STATUS_NOT_FOUND);
}

/* Returns the pid, or a negative errno; *ret_error is what exec failed with, or 0. */
static pid_t child_start(Child *child, int *ret_error) {
        int pipe_fds[2], error = 0, r;
        pid_t pid;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        child->parent = getpid();
        child->error_fd = pipe_fds[1];

        pid = fork();
        if (pid == 0)
                child_exec(child);
        r = pid < 0 ? -errno : 0;
        (void) close(pipe_fds[1]);
        if (r >= 0 && read_exactly(pipe_fds[0], &error, sizeof(error)) < 0)
                error = 0; /* closed by exec */
        (void) close(pipe_fds[0]);
        if (r < 0)
                return r;

        *ret_error = error;
        return pid;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        Watch *watch = userdata;

        watch->status = si->si_code == CLD_EXITED ? si->si_status : CHILD_STATUS_SIGNALLED + si->si_status;
        watch->ended = true;
        return 0;
}

/* What a terminal sends goes to its whole foreground process group. */
static bool signal_reached_child(const struct signalfd_siginfo *si, pid_t child) {
        return si->ssi_code == SI_KERNEL && getpgid(child) == getpgrp();
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Watch *watch = userdata;

        if (!watch->ended && !signal_reached_child(si, watch->pid))
                (void) kill(watch->pid, (int) si->ssi_signo);
        return 0;
}

static int signals_block(sigset_t *ret_before) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        for (size_t i = 0; i < ELEMENTSOF(forwarded); i++)
                (void) sigaddset(&set, forwarded[i]);
        return RET_NERRNO(sigprocmask(SIG_BLOCK, &set, ret_before));
}

static int watch_until_end(sd_event *event, Watch *watch) {
        int r;

        for (size_t i = 0; i < ELEMENTSOF(forwarded); i++) {
                r = sd_event_add_signal(event, NULL, forwarded[i], on_signal, watch);
                if (r < 0)
                        return r;
        }
        r = sd_event_add_child(event, NULL, watch->pid, WEXITED, on_child, watch);
        if (r < 0)
                return r;

        while (!watch->ended) {
                r = sd_event_run(event, UINT64_MAX);
                if (r < 0)
                        return r;
        }
        return 0;
}

int child_run(char *const argv[], const int *fds, size_t n_fds, const char *name, const char *value, int *ret_errno) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Child child = { .argv = argv, .fds = fds, .n_fds = n_fds, .name = name, .value = value };
        Watch watch = {};
        int error = 0, r;

        r = sd_event_new(&event);
        if (r < 0)
                return r;
        r = signals_block(&child.mask);
        if (r < 0)
                return r;
        watch.pid = child_start(&child, &error);
        if (watch.pid < 0)
                return watch.pid;

        r = watch_until_end(event, &watch);
        if (r < 0)
                return r;
        *ret_errno = -error;
        if (error == 0)
                return watch.status;
        return error == -ENOENT ? CHILD_STATUS_NOT_FOUND : CHILD_STATUS_NOT_RUN;
}
