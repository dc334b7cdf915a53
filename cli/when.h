/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Points in time as people type them. */

#include "base/macro.h"

/* Realtime. */
uint64_t when_now(void);

/* Parses "2026-01-31", "2026-01-31 14:30[:05]" (or with a T), "14:30[:05]" (today), "now", "today", "yesterday" (local time,
 * beginning of the day), "-90s", "-5m", "-2h", "-3d", "-1w" (before `now_usec`), "@SECONDS" since 1970. Returns 0 or -EINVAL. */
int when_parse(const char *s, uint64_t now_usec, uint64_t *ret_usec);
