/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/request.h"

#include <stdarg.h>
#include <string.h>

#include "base/strutil.h"

static const char *const verb_table[_VERB_MAX] = {
        [VERB_ASSIGN] = "assign",
        [VERB_RELEASE] = "release",
        [VERB_OPEN] = "open",
        [VERB_RESERVE] = "reserve",
        [VERB_UNRESERVE] = "unreserve",
        [VERB_RECOVER] = "recover",
        [VERB_LABEL] = "label",
        [VERB_GUARD] = "guard",
        [VERB_GRANT] = "grant",
};

const char *verb_to_string(Verb verb) {
        return verb >= 0 && verb < _VERB_MAX ? verb_table[verb] : NULL;
}

Verb verb_from_string(const char *s) {
        return (Verb) string_table_find(verb_table, _VERB_MAX, s);
}

static const char *const backend_table[_BACKEND_MAX] = {
        [BACKEND_AUTO] = "auto",
        [BACKEND_IOMMUFD] = "iommufd",
        [BACKEND_GROUP] = "group",
};

const char *backend_to_string(Backend backend) {
        return backend >= 0 && backend < _BACKEND_MAX ? backend_table[backend] : NULL;
}

Backend backend_from_string(const char *s) {
        return (Backend) string_table_find(backend_table, _BACKEND_MAX, s);
}

void caller_done(Caller *caller) {
        free(caller->bus_name);
        free(caller->gids);
        free(caller->selinux);
        *caller = (Caller){};
}

int caller_copy(const Caller *caller, Caller *ret) {
        _cleanup_(caller_done) Caller copy = {
                .uid = caller->uid,
                .pid = caller->pid,
                .has_gids = caller->has_gids,
                .asked = caller->asked,
                .sees_others = caller->sees_others,
        };
        int r;

        r = string_copy(caller->bus_name, &copy.bus_name);
        if (r >= 0)
                r = string_copy(caller->selinux, &copy.selinux);
        if (r < 0)
                return r;
        if (caller->n_gids > 0) {
                copy.gids = calloc(caller->n_gids, sizeof(gid_t));
                if (!copy.gids)
                        return -ENOMEM;
                memcpy(copy.gids, caller->gids, caller->n_gids * sizeof(gid_t));
                copy.n_gids = caller->n_gids;
        }
        *ret = copy;
        copy = (Caller){};
        return 0;
}

void request_done(Request *request) {
        free(request->owner);
        free(request->label);
        free(request->node_context);
        strv_free(request->targets);
        strv_free(request->overrides);
        caller_done(&request->caller);
        *request = (Request){};
}

int target_parse(const char *s, Target *ret) {
        static const char prefix[] = "group:";
        Target target = {};

        if (strncmp(s, prefix, strlen(prefix)) == 0) {
                target.is_group = true;
                if (parse_u32(s + strlen(prefix), 10, &target.group) < 0 || target.group == GROUP_NONE)
                        return -EINVAL;
        } else {
                target.group = GROUP_NONE;
                if (pci_address_parse(s, &target.address) < 0)
                        return -EINVAL;
        }

        *ret = target;
        return 0;
}

/* Refuses the caller's text: <subject> "<text>" <complaint>, the text escaped and shortened. */
static int _printf_(5, 6) refuse_text(Refusal *refusal, RefusalCode code, const char *subject, const char *text, const char *complaint, ...) {
        _cleanup_free_ char *shown = NULL, *said = NULL;
        va_list ap;
        int r;

        r = string_escape(text, TARGET_TEXT_MAX, &shown);
        if (r < 0)
                return r;

        va_start(ap, complaint);
        r = string_vformat(&said, complaint, ap);
        va_end(ap);
        if (r < 0)
                return r;
        return refusal_set(refusal, code, "%s \"%s\" %s", subject, shown, said);
}

static int check_owner(const char *owner, Refusal *refusal) {
        Target target;

        if (*owner == '\0')
                return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT, "The owner name is empty; expected a name such as vm:web1");
        if (strnlen(owner, OWNER_NAME_MAX + 1) > OWNER_NAME_MAX)
                return refuse_text(refusal, REFUSAL_INVALID_ARGUMENT, "The owner name", owner, "is longer than %u bytes", OWNER_NAME_MAX);
        if (!string_is_printable(owner, OWNER_NAME_MAX))
                return refuse_text(refusal, REFUSAL_INVALID_ARGUMENT, "The owner name", owner,
                                   "has control characters or is not valid UTF-8; expected printable text");
        if (owner[0] == ' ' || owner[strlen(owner) - 1] == ' ')
                return refuse_text(refusal, REFUSAL_INVALID_ARGUMENT, "The owner name", owner, "begins or ends with a blank");
        if (target_parse(owner, &target) >= 0)
                return refuse_text(refusal, REFUSAL_INVALID_ARGUMENT, "The owner name", owner,
                                   "has the form of a target; expected a name such as vm:web1");
        return 0;
}

int target_refuse(const char *s, Refusal *refusal) {
        return refuse_text(refusal, REFUSAL_INVALID_TARGET, "The target", s,
                           "is neither a PCI address (such as 0000:02:00.0 or 02:00.0) nor a group (such as group:14)");
}

static int check_targets(char *const *targets, Refusal *refusal) {
        size_t n = strv_length(targets);

        if (n > TARGETS_MAX)
                return refusal_set(refusal, REFUSAL_LIMITS_EXCEEDED, "%zu targets are too many; at most %u are allowed in one request", n, TARGETS_MAX);

        for (size_t i = 0; i < n; i++) {
                Target target;

                if (strnlen(targets[i], TARGET_TEXT_MAX + 1) > TARGET_TEXT_MAX || target_parse(targets[i], &target) < 0)
                        return target_refuse(targets[i], refusal);
        }
        return 0;
}

static int check_label(const char *label, Refusal *refusal) {
        if (string_is_printable(label, LABEL_MAX))
                return 0;
        return refuse_text(refusal, REFUSAL_INVALID_ARGUMENT, "The label", label, "is not 1 to %u bytes of printable UTF-8", LABEL_MAX);
}

static int check_overrides(char *const *overrides, Refusal *refusal) {
        size_t n = strv_length(overrides);

        if (n > _BLOCKER_CODE_MAX)
                return refusal_set(refusal, REFUSAL_LIMITS_EXCEEDED, "%zu overrides are too many; there are only %d blocker codes", n, _BLOCKER_CODE_MAX);

        for (size_t i = 0; i < n; i++)
                if (blocker_code_from_string(overrides[i]) < 0)
                        return refuse_text(refusal, REFUSAL_INVALID_ARGUMENT, "The override", overrides[i],
                                           "is not the code of a blocker, such as no-reset");
        return 0;
}

/* What the verb cannot do without. */
static int check_presence(const Request *request, Refusal *refusal) {
        bool has_targets = strv_length(request->targets) > 0;

        switch (request->verb) {
        case VERB_ASSIGN:
                if (!request->owner)
                        return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT, "No owner was named; expected a name such as vm:web1");
                break;
        case VERB_RELEASE:
                has_targets = has_targets || request->owner;
                break;
        case VERB_RESERVE:
        case VERB_UNRESERVE:
        case VERB_RECOVER:
                break;
        case VERB_OPEN:
                return 0;
        case VERB_LABEL:
                if (strv_length(request->targets) > 1)
                        return refusal_set(refusal, REFUSAL_INVALID_TARGET, "A label is set for one target at a time, and %zu are named",
                                           strv_length(request->targets));
                break;
        case VERB_GUARD:
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "Groups are guarded by assignd itself");
        case VERB_GRANT:
                return refusal_set(refusal, REFUSAL_NOT_SUPPORTED, "Nodes are given again by assignd itself");
        case _VERB_MAX:
        case _VERB_INVALID:
                return -EINVAL;
        }

        if (!has_targets)
                return refusal_set(refusal, REFUSAL_INVALID_TARGET, "No target was named; expected a PCI address (such as 0000:02:00.0) or a group (such as group:14)");
        return 0;
}

int request_check(const Request *request, Refusal *ret_refusal) {
        _cleanup_(refusal_done) Refusal refusal = {};
        int r;

        r = check_presence(request, &refusal);
        if (r >= 0 && refusal.code == REFUSAL_NONE && request->owner)
                r = check_owner(request->owner, &refusal);
        if (r >= 0 && refusal.code == REFUSAL_NONE)
                r = check_targets(request->targets, &refusal);
        if (r >= 0 && refusal.code == REFUSAL_NONE && request->label)
                r = check_label(request->label, &refusal);
        if (r >= 0 && refusal.code == REFUSAL_NONE)
                r = check_overrides(request->overrides, &refusal);
        if (r < 0)
                return r;

        *ret_refusal = refusal;
        refusal = (Refusal){};
        return 0;
}
