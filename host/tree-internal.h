/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What tree.c, tree-device.c and tree-group.c share; everybody else includes host/tree.h. */

#include "host/tree.h"

#define TREE_DEVICES "bus/pci/devices"
#define TREE_DRIVERS "bus/pci/drivers"
#define TREE_GROUPS "kernel/iommu_groups"
#define TREE_IOMMUS "class/iommu"

/* Names of drivers and members longer than this are shortened: no driver with one can be asked for (host/worker-protocol.h). */
#define TREE_NAME_MAX 63

/* The names in a directory, without "." and "..", in the kernel's order, read in large pieces and without any allocation.
 * Start with directory_open(), end with directory_close(), also after an error. */
typedef struct Directory {
        int fd;
        size_t position;
        size_t size;
        char buffer[8192] __attribute__((aligned(8)));
} Directory;

/* Opens `path` below `dir_fd`. Returns 0 or a negative errno. */
int directory_open(Directory *directory, int dir_fd, const char *path);

/* 1 and a name that is good until the next call, 0 at the end, a negative errno: a directory removed meanwhile has ended. */
int directory_next(Directory *directory, const char **ret);
void directory_close(Directory *directory);
#define _cleanup_directory_ _cleanup_(directory_close)

/* attribute_read_at() in three system calls instead of four, which is a sixth of the time that all of tree_read() takes: an
 * attribute of sysfs comes whole in one read() (fs/seq_file.c, seq_read_iter: a single record), as a regular file does. */
ssize_t tree_read_attribute(int dir_fd, const char *attribute, char *buffer, size_t size);

/* Whether the directory `fd` still is what `name` below `parent_fd` stands for: 0, -ENOENT (gone, perhaps with another one in
 * its place), or another negative errno. */
int tree_check_presence(int parent_fd, const char *name, int fd);

/* Whether `r` says that this process ran out of something, rather than anything about the tree. */
bool tree_error_is_ours(int r);

/* Parses the canonical address and nothing else, as the kernel names devices: 0 or -EINVAL. */
int tree_parse_address(const char *name, PciAddress *ret);

/* A copy of a name from the kernel fit for keeping and printing: returns 0; 1 if it had to be escaped or cut, so that it is
 * no longer the thing's own; -ENOMEM. */
int tree_copy_name(const char *name, char **ret);

/* tree_read_device() on an open bus/pci/devices. */
int tree_read_device_at(int devices_fd, const PciAddress *address, const Device *known, bool changing, Device **ret);

/* tree_read_group() on an open kernel/iommu_groups. `facts` (may be NULL), sorted, spares a look at each member in it. */
int tree_read_group_at(int groups_fd, uint32_t number, const Facts *facts, Group **ret);
