/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Why a verb did not do what it was asked for: a D-Bus error name (the daemon's, the bus's, or one chosen here), a sentence,
 * and the blockers that came with it. Told once, at the end of main(). */

#include <jansson.h>

#include "base/macro.h"

typedef enum ExitCode {
        EXIT_CODE_DONE = 0,
        EXIT_CODE_FAILED = 1,
        EXIT_CODE_USAGE = 2,
        EXIT_CODE_DENIED = 3,
        EXIT_CODE_BUSY = 4,
        EXIT_CODE_STUCK = 5,
        EXIT_CODE_NOT_VIABLE = 6,
        EXIT_CODE_NO_SUCH = 7,
        EXIT_CODE_NO_DAEMON = 8,
} ExitCode;

typedef struct Failure {
        char *name;       /* NULL: no failure */
        char *message;    /* may be NULL when memory ran out */
        json_t *blockers; /* an array in the form of `plan --json`, or NULL */
} Failure;

void failure_done(Failure *failure);

/* Replaces what was there. `blockers` (may be NULL) is taken over. Returns -ECANCELED always: for `return failure_set(...)`. */
int failure_set(Failure *failure, const char *name, json_t *blockers, const char *format, ...) _printf_(4, 5);

/* failure_set() for what was typed wrongly, and for what failed on this side of the bus. */
#define failure_usage(failure, ...) failure_set(failure, "org.freedesktop.DBus.Error.InvalidArgs", NULL, __VA_ARGS__)
#define failure_local(failure, ...) failure_set(failure, "org.freedesktop.DBus.Error.Failed", NULL, __VA_ARGS__)

/* The one table from error names to exit codes; EXIT_CODE_FAILED for a name it lacks. */
ExitCode failure_exit_code(const char *name);

/* For people: the message and one line a blocker. */
void failure_print(const Failure *failure, FILE *f);

/* {"name","message","blockers":[...]}; a new reference, NULL if memory ran out. */
json_t *failure_to_json(const Failure *failure);
