/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The signals of assignd as events. */

#include "cli/json.h"

/* What a signal means, as an object: "event" (a word), "text" (a sentence), what it is about ("device", "group", "assignment",
 * "operation", each null where it does not apply), and for some "owner", "verb", "state", "changes", "code", "detail".
 * Returns 1 and a new reference, 0 for a signal that is of no interest, or a negative errno. */
int event_read(sd_bus_message *m, json_t **ret);
