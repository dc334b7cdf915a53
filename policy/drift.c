/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/drift.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/strutil.h"
#include "policy/viability.h"

static const char *const drift_code_table[_DRIFT_CODE_MAX] = {
        [DRIFT_DRIVER_CHANGED] = "driver-changed",
        [DRIFT_OVERRIDE_CHANGED] = "override-changed",
        [DRIFT_DEVICE_GONE] = "device-gone",
        [DRIFT_DEVICE_JOINED] = "device-joined",
        [DRIFT_IDENTITY_CHANGED] = "identity-changed",
        [DRIFT_GROUP_CHANGED] = "group-changed",
        [DRIFT_NUMVFS_CHANGED] = "numvfs-changed",
        [DRIFT_NODE_CHANGED] = "node-changed",
};

const char *drift_code_to_string(DriftCode code) {
        return code >= 0 && code < _DRIFT_CODE_MAX ? drift_code_table[code] : NULL;
}

DriftCode drift_code_from_string(const char *s) {
        return (DriftCode) string_table_find(drift_code_table, ELEMENTSOF(drift_code_table), s);
}

void drift_list_done(DriftList *list) {
        for (size_t i = 0; i < list->n_items; i++)
                free(list->items[i].detail);
        free(list->items);
        *list = (DriftList){};
}

bool drift_list_contains(const DriftList *list, const Drift *drift) {
        for (size_t i = 0; i < list->n_items; i++)
                if (list->items[i].code == drift->code && pci_address_compare(&list->items[i].address, &drift->address) == 0 &&
                    string_equal(list->items[i].detail, drift->detail))
                        return true;
        return false;
}

/* Takes the detail over when it returns 0. */
static int append(DriftList *list, const Drift *drift) {
        Drift *items = reallocarray(list->items, list->n_items + 1, sizeof(Drift));

        if (!items)
                return -ENOMEM;
        items[list->n_items++] = *drift;
        list->items = items;
        return 0;
}

int drift_list_add(DriftList *list, const Drift *drift) {
        _cleanup_free_ char *detail = NULL;
        Drift copy = *drift;
        int r;

        r = string_copy(drift->detail, &detail);
        if (r < 0)
                return r;
        copy.detail = detail;
        r = append(list, &copy);
        if (r >= 0)
                TAKE_PTR(detail);
        return r;
}

static int say(DriftList *list, DriftCode code, uint32_t group, const PciAddress *address, bool at_stake, const char *format, ...) _printf_(6, 7);

static int say(DriftList *list, DriftCode code, uint32_t group, const PciAddress *address, bool at_stake, const char *format, ...) {
        _cleanup_free_ char *detail = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = string_vformat(&detail, format, ap);
        va_end(ap);
        if (r < 0)
                return r;
        r = append(list, &(Drift){ .code = code, .group = group, .address = *address, .detail = detail, .isolation_at_stake = at_stake });
        if (r >= 0)
                TAKE_PTR(detail);
        return r;
}

static bool on_host_driver(const Device *device) {
        return device->driver && !driver_is_exempt(device->driver);
}

/* Numbers are reused: it is the group that the keeper has if a recorded member is still in it. */
static bool is_held_group(const RecordList *records, const Group *group) {
        for (size_t i = 0; i < group->n_devices; i++) {
                const DeviceRecord *record = record_list_find(records, &group->devices[i]->address);

                if (record && record->group == group->number && pci_identity_equal(&record->identity, &group->devices[i]->identity))
                        return true;
        }
        return false;
}

/* Whether something that the keeper has can reach the device. */
static bool shares_group(const RecordList *records, const Device *device, const Facts *facts) {
        const Group *group = facts_find_group(facts, device->group);

        return group && is_held_group(records, group);
}

static int find_gone(const DeviceRecord *record, const Facts *facts, const VfOf *vfs, size_t n_vfs, DriftList *list) {
        const char *name = PCI_ADDRESS_FORMAT(&record->address);

        for (size_t i = 0; i < n_vfs; i++) {
                const Device *physfn;

                if (pci_address_compare(&vfs[i].vf, &record->address) != 0)
                        continue;
                physfn = facts_find_device(facts, &vfs[i].physfn);
                if (physfn)
                        return say(list, DRIFT_NUMVFS_CHANGED, record->group, &record->address, false,
                                   "%s was turned off: its physical function %s has %zu virtual functions now", name,
                                   PCI_ADDRESS_FORMAT(&physfn->address), physfn->n_vfs);
        }
        return say(list, DRIFT_DEVICE_GONE, record->group, &record->address, false, "%s is gone", name);
}

static int find_of_driver(const DeviceRecord *record, const Device *device, DriftList *list) {
        const char *name = PCI_ADDRESS_FORMAT(&record->address);

        if (string_equal(device->driver, record->vfio_driver))
                return 0;
        if (!device->driver)
                return say(list, DRIFT_DRIVER_CHANGED, record->group, &record->address, false, "%s has left %s and is on no driver", name,
                           record->vfio_driver);
        return say(list, DRIFT_DRIVER_CHANGED, record->group, &record->address, on_host_driver(device), "%s has left %s and is on %s%s", name,
                   record->vfio_driver, on_host_driver(device) ? "the host driver " : "", device->driver);
}

static int find_of_override(const DeviceRecord *record, const Device *device, DriftList *list) {
        const char *name = PCI_ADDRESS_FORMAT(&record->address);

        if (string_equal(device->driver_override, record->vfio_driver))
                return 0;
        if (!device->driver_override)
                return say(list, DRIFT_OVERRIDE_CHANGED, record->group, &record->address, false, "the driver_override %s of %s was cleared",
                           record->vfio_driver, name);
        return say(list, DRIFT_OVERRIDE_CHANGED, record->group, &record->address, false, "%s has the driver_override %s instead of %s", name,
                   device->driver_override, record->vfio_driver);
}

static int find_of_group(const DeviceRecord *record, const Device *device, DriftList *list) {
        const char *name = PCI_ADDRESS_FORMAT(&record->address);

        if (device->group == record->group)
                return 0;
        if (device->group == GROUP_NONE)
                return say(list, DRIFT_GROUP_CHANGED, record->group, &record->address, true, "%s is in no group any more and was in group %" PRIu32,
                           name, record->group);
        return say(list, DRIFT_GROUP_CHANGED, record->group, &record->address, true, "%s is in group %" PRIu32 " now and was in group %" PRIu32, name,
                   device->group, record->group);
}

static int find_of_record(const RecordList *records, const DeviceRecord *record, const Facts *facts, const VfOf *vfs, size_t n_vfs, DriftList *list) {
        const Device *device = facts_find_device(facts, &record->address);
        const char *name = PCI_ADDRESS_FORMAT(&record->address);
        int r;

        if (!device)
                return find_gone(record, facts, vfs, n_vfs, list);
        if (device->read_error < 0) /* what could not be read has not changed; a driver that could be is there */
                return on_host_driver(device) ? find_of_driver(record, device, list) : 0;
        if (!pci_identity_equal(&device->identity, &record->identity))
                return say(list, DRIFT_IDENTITY_CHANGED, record->group, &record->address, on_host_driver(device) && shares_group(records, device, facts),
                           "%s is another device now: %04x:%04x, and was %04x:%04x%s%s", name, device->identity.vendor, device->identity.device,
                           record->identity.vendor, record->identity.device, on_host_driver(device) ? "; it is on the host driver " : "",
                           on_host_driver(device) ? device->driver : "");
        r = find_of_group(record, device, list);
        if (r >= 0)
                r = find_of_driver(record, device, list);
        if (r >= 0)
                r = find_of_override(record, device, list);
        if (r >= 0 && device->n_vfs > 0)
                r = say(list, DRIFT_NUMVFS_CHANGED, record->group, &record->address, false, "%s has %zu virtual functions now and had none", name,
                        device->n_vfs);
        return r;
}

static int find_of_unrecorded(const Device *device, DriftList *list) {
        const char *name = PCI_ADDRESS_FORMAT(&device->address);

        if (device->role == ROLE_BRIDGE)
                return on_host_driver(device) ? say(list, DRIFT_DRIVER_CHANGED, device->group, &device->address, true,
                                                    "%s (bridge) is on the host driver %s", name, device->driver) : 0;
        if (on_host_driver(device))
                return say(list, DRIFT_DEVICE_JOINED, device->group, &device->address, true,
                           "%s has joined group %" PRIu32 " and is on the host driver %s", name, device->group, device->driver);
        return say(list, DRIFT_DEVICE_JOINED, device->group, &device->address, false, "%s has joined group %" PRIu32, name, device->group);
}

static int find_of_members(const RecordList *records, const Group *group, DriftList *list) {
        if (!is_held_group(records, group))
                return 0;
        for (size_t i = 0; i < group->n_devices; i++) {
                int r;

                if (record_list_find(records, &group->devices[i]->address))
                        continue;
                r = find_of_unrecorded(group->devices[i], list);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_first_of_group(const RecordList *records, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (records->items[k].group == records->items[i].group)
                        return false;
        return true;
}

int drift_find(const RecordList *records, const Facts *facts, const VfOf *vfs, size_t n_vfs, DriftList *ret) {
        _cleanup_(drift_list_done) DriftList list = {};
        int r;

        for (size_t i = 0; i < records->n_items; i++) {
                if (records->items[i].group == GROUP_NONE) /* a reservation did not find it after a reboot, and said so */
                        continue;
                r = find_of_record(records, &records->items[i], facts, vfs, n_vfs, &list);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < records->n_items; i++) {
                const Group *group = facts_find_group(facts, records->items[i].group);

                if (!group || !is_first_of_group(records, i))
                        continue;
                r = find_of_members(records, group, &list);
                if (r < 0)
                        return r;
        }
        *ret = list;
        list = (DriftList){};
        return 0;
}
