/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard.h"

#include <inttypes.h>
#include <string.h>

#include "base/strutil.h"

static const struct {
        BlockerCode code;
        const char *unknown; /* what could not be found out */
} use_kinds[_USE_KIND_MAX] = {
        [USE_MOUNT] = { BLOCKER_IN_USE_MOUNT, "is mounted from" },
        [USE_SWAP] = { BLOCKER_IN_USE_SWAP, "is swapped to" },
        [USE_BLOCK_HOLDER] = { BLOCKER_IN_USE_BLOCK_HOLDER, "is made of the disks of" },
        [USE_ADDRESS] = { BLOCKER_IN_USE_NETWORK, "goes over the network through" },
        [USE_ROUTE] = { BLOCKER_IN_USE_NETWORK, "is routed through" },
        [USE_DEFAULT_ROUTE] = { BLOCKER_IN_USE_NETWORK, "is routed through" },
        [USE_PORT] = { BLOCKER_IN_USE_NETWORK, "has a port in" },
        [USE_UPPER] = { BLOCKER_IN_USE_NETWORK, "sits on the interfaces of" },
        [USE_OTHER_NAMESPACE] = { BLOCKER_IN_USE_NETWORK, "has the interfaces of" },
        [USE_FRAMEBUFFER] = { BLOCKER_IN_USE_CONSOLE, "is shown by" },
        [USE_BOOT_DISPLAY] = { BLOCKER_IN_USE_CONSOLE, "is shown by" },
        [USE_SERIAL_CONSOLE] = { BLOCKER_IN_USE_CONSOLE, "is written to" },
        [USE_CHILD] = { BLOCKER_HAS_CHILDREN, "was made of" },
};

static int describe_unknown(const Use *use, char **ret) {
        return string_format(ret, "What %s %s could not be found out (%s), so it counts as in use", use_kinds[use->kind].unknown,
                             PCI_ADDRESS_FORMAT(&use->device), strerror(-use->error));
}

static int describe(const Use *use, char **ret) {
        char a[PCI_ADDRESS_STRING_MAX];
        const char *device = pci_address_format(&use->device, a), *node = use->node ?: "?", *what = use->what ?: "?";

        switch (use->kind) {
        case USE_MOUNT:
                return string_format(ret, "%s is mounted from %s on %s: unmount it", what, node, device);
        case USE_SWAP:
                return string_format(ret, "The host swaps to %s on %s: swapoff /dev/%s", node, device, node);
        case USE_BLOCK_HOLDER:
                return string_format(ret, "%s on %s is part of %s: stop or take apart what is made of it", node, device, what);
        case USE_ADDRESS:
                return string_format(ret, "The interface %s of %s has the address %s: take it down, or move the address", node, device, what);
        case USE_ROUTE:
                return string_format(ret, "The host reaches %s through the interface %s of %s: take it down, or move the address and route", what, node, device);
        case USE_DEFAULT_ROUTE:
                return string_format(ret, "The host's default route goes through the interface %s of %s: it may be how you reach this host", node, device);
        case USE_PORT:
                return string_format(ret, "The interface %s of %s is a port of %s: take it out of there", node, device, what);
        case USE_UPPER:
                return string_format(ret, "The interface %s sits on %s of %s: remove it", what, node, device);
        case USE_OTHER_NAMESPACE:
                return string_format(ret, "The interface of %s is in another network namespace, most likely a container's", device);
        case USE_FRAMEBUFFER:
                return string_format(ret, "The console is drawn on %s of %s", node, device);
        case USE_BOOT_DISPLAY:
                return string_format(ret, "%s is the display that the firmware started on, and the host's console with it", device);
        case USE_SERIAL_CONSOLE:
                return string_format(ret, "%s of %s is a console on the kernel's command line", node, device);
        case USE_CHILD:
                return string_format(ret, "The %s device %s was made of %s, and goes with its driver: remove it", what, node, device);
        case _USE_KIND_MAX:
        case _USE_KIND_INVALID:
                break;
        }
        assert(false);
        return -EINVAL;
}

static bool has_device(const Group *group, const PciAddress *address) {
        for (size_t i = 0; i < group->n_devices; i++)
                if (pci_address_compare(&group->devices[i]->address, address) == 0)
                        return true;
        return false;
}

static int add_use(const Group *group, const Use *use, BlockerList *blockers) {
        _cleanup_free_ char *text = NULL;
        char more[48] = "";
        int r;

        r = use->error < 0 ? describe_unknown(use, &text) : describe(use, &text);
        if (r < 0)
                return r;
        if (use->n_more > 0)
                (void) snprintf(more, sizeof(more), " (and %zu more)", use->n_more);
        return blocker_list_add(blockers, use_kinds[use->kind].code, group->number, PCI_ADDRESS_FORMAT(&use->device), /* overridable= */ true, "%s%s",
                                text, more);
}

int guard_check_uses(const Group *group, const UseList *uses, BlockerList *blockers) {
        for (size_t i = 0; i < uses->n_items; i++) {
                int r = has_device(group, &uses->items[i].device) ? add_use(group, &uses->items[i], blockers) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_interrupts(const Group *group, const HostFacts *host, BlockerList *blockers) {
        bool is_allowed = host->unsafe_interrupts_type1 || host->unsafe_interrupts_iommufd;

        if (host->interrupt_remapping != ANSWER_NO)
                return 0;
        if (is_allowed)
                return blocker_list_add(blockers, BLOCKER_UNSAFE_INTERRUPTS, group->number, NULL, /* overridable= */ true,
                                        "The host does not remap interrupts, so the owner of group %" PRIu32
                                        " can send it any interrupt; the kernel was told to let it (allow_unsafe_interrupts)", group->number);
        return blocker_list_add(blockers, BLOCKER_UNSAFE_INTERRUPTS, group->number, NULL, /* overridable= */ false,
                                "The host does not remap interrupts, and the kernel refuses group %" PRIu32
                                " to every owner: turn interrupt remapping on in the firmware, or, trusting all owners, set allow_unsafe_interrupts",
                                group->number);
}

int guard_check_exposure(const Group *group, const HostFacts *host, BlockerList *blockers) {
        int r;

        if (string_equal(group->domain_type, "identity")) {
                r = blocker_list_add(blockers, BLOCKER_IDENTITY_DOMAIN, group->number, NULL, /* overridable= */ true,
                                     "The IOMMU passes the DMA of group %" PRIu32
                                     " through (iommu=pt): until its owner has attached it, and after, its devices reach all memory", group->number);
                if (r < 0)
                        return r;
        }
        return check_interrupts(group, host, blockers);
}

int guard_check_reset(const Device *device, const PolicyDemand *demand, BlockerList *blockers) {
        const char *name = PCI_ADDRESS_FORMAT(&device->address);

        if (device->role != ROLE_ENDPOINT || (device->reset_methods && device->reset_methods[0]))
                return 0;
        if (!demand)
                return blocker_list_add(blockers, BLOCKER_NO_RESET, device->group, name, /* overridable= */ true,
                                        "The kernel has no way to reset %s, so an owner would find what the last one left in it", name);
        return blocker_list_add(blockers, BLOCKER_NO_RESET, device->group, name, /* overridable= */ true,
                                "The kernel has no way to reset %s, and %s:%u asks for a reset between owners: %s", name, demand->origin.file,
                                demand->origin.line, demand->reason);
}
