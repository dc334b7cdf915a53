/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What every unit test has in common: SUITE("noun", test_one, test_two, ...) is its main(). */

#include <check.h>

#include "base/macro.h"

static inline int suite_run(const char *name, const TTest *const tests[], size_t n_tests) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner = srunner_create(suite);
        int n_failed;

        tcase_set_timeout(tcase, 30);
        suite_add_tcase(suite, tcase);
        for (size_t i = 0; i < n_tests; i++)
                tcase_add_test(tcase, tests[i]);

        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define SUITE(name, ...) \
        int main(void) { \
                const TTest *const tests[] = { __VA_ARGS__ }; \
\
                return suite_run(name, tests, ELEMENTSOF(tests)); \
        }
