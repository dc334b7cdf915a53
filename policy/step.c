/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/plan.h"

#include "base/strutil.h"

static const char *const step_kind_table[_STEP_KIND_MAX] = {
        [STEP_LOAD_MODULE] = "load-module",
        [STEP_SET_OVERRIDE] = "set-override",
        [STEP_UNBIND] = "unbind",
        [STEP_BIND] = "bind",
        [STEP_OPEN_IOMMUFD] = "open-iommufd",
        [STEP_OPEN_CDEV] = "open-cdev",
        [STEP_OPEN_CONTAINER] = "open-container",
        [STEP_OPEN_GROUP] = "open-group",
        [STEP_OPEN_DEVICE] = "open-device",
        [STEP_CHECK_HOLDERS] = "check-holders",
        [STEP_SET_DEVICE_NODE] = "set-device-node",
        [STEP_SET_GROUP_NODE] = "set-group-node",
};

const char *step_kind_to_string(StepKind kind) {
        return kind >= 0 && kind < _STEP_KIND_MAX ? step_kind_table[kind] : NULL;
}

StepKind step_kind_from_string(const char *s) {
        return (StepKind) string_table_find(step_kind_table, _STEP_KIND_MAX, s);
}
