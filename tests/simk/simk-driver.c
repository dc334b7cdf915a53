/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The driver core: drivers/base/bus.c, drivers/base/dd.c, and drivers/pci/pci-driver.c for who matches whom. */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"
#include "tests/tree/treegen.h"

/* *ret NULL: none. */
static int read_override(int root_fd, const PciAddress *address, char **ret) {
        int r = attribute_read_alloc_at(root_fd, SIMK_DEVICE(address, "driver_override"), ret);

        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        if (string_equal(*ret, "(null)")) {
                free(*ret);
                *ret = NULL;
        }
        return 0;
}

static bool has_id(int root_fd, const char *driver, const PciAddress *address) {
        _cleanup_free_ char *ids = NULL;
        char vendor[16], device[16], line[40];

        if (attribute_read_at(root_fd, SIMK_DEVICE(address, "vendor"), vendor, sizeof(vendor)) < 0 ||
            attribute_read_at(root_fd, SIMK_DEVICE(address, "device"), device, sizeof(device)) < 0 ||
            attribute_read_alloc_at(root_fd, SIMK_PATH("simk/drivers/%s/ids", driver), &ids) < 0)
                return false;
        (void) snprintf(line, sizeof(line), "%s %s", vendor, device);
        return strstr(ids, line);
}

/* pci_match_device(): an override lets its own driver match whatever its ids are, and no other. */
static int driver_matches(int root_fd, const char *driver, const PciAddress *address) {
        _cleanup_free_ char *override = NULL;
        int r = read_override(root_fd, address, &override);

        if (r < 0)
                return r;
        return override ? string_equal(override, driver) : has_id(root_fd, driver, address);
}

/* pci_device_can_probe(). */
static int can_probe(int root_fd, const PciAddress *address) {
        _cleanup_free_ char *override = NULL;
        char text[8];
        int r = read_override(root_fd, address, &override);

        if (r < 0 || override)
                return r;
        if (attribute_read_at(root_fd, SIMK_DEVICE(address, "physfn/sriov_drivers_autoprobe"), text, sizeof(text)) > 0 && text[0] == '0')
                return -ENODEV;
        return 0;
}

/* pci_dma_configure(): who wants the default domain cannot have it while the group has an owner. */
static int configure_dma(int root_fd, const PciAddress *address, const char *driver) {
        uint32_t group;

        if (!simk_driver_is(root_fd, driver, SIMK_DRIVER_HOST) || simk_read_group(root_fd, address, &group) < 0)
                return 0;
        return simk_group_is_owned(root_fd, group) ? -EBUSY : 0;
}

static int device_lock(int root_fd, const PciAddress *address) {
        return simk_lock(root_fd, SIMK_PATH("simk/locks/%s", PCI_ADDRESS_FORMAT(address)), LOCK_EX);
}

/* What comes before probe(), after which the driver link is there. */
static int attach(int root_fd, const PciAddress *address, const char *driver) {
        _cleanup_close_ int state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);
        int r;

        if (state < 0)
                return state;
        r = configure_dma(root_fd, address, driver);
        return r < 0 ? r : treegen_bind(root_fd, PCI_ADDRESS_FORMAT(address), driver);
}

static int detach(int root_fd, const PciAddress *address, const char *driver) {
        _cleanup_close_ int state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);
        int r;

        if (state < 0)
                return state;
        r = treegen_unbind(root_fd, PCI_ADDRESS_FORMAT(address), driver);
        if (r < 0 || !simk_driver_is(root_fd, driver, SIMK_DRIVER_VFIO))
                return r;
        return simk_vfio_remove_begin(root_fd, address);
}

static int probe(int root_fd, const PciAddress *address, const char *driver) {
        _cleanup_close_ int state = -EBADF;
        int r;

        r = can_probe(root_fd, address);
        if (r < 0 || !simk_driver_is(root_fd, driver, SIMK_DRIVER_VFIO))
                return r;
        state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);
        return state < 0 ? state : simk_vfio_probe(root_fd, address);
}

static int has_driver_file(int root_fd, const char *driver, const char *file) {
        int r = exists_at(root_fd, SIMK_PATH("bus/pci/drivers/%s/%s", driver, file));

        return r == 0 ? -ENOENT : r;
}

/* bind_store(), device_driver_attach(), really_probe(). */
static int may_bind(int root_fd, const PciAddress *address, const char *driver) {
        int r;

        r = has_driver_file(root_fd, driver, "bind");
        if (r < 0)
                return r;
        r = driver_matches(root_fd, driver, address);
        return r == 0 ? -ENODEV : r;
}

int simk_bind_begin(int root_fd, const PciAddress *address, const char *driver) {
        int r = may_bind(root_fd, address, driver);

        return r < 0 ? r : attach(root_fd, address, driver);
}

int simk_bind_end(int root_fd, const PciAddress *address, const char *driver) {
        int r = probe(root_fd, address, driver);

        if (r < 0)
                (void) treegen_unbind(root_fd, PCI_ADDRESS_FORMAT(address), driver);
        return r;
}

int simk_do_bind(int root_fd, const PciAddress *address, const char *driver, int hang_fd) {
        _cleanup_close_ int lock = -EBADF;
        int r;

        r = may_bind(root_fd, address, driver);
        if (r < 0)
                return r;
        lock = device_lock(root_fd, address);
        if (lock < 0)
                return lock;

        r = attach(root_fd, address, driver);
        if (r < 0)
                return r;
        simk_wait_hang(hang_fd);
        r = simk_bind_end(root_fd, address, driver);
        return r < 0 ? r : simk_emit(root_fd, "bind", address);
}

/* unbind_store(), device_driver_detach(), __device_release_driver(). */
static int may_unbind(int root_fd, const PciAddress *address, const char *driver) {
        _cleanup_free_ char *current = NULL;
        int r;

        r = has_driver_file(root_fd, driver, "unbind");
        if (r < 0)
                return r;
        r = simk_read_driver(root_fd, address, &current);
        return r < 0 || !string_equal(current, driver) ? -ENODEV : 0;
}

int simk_unbind_begin(int root_fd, const PciAddress *address, const char *driver) {
        int r = may_unbind(root_fd, address, driver);

        return r < 0 ? r : detach(root_fd, address, driver);
}

int simk_unbind_end(int root_fd, const PciAddress *address, const char *driver) {
        return simk_driver_is(root_fd, driver, SIMK_DRIVER_VFIO) ? simk_vfio_remove_end(root_fd, address) : 0;
}

int simk_do_unbind(int root_fd, const PciAddress *address, const char *driver, int hang_fd) {
        _cleanup_close_ int lock = -EBADF;
        int r;

        r = may_unbind(root_fd, address, driver);
        if (r < 0)
                return r;
        lock = device_lock(root_fd, address);
        if (lock < 0)
                return lock;

        r = detach(root_fd, address, driver);
        if (r < 0)
                return r == -ENODEV ? 0 : r; /* somebody else was first */
        simk_wait_hang(hang_fd);
        r = simk_unbind_end(root_fd, address, driver);
        return r < 0 ? r : simk_emit(root_fd, "unbind", address);
}

int simk_bind(int root_fd, const PciAddress *address, const char *driver) {
        return simk_do_bind(root_fd, address, driver, -EBADF);
}

int simk_unbind(int root_fd, const PciAddress *address, const char *driver) {
        return simk_do_unbind(root_fd, address, driver, -EBADF);
}

int simk_set_override(int root_fd, const PciAddress *address, const char *driver) {
        _cleanup_close_ int state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);

        if (state < 0)
                return state;
        if (exists_at(root_fd, SIMK_DEVICE(address, "driver_override")) == 0)
                return -ENOENT;
        return treegen_set_override(root_fd, PCI_ADDRESS_FORMAT(address), driver);
}

static void free_names(struct dirent **names, int n) {
        for (int i = 0; i < n; i++)
                free(names[i]);
        free(names);
}

int simk_probe(int root_fd, const PciAddress *address) {
        _cleanup_free_ char *driver = NULL;
        struct dirent **names = NULL;
        int n, r;

        r = simk_read_driver(root_fd, address, &driver);
        if (r < 0 || driver)
                return r;
        if (exists_at(root_fd, SIMK_DEVICE(address, "vendor")) == 0)
                return -ENODEV;

        n = RET_NERRNO(scandirat(root_fd, "bus/pci/drivers", &names, NULL, alphasort));
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++)
                if (names[i]->d_name[0] != '.' && driver_matches(root_fd, names[i]->d_name, address) > 0) {
                        (void) simk_bind(root_fd, address, names[i]->d_name);
                        break;
                }
        free_names(names, n);
        return 0;
}
