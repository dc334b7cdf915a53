/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/in-use-internal.h"

/* A host with more mounts is told as one whose mounts are not known. */
#define MOUNTS_MAX ((size_t) 64 * 1024 * 1024)
#define SWAPS_MAX ((size_t) 1024 * 1024)

/* Undoes \040 and the like in place (fs/proc_namespace.c, mangle). */
static char *unmangle(char *s) {
        char *to = s;

        for (const char *p = s; *p; to++)
                if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
                        *to = (char) ((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
                        p += 4;
                } else
                        *to = *p++;
        *to = '\0';
        return s;
}

/* A line of mountinfo, cut into its fields (proc(5)). */
typedef struct Mount {
        char *number;  /* "259:1" */
        char *point;
        char *type;
        char *source;
        char *options; /* of the file system */
} Mount;

static bool mount_parse(char *line, Mount *ret) {
        char *words[6], *rest = line, *word;
        size_t n = 0;

        while (n < ELEMENTSOF(words) && (word = strsep(&rest, " ")))
                words[n++] = word;
        while ((word = strsep(&rest, " ")) && !string_equal(word, "-"))
                ;
        if (n < ELEMENTSOF(words) || !rest)
                return false;
        *ret = (Mount) { .number = words[2], .point = unmangle(words[4]), .type = strsep(&rest, " "), .source = strsep(&rest, " "), .options = rest };
        if (ret->source)
                unmangle(ret->source);
        return ret->source;
}

/* Whether one of the words between the separators names the node; after a '=' counts too (logdev=/dev/sdb1). */
static bool is_named_in(const BlockNode *node, const char *text, char separator) {
        for (const char *p = text; p;) {
                const char *end = strchrnul(p, separator);
                const char *value = memchr(p, '=', (size_t) (end - p));

                value = value ? value + 1 : p;
                if (block_node_is_named(node, value, (size_t) (end - value)))
                        return true;
                p = *end ? end + 1 : NULL;
        }
        return false;
}

/* Several devices of one file system are told as "/dev/sda:/dev/sdb" by bcachefs. */
static bool is_mounted_from(const Mount *mount, const BlockNode *node) {
        return (node->number && string_equal(node->number, mount->number)) || is_named_in(node, mount->source, ':') ||
                (mount->options && is_named_in(node, mount->options, ','));
}

static int on_mount(InUse *in_use, char *line, void *userdata) {
        Mount mount;
        int r = 0;

        if (!mount_parse(line, &mount))
                return 0;
        for (size_t i = 0; r >= 0 && i < in_use->n_blocks; i++)
                if (is_mounted_from(&mount, &in_use->blocks[i]))
                        r = use_list_add(&in_use->uses, USE_MOUNT, &in_use->blocks[i].device, in_use->blocks[i].name, mount.point);
        return r;
}

int in_use_read_mounts(InUse *in_use) {
        return in_use_read_lines(in_use, in_use->roots->proc_fd, "1/mountinfo", MOUNTS_MAX, on_mount, NULL);
}

static int on_swap(InUse *in_use, char *line, void *userdata) {
        const char *file = unmangle(strsep(&line, " \t"));
        int r = 0;

        for (size_t i = 0; r >= 0 && i < in_use->n_blocks; i++)
                if (block_node_is_named(&in_use->blocks[i], file, strlen(file)))
                        r = use_list_add(&in_use->uses, USE_SWAP, &in_use->blocks[i].device, in_use->blocks[i].name, NULL);
        return r;
}

/* A kernel without swap has no such file. */
int in_use_read_swaps(InUse *in_use) {
        int r = in_use_read_lines(in_use, in_use->roots->proc_fd, "swaps", SWAPS_MAX, on_swap, NULL);

        return r == -ENOENT ? 0 : r;
}

/* A mounted btrfs has a directory with its devices; mountinfo has a number that is nobody's, and names one of them. */
static int on_btrfs_device(InUse *in_use, int fd, const char *name, void *userdata) {
        _cleanup_free_ char *what = NULL;
        int r;

        r = string_format(&what, "the mounted btrfs %s", (const char *) userdata);
        for (size_t i = 0; r >= 0 && i < in_use->n_blocks; i++)
                if (string_equal(in_use->blocks[i].name, name))
                        r = use_list_add(&in_use->uses, USE_BLOCK_HOLDER, &in_use->blocks[i].device, name, what);
        return r;
}

static int on_btrfs(InUse *in_use, int fd, const char *id, void *userdata) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = string_format(&path, "%s/devices", id);
        if (r >= 0)
                r = in_use_read_names(in_use, fd, path, on_btrfs_device, (void *) id);
        return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

typedef struct ZfsMember {
        bool is_member;
        char *pool;
} ZfsMember;

static int on_udev_line(InUse *in_use, char *line, void *userdata) {
        static const char label[] = "E:ID_FS_LABEL=";
        ZfsMember *member = userdata;

        if (string_equal(line, "E:ID_FS_TYPE=zfs_member"))
                member->is_member = true;
        else if (strncmp(line, label, strlen(label)) == 0)
                return string_replace(&member->pool, line + strlen(label)) < 0 ? -ENOMEM : 0;
        return 0;
}

/* ZFS tells nowhere which devices it has, but which pools are imported; whose member a device is stands on it. */
static int check_zfs(InUse *in_use, const BlockNode *node) {
        _cleanup_free_ char *path = NULL, *pool_path = NULL, *pool = NULL, *what = NULL;
        ZfsMember member = {};
        int r;

        r = string_format(&path, "b%s", node->number);
        if (r < 0)
                return r;
        r = in_use_read_lines(in_use, in_use->roots->udev_fd, path, SWAPS_MAX, on_udev_line, &member);
        pool = member.pool;
        if (r < 0)
                return in_use_error_is_ours(r) ? r : 0;
        if (!member.is_member || !pool || *pool == '.' || strchr(pool, '/'))
                return 0;
        r = string_format(&pool_path, "spl/kstat/zfs/%s", pool);
        if (r >= 0)
                r = exists_at(in_use->roots->proc_fd, pool_path);
        if (r > 0)
                r = string_format(&what, "the ZFS pool %s", pool);
        return r <= 0 && !what ? r : use_list_add(&in_use->uses, USE_BLOCK_HOLDER, &node->device, node->name, what);
}

int in_use_read_pools(InUse *in_use) {
        int r;

        r = in_use_read_names(in_use, in_use->roots->sysfs_fd, "fs/btrfs", on_btrfs, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; in_use->roots->udev_fd >= 0 && i < in_use->n_blocks; i++) {
                r = in_use->blocks[i].number ? check_zfs(in_use, &in_use->blocks[i]) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}
