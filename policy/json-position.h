/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Where in a JSON text something stands. jansson tells it for text that is not JSON, and forgets it for text that is. */

#include "base/macro.h"

/* Both count from 1, the column in characters. */
typedef struct JsonPosition {
        unsigned line;
        unsigned column;
} JsonPosition;

/* The value that is reached by taking, one level after the other, the child of that index; or its key, if that child is an object's member and
 * `at_key`. The text must be valid JSON, and the path one of it: of any other text the answer is some position within it. */
JsonPosition json_position_find(const char *text, size_t size, const size_t *path, size_t depth, bool at_key);

/* The lines at which the first `n` items of the array begin that the path leads to, in one pass. */
void json_position_lines(const char *text, size_t size, const size_t *path, size_t depth, unsigned *ret_lines, size_t n);

/* Where the last token of the text before byte `end` begins. */
JsonPosition json_position_of_token(const char *text, size_t size, size_t end);
