/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/manager.h"
#include "daemon/permit.h"
#include "daemon/records.h"

static int find_record(const Assignment *assignment, const char *text, const DeviceRecord **ret, Refusal *refusal) {
        _cleanup_free_ char *escaped = NULL;
        PciAddress address;

        if (string_escape(text, TARGET_TEXT_MAX, &escaped) < 0)
                return -ENOMEM;
        if (pci_address_parse(text, &address) < 0)
                return refusal_set(refusal, REFUSAL_INVALID_TARGET, "'%s' is not a PCI address; expected one like 0000:02:00.0", escaped);
        for (size_t i = 0; i < assignment->records.n_items; i++)
                if (pci_address_compare(&assignment->records.items[i].address, &address) == 0) {
                        *ret = &assignment->records.items[i];
                        return 0;
                }
        return refusal_set(refusal, REFUSAL_NO_SUCH_DEVICE, "%s is not a device of assignment %" PRIu64, escaped, assignment->id);
}

/* The named records, or all; the items are borrowed: free only the array. */
static int choose_records(const Assignment *assignment, char *const *devices, RecordList *ret, Refusal *refusal) {
        _cleanup_free_ DeviceRecord *items = NULL;
        size_t n = 0;
        int r;

        items = calloc((devices ? strv_length(devices) : assignment->records.n_items) ?: 1, sizeof(DeviceRecord));
        if (!items)
                return -ENOMEM;
        if (!devices)
                for (n = 0; n < assignment->records.n_items; n++)
                        items[n] = assignment->records.items[n];
        for (size_t i = 0; devices && devices[i]; i++) {
                const DeviceRecord *record = NULL;

                r = find_record(assignment, devices[i], &record, refusal);
                if (r < 0 || refusal->code != REFUSAL_NONE)
                        return r;
                for (size_t k = 0; k < n; k++)
                        if (pci_address_compare(&items[k].address, &record->address) == 0)
                                return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT, "%s is named twice", PCI_ADDRESS_FORMAT(&record->address));
                items[n++] = *record;
        }
        *ret = (RecordList) { .items = TAKE_PTR(items), .n_items = n };
        return 0;
}

static int check_form(char *const *devices, Refusal *refusal) {
        size_t n = devices ? strv_length(devices) : 0;

        if (devices && n == 0)
                return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT, "No device is named; leave the list out to open all of them");
        if (n > TARGETS_MAX)
                return refusal_set(refusal, REFUSAL_LIMITS_EXCEEDED, "%zu devices are named, and no more than %u can be", n, TARGETS_MAX);
        return 0;
}

/* With a group's node all of its members can be had, so that none of them may be somebody else's device. */
static int check_identities(const Manager *manager, const RecordList *records, BlockerList *blockers) {
        for (size_t i = 0; i < records->n_items; i++) {
                const Device *device = facts_find_device(manager_facts(manager), &records->items[i].address);
                const char *name = PCI_ADDRESS_FORMAT(&records->items[i].address);
                int r;

                if (!device || device->read_error < 0 || pci_identity_equal(&device->identity, &records->items[i].identity))
                        continue;
                r = blocker_list_add(blockers, BLOCKER_IDENTITY_CHANGED, records->items[i].group, name, false,
                                     "%s is another device than the one that was assigned: release the assignment", name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_assignment(const Manager *manager, const Assignment *assignment, const Request *request, Refusal *refusal) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r;

        if (!assignment || assignment->state == ASSIGNMENT_ASSIGNING)
                return refusal_set(refusal, REFUSAL_NO_SUCH_OWNER, "There is no assignment %" PRIu64, request->assignment);
        r = permit_assignment(manager, request, assignment, &blockers);
        if (r < 0)
                return r;
        for (size_t i = 0; i < assignment->n_groups; i++) {
                r = manager_check_state(manager, assignment->groups[i], &blockers);
                if (r < 0)
                        return r;
        }
        blocker_list_drop(&blockers, BLOCKER_OWNED); /* by the assignment itself */
        r = check_identities(manager, &assignment->records, &blockers);
        if (r < 0)
                return r;
        return blockers.n_items > 0 ? refusal_from_blockers(refusal, &blockers) : 0;
}

/* For the trail: whose devices were asked for. */
static int describe_assignment(const Assignment *assignment, Request *request, PlanResult *result) {
        int r;

        if (!assignment)
                return 0;
        if (!request->owner) {
                r = string_copy(assignment->owner, &request->owner);
                if (r < 0)
                        return r;
        }
        result->groups = calloc(assignment->n_groups, sizeof(uint32_t));
        if (!result->groups)
                return -ENOMEM;
        memcpy(result->groups, assignment->groups, assignment->n_groups * sizeof(uint32_t));
        result->n_groups = assignment->n_groups;
        return records_addresses(&assignment->records, &result->devices);
}

static int open_journal_end(Operation *operation, void *userdata) {
        Manager *manager = userdata;
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        for (size_t i = 0; i < operation->plan.n_steps; i++) {
                const Step *step = &operation->plan.steps[i];

                if (step->kind != STEP_OPEN_CDEV && step->kind != STEP_OPEN_DEVICE)
                        continue;
                r = strv_append(&devices, PCI_ADDRESS_FORMAT(&step->address));
                if (r < 0)
                        return r;
        }
        return audit_operation(manager->db, operation, devices);
}

static void open_ended(Operation *operation, void *userdata) {
        manager_operation_ended(userdata, operation);
}

static void open_changed(Operation *operation, bool stuck_changed, void *userdata) {
        manager_operation_changed(userdata, operation, stuck_changed);
}

static int begin_open(Manager *manager, Operation *operation, const Assignment *assignment, const RecordList *records, PlanResult *result) {
        int r;

        r = plan_open(records, assignment->backend, &result->plan);
        if (r < 0)
                return r;
        r = operation_set_groups(operation, assignment->groups, assignment->n_groups);
        if (r < 0)
                return r;
        r = operation_set_plan(operation, &result->plan);
        if (r < 0)
                return r;
        operation->assignment = assignment->id;
        return manager_begin(manager, operation, &result->refusal);
}

static int open_start(Operation *operation, void *userdata, PlanResult *result) {
        Manager *manager = userdata;
        Request *request = &operation->request;
        const Assignment *assignment = manager_find_assignment(manager, request->assignment);
        _cleanup_free_ DeviceRecord *items = NULL;
        RecordList records = {};
        int r;

        r = describe_assignment(assignment, request, result);
        if (r >= 0)
                r = check_assignment(manager, assignment, request, &result->refusal);
        if (r >= 0 && result->refusal.code == REFUSAL_NONE)
                r = choose_records(assignment, request->targets, &records, &result->refusal);
        items = records.items;
        if (r < 0 || result->refusal.code != REFUSAL_NONE)
                return r;
        return begin_open(manager, operation, assignment, &records, result);
}

/* There is nothing to undo: what was opened closes with the operation. */
static const OperationOwner open_owner = {
        .start = open_start,
        .journal_end = open_journal_end,
        .ended = open_ended,
        .changed = open_changed,
};

int manager_open(Manager *manager, uint64_t id, char *const *devices, Caller *caller, Refusal *ret_refusal, Operation **ret) {
        _cleanup_(request_done) Request request = { .verb = VERB_OPEN, .caller = *caller, .assignment = id };
        _cleanup_(operation_freep) Operation *operation = NULL;
        int r;

        *caller = (Caller) {};
        *ret = NULL;
        r = check_form(devices, ret_refusal);
        if (r < 0 || ret_refusal->code != REFUSAL_NONE)
                return r;
        if (devices) {
                r = strv_copy(devices, &request.targets);
                if (r < 0)
                        return r;
        }
        r = operation_new(&manager->context, &open_owner, manager, &request, &operation);
        if (r < 0)
                return r;
        return manager_submit(manager, &operation, ret_refusal, ret);
}
