/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The daemon's side of one assignd-worker process. Nothing here ever waits for the worker: it may hang in the kernel for
 * ever, is never signalled and never joined; freeing a Worker closes the socket, and the process ends by itself when its
 * last write returns. Its end is reaped by the event loop, through a pidfd that outlives the Worker and is the one thing that
 * a hanging process still costs; nothing process-wide (SIGCHLD) is touched or asked for. */

#include <systemd/sd-event.h>

#include "host/worker-protocol.h"

/* Where workers come from instead of processes of `path`: the seam for a test whose workers answer in its own process. */
typedef struct WorkerSource {
        /* The daemon's end of a SOCK_SEQPACKET pair, which the caller owns, or a negative errno. */
        int (*start)(void *userdata, pid_t *ret_pid, uint64_t *ret_start_time);
        /* worker_watch_leftover() for such a worker. */
        int (*watch_leftover)(void *userdata, pid_t pid, uint64_t start_time, int *ret_fd);
        void *userdata;
} WorkerSource;

typedef struct WorkerLauncher {
        const char *path; /* the worker binary */
        int sysfs_fd;     /* borrowed */
        int dev_fd;       /* borrowed */
        int proc_fd;      /* borrowed */
        const WorkerSource *source; /* borrowed; NULL: processes */
} WorkerLauncher;

typedef struct Worker Worker;

/* An answer (owns *fd if it takes it: set to -EBADF), or, with `answer` NULL, the end of the worker: it died or closed its
 * socket with requests unanswered, and nobody knows what of them happened. The handler may free the worker. */
typedef void (*worker_handler_t)(Worker *worker, const WorkerAnswer *answer, int *fd, void *userdata);

/* Starts a worker (posix_spawn, with only socket, sysfs, dev, proc and stderr open, in a session of its own) watched on `event`.
 * Returns 0 or a negative errno, that of the exec included. */
int worker_new(sd_event *event, const WorkerLauncher *launcher, worker_handler_t handler, void *userdata, Worker **ret);
Worker *worker_free(Worker *worker);
DEFINE_CLEANUP(Worker *, worker_free)

/* Sends one step; its answer comes later with the same sequence. -EAGAIN: too many unanswered (the socket is full). */
int worker_send(Worker *worker, const WorkerRequest *request);

/* Who it is, for the journal: `start_time` is field 22 of /proc/PID/stat (clock ticks since boot), 0 if unknown. */
pid_t worker_pid(const Worker *worker);
uint64_t worker_start_time(const Worker *worker);

/* Whether the process `pid` with that start time still runs: 1, 0 or a negative errno. For workers of a daemon before us. */
int worker_is_alive(pid_t pid, uint64_t start_time);

/* An fd that is readable (EPOLLIN) once that worker has ended: 1 with *ret_fd, which the caller owns, 0 if it has ended
 * already, or a negative errno. */
int worker_watch_leftover(const WorkerLauncher *launcher, pid_t pid, uint64_t start_time, int *ret_fd);
