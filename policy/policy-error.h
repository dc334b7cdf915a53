/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is wrong with a policy's file. */

#include "base/macro.h"

/* More errors of one set are not told. */
#define POLICY_ERRORS_MAX 50U

typedef struct PolicyError {
        char *file;
        unsigned line;   /* from 1; 0: the file as a whole */
        unsigned column; /* from 1, in characters */
        char *found;
        char *expected;
} PolicyError;

typedef struct PolicyErrorList {
        PolicyError *items;
        size_t n_items;
} PolicyErrorList;

void policy_error_list_done(PolicyErrorList *list);

/* Appends one (copies); one more than POLICY_ERRORS_MAX is dropped. Returns 0 or -ENOMEM. */
int policy_error_list_add(PolicyErrorList *list, const char *file, unsigned line, unsigned column, const char *found, const char *expected);

/* "50-tenants.json:12:9: found \"vendr\", expected one of ...". The caller frees *ret. Returns 0 or -ENOMEM. */
int policy_error_format(const PolicyError *error, char **ret);
