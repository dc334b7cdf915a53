/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <string.h>

#include "base/accounts.h"
#include "base/node-access.h"
#include "suite.h"

static const char *const good[] = {
        "0:0:0600", "1000:36:0660", "4294967294:4294967294:0000", "65534:0:0640 system_u:object_r:svirt_image_t:s0:c1,c2",
};

START_TEST(what_is_written_is_read_back) {
        NodeAccess access;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ck_assert_int_eq(node_access_parse(good[i], &access), 0);
                ck_assert_str_eq(NODE_ACCESS_FORMAT(&access), good[i]);
                ck_assert(node_access_is_sane(&access));
        }
}
END_TEST

static const char *const bad[] = {
        "", ":", "1", "1:2", "1:2:", "1::0600", ":2:0600", "-1:2:0600", "1:2:0689", "1:2:01777", "4294967295:0:0600", "0:4294967295:0600",
        "4294967296:0:0600", "1:2:0600 ", "1:2:0600 a b", "1:2:0600 a\nb", "1:2:0600:", "1:2:0600x", " 1:2:0600", "12345678901234567890:0:0600",
};

START_TEST(what_is_no_access_is_refused) {
        NodeAccess access = { .uid = 7 };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(node_access_parse(bad[i], &access) == -EINVAL, "'%s'", bad[i]);
        ck_assert_uint_eq(access.uid, 7);
}
END_TEST

START_TEST(a_context_has_a_longest_length) {
        char context[NODE_CONTEXT_MAX + 1];
        NodeAccess access = {};

        memset(context, 'c', sizeof(context));
        context[NODE_CONTEXT_MAX] = '\0';
        ck_assert_int_eq(node_context_set(&access, context), -EINVAL);
        context[NODE_CONTEXT_MAX - 1] = '\0';
        ck_assert_int_eq(node_context_set(&access, context), 0);
        ck_assert_int_eq(node_access_parse(NODE_ACCESS_FORMAT(&access), &access), 0);
        ck_assert_uint_eq(strlen(access.context), NODE_CONTEXT_MAX - 1);
}
END_TEST

START_TEST(contexts_differ_only_where_both_are_known) {
        NodeAccess a = { .uid = 1, .mode = 0600 }, b = a;

        ck_assert(node_access_equal(&a, &b));
        ck_assert_int_eq(node_context_set(&a, "x:y"), 0);
        ck_assert(node_access_equal(&a, &b));
        ck_assert_int_eq(node_context_set(&b, "x:z"), 0);
        ck_assert(!node_access_equal(&a, &b));
}
END_TEST

START_TEST(a_different_owner_group_or_mode_is_different) {
        const NodeAccess a = { .uid = 1, .gid = 2, .mode = 0600 };
        const NodeAccess others[] = { { 2, 2, 0600, "" }, { 1, 1, 0600, "" }, { 1, 2, 0660, "" } };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                ck_assert(!node_access_equal(&a, &others[i]));
}
END_TEST

START_TEST(a_context_without_its_end_is_not_sane) {
        NodeAccess access = {};

        memset(access.context, 'c', sizeof(access.context));
        ck_assert(!node_access_is_sane(&access));
}
END_TEST

START_TEST(a_new_node_is_roots) {
        const NodeAccess initial = node_access_initial();

        ck_assert_str_eq(NODE_ACCESS_FORMAT(&initial), "0:0:0600");
}
END_TEST

START_TEST(the_primary_group_is_found_by_uid) {
        char path[] = "/tmp/test-node-access-XXXXXX";
        int fd = mkstemp(path);
        gid_t group = 7;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(dprintf(fd, "root:x:0:0::/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n"), 0);
        ck_assert_int_eq(account_find_primary_group(path, 1000, &group), 0);
        ck_assert_uint_eq(group, 1001);
        ck_assert_int_eq(account_find_primary_group(path, 4711, &group), -ENOENT);
        ck_assert_uint_eq(group, 1001);
        safe_close(fd);
        ck_assert_int_eq(unlink(path), 0);
}
END_TEST

SUITE("node-access", what_is_written_is_read_back, what_is_no_access_is_refused, a_context_has_a_longest_length,
      contexts_differ_only_where_both_are_known, a_different_owner_group_or_mode_is_different, a_context_without_its_end_is_not_sane,
      a_new_node_is_roots, the_primary_group_is_found_by_uid)
