/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Time that passes only when it is told to: the program's own clock_gettime() takes the place of libc's, for the daemon's code
 * and for sd-event alike, so that a walk replays exactly and waits for nothing. Each reading takes a microsecond, so that no
 * two rows have the same time. The virtual clocks are far ahead of the real ones: no timerfd of sd-event ever fires by itself. */

#include <stdint.h>

void clock_reset(void);
void clock_pass(uint64_t usec);

/* The real one, for how long a run took. */
uint64_t clock_real_usec(void);
