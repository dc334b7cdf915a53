/* SPDX-License-Identifier: GPL-2.0-or-later */

/* SetLabel, ListPolicy and ExplainPolicy. */

#include "base/strutil.h"
#include "daemon/label.h"
#include "daemon/permit.h"
#include "dbus/bus-manager.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"
#include "policy/rules-format.h"

int method_set_label(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        _cleanup_(request_done) Request request = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        const char *target, *label;
        int r;

        r = sd_bus_message_read(m, "ss", &target, &label);
        if (r >= 0)
                r = options_read(m, NULL, 0, error);
        if (r < 0)
                return r;
        r = strv_append(&request.targets, target);
        if (r >= 0 && *label)
                r = string_copy(label, &request.label);
        if (r >= 0)
                r = authorizer_get_caller(bus->authorizer, m, &request.caller);
        if (r >= 0)
                r = manager_set_label(bus->manager, &request, &refusal);
        if (r < 0)
                return error_reply_errno(m, r, "The label cannot be set");
        return refusal.code != REFUSAL_NONE ? bus_refuse(bus, m, &refusal) : sd_bus_reply_method_return(m, NULL);
}

/* One entry of the policy; `text` is taken over. */
static int append_entry(sd_bus_message *m, const char *section, const PolicyOrigin *origin, const char *name, const char *verdict, char *text) {
        _cleanup_free_ char *entry = text;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = encode_string(m, "section", section);
        if (r >= 0)
                r = encode_string(m, "file", origin->file);
        if (r >= 0)
                r = encode_u32(m, "line", origin->line);
        if (r >= 0)
                r = encode_string(m, "name", name);
        if (r >= 0)
                r = encode_string(m, "verdict", verdict);
        if (r >= 0)
                r = encode_string(m, "entry", entry);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_demands(sd_bus_message *m, const char *section, const PolicyDemand *demands, size_t n) {
        char *text;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = policy_demand_format(&demands[i], &text);
                if (r >= 0)
                        r = append_entry(m, section, &demands[i].origin, demands[i].reason, NULL, text);
        }
        return r;
}

static int append_policy(sd_bus_message *m, const PolicySet *set) {
        char *text;
        int r;

        r = append_demands(m, "protect", set->protections, set->n_protections);
        if (r >= 0)
                r = append_demands(m, "reset", set->resets, set->n_resets);
        for (size_t i = 0; r >= 0 && i < set->n_labels; i++) {
                r = policy_label_format(&set->labels[i], &text);
                if (r >= 0)
                        r = append_entry(m, "labels", &set->labels[i].origin, set->labels[i].label, NULL, text);
        }
        for (size_t i = 0; r >= 0 && i < set->n_claims; i++) {
                r = policy_claim_format(&set->claims[i], &text);
                if (r >= 0)
                        r = append_entry(m, "claims", &set->claims[i].origin, set->claims[i].label, NULL, text);
        }
        for (size_t i = 0; r >= 0 && i < set->n_rules; i++) {
                r = policy_rule_format(&set->rules[i], &text);
                if (r >= 0)
                        r = append_entry(m, "rules", &set->rules[i].origin, set->rules[i].name, policy_verdict_to_string(set->rules[i].verdict), text);
        }
        return r;
}

int method_list_policy(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = options_read(m, NULL, 0, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "a{sv}");
        if (r >= 0)
                r = append_policy(reply, &bus->manager->policy.set);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_send(reply);
}

/* A question as it came in, with the groups that it is about. */
typedef struct Question {
        Request request;
        Selection selection;
} Question;

static void question_done(Question *question) {
        request_done(&question->request);
        selection_done(&question->selection);
}

/* Somebody else than who asks. */
static int imagine_caller(Caller *caller, uint64_t uid, U32Array *gids) {
        if (uid > UINT32_MAX)
                return 0;
        free(caller->selinux);
        free(caller->gids);
        *caller = (Caller) { .uid = (uid_t) uid, .bus_name = caller->bus_name, .gids = gids->items, .n_gids = gids->n_items, .has_gids = true };
        *gids = (U32Array) {};
        return 0;
}

static int question_read(Bus *bus, sd_bus_message *m, Question *question, sd_bus_error *error) {
        Request *request = &question->request;
        const char *verb, *target, *owner = NULL, *label = NULL, *selinux = NULL;
        uint64_t uid = UINT64_MAX;
        _cleanup_(u32_array_done) U32Array gids = {};
        const Option options[] = {
                { "owner", OPTION_STRING, &owner }, { "label", OPTION_STRING, &label },     { "uid", OPTION_U64, &uid },
                { "gids", OPTION_U32_ARRAY, &gids }, { "selinux", OPTION_STRING, &selinux },
        };
        int r;

        r = sd_bus_message_read(m, "ss", &verb, &target);
        if (r >= 0)
                r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;
        request->verb = verb_from_string(verb);
        if (request->verb < 0 || !(POLICY_VERBS & 1U << request->verb))
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "The verb is none of \"assign\", \"reserve\", \"open\", \"release\", \"unreserve\" and \"recover\"");
        if (uid > UINT32_MAX - 1 && uid != UINT64_MAX)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "The option \"uid\" is no user id");
        r = strv_append(&request->targets, target);
        if (r >= 0)
                r = string_copy(owner, &request->owner);
        if (r >= 0)
                r = string_copy(label, &request->label);
        if (r >= 0)
                r = authorizer_get_caller(bus->authorizer, m, &request->caller);
        if (r >= 0)
                r = imagine_caller(&request->caller, uid, &gids);
        if (r >= 0 && selinux)
                r = string_replace(&request->caller.selinux, selinux);
        return r;
}

static int append_skipped(sd_bus_message *m, const PolicySet *set, const PolicyRule *decided, const Request *request, const PolicyDevice *device) {
        const PolicyCaller caller = policy_caller_of(request);
        int r;

        r = encode_entry_open(m, "skipped", "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
        for (size_t i = 0; r >= 0 && i < set->n_rules && &set->rules[i] != decided; i++) {
                const PolicyRule *rule = &set->rules[i];
                _cleanup_free_ char *origin = NULL, *reason = NULL;

                r = policy_origin_format(&rule->origin, rule->name, &origin);
                if (r >= 0)
                        r = policy_rule_mismatch(rule, &caller, request->verb, device, &reason);
                if (r >= 0)
                        r = sd_bus_message_append(m, "a{sv}", 2, "rule", "s", origin, "reason", "s", reason ?: "");
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : encode_entry_close(m);
}

/* What decides of one device, and why nothing before it did. */
static int append_device(sd_bus_message *m, const Manager *manager, const Request *request, const PolicyQuery *query, const Device *device) {
        const PolicyDevice seen = permit_see_device(manager, device);
        const DeviceLabel label = manager_device_label(manager, device);
        const PolicyDemand *protection = policy_find_protection(&manager->policy.set, &seen), *reset = policy_find_reset(&manager->policy.set, &seen);
        const PolicyDecision decision = policy_decide(query, &seen);
        _cleanup_free_ char *label_text = NULL, *rule = NULL;
        int r;

        r = device_label_format(&label, &label_text);
        if (r >= 0 && decision.rule)
                r = policy_origin_format(&decision.rule->origin, decision.rule->name, &rule);
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = encode_string(m, "address", seen.address);
        if (r >= 0)
                r = encode_string(m, "driver", seen.driver);
        if (r >= 0)
                r = encode_string(m, "label", label.label);
        if (r >= 0)
                r = encode_string(m, "label_text", label_text);
        if (r >= 0)
                r = encode_string(m, "verdict", policy_verdict_to_string(decision.verdict));
        if (r >= 0)
                r = encode_string(m, "rule", rule);
        if (r >= 0)
                r = encode_string(m, "protected", protection ? protection->reason : NULL);
        if (r >= 0)
                r = encode_string(m, "reset", reset ? reset->reason : NULL);
        if (r >= 0)
                r = append_skipped(m, &manager->policy.set, decision.rule, request, &seen);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_devices(sd_bus_message *m, const Manager *manager, const Question *question) {
        const PolicyCaller caller = policy_caller_of(&question->request);
        _cleanup_(policy_query_done) PolicyQuery query = {};
        int r;

        r = policy_query(&manager->policy.set, &caller, question->request.verb, &query);
        if (r >= 0)
                r = encode_entry_open(m, "devices", "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
        for (size_t i = 0; i < question->selection.n_groups; i++) {
                const Group *group = question->selection.groups[i];

                for (size_t k = 0; r >= 0 && k < group->n_devices; k++)
                        if (group->devices[k]->role == ROLE_ENDPOINT)
                                r = append_device(m, manager, &question->request, &query, group->devices[k]);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : encode_entry_close(m);
}

/* What a request of that kind would hear of the policy; labels and resets count for assignments only. */
static int find_blockers(const Manager *manager, const Question *question, const char **ret_label, BlockerList *blockers) {
        const Request *request = &question->request;
        size_t n;
        int r;

        *ret_label = NULL;
        r = permit_groups(manager, request, question->selection.groups, question->selection.n_groups, blockers);
        if (r < 0 || request->verb != VERB_ASSIGN)
                return r;
        for (size_t i = 0; r >= 0 && i < question->selection.n_groups; i++)
                r = permit_unreset(manager, question->selection.groups[i], blockers);
        if (r < 0)
                return r;
        n = blockers->n_items;
        r = permit_label(manager, request, ret_label, blockers);
        if (r < 0 || blockers->n_items > n)
                return r;
        return manager_check_labels(manager, *ret_label, question->selection.groups, question->selection.n_groups, blockers);
}

static int append_answer(sd_bus_message *m, const Manager *manager, const Question *question) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        const char *label;
        int r;

        r = find_blockers(manager, question, &label, &blockers);
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = encode_bool(m, "allowed", blockers.n_items == 0);
        if (r >= 0)
                r = encode_u32(m, "uid", question->request.caller.uid);
        if (r >= 0)
                r = encode_string(m, "owner_label", label);
        if (r >= 0)
                r = encode_entry_open(m, "blockers", "aa{sv}");
        if (r >= 0)
                r = encode_blockers(m, &blockers);
        if (r >= 0)
                r = encode_entry_close(m);
        if (r >= 0)
                r = append_devices(m, manager, question);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int method_explain_policy(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        _cleanup_(question_done) Question question = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Target target;
        int r;

        r = question_read(bus, m, &question, error);
        if (r < 0)
                return r;
        if (target_parse(question.request.targets[0], &target) < 0)
                r = target_refuse(question.request.targets[0], &refusal);
        else
                r = selection_resolve(manager_facts(bus->manager), question.request.targets, &question.selection, &blockers, &refusal);
        if (r >= 0 && refusal.code == REFUSAL_NONE && blockers.n_items > 0)
                r = refusal_from_blockers(&refusal, &blockers);
        if (r < 0)
                return r;
        if (refusal.code != REFUSAL_NONE)
                return error_reply_refusal(m, &refusal);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_answer(reply, bus->manager, &question);
        return r < 0 ? r : sd_bus_message_send(reply);
}
