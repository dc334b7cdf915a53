/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/strutil.h"
#include "daemon/lease.h"
#include "dbus/bus-manager.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"
#include "dbus/path.h"
#include "dbus/reply.h"

static int request_take_nodes(const RequestOptions *given, Request *request) {
        request->has_node_user = given->node_user.given;
        request->node_user = given->node_user.value;
        request->has_node_group = given->node_group.given;
        request->node_group = given->node_group.value;
        request->has_node_mode = given->node_mode.given;
        request->node_mode = given->node_mode.value;
        return string_copy(given->node_context, &request->node_context);
}

int request_complete(Bus *bus, sd_bus_message *m, const RequestOptions *given, const char *owner, Request *request, sd_bus_error *error) {
        int r;

        if (given->backend) {
                request->backend = backend_from_string(given->backend);
                if (request->backend < 0)
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                                "The option \"backend\" is none of \"auto\", \"iommufd\" and \"group\"");
        }

        r = string_copy(owner, &request->owner);
        if (r < 0)
                return r;
        r = string_copy(given->label, &request->label);
        if (r >= 0)
                r = request_take_nodes(given, request);
        if (r < 0)
                return r;
        return authorizer_get_caller(bus->authorizer, m, &request->caller);
}

/* Reads the three arguments of Assign and AssignWithLease. */
static int assign_read(Bus *bus, sd_bus_message *m, Request *request, uint64_t *ret_timeout_usec, sd_bus_error *error) {
        RequestOptions given = { .timeout_usec = ASSIGND_TIMEOUT_USEC_DEFAULT };
        const Option options[] = {
                { "exact", OPTION_BOOL, &request->exact },
                { "backend", OPTION_STRING, &given.backend },
                { "label", OPTION_STRING, &given.label },
                { "override", OPTION_STRING_ARRAY, &request->overrides },
                { "timeout_usec", OPTION_U64, &given.timeout_usec },
                NODE_OPTIONS(&given),
        };
        const char *owner;
        int r;

        r = sd_bus_message_read(m, "s", &owner);
        if (r < 0)
                return r;
        r = string_array_read(m, "targets", &request->targets, error);
        if (r < 0)
                return r;
        r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;

        request->verb = VERB_ASSIGN;
        *ret_timeout_usec = given.timeout_usec;
        return request_complete(bus, m, &given, owner, request, error);
}

static int write_assignment(sd_bus_message *m, const Operation *operation, int fd) {
        return sd_bus_message_append_basic(m, 'o', PATH_OF_NUMBER(ASSIGND_ASSIGNMENT_PREFIX, operation->assignment));
}

static int write_leased_assignment(sd_bus_message *m, const Operation *operation, int fd) {
        int r;

        r = write_assignment(m, operation, -EBADF);
        if (r < 0)
                return r;
        return sd_bus_message_append_basic(m, 'h', &fd);
}

/* Begins an assignment and answers when it has ended. The lease's ends are -EBADF without one. */
static int assign_begin(Bus *bus, sd_bus_message *m, reply_write_t write, int *our_end, int *their_end, sd_bus_error *error) {
        _cleanup_(request_done) Request request = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation;
        uint64_t timeout_usec;
        int r;

        r = assign_read(bus, m, &request, &timeout_usec, error);
        if (r < 0)
                return r;
        r = reply_check_room(bus, m);
        if (r != 0)
                return r;

        r = manager_assign(bus->manager, &request, our_end, &refusal, &operation);
        if (r < 0)
                return error_reply_errno(m, r, "The assignment cannot be begun");
        if (refusal.code != REFUSAL_NONE)
                return bus_refuse(bus, m, &refusal);
        return reply_at_end(bus, m, operation, timeout_usec, write, their_end);
}

int method_assign(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int none = -EBADF;

        return assign_begin(userdata, m, write_assignment, &none, NULL, error);
}

int method_assign_with_lease(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        _cleanup_close_ int their_end = -EBADF;
        int our_end = -EBADF, r;

        r = lease_open_ends(bus->manager, &our_end, &their_end);
        if (r < 0)
                return error_reply_errno(m, r, "The lease cannot be made");
        r = assign_begin(bus, m, write_leased_assignment, &our_end, &their_end, error);
        lease_discard_end(bus->manager, &our_end);
        return r;
}

int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        _cleanup_(request_done) Request request = { .verb = VERB_RELEASE };
        _cleanup_(refusal_done) Refusal refusal = {};
        RequestOptions given = { .timeout_usec = ASSIGND_TIMEOUT_USEC_DEFAULT };
        const Option options[] = {
                { "targets", OPTION_STRING_ARRAY, &request.targets },
                { "timeout_usec", OPTION_U64, &given.timeout_usec },
                { "wait", OPTION_BOOL, &request.wait },
        };
        Operation *operation;
        const char *owner;
        int r;

        r = sd_bus_message_read(m, "s", &owner);
        if (r < 0)
                return r;
        r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;
        r = request_complete(bus, m, &given, *owner == '\0' && request.targets ? NULL : owner, &request, error);
        if (r < 0)
                return r;
        r = reply_check_room(bus, m);
        if (r != 0)
                return r;

        r = manager_release(bus->manager, &request, &refusal, &operation);
        if (r < 0)
                return error_reply_errno(m, r, "The release cannot be begun");
        if (refusal.code != REFUSAL_NONE)
                return bus_refuse(bus, m, &refusal);
        return reply_at_end(bus, m, operation, given.timeout_usec, NULL, NULL);
}

int method_recover(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        _cleanup_(request_done) Request request = { .verb = VERB_RECOVER };
        _cleanup_(refusal_done) Refusal refusal = {};
        RequestOptions given = { .timeout_usec = ASSIGND_TIMEOUT_USEC_DEFAULT };
        const Option options[] = { { "timeout_usec", OPTION_U64, &given.timeout_usec } };
        Operation *operation;
        int r;

        r = string_array_read(m, "targets", &request.targets, error);
        if (r < 0)
                return r;
        r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;
        r = request_complete(bus, m, &given, NULL, &request, error);
        if (r < 0)
                return r;
        r = reply_check_room(bus, m);
        if (r != 0)
                return r;

        r = manager_recover(bus->manager, &request, &refusal, &operation);
        if (r < 0)
                return error_reply_errno(m, r, "The recovery cannot be begun");
        if (refusal.code != REFUSAL_NONE)
                return bus_refuse(bus, m, &refusal);
        return reply_at_end(bus, m, operation, given.timeout_usec, NULL, NULL);
}

static int reserve_read(Bus *bus, sd_bus_message *m, Request *request, uint64_t *ret_timeout_usec, sd_bus_error *error) {
        RequestOptions given = { .timeout_usec = ASSIGND_TIMEOUT_USEC_DEFAULT };
        const Option options[] = {
                { "timeout_usec", OPTION_U64, &given.timeout_usec },
                { "exact", OPTION_BOOL, &request->exact },
                { "override", OPTION_STRING_ARRAY, &request->overrides },
        }, back_options[] = {
                { "timeout_usec", OPTION_U64, &given.timeout_usec },
                { "wait", OPTION_BOOL, &request->wait },
        };
        int r;

        r = string_array_read(m, "targets", &request->targets, error);
        if (r < 0)
                return r;
        if (request->verb == VERB_RESERVE)
                r = options_read(m, options, ELEMENTSOF(options), error);
        else
                r = options_read(m, back_options, ELEMENTSOF(back_options), error);
        if (r < 0)
                return r;
        *ret_timeout_usec = given.timeout_usec;
        return request_complete(bus, m, &given, NULL, request, error);
}

static int reserve_begin(Bus *bus, sd_bus_message *m, Verb verb, int (*begin)(Manager *, Request *, Refusal *, Operation **), sd_bus_error *error) {
        _cleanup_(request_done) Request request = { .verb = verb };
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation;
        uint64_t timeout_usec;
        int r;

        r = reserve_read(bus, m, &request, &timeout_usec, error);
        if (r < 0)
                return r;
        r = reply_check_room(bus, m);
        if (r != 0)
                return r;

        r = begin(bus->manager, &request, &refusal, &operation);
        if (r < 0)
                return error_reply_errno(m, r, "The operation cannot be begun");
        if (refusal.code != REFUSAL_NONE)
                return bus_refuse(bus, m, &refusal);
        return reply_at_end(bus, m, operation, timeout_usec, NULL, NULL);
}

int method_reserve(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return reserve_begin(userdata, m, VERB_RESERVE, manager_reserve, error);
}

int method_unreserve(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return reserve_begin(userdata, m, VERB_UNRESERVE, manager_unreserve, error);
}
