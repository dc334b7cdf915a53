/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/bus.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"
#include "dbus/path.h"
#include "dbus/reply.h"

#define DEFINE_TEXT(name, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const Operation *operation = ((const OperationView *) userdata)->operation; \
\
                return encode_text(m, value); \
        }

#define DEFINE_U64(name, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const Operation *operation = ((const OperationView *) userdata)->operation; \
\
                return sd_bus_message_append_basic(m, 't', &(uint64_t){ value }); \
        }

DEFINE_U64(property_get_id, operation->id)
DEFINE_U64(property_get_created, operation->created_usec)
DEFINE_TEXT(property_get_verb, verb_to_string(operation->request.verb))
DEFINE_TEXT(property_get_state, operation_state_word(operation))
DEFINE_TEXT(property_get_owner, bus_shows_holder(((const OperationView *) userdata)->bus, operation->request.caller.uid) ? operation->request.owner : NULL)
DEFINE_TEXT(property_get_error, error_name_of(operation->outcome.code))
DEFINE_TEXT(property_get_message, bus_shows_holder(((const OperationView *) userdata)->bus, 0) ? operation->outcome.message : NULL)

static int property_get_groups(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                               sd_bus_error *error) {
        const Operation *operation = ((const OperationView *) userdata)->operation;

        return encode_group_paths(m, operation->groups, operation->n_groups);
}

static int property_get_assignment(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                   sd_bus_error *error) {
        uint64_t id = ((const OperationView *) userdata)->operation->assignment;

        return sd_bus_message_append_basic(m, 'o', id > 0 ? PATH_OF_NUMBER(ASSIGND_ASSIGNMENT_PREFIX, id) : "/");
}

static int encode_holding(sd_bus_message *m, const Holding *holding) {
        const WorkerHolder *holder = &holding->holder;
        const PciAddress address = { .domain = holder->domain, .bus = holder->bus, .slot = holder->slot, .function = holder->function };
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = encode_u32(m, "pid", holder->pid);
        if (r >= 0)
                r = encode_string(m, "comm", holder->comm);
        if (r >= 0)
                r = encode_u32(m, "fd", holder->fd);
        if (r >= 0)
                r = encode_u32(m, "group", holding->group);
        if (r >= 0)
                r = encode_string(m, "device", holder->kind == HOLDS_DEVICE || holder->kind == HOLDS_NODE ? PCI_ADDRESS_FORMAT(&address) : NULL);
        if (r >= 0)
                r = encode_bool(m, "certain", holder->kind != HOLDS_PERHAPS);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int property_get_holders(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                sd_bus_error *error) {
        const HoldingList *holdings = &((const OperationView *) userdata)->operation->holdings;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
        for (size_t i = 0; r >= 0 && i < holdings->n_items; i++)
                r = encode_holding(m, &holdings->items[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int property_get_steps_done(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                   sd_bus_error *error) {
        uint32_t done, total;

        operation_get_progress(((const OperationView *) userdata)->operation, &done, &total);
        return sd_bus_message_append_basic(m, 'u', &done);
}

static int property_get_steps_total(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                    sd_bus_error *error) {
        uint32_t done, total;

        operation_get_progress(((const OperationView *) userdata)->operation, &done, &total);
        return sd_bus_message_append_basic(m, 'u', &total);
}

static int property_get_progress(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                 sd_bus_error *error) {
        const Operation *operation = ((const OperationView *) userdata)->operation;
        uint32_t done, total;
        double progress = 1;

        operation_get_progress(operation, &done, &total);
        if (!operation_has_ended(operation))
                progress = total > 0 ? (double) done / total : 0;
        return sd_bus_message_append_basic(m, 'd', &progress);
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const OperationView *view = userdata;
        _cleanup_(caller_done) Caller caller = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        int r;

        r = authorizer_get_caller(view->bus->authorizer, m, &caller);
        if (r < 0)
                return r;
        r = manager_cancel(view->bus->manager, view->operation->id, &caller, &refusal);
        if (r < 0)
                return error_reply_errno(m, r, "The operation cannot be cancelled");
        if (refusal.code != REFUSAL_NONE)
                return bus_refuse(view->bus, m, &refusal);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const OperationView *view = userdata;
        uint64_t timeout_usec = ASSIGND_TIMEOUT_USEC_DEFAULT;
        int r;

        r = options_read(m, &(Option){ "timeout_usec", OPTION_U64, &timeout_usec }, 1, error);
        if (r < 0)
                return r;
        if (operation_has_ended(view->operation))
                return reply_now(view->bus, m, view->operation, NULL, -EBADF);

        r = reply_check_room(view->bus, m);
        if (r != 0)
                return r;
        return reply_at_end(view->bus, m, view->operation, timeout_usec, NULL, NULL);
}

const sd_bus_vtable operation_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Cancel", NULL, NULL, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_wait, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Id", "t", property_get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Verb", "s", property_get_verb, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Owner", "s", property_get_owner, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Groups", "ao", property_get_groups, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Assignment", "o", property_get_assignment, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StepsDone", "u", property_get_steps_done, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StepsTotal", "u", property_get_steps_total, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Holders", "aa{sv}", property_get_holders, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Error", "s", property_get_error, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Message", "s", property_get_message, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CreatedUSec", "t", property_get_created, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Progress", "d", property_get_progress, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END
};
