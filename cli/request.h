/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Asking for devices and giving them back, as far as several verbs do it alike. */

#include "cli/client.h"

/* An assignment that was made. */
typedef struct Assigned {
        char *path;
        json_t *object; /* in the form of `assign --json`, with more keys */
        int lease_fd;   /* -EBADF: without a lease */
} Assigned;

void assigned_done(Assigned *assigned);

/* "OWNER" or "TARGET..." of release in *targets: an owner moves into cli->options.owner and *targets becomes empty. */
int request_split_release(Cli *cli, const char *verb, char ***targets);

/* Plan(); *ret in the form of `plan --json`. What the plan refuses is a result, not a failure. */
int request_plan(Cli *cli, const char *verb, char *const *targets, json_t **ret);

/* Assign() or AssignWithLease(), and reads what came of it. */
int request_assign(Cli *cli, char *const *targets, bool lease, Assigned *ret);

/* Assignment.Release() of `path`, whoever still has a device open, waiting as --timeout says. An assignment that is not there any more is released. */
int request_release_assignment(Cli *cli, const char *path);

/* Tells what was assigned: which group to whom, and which devices came along and why. */
int assigned_print(Cli *cli, const Assigned *assigned, FILE *f);
