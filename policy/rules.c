/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rules.h"

#include <string.h>

#include "base/strutil.h"
#include "policy/rules-match.h"

static const char *const verdict_table[_POLICY_VERDICT_MAX] = {
        [POLICY_ALLOW] = "allow",
        [POLICY_DENY] = "deny",
        [POLICY_ASK] = "ask",
};

const char *policy_verdict_to_string(PolicyVerdict verdict) {
        return verdict >= 0 && verdict < _POLICY_VERDICT_MAX ? verdict_table[verdict] : NULL;
}

PolicyVerdict policy_verdict_from_string(const char *s) {
        return (PolicyVerdict) string_table_find(verdict_table, _POLICY_VERDICT_MAX, s);
}

static const char *const sriov_table[_POLICY_SRIOV_MAX] = {
        [POLICY_SRIOV_PF] = "pf",
        [POLICY_SRIOV_VF] = "vf",
        [POLICY_SRIOV_NONE] = "none",
};

const char *policy_sriov_to_string(PolicySriov sriov) {
        return sriov >= 0 && sriov < _POLICY_SRIOV_MAX ? sriov_table[sriov] : NULL;
}

void policy_match_done(PolicyMatch *match) {
        glob_done(&match->address);
        glob_done(&match->driver);
        glob_done(&match->label);
        *match = (PolicyMatch) {};
}

static void accounts_free(PolicyAccount *accounts, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(accounts[i].text);
        free(accounts);
}

void policy_caller_match_done(PolicyCallerMatch *match) {
        accounts_free(match->users, match->n_users);
        accounts_free(match->groups, match->n_groups);
        strv_free(match->selinux);
        free(match->owner);
        *match = (PolicyCallerMatch) {};
}

static void demands_free(PolicyDemand *demands, size_t n) {
        for (size_t i = 0; i < n; i++) {
                policy_match_done(&demands[i].match);
                free(demands[i].reason);
        }
        free(demands);
}

void policy_set_done(PolicySet *set) {
        for (size_t i = 0; i < set->n_rules; i++) {
                free(set->rules[i].name);
                policy_match_done(&set->rules[i].match);
                policy_caller_match_done(&set->rules[i].caller);
        }
        for (size_t i = 0; i < set->n_labels; i++) {
                policy_match_done(&set->labels[i].match);
                free(set->labels[i].label);
        }
        for (size_t i = 0; i < set->n_claims; i++) {
                policy_caller_match_done(&set->claims[i].caller);
                strv_free(set->claims[i].labels);
                free(set->claims[i].label);
        }
        demands_free(set->protections, set->n_protections);
        demands_free(set->resets, set->n_resets);
        free(set->rules);
        free(set->labels);
        free(set->claims);
        strv_free(set->files);
        *set = (PolicySet) {};
}

void policy_device_init(const Device *device, const char *driver, const char *label, PolicyDevice *ret) {
        *ret = (PolicyDevice) { .device = device, .driver = driver, .label = label };
        (void) pci_address_format(&device->address, ret->address);
}

PolicyCaller policy_caller_of(const Request *request) {
        const Caller *caller = &request->caller;

        return (PolicyCaller) {
                .uid = caller->uid,
                .gids = caller->gids,
                .n_gids = caller->n_gids,
                .has_gids = caller->has_gids,
                .selinux = caller->selinux,
                .owner = request->owner,
        };
}

/* A rule with what tells most devices from it, side by side in memory. */
struct PolicyCandidate {
        uint64_t ids, ids_mask;
        uint64_t head, head_mask; /* of the address */
        uint64_t tail, tail_mask;
        const PolicyRule *rule; /* borrowed */
};

static struct PolicyCandidate candidate_of(const PolicyRule *rule) {
        const PolicyMatch *match = &rule->match;

        return (struct PolicyCandidate) { match->ids,          match->ids_mask,     match->address.head, match->address.head_mask,
                                          match->address.tail, match->address.tail_mask, rule };
}

static bool candidate_is_possible(const struct PolicyCandidate *c, const MatchSubject *subject) {
        return (((subject->ids & c->ids_mask) ^ c->ids) | ((subject->address.head & c->head_mask) ^ c->head) |
                ((subject->address.tail & c->tail_mask) ^ c->tail)) == 0;
}

void policy_query_done(PolicyQuery *query) {
        free(query->rules);
        *query = (PolicyQuery) {};
}

int policy_query(const PolicySet *set, const PolicyCaller *caller, Verb verb, PolicyQuery *ret) {
        PolicyQuery query = { .uid = caller->uid };

        query.rules = calloc(set->n_rules ?: 1, sizeof(struct PolicyCandidate));
        if (!query.rules)
                return -ENOMEM;
        for (size_t i = 0; i < set->n_rules; i++) {
                const PolicyRule *rule = &set->rules[i];

                if ((rule->verbs & 1U << verb) && caller_match_failure(&rule->caller, caller, rule->verdict == POLICY_DENY) == CALLER_MATCHES)
                        query.rules[query.n_rules++] = candidate_of(rule);
        }
        *ret = query;
        return 0;
}

PolicyDecision policy_decide(const PolicyQuery *query, const PolicyDevice *device) {
        MatchSubject subject = match_subject_of(device);

        for (size_t i = 0; i < query->n_rules; i++)
                if (candidate_is_possible(&query->rules[i], &subject) && match_failure(&query->rules[i].rule->match, &subject) == MATCH_MATCHES)
                        return (PolicyDecision) { query->rules[i].rule->verdict, query->rules[i].rule };
        return (PolicyDecision) { query->uid == 0 ? POLICY_ALLOW : POLICY_DENY, NULL };
}

static const PolicyDemand *find_demand(const PolicyDemand *demands, size_t n, const PolicyDevice *device) {
        MatchSubject subject = match_subject_of(device);

        for (size_t i = 0; i < n; i++)
                if (match_failure(&demands[i].match, &subject) == MATCH_MATCHES)
                        return &demands[i];
        return NULL;
}

const PolicyDemand *policy_find_protection(const PolicySet *set, const PolicyDevice *device) {
        return find_demand(set->protections, set->n_protections, device);
}

const PolicyDemand *policy_find_reset(const PolicySet *set, const PolicyDevice *device) {
        return find_demand(set->resets, set->n_resets, device);
}

const PolicyLabel *policy_find_label(const PolicySet *set, const PolicyDevice *device) {
        MatchSubject subject = match_subject_of(device);

        for (size_t i = 0; i < set->n_labels; i++)
                if (match_failure(&set->labels[i].match, &subject) == MATCH_MATCHES)
                        return &set->labels[i];
        return NULL;
}

const PolicyClaim *policy_find_claim(const PolicySet *set, const PolicyCaller *caller) {
        for (size_t i = 0; i < set->n_claims; i++)
                if (caller_match_failure(&set->claims[i].caller, caller, /* unknown_matches= */ false) == CALLER_MATCHES)
                        return &set->claims[i];
        return NULL;
}

int policy_origin_format(const PolicyOrigin *origin, const char *name, char **ret) {
        if (!name)
                return string_format(ret, "%s:%u", origin->file, origin->line);
        return string_format(ret, "%s:%u (%s)", origin->file, origin->line, name);
}
