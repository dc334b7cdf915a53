/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Refusals and failures as D-Bus errors. The body of a refusal's error is (s message, aa{sv} blockers), the blockers as
 * encode_blockers() writes them; other errors have the message alone. */

#include <systemd/sd-bus.h>

#include "policy/refusal.h"

/* "org.assignd1.Error.NotViable", ...; the standard names where D-Bus has one; NULL for REFUSAL_NONE. */
const char *error_name_of(RefusalCode code);

/* Answers `call` with the refusal, which must not be REFUSAL_NONE. Returns 1 (as a method handler does that has replied) or
 * a negative errno. */
int error_reply_refusal(sd_bus_message *call, const Refusal *refusal);

/* The same for a refusal without blockers. */
int error_reply(sd_bus_message *call, RefusalCode code, const char *format, ...) _printf_(3, 4);

/* Answers with org.freedesktop.DBus.Error.Failed, for a negative errno of ours: what was not done, and the errno in words. */
int error_reply_errno(sd_bus_message *call, int error, const char *what);
