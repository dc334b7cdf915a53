/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who asks for what: a request as it came in, checked for form, and the groups and devices it comes to on this host. */

#include <sys/types.h>

#include "base/node-access.h"
#include "policy/facts.h"
#include "policy/refusal.h"

#define OWNER_NAME_MAX 128U   /* bytes */
#define TARGET_TEXT_MAX 64U   /* bytes */
#define TARGETS_MAX 256U
#define LABEL_MAX 128U        /* bytes */

typedef enum Verb {
        VERB_ASSIGN,
        VERB_RELEASE,
        VERB_OPEN,
        VERB_RESERVE,
        VERB_UNRESERVE,
        VERB_RECOVER,
        VERB_LABEL,
        VERB_GUARD, /* the daemon's own: nobody can ask for it */
        VERB_GRANT, /* as well */
        _VERB_MAX,
        _VERB_INVALID = -EINVAL,
} Verb;

const char *verb_to_string(Verb verb);
Verb verb_from_string(const char *s);

typedef enum Backend {
        BACKEND_AUTO, /* iommufd where the kernel has it, else group */
        BACKEND_IOMMUFD,
        BACKEND_GROUP,
        _BACKEND_MAX,
        _BACKEND_INVALID = -EINVAL,
} Backend;

const char *backend_to_string(Backend backend);
Backend backend_from_string(const char *s);

/* The peer behind a request, as the bus vouches for it. */
typedef struct Caller {
        uid_t uid;
        pid_t pid;      /* 0: unknown; for information only, never for a decision */
        char *bus_name; /* unique name; NULL: the daemon itself (recovery, the end of a lease) */
        gid_t *gids;    /* all groups of the caller */
        size_t n_gids;
        bool has_gids;  /* false: the bus does not tell them */
        char *selinux;  /* security context; NULL: unknown */
        bool asked;       /* polkit was asked about this very request, and said yes wherever the policy leaves it to polkit */
        bool sees_others; /* may be told who holds what; uid 0 always may */
} Caller;

void caller_done(Caller *caller);
int caller_copy(const Caller *caller, Caller *ret);

typedef struct Request {
        Verb verb;
        char *owner;       /* NULL where the verb takes targets only */
        char **targets;    /* as given, in order */
        Caller caller;
        Backend backend;
        bool exact;        /* refuse companions that are not named */
        char *label;       /* NULL: none claimed */
        bool has_node_user, has_node_group, has_node_mode;
        uint32_t node_user, node_group, node_mode; /* who may open the nodes: what `has_...` says was asked for */
        char *node_context; /* SELinux; NULL: not asked for */
        char **overrides;  /* blocker codes the caller wants to go past */
        bool wait;         /* release: go on although somebody has a device open, and wait until that is closed */
        uint64_t assignment; /* for release and open: this one only; 0: whichever owner and targets come to */
} Request;

void request_done(Request *request);

/* The form of a request, checked before anything is looked up: owner name (1 to OWNER_NAME_MAX bytes of printable UTF-8, no
 * blanks at its ends, not of the form of a target), number of targets (1 to TARGETS_MAX where the verb needs them), each
 * target's form, label and overrides where there are any. An assign needs an owner and targets, a release an owner or targets,
 * reserve, unreserve, recover and label targets, a label exactly one; guard and grant are refused. Returns 0, -ENOMEM, or -EINVAL for a verb that is none; *ret_refusal is REFUSAL_NONE if all
 * is well, REFUSAL_INVALID_TARGET, REFUSAL_INVALID_ARGUMENT or REFUSAL_LIMITS_EXCEEDED otherwise, its message naming the
 * (escaped, shortened) text and what was expected. */
int request_check(const Request *request, Refusal *ret_refusal);

/* Who may open the VFIO nodes of what an assign gives away, in *ret: the caller, but root only where it asks for it (for anybody). What is not asked
 * for: the caller's uid, `caller_group`, NODE_MODE_DEFAULT, no context. *ret_wanted false: nobody but root, and nothing is changed.
 * Refused: a user that is not the caller's (REFUSAL_DENIED, as a group the caller is not in), where the caller is not root; ids that mean nobody, a mode beyond
 * NODE_MODE_ALLOWED, a context that is none (REFUSAL_INVALID_ARGUMENT). Returns 0 or -ENOMEM. */
#define NODE_MODE_DEFAULT 0600U
int request_get_node_access(const Request *request, gid_t caller_group, bool *ret_wanted, NodeAccess *ret, Refusal *refusal);

typedef struct Target {
        bool is_group;
        uint32_t group;
        PciAddress address;
} Target;

/* "0000:02:00.0", "02:00.0" or "group:14". -EINVAL for anything else. */
int target_parse(const char *s, Target *ret);

/* Refuses `s`, which is no target, with REFUSAL_INVALID_TARGET. Returns 0 or -ENOMEM. */
int target_refuse(const char *s, Refusal *refusal);

/* What the targets come to: whole groups. */
typedef struct Selection {
        Group **groups; /* borrowed from Facts; unique, ordered by number */
        size_t n_groups;
        Device **wanted; /* endpoints that were named, or all endpoints of a named group; unique, ordered by address */
        size_t n_wanted;
        Device **companions; /* the other endpoints of the groups, ordered by address */
        size_t n_companions;
} Selection;

void selection_done(Selection *selection);

/* Resolves targets against `facts`; the same device twice counts once. A target that does not exist is a refusal
 * (REFUSAL_NO_SUCH_DEVICE or _GROUP, naming every such target; *ret is then left alone). A device without a group, or a bridge named as a target, is a blocker in
 * *ret_blockers (no-iommu, not-endpoint), so that it is told together with all others. Returns 0 or -ENOMEM. */
int selection_resolve(const Facts *facts, char *const *targets, Selection *ret, BlockerList *ret_blockers, Refusal *ret_refusal);
