/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attribute-fault.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The system calls belong to the process, and so does what goes wrong in them. */
static struct {
        const char *path;
        unsigned long n; /* until the first failure; 0: not armed, or over */
        bool for_ever;
        bool fails; /* for ever, from now on */
        bool hit;
} faults;

/* The full path of `name` below `dir_fd`, as far as it fits. */
static void full_path(int dir_fd, const char *name, char *ret, size_t size) {
        char link[64];
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
        n = dir_fd == AT_FDCWD || *name == '/' ? 0 : syscall(SYS_readlinkat, AT_FDCWD, link, ret, size - 1);
        ret[n > 0 ? n : 0] = '\0';
        (void) snprintf(ret + strlen(ret), size - strlen(ret), "%s%s", n > 0 ? "/" : "", name);
}

static bool concerns(int dir_fd, const char *name) {
        static const char *const folders[] = { "/bus/", "/kernel/", "/class/", "/devices/" };
        size_t length = strlen(faults.path);
        char path[2048];

        full_path(dir_fd, name, path, sizeof(path));
        if (strncmp(path, faults.path, length) != 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                if (strncmp(path + length, folders[i], strlen(folders[i])) == 0)
                        return true;
        return false;
}

static bool call_fails(int dir_fd, const char *name) {
        if ((faults.n == 0 && !faults.fails) || !concerns(dir_fd, name) || (!faults.fails && --faults.n > 0))
                return false;
        faults.fails = faults.for_ever;
        faults.hit = true;
        errno = EIO;
        return true;
}

int openat(int dir_fd, const char *name, int flags, ...) {
        unsigned mode = 0;
        va_list ap;

        if (flags & (O_CREAT | O_TMPFILE)) {
                va_start(ap, flags);
                mode = va_arg(ap, unsigned);
                va_end(ap);
        }
        return call_fails(dir_fd, name) ? -1 : (int) syscall(SYS_openat, dir_fd, name, flags, mode);
}

int fstatat(int dir_fd, const char *name, struct stat *ret, int flags) {
        return call_fails(dir_fd, name) ? -1 : (int) syscall(SYS_newfstatat, dir_fd, name, ret, flags);
}

ssize_t readlinkat(int dir_fd, const char *name, char *buffer, size_t size) {
        return call_fails(dir_fd, name) ? -1 : syscall(SYS_readlinkat, dir_fd, name, buffer, size);
}

ssize_t getdents64(int fd, void *buffer, size_t size) {
        return call_fails(fd, "") ? -1 : syscall(SYS_getdents64, fd, buffer, size);
}

void attribute_fault_arm(const char *path, unsigned long n, bool for_ever) {
        faults.path = path;
        faults.n = n;
        faults.for_ever = for_ever;
        faults.fails = false;
        faults.hit = false;
}

bool attribute_fault_disarm(void) {
        faults.n = 0;
        faults.fails = false;
        return faults.hit;
}
