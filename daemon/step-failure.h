/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a failed step means to people. */

#include "policy/plan.h"

/* One sentence: what the step was about and why it failed (negative errno). The caller frees *ret. Returns 0 or -ENOMEM. */
int step_describe_failure(const Step *step, int error, char **ret);

/* REFUSAL_BUSY where somebody else has open what was to be opened, else REFUSAL_FAILED. */
RefusalCode step_failure_code(const Step *step, int error);
