/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Security labels: who may operate one member of a group can reach them all, so that all of them, and the owner, must have the same. */

#include "policy/rules.h"

/* An administrator's label of the device at an address. */
typedef struct LabelEntry {
        PciAddress address;
        char *label;
} LabelEntry;

typedef struct LabelTable {
        LabelEntry *items; /* ordered by address */
        size_t n_items;
} LabelTable;

void label_table_done(LabelTable *table);

/* NULL: none. Borrowed. */
const char *label_table_find(const LabelTable *table, const PciAddress *address);

/* Sets the label of an address (a copy), or takes it away if it is NULL. Returns 0 or -ENOMEM. */
int label_table_set(LabelTable *table, const PciAddress *address, const char *label);

/* The label of a device and where it is from: an administrator's comes before the policy's. All is borrowed. */
typedef struct DeviceLabel {
        const char *label;       /* NULL: none */
        const PolicyLabel *rule; /* what of the policy gave it; NULL: an administrator, or nobody */
} DeviceLabel;

/* `driver` is the host driver, as in PolicyDevice. */
DeviceLabel device_label(const PolicySet *set, const LabelTable *table, const Device *device, const char *driver);

/* "tenant-a, set by an administrator", "tenant-a, by 10-labels.json:4", "no label". The caller frees *ret. Returns 0 or -ENOMEM. */
int device_label_format(const DeviceLabel *label, char **ret);

/* A device of a group with its label. */
typedef struct LabelledDevice {
        const Device *device;
        DeviceLabel label;
} LabelledDevice;

/* The common label of a group's endpoints, borrowed (NULL: none has one). Where they differ, or only some have one, *ret_label is NULL and a
 * label-conflict for each device is appended, with where its label is from. Returns 1 if they agree, 0 if they do not, -ENOMEM. */
int group_label(uint32_t group, const LabelledDevice *devices, size_t n_devices, const char **ret_label, BlockerList *blockers);

/* Appends label-mismatch unless the owner's label is the group's (both may be NULL: unlabelled). Returns 0 or -ENOMEM. */
int owner_label_check(const char *owner_label, uint32_t group, const char *group_label, BlockerList *blockers);

/* The label that the owner has: what the request claims, as far as the policy lets this caller claim it, else what the policy gives whoever
 * claims none. uid 0 may claim any label where no claim of the policy is for it. *ret is borrowed; a claim that is not allowed appends policy-denied. Returns 0
 * or -ENOMEM. */
int owner_label(const PolicySet *set, const PolicyCaller *caller, const char *claimed, const char **ret, BlockerList *blockers);
