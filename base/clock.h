/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <time.h>

#include "base/macro.h"

static inline uint64_t clock_usec(clockid_t clock) {
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

/* Microseconds since 1970, for rows and people; may jump. */
static inline uint64_t realtime_usec(void) {
        return clock_usec(CLOCK_REALTIME);
}

/* Microseconds since boot, for durations. */
static inline uint64_t monotonic_usec(void) {
        return clock_usec(CLOCK_MONOTONIC);
}
