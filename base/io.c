/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define ATTRIBUTE_ALLOC_MAX ((size_t) 64 * 1024)

/* Reads up to `size` bytes, fewer only at the end. */
static ssize_t read_up_to(int fd, void *buffer, size_t size) {
        size_t total = 0;

        while (total < size) {
                ssize_t n = read(fd, (char *) buffer + total, size - total);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                total += (size_t) n;
        }
        return (ssize_t) total;
}

ssize_t attribute_read_at(int dir_fd, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        n = read_up_to(fd, buffer, size);
        if (n < 0)
                return n;
        if ((size_t) n == size)
                return -E2BIG;
        if (memchr(buffer, '\0', (size_t) n))
                return -EBADMSG;

        if (n > 0 && buffer[n - 1] == '\n')
                n--;
        buffer[n] = '\0';
        return n;
}

int attribute_read_alloc_at(int dir_fd, const char *path, char **ret) {
        _cleanup_free_ char *large = NULL;
        char small[4096];
        const char *text = small;
        ssize_t n;
        char *copy;

        n = attribute_read_at(dir_fd, path, small, sizeof(small));
        if (n == -E2BIG) {
                large = malloc(ATTRIBUTE_ALLOC_MAX + 1);
                if (!large)
                        return -ENOMEM;
                n = attribute_read_at(dir_fd, path, large, ATTRIBUTE_ALLOC_MAX + 1);
                text = large;
        }
        if (n < 0)
                return (int) n;

        copy = strndup(text, (size_t) n);
        if (!copy)
                return -ENOMEM;

        *ret = copy;
        return 0;
}

int attribute_write_at(int dir_fd, const char *path, const char *value) {
        _cleanup_close_ int fd = -EBADF;
        size_t size = strlen(value);
        ssize_t n;

        if (size == 0)
                return -EINVAL;

        fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
        if (fd < 0)
                return -errno;

        n = write(fd, value, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

int link_basename_at(int dir_fd, const char *path, char **ret) {
        char target[PATH_MAX];
        const char *slash, *name;
        char *copy;
        ssize_t n;

        n = readlinkat(dir_fd, path, target, sizeof(target));
        if (n < 0)
                return -errno;
        if ((size_t) n == sizeof(target))
                return -ENAMETOOLONG;
        target[n] = '\0';

        slash = strrchr(target, '/');
        name = slash ? slash + 1 : target;
        if (*name == '\0')
                return -EBADMSG;

        copy = strdup(name);
        if (!copy)
                return -ENOMEM;

        *ret = copy;
        return 0;
}

int exists_at(int dir_fd, const char *path) {
        if (faccessat(dir_fd, path, F_OK, 0) >= 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

int read_exactly(int fd, void *buffer, size_t size) {
        ssize_t n = read_up_to(fd, buffer, size);

        if (n < 0)
                return (int) n;
        return (size_t) n == size ? 0 : -ENODATA;
}
