/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What has to be asked before a call is let in: one check for each device that it comes to and the policy wants to ask about, with what a rule
 * of polkit can decide on. It is made once
 * more when all answers are there; a call that would be something else by then than what was asked about is refused. */

#include "daemon/manager.h"
#include "dbus/access.h"

typedef enum CheckGrant {
        GRANT_PASS,       /* the call needs it */
        GRANT_SEE_OTHERS, /* the call does without it: others' owners and labels are left out then */
} CheckGrant;

typedef struct Check {
        Action action;
        CheckGrant grants;
        char **details; /* key, value, key, value, ..., for strv_free() */
} Check;

typedef struct Question {
        Check *checks;
        size_t n_checks; /* 0: the policy allows it all, or the caller holds it */
        Refusal refusal; /* the policy denies it; REFUSAL_NONE: it does not */
} Question;

void question_done(Question *question);

/* What `call`, guarded by `access`, comes to now for that caller. The message is rewound. A call that makes no sense, or is about
 * nothing that exists, has a check without a device: who passes that is told what is wrong. Details of a check:
 *   verb        view, assign, release, open, cancel, reserve, unreserve, label, audit, reload, rescan, ...
 *   scope       for view: "host", or "others" for the owners and labels of what others hold
 *   owner, label   the request's, or those of the assignment that it is about
 *   assignment, reservation, uid   for release-others: what another user holds, and who that is
 *   address, vendor_id, device_id, subsystem_vendor_id, subsystem_device_id, class, group, driver   of the one device ("": none)
 *   companion   "true" where the device comes along because of its group, "false" where it was named
 *   override, devices   for override-safety: the one blocker code, and all addresses, separated by blanks
 * Returns 0 or -ENOMEM; the caller frees *ret. */
int question_new(const Manager *manager, const Access *access, sd_bus_message *call, const Caller *caller, Question *ret);

bool question_equal(const Question *a, const Question *b);
