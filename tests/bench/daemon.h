/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* An assignd of its own, on a private bus and a generated host. */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "tests/tree/treegen.h"

typedef struct Daemon {
        const char *program;
        TreeGen *tree;
        char directory[64]; /* with the bus, the database and the notification socket; on a disk */
        int notify_fd;
        pid_t bus_pid;
        pid_t pid; /* 0: does not run */
        sd_bus *bus;
} Daemon;

/* A host of that size and a bus. */
void daemon_prepare(Daemon *daemon, const char *program, unsigned n_devices, unsigned n_groups);
void daemon_done(Daemon *daemon);

/* How long it took from fork() to READY=1. */
uint64_t daemon_start_usec(Daemon *daemon);
void daemon_stop(Daemon *daemon);

/* The next start is a first one. */
void daemon_forget(Daemon *daemon);

/* A call of the manager without arguments, or, with `options`, with an empty a{sv}: until the answer is there. */
uint64_t daemon_call_usec(Daemon *daemon, const char *member, bool options);

/* What its thread spent on a processor until now. */
uint64_t daemon_cpu_usec(const Daemon *daemon);

/* A number from /proc/PID/status, in the file's unit ("VmRSS": KiB). */
uint64_t daemon_status(const Daemon *daemon, const char *field);
