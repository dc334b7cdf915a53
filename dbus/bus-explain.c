/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "base/strutil.h"
#include "daemon/host-guard.h"
#include "dbus/bus-manager.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"

#define HISTORY_MAX 50U

/* What was asked about: a device with its group, or a group alone. */
typedef struct Subject {
        const Device *device; /* NULL: a group */
        const Group *group;   /* NULL: a device without one */
} Subject;

static void write_member(FILE *f, const Device *device) {
        fprintf(f, "\n  %s %s", PCI_ADDRESS_FORMAT(&device->address), device_role_to_string(device->role));
        fprintf(f, " %04x:%04x", device->identity.vendor, device->identity.device);
        if (device->name)
                fprintf(f, " %s", device->name);
        if (device->driver)
                fprintf(f, ", driver %s", device->driver);
        else
                fprintf(f, ", no driver");
}

static void write_members(FILE *f, const Group *group) {
        size_t n = group->n_devices + group->n_others;

        if (n == 1)
                fprintf(f, "Group %" PRIu32 " has one member:", group->number);
        else
                fprintf(f,
                        "Group %" PRIu32 " has %zu members. The IOMMU cannot tell their DMA apart, or they can reach each other without passing it, so they "
                        "are given to one owner together or not at all:",
                        group->number, n);
        for (size_t i = 0; i < group->n_devices; i++)
                write_member(f, group->devices[i]);
        for (size_t i = 0; i < group->n_others; i++)
                fprintf(f, "\n  %s, not a PCI device (%s)", group->others[i].name, group->others[i].subsystem ?: "of no known kind");
}

static void write_blockers(FILE *f, const BlockerList *blockers, bool overridable, const char *heading) {
        bool has_any = false;

        for (size_t i = 0; i < blockers->n_items; i++) {
                const Blocker *blocker = &blockers->items[i];

                if (blocker->overridable != overridable)
                        continue;
                if (!has_any)
                        fprintf(f, "\nGroup %" PRIu32 " %s:", blocker->group, heading);
                has_any = true;
                fprintf(f, "\n  %s: %s", blocker_code_to_string(blocker->code), blocker->detail);
        }
}

static void write_viability(FILE *f, const Group *group, const BlockerList *blockers) {
        if (blockers->n_items == 0) {
                fprintf(f, "\nGroup %" PRIu32 " is viable: nothing keeps the kernel from giving it to one owner.", group->number);
                return;
        }

        write_blockers(f, blockers, /* overridable= */ false, "is not viable");
        write_blockers(f, blockers, /* overridable= */ true, "should stay with the host as it is (an override goes past)");
}

static void write_state(FILE *f, const Bus *bus, const Group *group) {
        const Assignment *assignment = manager_group_assignment(bus->manager, group->number);
        const Operation *operation = manager_group_operation(bus->manager, group->number);

        if (assignment)
                fprintf(f, "\nIt is held by %s (assignment %" PRIu64 ", %s).",
                        bus_shows_holder(bus, assignment->uid) ? assignment->owner : "somebody else", assignment->id,
                        assignment_state_to_string(assignment->state));
        if (operation)
                fprintf(f, "\nOperation %" PRIu64 " (%s) works on it: %s.", operation->id, verb_to_string(operation->request.verb), operation_state_word(operation));
}

static int write_text(const Bus *bus, const Subject *subject, const BlockerList *blockers, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        if (subject->group) {
                write_members(f, subject->group);
                write_viability(f, subject->group, blockers);
                write_state(f, bus, subject->group);
        } else
                fprintf(f, "%s is in no IOMMU group, so nothing confines its DMA and it cannot be given to an owner.",
                        PCI_ADDRESS_FORMAT(&subject->device->address));
        if (fclose(f) != 0)
                return -ENOMEM;

        *ret = TAKE_PTR(text);
        return 0;
}

static int append_history(sd_bus_message *m, const Bus *bus, const Subject *subject) {
        DbHistory *history = NULL;
        size_t n = 0;
        int r;

        if (bus_shows_holder(bus, 0)) /* it names whoever had it */
                r = db_history_read(bus->manager->db, subject->device ? PCI_ADDRESS_FORMAT(&subject->device->address) : NULL,
                                    subject->device ? -1 : (int64_t) subject->group->number, HISTORY_MAX, &history, &n);
        else
                r = 0;
        if (r >= 0)
                r = encode_entry_open(m, "History", "a(tss)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "(tss)");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, "tss");
                if (r >= 0)
                        r = sd_bus_message_append_basic(m, 't', &history[i].at_usec);
                if (r >= 0)
                        r = encode_text(m, history[i].event);
                if (r >= 0)
                        r = encode_text(m, history[i].detail);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        db_history_free(history, n);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : encode_entry_close(m);
}

/* The entries that a device's properties do not have, under the names that a group's have: the group's members, and what keeps
 * it from being viable. */
static int append_group(sd_bus_message *m, const Subject *subject, const BlockerList *blockers) {
        static const Group none = {};
        int r;

        r = encode_entry_open(m, "Members", "aa{sv}");
        if (r < 0)
                return r;
        r = encode_members(m, subject->group ?: &none);
        if (r < 0)
                return r;
        r = encode_entry_close(m);
        if (r < 0 || !subject->device)
                return r;

        r = encode_entry_open(m, "Blockers", "aa{sv}");
        if (r < 0)
                return r;
        r = encode_blockers(m, blockers);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

static int append_properties(sd_bus_message *m, Bus *bus, const Subject *subject) {
        DeviceView device = { bus, subject->device };
        GroupView group = { bus, subject->group };

        if (subject->device)
                return encode_properties(m, device_vtable, bus->bus, &device);
        return encode_properties(m, group_vtable, bus->bus, &group);
}

/* What keeps the kernel from giving it away, and what the host does with it now. */
static int explain_group(const Bus *bus, const Group *group, BlockerList *blockers) {
        int r = group_blockers(bus, group, blockers);

        return r < 0 ? r : host_guard_check_use(bus->manager, &(Group *) { (Group *) group }, 1, blockers);
}

static int append_explanation(sd_bus_message *m, Bus *bus, const Subject *subject) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_free_ char *text = NULL;
        int r;

        if (subject->group)
                r = explain_group(bus, subject->group, &blockers);
        else
                r = blocker_list_add(&blockers, BLOCKER_NO_IOMMU, GROUP_NONE, PCI_ADDRESS_FORMAT(&subject->device->address), false,
                                     "The device is in no IOMMU group");
        if (r < 0)
                return r;
        r = write_text(bus, subject, &blockers, &text);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = append_properties(m, bus, subject);
        if (r < 0)
                return r;
        r = append_group(m, subject, &blockers);
        if (r < 0)
                return r;
        r = append_history(m, bus, subject);
        if (r < 0)
                return r;
        r = encode_string(m, "Text", text);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

/* Returns 0 with the subject, 1 after refusing the call, or a negative errno. */
static int subject_find(const Bus *bus, sd_bus_message *m, const char *text, Subject *ret) {
        const Facts *facts = manager_facts(bus->manager);
        Subject subject = {};
        Target target;
        int r;

        if (target_parse(text, &target) < 0) {
                _cleanup_(refusal_done) Refusal refusal = {};

                r = target_refuse(text, &refusal);
                return r < 0 ? r : error_reply_refusal(m, &refusal);
        }

        if (!target.is_group) {
                subject.device = facts_find_device(facts, &target.address);
                if (!subject.device)
                        return error_reply(m, REFUSAL_NO_SUCH_DEVICE, "There is no PCI device %s", PCI_ADDRESS_FORMAT(&target.address));
                target.group = subject.device->group;
        }
        if (target.group != GROUP_NONE)
                subject.group = facts_find_group(facts, target.group);
        if (!subject.device && !subject.group)
                return error_reply(m, REFUSAL_NO_SUCH_GROUP, "There is no IOMMU group %" PRIu32, target.group);

        *ret = subject;
        return 0;
}

int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Subject subject = {};
        const char *text;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        r = options_read(m, NULL, 0, error);
        if (r < 0)
                return r;
        r = subject_find(userdata, m, text, &subject);
        if (r != 0)
                return r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = append_explanation(reply, userdata, &subject);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}
