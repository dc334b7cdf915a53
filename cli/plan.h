/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>

#include "cli/cli.h"

/* Prints a plan in the form of `plan --json`: what `verb` comes to, what differs, the steps, or why it is not possible. */
int plan_print(Cli *cli, const json_t *plan, const char *verb);
