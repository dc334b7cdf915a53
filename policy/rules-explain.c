/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "policy/rules-match.h"

static bool account_matches(const PolicyCallerMatch *match, const PolicyCaller *caller, bool unknown_matches) {
        if (match->n_users == 0 && match->n_groups == 0)
                return true;
        for (size_t i = 0; i < match->n_users; i++)
                if (match->users[i].id == caller->uid)
                        return true;
        if (match->n_groups > 0 && !caller->has_gids)
                return unknown_matches;
        for (size_t i = 0; i < match->n_groups; i++)
                for (size_t k = 0; k < caller->n_gids; k++)
                        if (match->groups[i].id == caller->gids[k])
                                return true;
        return false;
}

static bool selinux_matches(const PolicyCallerMatch *match, const PolicyCaller *caller, bool unknown_matches) {
        if (strv_length(match->selinux) == 0)
                return true;
        if (!caller->selinux)
                return unknown_matches;
        for (char *const *glob = match->selinux; *glob; glob++)
                if (glob_matches(*glob, caller->selinux))
                        return true;
        return false;
}

CallerFailure caller_match_failure(const PolicyCallerMatch *match, const PolicyCaller *caller, bool unknown_matches) {
        if (!account_matches(match, caller, unknown_matches))
                return CALLER_ACCOUNT;
        if (!selinux_matches(match, caller, unknown_matches))
                return CALLER_SELINUX;
        if (match->owner && !(caller->owner && glob_matches(match->owner, caller->owner)))
                return CALLER_OWNER;
        return CALLER_MATCHES;
}

/* "4 hexadecimal digits or *", of 16 bits of the ids. */
static const char *ids_part(uint64_t ids, uint64_t mask, unsigned shift, char buffer[static 5]) {
        if ((mask >> shift & 0xffff) == 0)
                return "*";
        (void) snprintf(buffer, 5, "%04x", (unsigned) (ids >> shift & 0xffff));
        return buffer;
}

static int ids_mismatch(const PolicyMatch *match, const MatchSubject *subject, char **ret) {
        static const struct {
                unsigned shift;
                const char *what;
        } parts[] = { { 48, "vendor" }, { 32, "device id" } };
        char a[5], b[5];

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                uint64_t mask = match->ids_mask & (uint64_t) 0xffff << parts[i].shift;

                if ((subject->ids & mask) != (match->ids & mask))
                        return string_format(ret, "the %s is %04x, not %04x", parts[i].what, (unsigned) (subject->ids >> parts[i].shift & 0xffff),
                                             (unsigned) (match->ids >> parts[i].shift & 0xffff));
        }
        return string_format(ret, "the subsystem is %04x:%04x, not %s:%s", (unsigned) (subject->ids >> 16 & 0xffff), (unsigned) (subject->ids & 0xffff),
                             ids_part(match->ids, match->ids_mask, 16, a), ids_part(match->ids, match->ids_mask, 0, b));
}

static int text_mismatch(const char *what, const char *text, const char *glob, char **ret) {
        if (!glob)
                return string_format(ret, "it has the %s %s, and the rule is for devices with none", what, text);
        if (!text)
                return string_format(ret, "it has no %s, and the rule is for %s", what, glob);
        return string_format(ret, "the %s is %s, not %s", what, text, glob);
}

static const char *sriov_words(PolicySriov sriov) {
        switch (sriov) {
        case POLICY_SRIOV_PF:
                return "a physical function";
        case POLICY_SRIOV_VF:
                return "a virtual function";
        case POLICY_SRIOV_NONE:
                return "neither a physical nor a virtual function of SR-IOV";
        case POLICY_SRIOV_ANY:
        case _POLICY_SRIOV_MAX:
                break;
        }
        return "any device";
}

static int numa_mismatch(const PolicyMatch *match, const MatchSubject *subject, char **ret) {
        if (match->numa < 0)
                return string_format(ret, "it is on NUMA node %d, and the rule is for devices on none", subject->numa);
        if (subject->numa < 0)
                return string_format(ret, "it is on no NUMA node, and the rule is for node %d", match->numa);
        return string_format(ret, "it is on NUMA node %d, not %d", subject->numa, match->numa);
}

static int device_mismatch(const PolicyMatch *match, const PolicyDevice *device, char **ret) {
        MatchSubject subject = match_subject_of(device);
        int digits = __builtin_popcount(match->class_mask) / 4;

        switch (match_failure(match, &subject)) {
        case MATCH_MATCHES:
                *ret = NULL;
                return 0;
        case MATCH_IDS:
                return ids_mismatch(match, &subject, ret);
        case MATCH_CLASS:
                return string_format(ret, "the class is %06" PRIx32 ", not %0*" PRIx32 "%s", subject.class, digits, match->class >> (24 - 4 * digits),
                                     digits < 6 ? "*" : "");
        case MATCH_SRIOV:
                return string_format(ret, "it is %s, and the rule is for %s", sriov_words(subject.sriov),
                                     match->sriov == POLICY_SRIOV_NONE ? "devices without SR-IOV" : sriov_words(match->sriov));
        case MATCH_NUMA:
                return numa_mismatch(match, &subject, ret);
        case MATCH_ADDRESS:
                return string_format(ret, "the address is %s, not %s", device->address, match->address.pattern);
        case MATCH_DRIVER:
                return text_mismatch("driver", device->driver, match->driver.pattern, ret);
        case MATCH_LABEL:
                return text_mismatch("label", device->label, match->label.pattern, ret);
        }
        return -EINVAL;
}

static int account_mismatch(const PolicyCallerMatch *match, const PolicyCaller *caller, char **ret) {
        const char *what = match->n_groups == 0 ? "is none of its users" : match->n_users == 0 ? "is in none of its groups" :
                                                                                                 "is none of its users and in none of its groups";

        if (match->n_groups > 0 && !caller->has_gids)
                what = "is none of its users, and the bus does not tell the caller's groups";
        return string_format(ret, "uid %u %s", (unsigned) caller->uid, what);
}

int policy_rule_mismatch(const PolicyRule *rule, const PolicyCaller *caller, Verb verb, const PolicyDevice *device, char **ret) {
        if (!(rule->verbs & 1U << verb))
                return string_format(ret, "it is not about %s", verb_to_string(verb));
        switch (caller_match_failure(&rule->caller, caller, rule->verdict == POLICY_DENY)) {
        case CALLER_MATCHES:
                break;
        case CALLER_ACCOUNT:
                return account_mismatch(&rule->caller, caller, ret);
        case CALLER_SELINUX:
                if (!caller->selinux)
                        return string_format(ret, "the caller's SELinux context is not known");
                return string_format(ret, "the caller's SELinux context is %s", caller->selinux);
        case CALLER_OWNER:
                if (!caller->owner)
                        return string_format(ret, "no owner is named, and the rule is for %s", rule->caller.owner);
                return string_format(ret, "the owner is %s, not %s", caller->owner, rule->caller.owner);
        }
        return device_mismatch(&rule->match, device, ret);
}
