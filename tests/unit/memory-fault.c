/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory-fault.h"

/* The allocator belongs to the process, and so does what goes wrong in it. */
static struct {
        unsigned long n; /* until the first failure; 0: not armed, or over */
        bool for_ever;
        bool fails; /* for ever, from now on */
        bool hit;
} faults;

#ifdef __SANITIZE_ADDRESS__
bool memory_fault_is_possible(void) {
        return false;
}
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static bool allocation_fails(void) {
        if (!faults.fails && (faults.n == 0 || --faults.n > 0))
                return false;
        faults.fails = faults.for_ever;
        faults.hit = true;
        errno = ENOMEM;
        return true;
}

void *malloc(size_t size) {
        return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
        return allocation_fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
        return allocation_fails() ? NULL : __libc_realloc(p, size);
}

bool memory_fault_is_possible(void) {
        return true;
}
#endif

void memory_fault_arm(unsigned long n, bool for_ever) {
        faults.n = n;
        faults.for_ever = for_ever;
        faults.fails = false;
        faults.hit = false;
}

bool memory_fault_disarm(void) {
        faults.n = 0;
        faults.fails = false;
        return faults.hit;
}

bool memory_fault_has_hit(void) {
        return faults.hit;
}
