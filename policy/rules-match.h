/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One entry of a policy against one device or caller: what of it fails first. For policy/rules.c and policy/rules-explain.c, so that a decision and its
 * explanation cannot differ. */

#include "base/glob.h"
#include "base/strutil.h"
#include "policy/rules.h"

typedef enum MatchFailure {
        MATCH_MATCHES,
        MATCH_IDS,
        MATCH_CLASS,
        MATCH_SRIOV,
        MATCH_NUMA,
        MATCH_ADDRESS,
        MATCH_DRIVER,
        MATCH_LABEL,
} MatchFailure;

/* The device, as it is compared with many entries. */
typedef struct MatchSubject {
        uint64_t ids;
        uint32_t class;
        int numa;
        PolicySriov sriov;
        GlobText address;
        GlobText driver;
        GlobText label;
} MatchSubject;

static inline MatchSubject match_subject_of(const PolicyDevice *device) {
        const PciIdentity *id = &device->device->identity;

        return (MatchSubject) {
                .ids = (uint64_t) id->vendor << 48 | (uint64_t) id->device << 32 | (uint64_t) id->subsystem_vendor << 16 | id->subsystem_device,
                .class = id->class,
                .numa = device->device->numa_node,
                .sriov = device->device->is_vf ? POLICY_SRIOV_VF : device->device->is_pf ? POLICY_SRIOV_PF : POLICY_SRIOV_NONE,
                .address = glob_text(device->address),
                .driver = glob_text(device->driver),
                .label = glob_text(device->label),
        };
}

static inline MatchFailure match_failure(const PolicyMatch *match, const MatchSubject *subject) {
        if ((subject->ids & match->ids_mask) != match->ids)
                return MATCH_IDS;
        if ((subject->class & match->class_mask) != match->class)
                return MATCH_CLASS;
        if (match->sriov != POLICY_SRIOV_ANY && match->sriov != subject->sriov)
                return MATCH_SRIOV;
        if (match->has_numa && match->numa != subject->numa)
                return MATCH_NUMA;
        if (!glob_test(&match->address, &subject->address))
                return MATCH_ADDRESS;
        if ((match->no_driver && subject->driver.text) || !glob_test(&match->driver, &subject->driver))
                return MATCH_DRIVER;
        if ((match->no_label && subject->label.text) || !glob_test(&match->label, &subject->label))
                return MATCH_LABEL;
        return MATCH_MATCHES;
}

typedef enum CallerFailure {
        CALLER_MATCHES,
        CALLER_ACCOUNT, /* neither one of the users nor in one of the groups */
        CALLER_SELINUX,
        CALLER_OWNER,
} CallerFailure;

/* With `unknown_matches`, what is not known of the caller holds. */
CallerFailure caller_match_failure(const PolicyCallerMatch *match, const PolicyCaller *caller, bool unknown_matches);
