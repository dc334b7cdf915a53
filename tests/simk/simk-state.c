/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Paths, locks, and what simk keeps beside the tree. */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"
#include "tests/tree/treegen.h"

const char *simk_format(char buffer[static SIMK_PATH_MAX], const char *format, ...) {
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(buffer, SIMK_PATH_MAX, format, arguments);
        va_end(arguments);
        assert(n >= 0 && (unsigned) n < SIMK_PATH_MAX);
        return buffer;
}

int simk_touch(int root_fd, const char *path) {
        int fd = RET_NERRNO(openat(root_fd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

        if (fd < 0)
                return fd;
        safe_close(fd);
        return 0;
}

int simk_lock(int root_fd, const char *path, int operation) {
        _cleanup_close_ int fd = RET_NERRNO(openat(root_fd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

        if (fd < 0)
                return fd;
        while (flock(fd, operation) < 0)
                if (errno != EINTR)
                        return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return TAKE_FD(fd);
}

bool simk_is_locked(int root_fd, const char *path) {
        int fd;

        if (exists_at(root_fd, path) <= 0)
                return false;
        fd = simk_lock(root_fd, path, LOCK_EX | LOCK_NB);
        safe_close(fd);
        return fd == -EBUSY;
}

bool simk_driver_is(int root_fd, const char *driver, SimkDriverKind kind) {
        bool vfio = exists_at(root_fd, SIMK_PATH("simk/drivers/%s/vfio", driver)) > 0;
        bool exempt = exists_at(root_fd, SIMK_PATH("simk/drivers/%s/exempt", driver)) > 0;

        switch (kind) {
        case SIMK_DRIVER_HOST:
                return !vfio && !exempt;
        case SIMK_DRIVER_VFIO:
                return vfio;
        case SIMK_DRIVER_EXEMPT:
                return exempt;
        }
        return false;
}

int simk_read_driver(int root_fd, const PciAddress *address, char **ret) {
        int r = link_basename_at(root_fd, SIMK_DEVICE(address, "driver"), ret);

        if (r != -ENOENT)
                return r;
        *ret = NULL;
        return 0;
}

int simk_read_group(int root_fd, const PciAddress *address, uint32_t *ret) {
        _cleanup_free_ char *group = NULL;
        int r = link_basename_at(root_fd, SIMK_DEVICE(address, "iommu_group"), &group);

        return r < 0 ? r : parse_u32(group, 10, ret);
}

static int each_address(int root_fd, const char *path, simk_member_t function, void *userdata) {
        int r = 0, fd = RET_NERRNO(openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct dirent *entry;
        PciAddress address;
        DIR *dir;

        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -ENOMEM;
        }
        while (r == 0 && (entry = readdir(dir)))
                if (pci_address_parse(entry->d_name, &address) == 0)
                        r = function(root_fd, &address, userdata);
        (void) closedir(dir);
        return r;
}

int simk_each_member(int root_fd, uint32_t group, simk_member_t function, void *userdata) {
        return each_address(root_fd, SIMK_PATH("kernel/iommu_groups/%u/devices", group), function, userdata);
}

static int make_directory(int root_fd, const char *path) {
        int r = RET_NERRNO(mkdirat(root_fd, path, 0700));

        return r == -EEXIST ? 0 : r;
}

static int describe_driver(int root_fd, const char *name, SimkDriverKind kind) {
        int r = make_directory(root_fd, SIMK_PATH("simk/drivers/%s", name));

        if (r >= 0)
                r = simk_touch(root_fd, SIMK_PATH("simk/drivers/%s/ids", name));
        if (r >= 0 && kind != SIMK_DRIVER_HOST)
                r = simk_touch(root_fd, SIMK_PATH("simk/drivers/%s/%s", name, kind == SIMK_DRIVER_VFIO ? "vfio" : "exempt"));
        return r;
}

int simk_add_driver(int root_fd, const char *name, SimkDriverKind kind) {
        int r = treegen_add_driver(root_fd, name);

        return r < 0 ? r : describe_driver(root_fd, name, kind);
}

int simk_add_driver_id(int root_fd, const char *name, uint16_t vendor, uint16_t device) {
        _cleanup_close_ int fd = RET_NERRNO(openat(root_fd, SIMK_PATH("simk/drivers/%s/ids", name), O_WRONLY | O_APPEND | O_CLOEXEC));

        if (fd < 0)
                return fd;
        return dprintf(fd, "0x%04x 0x%04x\n", vendor, device) < 0 ? -errno : 0;
}

static SimkDriverKind usual_kind(const char *driver) {
        if (string_equal(driver, "vfio-pci"))
                return SIMK_DRIVER_VFIO;
        return string_equal(driver, "pcieport") || string_equal(driver, "pci-stub") ? SIMK_DRIVER_EXEMPT : SIMK_DRIVER_HOST;
}

static int read_id(int root_fd, const PciAddress *address, const char *attribute, uint16_t *ret) {
        char text[16];
        uint32_t id;
        int r;

        r = (int) attribute_read_at(root_fd, SIMK_DEVICE(address, attribute), text, sizeof(text));
        if (r < 0)
                return r;
        r = strncmp(text, "0x", 2) == 0 ? parse_u32(text + 2, 16, &id) : -EINVAL;
        if (r < 0 || id > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t) id;
        return 0;
}

/* A driver matches the ids of the devices it has, except VFIO drivers, which match by override only. */
static int adopt_device(int root_fd, const PciAddress *address, void *userdata) {
        _cleanup_free_ char *driver = NULL;
        uint16_t vendor = 0, device = 0;
        int r;

        r = simk_read_driver(root_fd, address, &driver);
        if (r < 0 || !driver)
                return r;
        r = describe_driver(root_fd, driver, usual_kind(driver));
        if (r < 0)
                return r;
        if (simk_driver_is(root_fd, driver, SIMK_DRIVER_VFIO))
                return simk_vfio_probe(root_fd, address);

        r = read_id(root_fd, address, "vendor", &vendor);
        if (r >= 0)
                r = read_id(root_fd, address, "device", &device);
        return r < 0 ? r : simk_add_driver_id(root_fd, driver, vendor, device);
}

int simk_prepare(int root_fd, bool iommufd) {
        static const char *const directories[] = { "simk", "simk/drivers", "simk/faults", "simk/open", "simk/opened", "simk/locks", "dev", "dev/vfio", "dev/vfio/devices" };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(directories) && r >= 0; i++)
                r = make_directory(root_fd, directories[i]);
        if (r >= 0)
                r = simk_touch(root_fd, "simk/trace");
        if (r >= 0)
                r = simk_touch(root_fd, "dev/vfio/vfio");
        if (r >= 0 && iommufd)
                r = simk_touch(root_fd, "dev/iommu");
        if (r >= 0)
                r = simk_add_driver(root_fd, "vfio-pci", SIMK_DRIVER_VFIO);
        if (r == -EEXIST)
                r = describe_driver(root_fd, "vfio-pci", SIMK_DRIVER_VFIO);
        return r < 0 ? r : each_address(root_fd, "bus/pci/devices", adopt_device, NULL);
}

int simk_open_dev(int root_fd) {
        return RET_NERRNO(openat(root_fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC));
}
