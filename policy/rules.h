/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who may have what: the policy set as docs/man/assignd-policy.5 describes it, and the decisions that come of it. policy/rules-parse.h makes
 * one of files, policy/rules-format.h writes it. */

#include "base/glob.h"
#include "policy/request.h"

/* Bytes of a name, glob or reason. */
#define POLICY_TEXT_MAX 256U

typedef enum PolicyVerdict {
        POLICY_ALLOW,
        POLICY_DENY,
        POLICY_ASK, /* polkit decides */
        _POLICY_VERDICT_MAX,
        _POLICY_VERDICT_INVALID = -EINVAL,
} PolicyVerdict;

/* "allow", "deny", "ask" and back. */
const char *policy_verdict_to_string(PolicyVerdict verdict);
PolicyVerdict policy_verdict_from_string(const char *s);

typedef enum PolicySriov {
        POLICY_SRIOV_ANY,
        POLICY_SRIOV_PF,   /* can have virtual functions */
        POLICY_SRIOV_VF,
        POLICY_SRIOV_NONE, /* neither */
        _POLICY_SRIOV_MAX,
} PolicySriov;

/* "pf", "vf", "none"; NULL for POLICY_SRIOV_ANY. */
const char *policy_sriov_to_string(PolicySriov sriov);

/* What an entry asks of a device; everything that it asks has to hold. */
typedef struct PolicyMatch {
        uint64_t ids, ids_mask;     /* vendor, device, subsystem vendor and device, 16 bits each; bits outside the mask do not count */
        uint32_t class, class_mask; /* 24 bits */
        PolicySriov sriov;
        bool has_numa;
        bool no_driver;
        bool no_label;
        int numa; /* -1: on no node */
        Glob address;
        Glob driver;
        Glob label;
} PolicyMatch;

/* A user or group, as the file has it. */
typedef struct PolicyAccount {
        char *text;
        uint32_t id;
} PolicyAccount;

/* What an entry asks of a caller: to be one of the users or in one of the groups, to have one of the contexts, to name such an owner. Empty: whoever. */
typedef struct PolicyCallerMatch {
        PolicyAccount *users;
        size_t n_users;
        PolicyAccount *groups;
        size_t n_groups;
        char **selinux; /* globs */
        char *owner;    /* glob; NULL: any */
} PolicyCallerMatch;

/* Where an entry stands. */
typedef struct PolicyOrigin {
        const char *file; /* borrowed from the set */
        unsigned line;
} PolicyOrigin;

typedef struct PolicyRule {
        PolicyOrigin origin;
        char *name; /* NULL: none */
        PolicyMatch match;
        PolicyCallerMatch caller;
        unsigned verbs; /* 1U << Verb, ... */
        PolicyVerdict verdict;
} PolicyRule;

/* The label of the devices that match. */
typedef struct PolicyLabel {
        PolicyOrigin origin;
        PolicyMatch match;
        char *label;
} PolicyLabel;

/* Which labels callers may claim for their owners. */
typedef struct PolicyClaim {
        PolicyOrigin origin;
        PolicyCallerMatch caller;
        char **labels; /* globs */
        char *label;   /* what the owner has if the caller claims none; NULL: none */
} PolicyClaim;

/* What is asked for devices' sake of whoever wants them. */
typedef struct PolicyDemand {
        PolicyOrigin origin;
        PolicyMatch match;
        char *reason;
} PolicyDemand;

/* All files of a policy, in their order. The first entry of a kind that matches decides. */
typedef struct PolicySet {
        PolicyRule *rules;
        size_t n_rules;
        PolicyLabel *labels;
        size_t n_labels;
        PolicyClaim *claims;
        size_t n_claims;
        PolicyDemand *protections; /* nobody gets the devices without overriding it */
        size_t n_protections;
        PolicyDemand *resets; /* nor those of these that the kernel cannot reset between two owners */
        size_t n_resets;
        char **files;
} PolicySet;

void policy_set_done(PolicySet *set);

/* Whether both decide the same, and say the same of it: where their entries stand does not count. */
bool policy_set_equal(const PolicySet *a, const PolicySet *b);

void policy_match_done(PolicyMatch *match);
void policy_caller_match_done(PolicyCallerMatch *match);

/* The verbs that rules may name, as a mask. */
#define POLICY_VERBS (1U << VERB_ASSIGN | 1U << VERB_RELEASE | 1U << VERB_OPEN | 1U << VERB_RESERVE | 1U << VERB_UNRESERVE | 1U << VERB_RECOVER)

/* The device as policy sees it. All is borrowed. */
typedef struct PolicyDevice {
        const Device *device;
        const char *driver; /* the host driver: the one it is on, or was on before assignd took it; NULL: none */
        const char *label;  /* NULL: none */
        char address[PCI_ADDRESS_STRING_MAX];
} PolicyDevice;

/* Fills *ret; `label` and `driver` are borrowed. */
void policy_device_init(const Device *device, const char *driver, const char *label, PolicyDevice *ret);

/* The caller as policy sees it. All is borrowed. */
typedef struct PolicyCaller {
        uid_t uid;
        const gid_t *gids;
        size_t n_gids;
        bool has_gids;       /* false: the bus does not tell the caller's groups */
        const char *selinux; /* NULL: unknown */
        const char *owner;   /* NULL: the request names none */
} PolicyCaller;

PolicyCaller policy_caller_of(const Request *request);

/* What is decided of the caller and the verb once for all devices of a request: the rules that are left. */
typedef struct PolicyQuery {
        struct PolicyCandidate *rules; /* in order */
        size_t n_rules;
        uid_t uid;
} PolicyQuery;

void policy_query_done(PolicyQuery *query);

/* The caller frees *ret with policy_query_done(); it borrows from the set. Returns 0 or -ENOMEM.
 * Where something that a rule asks of the caller is not known (groups, SELinux context), a rule that denies matches and any other does not. */
int policy_query(const PolicySet *set, const PolicyCaller *caller, Verb verb, PolicyQuery *ret);

typedef struct PolicyDecision {
        PolicyVerdict verdict;
        const PolicyRule *rule; /* NULL: no rule matched: uid 0 is allowed, anybody else denied */
} PolicyDecision;

PolicyDecision policy_decide(const PolicyQuery *query, const PolicyDevice *device);

/* NULL: nothing protects the device. */
const PolicyDemand *policy_find_protection(const PolicySet *set, const PolicyDevice *device);

/* NULL: nothing asks for a reset of the device between two owners. */
const PolicyDemand *policy_find_reset(const PolicySet *set, const PolicyDevice *device);

/* The first entry that labels the device, whose own label is not looked at. NULL: none. */
const PolicyLabel *policy_find_label(const PolicySet *set, const PolicyDevice *device);

/* The first entry that is for this caller. NULL: none. */
const PolicyClaim *policy_find_claim(const PolicySet *set, const PolicyCaller *caller);

/* Why a rule does not match, as the rest of a sentence about it ("the vendor is 8086, not 10de"): the first thing it asks that does not hold. *ret is NULL
 * if it matches; the caller frees it. Returns 0 or -ENOMEM. */
int policy_rule_mismatch(const PolicyRule *rule, const PolicyCaller *caller, Verb verb, const PolicyDevice *device, char **ret);

/* "50-tenants.json:12 \"tenant a\"": where a rule stands and its name, which may be NULL. */
int policy_origin_format(const PolicyOrigin *origin, const char *name, char **ret);
