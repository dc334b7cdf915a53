/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The files of a policy: JSON as docs/man/assignd-policy.5 describes it. Duplicate and unknown keys are errors, as is everything else that
 * could be a slip of the pen. */

#include "policy/policy-error.h"
#include "policy/rules.h"

/* Bytes of a file. */
#define POLICY_FILE_MAX (4U * 1024 * 1024)

/* Entries of one kind in a set. */
#define POLICY_ENTRIES_MAX 65536U

/* Numbers of the names of users and groups: 0, or a negative errno for a name that is not known. NULL: no names are known. */
typedef struct PolicyNames {
        int (*user)(const char *name, uint32_t *ret);
        int (*group)(const char *name, uint32_t *ret);
} PolicyNames;

/* Appends the entries of a file to the set, and everything that is wrong with it to `errors`: the set is of use only if nothing was. `file` is
 * how the errors and the entries' origins call it. Returns 0 or -ENOMEM. */
int policy_parse(const char *file, const char *text, size_t size, const PolicyNames *names, PolicySet *set, PolicyErrorList *errors);
