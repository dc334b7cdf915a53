/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The policy in force: read from the files of a directory at the start and at a reload, never in between. */

#include "policy/rules-parse.h"

typedef struct Manager Manager;

typedef struct Policy {
        PolicySet set;          /* the last good one */
        PolicyErrorList errors; /* of the files as they were last read; none: they are what is in force */
        char *problem;          /* the same as one sentence; NULL: none */
        bool was_good;          /* whether there was a good one since the daemon started */
} Policy;

void policy_done(Policy *policy);

/* Reads every "*.json" of the directory (which need not exist: an empty set) in the order of their names, hidden ones left out. Everything that is wrong is in
 * `errors`, also a file that others than root or the daemon's user could have written: *ret is of use only if there is none. Returns 0
 * or a negative errno. */
int policy_read(const char *directory, PolicySet *ret, PolicyErrorList *errors);

/* Reads the directory of the manager's configuration (NULL: none, an empty set), at the start. Where all is good, that is in force from now on; where it is not,
 * everything stays and policy.problem says why. Returns 0 or a negative errno, of which all stays as well. */
int manager_load_policy(Manager *manager);

/* The same later on: a set that would change the label of a device under an assignment is not good either. What puts another set in force, or ends a problem, has its
 * row in the audit trail first, and what is refused has one as well; where no row can be written, everything stays and policy.problem says so. */
int manager_reload_policy(Manager *manager, const Caller *caller);
