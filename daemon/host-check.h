/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whether this host is fit, as of now. */

#include "daemon/manager.h"
#include "policy/fitness.h"

/* Reads the host anew and judges it. Returns 0 or a negative errno. */
int host_check(Manager *manager, FindingList *ret);
