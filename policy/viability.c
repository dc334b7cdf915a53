/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/viability.h"

#include <inttypes.h>
#include <string.h>

#include "base/strutil.h"

#define CLASS_HOST_BRIDGE 0x0600U
#define CLASS_ISA_BRIDGE 0x0601U
#define CLASS_SD_HOST 0x0805U
#define CLASS_SMBUS 0x0c05U
#define BASE_CLASS_MEMORY 0x05U
#define BASE_CLASS_SYSTEM 0x08U

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), n_end = strlen(end);

        return n > n_end && string_equal(s + n - n_end, end);
}

bool driver_is_vfio(const char *driver) {
        return driver && (string_equal(driver, "vfio-pci") || ends_with(driver, "-vfio-pci") || ends_with(driver, "_vfio_pci"));
}

bool driver_is_exempt(const char *driver) {
        static const char *const exempt[] = { "pci-stub", "pcieport", "vfio-platform", "vfio-amba", "vfio-fsl-mc", "vfio-cdx" };

        return driver_is_vfio(driver) || string_table_find(exempt, ELEMENTSOF(exempt), driver) >= 0;
}

/* Base class and subclass. */
static uint32_t device_class(const Device *device) {
        return device->identity.class >> 8;
}

static bool class_is_chipset(uint32_t class) {
        if (class == CLASS_SMBUS)
                return true;
        if (class == CLASS_SD_HOST)
                return false;
        return class >> 8 == BASE_CLASS_MEMORY || class >> 8 == BASE_CLASS_SYSTEM;
}

bool device_is_chipset(const Group *group, const Device *device) {
        if (device->role != ROLE_ENDPOINT || !class_is_chipset(device_class(device)))
                return false;

        for (size_t i = 0; i < group->n_devices; i++) {
                const Device *other = group->devices[i];

                if (other->address.domain == device->address.domain && other->address.bus == device->address.bus &&
                    (device_class(other) == CLASS_ISA_BRIDGE || device_class(other) == CLASS_HOST_BRIDGE))
                        return true;
        }
        return false;
}

static int check_stays(uint32_t group, const char *name, const char *kind, const char *driver, BlockerList *blockers) {
        if (!driver || driver_is_exempt(driver))
                return 0;

        return blocker_list_add(blockers, BLOCKER_HOST_DRIVER_STAYS, group, name, false,
                                "%s (%s) is on the host driver %s, which it cannot leave; the kernel lets only pcieport, pci-stub "
                                "and VFIO drivers stay in an owned group: unbind it from %s by hand if the host can do without",
                                name, kind, driver, driver);
}

static int check_device(const Group *group, const Device *device, BlockerList *blockers) {
        const char *name = PCI_ADDRESS_FORMAT(&device->address);

        if (device->role == ROLE_OTHER || device->read_error < 0) {
                const char *why = device->read_error < 0 ? strerror(-device->read_error) : "it does not say what it is";

                return blocker_list_add(blockers, BLOCKER_NOT_ENDPOINT, group->number, name, false,
                                        "%s could not be read (%s), so what it is now cannot be given back: rescan, or remove the device",
                                        name, why);
        }
        if (device->role == ROLE_BRIDGE)
                return check_stays(group->number, name, "bridge", device->driver, blockers);
        if (device_is_chipset(group, device))
                return check_stays(group->number, name, "chipset function", device->driver, blockers);
        return 0;
}

/* vfio-pci refuses to take such a function (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_register_device: -EBUSY), and leaving
 * a host driver would end its VFs, whoever has them. */
static int check_vfs(const Group *group, const Device *device, BlockerList *blockers) {
        const char *name = PCI_ADDRESS_FORMAT(&device->address);

        if (device->n_vfs == 0)
                return 0;
        return blocker_list_add(blockers, BLOCKER_HAS_VFS, group->number, name, false,
                                "%s has %zu virtual function%s enabled (the first is %s): it can go to nobody before they are turned off", name,
                                device->n_vfs, device->n_vfs == 1 ? "" : "s", PCI_ADDRESS_FORMAT(&device->vfs[0]));
}

static int check_regions(const Group *group, BlockerList *blockers) {
        for (size_t i = 0; i < group->n_regions; i++) {
                const ReservedRegion *region = &group->regions[i];
                int r;

                if (!string_equal(region->type, "direct"))
                        continue;

                r = blocker_list_add(blockers, BLOCKER_DIRECT_MAPPING, group->number, NULL, false,
                                     "the firmware demands that memory 0x%" PRIx64 "-0x%" PRIx64 " stays mapped for group %" PRIu32
                                     ", and the kernel gives such a group to nobody: look for a firmware setting or update that ends it",
                                     region->start, region->end, group->number);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_group(const Group *group, BlockerList *blockers) {
        int r;

        if (group->fake) {
                r = blocker_list_add(blockers, BLOCKER_NO_IOMMU, group->number, NULL, false,
                                     "group %" PRIu32 " has no IOMMU behind it (the kernel made it up for a VFIO driver)", group->number);
                if (r < 0)
                        return r;
        }
        if (!group_has_endpoint(group))
                return blocker_list_add(blockers, BLOCKER_NOT_ENDPOINT, group->number, NULL, false,
                                        "group %" PRIu32 " has no endpoint, that is, no PCI function that a VFIO driver can bind",
                                        group->number);
        return 0;
}

int viability_check(const Group *group, BlockerList *blockers) {
        int r;

        r = check_group(group, blockers);
        if (r < 0)
                return r;

        for (size_t i = 0; i < group->n_devices; i++) {
                r = check_device(group, group->devices[i], blockers);
                if (r >= 0)
                        r = check_vfs(group, group->devices[i], blockers);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < group->n_others; i++) {
                const OtherMember *other = &group->others[i];

                r = check_stays(group->number, other->name, other->subsystem ? other->subsystem : "not a PCI function",
                                other->driver, blockers);
                if (r < 0)
                        return r;
        }
        return check_regions(group, blockers);
}
