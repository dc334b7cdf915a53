/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A step as the worker is asked for it. */

#include "host/worker-protocol.h"
#include "policy/plan.h"

/* Fills a request. -EINVAL: the step is not one for the worker (STEP_LOAD_MODULE), or its value is none that a worker takes. */
int step_make_request(const Step *step, uint64_t sequence, WorkerRequest *ret);
