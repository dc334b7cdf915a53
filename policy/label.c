/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/label.h"

#include <inttypes.h>
#include <string.h>

#include "base/glob.h"
#include "base/strutil.h"

void label_table_done(LabelTable *table) {
        for (size_t i = 0; i < table->n_items; i++)
                free(table->items[i].label);
        free(table->items);
        *table = (LabelTable) {};
}

/* The index of the first entry that is not before `address`. */
static size_t lower_bound(const LabelTable *table, const PciAddress *address) {
        size_t low = 0, high = table->n_items;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (pci_address_compare(&table->items[middle].address, address) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool is_at(const LabelTable *table, size_t i, const PciAddress *address) {
        return i < table->n_items && pci_address_compare(&table->items[i].address, address) == 0;
}

const char *label_table_find(const LabelTable *table, const PciAddress *address) {
        size_t i = lower_bound(table, address);

        return is_at(table, i, address) ? table->items[i].label : NULL;
}

int label_table_set(LabelTable *table, const PciAddress *address, const char *label) {
        size_t i = lower_bound(table, address);
        LabelEntry entry = { .address = *address }, *items;
        int r;

        if (is_at(table, i, address) && label) {
                r = string_replace(&table->items[i].label, label);
                return r < 0 ? r : 0;
        }
        if (is_at(table, i, address)) {
                free(table->items[i].label);
                memmove(table->items + i, table->items + i + 1, (--table->n_items - i) * sizeof(LabelEntry));
                return 0;
        }
        if (!label)
                return 0;
        items = reallocarray(table->items, table->n_items + 1, sizeof(LabelEntry));
        if (!items)
                return -ENOMEM;
        table->items = items;
        r = string_copy(label, &entry.label);
        if (r < 0)
                return r;
        memmove(items + i + 1, items + i, (table->n_items++ - i) * sizeof(LabelEntry));
        items[i] = entry;
        return 0;
}

DeviceLabel device_label(const PolicySet *set, const LabelTable *table, const Device *device, const char *driver) {
        const char *label = label_table_find(table, &device->address);
        const PolicyLabel *rule;
        PolicyDevice subject;

        if (label)
                return (DeviceLabel) { .label = label };
        policy_device_init(device, driver, NULL, &subject);
        rule = policy_find_label(set, &subject);
        return (DeviceLabel) { .label = rule ? rule->label : NULL, .rule = rule };
}

int device_label_format(const DeviceLabel *label, char **ret) {
        if (!label->label)
                return string_copy("no label", ret);
        if (!label->rule)
                return string_format(ret, "the label %s, set by an administrator", label->label);
        return string_format(ret, "the label %s, by %s:%u", label->label, label->rule->origin.file, label->rule->origin.line);
}

int group_label(uint32_t group, const LabelledDevice *devices, size_t n_devices, const char **ret_label, BlockerList *blockers) {
        bool agree = true;
        int r;

        for (size_t i = 1; i < n_devices; i++)
                agree = agree && string_equal(devices[i].label.label, devices[0].label.label);
        *ret_label = agree && n_devices > 0 ? devices[0].label.label : NULL;
        for (size_t i = 0; !agree && i < n_devices; i++) {
                _cleanup_free_ char *text = NULL;
                char address[PCI_ADDRESS_STRING_MAX];

                r = device_label_format(&devices[i].label, &text);
                if (r < 0)
                        return r;
                r = blocker_list_add(blockers, BLOCKER_LABEL_CONFLICT, group, pci_address_format(&devices[i].device->address, address), false,
                                     "%s has %s, and the devices of group %" PRIu32 " must all have the same label, or none", address, text, group);
                if (r < 0)
                        return r;
        }
        return agree;
}

int owner_label_check(const char *owner_label, uint32_t group, const char *group_label, BlockerList *blockers) {
        if (string_equal(owner_label, group_label))
                return 0;
        if (!owner_label)
                return blocker_list_add(blockers, BLOCKER_LABEL_MISMATCH, group, NULL, false,
                                        "Group %" PRIu32 " has the label %s, and the owner has none", group, group_label);
        if (!group_label)
                return blocker_list_add(blockers, BLOCKER_LABEL_MISMATCH, group, NULL, false,
                                        "The owner has the label %s, and group %" PRIu32 " has none", owner_label, group);
        return blocker_list_add(blockers, BLOCKER_LABEL_MISMATCH, group, NULL, false, "The owner has the label %s, and group %" PRIu32 " has %s",
                                owner_label, group, group_label);
}

static bool claim_allows(const PolicyClaim *claim, const char *label) {
        for (char *const *glob = claim->labels; glob && *glob; glob++)
                if (glob_matches(*glob, label))
                        return true;
        return string_equal(claim->label, label);
}

int owner_label(const PolicySet *set, const PolicyCaller *caller, const char *claimed, const char **ret, BlockerList *blockers) {
        const PolicyClaim *claim = policy_find_claim(set, caller);

        if (!claimed)
                *ret = claim ? claim->label : NULL;
        else if (claim ? claim_allows(claim, claimed) : caller->uid == 0)
                *ret = claimed;
        else {
                *ret = NULL;
                if (claim)
                        return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, GROUP_NONE, NULL, false,
                                                "%s:%u does not let uid %u claim the label %s for this owner", claim->origin.file, claim->origin.line,
                                                (unsigned) caller->uid, claimed);
                return blocker_list_add(blockers, BLOCKER_POLICY_DENIED, GROUP_NONE, NULL, false,
                                        "No claim of the policy lets uid %u claim the label %s for this owner", (unsigned) caller->uid, claimed);
        }
        return 0;
}
