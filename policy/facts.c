/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/facts.h"

#include <string.h>

#include "base/strutil.h"

static const char *const device_role_table[_ROLE_MAX] = {
        [ROLE_ENDPOINT] = "endpoint",
        [ROLE_BRIDGE] = "bridge",
        [ROLE_OTHER] = "other",
};

const char *device_role_to_string(DeviceRole role) {
        return role >= 0 && role < _ROLE_MAX ? device_role_table[role] : NULL;
}

bool pci_identity_equal(const PciIdentity *a, const PciIdentity *b) {
        return a->vendor == b->vendor && a->device == b->device &&
               a->subsystem_vendor == b->subsystem_vendor && a->subsystem_device == b->subsystem_device &&
               a->class == b->class && a->revision == b->revision;
}

static bool pci_address_equal(const PciAddress *a, const PciAddress *b) {
        return pci_address_compare(a, b) == 0;
}

Device *device_free(Device *device) {
        if (!device)
                return NULL;

        free(device->driver);
        free(device->driver_override);
        free(device->reset_methods);
        free(device->name);
        free(device->vfs);
        free(device);
        return NULL;
}

static bool vfs_equal(const Device *a, const Device *b) {
        if (a->n_vfs != b->n_vfs)
                return false;
        for (size_t i = 0; i < a->n_vfs; i++)
                if (!pci_address_equal(&a->vfs[i], &b->vfs[i]))
                        return false;
        return true;
}

bool device_equal(const Device *a, const Device *b) {
        return pci_address_equal(&a->address, &b->address) && pci_identity_equal(&a->identity, &b->identity) &&
               a->role == b->role && a->group == b->group &&
               string_equal(a->driver, b->driver) && string_equal(a->driver_override, b->driver_override) &&
               string_equal(a->reset_methods, b->reset_methods) && string_equal(a->name, b->name) &&
               a->numa_node == b->numa_node && a->is_vf == b->is_vf &&
               (!a->is_vf || pci_address_equal(&a->physfn, &b->physfn)) &&
               a->is_pf == b->is_pf && vfs_equal(a, b) && a->read_error == b->read_error;
}

Group *group_free(Group *group) {
        if (!group)
                return NULL;

        for (size_t i = 0; i < group->n_others; i++) {
                free(group->others[i].name);
                free(group->others[i].subsystem);
                free(group->others[i].driver);
        }
        free(group->others);
        free(group->regions);
        free(group->domain_type);
        free(group->devices);
        free(group);
        return NULL;
}

static bool regions_equal(const Group *a, const Group *b) {
        if (a->n_regions != b->n_regions)
                return false;
        for (size_t i = 0; i < a->n_regions; i++)
                if (a->regions[i].start != b->regions[i].start || a->regions[i].end != b->regions[i].end ||
                    !string_equal(a->regions[i].type, b->regions[i].type))
                        return false;
        return true;
}

static bool others_equal(const Group *a, const Group *b) {
        if (a->n_others != b->n_others)
                return false;
        for (size_t i = 0; i < a->n_others; i++)
                if (!string_equal(a->others[i].name, b->others[i].name) ||
                    !string_equal(a->others[i].subsystem, b->others[i].subsystem) ||
                    !string_equal(a->others[i].driver, b->others[i].driver))
                        return false;
        return true;
}

bool group_equal(const Group *a, const Group *b) {
        if (a->number != b->number || !string_equal(a->domain_type, b->domain_type) || a->fake != b->fake ||
            a->read_error != b->read_error || !regions_equal(a, b) || !others_equal(a, b) || a->n_devices != b->n_devices)
                return false;
        for (size_t i = 0; i < a->n_devices; i++)
                if (!pci_address_equal(&a->devices[i]->address, &b->devices[i]->address))
                        return false;
        return true;
}

bool group_has_endpoint(const Group *group) {
        for (size_t i = 0; i < group->n_devices; i++)
                if (group->devices[i]->role == ROLE_ENDPOINT)
                        return true;
        return false;
}

/* Puts `device`, or nothing if NULL, where the group's list of devices has `old`. */
static void group_replace_device(Group *group, const Device *old, Device *device) {
        for (size_t i = 0; i < group->n_devices; i++) {
                if (group->devices[i] != old)
                        continue;
                if (device)
                        group->devices[i] = device;
                else {
                        group->n_devices--;
                        memmove(&group->devices[i], &group->devices[i + 1], (group->n_devices - i) * sizeof(Device *));
                }
                return;
        }
}

void facts_done(Facts *facts) {
        for (size_t i = 0; i < facts->n_groups; i++)
                group_free(facts->groups[i]);
        for (size_t i = 0; i < facts->n_devices; i++)
                device_free(facts->devices[i]);
        free(facts->groups);
        free(facts->devices);
        *facts = (Facts){};
}

/* Makes room for one more pointer in an array of `n` that always has room for the next power of two. */
static int reserve_one(void *array, size_t n) {
        void **a, *grown;

        if (n > 0 && (n & (n - 1)) != 0)
                return 0;

        memcpy(&a, array, sizeof(a));
        grown = reallocarray(a, n > 0 ? n * 2 : 1, sizeof(void *));
        if (!grown)
                return -ENOMEM;

        memcpy(array, &grown, sizeof(grown));
        return 0;
}

/* The index of the first device whose address is not below `address`. */
static size_t device_index(const Facts *facts, const PciAddress *address) {
        size_t low = 0, high = facts->n_devices;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (pci_address_compare(&facts->devices[middle]->address, address) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* The index of the first group of the first `n` whose number is not below `number`. */
static size_t group_index(const Facts *facts, size_t n, uint32_t number) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (facts->groups[middle]->number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

Device *facts_find_device(const Facts *facts, const PciAddress *address) {
        size_t i = device_index(facts, address);

        return i < facts->n_devices && pci_address_equal(&facts->devices[i]->address, address) ? facts->devices[i] : NULL;
}

static Group *find_group_among(const Facts *facts, size_t n, uint32_t number) {
        size_t i = group_index(facts, n, number);

        return i < n && facts->groups[i]->number == number ? facts->groups[i] : NULL;
}

Group *facts_find_group(const Facts *facts, uint32_t number) {
        return find_group_among(facts, facts->n_groups, number);
}

/* Sees to it that no group's list points to `old`, which is about to go. */
static void forget_device(Facts *facts, const Device *old, Device *successor) {
        Group *group = facts_find_group(facts, old->group);

        if (group)
                group_replace_device(group, old, successor && successor->group == old->group ? successor : NULL);
}

int facts_put_device(Facts *facts, Device *device) {
        size_t i = device_index(facts, &device->address);
        int r;

        if (i < facts->n_devices && pci_address_equal(&facts->devices[i]->address, &device->address)) {
                forget_device(facts, facts->devices[i], device);
                device_free(facts->devices[i]);
                facts->devices[i] = device;
                return 0;
        }

        r = reserve_one(&facts->devices, facts->n_devices);
        if (r < 0)
                return r;

        memmove(&facts->devices[i + 1], &facts->devices[i], (facts->n_devices - i) * sizeof(Device *));
        facts->devices[i] = device;
        facts->n_devices++;
        return 0;
}

int facts_put_group(Facts *facts, Group *group) {
        size_t i = group_index(facts, facts->n_groups, group->number);
        int r;

        if (i < facts->n_groups && facts->groups[i]->number == group->number) {
                group_free(facts->groups[i]);
                facts->groups[i] = group;
                return 0;
        }

        r = reserve_one(&facts->groups, facts->n_groups);
        if (r < 0)
                return r;

        memmove(&facts->groups[i + 1], &facts->groups[i], (facts->n_groups - i) * sizeof(Group *));
        facts->groups[i] = group;
        facts->n_groups++;
        return 0;
}

int facts_append_device(Facts *facts, Device *device) {
        int r = reserve_one(&facts->devices, facts->n_devices);

        if (r >= 0)
                facts->devices[facts->n_devices++] = device;
        return r;
}

int facts_append_group(Facts *facts, Group *group) {
        int r = reserve_one(&facts->groups, facts->n_groups);

        if (r >= 0)
                facts->groups[facts->n_groups++] = group;
        return r;
}

static int compare_devices(const void *a, const void *b) {
        const Device *const *x = a, *const *y = b;

        return pci_address_compare(&(*x)->address, &(*y)->address);
}

static int compare_devices_by_group(const void *a, const void *b) {
        const Device *const *x = a, *const *y = b;

        if ((*x)->group != (*y)->group)
                return (*x)->group < (*y)->group ? -1 : 1;
        return compare_devices(a, b);
}

static int compare_groups(const void *a, const void *b) {
        const Group *const *x = a, *const *y = b;

        return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

void facts_sort(Facts *facts) {
        if (facts->n_devices > 1)
                qsort(facts->devices, facts->n_devices, sizeof(Device *), compare_devices);
        if (facts->n_groups > 1)
                qsort(facts->groups, facts->n_groups, sizeof(Group *), compare_groups);
}

void facts_drop_device(Facts *facts, const PciAddress *address) {
        size_t i = device_index(facts, address);

        if (i >= facts->n_devices || !pci_address_equal(&facts->devices[i]->address, address))
                return;

        forget_device(facts, facts->devices[i], NULL);
        device_free(facts->devices[i]);
        facts->n_devices--;
        memmove(&facts->devices[i], &facts->devices[i + 1], (facts->n_devices - i) * sizeof(Device *));
}

void facts_drop_group(Facts *facts, uint32_t number) {
        size_t i = group_index(facts, facts->n_groups, number);

        if (i >= facts->n_groups || facts->groups[i]->number != number)
                return;

        group_free(facts->groups[i]);
        facts->n_groups--;
        memmove(&facts->groups[i], &facts->groups[i + 1], (facts->n_groups - i) * sizeof(Group *));
}

/* The group `number` among the first `n_sorted`, or a new one appended behind them. */
static int get_or_append_group(Facts *facts, size_t n_sorted, uint32_t number, Group **ret) {
        _cleanup_(group_freep) Group *made = NULL;
        Group *group = find_group_among(facts, n_sorted, number);
        int r;

        if (!group) {
                group = made = calloc(1, sizeof(Group));
                if (!made)
                        return -ENOMEM;
                made->number = number;
                r = facts_append_group(facts, made);
                if (r < 0)
                        return r;
                made = NULL;
        }

        *ret = group;
        return 0;
}

/* Gives each run of devices of one group to that group; `devices` is sorted by group. */
static int link_runs(Facts *facts, Device *const *devices, size_t n) {
        size_t n_sorted = facts->n_groups, end;

        for (size_t start = 0; start < n && devices[start]->group != GROUP_NONE; start = end) {
                Group *group;
                int r;

                for (end = start + 1; end < n && devices[end]->group == devices[start]->group; end++)
                        ;

                r = get_or_append_group(facts, n_sorted, devices[start]->group, &group);
                if (r < 0)
                        return r;

                group->devices = reallocarray(NULL, end - start, sizeof(Device *));
                if (!group->devices)
                        return -ENOMEM;
                memcpy(group->devices, &devices[start], (end - start) * sizeof(Device *));
                group->n_devices = end - start;
        }
        return 0;
}

int facts_link(Facts *facts) {
        _cleanup_free_ Device **by_group = NULL;
        int r;

        for (size_t i = 0; i < facts->n_groups; i++) {
                free(facts->groups[i]->devices);
                facts->groups[i]->devices = NULL;
                facts->groups[i]->n_devices = 0;
        }
        if (facts->n_devices == 0)
                return 0;

        by_group = reallocarray(NULL, facts->n_devices, sizeof(Device *));
        if (!by_group)
                return -ENOMEM;
        memcpy(by_group, facts->devices, facts->n_devices * sizeof(Device *));
        qsort(by_group, facts->n_devices, sizeof(Device *), compare_devices_by_group);

        r = link_runs(facts, by_group, facts->n_devices);
        facts_sort(facts); /* groups that were made stand at the end */
        return r;
}
