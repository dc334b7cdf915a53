/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A call whose work is an operation gets its one reply when the operation has ended, or Error.Timeout at its deadline; the
 * operation goes on then, as it does when the caller leaves. */

#include "dbus/bus.h"

typedef struct Reply Reply;

/* Puts what the method returns into `m`, after the operation ended well (the fds it opened are still there). `fd` is what
 * reply_at_end() was given. */
typedef int (*reply_write_t)(sd_bus_message *m, const Operation *operation, int fd);

/* Comes before the operation is begun: 0 if one more call may wait, 1 after refusing `call`, or a negative errno. */
int reply_check_room(const Bus *bus, sd_bus_message *call);

/* Answers `call` when `operation` (which has not ended) ends. `write` NULL: the method returns nothing. *fd (may be NULL) is
 * taken over, and closed as soon as it is sent or nobody waits for it any more. timeout_usec counts from now; UINT64_MAX: no
 * deadline. Returns 1, as a method handler does that has taken care of the call, or a negative errno. */
int reply_at_end(Bus *bus, sd_bus_message *call, Operation *operation, uint64_t timeout_usec, reply_write_t write, int *fd);

/* Answers `call` with the refusal, redacted or not (refusal_redact()). Returns 1 or a negative errno. */
int reply_refuse(sd_bus_message *call, const Refusal *refusal, bool redacted);

/* Answers `call` for an operation that has ended. Returns 1 or a negative errno. */
int reply_now(const Bus *bus, sd_bus_message *call, const Operation *operation, reply_write_t write, int fd);

/* Nobody waits for replies to `sender` any more. */
void reply_forget_sender(Bus *bus, const char *sender);

/* Leaves all operations alone. */
void reply_free_all(Bus *bus);
