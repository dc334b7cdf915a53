/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A fuzz target: linked with libFuzzer (-Dfuzz=true, with clang) it is searched for inputs that fail; linked with replay.c it runs the files
 * of its corpus. A failure is a crash, an abort, or a report of a sanitizer. */

#include "base/macro.h"

/* The input with a NUL behind it; to be freed. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
        char *text = calloc(1, size + 1);

        if (!text)
                abort();
        for (size_t i = 0; i < size; i++)
                text[i] = (char) data[i];
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition) \
        do { \
                if (!(condition)) \
                        abort(); \
        } while (0)
