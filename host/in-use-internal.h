/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What in-use.c, in-use-block.c, in-use-mount.c and in-use-net.c share; everybody else includes host/in-use.h. */

#include "host/in-use.h"

/* A block device that is a function's, or is made of one that is. */
typedef struct BlockNode {
        char *name;   /* as in class/block: "nvme0n1p1", "dm-0" */
        char *number; /* "259:1"; NULL: a hidden one, as the paths of a multipath NVMe disk are */
        char *alias;  /* the name of a device-mapper device; NULL: it is none */
        PciAddress device;
} BlockNode;

/* An interface that is a function's, or sits on one that is. */
typedef struct NetNode {
        char *name;
        PciAddress device;
} NetNode;

typedef struct InUse {
        const InUseRoots *roots;
        PciAddress device; /* the function whose directory is being walked */
        BlockNode *blocks;
        size_t n_blocks;
        NetNode *nets;
        size_t n_nets;
        char **serials;    /* "ttyS4", followed by its function's address */
        UseList uses;
} InUse;

/* Adds the node, unless that function has it already: 1 it is new, 0, or a negative errno. */
int in_use_add_block(InUse *in_use, const char *name, const PciAddress *device);
int in_use_add_net(InUse *in_use, const char *name, const PciAddress *device);

/* Whether `source`, as mountinfo, swaps or losetup name a block device ("/dev/nvme0n1p1", "/dev/mapper/vg-root"), is the node. */
bool block_node_is_named(const BlockNode *node, const char *source, size_t length);

/* Follows partitions, holders, multipath, bcache and loop devices from the nodes there are, adding nodes and USE_BLOCK_HOLDER. */
int in_use_follow_blocks(InUse *in_use);

/* Members of mounted btrfs (by their directories in sysfs) and of imported ZFS pools (by what udev found on them). */
int in_use_read_pools(InUse *in_use);

/* USE_MOUNT and USE_SWAP of all nodes. */
int in_use_read_mounts(InUse *in_use);
int in_use_read_swaps(InUse *in_use);

/* What sits on the interfaces, and their addresses and routes. */
int in_use_follow_nets(InUse *in_use);
int in_use_read_routes(InUse *in_use);

/* The lines of a text file below `dir_fd`, at most `max` bytes of it: 0, what the handler returned if not 0, -EFBIG where there is
 * more, or the errno of a read. The handler may write to `line`. */
typedef int (*in_use_line_t)(InUse *in_use, char *line, void *userdata);
int in_use_read_lines(InUse *in_use, int dir_fd, const char *path, size_t max, in_use_line_t handler, void *userdata);

/* The names in a directory, "." and ".." left out: 0, what the handler returned if not 0, or the errno of opening or reading it. */
typedef int (*in_use_name_t)(InUse *in_use, int fd, const char *name, void *userdata);
int in_use_read_names(InUse *in_use, int dir_fd, const char *path, in_use_name_t handler, void *userdata);

/* Whether the errno says that this process ran out of something. */
bool in_use_error_is_ours(int r);
