/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Plan: what a verb would do now. Who has open what it wants is asked of a worker, as the verb itself would, so that the answer comes later. */

#include <inttypes.h>

#include "base/log.h"
#include "base/strutil.h"
#include "daemon/look.h"
#include "dbus/bus-manager.h"
#include "dbus/bus-plan.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"

/* Plans that are being looked for at the same time; one whose worker does not answer counts until it does. */
#define PLANS_MAX 16U

static bool step_has_device(StepKind kind) {
        return kind == STEP_SET_OVERRIDE || kind == STEP_UNBIND || kind == STEP_BIND || kind == STEP_OPEN_CDEV || kind == STEP_OPEN_DEVICE ||
               kind == STEP_SET_DEVICE_NODE;
}

static int append_step(sd_bus_message *m, const Step *step) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = encode_string(m, "action", step_kind_to_string(step->kind));
        if (r < 0)
                return r;
        r = encode_string(m, "device", step_has_device(step->kind) ? PCI_ADDRESS_FORMAT(&step->address) : NULL);
        if (r < 0)
                return r;
        r = encode_u32(m, "group", step->group);
        if (r < 0)
                return r;
        r = encode_string(m, "value", step->value);
        if (r < 0)
                return r;
        r = encode_string(m, "prior", step->prior);
        if (r < 0)
                return r;
        r = encode_u32(m, "phase", step->phase);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int append_steps(sd_bus_message *m, const Plan *plan) {
        int r;

        r = encode_entry_open(m, "steps", "aa{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
        if (r < 0)
                return r;
        for (size_t i = 0; i < plan->n_steps; i++) {
                r = append_step(m, &plan->steps[i]);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

static int append_refusal(sd_bus_message *m, const Refusal *refusal) {
        int r;

        r = encode_bool(m, "possible", refusal->code == REFUSAL_NONE);
        if (r < 0)
                return r;
        r = encode_string(m, "error", error_name_of(refusal->code));
        if (r < 0)
                return r;
        r = encode_string(m, "message", refusal->message);
        if (r < 0)
                return r;
        r = encode_entry_open(m, "blockers", "aa{sv}");
        if (r < 0)
                return r;
        r = encode_blockers(m, &refusal->blockers);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

static int append_plan(sd_bus_message *m, const PlanResult *result) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = append_refusal(m, &result->refusal);
        if (r < 0)
                return r;
        r = append_steps(m, &result->plan);
        if (r < 0)
                return r;
        r = encode_strv(m, "devices", result->devices);
        if (r < 0)
                return r;
        r = encode_strv(m, "companions", result->companions);
        if (r < 0)
                return r;
        r = encode_strv(m, "differences", result->differences);
        if (r < 0)
                return r;
        r = encode_u32_array(m, "groups", result->groups, result->n_groups);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

/* A request that makes no sense is an error; one that makes sense and would be refused now is a plan that says so. */
static bool refusal_is_of_form(RefusalCode code) {
        return code == REFUSAL_INVALID_TARGET || code == REFUSAL_INVALID_ARGUMENT || code == REFUSAL_LIMITS_EXCEEDED || code == REFUSAL_NO_SUCH_DEVICE ||
               code == REFUSAL_NO_SUCH_GROUP || code == REFUSAL_NO_SUCH_OWNER || code == REFUSAL_NOT_SUPPORTED;
}

static int plan_read(Bus *bus, sd_bus_message *m, Request *request, sd_bus_error *error) {
        RequestOptions given = {};
        const Option options[] = {
                { "wait", OPTION_BOOL, &request->wait },
                { "owner", OPTION_STRING, &given.owner },
                { "exact", OPTION_BOOL, &request->exact },
                { "backend", OPTION_STRING, &given.backend },
                { "label", OPTION_STRING, &given.label },
                { "override", OPTION_STRING_ARRAY, &request->overrides },
                NODE_OPTIONS(&given),
        };
        const char *verb;
        int r;

        r = sd_bus_message_read(m, "s", &verb);
        if (r < 0)
                return r;
        request->verb = verb_from_string(verb);
        if (request->verb != VERB_ASSIGN && request->verb != VERB_RELEASE && request->verb != VERB_RESERVE && request->verb != VERB_UNRESERVE &&
            request->verb != VERB_RECOVER)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "The verb is none of \"assign\", \"release\", \"reserve\", \"unreserve\" and \"recover\"");

        r = string_array_read(m, "targets", &request->targets, error);
        if (r < 0)
                return r;
        r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;
        return request_complete(bus, m, &given, given.owner, request, error);
}

/* A call that waits for its look. */
struct PlanCall {
        Bus *bus;
        struct PlanCall *next;
        sd_bus_message *call; /* NULL: answered, or its sender has left */
        PlanResult result;
        Verb verb;
        Look *look;
        sd_event_source *deadline;
        bool redacted; /* the caller is not told who else holds what */
};

static void plan_call_settle(PlanCall *call) {
        call->call = sd_bus_message_unref(call->call);
        call->deadline = sd_event_source_disable_unref(call->deadline);
}

static PlanCall *plan_call_free(PlanCall *call) {
        if (!call)
                return NULL;

        for (PlanCall **c = &call->bus->plans; *c; c = &(*c)->next)
                if (*c == call) {
                        *c = call->next;
                        call->bus->n_plans--;
                        break;
                }
        plan_call_settle(call);
        look_free(call->look);
        plan_result_done(&call->result);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(PlanCall *, plan_call_free)

static int redact(PlanResult *result) {
        Refusal redacted;
        int r;

        r = refusal_redact(&result->refusal, &redacted);
        if (r < 0)
                return r;
        refusal_done(&result->refusal);
        result->refusal = redacted;
        return 0;
}

static int send_plan(sd_bus_message *call, PlanResult *result, bool redacted) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = 0;

        if (redacted && result->refusal.code != REFUSAL_NONE)
                r = redact(result);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_plan(reply, result);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static void answer(PlanCall *call) {
        int r;

        if (!call->call)
                return;
        r = send_plan(call->call, &call->result, call->redacted);
        if (r < 0)
                r = error_reply_errno(call->call, r, "The plan cannot be made");
        if (r < 0)
                (void) log_error_errno(r, "A plan cannot be sent: %m");
        plan_call_settle(call);
}

static void on_looked(HoldingList *found, int error, void *userdata) {
        _cleanup_(plan_call_freep) PlanCall *call = userdata;
        int r;

        if (!call->call)
                return;
        r = plan_result_add_holders(&call->result, call->verb, found, error);
        if (r < 0)
                (void) error_reply_errno(call->call, r, "The plan cannot be made");
        else
                answer(call);
}

/* What looks may hang in the kernel, and stays until it answers. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        PlanCall *call = userdata;
        int r;

        r = plan_result_add_holders(&call->result, call->verb, NULL, -ETIMEDOUT);
        if (r < 0)
                return r;
        answer(call);
        return 0;
}

static int plan_call_begin(Bus *bus, sd_bus_message *m, Verb verb, PlanResult *result, const uint32_t *groups, size_t n_groups) {
        const OperationContext *context = &bus->manager->context;
        _cleanup_(plan_call_freep) PlanCall *call = NULL;
        int r;

        call = calloc(1, sizeof(PlanCall));
        if (!call)
                return -ENOMEM;
        *call = (PlanCall) { .bus = bus, .next = bus->plans, .call = sd_bus_message_ref(m), .verb = verb };
        call->redacted = !authorizer_caller_is_root(bus->authorizer, m);
        bus->plans = call;
        bus->n_plans++;
        r = sd_event_add_time_relative(bus->event, &call->deadline, CLOCK_MONOTONIC, context->stuck_usec, 0, on_deadline, call);
        if (r >= 0)
                r = look_new(bus->event, &context->launcher, groups, n_groups, on_looked, call, &call->look);
        if (r < 0)
                return r;
        call->result = *result;
        *result = (PlanResult) {};
        TAKE_PTR(call);
        return 1;
}

void plan_forget_sender(Bus *bus, const char *sender) {
        for (PlanCall *call = bus->plans; call; call = call->next)
                if (call->call && string_equal(sd_bus_message_get_sender(call->call), sender))
                        plan_call_settle(call);
}

void plan_free_all(Bus *bus) {
        while (bus->plans)
                plan_call_free(bus->plans);
}

static int answer_or_look(Bus *bus, sd_bus_message *m, Verb verb, PlanResult *result) {
        _cleanup_free_ uint32_t *groups = NULL;
        size_t n_groups;
        int r;

        r = plan_result_list_looks(result, &groups, &n_groups);
        if (r < 0)
                return r;
        if (n_groups == 0)
                return send_plan(m, result, !authorizer_caller_is_root(bus->authorizer, m));
        if (bus->n_plans >= PLANS_MAX)
                return error_reply(m, REFUSAL_LIMITS_EXCEEDED, "%u plans are being made, and no more may", PLANS_MAX);
        return plan_call_begin(bus, m, verb, result, groups, n_groups);
}

int method_plan(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        _cleanup_(request_done) Request request = {};
        _cleanup_(plan_result_done) PlanResult result = {};
        int r;

        r = plan_read(bus, m, &request, error);
        if (r < 0)
                return r;

        r = manager_plan(bus->manager, &request, &result);
        if (r < 0)
                return error_reply_errno(m, r, "The plan cannot be made");
        if (refusal_is_of_form(result.refusal.code))
                return bus_refuse(bus, m, &result.refusal);
        r = answer_or_look(bus, m, request.verb, &result);
        return r < 0 ? error_reply_errno(m, r, "The plan cannot be made") : r;
}
