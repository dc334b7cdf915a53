/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who is let in. A filter in front of everything, so that no method, property, introspection or object manager call gets further that the table
 * of dbus/access.h, the policy and polkit do not let in; root is asked nothing. The sender's credentials come from the bus daemon, which took
 * them from the socket when the sender connected; they are asked for without blocking, once per connection, and its messages wait meanwhile,
 * in their order. A call that polkit is asked about waits by itself, and comes round again when all is answered: the objects it is about
 * are looked up afresh, and if what was asked about is not so any more, it is refused with Error.StaleGeneration. */

#include <systemd/sd-bus.h>

#include "daemon/manager.h"

typedef struct Authorizer Authorizer;

/* The sender has left the bus. */
typedef void (*sender_gone_t)(const char *sender, void *userdata);

/* Puts the filter in place. `manager` is borrowed. Returns 0 or a negative errno. */
int authorizer_new(sd_bus *bus, const Manager *manager, sender_gone_t gone, void *userdata, Authorizer **ret);
Authorizer *authorizer_free(Authorizer *authorizer);
DEFINE_CLEANUP(Authorizer *, authorizer_free)

/* The peer behind a call that passed the filter just now. Returns 0 or -ENOMEM; the caller frees *ret with caller_done(). */
int authorizer_get_caller(const Authorizer *authorizer, sd_bus_message *call, Caller *ret);

/* Whether the sender of a call that passed the filter is uid 0. */
bool authorizer_caller_is_root(const Authorizer *authorizer, sd_bus_message *call);

/* Whether the call that is being handled may be told the owner and label of what user `uid` holds (0: of anybody). False while none is. */
bool authorizer_may_see(const Authorizer *authorizer, uid_t uid);
