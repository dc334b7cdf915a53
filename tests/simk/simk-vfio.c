/* SPDX-License-Identifier: GPL-2.0-or-later */

/* VFIO: nodes, who has what open, who owns a group (drivers/vfio/). Locks stand for references: a shared lock on
 * simk/open/ADDRESS for each open cdev and on simk/opened/ADDRESS for each device fd of a group, an exclusive one on the
 * group's node for the group's one opener. */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"
#include "tests/tree/treegen.h"

static bool is_on_vfio_driver(int root_fd, const PciAddress *address) {
        _cleanup_free_ char *driver = NULL;

        return simk_read_driver(root_fd, address, &driver) >= 0 && driver && simk_driver_is(root_fd, driver, SIMK_DRIVER_VFIO);
}

static int is_vfio_member(int root_fd, const PciAddress *member, void *userdata) {
        return is_on_vfio_driver(root_fd, member);
}

static int is_host_member(int root_fd, const PciAddress *member, void *userdata) {
        _cleanup_free_ char *driver = NULL;

        return simk_read_driver(root_fd, member, &driver) >= 0 && driver && simk_driver_is(root_fd, driver, SIMK_DRIVER_HOST);
}

static int is_open_member(int root_fd, const PciAddress *member, void *userdata) {
        return simk_is_locked(root_fd, SIMK_GROUP_OPEN(member));
}

bool simk_group_is_owned(int root_fd, uint32_t group) {
        return simk_is_locked(root_fd, SIMK_GROUP_NODE(group)) || simk_each_member(root_fd, group, is_open_member, NULL) > 0;
}

/* The number in the name of vfio-dev/vfioX. */
int simk_cdev_number(int root_fd, const PciAddress *address, uint32_t *ret) {
        struct dirent **names = NULL;
        int r = -ENOENT, n = RET_NERRNO(scandirat(root_fd, SIMK_DEVICE(address, "vfio-dev"), &names, NULL, NULL));

        for (int i = 0; i < n; i++) {
                if (strncmp(names[i]->d_name, "vfio", 4) == 0)
                        r = parse_u32(names[i]->d_name + 4, 10, ret);
                free(names[i]);
        }
        free(names);
        return n < 0 ? n : r;
}

/* Numbers are not used again here, so that nobody relies on them. */
static int next_cdev_number(int root_fd, uint32_t *ret) {
        _cleanup_close_ int fd = RET_NERRNO(openat(root_fd, "simk/cdevs", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        off_t size;

        if (fd < 0)
                return fd;
        size = lseek(fd, 0, SEEK_END);
        if (size < 0 || write(fd, "x", 1) != 1)
                return -errno;
        *ret = (uint32_t) size;
        return 0;
}

/* vfio_pci_core_register_device(), vfio_pci_probe(). */
int simk_vfio_probe(int root_fd, const PciAddress *address) {
        uint32_t group, number = 0;
        bool has_cdev = exists_at(root_fd, "dev/iommu") > 0;
        char n_vfs[8];
        int r;

        if (exists_at(root_fd, SIMK_DEVICE(address, "secondary_bus_number")) > 0)
                return -EINVAL;
        if (attribute_read_at(root_fd, SIMK_DEVICE(address, "sriov_numvfs"), n_vfs, sizeof(n_vfs)) > 0 && !string_equal(n_vfs, "0"))
                return -EBUSY;
        r = simk_read_group(root_fd, address, &group);
        if (r < 0)
                return r == -ENOENT ? -EINVAL : r;

        r = next_cdev_number(root_fd, &number);
        if (r >= 0)
                r = simk_touch(root_fd, SIMK_CDEV_OPEN(address));
        if (r >= 0 && has_cdev)
                r = RET_NERRNO(linkat(root_fd, SIMK_CDEV_OPEN(address), root_fd, SIMK_PATH("dev/vfio/devices/vfio%u", number), 0));
        if (r >= 0) /* one file for all nodes that the device ever had */
                r = simk_new_node(root_fd, SIMK_CDEV_OPEN(address));
        if (r >= 0)
                r = simk_touch(root_fd, SIMK_GROUP_NODE(group));
        return r < 0 ? r : treegen_add_vfio_dev(root_fd, PCI_ADDRESS_FORMAT(address), number, has_cdev);
}

/* vfio_unregister_group_dev() up to where it waits: nobody new can open the device. */
int simk_vfio_remove_begin(int root_fd, const PciAddress *address) {
        uint32_t number = 0;
        int r = simk_cdev_number(root_fd, address, &number);

        if (r < 0)
                return r;
        (void) unlinkat(root_fd, SIMK_PATH("dev/vfio/devices/vfio%u", number), 0);
        return treegen_remove_vfio_dev(root_fd, PCI_ADDRESS_FORMAT(address));
}

bool simk_is_open(int root_fd, const PciAddress *address) {
        return simk_is_locked(root_fd, SIMK_CDEV_OPEN(address)) || simk_is_locked(root_fd, SIMK_GROUP_OPEN(address));
}

static int wait_until_closed(int root_fd, const char *path) {
        _cleanup_close_ int fd = simk_lock(root_fd, path, LOCK_EX);

        return fd < 0 ? fd : 0;
}

int simk_vfio_remove_end(int root_fd, const PciAddress *address) {
        _cleanup_close_ int state = -EBADF;
        uint32_t group = 0;
        int r;

        r = wait_until_closed(root_fd, SIMK_CDEV_OPEN(address));
        if (r >= 0)
                r = wait_until_closed(root_fd, SIMK_GROUP_OPEN(address));
        if (r < 0)
                return r;

        state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);
        if (state < 0)
                return state;
        r = simk_read_group(root_fd, address, &group);
        if (r >= 0 && simk_each_member(root_fd, group, is_vfio_member, NULL) == 0)
                (void) unlinkat(root_fd, SIMK_GROUP_NODE(group), 0);
        return r;
}

int simk_hold(int root_fd, const PciAddress *address) {
        _cleanup_close_ int state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);

        if (state < 0)
                return state;
        return is_on_vfio_driver(root_fd, address) ? simk_lock(root_fd, SIMK_CDEV_OPEN(address), LOCK_SH) : -ENODEV;
}

int simk_claim(int root_fd, uint32_t group) {
        _cleanup_close_ int state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);

        if (state < 0)
                return state;
        if (exists_at(root_fd, SIMK_GROUP_NODE(group)) == 0)
                return -ENOENT;
        if (simk_group_is_owned(root_fd, group))
                return -EBUSY;
        if (simk_each_member(root_fd, group, is_host_member, NULL) > 0)
                return -EPERM;
        return simk_lock(root_fd, SIMK_GROUP_NODE(group), LOCK_EX | LOCK_NB);
}

static int open_node(Kernel *kernel, const char *path) {
        return RET_NERRNO(openat(kernel->dev_fd, path, O_RDWR | O_CLOEXEC));
}

int simk_open_iommufd(Kernel *kernel) {
        return open_node(kernel, "iommu");
}

int simk_open_container(Kernel *kernel) {
        return open_node(kernel, "vfio/vfio");
}

int simk_open_cdev(Kernel *kernel, const PciAddress *address) {
        _cleanup_close_ int state = simk_lock(kernel->sysfs_fd, SIMK_STATE_LOCK, LOCK_EX), fd = -EBADF;
        uint32_t number = 0;
        int r;

        if (state < 0)
                return state;
        r = simk_cdev_number(kernel->sysfs_fd, address, &number);
        if (r < 0)
                return r;
        fd = open_node(kernel, SIMK_PATH("vfio/devices/vfio%u", number));
        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_SH | LOCK_NB) < 0)
                return -ENODEV;
        return TAKE_FD(fd);
}

static bool is_same_file(int fd, int root_fd, const char *path) {
        struct stat a, b;

        return fstat(fd, &a) == 0 && fstatat(root_fd, path, &b, 0) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* vfio_group_fops_open(), vfio_group_ioctl_set_container(). The type of a container is not modelled. */
int simk_open_group(Kernel *kernel, uint32_t group, int container_fd, bool set_iommu_type) {
        int fd;

        fd = simk_claim(kernel->sysfs_fd, group);
        if (fd >= 0 && !is_same_file(container_fd, kernel->dev_fd, "vfio/vfio")) {
                safe_close(fd);
                return -EBADFD;
        }
        return fd;
}

/* vfio_group_ioctl_get_device_fd(). */
int simk_open_device(Kernel *kernel, int group_fd, const PciAddress *address) {
        _cleanup_close_ int state = simk_lock(kernel->sysfs_fd, SIMK_STATE_LOCK, LOCK_EX);
        uint32_t group = 0;

        if (state < 0)
                return state;
        if (simk_read_group(kernel->sysfs_fd, address, &group) < 0 || !is_same_file(group_fd, kernel->sysfs_fd, SIMK_GROUP_NODE(group)) ||
            !is_on_vfio_driver(kernel->sysfs_fd, address))
                return -ENODEV;
        return simk_lock(kernel->sysfs_fd, SIMK_GROUP_OPEN(address), LOCK_SH);
}
