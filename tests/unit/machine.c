/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine.h"

#include <check.h>
#include <inttypes.h>
#include <string.h>

#include "base/strutil.h"
#include "policy/viability.h"

static PciAddress address_of(const char *s) {
        PciAddress a;

        ck_assert_msg(pci_address_parse(s, &a) >= 0, "The test means no address by \"%s\"", s);
        return a;
}

Device *machine_add(Facts *facts, const char *address, uint32_t class, uint32_t group, const char *driver, const char *driver_override) {
        Device *device = calloc(1, sizeof(Device));

        ck_assert_ptr_nonnull(device);
        device->address = address_of(address);
        device->identity = (PciIdentity){ .vendor = 0x8086, .device = 0x10d3, .class = class };
        device->role = class >> 16 == 0x06 ? ROLE_BRIDGE : ROLE_ENDPOINT;
        device->group = group;
        device->numa_node = -1;
        ck_assert_int_eq(string_copy(driver, &device->driver), 0);
        ck_assert_int_eq(string_copy(driver_override, &device->driver_override), 0);
        ck_assert_int_eq(facts_put_device(facts, device), 0);
        return device;
}

Group *machine_group(Facts *facts, uint32_t number) {
        Group *group = facts_find_group(facts, number);

        if (group)
                return group;

        group = calloc(1, sizeof(Group));
        ck_assert_ptr_nonnull(group);
        group->number = number;
        ck_assert_int_eq(string_copy("DMA-FQ", &group->domain_type), 0);
        ck_assert_int_eq(facts_put_group(facts, group), 0);
        return group;
}

void machine_add_other(Facts *facts, uint32_t number, const char *name, const char *subsystem, const char *driver) {
        Group *group = machine_group(facts, number);
        OtherMember *other;

        group->others = reallocarray(group->others, group->n_others + 1, sizeof(OtherMember));
        ck_assert_ptr_nonnull(group->others);
        other = &group->others[group->n_others++];
        ck_assert_int_eq(string_copy(name, &other->name), 0);
        ck_assert_int_eq(string_copy(subsystem, &other->subsystem), 0);
        ck_assert_int_eq(string_copy(driver, &other->driver), 0);
}

void machine_add_region(Facts *facts, uint32_t number, uint64_t start, uint64_t end, const char *type) {
        Group *group = machine_group(facts, number);
        ReservedRegion *region;

        group->regions = reallocarray(group->regions, group->n_regions + 1, sizeof(ReservedRegion));
        ck_assert_ptr_nonnull(group->regions);
        region = &group->regions[group->n_regions++];
        *region = (ReservedRegion){ .start = start, .end = end };
        (void) snprintf(region->type, sizeof(region->type), "%s", type);
}

void machine_link(Facts *facts) {
        ck_assert_int_eq(facts_link(facts), 0);
}

Device *machine_device(const Facts *facts, const char *address) {
        PciAddress a = address_of(address);
        Device *device = facts_find_device(facts, &a);

        ck_assert_msg(device, "%s is not there", address);
        return device;
}

void machine_set_driver(Facts *facts, const char *address, const char *driver) {
        ck_assert_int_ge(string_replace(&machine_device(facts, address)->driver, driver), 0);
}

void machine_set_override(Facts *facts, const char *address, const char *driver_override) {
        ck_assert_int_ge(string_replace(&machine_device(facts, address)->driver_override, driver_override), 0);
}

RecordList machine_record(const Facts *facts, char *const *targets) {
        _cleanup_(selection_done) Selection selection = {};
        BlockerList blockers = {};
        Refusal refusal = {};
        RecordList records = {};

        ck_assert_int_eq(selection_resolve(facts, targets, &selection, &blockers, &refusal), 0);
        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
        ck_assert_uint_eq(blockers.n_items, 0);
        ck_assert_int_eq(record_selection(&selection, "vfio-pci", &records), 0);
        return records;
}

static void held_drop(Held *held, const PciAddress *address) {
        for (size_t i = 0; held && i < held->n_items; i++)
                if (pci_address_compare(&held->items[i], address) == 0)
                        held->items[i--] = held->items[--held->n_items];
}

static bool group_is_held(const Facts *facts, const Held *held, uint32_t group) {
        for (size_t i = 0; held && i < held->n_items; i++) {
                const Device *device = facts_find_device(facts, &held->items[i]);

                if (device && device->group == group)
                        return true;
        }
        return false;
}

static int apply_bind(const Facts *facts, Device *device, const char *driver, const Held *held) {
        if (device->driver)
                return -EBUSY;
        if (device->driver_override ? !string_equal(device->driver_override, driver) : driver_is_exempt(driver))
                return -ENODEV;
        if (!driver_is_exempt(driver) && group_is_held(facts, held, device->group))
                return -EBUSY;

        ck_assert_int_eq(string_replace(&device->driver, driver), 1);
        return 0;
}

int machine_apply(Facts *facts, const Step *step, Held *held) {
        Device *device = facts_find_device(facts, &step->address);

        switch (step->kind) {
        case STEP_LOAD_MODULE:
                return 0;
        case STEP_SET_OVERRIDE:
                ck_assert_msg(string_equal(device->driver_override, step->prior), "%s has the override %s, not %s as the step says",
                              PCI_ADDRESS_FORMAT(&step->address), device->driver_override, step->prior);
                ck_assert_int_ge(string_replace(&device->driver_override, step->value), 0);
                return 0;
        case STEP_UNBIND:
                if (!device->driver || !string_equal(device->driver, step->value))
                        return -ENODEV;
                held_drop(held, &step->address);
                ck_assert_int_eq(string_replace(&device->driver, NULL), 1);
                return 0;
        case STEP_BIND:
                return apply_bind(facts, device, step->value, held);
        case STEP_OPEN_IOMMUFD:
        case STEP_OPEN_CDEV:
        case STEP_OPEN_CONTAINER:
        case STEP_OPEN_GROUP:
        case STEP_OPEN_DEVICE:
        case STEP_CHECK_HOLDERS:
        case STEP_SET_DEVICE_NODE:
        case STEP_SET_GROUP_NODE:
        case _STEP_KIND_MAX:
        case _STEP_KIND_INVALID:
                break;
        }
        return -EOPNOTSUPP;
}

char *machine_plan_text(const Plan *plan) {
        static const PciAddress none = {};
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        for (size_t i = 0; i < plan->n_steps; i++) {
                const Step *step = &plan->steps[i];

                if (i > 0 && step->phase != plan->steps[i - 1].phase)
                        ck_assert_int_gt(fprintf(f, "--\n"), 0);
                ck_assert_int_gt(fprintf(f, "%s", step_kind_to_string(step->kind)), 0);
                if (step->kind == STEP_OPEN_GROUP || step->kind == STEP_CHECK_HOLDERS || step->kind == STEP_SET_GROUP_NODE)
                        ck_assert_int_gt(fprintf(f, " group:%" PRIu32, step->group), 0);
                else if (pci_address_compare(&step->address, &none) != 0)
                        ck_assert_int_gt(fprintf(f, " %s", PCI_ADDRESS_FORMAT(&step->address)), 0);
                if (step->value || step->kind == STEP_SET_OVERRIDE)
                        ck_assert_int_gt(fprintf(f, " %s", step->value ? step->value : "-"), 0);
                ck_assert_int_gt(fprintf(f, "\n"), 0);
        }
        ck_assert_int_eq(fclose(f), 0);
        return text;
}
