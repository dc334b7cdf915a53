/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The host's devices, and what others than assignd do to them. */

#include <string.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"
#include "tests/walk/world.h"

WorldDevice *world_find_device(World *world, const PciAddress *address) {
        for (size_t i = 0; i < world->n_devices; i++)
                if (pci_address_compare(&world->devices[i].address, address) == 0)
                        return &world->devices[i];
        return NULL;
}

bool device_is_endpoint(const WorldDevice *device) {
        return device->shape.secondary_bus == 0;
}

bool driver_is_host(const char *driver) {
        return driver[0] != '\0' && !string_equal(driver, VFIO) && !string_equal(driver, "pci-stub") && !string_equal(driver, "pcieport");
}

/* The paths are short and this is called often. */
WorldPlace world_place(const World *world, const WorldDevice *device) {
        WorldPlace place = {};
        char text[256], path[96];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", PCI_ADDRESS_FORMAT(&device->address));
        n = readlinkat(world->root, path, text, sizeof(text) - 1);
        if (n > 0) {
                const char *slash;

                text[n] = '\0';
                slash = strrchr(text, '/');
                (void) snprintf(place.driver, sizeof(place.driver), "%.*s", (int) sizeof(place.driver) - 1, slash ? slash + 1 : text);
        }
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver_override", PCI_ADDRESS_FORMAT(&device->address));
        if (attribute_read_at(world->root, path, text, sizeof(text)) >= 0 && !string_equal(text, "(null)"))
                (void) snprintf(place.override, sizeof(place.override), "%.*s", (int) sizeof(place.override) - 1, text);
        return place;
}

bool place_equal(const WorldPlace *a, const WorldPlace *b) {
        return string_equal(a->driver, b->driver) && string_equal(a->override, b->override);
}

bool world_is_open(const World *world, const WorldDevice *device) {
        return simk_is_open(world->root, &device->address);
}

/* --- What the daemon hears of it. */

bool world_flush_uevents(World *world) {
        size_t n = 0;

        while (n < world->n_uevents && simk_try_emit(world->root, world->uevents[n].action, &world->uevents[n].address) != -EAGAIN)
                n++;
        if (n == 0)
                return false;
        memmove(world->uevents, world->uevents + n, (world->n_uevents - n) * sizeof(WorldUevent));
        world->n_uevents -= n;
        return true;
}

int world_emit(World *world, const char *action, const WorldDevice *device) {
        WorldUevent *uevents;

        world->is_settled = false;
        uevents = reallocarray(world->uevents, world->n_uevents + 1, sizeof(WorldUevent));
        if (!uevents || !device)
                return -ENOMEM;
        uevents[world->n_uevents++] = (WorldUevent) { .action = action, .address = device->address };
        world->uevents = uevents;
        return 0;
}

/* --- Somebody with root. */

int world_set_override(World *world, WorldDevice *device, const char *driver) {
        return device->present ? simk_set_override(world->root, &device->address, driver) : -ENODEV;
}

int world_bind(World *world, WorldDevice *device, const char *driver) {
        int r;

        if (device->in_kernel)
                return -EDEADLK;
        r = device->present ? simk_bind_begin(world->root, &device->address, driver) : -ENODEV;
        if (r >= 0)
                r = simk_bind_end(world->root, &device->address, driver);
        return r < 0 ? r : world_emit(world, "bind", device);
}

int world_unbind(World *world, WorldDevice *device) {
        WorldPlace place = world_place(world, device);
        int r;

        if (device->in_kernel || (string_equal(place.driver, VFIO) && world_is_open(world, device)))
                return -EDEADLK;
        if (place.driver[0] == '\0')
                return -ENODEV;
        r = simk_unbind_begin(world->root, &device->address, place.driver);
        if (r >= 0)
                r = simk_unbind_end(world->root, &device->address, place.driver);
        return r < 0 ? r : world_emit(world, "unbind", device);
}

int world_unplug(World *world, WorldDevice *device) {
        int r;

        if (!device->present)
                return -ENODEV;
        r = world_unbind(world, device);
        if (r < 0 && r != -ENODEV)
                return r;
        r = treegen_remove_device(world->root, device->shape.address);
        if (r < 0)
                return r;
        device->present = false;
        device->generation++;
        return world_emit(world, "remove", device);
}

int world_plug(World *world, WorldDevice *device, bool other) {
        TreeDevice shape = device->shape;
        int r;

        if (device->present)
                return -EEXIST;
        if (other)
                shape.revision = (uint8_t) (device->generation + 1);
        r = treegen_add_device(world->root, &shape);
        if (r < 0)
                return r;
        device->present = true;
        return world_emit(world, "add", device);
}

/* --- A host as it comes. */

#define NIC 0x8086, 0x10d3, 0x8086, 0x0000, 0x020000
#define OLD_NIC 0x8086, 0x100e, 0x1af4, 0x1100, 0x020000
#define NVME 0x1b36, 0x0010, 0x1af4, 0x1100, 0x010802

/* Groups of one, of two, behind a bridge that is a member itself; a device is named by its row in a walk. */
static const TreeDevice shapes[] = {
        { "0000:01:00.0", NULL, NIC, 0, 13, "e1000e", NULL, "flr" },
        { "0000:02:00.0", NULL, NIC, 0, 14, "e1000e", NULL, "flr" },
        { "0000:02:00.1", NULL, NIC, 0, 14, "e1000e", NULL, "flr" },
        { "0000:03:00.0", NULL, 0x1b36, 0x000e, 0, 0, 0x060400, 0, 15, .secondary_bus = 4 },
        { "0000:04:01.0", "0000:03:00.0", OLD_NIC, 3, 15, "e1000", NULL, NULL },
        { "0000:04:01.1", "0000:03:00.0", OLD_NIC, 3, 15, "e1000", NULL, NULL },
        { "0000:05:00.0", NULL, NVME, 2, 16, "nvme", NULL, "flr" },
        { "0000:06:00.0", NULL, NVME, 2, 17, "nvme", NULL, "flr" },
        { "0000:06:00.1", NULL, NIC, 0, 17, "e1000e", NULL, "flr" },
        { "0000:07:00.0", NULL, NIC, 0, 18, "e1000e", NULL, "flr" },
};

int world_make_host(World *world) {
        int r;

        world->devices = calloc(ELEMENTSOF(shapes), sizeof(WorldDevice));
        if (!world->devices)
                return -ENOMEM;
        r = treegen_add_iommu(world->root, "dmar0");
        for (size_t i = 0; i < ELEMENTSOF(shapes) && r >= 0; i++) {
                WorldDevice *device = &world->devices[world->n_devices++];

                *device = (WorldDevice) { .shape = shapes[i], .present = true };
                r = pci_address_parse(shapes[i].address, &device->address);
                if (r >= 0)
                        r = treegen_add_device(world->root, &shapes[i]);
        }
        if (r >= 0)
                r = simk_prepare(world->root, /* iommufd= */ true);
        return r < 0 ? r : simk_add_driver(world->root, "pci-stub", SIMK_DRIVER_EXEMPT);
}

/* Whatever state it is in. */
static int put_device(World *world, WorldDevice *device, const char *driver, const char *override) {
        WorldPlace place;
        int r = 0;

        if (device->present && device->generation > 0) {
                (void) treegen_remove_device(world->root, device->shape.address);
                device->present = false;
        }
        if (!device->present)
                r = treegen_add_device(world->root, &device->shape);
        if (r < 0)
                return r;
        device->present = true;
        device->generation = 0;
        device->in_kernel = false;
        place = world_place(world, device);
        if (string_equal(place.driver, driver) && string_equal(place.override, override) && !string_equal(driver, VFIO))
                return 0;
        if (place.driver[0] != '\0') {
                if (simk_unbind_begin(world->root, &device->address, place.driver) >= 0)
                        (void) simk_unbind_end(world->root, &device->address, place.driver);
        } else
                (void) treegen_remove_vfio_dev(world->root, device->shape.address);
        if (driver[0] != '\0') {
                r = simk_set_override(world->root, &device->address, driver);
                if (r >= 0)
                        r = simk_bind_begin(world->root, &device->address, driver);
                if (r >= 0)
                        r = simk_bind_end(world->root, &device->address, driver);
        }
        return r < 0 ? r : simk_set_override(world->root, &device->address, override);
}

static void forget_nodes(World *world) {
        for (size_t i = 0; i < world->n_devices; i++)
                (void) unlinkat(world->root, SIMK_PATH("dev/vfio/%u", world->devices[i].shape.group), 0);
}

/* After a boot every device is on the driver that matches it. */
int world_put_at_boot(World *world) {
        int r = 0;

        forget_nodes(world);
        for (size_t i = 0; i < world->n_devices && r >= 0; i++) {
                WorldDevice *device = &world->devices[i];
                unsigned generation = device->generation;

                if (!device->present)
                        continue;
                device->generation = 0; /* the same devices as before */
                r = put_device(world, device, device->shape.driver ?: "", "");
                device->generation = generation;
        }
        return r;
}

/* Most are as a host has them; some were put elsewhere by somebody. */
static int put_somewhere(World *world, WorldDevice *device) {
        const char *host = device->shape.driver ?: "";

        if (!device_is_endpoint(device))
                return put_device(world, device, "", "");
        switch (world_random(world) % 10) {
        case 0:
                return put_device(world, device, "", "");
        case 1:
                return put_device(world, device, VFIO, VFIO);
        case 2:
                return put_device(world, device, host, host);
        case 3:
                return put_device(world, device, "", "no-such-driver");
        case 4:
                return put_device(world, device, "pci-stub", "pci-stub");
        default:
                return put_device(world, device, host, "");
        }
}

int world_put_host(World *world, bool iommufd) {
        int r;

        forget_nodes(world);
        if (iommufd)
                r = simk_touch(world->root, "dev/iommu");
        else
                r = unlinkat(world->root, "dev/iommu", 0) < 0 && errno != ENOENT ? -errno : 0;
        for (size_t i = 0; i < world->n_devices && r >= 0; i++)
                r = put_somewhere(world, &world->devices[i]);
        return r;
}
