/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "host/kernel-vfio.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/vfio-uapi.h"

#define CDEV_NAME_MAX KERNEL_CDEV_NAME_MAX
#define VFIO_DEV_PATH_MAX (sizeof("bus/pci/devices/") + PCI_ADDRESS_STRING_MAX + sizeof("/vfio-dev/") + CDEV_NAME_MAX + sizeof("/dev"))

static int open_node(Kernel *kernel, const char *path) {
        return RET_NERRNO(openat(kernel->dev_fd, path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW));
}

int kernel_vfio_open_iommufd(Kernel *kernel) {
        struct uapi_iommu_option option = {
                .size = sizeof(option),
                .option_id = UAPI_IOMMU_OPTION_RLIMIT_MODE,
                .op = UAPI_IOMMU_OPTION_OP_SET,
                .val64 = UAPI_IOMMU_RLIMIT_MODE_PROCESS,
        };
        _cleanup_close_ int fd = -EBADF;

        fd = open_node(kernel, "iommu");
        if (fd < 0)
                return fd;

        if (ioctl(fd, UAPI_IOMMU_OPTION, &option) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static bool is_cdev_name(const char *name) {
        uint32_t number;

        return strncmp(name, "vfio", strlen("vfio")) == 0 && parse_u32(name + strlen("vfio"), 10, &number) == 0 && strlen(name) < CDEV_NAME_MAX;
}

/* The one entry of ADDRESS/vfio-dev. Its number says nothing about the device and changes with every bind. */
static int find_cdev_name(Kernel *kernel, const PciAddress *address, char ret[static CDEV_NAME_MAX]) {
        _cleanup_(closedirp) DIR *dir = NULL;
        _cleanup_close_ int fd = -EBADF;
        char path[VFIO_DEV_PATH_MAX];
        struct dirent *entry;

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/vfio-dev", PCI_ADDRESS_FORMAT(address));
        fd = RET_NERRNO(openat(kernel->sysfs_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fd < 0)
                return fd;

        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        TAKE_FD(fd);

        for (errno = 0; (entry = readdir(dir)); errno = 0)
                if (is_cdev_name(entry->d_name)) {
                        strcpy(ret, entry->d_name);
                        return 0;
                }

        return errno > 0 ? -errno : -ENOENT;
}

int kernel_vfio_read_number(Kernel *kernel, const char *path, dev_t *ret) {
        char text[sizeof("4294967295:4294967295\n")], *colon;
        uint32_t major_number, minor_number;
        ssize_t n;

        n = attribute_read_at(kernel->sysfs_fd, path, text, sizeof(text));
        if (n < 0)
                return (int) n;

        colon = strchr(text, ':');
        if (!colon)
                return -EBADMSG;
        *colon = '\0';
        if (parse_u32(text, 10, &major_number) < 0 || parse_u32(colon + 1, 10, &minor_number) < 0)
                return -EBADMSG;

        *ret = makedev(major_number, minor_number);
        return 0;
}

int kernel_vfio_find_cdev(Kernel *kernel, const PciAddress *address, char ret_name[static CDEV_NAME_MAX], dev_t *ret_number) {
        char path[VFIO_DEV_PATH_MAX];
        int r;

        r = find_cdev_name(kernel, address, ret_name);
        if (r < 0)
                return r;
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/vfio-dev/%s/dev", PCI_ADDRESS_FORMAT(address), ret_name);
        return kernel_vfio_read_number(kernel, path, ret_number);
}

int kernel_vfio_read_cdev_number(Kernel *kernel, const PciAddress *address, dev_t *ret) {
        char name[CDEV_NAME_MAX];

        return kernel_vfio_find_cdev(kernel, address, name, ret);
}

int kernel_vfio_open_cdev(Kernel *kernel, const PciAddress *address) {
        char name[CDEV_NAME_MAX], path[sizeof("vfio/devices/") + CDEV_NAME_MAX];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        dev_t number = 0;
        int r;

        r = kernel_vfio_find_cdev(kernel, address, name, &number);
        if (r < 0)
                return r;

        (void) snprintf(path, sizeof(path), "vfio/devices/%s", name);
        fd = open_node(kernel, path);
        if (fd < 0)
                return fd;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISCHR(st.st_mode) || st.st_rdev != number)
                return -ESTALE;

        return TAKE_FD(fd);
}

int kernel_vfio_open_container(Kernel *kernel) {
        return open_node(kernel, "vfio/vfio");
}

int kernel_vfio_open_group(Kernel *kernel, uint32_t group, int container_fd, bool set_iommu_type) {
        char path[sizeof("vfio/4294967295")];
        _cleanup_close_ int fd = -EBADF;

        (void) snprintf(path, sizeof(path), "vfio/%" PRIu32, group);
        fd = open_node(kernel, path);
        if (fd < 0)
                return fd;

        if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container_fd) < 0)
                return -errno;
        if (set_iommu_type && ioctl(container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                return -errno;

        return TAKE_FD(fd);
}

int kernel_vfio_open_device(Kernel *kernel, int group_fd, const PciAddress *address) {
        return RET_NERRNO(ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, PCI_ADDRESS_FORMAT(address)));
}
