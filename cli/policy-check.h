/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* `assign-ctl policy check`: needs no daemon. */

#include "cli/cli.h"

/* Reads the files (NULL-terminated) as one set and prints what is wrong with them. Returns the exit code, or a negative errno with
 * cli->failure set. */
int policy_check(Cli *cli, char *const *files);
