/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/reply.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/strutil.h"
#include "dbus/errors.h"
#include "dbus/path.h"

/* Calls that may wait at the same time, of everybody together. */
#define REPLIES_MAX 1024U

/* The deadline is kept to within this. */
#define DEADLINE_ACCURACY_USEC (10 * USEC_PER_MSEC)

struct Reply {
        Bus *bus;
        Reply *next;
        sd_bus_message *call; /* NULL: answered, or its sender has left */
        Operation *operation; /* watched; NULL: has ended */
        sd_event_source *deadline;
        reply_write_t write;
        int fd;
        bool redacted; /* the caller is not told who else holds what */
};

/* From now on nobody waits for it; what it holds for the caller is let go. */
static void reply_settle(Reply *reply) {
        reply->call = sd_bus_message_unref(reply->call);
        reply->deadline = sd_event_source_disable_unref(reply->deadline);
        reply->fd = safe_close(reply->fd);
}

static void on_ended(Operation *operation, void *userdata);

static Reply *reply_free(Reply *reply) {
        if (!reply)
                return NULL;

        for (Reply **r = &reply->bus->replies; *r; r = &(*r)->next)
                if (*r == reply) {
                        *r = reply->next;
                        reply->bus->n_replies--;
                        break;
                }
        if (reply->operation)
                operation_unwatch(reply->operation, on_ended, reply);
        reply_settle(reply);
        free(reply);
        return NULL;
}
DEFINE_CLEANUP(Reply *, reply_free)

int reply_refuse(sd_bus_message *call, const Refusal *refusal, bool redacted) {
        _cleanup_(refusal_done) Refusal shown = {};
        int r;

        if (!redacted)
                return error_reply_refusal(call, refusal);
        r = refusal_redact(refusal, &shown);
        return r < 0 ? r : error_reply_refusal(call, &shown);
}

static int reply_send(sd_bus_message *call, const Operation *operation, reply_write_t write, int fd, bool redacted) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        assert(operation_has_ended(operation));

        if (operation->outcome.code != REFUSAL_NONE)
                return reply_refuse(call, &operation->outcome, redacted);
        if (operation->state != OPERATION_DONE)
                return error_reply(call, REFUSAL_FAILED, "The operation %" PRIu64 " is %s", operation->id, operation_state_word(operation));

        r = sd_bus_message_new_method_return(call, &m);
        if (r < 0)
                return r;
        if (write) {
                r = write(m, operation, fd);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_send(m);
        return r < 0 ? r : 1;
}

int reply_now(const Bus *bus, sd_bus_message *call, const Operation *operation, reply_write_t write, int fd) {
        return reply_send(call, operation, write, fd, !authorizer_caller_is_root(bus->authorizer, call));
}

static void on_ended(Operation *operation, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;
        int r = 0;

        reply->operation = NULL;
        if (reply->call) {
                r = reply_send(reply->call, operation, reply->write, reply->fd, reply->redacted);
                if (r < 0)
                        r = error_reply_errno(reply->call, r, "The work is done, but the reply cannot be made");
                if (r < 0)
                        (void) log_error_errno(r, "The reply to operation %" PRIu64 " cannot be sent: %m", operation->id);
        }
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Reply *reply = userdata;
        uint64_t id = reply->operation->id;
        int r;

        r = error_reply(reply->call, REFUSAL_TIMEOUT, "Operation %s has not ended in time; it goes on and can be watched there",
                        PATH_OF_NUMBER(ASSIGND_OPERATION_PREFIX, id));
        if (r < 0)
                (void) log_error_errno(r, "The reply to operation %" PRIu64 " cannot be sent: %m", id);
        reply_settle(reply);
        return 0;
}

static int reply_start_deadline(Reply *reply, uint64_t timeout_usec) {
        uint64_t now;
        int r;

        r = sd_event_now(reply->bus->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        if (timeout_usec >= UINT64_MAX - now)
                return 0;

        r = sd_event_add_time(reply->bus->event, &reply->deadline, CLOCK_MONOTONIC, now + timeout_usec, DEADLINE_ACCURACY_USEC, on_deadline, reply);
        if (r < 0)
                return r;
        return sd_event_source_set_description(reply->deadline, "reply-deadline");
}

static int reply_new(Bus *bus, sd_bus_message *call, Operation *operation, uint64_t timeout_usec, reply_write_t write, Reply **ret) {
        _cleanup_(reply_freep) Reply *reply = NULL;
        int r;

        reply = calloc(1, sizeof(*reply));
        if (!reply)
                return -ENOMEM;

        *reply = (Reply){ .bus = bus, .next = bus->replies, .call = sd_bus_message_ref(call), .write = write, .fd = -EBADF };
        reply->redacted = !authorizer_caller_is_root(bus->authorizer, call);
        bus->replies = reply;
        bus->n_replies++;

        r = reply_start_deadline(reply, timeout_usec);
        if (r < 0)
                return r;
        r = operation_watch(operation, on_ended, reply);
        if (r < 0)
                return r;
        reply->operation = operation;

        *ret = TAKE_PTR(reply);
        return 0;
}

int reply_check_room(const Bus *bus, sd_bus_message *call) {
        if (bus->n_replies < REPLIES_MAX)
                return 0;
        return error_reply(call, REFUSAL_LIMITS_EXCEEDED, "%u calls wait for the end of an operation, and no more may", REPLIES_MAX);
}

int reply_at_end(Bus *bus, sd_bus_message *call, Operation *operation, uint64_t timeout_usec, reply_write_t write, int *fd) {
        Reply *reply;
        int r;

        r = reply_new(bus, call, operation, timeout_usec, write, &reply);
        if (r < 0)
                return r;
        if (fd)
                reply->fd = TAKE_FD(*fd);
        return 1;
}

void reply_forget_sender(Bus *bus, const char *sender) {
        for (Reply *reply = bus->replies; reply; reply = reply->next)
                if (reply->call && string_equal(sd_bus_message_get_sender(reply->call), sender))
                        reply_settle(reply);
}

void reply_free_all(Bus *bus) {
        while (bus->replies)
                reply_free(bus->replies);
}
