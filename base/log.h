/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Log lines for people, on stderr: with the kernel's "<N>" priority prefix where stderr is the journal (JOURNAL_STREAM is
 * set), plain elsewhere. Lines above the level in $ASSIGND_LOG_LEVEL (a syslog number, default 6 = info) are dropped.
 * Library folders (base, policy, db) log nothing above debug; an error is logged once, by the caller that knows the sentence. */

#include <syslog.h>

#include "base/macro.h"

/* Writes one line. `error` (0, an errno or a negative errno) is what %m in `format` means. Control characters of the
 * finished line are escaped, so that no string from hardware or a caller can forge a line. Returns -abs(error). */
int log_line(int level, int error, const char *format, ...) _printf_(3, 4);

#define log_debug(...) ((void) log_line(LOG_DEBUG, 0, __VA_ARGS__))
#define log_info(...) ((void) log_line(LOG_INFO, 0, __VA_ARGS__))
#define log_notice(...) ((void) log_line(LOG_NOTICE, 0, __VA_ARGS__))
#define log_warning(...) ((void) log_line(LOG_WARNING, 0, __VA_ARGS__))
#define log_error(...) ((void) log_line(LOG_ERR, 0, __VA_ARGS__))

/* These return the negative errno, for `return log_error_errno(r, "Failed to ...: %m");` */
#define log_debug_errno(error, ...) log_line(LOG_DEBUG, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_line(LOG_WARNING, error, __VA_ARGS__)
#define log_error_errno(error, ...) log_line(LOG_ERR, error, __VA_ARGS__)
