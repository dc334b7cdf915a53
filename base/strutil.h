/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdarg.h>

#include "base/macro.h"

static inline bool string_equal(const char *a, const char *b) {
        if (!a || !b)
                return a == b;
        return __builtin_strcmp(a, b) == 0;
}

/* strdup() that keeps NULL as NULL. Returns 0 or -ENOMEM. */
int string_copy(const char *s, char **ret);

/* Replaces the owned string *s by a copy of `value` (NULL allowed). Returns 1 if it changed, 0 if it was equal, -ENOMEM. */
int string_replace(char **s, const char *value);

/* Freshly allocated formatted text, which the caller frees. Returns 0 or -ENOMEM. */
int string_format(char **ret, const char *format, ...) _printf_(2, 3);
int string_vformat(char **ret, const char *format, va_list ap) _printf_(2, 0);

/* A printable copy of untrusted bytes: valid UTF-8 stays, control characters, invalid bytes and backslashes become \xNN,
 * at most `max` bytes of output with "..." at a cut. The caller frees *ret. Returns 0 or -ENOMEM. */
int string_escape(const char *s, size_t max, char **ret);

/* The same into `buffer` of `size` bytes (at least 1), NUL included; backslashes stay unless `escape_backslash`. Returns the
 * length written. */
size_t string_escape_to(const char *s, bool escape_backslash, char *buffer, size_t size);

/* The length in bytes of the character that the NUL-terminated `s` begins with; 0 if it is a control character (C0, DEL, C1), not
 * valid UTF-8, or the end. */
size_t utf8_printable_length(const char *s);

/* Whether `s` is valid UTF-8 without control characters (C0, DEL, C1), between 1 and `max` bytes long. */
bool string_is_printable(const char *s, size_t max);

/* The value of a hexadecimal digit of either case, else -EINVAL. */
int hex_digit(char c);

/* Writes `value` in lower-case hexadecimal digits, at least `min` of them (up to 8), and no NUL. Returns where it ends. */
char *hex_write(char *p, uint32_t value, unsigned min);

/* Parses an unsigned decimal or hexadecimal number (no sign, no blanks, no "0x"), all of it. -EINVAL, -ERANGE. */
int parse_u32(const char *s, unsigned base, uint32_t *ret);
int parse_u64(const char *s, unsigned base, uint64_t *ret);

/* The index of `s` (NULL is found nowhere) in a table of `n` words of which some may be NULL, else -EINVAL: enums from their words. */
int string_table_find(const char *const *table, size_t n, const char *s);

/* NULL-terminated string arrays. */
char **strv_free(char **l);
size_t strv_length(char *const *l);
bool strv_contains(char *const *l, const char *s);
int strv_copy(char *const *l, char ***ret);
/* Appends a copy of `s` to *l (NULL is an empty array). Returns 0 or -ENOMEM. */
int strv_append(char ***l, const char *s);
DEFINE_CLEANUP(char **, strv_free)
#define _cleanup_strv_free_ _cleanup_(strv_freep)
