/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "daemon/label.h"
#include "dbus/bus.h"
#include "dbus/encode.h"
#include "dbus/path.h"

/* A getter of one text of the device. */
#define DEFINE_TEXT(name, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const Device *device = ((const DeviceView *) userdata)->device; \
\
                return encode_text(m, value); \
        }

/* A getter of a number in hexadecimal digits, as the kernel and lspci write it. */
#define DEFINE_HEX(name, format, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const Device *device = ((const DeviceView *) userdata)->device; \
                char text[sizeof("ffffffff")]; \
\
                (void) snprintf(text, sizeof(text), format, value); \
                return encode_text(m, text); \
        }

DEFINE_TEXT(property_get_address, PCI_ADDRESS_FORMAT(&device->address))
DEFINE_TEXT(property_get_name, device->name)
DEFINE_TEXT(property_get_role, device_role_to_string(device->role))
DEFINE_TEXT(property_get_driver, device->driver)
DEFINE_TEXT(property_get_driver_override, device->driver_override)
DEFINE_TEXT(property_get_physical_function, device->is_vf ? PCI_ADDRESS_FORMAT(&device->physfn) : NULL)

DEFINE_HEX(property_get_vendor, "%04x", device->identity.vendor)
DEFINE_HEX(property_get_device, "%04x", device->identity.device)
DEFINE_HEX(property_get_subsystem_vendor, "%04x", device->identity.subsystem_vendor)
DEFINE_HEX(property_get_subsystem_device, "%04x", device->identity.subsystem_device)
DEFINE_HEX(property_get_class, "%06x", device->identity.class & 0xffffffU)
DEFINE_HEX(property_get_revision, "%02x", device->identity.revision)

static DeviceLabel view_label(const DeviceView *view) {
        return view->device->role == ROLE_ENDPOINT ? manager_device_label(view->bus->manager, view->device) : (DeviceLabel){};
}

static int property_get_label(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                              sd_bus_error *error) {
        return encode_text(m, bus_shows_holder(((const DeviceView *) userdata)->bus, 0) ? view_label(userdata).label : NULL);
}

static int property_get_label_origin(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                     sd_bus_error *error) {
        const DeviceLabel label = view_label(userdata);
        _cleanup_free_ char *origin = NULL;

        if (!bus_shows_holder(((const DeviceView *) userdata)->bus, 0))
                return encode_text(m, NULL);
        if (!label.rule)
                return encode_text(m, label.label ? "administrator" : NULL);
        if (policy_origin_format(&label.rule->origin, NULL, &origin) < 0)
                return -ENOMEM;
        return encode_text(m, origin);
}

static int property_get_group(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                              sd_bus_error *error) {
        const Device *device = ((const DeviceView *) userdata)->device;

        return sd_bus_message_append_basic(m, 'o', device->group == GROUP_NONE ? "/" : PATH_OF_NUMBER(ASSIGND_GROUP_PREFIX, device->group));
}

static int property_get_group_number(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                     sd_bus_error *error) {
        return sd_bus_message_append_basic(m, 'u', &((const DeviceView *) userdata)->device->group);
}

static int property_get_numa_node(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                  sd_bus_error *error) {
        int32_t node = ((const DeviceView *) userdata)->device->numa_node;

        return sd_bus_message_append_basic(m, 'i', &node);
}

/* The kernel's list is separated by blanks. */
static int property_get_reset_methods(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                      sd_bus_error *error) {
        const char *methods = ((const DeviceView *) userdata)->device->reset_methods ?: "";
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;
        for (methods += strspn(methods, " "); *methods; methods += strspn(methods, " ")) {
                _cleanup_free_ char *method = strndup(methods, strcspn(methods, " "));

                if (!method)
                        return -ENOMEM;
                r = encode_text(m, method);
                if (r < 0)
                        return r;
                methods += strlen(method);
        }
        return sd_bus_message_close_container(m);
}

static int property_get_virtual_functions(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m,
                                          void *userdata, sd_bus_error *error) {
        const Device *device = ((const DeviceView *) userdata)->device;

        return encode_addresses(m, device->vfs, device->n_vfs);
}

/* Another device at the same address is the same object with other properties, so that all but the address may change. */
const sd_bus_vtable device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Address", "s", property_get_address, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Vendor", "s", property_get_vendor, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Device", "s", property_get_device, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SubsystemVendor", "s", property_get_subsystem_vendor, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SubsystemDevice", "s", property_get_subsystem_device, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Class", "s", property_get_class, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Revision", "s", property_get_revision, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Name", "s", property_get_name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Role", "s", property_get_role, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Driver", "s", property_get_driver, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DriverOverride", "s", property_get_driver_override, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Label", "s", property_get_label, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LabelOrigin", "s", property_get_label_origin, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Group", "o", property_get_group, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("GroupNumber", "u", property_get_group_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NumaNode", "i", property_get_numa_node, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ResetMethods", "as", property_get_reset_methods, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PhysicalFunction", "s", property_get_physical_function, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("VirtualFunctions", "as", property_get_virtual_functions, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END
};
