/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* SQLite's way to the file system, on which any call can be made to fail: a VFS before the usual one. */

#include "base/macro.h"

typedef enum SqliteFaultKind {
        SQLITE_FAULT_IO,        /* EIO, whatever is done: open, read, write, truncate, sync, size, delete, shared memory */
        SQLITE_FAULT_FULL,      /* ENOSPC of what makes a file longer */
        SQLITE_FAULT_READ_ONLY, /* EROFS of what changes a file */
        _SQLITE_FAULT_KIND_MAX,
} SqliteFaultKind;

const char *sqlite_fault_kind_to_string(SqliteFaultKind kind);

/* Becomes the VFS of every connection that is opened from now on. */
void sqlite_fault_install(void);

/* The n-th call (from 1) that can fail in this way fails, and with `for_ever` all that follow. */
void sqlite_fault_arm(SqliteFaultKind kind, unsigned long n, bool for_ever);

/* Nothing fails any more. Returns whether anything has failed since it was armed. */
bool sqlite_fault_disarm(void);

/* Whether anything has failed since it was armed. */
bool sqlite_fault_has_hit(void);
