/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "suite.h"

#include <string.h>

START_TEST(equality_knows_null) {
        ck_assert(string_equal(NULL, NULL));
        ck_assert(!string_equal(NULL, ""));
        ck_assert(!string_equal("a", NULL));
        ck_assert(string_equal("a", "a"));
        ck_assert(!string_equal("a", "ab"));
}
END_TEST

START_TEST(copy_keeps_null) {
        _cleanup_free_ char *copy = NULL;
        char *none = (char *) "sentinel";

        ck_assert_int_eq(string_copy(NULL, &none), 0);
        ck_assert_ptr_null(none);
        ck_assert_int_eq(string_copy("text", &copy), 0);
        ck_assert_str_eq(copy, "text");
}
END_TEST

START_TEST(replace_says_whether_something_changed) {
        _cleanup_free_ char *s = NULL;

        ck_assert_int_eq(string_replace(&s, NULL), 0);
        ck_assert_int_eq(string_replace(&s, "one"), 1);
        ck_assert_int_eq(string_replace(&s, "one"), 0);
        ck_assert_int_eq(string_replace(&s, "two"), 1);
        ck_assert_str_eq(s, "two");
        ck_assert_int_eq(string_replace(&s, NULL), 1);
        ck_assert_ptr_null(s);
}
END_TEST

START_TEST(format_gives_owned_text) {
        _cleanup_free_ char *s = NULL;

        ck_assert_int_eq(string_format(&s, "%s-%d", "group", 14), 0);
        ck_assert_str_eq(s, "group-14");
}
END_TEST

static void assert_escaped(const char *s, size_t max, const char *expected) {
        _cleanup_free_ char *escaped = NULL;

        ck_assert_int_eq(string_escape(s, max, &escaped), 0);
        ck_assert_str_eq(escaped, expected);
        ck_assert_uint_le(strlen(escaped), max);
}

START_TEST(printable_text_stays_as_it_is) {
        assert_escaped("", 10, "");
        assert_escaped("vm:web1", 100, "vm:web1");
        assert_escaped("Gerät €𝄞", 100, "Gerät €𝄞");
}
END_TEST

START_TEST(control_characters_backslashes_and_invalid_bytes_are_escaped) {
        assert_escaped("a\nb\x1b[31m\x7f", 100, "a\\x0ab\\x1b[31m\\x7f");
        assert_escaped("C:\\x", 100, "C:\\x5cx");
        assert_escaped("\xc2\x85", 100, "\\xc2\\x85");         /* C1: next line */
        assert_escaped("\xff\xfe", 100, "\\xff\\xfe");
        assert_escaped("\xe2\x82", 100, "\\xe2\\x82");         /* cut in the middle */
        assert_escaped("\xc0\xaf", 100, "\\xc0\\xaf");         /* overlong slash */
        assert_escaped("\xe0\x80\xaf", 100, "\\xe0\\x80\\xaf");
        assert_escaped("\xed\xa0\x80", 100, "\\xed\\xa0\\x80"); /* surrogate */
        assert_escaped("\xf4\x90\x80\x80", 100, "\\xf4\\x90\\x80\\x80");
        assert_escaped("\xf0\x80\x80\x80", 100, "\\xf0\\x80\\x80\\x80");
}
END_TEST

START_TEST(text_that_is_too_long_is_cut_between_characters) {
        assert_escaped("abcdefgh", 8, "abcdefgh");
        assert_escaped("abcdefghi", 8, "abcde...");
        assert_escaped("abc\n\n", 8, "abc...");
        assert_escaped("abcd€€", 9, "abcd...");
        assert_escaped("abcdef", 2, "..");
        assert_escaped("abcdef", 0, "");
}
END_TEST

START_TEST(escaping_fits_every_limit) {
        _cleanup_free_ char *huge = malloc(4097);

        ck_assert_ptr_nonnull(huge);
        memset(huge, '\n', 4096);
        huge[4096] = '\0';

        for (size_t max = 0; max < 64; max++) {
                _cleanup_free_ char *escaped = NULL;

                ck_assert_int_eq(string_escape(huge, max, &escaped), 0);
                ck_assert_uint_le(strlen(escaped), max);
                ck_assert(strlen(escaped) + 4 > max || max < 4);
        }
}
END_TEST

START_TEST(printable_is_valid_utf8_without_controls_and_bounded) {
        ck_assert(string_is_printable("vm:web1", 7));
        ck_assert(!string_is_printable("vm:web1", 6));
        ck_assert(!string_is_printable("", 10));
        ck_assert(string_is_printable("büro", 5));
        ck_assert(!string_is_printable("a\tb", 10));
        ck_assert(!string_is_printable("a\x7f", 10));
        ck_assert(!string_is_printable("\xc2\x9b", 10));
        ck_assert(string_is_printable("\xc2\xa0", 10));
        ck_assert(!string_is_printable("a\xff", 10));
}
END_TEST

START_TEST(numbers_are_digits_and_nothing_else) {
        static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1\n", "1a", "one" };
        uint64_t u64;
        uint32_t u32;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_msg(parse_u32(bad[i], 10, &u32) == -EINVAL, "\"%s\" was accepted", bad[i]);
                ck_assert_msg(parse_u64(bad[i], 10, &u64) == -EINVAL, "\"%s\" was accepted", bad[i]);
        }
        ck_assert_int_eq(parse_u32("0014", 10, &u32), 0);
        ck_assert_uint_eq(u32, 14);
        ck_assert_int_eq(parse_u32("Ff", 16, &u32), 0);
        ck_assert_uint_eq(u32, 255);
        ck_assert_int_eq(parse_u32("g", 16, &u32), -EINVAL);
}
END_TEST

START_TEST(numbers_end_where_their_type_ends) {
        uint64_t u64 = 7;
        uint32_t u32 = 7;

        ck_assert_int_eq(parse_u32("4294967295", 10, &u32), 0);
        ck_assert_uint_eq(u32, UINT32_MAX);
        ck_assert_int_eq(parse_u32("4294967296", 10, &u32), -ERANGE);
        ck_assert_uint_eq(u32, UINT32_MAX);
        ck_assert_int_eq(parse_u64("18446744073709551615", 10, &u64), 0);
        ck_assert(u64 == UINT64_MAX);
        ck_assert_int_eq(parse_u64("18446744073709551616", 10, &u64), -ERANGE);
        ck_assert_int_eq(parse_u64("99999999999999999999999999", 10, &u64), -ERANGE);
        ck_assert_int_eq(parse_u64("ffffffffffffffff", 16, &u64), 0);
        ck_assert_int_eq(parse_u64("10000000000000000", 16, &u64), -ERANGE);
}
END_TEST

START_TEST(hexadecimal_digits_are_at_least_the_wanted_ones) {
        static const struct {
                uint32_t value;
                unsigned min;
                const char *expected;
        } cases[] = {
                { 0, 1, "0" }, { 0, 4, "0000" }, { 0x1f, 1, "1f" }, { 0x8086, 4, "8086" }, { 0x1234a, 4, "1234a" },
                { 0xffffffff, 4, "ffffffff" }, { 0x80000000, 8, "80000000" }, { 7, 8, "00000007" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[9];

                *hex_write(text, cases[i].value, cases[i].min) = '\0';
                ck_assert_str_eq(text, cases[i].expected);
        }
}
END_TEST

START_TEST(words_are_found_in_tables_with_gaps) {
        static const char *const table[] = { "zero", NULL, "two" };

        ck_assert_int_eq(string_table_find(table, 3, "two"), 2);
        ck_assert_int_eq(string_table_find(table, 3, "one"), -EINVAL);
        ck_assert_int_eq(string_table_find(table, 3, NULL), -EINVAL);
        ck_assert_int_eq(string_table_find(table, 2, "two"), -EINVAL);
}
END_TEST

START_TEST(string_arrays_grow_and_are_copied) {
        _cleanup_strv_free_ char **l = NULL, **copy = NULL;
        char **none = l;

        ck_assert_uint_eq(strv_length(NULL), 0);
        ck_assert(!strv_contains(NULL, "a"));
        ck_assert_int_eq(strv_copy(NULL, &none), 0);
        ck_assert_ptr_null(none);

        ck_assert_int_eq(strv_append(&l, "a"), 0);
        ck_assert_int_eq(strv_append(&l, "b"), 0);
        ck_assert_int_eq(strv_copy(l, &copy), 0);
        ck_assert_int_eq(strv_append(&l, "c"), 0);

        ck_assert_uint_eq(strv_length(l), 3);
        ck_assert(strv_contains(l, "c"));
        ck_assert_uint_eq(strv_length(copy), 2);
        ck_assert_str_eq(copy[1], "b");
        ck_assert(!strv_contains(copy, "c"));
}
END_TEST

SUITE("strutil",
      equality_knows_null,
      copy_keeps_null,
      replace_says_whether_something_changed,
      format_gives_owned_text,
      printable_text_stays_as_it_is,
      control_characters_backslashes_and_invalid_bytes_are_escaped,
      text_that_is_too_long_is_cut_between_characters,
      escaping_fits_every_limit,
      printable_is_valid_utf8_without_controls_and_bounded,
      numbers_are_digits_and_nothing_else,
      numbers_end_where_their_type_ends,
      hexadecimal_digits_are_at_least_the_wanted_ones,
      words_are_found_in_tables_with_gaps,
      string_arrays_grow_and_are_copied)
