/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/tree-internal.h"

#define ATTRIBUTE_MAX 512

/* One device while it is read: its directory stays open, so that all facts are of the same device even if another one takes
 * its address meanwhile. */
typedef struct Reader {
        int devices_fd;
        int fd;
        char name[PCI_ADDRESS_STRING_MAX];
        Device *device;
} Reader;

static void note_error(Reader *reader, int error) {
        if (reader->device->read_error == 0)
                reader->device->read_error = error;
}

/* Sorts out a failed read: 0 if the fact is absent (and noted if it should have been there), negative if reading must end. */
static int judge_error(Reader *reader, int r) {
        if (r == -ENOENT)
                return 0;
        if (r == -ENODEV || tree_error_is_ours(r))
                return r;
        note_error(reader, r);
        return 0;
}

/* 1: read, 0: absent, or a negative errno that ends the reading of this device. So do all read_*() below. */
static int read_text(Reader *reader, const char *attribute, char text[static ATTRIBUTE_MAX]) {
        ssize_t n = tree_read_attribute(reader->fd, attribute, text, ATTRIBUTE_MAX);

        return n < 0 ? judge_error(reader, (int) n) : 1;
}

static int read_link(Reader *reader, const char *link, char **ret) {
        int r = link_basename_at(reader->fd, link, ret);

        return r < 0 ? judge_error(reader, r) : 1;
}

static int read_flag(Reader *reader, const char *attribute, bool *ret) {
        int r = exists_at(reader->fd, attribute);

        if (r < 0)
                return judge_error(reader, r);
        *ret = r > 0;
        return 1;
}

static int keep_name(Reader *reader, const char *name, char **ret) {
        int r = tree_copy_name(name, ret);

        if (r > 0)
                note_error(reader, -EBADMSG);
        return r < 0 ? r : 0;
}

/* "0x8086" */
static int read_hexadecimal(Reader *reader, const char *attribute, uint32_t max, uint32_t *ret) {
        char text[ATTRIBUTE_MAX];
        uint32_t value;
        int r;

        r = read_text(reader, attribute, text);
        if (r <= 0)
                return r;
        if (strncmp(text, "0x", 2) != 0 || parse_u32(text + 2, 16, &value) < 0 || value > max) {
                note_error(reader, -EBADMSG);
                return 0;
        }

        *ret = value;
        return 1;
}

/* Takes `label` and the hexadecimal digits behind it off *s. */
static bool take_field(const char **s, const char *label, size_t n_digits, uint32_t max, uint32_t *ret) {
        char digits[9] = "";
        size_t length = strlen(label);

        if (strncmp(*s, label, length) != 0 || strnlen(*s + length, n_digits) < n_digits)
                return false;
        memcpy(digits, *s + length, n_digits);
        *s += length + n_digits;
        return parse_u32(digits, 16, ret) >= 0 && *ret <= max;
}

/* "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00" (drivers/pci/pci-sysfs.c, modalias_show) */
static bool parse_modalias(const char *s, PciIdentity *ret) {
        uint32_t vendor, device, subsystem_vendor, subsystem_device, base_class, subclass, interface;

        if (!take_field(&s, "pci:v", 8, UINT16_MAX, &vendor) || !take_field(&s, "d", 8, UINT16_MAX, &device) ||
            !take_field(&s, "sv", 8, UINT16_MAX, &subsystem_vendor) || !take_field(&s, "sd", 8, UINT16_MAX, &subsystem_device) ||
            !take_field(&s, "bc", 2, UINT8_MAX, &base_class) || !take_field(&s, "sc", 2, UINT8_MAX, &subclass) ||
            !take_field(&s, "i", 2, UINT8_MAX, &interface) || *s != '\0')
                return false;

        *ret = (PciIdentity){
                .vendor = (uint16_t) vendor,
                .device = (uint16_t) device,
                .subsystem_vendor = (uint16_t) subsystem_vendor,
                .subsystem_device = (uint16_t) subsystem_device,
                .class = base_class << 16 | subclass << 8 | interface,
        };
        return true;
}

static int read_identity_attributes(Reader *reader, PciIdentity *ret) {
        static const struct {
                const char *attribute;
                uint32_t max;
                bool optional;
        } fields[] = {
                {"vendor", UINT16_MAX, false}, {"device", UINT16_MAX, false}, {"class", 0xffffff, false},
                {"subsystem_vendor", UINT16_MAX, true}, {"subsystem_device", UINT16_MAX, true},
        };
        uint32_t values[ELEMENTSOF(fields)] = {};
        int r;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                r = read_hexadecimal(reader, fields[i].attribute, fields[i].max, &values[i]);
                if (r < 0 || (r == 0 && !fields[i].optional))
                        return r;
        }

        *ret = (PciIdentity){
                .vendor = (uint16_t) values[0],
                .device = (uint16_t) values[1],
                .class = values[2],
                .subsystem_vendor = (uint16_t) values[3],
                .subsystem_device = (uint16_t) values[4],
        };
        return 1;
}

static int read_identity(Reader *reader) {
        PciIdentity *identity = &reader->device->identity;
        char text[ATTRIBUTE_MAX];
        int r;

        r = read_text(reader, "modalias", text);
        if (r < 0)
                return r;
        if (r > 0 && parse_modalias(text, identity))
                return 1;
        return read_identity_attributes(reader, identity);
}

static int read_role(Reader *reader, bool has_identity) {
        Device *device = reader->device;
        bool is_bridge = true;
        int r;

        device->role = ROLE_OTHER;
        if (!has_identity)
                return 0;

        /* Visible with a type 1 or 2 header only (drivers/pci/pci-sysfs.c, pci_bridge_attrs_are_visible). */
        if (device->identity.class >> 16 != 0x06) {
                r = read_flag(reader, "secondary_bus_number", &is_bridge);
                if (r <= 0)
                        return r;
        }
        device->role = is_bridge ? ROLE_BRIDGE : ROLE_ENDPOINT;
        return 0;
}

static int read_driver(Reader *reader) {
        _cleanup_free_ char *driver = NULL;
        int r = read_link(reader, "driver", &driver);

        return r <= 0 ? r : keep_name(reader, driver, &reader->device->driver);
}

static int read_override(Reader *reader, const Device *known, bool changing) {
        char text[ATTRIBUTE_MAX];
        int r;

        if (changing)
                return string_copy(known ? known->driver_override : NULL, &reader->device->driver_override);

        r = read_text(reader, "driver_override", text);
        if (r <= 0 || *text == '\0' || strcmp(text, "(null)") == 0)
                return r < 0 ? r : 0;
        return keep_name(reader, text, &reader->device->driver_override);
}

static int read_group_number(Reader *reader) {
        _cleanup_free_ char *group = NULL;
        uint32_t number;
        int r;

        reader->device->group = GROUP_NONE;
        r = read_link(reader, "iommu_group", &group);
        if (r <= 0)
                return r;
        if (parse_u32(group, 10, &number) < 0 || number == GROUP_NONE)
                note_error(reader, -EBADMSG);
        else
                reader->device->group = number;
        return 0;
}

static int read_numa_node(Reader *reader) {
        char text[ATTRIBUTE_MAX];
        uint32_t node;
        int r;

        reader->device->numa_node = -1;
        r = read_text(reader, "numa_node", text);
        if (r <= 0 || strcmp(text, "-1") == 0)
                return r < 0 ? r : 0;
        if (parse_u32(text, 10, &node) < 0 || node > INT_MAX)
                note_error(reader, -EBADMSG);
        else
                reader->device->numa_node = (int) node;
        return 0;
}

static int read_reset_methods(Reader *reader) {
        char text[ATTRIBUTE_MAX];
        int r = read_text(reader, "reset_method", text);

        if (r <= 0 || *text == '\0')
                return r < 0 ? r : 0;
        return keep_name(reader, text, &reader->device->reset_methods);
}

/* The PCI address that a link to a device names. */
static int read_address(Reader *reader, const char *link, PciAddress *ret) {
        _cleanup_free_ char *name = NULL;
        int r = read_link(reader, link, &name);

        if (r <= 0)
                return r;
        if (tree_parse_address(name, ret) >= 0)
                return 1;
        note_error(reader, -EBADMSG);
        return 0;
}

typedef struct NumberedVf {
        uint32_t number;
        PciAddress address;
} NumberedVf;

static int compare_vfs(const void *a, const void *b) {
        const NumberedVf *x = a, *y = b;

        return (x->number > y->number) - (x->number < y->number);
}

/* Goes through the directory instead of counting virtfn0, virtfn1, ...: the kernel takes VFs away from the lowest upwards
 * (drivers/pci/iov.c, sriov_del_vfs). */
static int collect_vfs(Reader *reader, NumberedVf **vfs, size_t *n_vfs) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        const char *name;
        int r;

        r = directory_open(&directory, reader->fd, ".");
        if (r < 0)
                return judge_error(reader, r);
        while ((r = directory_next(&directory, &name)) > 0) {
                NumberedVf vf, *grown;

                if (strncmp(name, "virtfn", 6) != 0 || parse_u32(name + 6, 10, &vf.number) < 0)
                        continue;
                r = read_address(reader, name, &vf.address);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                grown = reallocarray(*vfs, *n_vfs + 1, sizeof(NumberedVf));
                if (!grown)
                        return -ENOMEM;
                *vfs = grown;
                (*vfs)[(*n_vfs)++] = vf;
        }
        return r < 0 ? judge_error(reader, r) : 0;
}

static int read_vfs(Reader *reader) {
        _cleanup_free_ NumberedVf *vfs = NULL;
        Device *device = reader->device;
        size_t n_vfs = 0;
        int r;

        r = collect_vfs(reader, &vfs, &n_vfs);
        if (r < 0 || n_vfs == 0)
                return r;

        qsort(vfs, n_vfs, sizeof(NumberedVf), compare_vfs);
        device->vfs = reallocarray(NULL, n_vfs, sizeof(PciAddress));
        if (!device->vfs)
                return -ENOMEM;
        for (size_t i = 0; i < n_vfs; i++)
                device->vfs[i] = vfs[i].address;
        device->n_vfs = n_vfs;
        return 0;
}

static int read_sriov(Reader *reader) {
        Device *device = reader->device;
        int r;

        r = read_address(reader, "physfn", &device->physfn);
        if (r < 0)
                return r;
        device->is_vf = r > 0;
        if (device->is_vf)
                return 0;

        r = read_flag(reader, "sriov_totalvfs", &device->is_pf);
        return r < 0 || !device->is_pf ? r : read_vfs(reader);
}

/* Comes last: the kernel takes `revision` away before everything else that is read here (drivers/pci/pci-sysfs.c,
 * pci_dev_attrs; drivers/base/core.c, device_del), so a device that still has it was whole all the while. */
static int read_revision(Reader *reader, bool has_identity) {
        uint32_t revision = 0;
        int r = read_hexadecimal(reader, "revision", UINT8_MAX, &revision);

        if (r == 0 || (r > 0 && !has_identity))
                r = tree_check_presence(reader->devices_fd, reader->name, reader->fd);
        reader->device->identity.revision = (uint8_t) revision;
        return r < 0 ? r : 0;
}

static int read_everything(Reader *reader, const Device *known, bool changing) {
        bool has_identity;
        int r;

        r = read_identity(reader);
        if (r < 0)
                return r;
        has_identity = r > 0;

        r = read_role(reader, has_identity);
        if (r < 0)
                return r;
        r = read_driver(reader);
        if (r < 0)
                return r;
        r = read_override(reader, known, changing);
        if (r < 0)
                return r;
        r = read_group_number(reader);
        if (r < 0)
                return r;
        r = read_numa_node(reader);
        if (r < 0)
                return r;
        r = read_reset_methods(reader);
        if (r < 0)
                return r;
        r = read_sriov(reader);
        if (r < 0)
                return r;
        r = read_revision(reader, has_identity);
        if (r < 0)
                return r;

        if (!has_identity)
                note_error(reader, -ENODATA);
        return 0;
}

/* A device that is there but does not let itself be opened is one of which nothing is known. */
static int judge_open_error(Reader *reader, int error) {
        if (error == -ENOENT || error == -ENODEV || tree_error_is_ours(error))
                return error;
        reader->device->role = ROLE_OTHER;
        reader->device->group = GROUP_NONE;
        reader->device->numa_node = -1;
        note_error(reader, error);
        return 0;
}

int tree_read_device_at(int devices_fd, const PciAddress *address, const Device *known, bool changing, Device **ret) {
        _cleanup_(device_freep) Device *device = calloc(1, sizeof(Device));
        Reader reader = {.devices_fd = devices_fd, .fd = -EBADF, .device = device};
        int r;

        if (!device)
                return -ENOMEM;
        device->address = *address;
        (void) pci_address_format(address, reader.name);

        reader.fd = openat(devices_fd, reader.name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = reader.fd < 0 ? judge_open_error(&reader, -errno) : read_everything(&reader, known, changing);
        safe_close(reader.fd);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(device);
        return 0;
}
