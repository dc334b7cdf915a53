/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Text and JSON on a stream. Names of devices, owners and labels come from hardware and strangers: nothing is printed before
 * its control characters are escaped. */

#include <jansson.h>

#include "base/macro.h"

/* One formatted line; a newline is added, control characters within (newlines too) are escaped as \xNN. */
void output_line(FILE *f, const char *format, ...) _printf_(2, 3);

/* Text that may have several lines, each of them escaped. */
void output_text(FILE *f, const char *text);

/* An indented line for each blocker of the array (NULL: none), with how to go past it if one may. */
void output_blockers(FILE *f, const json_t *blockers);

/* A refusal: `head`, its message, and its blockers in lines of their own. Where the message only repeats what the blockers say,
 * `head_alone` stands above them instead. */
void output_refusal(FILE *f, const char *head, const char *head_alone, const char *message, const json_t *blockers);

/* "direct-mapping, not-endpoint", "overridden in-use-network": the blockers' codes, ordered, each once; freshly allocated, NULL if memory ran out. */
char *output_blocker_codes(const json_t *blockers);

/* The object, one line, or indented on a terminal. Only ASCII comes out, so that no terminal is at risk. Returns 0, -ENOMEM or
 * -EIO. */
int output_json(FILE *f, const json_t *json);

/* The same, always in one line and flushed: for streams of objects. */
int output_json_line(FILE *f, const json_t *json);

/* "a, b, c" of an array of strings and numbers, "-" of an empty one; freshly allocated, NULL if memory ran out. */
char *output_join(const json_t *array);

/* Whether colours may be used: a terminal that is not dumb, and NO_COLOR is unset or empty. */
bool output_has_color(FILE *f);

/* Local date and time to the second. */
#define OUTPUT_TIME_MAX sizeof("2000-01-01 00:00:00+000000")
const char *output_time(uint64_t realtime_usec, char buffer[static OUTPUT_TIME_MAX]);
