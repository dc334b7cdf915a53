/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strutil.h"
#include "dbus/bus-manager.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"
#include "dbus/path.h"

/* One (oa{sv}) with all properties of the object, left open for entries that only the list has. */
static int item_open(sd_bus_message *m, const char *path, const sd_bus_vtable *vtable, Bus *bus, void *view) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, "oa{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, 'o', path);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        return encode_properties(m, vtable, bus->bus, view);
}

static int item_close(sd_bus_message *m) {
        int r;

        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

/* The reply's one array, to be filled by `append`. */
static int reply_with_list(sd_bus_message *call, Bus *bus, bool all, int (*append)(sd_bus_message *m, Bus *bus, bool all)) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(oa{sv})");
        if (r < 0)
                return r;
        r = append(reply, bus, all);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

static int append_devices(sd_bus_message *m, Bus *bus, bool all) {
        const Facts *facts = manager_facts(bus->manager);

        for (size_t i = 0; i < facts->n_devices; i++) {
                DeviceView view = { bus, facts->devices[i] };
                int r;

                r = item_open(m, PATH_OF_DEVICE(&view.device->address), device_vtable, bus, &view);
                if (r < 0)
                        return r;
                r = item_close(m);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_groups(sd_bus_message *m, Bus *bus, bool all) {
        const Facts *facts = manager_facts(bus->manager);

        for (size_t i = 0; i < facts->n_groups; i++) {
                GroupView view = { bus, facts->groups[i] };
                int r;

                if (!all && !group_has_endpoint(view.group))
                        continue;

                r = item_open(m, PATH_OF_NUMBER(ASSIGND_GROUP_PREFIX, view.group->number), group_vtable, bus, &view);
                if (r < 0)
                        return r;
                r = encode_entry_open(m, "Members", "aa{sv}");
                if (r < 0)
                        return r;
                r = encode_members(m, view.group);
                if (r < 0)
                        return r;
                r = encode_entry_close(m);
                if (r < 0)
                        return r;
                r = item_close(m);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_assignments(sd_bus_message *m, Bus *bus, bool all) {
        const AssignmentTable *table = &bus->manager->assignments;

        for (size_t i = 0; i < table->n_items; i++) {
                AssignmentView view = { bus, table->items[i] };
                int r;

                if (!assignment_is_visible(view.assignment))
                        continue;

                r = item_open(m, PATH_OF_NUMBER(ASSIGND_ASSIGNMENT_PREFIX, view.assignment->id), assignment_vtable, bus, &view);
                if (r < 0)
                        return r;
                r = item_close(m);
                if (r < 0)
                        return r;
        }
        return 0;
}

int method_list_devices(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = options_read(m, NULL, 0, error);
        return r < 0 ? r : reply_with_list(m, userdata, /* all= */ true, append_devices);
}

int method_list_groups(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        bool all = false;
        int r;

        r = options_read(m, &(Option){ "all", OPTION_BOOL, &all }, 1, error);
        return r < 0 ? r : reply_with_list(m, userdata, all, append_groups);
}

int method_list_assignments(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = options_read(m, NULL, 0, error);
        return r < 0 ? r : reply_with_list(m, userdata, /* all= */ true, append_assignments);
}

int method_get_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Bus *bus = userdata;
        PciAddress address;
        const char *text;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        if (pci_address_parse(text, &address) < 0) {
                _cleanup_free_ char *shown = NULL;

                r = string_escape(text, TARGET_TEXT_MAX, &shown);
                if (r < 0)
                        return r;
                return error_reply(m, REFUSAL_INVALID_TARGET, "\"%s\" is not a PCI address (such as 0000:02:00.0 or 02:00.0)", shown);
        }
        if (!facts_find_device(manager_facts(bus->manager), &address))
                return error_reply(m, REFUSAL_NO_SUCH_DEVICE, "There is no PCI device %s", PCI_ADDRESS_FORMAT(&address));
        return sd_bus_reply_method_return(m, "o", PATH_OF_DEVICE(&address));
}

int method_get_group(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Bus *bus = userdata;
        uint32_t number;
        int r;

        r = sd_bus_message_read(m, "u", &number);
        if (r < 0)
                return r;
        if (!facts_find_group(manager_facts(bus->manager), number))
                return error_reply(m, REFUSAL_NO_SUCH_GROUP, "There is no IOMMU group %" PRIu32, number);
        return sd_bus_reply_method_return(m, "o", PATH_OF_NUMBER(ASSIGND_GROUP_PREFIX, number));
}
