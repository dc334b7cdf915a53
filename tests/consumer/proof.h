/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Shows, one line a proof on stdout, that received fds are what they should be. */

#include "tests/consumer/received.h"

typedef struct Proof {
        unsigned n_held, n_failed;
} Proof;

/* Counts and prints "ok" or "FAILED" and the sentence. Returns `holds`. */
bool proof_expect(Proof *proof, bool holds, const char *format, ...) _printf_(3, 4);

/* The same for a call that must succeed, or must fail with the errno `expected`: `result` and `error` are what it returned and
 * errno after it. */
bool proof_expect_done(Proof *proof, int result, int error, const char *what, const char *name);
bool proof_expect_errno(Proof *proof, int result, int error, int expected, const char *what, const char *name);

/* A page that a device can be allowed to reach; NULL: no memory. */
void *proof_new_page(size_t *ret_size);

/* What an opened device tells: regions, and the vendor and device ids in its config space as sysfs has them. */
void proof_device(Proof *proof, const ReceivedFd *device);

/* The IOMMU group that sysfs tells for the address, -1: none. */
long proof_read_group(const char *address);

/* The whole of one backend. They leave all devices usable. */
void proof_iommufd(Proof *proof, const Received *received);
void proof_group(Proof *proof, const Received *received);
