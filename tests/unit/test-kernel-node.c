/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The real steps on nodes of a /dev of their own, which takes root: character devices of a number that is nobody's. */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/strutil.h"
#include "host/kernel-node.h"
#include "suite.h"

#define GROUP_NODE "dev/vfio/14"
#define DEVICE_NODE "dev/vfio/devices/vfio3"
#define SKIPPED 77

static const PciAddress nic = { .bus = 2 };
static char root[64];
static int root_fd = -EBADF, dev_fd = -EBADF;
static Kernel kernel;

static void make_directory(const char *path) {
        ck_assert_int_eq(mkdirat(root_fd, path, 0755), 0);
}

static void put(const char *path, const char *text) {
        _cleanup_close_ int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
}

static void put_node(const char *path, unsigned minor_number) {
        ck_assert_int_eq(mknodat(root_fd, path, S_IFCHR | 0600, makedev(511, minor_number)), 0);
}

static void set_up(void) {
        static const char *const directories[] = {
                "class", "class/vfio", "class/vfio/14", "bus", "bus/pci", "bus/pci/devices", "bus/pci/devices/0000:02:00.0",
                "bus/pci/devices/0000:02:00.0/vfio-dev", "bus/pci/devices/0000:02:00.0/vfio-dev/vfio3", "fs", "fs/selinux", "dev", "dev/vfio", "dev/vfio/devices",
        };

        (void) snprintf(root, sizeof(root), "%.40s/node-XXXXXX", getenv("TMPDIR"));
        ck_assert_ptr_nonnull(mkdtemp(root));
        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(root_fd, 0);
        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                make_directory(directories[i]);
        put("class/vfio/14/dev", "511:14\n");
        put("bus/pci/devices/0000:02:00.0/vfio-dev/vfio3/dev", "511:3\n");
        put_node(GROUP_NODE, 14);
        put_node(DEVICE_NODE, 3);
        dev_fd = openat(root_fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
        kernel = (Kernel) { .ops = &kernel_ops, .sysfs_fd = root_fd, .dev_fd = dev_fd };
}

static void tear_down(void) {
        safe_close(dev_fd);
        safe_close(root_fd);
}

static void assert_node(const char *path, uid_t uid, gid_t gid, mode_t mode) {
        struct stat st;

        ck_assert_int_eq(fstatat(root_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
        ck_assert_uint_eq(st.st_uid, uid);
        ck_assert_uint_eq(st.st_gid, gid);
        ck_assert_uint_eq(st.st_mode & 07777, mode);
}

static const NodeAccess user = { .uid = 65534, .gid = 36, .mode = 0660 };

START_TEST(a_devices_node_gets_owner_group_and_mode) {
        ck_assert_int_eq(kernel_ops.set_device_node(&kernel, &nic, &user), 0);
        assert_node(DEVICE_NODE, 65534, 36, 0660);
        assert_node(GROUP_NODE, 0, 0, 0600);
}
END_TEST

START_TEST(a_groups_node_gets_them_too_and_gives_them_back) {
        const NodeAccess initial = node_access_initial();

        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &user), 0);
        assert_node(GROUP_NODE, 65534, 36, 0660);
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &initial), 0);
        assert_node(GROUP_NODE, 0, 0, 0600);
}
END_TEST

START_TEST(what_is_set_already_is_not_written) {
        struct stat before, after;

        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &user), 0);
        ck_assert_int_eq(fstatat(root_fd, GROUP_NODE, &before, 0), 0);
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &user), 0);
        ck_assert_int_eq(fstatat(root_fd, GROUP_NODE, &after, 0), 0);
        ck_assert(before.st_ctim.tv_sec == after.st_ctim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
}
END_TEST

START_TEST(a_node_that_sysfs_does_not_know_is_none) {
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 15, &user), -ENXIO);
        ck_assert_int_eq(kernel_ops.set_device_node(&kernel, &(PciAddress) { .bus = 9 }, &user), -ENXIO);
}
END_TEST

START_TEST(a_node_that_only_sysfs_knows_is_missed) {
        ck_assert_int_eq(unlinkat(root_fd, GROUP_NODE, 0), 0);
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &user), -ENOENT);
}
END_TEST

START_TEST(another_device_in_its_place_is_left_alone) {
        ck_assert_int_eq(unlinkat(root_fd, GROUP_NODE, 0), 0);
        put_node(GROUP_NODE, 15);
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &user), -ESTALE);
        assert_node(GROUP_NODE, 0, 0, 0600);
}
END_TEST

START_TEST(a_file_or_link_in_its_place_is_left_alone) {
        ck_assert_int_eq(unlinkat(root_fd, GROUP_NODE, 0), 0);
        put(GROUP_NODE, "");
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &user), -ESTALE);
        assert_node(GROUP_NODE, 0, 0, 0600);
        ck_assert_int_eq(unlinkat(root_fd, GROUP_NODE, 0), 0);
        ck_assert_int_eq(symlinkat("devices/vfio3", root_fd, GROUP_NODE), 0);
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &user), -ESTALE);
        assert_node(DEVICE_NODE, 0, 0, 0600);
}
END_TEST

START_TEST(a_context_is_written_only_where_there_is_selinux) {
        NodeAccess labelled = user;
        char context[64] = "", path[128];

        ck_assert_int_eq(node_context_set(&labelled, "a:b:c"), 0);
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &labelled), -EOPNOTSUPP);
        put("fs/selinux/enforce", "1");
        ck_assert_int_eq(kernel_ops.set_group_node(&kernel, 14, &labelled), 0);
        assert_node(GROUP_NODE, 65534, 36, 0660);
        (void) snprintf(path, sizeof(path), "%s/" GROUP_NODE, root);
        ck_assert_int_ge(getxattr(path, "security.selinux", context, sizeof(context) - 1), 0);
        ck_assert_str_eq(context, "a:b:c");
}
END_TEST

/* Nobody but root makes nodes and gives them away. */
static bool can_make_nodes(void) {
        char directory[] = "/dev/shm/test-kernel-node-XXXXXX";
        _cleanup_close_ int fd = -EBADF;
        bool can;

        if (!mkdtemp(directory))
                return false;
        fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        can = mknodat(fd, "node", S_IFCHR | 0600, makedev(511, 1)) == 0 && fchownat(fd, "node", 1, 1, AT_SYMLINK_NOFOLLOW) == 0;
        (void) unlinkat(fd, "node", 0);
        (void) rmdir(directory);
        return can;
}

int main(void) {
        const TTest *const tests[] = {
                a_devices_node_gets_owner_group_and_mode, a_groups_node_gets_them_too_and_gives_them_back, what_is_set_already_is_not_written,
                a_node_that_sysfs_does_not_know_is_none, a_node_that_only_sysfs_knows_is_missed, another_device_in_its_place_is_left_alone,
                a_file_or_link_in_its_place_is_left_alone, a_context_is_written_only_where_there_is_selinux,
        };

        if (!can_make_nodes())
                return SKIPPED;
        return suite_run_with_fixture("kernel-node", set_up, tear_down, tests, ELEMENTSOF(tests));
}
