/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/children.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"

#define DEPTH_MAX 32U

typedef struct Walk {
        children_handler_t handler;
        void *userdata;
} Walk;

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static bool is_of_numbers(const char *name) {
        static const char *const names[] = { "power", "queues", "statistics", "msi_irqs" };

        return string_table_find(names, ELEMENTSOF(names), name) >= 0;
}

static bool is_directory(const struct dirent *entry) {
        return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int walk_directory(const Walk *walk, int fd, unsigned depth);

static int walk_child(const Walk *walk, int parent_fd, const char *name, unsigned depth) {
        _cleanup_close_ int fd = RET_NERRNO(openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        _cleanup_free_ char *subsystem = NULL;
        int r;

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = link_basename_at(fd, "subsystem", &subsystem);
        if (r < 0 && r != -ENOENT && r != -EINVAL)
                return r;
        r = walk->handler(&(ChildDevice) { .subsystem = subsystem, .name = name, .fd = fd }, walk->userdata);
        return r == 0 ? walk_directory(walk, fd, depth + 1) : r;
}

/* readdir() moves the position of the open file, and the handler may have read this one: it is opened again. */
static int walk_directory(const Walk *walk, int fd, unsigned depth) {
        _cleanup_close_ int own = RET_NERRNO(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        int r = 0;

        if (own < 0)
                return own == -ENOENT ? 0 : own;
        if (depth > DEPTH_MAX)
                return -ELOOP;
        dir = fdopendir(own);
        if (!dir)
                return -errno;
        TAKE_FD(own);
        for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0)
                if (is_directory(entry) && !is_of_numbers(entry->d_name))
                        r = walk_child(walk, dirfd(dir), entry->d_name, depth);
        if (r == 0 && errno > 0 && errno != ENOENT)
                return -errno;
        return r;
}

int children_walk(int sysfs_fd, const PciAddress *address, children_handler_t handler, void *userdata) {
        const Walk walk = { handler, userdata };
        char path[sizeof("bus/pci/devices/") + PCI_ADDRESS_STRING_MAX];
        _cleanup_close_ int fd = -EBADF;

        assert(address && handler);

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s", PCI_ADDRESS_FORMAT(address));
        fd = RET_NERRNO(openat(sysfs_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return fd < 0 ? fd : walk_directory(&walk, fd, 0);
}

int children_walk_block(int sysfs_fd, const char *name, children_handler_t handler, void *userdata) {
        const Walk walk = { handler, userdata };
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (strchr(name, '/'))
                return -ENOENT;
        r = string_format(&path, "class/block/%s", name);
        if (r < 0)
                return r;
        fd = RET_NERRNO(openat(sysfs_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fd < 0)
                return fd;
        r = handler(&(ChildDevice) { .subsystem = "block", .name = name, .fd = fd }, userdata);
        return r == 0 ? walk_directory(&walk, fd, 0) : r;
}

int children_multipath_head(const char *name, char **ret) {
        const char *c, *n;
        int r;

        if (strncmp(name, "nvme", strlen("nvme")) != 0)
                return 0;
        c = strchr(name, 'c');
        n = c ? strchr(c, 'n') : NULL;
        if (!n)
                return 0;
        r = string_format(ret, "%.*s%s", (int) (c - name), name, n);
        return r < 0 ? r : 1;
}
