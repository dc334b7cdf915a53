/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Processes of a test: they die with it. What goes wrong in here fails the test. */

#include <sys/types.h>

/* Starts argv[0] (searched in PATH) with stderr and stdout appended to the file `log`, `keep_fd` (-EBADF: none) as fd 3, and the
 * "NAME=value"s of `environment` (may be NULL) added to ours. */
pid_t process_start(const char *log, int keep_fd, const char *const *environment, const char *const *argv);

/* Sends the signal (0: none) and waits for the end of *pid, which becomes 0. Returns the exit status, or 128 plus the signal
 * that ended it. After timeout_msec it is killed and the test fails. */
int process_end(pid_t *pid, int signal_number, int timeout_msec);
