/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A refusal is the documented "no" to a request: a value, not an errno. dbus/errors.h maps each code to a D-Bus error
 * name, and the command line maps those to exit codes. */

#include "policy/blocker.h"

typedef enum RefusalCode {
        REFUSAL_NONE, /* not refused */
        REFUSAL_NOT_VIABLE,
        REFUSAL_BUSY,
        REFUSAL_OWNED,
        REFUSAL_LABEL_CONFLICT,
        REFUSAL_DENIED,
        REFUSAL_NO_SUCH_DEVICE,
        REFUSAL_NO_SUCH_GROUP,
        REFUSAL_NO_SUCH_OWNER,
        REFUSAL_IDENTITY_CHANGED,
        REFUSAL_TIMEOUT,
        REFUSAL_CANCELLED,
        REFUSAL_STUCK,
        REFUSAL_QUARANTINED,
        REFUSAL_STALE_GENERATION, /* it is not what was asked about any more */
        REFUSAL_LIMITS_EXCEEDED,
        REFUSAL_INVALID_TARGET,
        REFUSAL_INVALID_ARGUMENT,
        REFUSAL_NOT_SUPPORTED,
        REFUSAL_DEGRADED, /* the database cannot be written: nothing may be changed */
        REFUSAL_FAILED,   /* the kernel said no, or something of ours broke; the message names it */
        _REFUSAL_CODE_MAX,
        _REFUSAL_CODE_INVALID = -EINVAL,
} RefusalCode;

/* The last part of the error's name: "NotViable", "Busy", ...; "InvalidArgs", "NotSupported" and "Failed" for those whose
 * D-Bus name is a standard one; NULL for REFUSAL_NONE. */
const char *refusal_code_to_string(RefusalCode code);

typedef struct Refusal {
        RefusalCode code;
        char *message; /* one or more sentences for people; NULL only if code is REFUSAL_NONE or memory ran out */
        BlockerList blockers;
} Refusal;

void refusal_done(Refusal *refusal);

/* Fills an empty refusal. Returns 0, or -ENOMEM (then the code is set and the message is NULL). */
int refusal_set(Refusal *refusal, RefusalCode code, const char *format, ...) _printf_(3, 4);

/* Moves `blockers` (emptied) into an empty refusal and chooses code and message from them. The code is that of the most
 * lasting blocker, since that is what the caller has to act on:
 * policy-denied > label-* > quarantined > stuck > identity-changed > whatever makes the group not viable > owned, reserved > busy.
 * The message names each blocker's device and detail. An empty list leaves the refusal as it is. Returns 0 or -ENOMEM. */
int refusal_from_blockers(Refusal *refusal, BlockerList *blockers);

/* The same refusal for somebody who may not know who holds what: blockers whose sentences name owners, labels or processes keep their codes,
 * groups and devices alone. The caller frees *ret. Returns 0 or -ENOMEM. */
int refusal_redact(const Refusal *refusal, Refusal *ret);
