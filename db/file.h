/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The database as a file, before SQLite may touch it. These return 0, a DbProblem, or a negative errno. */

#include "db/db.h"

/* The same path with its directory's symlinks resolved, since the last component must not be one. */
int file_resolve(const char *path, char **ret);

/* Takes the lock file "PATH.lock" for as long as the caller keeps *ret_fd open. */
int file_lock(const char *path, int *ret_fd);

/* Looks at the file, its header and what lies beside it (-wal, -shm, -journal), changing nothing. *ret_missing: there is none
 * yet, or an empty one. Only while the lock is held: closing a descriptor drops SQLite's locks on the same file. */
int file_check(const char *path, bool *ret_missing);

/* Puts a finished, closed database at "PATH.new" in the place of `path`. */
int file_install(const char *new_path, const char *path);

/* An empty file of mode 0600 at "PATH.new", whatever was there. The caller frees *ret. */
int file_create_new(const char *path, char **ret);
