/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/walk/clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"

#define BEGIN_USEC (UINT64_C(4000000000) * USEC_PER_SEC) /* the year 2096 */

static uint64_t now_usec = BEGIN_USEC;

int clock_gettime(clockid_t clock, struct timespec *ret) {
        now_usec++;
        *ret = (struct timespec) { .tv_sec = (time_t) (now_usec / USEC_PER_SEC), .tv_nsec = (long) (now_usec % USEC_PER_SEC) * 1000 };
        return 0;
}

void clock_reset(void) {
        now_usec = BEGIN_USEC;
}

void clock_pass(uint64_t usec) {
        now_usec += usec;
}

uint64_t clock_real_usec(void) {
        struct timespec t = {};

        (void) syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}
