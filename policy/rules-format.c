/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rules-format.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/strutil.h"

/* Puts what may be NULL because memory ran out; `ok` tells of it. */
static void put(json_t *object, const char *key, json_t *value, bool *ok) {
        if (json_object_set_new(object, key, value) < 0)
                *ok = false;
}

static void put_text(json_t *object, const char *key, const char *text, bool *ok) {
        if (text)
                put(object, key, json_string(text), ok);
}

static void put_texts(json_t *object, const char *key, char *const *texts, bool *ok) {
        json_t *array;

        if (strv_length(texts) == 0)
                return;
        array = json_array();
        for (; *texts; texts++)
                if (json_array_append_new(array, json_string(*texts)) < 0)
                        *ok = false;
        put(object, key, array, ok);
}

static void put_accounts(json_t *object, const char *key, const PolicyAccount *accounts, size_t n, bool *ok) {
        json_t *array;

        if (n == 0)
                return;
        array = json_array();
        for (size_t i = 0; i < n; i++)
                if (json_array_append_new(array, json_string(accounts[i].text)) < 0)
                        *ok = false;
        put(object, key, array, ok);
}

static void put_id(json_t *object, const char *key, const PolicyMatch *match, unsigned shift, bool *ok) {
        char text[5];

        if (!(match->ids_mask >> shift & 0xffff))
                return;
        (void) snprintf(text, sizeof(text), "%04x", (unsigned) (match->ids >> shift & 0xffff));
        put_text(object, key, text, ok);
}

static void put_subsystem(json_t *object, const PolicyMatch *match, bool *ok) {
        char vendor[5] = "*", device[5] = "*", text[sizeof("0000:0000")];

        if (!(match->ids_mask & 0xffffffff))
                return;
        if (match->ids_mask >> 16 & 0xffff)
                (void) snprintf(vendor, sizeof(vendor), "%04x", (unsigned) (match->ids >> 16 & 0xffff));
        if (match->ids_mask & 0xffff)
                (void) snprintf(device, sizeof(device), "%04x", (unsigned) (match->ids & 0xffff));
        (void) snprintf(text, sizeof(text), "%s:%s", vendor, device);
        put_text(object, "subsystem", text, ok);
}

static void put_class(json_t *object, const PolicyMatch *match, bool *ok) {
        int digits = __builtin_popcount(match->class_mask) / 4;
        char text[16];

        if (digits == 0)
                return;
        (void) snprintf(text, sizeof(text), "%0*" PRIx32 "%s", digits, match->class >> (24 - 4 * digits) & 0xffffff, digits < 6 ? "*" : "");
        put_text(object, "class", text, ok);
}

static json_t *match_json(const PolicyMatch *match, bool *ok) {
        json_t *object = json_object();

        put_text(object, "address", match->address.pattern, ok);
        put_id(object, "vendor", match, 48, ok);
        put_id(object, "device", match, 32, ok);
        put_subsystem(object, match, ok);
        put_class(object, match, ok);
        if (match->no_driver)
                put(object, "driver", json_null(), ok);
        put_text(object, "driver", match->driver.pattern, ok);
        if (match->has_numa)
                put(object, "numa", json_integer(match->numa), ok);
        put_text(object, "sriov", policy_sriov_to_string(match->sriov), ok);
        if (match->no_label)
                put(object, "label", json_null(), ok);
        put_text(object, "label", match->label.pattern, ok);
        return object;
}

static json_t *caller_json(const PolicyCallerMatch *match, bool *ok) {
        json_t *object = json_object();

        put_accounts(object, "users", match->users, match->n_users, ok);
        put_accounts(object, "groups", match->groups, match->n_groups, ok);
        put_texts(object, "selinux", match->selinux, ok);
        put_text(object, "owner", match->owner, ok);
        return object;
}

static void put_verbs(json_t *object, unsigned verbs, bool *ok) {
        json_t *array;

        if (verbs == POLICY_VERBS)
                return;
        array = json_array();
        for (Verb verb = 0; verb < _VERB_MAX; verb++)
                if ((verbs & 1U << verb) && json_array_append_new(array, json_string(verb_to_string(verb))) < 0)
                        *ok = false;
        put(object, "verbs", array, ok);
}

static json_t *rule_json(const PolicyRule *rule, bool *ok) {
        json_t *object = json_object();

        put_text(object, "name", rule->name, ok);
        put(object, "match", match_json(&rule->match, ok), ok);
        put(object, "caller", caller_json(&rule->caller, ok), ok);
        put_verbs(object, rule->verbs, ok);
        put_text(object, "verdict", policy_verdict_to_string(rule->verdict), ok);
        return object;
}

static json_t *label_json(const PolicyLabel *label, bool *ok) {
        json_t *object = json_object();

        put(object, "match", match_json(&label->match, ok), ok);
        put_text(object, "label", label->label, ok);
        return object;
}

static json_t *claim_json(const PolicyClaim *claim, bool *ok) {
        json_t *object = json_object();

        put(object, "caller", caller_json(&claim->caller, ok), ok);
        put_texts(object, "labels", claim->labels, ok);
        put_text(object, "label", claim->label, ok);
        return object;
}

static json_t *demand_json(const PolicyDemand *demand, bool *ok) {
        json_t *object = json_object();

        put(object, "match", match_json(&demand->match, ok), ok);
        put_text(object, "reason", demand->reason, ok);
        return object;
}

static json_t *demands_json(const PolicyDemand *demands, size_t n, bool *ok) {
        json_t *array = json_array();

        for (size_t i = 0; i < n; i++)
                *ok = json_array_append_new(array, demand_json(&demands[i], ok)) >= 0 && *ok;
        return array;
}

/* Takes `value` over. */
static int dump(json_t *value, bool ok, size_t flags, char **ret) {
        json_auto_t *owned = value;
        char *text = owned && ok ? json_dumps(owned, flags) : NULL;

        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

int policy_rule_format(const PolicyRule *rule, char **ret) {
        bool ok = true;
        json_t *json = rule_json(rule, &ok);

        return dump(json, ok, 0, ret);
}

int policy_label_format(const PolicyLabel *label, char **ret) {
        bool ok = true;
        json_t *json = label_json(label, &ok);

        return dump(json, ok, 0, ret);
}

int policy_claim_format(const PolicyClaim *claim, char **ret) {
        bool ok = true;
        json_t *json = claim_json(claim, &ok);

        return dump(json, ok, 0, ret);
}

int policy_demand_format(const PolicyDemand *demand, char **ret) {
        bool ok = true;
        json_t *json = demand_json(demand, &ok);

        return dump(json, ok, 0, ret);
}

int policy_set_format(const PolicySet *set, char **ret) {
        json_t *object = json_object(), *rules = json_array(), *labels = json_array(), *claims = json_array();
        bool ok = true;

        put(object, "version", json_integer(1), &ok);
        for (size_t i = 0; i < set->n_labels; i++)
                ok = json_array_append_new(labels, label_json(&set->labels[i], &ok)) >= 0 && ok;
        for (size_t i = 0; i < set->n_claims; i++)
                ok = json_array_append_new(claims, claim_json(&set->claims[i], &ok)) >= 0 && ok;
        for (size_t i = 0; i < set->n_rules; i++)
                ok = json_array_append_new(rules, rule_json(&set->rules[i], &ok)) >= 0 && ok;
        put(object, "labels", labels, &ok);
        put(object, "claims", claims, &ok);
        put(object, "rules", rules, &ok);
        put(object, "protect", demands_json(set->protections, set->n_protections, &ok), &ok);
        put(object, "reset", demands_json(set->resets, set->n_resets, &ok), &ok);
        return dump(object, ok, JSON_INDENT(2), ret);
}
