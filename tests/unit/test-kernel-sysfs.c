/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The real KernelOps on a directory of plain files: which file each step writes, what it writes, and what it takes back. */

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/kernel.h"

#define DEVICE "bus/pci/devices/0000:02:00.0"

static const PciAddress nic = { .bus = 2 };

static char root[64];
static int root_fd = -EBADF;
static Kernel kernel;
static char found[WORKER_NAME_MAX];

static void make_directory(const char *path) {
        ck_assert_int_eq(mkdirat(root_fd, path, 0700), 0);
}

static void put(const char *path, const char *text) {
        _cleanup_close_ int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
}

static void assert_holds(const char *path, const char *expected) {
        _cleanup_close_ int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
        char text[256] = "";

        ck_assert_int_ge(fd, 0);
        ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
        ck_assert_str_eq(text, expected);
}

static void set_up(void) {
        static const char *const directories[] = {
                "bus", "bus/pci", "bus/pci/devices", DEVICE, "bus/pci/drivers", "bus/pci/drivers/e1000e", "bus/pci/drivers/vfio-pci",
                "vfio", "vfio/devices",
        };

        strcpy(root, "/tmp/test-kernel-sysfs-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(root));
        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(root_fd, 0);
        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                make_directory(directories[i]);
        put(DEVICE "/driver_override", "");
        put("bus/pci/drivers/e1000e/bind", "");
        put("bus/pci/drivers/e1000e/unbind", "");
        put("bus/pci/drivers/vfio-pci/bind", "");
        put("bus/pci/drivers/vfio-pci/unbind", "");

        kernel = (Kernel){ .ops = &kernel_ops, .sysfs_fd = root_fd, .dev_fd = root_fd };
        memset(found, 'x', sizeof(found));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void tear_down(void) {
        root_fd = safe_close(root_fd);
        ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

START_TEST(an_override_is_written_and_read_back) {
        ck_assert_int_eq(kernel_ops.set_override(&kernel, &nic, "vfio-pci", found), 0);
        assert_holds(DEVICE "/driver_override", "vfio-pci");
        ck_assert_str_eq(found, "vfio-pci");
}
END_TEST

START_TEST(an_override_is_cleared_by_a_newline) {
        ck_assert_int_eq(kernel_ops.set_override(&kernel, &nic, NULL, found), 0);
        assert_holds(DEVICE "/driver_override", "\n");
        ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(what_is_read_back_is_what_is_there_not_what_was_written) {
        put(DEVICE "/driver_override", "         -and-more\n");
        ck_assert_int_eq(kernel_ops.set_override(&kernel, &nic, "vfio-pci", found), 0);
        ck_assert_str_eq(found, "vfio-pci -and-more");
}
END_TEST

START_TEST(an_override_that_reads_null_is_none) {
        put(DEVICE "/driver_override", "?null)\n");
        ck_assert_int_eq(kernel_ops.set_override(&kernel, &nic, "(", found), 0);
        ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(an_override_too_long_to_tell_is_an_error) {
        char text[WORKER_NAME_MAX + 1];

        memset(text, 'n', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        put(DEVICE "/driver_override", text);
        ck_assert_int_eq(kernel_ops.set_override(&kernel, &nic, "n", found), -E2BIG);

        text[WORKER_NAME_MAX - 1] = '\n';
        put(DEVICE "/driver_override", text);
        ck_assert_int_eq(kernel_ops.set_override(&kernel, &nic, "n", found), 0);
        ck_assert_uint_eq(strlen(found), WORKER_NAME_MAX - 1);
}
END_TEST

START_TEST(a_device_that_is_gone_is_an_errno) {
        const PciAddress gone = { .bus = 3 };

        ck_assert_int_eq(kernel_ops.set_override(&kernel, &gone, "vfio-pci", found), -ENOENT);
        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &gone), -ENOENT);
}
END_TEST

START_TEST(unbind_writes_the_address_to_the_driver_it_names) {
        ck_assert_int_eq(kernel_ops.unbind(&kernel, &nic, "e1000e", found), 0);
        assert_holds("bus/pci/drivers/e1000e/unbind", "0000:02:00.0");
        assert_holds("bus/pci/drivers/vfio-pci/unbind", "");
        ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(unbind_tells_the_driver_that_is_there_afterwards) {
        ck_assert_int_eq(symlinkat("../../../bus/pci/drivers/e1000", root_fd, DEVICE "/driver"), 0);
        ck_assert_int_eq(kernel_ops.unbind(&kernel, &nic, "e1000e", found), 0);
        ck_assert_str_eq(found, "e1000");
}
END_TEST

START_TEST(bind_writes_the_address_and_reads_the_driver_back) {
        ck_assert_int_eq(kernel_ops.bind(&kernel, &nic, "vfio-pci", found), 0);
        assert_holds("bus/pci/drivers/vfio-pci/bind", "0000:02:00.0");
        ck_assert_str_eq(found, "");

        ck_assert_int_eq(symlinkat("../../../bus/pci/drivers/vfio-pci", root_fd, DEVICE "/driver"), 0);
        ck_assert_int_eq(kernel_ops.bind(&kernel, &nic, "vfio-pci", found), 0);
        ck_assert_str_eq(found, "vfio-pci");
}
END_TEST

START_TEST(a_domain_above_16_bits_is_written_whole) {
        const PciAddress vmd = { .domain = 0x10000, .bus = 0xe1, .slot = 0x1f, .function = 7 };

        ck_assert_int_eq(kernel_ops.unbind(&kernel, &vmd, "e1000e", found), 0);
        assert_holds("bus/pci/drivers/e1000e/unbind", "10000:e1:1f.7");
}
END_TEST

START_TEST(a_driver_that_is_not_there_or_cannot_be_left_is_an_errno) {
        ck_assert_int_eq(kernel_ops.unbind(&kernel, &nic, "ghost", found), -ENOENT);
        ck_assert_int_eq(kernel_ops.bind(&kernel, &nic, "ghost", found), -ENOENT);
        ck_assert_int_eq(unlinkat(root_fd, "bus/pci/drivers/e1000e/unbind", 0), 0);
        ck_assert_int_eq(kernel_ops.unbind(&kernel, &nic, "e1000e", found), -ENOENT);
}
END_TEST

START_TEST(a_link_in_place_of_an_attribute_is_not_followed) {
        put("victim", "");
        ck_assert_int_eq(unlinkat(root_fd, "bus/pci/drivers/e1000e/unbind", 0), 0);
        ck_assert_int_eq(symlinkat("../../../../victim", root_fd, "bus/pci/drivers/e1000e/unbind"), 0);
        ck_assert_int_eq(kernel_ops.unbind(&kernel, &nic, "e1000e", found), -ELOOP);
        assert_holds("victim", "");
}
END_TEST

static void add_cdev(const char *number) {
        make_directory(DEVICE "/vfio-dev");
        make_directory(DEVICE "/vfio-dev/power"); /* not the one that is looked for */
        make_directory(DEVICE "/vfio-dev/vfio3");
        put(DEVICE "/vfio-dev/vfio3/dev", number);
}

START_TEST(a_device_without_a_node_of_its_own_has_no_cdev) {
        size_t before = count_fds();

        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &nic), -ENOENT);
        make_directory(DEVICE "/vfio-dev");
        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &nic), -ENOENT);
        make_directory(DEVICE "/vfio-dev/vfio3"); /* a kernel without cdevs */
        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &nic), -ENOENT);
        put(DEVICE "/vfio-dev/vfio3/dev", "511:3\n"); /* the node is missing */
        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &nic), -ENOENT);
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(a_node_that_is_not_the_one_sysfs_tells_of_is_stale) {
        size_t before = count_fds();

        add_cdev("1:3\n");
        put("vfio/devices/vfio3", "a plain file");
        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &nic), -ESTALE);
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

/* /dev/null's number stands in for a VFIO node's. Where the test may not make nodes, the two tests above are all there is. */
START_TEST(the_node_with_the_number_of_sysfs_is_opened) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        add_cdev("1:3\n");
        if (mknodat(root_fd, "vfio/devices/vfio3", S_IFCHR | 0600, makedev(1, 3)) < 0) {
                fprintf(stderr, "Not tried, device nodes cannot be made here: %m\n");
                return;
        }
        fd = kernel_ops.open_cdev(&kernel, &nic);
        if (fd == -EACCES) {
                fprintf(stderr, "Not tried, device nodes cannot be opened below /tmp.\n");
                return;
        }
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_rdev, makedev(1, 3));
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);

        put(DEVICE "/vfio-dev/vfio3/dev", "1:5\n");
        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &nic), -ESTALE);
}
END_TEST

static const char *const bad_numbers[] = { "", "1\n", "1:\n", ":3\n", "1:3:5\n", "-1:3\n", "1:99999999999\n" };

START_TEST(a_device_number_that_is_none_is_refused) {
        add_cdev(bad_numbers[_i]);
        put("vfio/devices/vfio3", "");
        ck_assert_int_eq(kernel_ops.open_cdev(&kernel, &nic), -EBADMSG);
}
END_TEST

START_TEST(nodes_that_are_missing_or_no_vfio_nodes_are_errnos_and_leave_no_fd) {
        size_t before = count_fds();
        int container;

        ck_assert_int_eq(kernel_ops.open_iommufd(&kernel), -ENOENT);
        ck_assert_int_eq(kernel_ops.open_container(&kernel), -ENOENT);
        ck_assert_int_eq(kernel_ops.open_group(&kernel, 14, -EBADF, true), -ENOENT);

        put("iommu", "");
        put("vfio/vfio", "");
        put("vfio/14", "");
        ck_assert_int_eq(kernel_ops.open_iommufd(&kernel), -ENOTTY);
        container = kernel_ops.open_container(&kernel);
        ck_assert_int_ge(container, 0);
        ck_assert_int_eq(kernel_ops.open_group(&kernel, 14, container, true), -ENOTTY);
        ck_assert_int_eq(kernel_ops.open_device(&kernel, container, &nic), -ENOTTY);
        safe_close(container);
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-sysfs");
        TCase *drivers = tcase_create("drivers"), *nodes = tcase_create("nodes");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(drivers, set_up, tear_down);
        tcase_add_test(drivers, an_override_is_written_and_read_back);
        tcase_add_test(drivers, an_override_is_cleared_by_a_newline);
        tcase_add_test(drivers, what_is_read_back_is_what_is_there_not_what_was_written);
        tcase_add_test(drivers, an_override_that_reads_null_is_none);
        tcase_add_test(drivers, an_override_too_long_to_tell_is_an_error);
        tcase_add_test(drivers, a_device_that_is_gone_is_an_errno);
        tcase_add_test(drivers, unbind_writes_the_address_to_the_driver_it_names);
        tcase_add_test(drivers, unbind_tells_the_driver_that_is_there_afterwards);
        tcase_add_test(drivers, bind_writes_the_address_and_reads_the_driver_back);
        tcase_add_test(drivers, a_domain_above_16_bits_is_written_whole);
        tcase_add_test(drivers, a_driver_that_is_not_there_or_cannot_be_left_is_an_errno);
        tcase_add_test(drivers, a_link_in_place_of_an_attribute_is_not_followed);
        suite_add_tcase(suite, drivers);

        tcase_add_checked_fixture(nodes, set_up, tear_down);
        tcase_add_test(nodes, a_device_without_a_node_of_its_own_has_no_cdev);
        tcase_add_test(nodes, a_node_that_is_not_the_one_sysfs_tells_of_is_stale);
        tcase_add_test(nodes, the_node_with_the_number_of_sysfs_is_opened);
        tcase_add_loop_test(nodes, a_device_number_that_is_none_is_refused, 0, ELEMENTSOF(bad_numbers));
        tcase_add_test(nodes, nodes_that_are_missing_or_no_vfio_nodes_are_errnos_and_leave_no_fd);
        suite_add_tcase(suite, nodes);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
