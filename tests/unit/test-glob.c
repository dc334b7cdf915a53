/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/glob.h"

#include <string.h>

#include "suite.h"

START_TEST(a_glob_is_the_whole_text_or_nothing) {
        static const struct {
                const char *pattern, *text;
                bool matches;
        } cases[] = {
                { "", "", true }, { "", "a", false }, { "*", "", true }, { "*", "anything", true }, { "**", "", true }, { "?", "", false },
                { "?", "a", true }, { "?", "ab", false }, { "a", "a", true }, { "a", "A", false }, { "a", "ab", false }, { "ab", "a", false },
                { "vm:*", "vm:", true }, { "vm:*", "vm:web1", true }, { "vm:*", "ct:web1", false }, { "vm:*", "xvm:web1", false },
                { "*:02:*", "0000:02:00.0", true }, { "*:02:*", "0000:12:00.0", false }, { "0000:??:00.0", "0000:02:00.0", true },
                { "0000:??:00.0", "0000:02:00.1", false }, { "*.0", "0000:02:00.0", true }, { "*.0", "0000:02:00.1", false },
                { "a*b*c", "abc", true }, { "a*b*c", "axxbyybzzc", true }, { "a*b*c", "axxbyybzz", false }, { "*a", "aaa", true },
                { "[ab]", "a", false }, { "[ab]", "[ab]", true }, { "\\*", "\\x", true }, { "\\*", "*", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(glob_done) Glob glob = {};
                GlobText text = glob_text(cases[i].text);

                ck_assert_msg(glob_matches(cases[i].pattern, cases[i].text) == cases[i].matches, "%s on %s", cases[i].pattern, cases[i].text);
                ck_assert_int_eq(glob_set(&glob, cases[i].pattern), 0);
                ck_assert_msg(glob_test(&glob, &text) == cases[i].matches, "%s on %s, by numbers", cases[i].pattern, cases[i].text);
        }
}
END_TEST

START_TEST(numbers_never_change_what_matches) {
        static const char letters[] = "ab*?";
        unsigned seed = 1;

        for (unsigned round = 0; round < 100000; round++) {
                _cleanup_(glob_done) Glob glob = {};
                char pattern[21] = "", text[21] = "";
                GlobText numbers;

                for (size_t i = 0, n = (size_t) rand_r(&seed) % 20; i < n; i++)
                        pattern[i] = letters[rand_r(&seed) % 4];
                for (size_t i = 0, n = (size_t) rand_r(&seed) % 20; i < n; i++)
                        text[i] = letters[rand_r(&seed) % 2];
                numbers = glob_text(text);
                ck_assert_int_eq(glob_set(&glob, pattern), 0);
                ck_assert_msg(glob_test(&glob, &numbers) == glob_matches(pattern, text), "seed 1, round %u: %s on %s", round, pattern, text);
        }
}
END_TEST

START_TEST(no_pattern_matches_all_and_no_text_only_that) {
        _cleanup_(glob_done) Glob star = {};
        const Glob none = {};
        const GlobText absent = glob_text(NULL), empty = glob_text("");

        ck_assert_int_eq(glob_set(&star, "*"), 0);
        ck_assert(glob_test(&none, &absent));
        ck_assert(glob_test(&none, &empty));
        ck_assert(!glob_test(&star, &absent));
        ck_assert(glob_test(&star, &empty));
}
END_TEST

/* With exponential backtracking this takes longer than the universe has; the suite's timeout would end it. */
START_TEST(no_pattern_takes_for_ever) {
        char pattern[201], text[201];

        for (size_t i = 0; i < 200; i++) {
                pattern[i] = i % 2 ? 'a' : '*';
                text[i] = 'a';
        }
        pattern[199] = 'b';
        pattern[200] = text[200] = '\0';
        ck_assert(!glob_matches(pattern, text));
        text[199] = 'b';
        ck_assert(glob_matches(pattern, text));
}
END_TEST

SUITE("glob", a_glob_is_the_whole_text_or_nothing, numbers_never_change_what_matches, no_pattern_matches_all_and_no_text_only_that, no_pattern_takes_for_ever)
