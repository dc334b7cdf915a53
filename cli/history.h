/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Entries of the audit trail. */

#include "cli/client.h"

typedef struct HistoryFilter {
        const char *device;
        const char *owner;
        const char *verb;
        const char *outcome;
        uint64_t since_usec; /* 0: any */
        uint64_t until_usec; /* 0: any */
} HistoryFilter;

/* The last `limit` entries (0: all) that match, oldest first, as `audit --json` has them. */
int history_list(Cli *cli, const HistoryFilter *filter, uint32_t limit, json_t **ret);

/* As a table; returns 0 or -ENOMEM. */
int history_print(Cli *cli, const json_t *entries);
