/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A private bus, the fake assignd on it, and assign-ctl as a process. */

#include <jansson.h>
#include <sys/types.h>

#include "tests/cli/fake.h"

typedef struct Stage {
        char directory[64]; /* for files, removed with the stage */
        char *address;      /* of the bus */
        pid_t bus;
        pid_t fake;         /* 0: none */
        FILE *log;          /* its calls */
        bool as_nobody;     /* assign-ctl runs as user and group nobody */
} Stage;

/* `script` NULL: an empty bus, where assignd is not. Failures of the harness fail the test. */
Stage *stage_new(const FakeScript *script);
Stage *stage_free(Stage *stage);
DEFINE_CLEANUP(Stage *, stage_free)
#define _cleanup_stage_ _cleanup_(stage_freep)

/* Reads the fake's log up to a line that begins with `prefix`, and gives that line without its end (caller frees). NULL: the fake
 * has gone without such a call. */
char *stage_await(Stage *stage, const char *prefix);

typedef struct Process {
        pid_t pid;
        int in;  /* its stdin; closed by ctl_finish() */
        int out; /* what it prints */
        int err;
} Process;

typedef struct Result {
        int status; /* exit status, or 128 + signal */
        char *out;
        char *err;
} Result;

void result_done(Result *result);
#define _cleanup_result_ _cleanup_(result_done)

/* Starts assign-ctl with these arguments (NULL-terminated). */
Process ctl_start(Stage *stage, const char *const *arguments);

/* Reads one line (without its end) of `fd`, a byte at a time; the caller frees it. NULL at the end. */
char *line_read(int fd);

/* Closes stdin, reads everything and waits. */
Result ctl_finish(Process *process);

/* A whole run: ctl(stage, "list", "--json"). */
#define ctl(stage, ...) stage_run(stage, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })
Result stage_run(Stage *stage, const char *const *arguments);

/* Parses the output as one JSON object; fails the test if it is none. New reference. */
json_t *result_json(const Result *result);

/* The assign-ctl that is tested. */
#define ASSIGN_CTL (getenv("ASSIGN_CTL"))
