/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "policy/rules.h"

static bool glob_equal(const Glob *a, const Glob *b) {
        return string_equal(a->pattern, b->pattern);
}

static bool match_equal(const PolicyMatch *a, const PolicyMatch *b) {
        return a->ids == b->ids && a->ids_mask == b->ids_mask && a->class == b->class && a->class_mask == b->class_mask && a->sriov == b->sriov &&
               a->has_numa == b->has_numa && a->no_driver == b->no_driver && a->no_label == b->no_label && a->numa == b->numa &&
               glob_equal(&a->address, &b->address) && glob_equal(&a->driver, &b->driver) && glob_equal(&a->label, &b->label);
}

static bool texts_equal(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!string_equal(a[i], b[i]))
                        return false;
        return true;
}

/* A name that has become another number's is another account. */
static bool accounts_equal(const PolicyAccount *a, size_t n_a, const PolicyAccount *b, size_t n_b) {
        if (n_a != n_b)
                return false;
        for (size_t i = 0; i < n_a; i++)
                if (a[i].id != b[i].id || !string_equal(a[i].text, b[i].text))
                        return false;
        return true;
}

static bool caller_equal(const PolicyCallerMatch *a, const PolicyCallerMatch *b) {
        return accounts_equal(a->users, a->n_users, b->users, b->n_users) && accounts_equal(a->groups, a->n_groups, b->groups, b->n_groups) &&
               texts_equal(a->selinux, b->selinux) && string_equal(a->owner, b->owner);
}

static bool rule_equal(const PolicyRule *a, const PolicyRule *b) {
        return string_equal(a->name, b->name) && match_equal(&a->match, &b->match) && caller_equal(&a->caller, &b->caller) && a->verbs == b->verbs &&
               a->verdict == b->verdict;
}

static bool label_equal(const PolicyLabel *a, const PolicyLabel *b) {
        return match_equal(&a->match, &b->match) && string_equal(a->label, b->label);
}

static bool claim_equal(const PolicyClaim *a, const PolicyClaim *b) {
        return caller_equal(&a->caller, &b->caller) && texts_equal(a->labels, b->labels) && string_equal(a->label, b->label);
}

static bool demands_equal(const PolicyDemand *a, size_t n_a, const PolicyDemand *b, size_t n_b) {
        if (n_a != n_b)
                return false;
        for (size_t i = 0; i < n_a; i++)
                if (!match_equal(&a[i].match, &b[i].match) || !string_equal(a[i].reason, b[i].reason))
                        return false;
        return true;
}

bool policy_set_equal(const PolicySet *a, const PolicySet *b) {
        if (a->n_rules != b->n_rules || a->n_labels != b->n_labels || a->n_claims != b->n_claims)
                return false;
        for (size_t i = 0; i < a->n_rules; i++)
                if (!rule_equal(&a->rules[i], &b->rules[i]))
                        return false;
        for (size_t i = 0; i < a->n_labels; i++)
                if (!label_equal(&a->labels[i], &b->labels[i]))
                        return false;
        for (size_t i = 0; i < a->n_claims; i++)
                if (!claim_equal(&a->claims[i], &b->claims[i]))
                        return false;
        return demands_equal(a->protections, a->n_protections, b->protections, b->n_protections) &&
               demands_equal(a->resets, a->n_resets, b->resets, b->n_resets);
}
