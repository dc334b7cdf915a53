/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/glob.h"

#include <string.h>

#include "base/strutil.h"

#define WORD ((size_t) 8)

bool glob_matches(const char *pattern, const char *text) {
        const char *star = NULL, *resume = NULL;

        while (*text) {
                if (*pattern == '*') {
                        star = ++pattern;
                        resume = text;
                        if (*pattern == '\0')
                                return true;
                } else if (*pattern == '?' || *pattern == *text) {
                        pattern++;
                        text++;
                } else if (star) {
                        pattern = star;
                        text = ++resume;
                } else
                        return false;
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

/* Puts a byte of the pattern where that byte of a text's number is, unless it may be any. */
static void word_set(uint64_t *word, uint64_t *mask, size_t i, char c) {
        if (c == '?')
                return;
        *word |= (uint64_t) (unsigned char) c << 8 * i;
        *mask |= (uint64_t) 0xff << 8 * i;
}

int glob_set(Glob *glob, const char *pattern) {
        size_t n = strlen(pattern);
        int r;

        r = string_copy(pattern, &glob->pattern);
        if (r < 0)
                return r;
        for (size_t i = 0; i < WORD && i < n && pattern[i] != '*'; i++)
                word_set(&glob->head, &glob->head_mask, i, pattern[i]);
        for (size_t i = 0; i < WORD && i < n && pattern[n - 1 - i] != '*'; i++)
                word_set(&glob->tail, &glob->tail_mask, i, pattern[n - 1 - i]);
        return 0;
}

void glob_done(Glob *glob) {
        free(glob->pattern);
        *glob = (Glob) {};
}

GlobText glob_text(const char *s) {
        GlobText text = { .text = s };
        size_t n = s ? strlen(s) : 0;

        for (size_t i = 0; i < WORD && i < n; i++) {
                text.head |= (uint64_t) (unsigned char) s[i] << 8 * i;
                text.tail |= (uint64_t) (unsigned char) s[n - 1 - i] << 8 * i;
        }
        return text;
}
