/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* This process's way to a tree's attributes, links and directories, on which any call can be made to fail with EIO. */

#include "base/macro.h"

/* The n-th call (from 1) from now on that opens, lists, looks at or follows something below bus/, kernel/, class/ or devices/ of the tree
 * at `path` (borrowed until it is disarmed) fails, and with `for_ever` all that follow. */
void attribute_fault_arm(const char *path, unsigned long n, bool for_ever);

/* Nothing fails any more. Returns whether anything has failed since it was armed. */
bool attribute_fault_disarm(void);
