/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/consumer/proof.h"

#include <endian.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/vfio-uapi.h"

bool proof_expect(Proof *proof, bool holds, const char *format, ...) {
        va_list arguments;

        *(holds ? &proof->n_held : &proof->n_failed) += 1;
        (void) fputs(holds ? "ok      " : "FAILED  ", stdout);
        va_start(arguments, format);
        (void) vprintf(format, arguments);
        va_end(arguments);
        (void) putchar('\n');
        (void) fflush(stdout);
        return holds;
}

bool proof_expect_done(Proof *proof, int result, int error, const char *what, const char *name) {
        return proof_expect(proof, result >= 0, "%s: %s is done (the kernel said: %s)", name, what, result < 0 ? strerrorname_np(error) : "yes");
}

bool proof_expect_errno(Proof *proof, int result, int error, int expected, const char *what, const char *name) {
        return proof_expect(proof, result < 0 && error == expected, "%s: %s is refused with %s (the kernel said: %s)", name, what,
                            strerrorname_np(expected), result < 0 ? strerrorname_np(error) : "yes");
}

void *proof_new_page(size_t *ret_size) {
        size_t size = (size_t) sysconf(_SC_PAGESIZE);
        void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

        if (page == MAP_FAILED)
                return NULL;

        *ret_size = size;
        return page;
}

long proof_read_group(const char *address) {
        _cleanup_free_ char *group = NULL;
        char path[64];
        uint32_t number;

        (void) snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.20s/iommu_group", address);
        if (link_basename_at(AT_FDCWD, path, &group) < 0 || parse_u32(group, 10, &number) < 0)
                return -1;
        return (long) number;
}

/* A PCI id as sysfs shows it ("0x8086"); UINT32_MAX: unreadable. */
static uint32_t read_sysfs_id(const char *address, const char *attribute) {
        char path[64], text[16];
        uint32_t id;

        (void) snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.20s/%s", address, attribute);
        if (attribute_read_at(AT_FDCWD, path, text, sizeof(text)) < 0 || strncmp(text, "0x", 2) != 0 || parse_u32(text + 2, 16, &id) < 0)
                return UINT32_MAX;
        return id;
}

static void expect_config_id(Proof *proof, const ReceivedFd *device, uint64_t config_offset, unsigned position, const char *attribute) {
        uint16_t id;
        bool is_read = pread(device->fd, &id, sizeof(id), (off_t) (config_offset + position)) == sizeof(id);

        proof_expect(proof, is_read && le16toh(id) == read_sysfs_id(device->name, attribute), "%s: config space has the %s id of sysfs, %04x",
                     device->name, attribute, is_read ? le16toh(id) : 0);
}

void proof_device(Proof *proof, const ReceivedFd *device) {
        struct vfio_device_info info = { .argsz = sizeof(info) };
        struct vfio_region_info region = { .argsz = sizeof(region), .index = VFIO_PCI_CONFIG_REGION_INDEX };
        bool is_pci, has_config;

        is_pci = ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) == 0 && (info.flags & VFIO_DEVICE_FLAGS_PCI);
        if (!proof_expect(proof, is_pci, "%s: is a PCI device with %u regions and %u interrupts", device->name, info.num_regions, info.num_irqs))
                return;

        has_config = ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &region) == 0 && region.size >= 64 && (region.flags & VFIO_REGION_INFO_FLAG_READ);
        if (!proof_expect(proof, has_config, "%s: its config space is a region of %llu bytes", device->name, (unsigned long long) region.size))
                return;

        expect_config_id(proof, device, region.offset, 0, "vendor");
        expect_config_id(proof, device, region.offset, 2, "device");
}
