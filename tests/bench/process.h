/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Child processes, and the one line format of all measurements. What cannot be measured ends the program with a sentence. */

#include <inttypes.h>
#include <sys/types.h>

#include "base/macro.h"

/* Starts argv[0], found in $PATH, with `environment` ("NAME=VALUE", NULL: nothing) added to ours. It dies with this process.
 * Its stdout goes to `stdout_fd` (negative: nowhere). */
pid_t process_start(const char *const *argv, const char *const *environment, int stdout_fd);

/* Sends the signal (0: none) and waits. Returns the exit status, or 128 plus the signal that ended it. */
int process_end(pid_t pid, int signal_number);

/* Runs a program to its end, which must be a good one. Returns how long that took. */
uint64_t process_run_usec(const char *const *argv);

/* "ROW<TAB>OURS<TAB>THEIRS" on stdout, a pair or, without `theirs`, one measurement. Units are the row's (tests/bench/table.py). */
void sample_print_pair(const char *row, uint64_t ours, uint64_t theirs);
void sample_print(const char *row, uint64_t ours);
