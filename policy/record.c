/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/plan.h"

#include <stdarg.h>
#include <string.h>

#include "base/strutil.h"

void record_done(DeviceRecord *record) {
        free(record->driver);
        free(record->driver_override);
        free(record->vfio_driver);
        free(record->node);
        free(record->group_node);
        *record = (DeviceRecord){};
}

void record_list_done(RecordList *list) {
        for (size_t i = 0; i < list->n_items; i++)
                record_done(&list->items[i]);
        free(list->items);
        *list = (RecordList){};
}

static int record_fill(const Device *device, bool wanted, const char *vfio_driver, DeviceRecord *record) {
        int r;

        record->address = device->address;
        record->identity = device->identity;
        record->group = device->group;
        record->wanted = wanted;

        r = string_copy(device->driver, &record->driver);
        if (r >= 0)
                r = string_copy(device->driver_override, &record->driver_override);
        if (r >= 0)
                r = string_copy(vfio_driver, &record->vfio_driver);
        return r;
}

int record_make(const Device *device, bool wanted, const char *vfio_driver, DeviceRecord *ret) {
        _cleanup_(record_done) DeviceRecord record = {};
        int r;

        r = record_fill(device, wanted, vfio_driver, &record);
        if (r < 0)
                return r;
        *ret = record;
        record = (DeviceRecord){};
        return 0;
}

static int record_copy(const DeviceRecord *record, DeviceRecord *ret) {
        _cleanup_(record_done) DeviceRecord copy = *record;
        int r;

        copy.driver = copy.driver_override = copy.vfio_driver = copy.node = copy.group_node = NULL;
        r = string_copy(record->driver, &copy.driver);
        if (r >= 0)
                r = string_copy(record->driver_override, &copy.driver_override);
        if (r >= 0)
                r = string_copy(record->vfio_driver, &copy.vfio_driver);
        if (r >= 0)
                r = string_copy(record->node, &copy.node);
        if (r >= 0)
                r = string_copy(record->group_node, &copy.group_node);
        if (r < 0)
                return r;
        *ret = copy;
        copy = (DeviceRecord){};
        return 0;
}

const DeviceRecord *record_list_find(const RecordList *list, const PciAddress *address) {
        for (size_t i = 0; i < list->n_items; i++)
                if (pci_address_compare(&list->items[i].address, address) == 0)
                        return &list->items[i];
        return NULL;
}

int record_list_add(RecordList *list, const DeviceRecord *record) {
        DeviceRecord copy, *items;
        size_t at = list->n_items;
        int r;

        if (record_list_find(list, &record->address))
                return 0;
        items = reallocarray(list->items, list->n_items + 1, sizeof(DeviceRecord));
        if (!items)
                return -ENOMEM;
        list->items = items;
        r = record_copy(record, &copy);
        if (r < 0)
                return r;
        for (; at > 0 && pci_address_compare(&items[at - 1].address, &copy.address) > 0; at--)
                items[at] = items[at - 1];
        items[at] = copy;
        list->n_items++;
        return 0;
}

void record_list_remove(RecordList *list, const PciAddress *address) {
        for (size_t i = 0; i < list->n_items; i++)
                if (pci_address_compare(&list->items[i].address, address) == 0) {
                        record_done(&list->items[i]);
                        memmove(list->items + i, list->items + i + 1, (--list->n_items - i) * sizeof(DeviceRecord));
                        return;
                }
}

int record_list_add_group(RecordList *list, const RecordList *records, uint32_t group) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < records->n_items; i++)
                if (records->items[i].group == group)
                        r = record_list_add(list, &records->items[i]);
        return r;
}

/* Whether the next device to record is the next wanted one, both arrays being ordered by address. */
static bool wanted_is_next(const Selection *s, size_t w, size_t c) {
        if (w == s->n_wanted || c == s->n_companions)
                return w < s->n_wanted;
        return pci_address_compare(&s->wanted[w]->address, &s->companions[c]->address) < 0;
}

int record_selection(const Selection *selection, const char *vfio_driver, RecordList *ret) {
        _cleanup_(record_list_done) RecordList list = {};
        size_t n = selection->n_wanted + selection->n_companions, w = 0, c = 0;

        list.items = calloc(n > 0 ? n : 1, sizeof(DeviceRecord));
        if (!list.items)
                return -ENOMEM;

        while (list.n_items < n) {
                bool wanted = wanted_is_next(selection, w, c);
                const Device *device = wanted ? selection->wanted[w++] : selection->companions[c++];
                int r = record_fill(device, wanted, vfio_driver, &list.items[list.n_items++]);

                if (r < 0)
                        return r;
        }

        *ret = list;
        list = (RecordList){};
        return 0;
}

static int _printf_(2, 3) add_difference(char ***differences, const char *format, ...) {
        _cleanup_free_ char *s = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = string_vformat(&s, format, ap);
        va_end(ap);
        if (r < 0)
                return r;
        return strv_append(differences, s);
}

static int compare_driver(const DeviceRecord *record, const Device *device, char ***differences) {
        const char *name = PCI_ADDRESS_FORMAT(&record->address);

        if (string_equal(device->driver, record->driver))
                return 0;
        if (!device->driver)
                return add_difference(differences, "%s has no driver and was on %s", name, record->driver);
        if (!record->driver)
                return add_difference(differences, "%s is on the driver %s and had none", name, device->driver);
        return add_difference(differences, "%s is on the driver %s and was on %s", name, device->driver, record->driver);
}

static int compare_override(const DeviceRecord *record, const Device *device, char ***differences) {
        const char *name = PCI_ADDRESS_FORMAT(&record->address);

        if (string_equal(device->driver_override, record->driver_override))
                return 0;
        if (!device->driver_override)
                return add_difference(differences, "%s has no driver_override and had \"%s\"", name, record->driver_override);
        if (!record->driver_override)
                return add_difference(differences, "%s has the driver_override \"%s\" and had no driver_override", name, device->driver_override);
        return add_difference(differences, "%s has the driver_override \"%s\" and had \"%s\"", name, device->driver_override, record->driver_override);
}

/* Room for "8086:10d3 subsystem 8086:a01f class 020000 revision 00". */
#define IDENTITY_STRING_MAX 64

static const char *identity_format(const PciIdentity *i, char buffer[static IDENTITY_STRING_MAX]) {
        (void) snprintf(buffer, IDENTITY_STRING_MAX, "%04x:%04x subsystem %04x:%04x class %06x revision %02x", i->vendor, i->device,
                        i->subsystem_vendor, i->subsystem_device, i->class & 0xffffffU, i->revision);
        return buffer;
}

static int compare_presence(const DeviceRecord *record, const Device *device, char ***differences) {
        const char *name = PCI_ADDRESS_FORMAT(&record->address);

        if (!device)
                return add_difference(differences, "%s is gone", name);
        if (!pci_identity_equal(&device->identity, &record->identity))
                return add_difference(differences, "%s is another device now (%s, was %s)", name,
                                      identity_format(&device->identity, (char[IDENTITY_STRING_MAX]){}),
                                      identity_format(&record->identity, (char[IDENTITY_STRING_MAX]){}));
        return 0;
}

static int compare_record(const DeviceRecord *record, const Facts *facts, char ***differences) {
        const Device *device = facts_find_device(facts, &record->address);
        int r;

        if (!device || !pci_identity_equal(&device->identity, &record->identity))
                return compare_presence(record, device, differences);
        r = compare_driver(record, device, differences);
        if (r < 0)
                return r;
        return compare_override(record, device, differences);
}

int record_list_compare(const RecordList *records, const Facts *facts, char ***ret) {
        _cleanup_strv_free_ char **differences = NULL;

        for (size_t i = 0; i < records->n_items; i++) {
                int r = compare_record(&records->items[i], facts, &differences);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(differences);
        return 0;
}

int record_list_missing(const RecordList *recorded, const Facts *facts, char ***ret) {
        _cleanup_strv_free_ char **differences = NULL;

        for (size_t i = 0; i < recorded->n_items; i++) {
                const DeviceRecord *record = &recorded->items[i];
                const Device *device = facts_find_device(facts, &record->address);
                int r;

                r = compare_presence(record, device, &differences);
                if (r >= 0 && device && pci_identity_equal(&device->identity, &record->identity) && device->group == GROUP_NONE)
                        r = add_difference(&differences, "%s has no IOMMU group", PCI_ADDRESS_FORMAT(&record->address));
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(differences);
        return 0;
}
