/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The idioms every folder uses: scope-bound cleanup, handing over ownership, and errno conventions.
 *
 * Error convention of the whole project: a function that returns `int` returns a negative errno when something
 * unexpected happened (the caller passes it up unchanged), 0 when done, and a positive value only where its header
 * lists it as an outcome. A refusal is never an errno: it is a value (policy/refusal.h). */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

/* Takes the value out of a cleanup variable, so that its scope no longer owns it. */
#define TAKE_PTR(p) \
        ({ \
                typeof(p) _taken = (p); \
                (p) = NULL; \
                _taken; \
        })
#define TAKE_FD(fd) \
        ({ \
                int _taken_fd = (fd); \
                (fd) = -EBADF; \
                _taken_fd; \
        })

/* The result of a call that reports failure as -1 and errno, in the project's convention. */
#define RET_NERRNO(call) \
        ({ \
                int _result = (int) (call); \
                _result < 0 ? -errno : _result; \
        })

/* Defines `func##p(type *p)`, the cleanup function of a pointer freed by `func(type)`. */
#define DEFINE_CLEANUP(type, func) \
        static inline _unused_ void func##p(type *p) { \
                if (*p) \
                        func(*p); \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline int safe_close(int fd) {
        if (fd >= 0)
                (void) close(fd);
        return -EBADF;
}

static inline void closep(int *fd) {
        *fd = safe_close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                (void) fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

#define USEC_PER_SEC ((uint64_t) 1000000)
#define USEC_PER_MSEC ((uint64_t) 1000)
#define USEC_INFINITY UINT64_MAX
