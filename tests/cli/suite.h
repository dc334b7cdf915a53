/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* main() of a test program on a private bus: its tests, each in a process of its own. */

#include <check.h>

#include "base/macro.h"

#define TEST_TIMEOUT_SECONDS 30

typedef const TTest *SuiteTest;

static inline int suite_run(const char *name, const SuiteTest *tests, size_t n) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, TEST_TIMEOUT_SECONDS);
        for (size_t i = 0; i < n; i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
