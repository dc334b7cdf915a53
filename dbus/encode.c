/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/encode.h"

#include <string.h>

#include "base/strutil.h"
#include "dbus/path.h"

/* Longer texts are ours alone (sentences made of many blockers) and stay valid: this is for bytes that somebody slipped in. */
#define ESCAPED_MAX 4096U

static bool utf8_is_valid(const char *s) {
        while (*s) {
                size_t length = (unsigned char) *s < 0x80 ? 1 : utf8_printable_length(s);

                if (length == 0)
                        return false;
                s += length;
        }
        return true;
}

int encode_text(sd_bus_message *m, const char *text) {
        _cleanup_free_ char *escaped = NULL;
        int r;

        if (!text)
                text = "";
        if (!utf8_is_valid(text)) {
                r = string_escape(text, ESCAPED_MAX, &escaped);
                if (r < 0)
                        return r;
                text = escaped;
        }
        return sd_bus_message_append_basic(m, 's', text);
}

int encode_entry_open(sd_bus_message *m, const char *key, const char *signature) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, 's', key);
        if (r < 0)
                return r;
        return sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, signature);
}

int encode_entry_close(sd_bus_message *m) {
        int r;

        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int encode_basic(sd_bus_message *m, const char *key, const char *signature, const void *value) {
        int r;

        r = encode_entry_open(m, key, signature);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, signature[0], value);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

int encode_string(sd_bus_message *m, const char *key, const char *value) {
        int r;

        r = encode_entry_open(m, key, "s");
        if (r < 0)
                return r;
        r = encode_text(m, value);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

int encode_path(sd_bus_message *m, const char *key, const char *path) {
        return encode_basic(m, key, "o", path);
}

int encode_bool(sd_bus_message *m, const char *key, bool value) {
        int wide = value; /* the size sd_bus_message_append_basic() reads a 'b' with */

        return encode_basic(m, key, "b", &wide);
}

int encode_u32(sd_bus_message *m, const char *key, uint32_t value) {
        return encode_basic(m, key, "u", &value);
}

int encode_u64(sd_bus_message *m, const char *key, uint64_t value) {
        return encode_basic(m, key, "t", &value);
}

int encode_text_array(sd_bus_message *m, char *const *texts) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;
        for (size_t i = 0; texts && texts[i]; i++) {
                r = encode_text(m, texts[i]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int encode_strv(sd_bus_message *m, const char *key, char *const *value) {
        int r;

        r = encode_entry_open(m, key, "as");
        if (r < 0)
                return r;
        r = encode_text_array(m, value);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

int encode_u32_array(sd_bus_message *m, const char *key, const uint32_t *values, size_t n) {
        int r;

        r = encode_entry_open(m, key, "au");
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(m, 'u', values, n * sizeof(*values));
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

int encode_address(sd_bus_message *m, const PciAddress *address) {
        return sd_bus_message_append_basic(m, 's', PCI_ADDRESS_FORMAT(address));
}

int encode_addresses(sd_bus_message *m, const PciAddress *addresses, size_t n) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                r = encode_address(m, &addresses[i]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int encode_group_paths(sd_bus_message *m, const uint32_t *groups, size_t n) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "o");
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                r = sd_bus_message_append_basic(m, 'o', PATH_OF_NUMBER(ASSIGND_GROUP_PREFIX, groups[i]));
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int encode_blocker(sd_bus_message *m, const Blocker *blocker) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = encode_string(m, "code", blocker_code_to_string(blocker->code));
        if (r < 0)
                return r;
        r = encode_string(m, "device", blocker->device);
        if (r < 0)
                return r;
        r = encode_u32(m, "group", blocker->group);
        if (r < 0)
                return r;
        r = encode_string(m, "detail", blocker->detail);
        if (r < 0)
                return r;
        r = encode_bool(m, "overridable", blocker->overridable);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

int encode_blockers(sd_bus_message *m, const BlockerList *blockers) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
        if (r < 0)
                return r;
        for (size_t i = 0; i < blockers->n_items; i++) {
                r = encode_blocker(m, &blockers->items[i]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int encode_member(sd_bus_message *m, const Device *device) {
        char vendor[sizeof("ffff")], number[sizeof("ffff")], class[sizeof("ffffff")];
        const char *const entries[][2] = {
                { "Address", PCI_ADDRESS_FORMAT(&device->address) },
                { "Role", device_role_to_string(device->role) },
                { "Vendor", vendor },
                { "Device", number },
                { "Class", class },
                { "Name", device->name },
                { "Driver", device->driver },
                { "DriverOverride", device->driver_override },
        };
        int r;

        *hex_write(vendor, device->identity.vendor, 4) = '\0';
        *hex_write(number, device->identity.device, 4) = '\0';
        *hex_write(class, device->identity.class & 0xffffffU, 6) = '\0';

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(entries); i++) {
                r = encode_string(m, entries[i][0], entries[i][1]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int encode_members(sd_bus_message *m, const Group *group) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
        if (r < 0)
                return r;
        for (size_t i = 0; i < group->n_devices; i++) {
                r = encode_member(m, group->devices[i]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int encode_properties(sd_bus_message *m, const sd_bus_vtable *vtable, sd_bus *bus, void *userdata) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        for (const sd_bus_vtable *v = vtable; v->type != _SD_BUS_VTABLE_END; v++) {
                if (v->type != _SD_BUS_VTABLE_PROPERTY)
                        continue;

                r = encode_entry_open(m, v->x.property.member, v->x.property.signature);
                if (r < 0)
                        return r;
                r = v->x.property.get(bus, NULL, NULL, v->x.property.member, m, userdata, &error);
                if (r < 0)
                        return r;
                r = encode_entry_close(m);
                if (r < 0)
                        return r;
        }
        return 0;
}

int encode_node_access(sd_bus_message *m, const NodeAccess *access) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0 && access)
                r = encode_u32(m, "user", access->uid);
        if (r >= 0 && access)
                r = encode_u32(m, "group", access->gid);
        if (r >= 0 && access)
                r = encode_u32(m, "mode", access->mode);
        if (r >= 0 && access)
                r = encode_string(m, "context", access->context);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
