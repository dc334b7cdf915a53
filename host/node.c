/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/node.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/tree-internal.h"

#define CONTEXT_ATTRIBUTE "security.selinux"
#define VFIO_DEV_PATH_MAX (sizeof(TREE_DEVICES "/") + PCI_ADDRESS_STRING_MAX + sizeof("/vfio-dev"))

bool node_has_context(int sysfs_fd) {
        return exists_at(sysfs_fd, "fs/selinux/enforce") > 0;
}

static void read_context(int fd, NodeAccess *access) {
        char path[sizeof("/proc/self/fd/2147483647")];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (getxattr(path, CONTEXT_ATTRIBUTE, access->context, sizeof(access->context) - 1) < 0)
                memset(access->context, 0, sizeof(access->context));
}

static int read_node(int sysfs_fd, int dev_fd, const char *name, NodeAccess *ret) {
        _cleanup_close_ int fd = -EBADF;
        NodeAccess access = {};
        struct stat st;

        fd = RET_NERRNO(openat(dev_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        access.uid = st.st_uid;
        access.gid = st.st_gid;
        access.mode = st.st_mode & 0777;
        if (node_has_context(sysfs_fd))
                read_context(fd, &access);
        *ret = access;
        return 0;
}

static bool is_cdev_name(const char *name) {
        uint32_t number;

        return strncmp(name, "vfio", 4) == 0 && parse_u32(name + 4, 10, &number) >= 0 && strlen(name) < sizeof("vfio4294967295");
}

int node_read_device(int sysfs_fd, int dev_fd, const PciAddress *address, char ret_name[static NODE_NAME_MAX], NodeAccess *ret) {
        _cleanup_directory_ Directory directory = { .fd = -EBADF };
        char path[VFIO_DEV_PATH_MAX];
        const char *name;
        int r;

        (void) snprintf(path, sizeof(path), TREE_DEVICES "/%s/vfio-dev", PCI_ADDRESS_FORMAT(address));
        r = directory_open(&directory, sysfs_fd, path);
        if (r < 0)
                return r;
        while ((r = directory_next(&directory, &name)) > 0)
                if (is_cdev_name(name)) {
                        (void) snprintf(ret_name, NODE_NAME_MAX, "vfio/devices/%.14s", name);
                        return read_node(sysfs_fd, dev_fd, ret_name, ret);
                }
        return r < 0 ? r : -ENOENT;
}

int node_read_group(int sysfs_fd, int dev_fd, uint32_t group, char ret_name[static NODE_NAME_MAX], NodeAccess *ret) {
        (void) snprintf(ret_name, NODE_NAME_MAX, "vfio/%" PRIu32, group);
        return read_node(sysfs_fd, dev_fd, ret_name, ret);
}
