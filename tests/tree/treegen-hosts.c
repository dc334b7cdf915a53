/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tree/treegen.h"

#include <string.h>

#define NIC 0x8086, 0x10d3, 0x8086, 0x0000, 0x020000
#define OLD_NIC 0x8086, 0x100e, 0x1af4, 0x1100, 0x020000
#define NVME 0x1b36, 0x0010, 0x1af4, 0x1100, 0x010802
#define PORT 0x1b36, 0x000c, 0x1b36, 0x0000, 0x060400

/* The lab's q35 machine. Rows in the order of their buses, parents before children. */
static const TreeDevice lab[] = {
        {"0000:00:00.0", NULL, 0x8086, 0x29c0, 0x1af4, 0x1100, 0x060000, 0, 0, .numa_node = -1},
        {"0000:00:01.0", NULL, 0x1234, 0x1111, 0x1af4, 0x1100, 0x030000, 2, 1, "bochs-drm", .numa_node = -1},
        {"0000:00:02.0", NULL, PORT, 0, 2, "pcieport", .numa_node = -1, .secondary_bus = 0x01},
        {"0000:00:03.0", NULL, PORT, 0, 3, "pcieport", .numa_node = -1, .secondary_bus = 0x02},
        {"0000:00:04.0", NULL, PORT, 0, 4, "pcieport", .numa_node = -1, .secondary_bus = 0x03},
        {"0000:00:05.0", NULL, PORT, 0, 5, "pcieport", .numa_node = -1, .secondary_bus = 0x05},
        {"0000:00:06.0", NULL, PORT, 0, 6, "pcieport", .numa_node = -1, .secondary_bus = 0x07},
        {"0000:00:07.0", NULL, PORT, 0, 7, "pcieport", .numa_node = -1, .secondary_bus = 0x0b},
        {"0000:00:08.0", NULL, PORT, 0, 8, "pcieport", .numa_node = -1, .secondary_bus = 0x06},
        {"0000:00:1f.0", NULL, 0x8086, 0x2918, 0x1af4, 0x1100, 0x060100, 2, 9, "lpc_ich", .numa_node = -1},
        {"0000:00:1f.2", NULL, 0x8086, 0x2922, 0x1af4, 0x1100, 0x010601, 2, 9, "ahci", .numa_node = -1},
        {"0000:00:1f.3", NULL, 0x8086, 0x2930, 0x1af4, 0x1100, 0x0c0500, 2, 9, "i801_smbus", .numa_node = -1},
        {"0000:01:00.0", "0000:00:02.0", NIC, 0, 13, "e1000e", NULL, "flr bus", -1},
        {"0000:02:00.0", "0000:00:03.0", NIC, 0, 14, "e1000e", NULL, "flr", -1},
        {"0000:02:00.1", "0000:00:03.0", NIC, 0, 14, "e1000e", NULL, "flr", -1},
        {"0000:03:00.0", "0000:00:04.0", 0x1b36, 0x000e, 0, 0, 0x060400, 0, 15, .numa_node = -1, .secondary_bus = 0x04},
        {"0000:04:01.0", "0000:03:00.0", OLD_NIC, 3, 15, "e1000", NULL, NULL, -1},
        {"0000:04:01.1", "0000:03:00.0", OLD_NIC, 3, 15, "e1000", NULL, NULL, -1},
        {"0000:04:02.0", "0000:03:00.0", OLD_NIC, 3, 15, "e1000", NULL, NULL, -1},
        {"0000:05:00.0", "0000:00:05.0", NVME, 2, 16, "nvme", NULL, "flr bus", -1, .total_vfs = 4},
        {"0000:05:00.1", "0000:00:05.0", NVME, 2, 22, NULL, NULL, "flr", -1, .physfn = "0000:05:00.0"},
        {"0000:05:00.2", "0000:00:05.0", NVME, 2, 23, NULL, NULL, "flr", -1, .physfn = "0000:05:00.0"},
        {"0000:06:00.0", "0000:00:08.0", NIC, 0, 8, "e1000e", NULL, "flr bus", -1},
        {"0000:07:00.0", "0000:00:06.0", 0x104c, 0x8232, 0, 0, 0x060400, 2, 17, "pcieport", .numa_node = -1, .secondary_bus = 0x08},
        {"0000:08:00.0", "0000:07:00.0", 0x104c, 0x8233, 0, 0, 0x060400, 1, 18, "pcieport", .numa_node = -1, .secondary_bus = 0x09},
        {"0000:08:01.0", "0000:07:00.0", 0x104c, 0x8233, 0, 0, 0x060400, 1, 19, "pcieport", .numa_node = -1, .secondary_bus = 0x0a},
        {"0000:09:00.0", "0000:08:00.0", NIC, 0, 18, "e1000e", NULL, "flr bus", -1},
        {"0000:0a:00.0", "0000:08:01.0", NIC, 0, 19, "e1000e", NULL, "flr bus", -1},
};

int treegen_make_lab(int root_fd) {
        int r;

        r = treegen_add_iommu(root_fd, "dmar0");
        for (size_t i = 0; i < ELEMENTSOF(lab) && r >= 0; i++)
                r = treegen_add_device(root_fd, &lab[i]);
        if (r >= 0)
                r = treegen_add_driver(root_fd, "vfio-pci");
        return r;
}

/* What the functions of a big host are; a group's number picks one. */
static const TreeDevice kinds[] = {
        {NULL, NULL, 0x8086, 0x1572, 0x8086, 0x0001, 0x020000, 1, 0, "i40e", NULL, "flr bus"},
        {NULL, NULL, 0x15b3, 0x101b, 0x15b3, 0x0007, 0x020700, 0, 0, "mlx5_core", NULL, "flr bus"},
        {NULL, NULL, 0x144d, 0xa80a, 0x144d, 0xa801, 0x010802, 0, 0, "nvme", NULL, "flr bus"},
        {NULL, NULL, 0x10de, 0x20b2, 0x10de, 0x1463, 0x030200, 0xa1, 0, NULL, "vfio-pci", "flr bus"},
        {NULL, NULL, 0x1af4, 0x1041, 0x1af4, 0x1100, 0x020000, 1, 0, "virtio-pci", NULL, "bus"},
};

#define GROUPS_PER_DOMAIN 32 /* one a slot of the root bus */
#define FUNCTIONS_PER_SLOT 8

static int add_function(int root_fd, unsigned group, unsigned bus, unsigned slot, unsigned function, const char *parent) {
        char address[PCI_ADDRESS_STRING_MAX];
        TreeDevice device = kinds[group % ELEMENTSOF(kinds)];

        (void) snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", group / GROUPS_PER_DOMAIN, bus, slot, function);
        device.address = address;
        device.parent = parent;
        device.group = group;
        device.numa_node = (int) (group / GROUPS_PER_DOMAIN % 2);
        return treegen_add_device(root_fd, &device);
}

/* A port that does not isolate what is below it. */
static int add_group_behind_port(int root_fd, unsigned group, unsigned n_members) {
        unsigned slot = group % GROUPS_PER_DOMAIN, bus = slot + 1;
        char address[PCI_ADDRESS_STRING_MAX];
        TreeDevice port = {address, NULL, 0x8086, 0x347a, 0x8086, 0x0000, 0x060400, 4, group, "pcieport", .secondary_bus = (uint8_t) bus};
        int r;

        (void) snprintf(address, sizeof(address), "%04x:00:%02x.0", group / GROUPS_PER_DOMAIN, slot);
        port.numa_node = (int) (group / GROUPS_PER_DOMAIN % 2);
        r = treegen_add_device(root_fd, &port);
        for (unsigned i = 0; i + 1 < n_members && r >= 0; i++)
                r = add_function(root_fd, group, bus, i / FUNCTIONS_PER_SLOT, i % FUNCTIONS_PER_SLOT, address);
        return r;
}

static int add_big_group(int root_fd, unsigned group, unsigned n_members) {
        int r = 0;

        if (n_members > 1 && (group % 2 == 1 || n_members > FUNCTIONS_PER_SLOT))
                return add_group_behind_port(root_fd, group, n_members);
        for (unsigned i = 0; i < n_members && r >= 0; i++)
                r = add_function(root_fd, group, 0, group % GROUPS_PER_DOMAIN, i, NULL);
        return r;
}

int treegen_make_big(int root_fd, unsigned n_devices, unsigned n_groups) {
        uint64_t done = 0;
        int r;

        if (n_groups == 0 || n_devices < n_groups || n_devices / n_groups >= 256)
                return -EINVAL;

        r = treegen_add_iommu(root_fd, "dmar0");
        if (r >= 0)
                r = treegen_add_driver(root_fd, "vfio-pci");
        for (unsigned group = 0; group < n_groups && r >= 0; group++) {
                uint64_t end = (uint64_t) n_devices * (group + 1) / n_groups;

                r = add_big_group(root_fd, group, (unsigned) (end - done));
                done = end;
        }
        return r;
}
