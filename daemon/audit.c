/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/audit.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/strutil.h"
#include "db/audit.h"

/* Bytes of a detail that has to be escaped. */
#define DETAIL_MAX 4096U

static json_t *json_strings(char *const *l) {
        json_t *array = json_array();

        for (size_t i = 0; l && l[i]; i++) {
                _cleanup_free_ char *text = NULL;

                if (string_escape(l[i], TARGET_TEXT_MAX * 2, &text) < 0 || json_array_append_new(array, json_string(text)) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

static json_t *json_numbers(const uint32_t *numbers, size_t n) {
        json_t *array = json_array();

        for (size_t i = 0; i < n; i++)
                if (json_array_append_new(array, json_integer(numbers[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

/* Text as it is, or escaped where it is not valid UTF-8; NULL is null. */
static json_t *json_any_text(const char *s) {
        _cleanup_free_ char *escaped = NULL;
        json_t *text;

        if (!s)
                return json_null();
        text = json_string(s);
        if (text || string_escape(s, DETAIL_MAX, &escaped) < 0)
                return text;
        return json_string(escaped);
}

static json_t *json_blocker(const Blocker *blocker, bool overridden) {
        json_t *group = blocker->group == GROUP_NONE ? json_null() : json_integer(blocker->group);

        return json_pack(overridden ? "{s:s, s:o, s:o, s:o, s:b}" : "{s:s, s:o, s:o, s:o}", "code", blocker_code_to_string(blocker->code), "device", json_any_text(blocker->device), "detail",
                         json_any_text(blocker->detail), "group", group, "overridden", true);
}

static int append_blockers(json_t *array, const BlockerList *blockers, bool overridden) {
        for (size_t i = 0; blockers && i < blockers->n_items; i++)
                if (json_array_append_new(array, json_blocker(&blockers->items[i], overridden)) < 0)
                        return -ENOMEM;
        return 0;
}

/* What stood in the way, and what was gone past. */
static json_t *json_blockers(const BlockerList *blockers, const BlockerList *overridden) {
        json_t *array = json_array();

        if (append_blockers(array, blockers, false) < 0 || append_blockers(array, overridden, true) < 0) {
                json_decref(array);
                return NULL;
        }
        return array;
}

/* Takes `value` over. */
static int json_text(json_t *value, char **ret) {
        json_auto_t *owned = value;
        char *text;

        if (!owned)
                return -ENOMEM;
        text = json_dumps(owned, JSON_COMPACT);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static int write_row(Db *db, DbAudit *row, char *const *targets, char *const *devices, const uint32_t *groups, size_t n_groups,
                     const BlockerList *blockers, const BlockerList *overridden) {
        _cleanup_free_ char *targets_text = NULL, *devices_text = NULL, *groups_text = NULL, *blockers_text = NULL;
        int r;

        r = json_text(json_strings(targets), &targets_text);
        if (r < 0)
                return r;
        r = json_text(json_strings(devices), &devices_text);
        if (r < 0)
                return r;
        r = json_text(json_numbers(groups, n_groups), &groups_text);
        if (r < 0)
                return r;
        if ((blockers && blockers->n_items > 0) || (overridden && overridden->n_items > 0)) {
                r = json_text(json_blockers(blockers, overridden), &blockers_text);
                if (r < 0)
                        return r;
        }
        row->at_usec = realtime_usec();
        row->targets = targets_text;
        row->devices = devices_text;
        row->groups = groups_text;
        row->blockers = blockers_text;
        return db_audit_insert(db, row, NULL);
}

/* The row in a transaction of its own. */
static int commit_row(Db *db, DbAudit *row, char *const *targets, char *const *devices, const uint32_t *groups, size_t n_groups,
                      const BlockerList *blockers) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        int r;

        r = db_begin(db);
        if (r < 0)
                return r;
        transaction = db;
        r = write_row(db, row, targets, devices, groups, n_groups, blockers, NULL);
        if (r < 0)
                return r;
        transaction = NULL;
        return db_commit(db);
}

int audit_refusal(Db *db, const Request *request, char *const *devices, const uint32_t *groups, size_t n_groups, const Refusal *refusal) {
        return commit_row(db, &(DbAudit) {
                .verb = verb_to_string(request->verb),
                .owner = request->owner,
                .caller_uid = (int64_t) request->caller.uid,
                .caller_pid = (int64_t) request->caller.pid,
                .caller_name = request->caller.bus_name,
                .outcome = "refused",
                .error = refusal_code_to_string(refusal->code),
                .message = refusal->message,
        }, request->targets, devices, groups, n_groups, &refusal->blockers);
}

int audit_reload(Db *db, const Caller *caller, bool is_refused, const char *message) {
        return commit_row(db, &(DbAudit) {
                .verb = "reload",
                .caller_uid = (int64_t) caller->uid,
                .caller_pid = (int64_t) caller->pid,
                .caller_name = caller->bus_name,
                .outcome = is_refused ? "refused" : operation_state_to_string(OPERATION_DONE),
                .error = is_refused ? refusal_code_to_string(REFUSAL_FAILED) : NULL,
                .message = message,
        }, NULL, NULL, NULL, 0, NULL);
}

int audit_operation(Db *db, const Operation *operation, char *const *devices) {
        return write_row(db, &(DbAudit) {
                .verb = verb_to_string(operation->request.verb),
                .owner = operation->request.owner,
                .caller_uid = (int64_t) operation->request.caller.uid,
                .caller_pid = (int64_t) operation->request.caller.pid,
                .caller_name = operation->request.caller.bus_name,
                .operation = (int64_t) operation->id,
                .assignment = (int64_t) operation->assignment,
                .outcome = operation_state_to_string(operation->state),
                .error = refusal_code_to_string(operation->outcome.code),
                .message = operation->outcome.message,
        }, operation->request.targets, devices, operation->groups, operation->n_groups, &operation->outcome.blockers, &operation->overridden);
}

int audit_interrupted(Db *db, const Leftover *leftover, const char *message) {
        return write_row(db, &(DbAudit) {
                .verb = verb_to_string(leftover->verb),
                .owner = leftover->owner,
                .caller_uid = (int64_t) leftover->caller.uid,
                .caller_pid = (int64_t) leftover->caller.pid,
                .caller_name = leftover->caller.bus_name,
                .operation = leftover->id,
                .assignment = leftover->assignment,
                .outcome = operation_state_to_string(OPERATION_INTERRUPTED),
                .message = message,
        }, NULL, NULL, leftover->groups, leftover->n_groups, NULL, NULL);
}

int audit_label(Db *db, const Request *request, char *const *devices, uint32_t group) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = request->label ? string_format(&message, "The label is %s", request->label) : string_copy("The label is taken away", &message);
        if (r < 0)
                return r;
        return write_row(db, &(DbAudit) {
                .verb = verb_to_string(VERB_LABEL),
                .caller_uid = (int64_t) request->caller.uid,
                .caller_pid = (int64_t) request->caller.pid,
                .caller_name = request->caller.bus_name,
                .outcome = operation_state_to_string(OPERATION_DONE),
                .message = message,
        }, request->targets, devices, &group, 1, NULL, NULL);
}

int audit_reservation(Db *db, Verb verb, char *const *devices, const char *message) {
        return write_row(db, &(DbAudit) {
                .verb = verb_to_string(verb),
                .outcome = operation_state_to_string(verb == VERB_UNRESERVE ? OPERATION_DONE : OPERATION_FAILED),
                .message = message,
        }, NULL, devices, NULL, 0, NULL, NULL);
}

int audit_end(Db *db, const char *owner, uint64_t assignment, char *const *devices, const uint32_t *groups, size_t n_groups,
              const char *message) {
        return write_row(db, &(DbAudit) {
                .verb = verb_to_string(VERB_RELEASE),
                .owner = owner,
                .assignment = (int64_t) assignment,
                .outcome = operation_state_to_string(OPERATION_DONE),
                .message = message,
        }, NULL, devices, groups, n_groups, NULL, NULL);
}

int audit_drift(Db *db, const char *keeper, uint64_t assignment, const Drift *drift, const char *foreign) {
        _cleanup_free_ char *message = NULL;
        char address[PCI_ADDRESS_STRING_MAX];
        char *devices[] = { (char *) pci_address_format(&drift->address, address), NULL };
        int r;

        r = string_format(&message, "%s: %s%s%s", drift_code_to_string(drift->code), drift->detail, foreign ? "; this may be the doing of " : "",
                          foreign ?: "");
        if (r < 0)
                return r;
        return write_row(db, &(DbAudit) {
                .verb = "drift",
                .owner = keeper,
                .assignment = (int64_t) assignment,
                .outcome = operation_state_to_string(OPERATION_DONE),
                .message = message,
        }, NULL, devices, &drift->group, 1, NULL, NULL);
}
