/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/mman.h>

#include "db/audit.h"
#include "db/internal.h"

/* The header's two file format versions: 2 is WAL, 1 is a file that stands alone.
 * https://www.sqlite.org/fileformat2.html#file_format_version_numbers */
#define HEADER_WRITE_VERSION 18
#define HEADER_READ_VERSION 19

static void sqlite_freep(unsigned char **p) {
        sqlite3_free(*p);
}

static int write_all(int fd, const unsigned char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        data += n;
                        size -= (size_t) n;
                }
        }
        return 0;
}

int db_export(Db *db, int *ret_fd) {
        _cleanup_(sqlite_freep) unsigned char *image = NULL;
        _cleanup_close_ int fd = -EBADF;
        sqlite3_int64 size = 0;
        int r;

        assert(!db->in_transaction);
        image = sqlite3_serialize(db->sqlite, "main", &size, 0);
        if (!image) {
                r = sqlite_to_errno(db->sqlite, sqlite3_extended_errcode(db->sqlite));
                return db_fail(db, r < 0 ? r : -ENOMEM);
        }
        image[HEADER_WRITE_VERSION] = image[HEADER_READ_VERSION] = 1;

        fd = memfd_create("assignd-export", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        r = write_all(fd, image, (size_t) size);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}
