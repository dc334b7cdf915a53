/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who may open VFIO nodes: what a request comes to, and the steps. */

#include "policy/plan.h"

#include <inttypes.h>

#include "base/strutil.h"

static bool caller_is_in_group(const Caller *caller, gid_t caller_group, gid_t group) {
        for (size_t i = 0; i < caller->n_gids; i++)
                if (caller->gids[i] == group)
                        return true;
        return group == caller_group;
}

/* Of a caller that is not root. */
static int check_own(const Request *request, gid_t caller_group, Refusal *refusal) {
        const Caller *caller = &request->caller;

        if (request->has_node_user && request->node_user != caller->uid)
                return refusal_set(refusal, REFUSAL_DENIED, "The nodes go to uid %" PRIu32 ", who asks for them, and not to uid %" PRIu32 ": only root gives them to others",
                                   (uint32_t) caller->uid, request->node_user);
        if (request->has_node_group && !caller_is_in_group(caller, caller_group, request->node_group))
                return refusal_set(refusal, REFUSAL_DENIED, "uid %" PRIu32 " is not in the group %" PRIu32 " that the nodes are to have", (uint32_t) caller->uid,
                                   request->node_group);
        return 0;
}

static int check_values(const Request *request, Refusal *refusal) {
        if ((request->has_node_user && request->node_user == UINT32_MAX) || (request->has_node_group && request->node_group == UINT32_MAX))
                return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT, "%" PRIu32 " is the id of no user and no group", UINT32_MAX);
        if (request->has_node_mode && (request->node_mode & ~NODE_MODE_ALLOWED) != 0)
                return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT,
                                   "The mode %04" PRIo32 " lets more be done than reading and writing by a user and a group, which is all that nodes can have (%04o)",
                                   request->node_mode, NODE_MODE_ALLOWED);
        return 0;
}

int request_get_node_access(const Request *request, gid_t caller_group, bool *ret_wanted, NodeAccess *ret, Refusal *refusal) {
        bool asked = request->has_node_user || request->has_node_group || request->has_node_mode || request->node_context;
        const Caller *caller = &request->caller;
        NodeAccess access = {};
        int r;

        r = check_values(request, refusal);
        if (r >= 0 && refusal->code == REFUSAL_NONE && caller->uid != 0)
                r = check_own(request, caller_group, refusal);
        if (r < 0 || refusal->code != REFUSAL_NONE)
                return r;
        if (request->node_context && node_context_set(&access, request->node_context) < 0)
                return refusal_set(refusal, REFUSAL_INVALID_ARGUMENT, "The SELinux context of the nodes is not 1 to %u bytes of printable text without blanks",
                                   NODE_CONTEXT_MAX - 1);
        access.uid = request->has_node_user ? request->node_user : (uint32_t) caller->uid;
        access.gid = request->has_node_group ? request->node_group : (uint32_t) caller_group;
        access.mode = request->has_node_mode ? request->node_mode : NODE_MODE_DEFAULT;
        *ret_wanted = asked || caller->uid != 0;
        *ret = access;
        return 0;
}

/* --- Steps. */

static int add_step(Plan *plan, StepKind kind, const PciAddress *address, uint32_t group, const char *value, const char *prior) {
        _cleanup_free_ char *value_copy = NULL, *prior_copy = NULL;
        Step *steps;
        int r;

        r = string_copy(value, &value_copy);
        if (r >= 0)
                r = string_copy(prior, &prior_copy);
        if (r < 0)
                return r;
        steps = reallocarray(plan->steps, plan->n_steps + 1, sizeof(Step));
        if (!steps)
                return -ENOMEM;
        steps[plan->n_steps++] = (Step){
                .kind = kind,
                .address = address ? *address : (PciAddress){},
                .group = group,
                .value = TAKE_PTR(value_copy),
                .prior = TAKE_PTR(prior_copy),
        };
        plan->steps = steps;
        return 0;
}

static bool sets_group(const Plan *plan, uint32_t group) {
        for (size_t i = 0; i < plan->n_steps; i++)
                if (plan->steps[i].kind == STEP_SET_GROUP_NODE && plan->steps[i].group == group)
                        return true;
        return false;
}

int plan_add_nodes(Plan *plan, const RecordList *records, const NodeAccess *access) {
        _cleanup_(plan_done) Plan nodes = {};
        const char *value = NODE_ACCESS_FORMAT(access);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < records->n_items; i++)
                if (records->items[i].group != GROUP_NONE && !sets_group(&nodes, records->items[i].group))
                        r = add_step(&nodes, STEP_SET_GROUP_NODE, NULL, records->items[i].group, value, records->items[i].group_node);
        for (size_t i = 0; r >= 0 && i < records->n_items; i++)
                r = add_step(&nodes, STEP_SET_DEVICE_NODE, &records->items[i].address, records->items[i].group, value, records->items[i].node);
        return r < 0 ? r : plan_append(plan, &nodes);
}

/* What a node becomes again: root's, otherwise as it was. */
static NodeAccess access_of_root(const char *recorded) {
        NodeAccess access;

        if (!recorded || node_access_parse(recorded, &access) < 0)
                return node_access_initial();
        access.uid = access.gid = 0;
        return access;
}

/* Another device that came to the address and the group meanwhile was given the node like the recorded one: it goes back as well. The
 * group is its keeper's still, so that nobody else can have been given anything there. */
static bool is_where_recorded(const DeviceRecord *record, const Facts *facts) {
        const Device *device = facts_find_device(facts, &record->address);

        return device && device->group == record->group;
}

static int take_node(Plan *plan, StepKind kind, const DeviceRecord *record, const NodeAccess *access) {
        const NodeAccess back = access_of_root(kind == STEP_SET_GROUP_NODE ? record->group_node : record->node);

        return add_step(plan, kind, kind == STEP_SET_GROUP_NODE ? NULL : &record->address, record->group, NODE_ACCESS_FORMAT(&back), NODE_ACCESS_FORMAT(access));
}

int plan_take_nodes_first(Plan *plan, const RecordList *records, const Facts *facts, const NodeAccess *access) {
        _cleanup_(plan_done) Plan nodes = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];

                if (record->group == GROUP_NONE || !is_where_recorded(record, facts))
                        continue;
                if (!sets_group(&nodes, record->group))
                        r = take_node(&nodes, STEP_SET_GROUP_NODE, record, access);
                if (r >= 0)
                        r = take_node(&nodes, STEP_SET_DEVICE_NODE, record, access);
        }
        if (r >= 0)
                r = plan_append(&nodes, plan);
        if (r < 0)
                return r;
        *plan = nodes;
        nodes = (Plan){};
        return 0;
}
