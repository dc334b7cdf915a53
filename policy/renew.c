/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "policy/plan.h"

static int compare_numbers(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

int record_list_groups(const RecordList *list, uint32_t **ret, size_t *ret_n) {
        uint32_t *groups;
        size_t n_all = 0, n = 0;

        groups = calloc(list->n_items ?: 1, sizeof(uint32_t));
        if (!groups)
                return -ENOMEM;
        for (size_t i = 0; i < list->n_items; i++)
                if (list->items[i].group != GROUP_NONE)
                        groups[n_all++] = list->items[i].group;
        qsort(groups, n_all, sizeof(uint32_t), compare_numbers);
        for (size_t i = 0; i < n_all; i++)
                if (n == 0 || groups[n - 1] != groups[i])
                        groups[n++] = groups[i];
        *ret = groups;
        *ret_n = n;
        return 0;
}

static bool is_there(const DeviceRecord *record, const Device *device) {
        return device && device->group != GROUP_NONE && pci_identity_equal(&device->identity, &record->identity);
}

/* A copy, without the group that its number may mean now. */
static int keep_missing(const DeviceRecord *record, RecordList *kept) {
        DeviceRecord missing = *record;

        missing.group = GROUP_NONE;
        return record_list_add(kept, &missing);
}

static int renew_one(const DeviceRecord *record, const Device *device, RecordList *kept, RecordList *present) {
        _cleanup_(record_done) DeviceRecord now = {};
        DeviceRecord merged;
        int r;

        r = record_make(device, record->wanted, record->vfio_driver, &now);
        if (r < 0)
                return r;
        merged = now;
        if (!now.driver || string_equal(now.driver, record->vfio_driver))
                merged.driver = record->driver;
        if (string_equal(now.driver_override, record->vfio_driver))
                merged.driver_override = record->driver_override;
        r = record_list_add(kept, &merged);
        return r < 0 ? r : record_list_add(present, &now);
}

static bool has_group(const RecordList *list, uint32_t group) {
        for (size_t i = 0; i < list->n_items; i++)
                if (list->items[i].group == group)
                        return true;
        return false;
}

static int add_joined(const RecordList *recorded, const RecordList *others, const Facts *facts, RecordList *kept, RecordList *present) {
        const char *vfio_driver = recorded->n_items > 0 ? recorded->items[0].vfio_driver : NULL;

        for (size_t i = 0; i < facts->n_devices; i++) {
                const Device *device = facts->devices[i];
                _cleanup_(record_done) DeviceRecord joined = {};
                int r;

                if (device->role != ROLE_ENDPOINT || device->group == GROUP_NONE || !has_group(present, device->group) ||
                    record_list_find(recorded, &device->address) || record_list_find(others, &device->address))
                        continue;
                r = record_make(device, /* wanted= */ false, vfio_driver, &joined);
                if (r >= 0)
                        r = record_list_add(kept, &joined);
                if (r >= 0)
                        r = record_list_add(present, &joined);
                if (r < 0)
                        return r;
        }
        return 0;
}

int record_list_renew(const RecordList *recorded, const RecordList *others, const Facts *facts, RecordList *ret_kept, RecordList *ret_present) {
        _cleanup_(record_list_done) RecordList kept = {}, present = {};
        int r;

        for (size_t i = 0; i < recorded->n_items; i++) {
                const DeviceRecord *record = &recorded->items[i];
                const Device *device = facts_find_device(facts, &record->address);

                r = is_there(record, device) ? renew_one(record, device, &kept, &present) : keep_missing(record, &kept);
                if (r < 0)
                        return r;
        }
        r = add_joined(recorded, others, facts, &kept, &present);
        if (r < 0)
                return r;
        *ret_kept = kept;
        *ret_present = present;
        kept = present = (RecordList){};
        return 0;
}
