/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* polkit, asked over the bus without waiting for it. It says yes, or anything else, and everything else is a no. */

#include <systemd/sd-bus.h>

#include "base/macro.h"

typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_NO,
        POLKIT_CHALLENGE, /* somebody would have to authenticate, and the caller does not want that */
        POLKIT_FAILED,    /* it is not there, said something else, or an error */
        POLKIT_TIMEOUT,   /* it said nothing */
} PolkitAnswer;

typedef struct Polkit Polkit;
typedef struct PolkitCheck PolkitCheck;

/* Comes once, from the event loop; the check is freed already. */
typedef void (*polkit_answered_t)(PolkitAnswer answer, void *userdata);

/* An answer is waited for this long: long enough to type a password. Returns 0 or -ENOMEM. */
int polkit_new(sd_bus *bus, uint64_t timeout_usec, Polkit **ret);

/* After its last check. */
Polkit *polkit_free(Polkit *polkit);
DEFINE_CLEANUP(Polkit *, polkit_free)

/* Asks whether the connection `sender` (a unique name: the bus vouches for who is behind it, at any time) may do `action`. `details` are key,
 * value, key, value, ... `interactive`: polkit may let somebody authenticate meanwhile. Returns 0 with the check, or a negative errno. */
int polkit_check(Polkit *polkit, const char *sender, const char *action, char *const *details, bool interactive, polkit_answered_t answered,
                 void *userdata, PolkitCheck **ret);

/* Takes it back before it is answered, at polkit as well, so that no dialogue stays on a screen. Returns NULL. */
PolkitCheck *polkit_check_cancel(PolkitCheck *check);
