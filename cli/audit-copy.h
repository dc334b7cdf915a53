/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is done with a copy of the daemon's database, which it hands out as a sealed memfd. */

#include "cli/client.h"

/* Writes the copy to a new file, readable by its owner only. Returns 0, or -ECANCELED with the reason; then there is no file. */
int audit_export(Cli *cli, const char *path);

/* Runs one query and prints what it gives, as a table or as {"columns":[...],"rows":[[...],...]}; blobs are hexadecimal text. */
int audit_query(Cli *cli, const char *query);
