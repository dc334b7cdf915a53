/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/accounts.h"

#include <grp.h>
#include <pwd.h>

#include "base/strutil.h"

#define ENTRY_MAX 65536U

typedef bool (*is_user_t)(const struct passwd *entry, const void *userdata);

static int find_user(const char *passwd_path, is_user_t is_user, const void *userdata, uid_t *ret_uid, gid_t *ret_gid) {
        _cleanup_fclose_ FILE *f = fopen(passwd_path, "re");
        _cleanup_free_ char *buffer = malloc(ENTRY_MAX);
        struct passwd entry, *found;
        int r;

        if (!f)
                return -errno;
        if (!buffer)
                return -ENOMEM;
        while ((r = fgetpwent_r(f, &entry, buffer, ENTRY_MAX, &found)) == 0)
                if (is_user(&entry, userdata)) {
                        *ret_uid = entry.pw_uid;
                        *ret_gid = entry.pw_gid;
                        return 0;
                }
        return -r;
}

static bool has_name(const struct passwd *entry, const void *userdata) {
        return string_equal(entry->pw_name, userdata);
}

static bool has_uid(const struct passwd *entry, const void *userdata) {
        return entry->pw_uid == *(const uid_t *) userdata;
}

int account_find_user(const char *passwd_path, const char *name, uid_t *ret) {
        gid_t gid;

        return find_user(passwd_path, has_name, name, ret, &gid);
}

int account_find_primary_group(const char *passwd_path, uid_t uid, gid_t *ret) {
        uid_t found;

        return find_user(passwd_path, has_uid, &uid, &found, ret);
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

int account_find_local_primary_group(uid_t uid, gid_t *ret) {
        return account_find_primary_group("/etc/passwd", uid, ret);
}
