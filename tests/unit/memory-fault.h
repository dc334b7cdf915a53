/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* malloc(), calloc() and realloc() of this process, which can be made to fail. libcheck needs memory too: nothing may be asserted
 * while one is armed. */

#include "base/macro.h"

/* Whether that can be done here: a sanitizer has an allocator of its own. */
bool memory_fault_is_possible(void);

/* The n-th allocation (from 1) from now on fails, and with `for_ever` all that follow. */
void memory_fault_arm(unsigned long n, bool for_ever);

/* None fails any more. Returns whether any has failed since it was armed; the second one without ending it. */
bool memory_fault_disarm(void);
bool memory_fault_has_hit(void);
