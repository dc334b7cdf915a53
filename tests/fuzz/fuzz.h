/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A fuzz target: linked with libFuzzer (-Dfuzz=true, with clang) it is searched for inputs that fail; linked with replay.c it runs the files
 * of its corpus. A failure is a crash, an abort, or a report of a sanitizer. */

#include "base/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition) \
        do { \
                if (!(condition)) \
                        abort(); \
        } while (0)
