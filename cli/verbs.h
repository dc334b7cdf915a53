/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The verbs of assign-ctl. Each is defined in its verb-NAME.c, with its usage text beside it. */

#include "cli/cli.h"

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the overview */
        const char *summary;   /* for the overview */
        const char *usage;     /* the whole of --help but the common options */
        const struct option *options;
        bool takes_command; /* what stands behind "--" */
        /* Returns the exit code, or a negative errno; cli->failure may say why. */
        int (*run)(Cli *cli);
} Verb;

extern const Verb verb_list, verb_show, verb_why, verb_plan, verb_assign, verb_release, verb_reserve, verb_unreserve, verb_recover,
                  verb_run, verb_label, verb_policy, verb_audit, verb_monitor, verb_check;

/* In the order of the overview; the first one is the default. */
extern const Verb *const verbs[];
extern const size_t verbs_n;

/* NULL: no such verb. */
const Verb *verb_find(const char *name);

/* The verb that `name` was probably meant to be: one that begins with it, or is a few letters off. NULL: none comes close. */
const Verb *verb_suggest(const char *name);

/* The text of `assign-ctl --help`. */
void verbs_print_overview(FILE *f);
