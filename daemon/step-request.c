/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/step-request.h"

static int worker_action(StepKind kind, WorkerAction *ret) {
        static const WorkerAction actions[_STEP_KIND_MAX] = {
                [STEP_LOAD_MODULE] = _WORKER_ACTION_MAX,
                [STEP_SET_OVERRIDE] = WORKER_SET_OVERRIDE,
                [STEP_UNBIND] = WORKER_UNBIND,
                [STEP_BIND] = WORKER_BIND,
                [STEP_OPEN_IOMMUFD] = WORKER_OPEN_IOMMUFD,
                [STEP_OPEN_CDEV] = WORKER_OPEN_CDEV,
                [STEP_OPEN_CONTAINER] = WORKER_OPEN_CONTAINER,
                [STEP_OPEN_GROUP] = WORKER_OPEN_GROUP,
                [STEP_OPEN_DEVICE] = WORKER_OPEN_DEVICE,
                [STEP_CHECK_HOLDERS] = WORKER_CHECK_HOLDERS,
                [STEP_SET_DEVICE_NODE] = WORKER_SET_DEVICE_NODE,
                [STEP_SET_GROUP_NODE] = WORKER_SET_GROUP_NODE,
        };

        assert(kind >= 0 && kind < _STEP_KIND_MAX);
        if (actions[kind] == _WORKER_ACTION_MAX)
                return -EINVAL;
        *ret = actions[kind];
        return 0;
}

int step_make_request(const Step *step, uint64_t sequence, WorkerRequest *ret) {
        WorkerAction action;
        NodeAccess node;
        int r;

        r = worker_action(step->kind, &action);
        if (r < 0)
                return r;
        if (step->kind == STEP_SET_DEVICE_NODE || step->kind == STEP_SET_GROUP_NODE) {
                r = node_access_parse(step->value, &node);
                return r < 0 ? r : worker_request_make_node(action, sequence, &step->address, step->group, &node, ret);
        }
        return worker_request_make(action, sequence, &step->address, step->group, step->kind == STEP_CHECK_HOLDERS ? NULL : step->value, ret);
}
