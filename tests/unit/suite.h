/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What every unit test has in common: SUITE("noun", test_one, test_two, ...) is its main(). All tests of a suite run with a
 * $TMPDIR of their own, which is removed at the end by the process that runs them, since a test may die. */

#include <check.h>
#include <ftw.h>

#include "base/macro.h"

static inline int suite_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static inline int suite_make_directory(char **ret) {
        const char *parent = getenv("TMPDIR");

        if (!parent || !*parent)
                parent = access("/dev/shm", W_OK) >= 0 ? "/dev/shm" : "/tmp";
        if (asprintf(ret, "%s/assignd-test-XXXXXX", parent) < 0)
                return -ENOMEM;
        return mkdtemp(*ret) && setenv("TMPDIR", *ret, 1) >= 0 ? 0 : -errno;
}

static inline int suite_run_with_fixture(const char *name, SFun set_up, SFun tear_down, const TTest *const tests[], size_t n_tests) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner = srunner_create(suite);
        _cleanup_free_ char *directory = NULL;
        int n_failed;

        if (suite_make_directory(&directory) < 0)
                return EXIT_FAILURE;
        tcase_set_timeout(tcase, 30);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        suite_add_tcase(suite, tcase);
        for (size_t i = 0; i < n_tests; i++)
                tcase_add_test(tcase, tests[i]);

        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        (void) nftw(directory, suite_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int suite_run(const char *name, const TTest *const tests[], size_t n_tests) {
        return suite_run_with_fixture(name, NULL, NULL, tests, n_tests);
}

#define SUITE(name, ...) \
        int main(void) { \
                const TTest *const tests[] = { __VA_ARGS__ }; \
\
                return suite_run(name, tests, ELEMENTSOF(tests)); \
        }
