/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kernel-node.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/kernel-vfio.h"

#define CONTEXT_ATTRIBUTE "security.selinux"

/* What is done to a node goes through here: an O_PATH fd takes neither fchmod() nor fsetxattr(). */
typedef char FdPath[sizeof("/proc/self/fd/2147483647")];

static const char *fd_path(int fd, FdPath buffer) {
        (void) snprintf(buffer, sizeof(FdPath), "/proc/self/fd/%d", fd);
        return buffer;
}

static int set_owner(int fd, const struct stat *now, uid_t uid, gid_t gid) {
        if (now && now->st_uid == uid && now->st_gid == gid)
                return 0;
        return RET_NERRNO(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

static int set_context(Kernel *kernel, int fd, const char *context) {
        char now[NODE_CONTEXT_MAX];
        FdPath path;
        ssize_t n;

        if (context[0] == '\0')
                return 0;
        if (exists_at(kernel->sysfs_fd, "fs/selinux/enforce") <= 0)
                return -EOPNOTSUPP;
        n = getxattr(fd_path(fd, path), CONTEXT_ATTRIBUTE, now, sizeof(now) - 1);
        if (n >= 0)
                now[n] = '\0';
        if (n >= 0 && string_equal(now, context))
                return 0;
        return RET_NERRNO(setxattr(path, CONTEXT_ATTRIBUTE, context, strlen(context) + 1, 0));
}

static int check_node(const struct stat *st, dev_t number) {
        return S_ISCHR(st->st_mode) && st->st_rdev == number ? 0 : -ESTALE;
}

static bool is_set(const struct stat *st, const NodeAccess *access) {
        return st->st_uid == access->uid && st->st_gid == access->gid && (st->st_mode & 07777) == access->mode;
}

int kernel_node_set(Kernel *kernel, const char *path, dev_t number, const NodeAccess *access) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        FdPath self;
        int r;

        fd = RET_NERRNO(openat(kernel->dev_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        r = check_node(&st, number);
        if (r < 0)
                return r;
        if (is_set(&st, access))
                return set_context(kernel, fd, access->context);

        r = set_owner(fd, &st, 0, 0);
        if (r >= 0 && (st.st_mode & 07777) != access->mode)
                r = RET_NERRNO(chmod(fd_path(fd, self), access->mode));
        if (r >= 0)
                r = set_context(kernel, fd, access->context);
        if (r >= 0 && (access->uid != 0 || access->gid != 0))
                r = set_owner(fd, NULL, access->uid, access->gid);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        return is_set(&st, access) ? 0 : -EPROTO;
}

int kernel_node_set_device(Kernel *kernel, const PciAddress *address, const NodeAccess *access) {
        char name[KERNEL_CDEV_NAME_MAX], path[sizeof("vfio/devices/") + KERNEL_CDEV_NAME_MAX];
        dev_t number;
        int r;

        r = kernel_vfio_find_cdev(kernel, address, name, &number);
        if (r < 0)
                return r == -ENOENT ? -ENXIO : r;
        (void) snprintf(path, sizeof(path), "vfio/devices/%s", name);
        return kernel_node_set(kernel, path, number, access);
}

int kernel_node_set_group(Kernel *kernel, uint32_t group, const NodeAccess *access) {
        char attribute[sizeof("class/vfio/4294967295/dev")], path[sizeof("vfio/4294967295")];
        dev_t number;
        int r;

        (void) snprintf(attribute, sizeof(attribute), "class/vfio/%" PRIu32 "/dev", group);
        r = kernel_vfio_read_number(kernel, attribute, &number);
        if (r < 0)
                return r == -ENOENT ? -ENXIO : r;
        (void) snprintf(path, sizeof(path), "vfio/%" PRIu32, group);
        return kernel_node_set(kernel, path, number, access);
}
