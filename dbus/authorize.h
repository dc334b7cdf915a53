/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who may speak to the daemon at all: uid 0. A filter in front of everything, so that no method, property, introspection or
 * object manager call of anybody else gets further. The sender's credentials come from the bus daemon, which took them from
 * the socket when the sender connected; they are asked for without blocking, once per connection, and its messages wait
 * meanwhile, in their order. */

#include <systemd/sd-bus.h>

#include "policy/request.h"

typedef struct Authorizer Authorizer;

/* The sender has left the bus. */
typedef void (*sender_gone_t)(const char *sender, void *userdata);

/* Puts the filter in place, for connections of user `allowed_uid` (0 but for unit tests). Returns 0 or a negative errno. */
int authorizer_new(sd_bus *bus, uid_t allowed_uid, sender_gone_t gone, void *userdata, Authorizer **ret);
Authorizer *authorizer_free(Authorizer *authorizer);
DEFINE_CLEANUP(Authorizer *, authorizer_free)

/* The peer behind a call that passed the filter. Returns 0 or -ENOMEM; the caller frees *ret with caller_done(). */
int authorizer_get_caller(const Authorizer *authorizer, sd_bus_message *call, Caller *ret);
