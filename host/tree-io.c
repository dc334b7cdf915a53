/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "host/tree-internal.h"

ssize_t tree_read_attribute(int dir_fd, const char *attribute, char *buffer, size_t size) {
        _cleanup_close_ int fd = openat(dir_fd, attribute, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, buffer, size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if ((size_t) n == size)
                return -E2BIG;
        if (memchr(buffer, '\0', (size_t) n))
                return -EBADMSG;

        if (n > 0 && buffer[n - 1] == '\n')
                n--;
        buffer[n] = '\0';
        return n;
}

int tree_check_presence(int parent_fd, const char *name, int fd) {
        struct stat here, there;

        if (fstatat(parent_fd, name, &there, 0) < 0 || fstat(fd, &here) < 0)
                return -errno;
        return here.st_dev == there.st_dev && here.st_ino == there.st_ino ? 0 : -ENOENT;
}

int directory_open(Directory *directory, int dir_fd, const char *path) {
        directory->position = directory->size = 0;
        directory->fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return directory->fd < 0 ? -errno : 0;
}

void directory_close(Directory *directory) {
        directory->fd = safe_close(directory->fd);
}

static int directory_fill(Directory *directory) {
        ssize_t n = getdents64(directory->fd, directory->buffer, sizeof(directory->buffer));

        if (n < 0 && errno != ENOENT)
                return -errno;
        directory->position = 0;
        directory->size = n > 0 ? (size_t) n : 0;
        return n > 0;
}

int directory_next(Directory *directory, const char **ret) {
        for (;;) {
                const struct dirent64 *entry;

                if (directory->position >= directory->size) {
                        int r = directory_fill(directory);

                        if (r <= 0)
                                return r;
                }

                entry = (const struct dirent64 *) (directory->buffer + directory->position);
                directory->position += entry->d_reclen;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;

                *ret = entry->d_name;
                return 1;
        }
}
