/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/accounts.h"

#include <grp.h>
#include <pwd.h>

#include "base/strutil.h"

#define ENTRY_MAX 65536U

int account_find_user(const char *passwd_path, const char *name, uid_t *ret) {
        _cleanup_fclose_ FILE *f = fopen(passwd_path, "re");
        _cleanup_free_ char *buffer = malloc(ENTRY_MAX);
        struct passwd entry, *found;
        int r;

        if (!f)
                return -errno;
        if (!buffer)
                return -ENOMEM;
        while ((r = fgetpwent_r(f, &entry, buffer, ENTRY_MAX, &found)) == 0)
                if (string_equal(entry.pw_name, name)) {
                        *ret = entry.pw_uid;
                        return 0;
                }
        return -r;
}

int account_find_group(const char *group_path, const char *name, gid_t *ret) {
        _cleanup_fclose_ FILE *f = fopen(group_path, "re");
        _cleanup_free_ char *buffer = malloc(ENTRY_MAX);
        struct group entry, *found;
        int r;

        if (!f)
                return -errno;
        if (!buffer)
                return -ENOMEM;
        while ((r = fgetgrent_r(f, &entry, buffer, ENTRY_MAX, &found)) == 0)
                if (string_equal(entry.gr_name, name)) {
                        *ret = entry.gr_gid;
                        return 0;
                }
        return -r;
}

int account_find_local_user(const char *name, uint32_t *ret) {
        return account_find_user("/etc/passwd", name, ret);
}

int account_find_local_group(const char *name, uint32_t *ret) {
        return account_find_group("/etc/group", name, ret);
}
