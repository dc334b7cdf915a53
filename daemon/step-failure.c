/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/step-failure.h"

#include <inttypes.h>
#include <string.h>

/* The two errnos that are not the kernel's but the worker's and ours (host/worker-protocol.h). */
static const char *failure_reason(int error) {
        if (error == -EPROTO)
                return "the kernel took it, but shows something else afterwards";
        if (error == -EPIPE)
                return "the worker ended without an answer";
        return strerror(abs(error));
}

/* The errnos of host/kernel-node.h. */
static const char *node_reason(int error) {
        if (error == -ENOENT)
                return "it is not there, although the kernel has it";
        if (error == -ESTALE)
                return "what is there is not the node that the kernel has";
        if (error == -EOPNOTSUPP)
                return "SELinux is not on, so it has no context";
        return failure_reason(error);
}

int step_describe_failure(const Step *step, int error, char **ret) {
        char a[PCI_ADDRESS_STRING_MAX];
        const char *device = pci_address_format(&step->address, a), *value = step->value ?: "nothing";
        const char *why = failure_reason(error);
        int k = -1;

        switch (step->kind) {
        case STEP_LOAD_MODULE:
                k = asprintf(ret, "The kernel module %s could not be loaded: %s", value, why);
                break;
        case STEP_SET_OVERRIDE:
                k = asprintf(ret, "The driver_override of %s could not be set to %s: %s", device, value, why);
                break;
        case STEP_UNBIND:
                k = asprintf(ret, "%s could not be unbound from %s: %s", device, value, why);
                break;
        case STEP_BIND:
                k = asprintf(ret, "%s could not be bound to %s: %s", device, value, why);
                break;
        case STEP_OPEN_IOMMUFD:
                k = asprintf(ret, "/dev/iommu could not be opened: %s", why);
                break;
        case STEP_OPEN_CDEV:
                k = asprintf(ret, "The VFIO character device of %s could not be opened: %s", device, why);
                break;
        case STEP_OPEN_CONTAINER:
                k = asprintf(ret, "/dev/vfio/vfio could not be opened: %s", why);
                break;
        case STEP_OPEN_GROUP:
                k = asprintf(ret, "/dev/vfio/%" PRIu32 " could not be opened: %s", step->group, why);
                break;
        case STEP_OPEN_DEVICE:
                k = asprintf(ret, "%s could not be opened from its group: %s", device, why);
                break;
        case STEP_CHECK_HOLDERS:
                k = asprintf(ret, "Who has devices of group %" PRIu32 " open could not be found out: %s", step->group, why);
                break;
        case STEP_SET_DEVICE_NODE:
                k = asprintf(ret, "The VFIO character device of %s could not be given to %s: %s", device, value, node_reason(error));
                break;
        case STEP_SET_GROUP_NODE:
                k = asprintf(ret, "/dev/vfio/%" PRIu32 " could not be given to %s: %s", step->group, value, node_reason(error));
                break;
        case _STEP_KIND_MAX:
        case _STEP_KIND_INVALID:
                assert(false);
        }
        return k < 0 ? -ENOMEM : 0;
}

RefusalCode step_failure_code(const Step *step, int error) {
        switch (step->kind) {
        case STEP_OPEN_GROUP:
        case STEP_OPEN_CDEV:
        case STEP_OPEN_DEVICE:
                return error == -EBUSY ? REFUSAL_BUSY : REFUSAL_FAILED;
        case STEP_LOAD_MODULE:
        case STEP_SET_OVERRIDE:
        case STEP_UNBIND:
        case STEP_BIND:
        case STEP_OPEN_IOMMUFD:
        case STEP_OPEN_CONTAINER:
        case STEP_CHECK_HOLDERS:
        case STEP_SET_DEVICE_NODE:
        case STEP_SET_GROUP_NODE:
        case _STEP_KIND_MAX:
        case _STEP_KIND_INVALID:
                return REFUSAL_FAILED;
        }
        return REFUSAL_FAILED;
}
