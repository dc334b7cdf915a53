/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cli/cli.h"

/* Whether `s` has the form of a target: a PCI address or group:NUMBER. An owner's name never has. */
bool target_is_formed(const char *s);

/* The NUMBER of "group:NUMBER". Returns 0 or -EINVAL. */
int target_parse_group(const char *s, uint32_t *ret);

/* cli->options.arguments of a verb that takes TARGET...: at least one, each of that form. Returns 0, or -ECANCELED with a
 * sentence that names what is wrong. */
int targets_check(Cli *cli, const char *verb, char *const *targets);
