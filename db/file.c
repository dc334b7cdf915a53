/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/io.h"
#include "db/file.h"
#include "db/schema.h"

/* The database header: https://www.sqlite.org/fileformat2.html#the_database_header */
#define HEADER_SIZE 100U
#define HEADER_USER_VERSION 60U
#define HEADER_APPLICATION_ID 68U
static const char header_magic[16] = "SQLite format 3";

static int problem_of_errno(int error) {
        switch (error) {
        case ENOMEM:
        case EMFILE:
        case ENFILE:
        case EIO:
                return -error;
        case EROFS:
        case EPERM: /* chattr +i */
                return DB_PROBLEM_READ_ONLY;
        case ELOOP:
                return DB_PROBLEM_UNSAFE;
        default:
                return DB_PROBLEM_UNREACHABLE;
        }
}

int file_resolve(const char *path, char **ret) {
        _cleanup_free_ char *directory = NULL, *real = NULL;
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return -EINVAL;

        directory = slash ? strndup(path, (size_t) (slash - path + 1)) : strdup(".");
        if (!directory)
                return -ENOMEM;
        real = realpath(directory, NULL);
        if (!real)
                return problem_of_errno(errno);
        return asprintf(ret, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0 ? -ENOMEM : 0;
}

static bool stat_is_ours_alone(const struct stat *st) {
        return S_ISREG(st->st_mode) && st->st_nlink == 1 && st->st_uid == geteuid() && (st->st_mode & 077) == 0;
}

static int check_directory(const char *path) {
        _cleanup_free_ char *directory = strndup(path, (size_t) (strrchr(path, '/') - path + 1));
        struct stat st;

        if (!directory)
                return -ENOMEM;
        if (stat(directory, &st) < 0)
                return problem_of_errno(errno);
        return st.st_uid == geteuid() && (st.st_mode & 022) == 0 ? 0 : DB_PROBLEM_UNSAFE;
}

int file_lock(const char *path, int *ret_fd) {
        _cleanup_free_ char *lock = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        r = check_directory(path);
        if (r != 0)
                return r;
        if (asprintf(&lock, "%s.lock", path) < 0)
                return -ENOMEM;
        fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
                return problem_of_errno(errno);
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!stat_is_ours_alone(&st))
                return DB_PROBLEM_UNSAFE;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? DB_PROBLEM_IN_USE : -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* *ret_size is -1 where there is no such file. */
static int check_safe(const char *path, const char *suffix, int64_t *ret_size) {
        _cleanup_free_ char *name = NULL;
        struct stat st;

        if (asprintf(&name, "%s%s", path, suffix) < 0)
                return -ENOMEM;
        if (lstat(name, &st) < 0) {
                if (errno != ENOENT)
                        return problem_of_errno(errno);
                *ret_size = -1;
                return 0;
        }
        if (!stat_is_ours_alone(&st))
                return DB_PROBLEM_UNSAFE;
        *ret_size = st.st_size;
        return 0;
}

static uint32_t read_be32(const uint8_t *p) {
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static int check_header(const char *path) {
        uint8_t header[HEADER_SIZE] = {};
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return problem_of_errno(errno);
        n = pread(fd, header, sizeof(header), 0);
        if (n < 0)
                return -errno;
        if ((size_t) n < sizeof(header_magic) || memcmp(header, header_magic, sizeof(header_magic)) != 0)
                return DB_PROBLEM_NOT_A_DATABASE;
        if ((size_t) n < sizeof(header))
                return DB_PROBLEM_DAMAGED;
        if (read_be32(header + HEADER_APPLICATION_ID) != SCHEMA_APPLICATION_ID)
                return DB_PROBLEM_FOREIGN;
        if ((int32_t) read_be32(header + HEADER_USER_VERSION) > schema_version())
                return DB_PROBLEM_NEWER;
        return 0;
}

int file_check(const char *path, bool *ret_missing) {
        static const char *const beside[] = { "-wal", "-journal", "-shm" };
        int64_t size, beside_size[ELEMENTSOF(beside)];
        int r;

        r = check_safe(path, "", &size);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(beside); i++)
                r = check_safe(path, beside[i], beside_size + i);
        if (r != 0)
                return r;

        if (size <= 0) {
                /* SQLite would throw away what such a journal holds. */
                if (beside_size[0] > 0 || beside_size[1] > 0)
                        return DB_PROBLEM_DAMAGED;
                *ret_missing = true;
                return 0;
        }
        r = check_header(path);
        if (r != 0)
                return r;
        *ret_missing = false;
        return 0;
}

int file_create_new(const char *path, char **ret) {
        _cleanup_free_ char *name = NULL, *journal = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (asprintf(&name, "%s.new", path) < 0 || asprintf(&journal, "%s.new-journal", path) < 0)
                return -ENOMEM;
        if ((unlink(name) < 0 && errno != ENOENT) || (unlink(journal) < 0 && errno != ENOENT))
                return problem_of_errno(errno);
        fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return problem_of_errno(errno);
        if (fchmod(fd, 0600) < 0)
                return -errno;
        *ret = TAKE_PTR(name);
        return 0;
}

int file_install(const char *new_path, const char *path) {
        _cleanup_free_ char *directory = strndup(path, (size_t) (strrchr(path, '/') - path + 1));
        _cleanup_close_ int fd = -EBADF;

        if (!directory)
                return -ENOMEM;
        if (rename(new_path, path) < 0)
                return problem_of_errno(errno);
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return problem_of_errno(errno);
        return RET_NERRNO(fsync(fd));
}
