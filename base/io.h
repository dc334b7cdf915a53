/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Attribute files and links, always relative to a directory fd that somebody opened once. */

#include "base/macro.h"

/* Reads a whole attribute into `buffer` (NUL-terminated), without its trailing newline. Returns the length, -E2BIG when
 * it, its newline included, does not fit, -EBADMSG when it contains a NUL byte, else the errno of openat() or read(). */
ssize_t attribute_read_at(int dir_fd, const char *path, char *buffer, size_t size);

/* The same as freshly allocated text of at most 64 KiB; the caller frees *ret. */
int attribute_read_alloc_at(int dir_fd, const char *path, char **ret);

/* Writes `value` to an existing attribute in one write(), following no symlink in the last component. A kernel attribute
 * ignores a zero-length write (fs/kernfs/file.c, kernfs_fop_write_iter -> sysfs_kf_write): callers write "\n" to clear.
 * Returns 0, -EINVAL for an empty `value`, -ELOOP for a symlink, -EIO on a short write, else the errno. */
int attribute_write_at(int dir_fd, const char *path, const char *value);

/* The last component of what the symlink `path` points to, freshly allocated. -ENOENT: no such link, often an ordinary
 * outcome ("no driver"). -EINVAL: not a link. -EBADMSG: what it points to ends in a slash. */
int link_basename_at(int dir_fd, const char *path, char **ret);

/* Whether `path` (links followed) exists below `dir_fd`: 1, 0, or a negative errno other than -ENOENT. */
int exists_at(int dir_fd, const char *path);

/* Reads exactly `size` bytes or fails: -ENODATA at an early end. */
int read_exactly(int fd, void *buffer, size_t size);
