/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who may open a node: the owner, mode and context of the file that stands for it. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"

#define CONTEXT_ATTRIBUTE "security.selinux"

static int node_path(int root_fd, const PciAddress *address, uint32_t group, char path[static SIMK_PATH_MAX]) {
        uint32_t number;
        int r;

        if (!address) {
                (void) simk_format(path, "dev/vfio/%u", group);
                return 0;
        }
        r = simk_cdev_number(root_fd, address, &number);
        if (r < 0)
                return r == -ENOENT ? -ENXIO : r;
        (void) simk_format(path, "dev/vfio/devices/vfio%u", number);
        return 0;
}

static int open_node(int root_fd, const PciAddress *address, uint32_t group) {
        char path[SIMK_PATH_MAX];
        int fd, r;

        r = node_path(root_fd, address, group, path);
        if (r < 0)
                return r;
        fd = RET_NERRNO(openat(root_fd, path, O_RDONLY | O_CLOEXEC));
        return fd == -ENOENT ? -ENXIO : fd;
}

int simk_read_node(int root_fd, const PciAddress *address, uint32_t group, NodeAccess *ret) {
        _cleanup_close_ int fd = open_node(root_fd, address, group);
        NodeAccess access = {};
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        access.uid = st.st_uid;
        access.gid = st.st_gid;
        access.mode = st.st_mode & 0777;
        if (fgetxattr(fd, CONTEXT_ATTRIBUTE, access.context, sizeof(access.context) - 1) < 0)
                access.context[0] = '\0';
        *ret = access;
        return 0;
}

int simk_set_node(int root_fd, const PciAddress *address, uint32_t group, const NodeAccess *access) {
        _cleanup_close_ int fd = open_node(root_fd, address, group);

        if (fd < 0)
                return fd;
        if (fchown(fd, access->uid, access->gid) < 0 || fchmod(fd, access->mode) < 0)
                return -errno;
        if (access->context[0] != '\0' && fsetxattr(fd, CONTEXT_ATTRIBUTE, access->context, strlen(access->context) + 1, 0) < 0)
                return -errno;
        return 0;
}

int simk_new_node(int root_fd, const char *path) {
        _cleanup_close_ int fd = RET_NERRNO(openat(root_fd, path, O_RDONLY | O_CLOEXEC));

        if (fd < 0)
                return fd;
        (void) fremovexattr(fd, CONTEXT_ATTRIBUTE);
        return fchown(fd, geteuid(), getegid()) < 0 || fchmod(fd, 0600) < 0 ? -errno : 0;
}
