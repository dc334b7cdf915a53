/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/permit.h"

#include <inttypes.h>

#include "base/strutil.h"
#include "daemon/label.h"
#include "policy/guard.h"

static bool is_daemon(const Caller *caller) {
        return !caller->bus_name && caller->uid == 0;
}

PolicyDevice permit_see_device(const Manager *manager, const Device *device) {
        PolicyDevice seen;

        policy_device_init(device, manager_host_driver(manager, device), manager_device_label(manager, device).label, &seen);
        return seen;
}

/* Another user, who has what is asked for. */
typedef struct Holder {
        const char *what;
        uint64_t id;
        uid_t uid;
        const char *owner; /* NULL: a reservation has none */
} Holder;

/* `held` may be NULL: nobody has it. */
static int deny(const PolicyDecision *decision, const Request *request, const Holder *held, const PolicyDevice *device, BlockerList *blockers) {
        unsigned uid = (unsigned) request->caller.uid;
        _cleanup_free_ char *origin = NULL;
        uint32_t group = device->device->group;
        int r;

        if (!decision->rule && held)
                return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, group, device->address, false,
                                        "%s %" PRIu64 " belongs to another user, and no rule of the policy lets uid %u %s %s", held->what, held->id, uid,
                                        verb_to_string(request->verb), device->address);
        if (!decision->rule)
                return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, group, device->address, false, "No rule of the policy lets uid %u %s %s", uid,
                                        verb_to_string(request->verb), device->address);
        r = policy_origin_format(&decision->rule->origin, decision->rule->name, &origin);
        if (r < 0)
                return r;
        if (held && decision->verdict != POLICY_DENY)
                return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, group, device->address, false,
                                        "%s %" PRIu64 " belongs to another user, so that polkit has to allow it as well as the rule %s lets uid %u %s %s",
                                        held->what, held->id, origin, uid, verb_to_string(request->verb), device->address);
        if (decision->verdict == POLICY_ASK)
                return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, group, device->address, false,
                                        "The rule %s leaves it to polkit whether uid %u may %s %s", origin, uid,
                                        verb_to_string(request->verb), device->address);
        return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, group, device->address, false, "The rule %s does not let uid %u %s %s", origin, uid,
                                verb_to_string(request->verb), device->address);
}

static int permit_device(const PolicyQuery *query, const Request *request, const Holder *held, const PolicyDevice *device, BlockerList *blockers) {
        PolicyDecision decision = policy_decide(query, device);
        bool is_asked = request->caller.asked || request->caller.uid == 0; /* root is asked nothing */

        if (decision.verdict == POLICY_ALLOW && (is_asked || !held))
                return 0;
        if (decision.verdict == POLICY_ASK && is_asked)
                return 0;
        return deny(&decision, request, held, device, blockers);
}

static int protect_device(const Manager *manager, const PolicyDevice *device, BlockerList *blockers) {
        const PolicyDemand *protection = policy_find_protection(&manager->policy.set, device);

        if (!protection)
                return 0;
        return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, device->device->group, device->address, true, "%s is protected by %s:%u: %s",
                                device->address, protection->origin.file, protection->origin.line, protection->reason);
}

static int permit_group(const Manager *manager, const Request *request, const PolicyQuery *query, const Group *group, BlockerList *blockers) {
        for (size_t i = 0; i < group->n_devices; i++) {
                PolicyDevice device;
                int r;

                if (group->devices[i]->role != ROLE_ENDPOINT)
                        continue;
                device = permit_see_device(manager, group->devices[i]);
                r = permit_device(query, request, NULL, &device, blockers);
                if (r >= 0)
                        r = protect_device(manager, &device, blockers);
                if (r < 0)
                        return r;
        }
        return 0;
}

int permit_groups(const Manager *manager, const Request *request, Group *const *groups, size_t n_groups, BlockerList *blockers) {
        _cleanup_(policy_query_done) PolicyQuery query = {};
        const PolicyCaller caller = policy_caller_of(request);
        int r;

        if (is_daemon(&request->caller))
                return 0;
        r = policy_query(&manager->policy.set, &caller, request->verb, &query);
        for (size_t i = 0; r >= 0 && i < n_groups; i++)
                r = permit_group(manager, request, &query, groups[i], blockers);
        if (r < 0 || manager->policy.was_good)
                return r;
        return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, GROUP_NONE, NULL, true, "Who may have what is not known: %s", manager->policy.problem);
}

/* A device that has left still has a record to decide by. */
static Device recorded_device(const Manager *manager, const DeviceRecord *record) {
        const Device *device = facts_find_device(manager_facts(manager), &record->address);

        if (device)
                return *device;
        return (Device) { .address = record->address, .identity = record->identity, .role = ROLE_ENDPOINT, .group = record->group, .numa_node = -1 };
}

/* What `holder` has of the records is asked for by somebody else. */
static int permit_records(const Manager *manager, const Request *request, const Holder *holder, const RecordList *records, BlockerList *blockers) {
        _cleanup_(policy_query_done) PolicyQuery query = {};
        PolicyCaller caller = policy_caller_of(request);
        int r;

        if (is_daemon(&request->caller) || request->caller.uid == holder->uid)
                return 0;
        caller.owner = holder->owner;
        r = policy_query(&manager->policy.set, &caller, request->verb, &query);
        for (size_t i = 0; r >= 0 && i < records->n_items; i++) {
                const Device borrowed = recorded_device(manager, &records->items[i]);
                PolicyDevice device = permit_see_device(manager, &borrowed);

                r = permit_device(&query, request, holder, &device, blockers);
        }
        return r;
}

int permit_assignment(const Manager *manager, const Request *request, const Assignment *assignment, BlockerList *blockers) {
        const Holder holder = { "Assignment", assignment->id, assignment->uid, assignment->owner };

        return permit_records(manager, request, &holder, &assignment->records, blockers);
}

int permit_reservation(const Manager *manager, const Request *request, const Reservation *reservation, BlockerList *blockers) {
        const Holder holder = { "Reservation", reservation->id, reservation->uid, NULL };

        return permit_records(manager, request, &holder, &reservation->records, blockers);
}

int permit_unreset(const Manager *manager, const Group *group, BlockerList *blockers) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < group->n_devices; i++) {
                const PolicyDevice device = permit_see_device(manager, group->devices[i]);
                const PolicyDemand *demand = policy_find_reset(&manager->policy.set, &device);

                if (demand || manager->config->require_reset)
                        r = guard_check_reset(group->devices[i], demand, blockers);
        }
        return r;
}

int permit_label(const Manager *manager, const Request *request, const char **ret_label, BlockerList *blockers) {
        const PolicyCaller caller = policy_caller_of(request);

        return owner_label(&manager->policy.set, &caller, request->label, ret_label, blockers);
}
