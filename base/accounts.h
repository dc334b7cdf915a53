/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Names of users and groups, read from a passwd and a group file and from nowhere else: the name service may ask the network, and block. */

#include <sys/types.h>

#include "base/macro.h"

/* Returns 0, -ENOENT where the file does not know the name, or what kept it from being read. */
int account_find_user(const char *passwd_path, const char *name, uid_t *ret);
int account_find_primary_group(const char *passwd_path, uid_t uid, gid_t *ret);
int account_find_group(const char *group_path, const char *name, gid_t *ret);

/* The same with /etc/passwd and /etc/group; with the signature of PolicyNames (policy/rules-parse.h). */
int account_find_local_user(const char *name, uint32_t *ret);
int account_find_local_group(const char *name, uint32_t *ret);
int account_find_local_primary_group(uid_t uid, gid_t *ret);
