/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/macro.h"

/* Kills the daemon at every moment of every verb, and the next one at every moment of its recovery. Prints the number of cases
 * and what is wrong. Returns an exit status. */
int matrix_run(unsigned n_jobs, bool verbose);
