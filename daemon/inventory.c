/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/inventory.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "db/inventory.h"
#include "host/tree.h"

/* Uevents come in bursts (a driver change is about six); one look after a burst is enough. */
#define REFRESH_DELAY_USEC (10 * USEC_PER_MSEC)
#define RETRY_USEC USEC_PER_SEC

/* Above that many devices one rescan is cheaper than a look at each. */
#define DIRTY_MAX 64U

/* Up to that many are looked at without waiting for the end of the burst when a device comes. */
#define DIRTY_AT_ONCE 8U

static bool is_changing(const PciAddress *address, void *userdata) {
        const Inventory *inventory = userdata;

        return inventory->handler.is_changing && inventory->handler.is_changing(inventory->handler.userdata, address);
}

static void say_device(Inventory *inventory, const PciAddress *address, const Device *before, const Device *now) {
        if (inventory->handler.device_changed)
                inventory->handler.device_changed(inventory->handler.userdata, address, before, now);
}

static void say_group(Inventory *inventory, uint32_t number, bool before, const Group *now) {
        if (inventory->handler.group_changed)
                inventory->handler.group_changed(inventory->handler.userdata, number, before, now);
}

static int on_refresh(sd_event_source *source, uint64_t usec, void *userdata);

static void schedule_refresh(Inventory *inventory, uint64_t delay_usec) {
        int enabled, r;

        if (inventory->refresh_source) {
                if (sd_event_source_get_enabled(inventory->refresh_source, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                        return;
                r = sd_event_source_set_time_relative(inventory->refresh_source, delay_usec);
                if (r >= 0)
                        r = sd_event_source_set_enabled(inventory->refresh_source, SD_EVENT_ONESHOT);
        } else
                r = sd_event_add_time_relative(inventory->event, &inventory->refresh_source, CLOCK_MONOTONIC, delay_usec, USEC_PER_MSEC,
                                               on_refresh, inventory);
        if (r < 0)
                log_error_errno(r, "Failed to schedule a look at the host: %m");
}

static int device_set_name(Inventory *inventory, Device *device) {
        const char *name;
        int r;

        if (device->read_error < 0 && device->role == ROLE_OTHER)
                return 0;
        r = pci_names_lookup(inventory->names, &device->identity, &name);
        if (r < 0)
                return r;
        return string_copy(name, &device->name);
}

static DbDevice db_device(const Device *device, char address[static PCI_ADDRESS_STRING_MAX]) {
        return (DbDevice) {
                .address = pci_address_format(&device->address, address),
                .vendor = device->identity.vendor,
                .device = device->identity.device,
                .subsystem_vendor = device->identity.subsystem_vendor,
                .subsystem_device = device->identity.subsystem_device,
                .class = device->identity.class,
                .revision = device->identity.revision,
                .name = device->name,
                .group = device->group == GROUP_NONE ? -1 : (int64_t) device->group,
        };
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The names of all members, sorted; the names of PCI members are written into `text`. */
static const char **group_member_names(const Group *group, char (*text)[PCI_ADDRESS_STRING_MAX]) {
        const char **names;
        size_t n = 0;

        names = calloc(group->n_devices + group->n_others + 1, sizeof(char *));
        if (!names)
                return NULL;
        for (size_t i = 0; i < group->n_devices; i++)
                names[n++] = pci_address_format(&group->devices[i]->address, text[i]);
        for (size_t i = 0; i < group->n_others; i++)
                names[n++] = group->others[i].name;
        qsort(names, n, sizeof(char *), compare_names);
        return names;
}

/* What db_inventory_sync() takes: all rows, with the text they point to. */
typedef struct Rows {
        DbDevice *devices;
        DbGroup *groups;
        const char ***members;
        size_t n_groups;
        char (*addresses)[PCI_ADDRESS_STRING_MAX];
} Rows;

static void rows_done(Rows *rows) {
        for (size_t i = 0; i < rows->n_groups; i++)
                free(rows->members[i]);
        free(rows->members);
        free(rows->devices);
        free(rows->groups);
        free(rows->addresses);
}

static int rows_make(const Facts *facts, Rows *ret) {
        _cleanup_(rows_done) Rows rows = {};
        size_t used = facts->n_devices;

        rows.devices = calloc(facts->n_devices ?: 1, sizeof(DbDevice));
        rows.groups = calloc(facts->n_groups ?: 1, sizeof(DbGroup));
        rows.members = calloc(facts->n_groups ?: 1, sizeof(char **));
        rows.addresses = calloc(2 * facts->n_devices + 1, PCI_ADDRESS_STRING_MAX);
        if (!rows.devices || !rows.groups || !rows.members || !rows.addresses)
                return -ENOMEM;
        for (size_t i = 0; i < facts->n_devices; i++)
                rows.devices[i] = db_device(facts->devices[i], rows.addresses[i]);
        for (size_t i = 0; i < facts->n_groups; i++) {
                const Group *group = facts->groups[i];

                rows.members[i] = group_member_names(group, rows.addresses + used);
                if (!rows.members[i])
                        return -ENOMEM;
                rows.n_groups++;
                used += group->n_devices;
                rows.groups[i] = (DbGroup) { .number = group->number, .members = rows.members[i] };
        }
        *ret = rows;
        rows = (Rows) {};
        return 0;
}

static int journal_all(Inventory *inventory) {
        const Facts *facts = &inventory->facts;
        _cleanup_(rows_done) Rows rows = {};
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        size_t n_changes;
        int r;

        r = rows_make(facts, &rows);
        if (r < 0)
                return r;
        r = db_begin(inventory->db);
        if (r < 0)
                return r;
        transaction = inventory->db;
        r = db_inventory_sync(inventory->db, realtime_usec(), rows.devices, facts->n_devices, rows.groups, facts->n_groups, &n_changes);
        if (r < 0)
                return r;
        transaction = NULL;
        r = db_commit(inventory->db);
        if (r < 0)
                return r;
        inventory->rows_are_behind = false;
        inventory->n_changed_devices = inventory->n_changed_groups = 0;
        if (n_changes > 0)
                log_info("Since the last look at the host, %zu things about its shape changed", n_changes);
        return 0;
}

/* The rows follow the host, and never keep it from being told: where they cannot, they catch up with the next change. */
static void journal_all_or_later(Inventory *inventory) {
        int r;

        r = journal_all(inventory);
        if (r >= 0)
                return;
        inventory->rows_are_behind = true;
        log_warning_errno(r, "Failed to record the shape of the host, trying again at the next change: %m");
}

/* Both walk two sorted sets of facts side by side and report what differs. */
static void say_group_differences(Inventory *inventory, const Facts *before, const Facts *now) {
        size_t i = 0, k = 0;

        while (i < before->n_groups || k < now->n_groups) {
                const Group *b = i < before->n_groups ? before->groups[i] : NULL, *n = k < now->n_groups ? now->groups[k] : NULL;

                if (b && (!n || b->number < n->number))
                        say_group(inventory, b->number, true, NULL);
                else if (n && (!b || n->number < b->number)) {
                        say_group(inventory, n->number, false, n);
                        k++;
                        continue;
                } else if (b && n) {
                        if (!group_equal(b, n))
                                say_group(inventory, n->number, true, n);
                        k++;
                }
                i++;
        }
}

static void say_device_differences(Inventory *inventory, const Facts *before, const Facts *now) {
        size_t i = 0, k = 0;

        while (i < before->n_devices || k < now->n_devices) {
                const Device *b = i < before->n_devices ? before->devices[i] : NULL, *n = k < now->n_devices ? now->devices[k] : NULL;
                int c = !b ? 1 : !n ? -1 : pci_address_compare(&b->address, &n->address);

                if (c < 0)
                        say_device(inventory, &b->address, b, NULL);
                else if (c > 0)
                        say_device(inventory, &n->address, NULL, n);
                else if (!device_equal(b, n))
                        say_device(inventory, &n->address, b, n);
                i += c <= 0;
                k += c >= 0;
        }
}

int inventory_rescan(Inventory *inventory) {
        _cleanup_(facts_done) Facts facts = {}, before = {};
        int r;

        if (inventory->is_reporting) {
                inventory->rescan_needed = true;
                schedule_refresh(inventory, REFRESH_DELAY_USEC);
                return 0;
        }
        r = tree_read(inventory->sysfs_fd, &inventory->facts, is_changing, inventory, &facts);
        if (r < 0)
                return r;
        for (size_t i = 0; i < facts.n_devices; i++) {
                r = device_set_name(inventory, facts.devices[i]);
                if (r < 0)
                        return r;
        }
        inventory->rescan_needed = false;
        inventory->n_dirty = 0;

        before = inventory->facts;
        inventory->facts = facts;
        facts = (Facts) {};
        journal_all_or_later(inventory);
        inventory->is_reporting = true;
        say_group_differences(inventory, &before, &inventory->facts);
        say_device_differences(inventory, &before, &inventory->facts);
        inventory->is_reporting = false;
        return 0;
}

static int journal_group(Inventory *inventory, uint32_t number) {
        const Group *group = facts_find_group(&inventory->facts, number);
        _cleanup_free_ const char **members = NULL;
        _cleanup_free_ char (*text)[PCI_ADDRESS_STRING_MAX] = NULL;

        if (!group)
                return db_inventory_update_group(inventory->db, realtime_usec(), number, NULL);
        text = calloc(group->n_devices + 1, PCI_ADDRESS_STRING_MAX);
        members = text ? group_member_names(group, text) : NULL;
        if (!members)
                return -ENOMEM;
        return db_inventory_update_group(inventory->db, realtime_usec(), number, &(DbGroup) { .number = number, .members = members });
}

static int journal_device(Inventory *inventory, const PciAddress *address) {
        const Device *device = facts_find_device(&inventory->facts, address);
        char text[PCI_ADDRESS_STRING_MAX];
        DbDevice row = device ? db_device(device, text) : (DbDevice) {};

        return db_inventory_update_device(inventory->db, realtime_usec(), PCI_ADDRESS_FORMAT(address), device ? &row : NULL);
}

static int journal_each(Inventory *inventory) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        int r;

        r = db_begin(inventory->db);
        if (r < 0)
                return r;
        transaction = inventory->db;
        for (size_t i = 0; r >= 0 && i < inventory->n_changed_groups; i++)
                r = journal_group(inventory, inventory->changed_groups[i]);
        for (size_t i = 0; r >= 0 && i < inventory->n_changed_devices; i++)
                r = journal_device(inventory, &inventory->changed_devices[i]);
        if (r < 0)
                return r;
        transaction = NULL;
        return db_commit(inventory->db);
}

/* Brings the rows of what changed up to date, all in one transaction. */
static void journal_changes(Inventory *inventory) {
        int r;

        if (inventory->n_changed_devices == 0 && inventory->n_changed_groups == 0 && !inventory->rows_are_behind)
                return;
        if (inventory->rows_are_behind) {
                journal_all_or_later(inventory);
                return;
        }
        r = journal_each(inventory);
        inventory->n_changed_devices = inventory->n_changed_groups = 0;
        if (r >= 0)
                return;
        inventory->rows_are_behind = true;
        log_warning_errno(r, "Failed to record what changed of the host, trying again at the next change: %m");
}

static void note_changed_device(Inventory *inventory, const PciAddress *address) {
        PciAddress *devices = reallocarray(inventory->changed_devices, inventory->n_changed_devices + 1, sizeof(PciAddress));

        if (!devices) {
                inventory->rows_are_behind = true;
                return;
        }
        devices[inventory->n_changed_devices++] = *address;
        inventory->changed_devices = devices;
}

static void note_changed_group(Inventory *inventory, uint32_t number) {
        uint32_t *groups = reallocarray(inventory->changed_groups, inventory->n_changed_groups + 1, sizeof(uint32_t));

        if (!groups) {
                inventory->rows_are_behind = true;
                return;
        }
        groups[inventory->n_changed_groups++] = number;
        inventory->changed_groups = groups;
}

/* Reads the group afresh into facts; its members are linked afterwards. */
static int refresh_group(Inventory *inventory, uint32_t number, bool *ret_existed) {
        _cleanup_(group_freep) Group *group = NULL;
        int r;

        *ret_existed = facts_find_group(&inventory->facts, number) != NULL;
        r = tree_read_group(inventory->sysfs_fd, number, &group);
        if (r == -ENOENT) {
                facts_drop_group(&inventory->facts, number);
                return 0;
        }
        if (r < 0)
                return r;
        r = facts_put_group(&inventory->facts, group);
        if (r < 0)
                return r;
        TAKE_PTR(group);
        return 0;
}

/* The device came, went, or moved between groups: the groups on both sides change shape. Takes *now over. */
static int refresh_shape(Inventory *inventory, const PciAddress *address, uint32_t before, Device **now) {
        uint32_t numbers[] = { before, *now ? (*now)->group : GROUP_NONE };
        bool existed[ELEMENTSOF(numbers)] = {};
        int r;

        if (numbers[0] == numbers[1])
                numbers[1] = GROUP_NONE;
        if (*now) {
                r = facts_put_device(&inventory->facts, *now);
                if (r < 0)
                        return r;
                *now = NULL;
        } else
                facts_drop_device(&inventory->facts, address);

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                if (numbers[i] == GROUP_NONE)
                        continue;
                r = refresh_group(inventory, numbers[i], &existed[i]);
                if (r < 0)
                        log_warning_errno(r, "Failed to read group %" PRIu32 ", ignoring: %m", numbers[i]);
        }
        r = facts_link(&inventory->facts);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (numbers[i] != GROUP_NONE) {
                        const Group *group = facts_find_group(&inventory->facts, numbers[i]);

                        if (!group && !existed[i])
                                continue;
                        note_changed_group(inventory, numbers[i]);
                        say_group(inventory, numbers[i], existed[i], group);
                }
        return 0;
}

static int device_copy_for_report(const Device *device, Device **ret) {
        _cleanup_(device_freep) Device *copy = NULL;
        int r;

        copy = calloc(1, sizeof(Device));
        if (!copy)
                return -ENOMEM;
        *copy = (Device) { .address = device->address, .identity = device->identity, .role = device->role, .group = device->group };
        r = string_copy(device->driver, &copy->driver);
        if (r < 0)
                return r;
        r = string_copy(device->driver_override, &copy->driver_override);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(copy);
        return 0;
}

static int refresh_device(Inventory *inventory, const PciAddress *address) {
        _cleanup_(device_freep) Device *now = NULL, *before = NULL;
        Device *known;
        bool same_shape;
        int r;

        known = facts_find_device(&inventory->facts, address);
        r = tree_read_device(inventory->sysfs_fd, address, known, is_changing(address, inventory), &now);
        if (r < 0 && r != -ENOENT && r != -ENODEV)
                return r;
        if (now) {
                r = device_set_name(inventory, now);
                if (r < 0)
                        return r;
        }
        if ((!known && !now) || (known && now && device_equal(known, now)))
                return 0;

        same_shape = known && now && known->group == now->group && pci_identity_equal(&known->identity, &now->identity);
        if (same_shape) {
                Device swap = *known;

                *known = *now; /* in place: its group keeps pointing at it */
                *now = swap;
                say_device(inventory, address, now, known);
                return 0;
        }
        if (known) {
                r = device_copy_for_report(known, &before);
                if (r < 0)
                        return r;
        }
        r = refresh_shape(inventory, address, known ? known->group : GROUP_NONE, &now);
        if (r < 0)
                return r;
        known = facts_find_device(&inventory->facts, address);
        note_changed_device(inventory, address);
        say_device(inventory, address, before, known);
        return 0;
}

int inventory_refresh_device(Inventory *inventory, const PciAddress *address) {
        int r;

        r = refresh_device(inventory, address);
        journal_changes(inventory);
        return r;
}

static int mark_dirty(Inventory *inventory, const PciAddress *address);

/* What an event says about one of a PF and its VFs is news of the others: the kernel sends no event for a PF whose VFs are turned
 * off (drivers/pci/iov.c, sriov_disable), nor for a VF whose link to its PF comes after it. */
static int mark_relatives_dirty(Inventory *inventory, const PciAddress *address) {
        const Device *device = facts_find_device(&inventory->facts, address);
        int r = 0;

        if (device && device->is_vf)
                r = mark_dirty(inventory, &device->physfn);
        for (size_t i = 0; device && r >= 0 && i < device->n_vfs; i++)
                r = mark_dirty(inventory, &device->vfs[i]);
        return r;
}

static int refresh_each(Inventory *inventory, const PciAddress *addresses, size_t n, bool relatives) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (relatives) /* as they were known until now */
                        r = mark_relatives_dirty(inventory, &addresses[i]);
                if (r >= 0)
                        r = refresh_device(inventory, &addresses[i]);
                if (r >= 0 && relatives)
                        r = mark_relatives_dirty(inventory, &addresses[i]);
        }
        return r;
}

static int refresh_dirty(Inventory *inventory) {
        _cleanup_free_ PciAddress *dirty = TAKE_PTR(inventory->dirty), *relatives = NULL;
        size_t n_dirty = inventory->n_dirty, n_relatives;
        int r;

        inventory->n_dirty = 0;
        r = refresh_each(inventory, dirty, n_dirty, /* relatives= */ true);
        relatives = TAKE_PTR(inventory->dirty);
        n_relatives = inventory->n_dirty;
        inventory->n_dirty = 0;
        if (r >= 0)
                r = refresh_each(inventory, relatives, n_relatives, /* relatives= */ false);
        journal_changes(inventory);
        return r >= 0 && inventory->rescan_needed ? inventory_rescan(inventory) : r; /* they are too many to be looked at one by one */
}

static int on_refresh(sd_event_source *source, uint64_t usec, void *userdata) {
        Inventory *inventory = userdata;
        int r;

        r = inventory->rescan_needed ? inventory_rescan(inventory) : refresh_dirty(inventory);
        if (r >= 0)
                return 0;
        log_error_errno(r, "Failed to look at the host afresh, trying again: %m");
        inventory->rescan_needed = true;
        schedule_refresh(inventory, RETRY_USEC);
        return 0;
}

static int mark_dirty(Inventory *inventory, const PciAddress *address) {
        PciAddress *dirty;

        for (size_t i = 0; i < inventory->n_dirty; i++)
                if (pci_address_compare(&inventory->dirty[i], address) == 0)
                        return 0;
        if (inventory->n_dirty == DIRTY_MAX) {
                inventory->rescan_needed = true;
                return 0;
        }
        dirty = reallocarray(inventory->dirty, inventory->n_dirty + 1, sizeof(PciAddress));
        if (!dirty)
                return -ENOMEM;
        dirty[inventory->n_dirty++] = *address;
        inventory->dirty = dirty;
        return 0;
}

/* A device that comes alone may join a group that somebody has, and then every moment counts until it is guarded. */
static void refresh_at_once(Inventory *inventory) {
        if (inventory->refresh_source)
                (void) sd_event_source_set_enabled(inventory->refresh_source, SD_EVENT_OFF);
        schedule_refresh(inventory, 0);
}

static void on_uevent(const Uevent *uevent, void *userdata) {
        Inventory *inventory = userdata;

        if (!uevent) {
                log_warning("Uevents were lost, looking at the whole host afresh");
                inventory->rescan_needed = true;
        } else if (uevent->has_address && string_equal(uevent->subsystem, "pci")) {
                if (!inventory->rescan_needed && mark_dirty(inventory, &uevent->address) < 0)
                        inventory->rescan_needed = true;
        } else
                return;
        if (uevent && uevent->action == UEVENT_ADD && inventory->n_dirty <= DIRTY_AT_ONCE)
                refresh_at_once(inventory);
        else
                schedule_refresh(inventory, REFRESH_DELAY_USEC);
}

int inventory_start(Inventory *inventory, bool watch, int uevent_fd) {
        int r;

        if (watch) {
                r = uevent_monitor_new(inventory->event, uevent_fd, on_uevent, inventory, &inventory->monitor);
                if (r < 0) {
                        safe_close(uevent_fd);
                        return log_error_errno(r, "Failed to watch uevents: %m");
                }
        }
        r = inventory_rescan(inventory);
        if (r < 0)
                return log_error_errno(r, "Failed to read the host's PCI devices: %m");
        return 0;
}

void inventory_done(Inventory *inventory) {
        sd_event_source_disable_unref(inventory->refresh_source);
        uevent_monitor_free(inventory->monitor);
        pci_names_free(inventory->names);
        facts_done(&inventory->facts);
        free(inventory->dirty);
        free(inventory->changed_devices);
        free(inventory->changed_groups);
        *inventory = (Inventory) {};
}
