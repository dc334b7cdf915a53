/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/macro.h"

/* Whether the whole of `text` is what `pattern` means: "*" stands for any run of bytes, "?" for one byte, all else for itself. The time is
 * bounded by the product of the lengths, whatever the pattern. */
bool glob_matches(const char *pattern, const char *text);

/* A pattern and a text with their first and last eight bytes as numbers, so that nearly all that do not match are told apart by two comparisons. */
typedef struct Glob {
        char *pattern; /* NULL: none, which matches everything */
        uint64_t head, head_mask;
        uint64_t tail, tail_mask;
} Glob;

typedef struct GlobText {
        const char *text; /* NULL: none, which only no pattern matches */
        uint64_t head;
        uint64_t tail;
} GlobText;

/* Makes an empty *glob one of a copy of `pattern`. Returns 0 or -ENOMEM. */
int glob_set(Glob *glob, const char *pattern);
void glob_done(Glob *glob);

/* Borrows `s`, which may be NULL. */
GlobText glob_text(const char *s);

static inline bool glob_test(const Glob *glob, const GlobText *text) {
        if (!glob->pattern)
                return true;
        return text->text && (text->head & glob->head_mask) == glob->head && (text->tail & glob->tail_mask) == glob->tail &&
               glob_matches(glob->pattern, text->text);
}
