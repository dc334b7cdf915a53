/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"

#include <string.h>

int string_copy(const char *s, char **ret) {
        char *copy = NULL;

        if (s) {
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
        }

        *ret = copy;
        return 0;
}

int string_replace(char **s, const char *value) {
        char *copy;
        int r;

        if (string_equal(*s, value))
                return 0;

        r = string_copy(value, &copy);
        if (r < 0)
                return r;

        free(*s);
        *s = copy;
        return 1;
}

int string_vformat(char **ret, const char *format, va_list ap) {
        char *s;

        if (vasprintf(&s, format, ap) < 0)
                return -ENOMEM;

        *ret = s;
        return 0;
}

int string_format(char **ret, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = string_vformat(ret, format, ap);
        va_end(ap);
        return r;
}

/* The length a UTF-8 sequence that starts with `lead` has, 0 if none does. Overlong two-byte leads (c0, c1) and leads of
 * code points above U+10FFFF (f5 and up) start none. */
static size_t utf8_lead_length(unsigned char lead) {
        if (lead < 0x80)
                return 1;
        if (lead >= 0xc2 && lead <= 0xdf)
                return 2;
        if (lead >= 0xe0 && lead <= 0xef)
                return 3;
        if (lead >= 0xf0 && lead <= 0xf4)
                return 4;
        return 0;
}

size_t utf8_printable_length(const char *s) {
        const unsigned char *u = (const unsigned char *) s;
        size_t length = utf8_lead_length(u[0]);

        if (length == 0 || u[0] < 0x20 || u[0] == 0x7f)
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((u[i] & 0xc0) != 0x80)
                        return 0;

        if (u[0] == 0xc2 && u[1] < 0xa0) /* C1 controls */
                return 0;
        if (u[0] == 0xe0 && u[1] < 0xa0) /* overlong */
                return 0;
        if (u[0] == 0xed && u[1] >= 0xa0) /* surrogates */
                return 0;
        if (u[0] == 0xf0 && u[1] < 0x90) /* overlong */
                return 0;
        if (u[0] == 0xf4 && u[1] >= 0x90) /* above U+10FFFF */
                return 0;
        return length;
}

size_t string_escape_to(const char *s, bool escape_backslash, char *buffer, size_t size) {
        size_t used = 0, cut = 0, room = size - 1;

        while (*s) {
                char unit[5] = {};
                size_t taken = utf8_printable_length(s), length = taken;

                if (taken == 0 || (escape_backslash && *s == '\\')) {
                        taken = 1;
                        length = (size_t) snprintf(unit, sizeof(unit), "\\x%02x", (unsigned char) *s);
                } else
                        memcpy(unit, s, taken);

                if (used + length > room) {
                        size_t dots = room - cut < 3 ? room - cut : 3;

                        memcpy(buffer + cut, "...", dots);
                        used = cut + dots;
                        break;
                }
                memcpy(buffer + used, unit, length);
                used += length;
                s += taken;
                if (used + 3 <= room)
                        cut = used;
        }

        buffer[used] = '\0';
        return used;
}

int string_escape(const char *s, size_t max, char **ret) {
        size_t length = strlen(s);
        size_t size = (length < max / 4 ? length * 4 : max) + 1;
        char *escaped = malloc(size);

        if (!escaped)
                return -ENOMEM;

        (void) string_escape_to(s, true, escaped, size);
        *ret = escaped;
        return 0;
}

bool string_is_printable(const char *s, size_t max) {
        size_t total = 0;

        while (s[total]) {
                size_t length = utf8_printable_length(s + total);

                if (length == 0 || total + length > max)
                        return false;
                total += length;
        }
        return total > 0;
}

int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

char *hex_write(char *p, uint32_t value, unsigned min) {
        unsigned n = min;

        while (n < 8 && value >> 4 * n != 0)
                n++;
        while (n > 0)
                *p++ = "0123456789abcdef"[value >> 4 * --n & 0xf];
        return p;
}

int parse_u64(const char *s, unsigned base, uint64_t *ret) {
        uint64_t value = 0;

        if (*s == '\0')
                return -EINVAL;
        for (; *s; s++) {
                int digit = hex_digit(*s);

                if (digit < 0 || (unsigned) digit >= base)
                        return -EINVAL;
                if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, (unsigned) digit, &value))
                        return -ERANGE;
        }

        *ret = value;
        return 0;
}

int parse_u32(const char *s, unsigned base, uint32_t *ret) {
        uint64_t value;
        int r;

        r = parse_u64(s, base, &value);
        if (r < 0)
                return r;
        if (value > UINT32_MAX)
                return -ERANGE;

        *ret = (uint32_t) value;
        return 0;
}

int string_table_find(const char *const *table, size_t n, const char *s) {
        for (size_t i = 0; s && i < n; i++)
                if (string_equal(table[i], s))
                        return (int) i;
        return -EINVAL;
}

char **strv_free(char **l) {
        for (char **s = l; s && *s; s++)
                free(*s);
        free(l);
        return NULL;
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        while (l && l[n])
                n++;
        return n;
}

bool strv_contains(char *const *l, const char *s) {
        for (; l && *l; l++)
                if (string_equal(*l, s))
                        return true;
        return false;
}

int strv_copy(char *const *l, char ***ret) {
        _cleanup_strv_free_ char **copy = NULL;

        if (l) {
                copy = calloc(strv_length(l) + 1, sizeof(char *));
                if (!copy)
                        return -ENOMEM;
        }
        for (size_t i = 0; l && l[i]; i++) {
                int r = string_copy(l[i], &copy[i]);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(copy);
        return 0;
}

int strv_append(char ***l, const char *s) {
        _cleanup_free_ char *copy = NULL;
        size_t n = strv_length(*l);
        char **grown;
        int r;

        r = string_copy(s, &copy);
        if (r < 0)
                return r;

        grown = reallocarray(*l, n + 2, sizeof(char *));
        if (!grown)
                return -ENOMEM;

        grown[n] = TAKE_PTR(copy);
        grown[n + 1] = NULL;
        *l = grown;
        return 0;
}
