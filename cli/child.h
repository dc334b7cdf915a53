/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A command that is run with fds, and ends before us or gets SIGTERM when we do. */

#include "base/macro.h"

/* How a shell calls a command that is not there, and one that cannot be run. */
#define CHILD_STATUS_NOT_FOUND 127
#define CHILD_STATUS_NOT_RUN 126

/* Runs argv with `fds` left open across exec under their own numbers and $name=value set (value NULL: unset), and waits for its
 * end. SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to it, but those that a terminal sent to both of us.
 * Returns its exit status, 128 + the signal that ended it, CHILD_STATUS_NOT_FOUND or CHILD_STATUS_NOT_RUN with *ret_errno
 * set (else 0), or a negative errno. */
int child_run(char *const argv[], const int *fds, size_t n_fds, const char *name, const char *value, int *ret_errno);
