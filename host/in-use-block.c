/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/children.h"
#include "host/in-use-internal.h"

#define BLOCK_DIRECTORY "class/block"
/* What is stacked deeper than so many devices on one function was made to be. */
#define BLOCKS_MAX 4096U

static int open_block(const InUse *in_use, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (strchr(name, '/'))
                return -ENOENT;
        if (string_format(&path, BLOCK_DIRECTORY "/%s", name) < 0)
                return -ENOMEM;
        return RET_NERRNO(openat(in_use->roots->sysfs_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int read_text(int fd, const char *path, char **ret) {
        char text[256];
        ssize_t n = attribute_read_at(fd, path, text, sizeof(text));

        if (n < 0)
                return in_use_error_is_ours((int) n) ? (int) n : 0;
        return string_copy(text, ret);
}

static bool has_block(const InUse *in_use, const char *name, const PciAddress *device) {
        for (size_t i = 0; i < in_use->n_blocks; i++)
                if (string_equal(in_use->blocks[i].name, name) && pci_address_compare(&in_use->blocks[i].device, device) == 0)
                        return true;
        return false;
}

int in_use_add_block(InUse *in_use, const char *name, const PciAddress *device) {
        _cleanup_free_ char *name_copy = NULL, *number = NULL, *alias = NULL;
        const PciAddress of = *device; /* which may be in the array that grows */
        _cleanup_close_ int fd = -EBADF;
        BlockNode *grown;
        int r;

        if (has_block(in_use, name, device))
                return 0;
        if (in_use->n_blocks >= BLOCKS_MAX)
                return -EFBIG;
        fd = open_block(in_use, name);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = string_copy(name, &name_copy);
        if (r >= 0)
                r = read_text(fd, "dev", &number);
        if (r >= 0)
                r = read_text(fd, "dm/name", &alias);
        if (r < 0)
                return r;
        grown = reallocarray(in_use->blocks, in_use->n_blocks + 1, sizeof(BlockNode));
        if (!grown)
                return -ENOMEM;
        grown[in_use->n_blocks++] = (BlockNode) { TAKE_PTR(name_copy), TAKE_PTR(number), TAKE_PTR(alias), of };
        in_use->blocks = grown;
        return 1;
}

/* sysfs has '!' where /dev has '/' (drivers/base/core.c, device_get_devnode). */
static bool name_equals(const char *name, const char *path, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (name[i] == '\0' || name[i] != (path[i] == '/' ? '!' : path[i]))
                        return false;
        return name[length] == '\0';
}

/* What device-mapper escapes in the names of nodes (udev, "\x20") is not undone: such names are rare, and the number tells too. */
bool block_node_is_named(const BlockNode *node, const char *source, size_t length) {
        static const char dev[] = "/dev/", mapper[] = "/dev/mapper/";

        if (node->alias && length > strlen(mapper) && strncmp(source, mapper, strlen(mapper)) == 0 &&
            name_equals(node->alias, source + strlen(mapper), length - strlen(mapper)))
                return true;
        return length > strlen(dev) && strncmp(source, dev, strlen(dev)) == 0 && name_equals(node->name, source + strlen(dev), length - strlen(dev));
}

/* Adds a device made of node `of`, which the list may move. */
static int add_holder(InUse *in_use, size_t of, const char *name) {
        const PciAddress device = in_use->blocks[of].device;
        const BlockNode *holder = NULL;
        _cleanup_free_ char *what = NULL;
        int r;

        r = in_use_add_block(in_use, name, &device);
        if (r < 0)
                return r;
        for (size_t i = 0; i < in_use->n_blocks && !holder; i++)
                if (string_equal(in_use->blocks[i].name, name))
                        holder = &in_use->blocks[i];
        if (holder && holder->alias)
                r = string_format(&what, "%s (%s)", holder->alias, name);
        else
                r = string_copy(name, &what);
        if (r < 0)
                return r;
        return use_list_add(&in_use->uses, USE_BLOCK_HOLDER, &device, in_use->blocks[of].name, what);
}

static int on_holder(InUse *in_use, int fd, const char *name, void *userdata) {
        return add_holder(in_use, *(const size_t *) userdata, name);
}

static int on_part(InUse *in_use, int fd, const char *name, void *userdata) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = string_format(&path, "%s/partition", name);
        if (r >= 0)
                r = exists_at(fd, path);
        if (r == -ENOTDIR || r == 0)
                return 0;
        if (r > 0)
                r = in_use_add_block(in_use, name, &in_use->blocks[*(const size_t *) userdata].device);
        return r < 0 ? r : 0;
}

static int follow_multipath(InUse *in_use, size_t at) {
        _cleanup_free_ char *head = NULL;
        int r;

        r = children_multipath_head(in_use->blocks[at].name, &head);
        if (r > 0)
                r = in_use_add_block(in_use, head, &in_use->blocks[at].device);
        return r < 0 ? r : 0;
}

static int follow_block(InUse *in_use, size_t at) {
        _cleanup_close_ int fd = open_block(in_use, in_use->blocks[at].name);
        int r;

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = in_use_read_names(in_use, fd, ".", on_part, &at);
        if (r < 0 && r != -ENOENT)
                return r;
        r = in_use_read_names(in_use, fd, "holders", on_holder, &at);
        if (r < 0 && r != -ENOENT)
                return r;
        /* Registered with bcache, running or not: what runs is a holder too. */
        r = exists_at(fd, "bcache");
        if (r > 0)
                r = use_list_add(&in_use->uses, USE_BLOCK_HOLDER, &in_use->blocks[at].device, in_use->blocks[at].name, "bcache");
        return r < 0 ? r : follow_multipath(in_use, at);
}

static int on_loop(InUse *in_use, int fd, const char *name, void *userdata) {
        _cleanup_free_ char *path = NULL, *file = NULL;
        size_t n = in_use->n_blocks;
        int r;

        if (strncmp(name, "loop", strlen("loop")) != 0)
                return 0;
        r = string_format(&path, "%s/loop/backing_file", name);
        if (r < 0)
                return r;
        r = attribute_read_alloc_at(fd, path, &file);
        if (r < 0)
                return in_use_error_is_ours(r) ? r : 0;
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (block_node_is_named(&in_use->blocks[i], file, strlen(file)))
                        r = add_holder(in_use, i, name);
        return r < 0 ? r : 0;
}

int in_use_follow_blocks(InUse *in_use) {
        size_t i = 0;
        int r;

        while (i < in_use->n_blocks) {
                for (; i < in_use->n_blocks; i++) {
                        r = follow_block(in_use, i);
                        if (r < 0)
                                return r;
                }
                r = in_use_read_names(in_use, in_use->roots->sysfs_fd, BLOCK_DIRECTORY, on_loop, NULL);
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        return 0;
}
