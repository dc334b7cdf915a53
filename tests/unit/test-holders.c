/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who holds a group, as the real kernel's look finds it: in a made-up /proc, and among real processes that have real device
 * nodes open. Node numbers of VFIO are played by those of /dev/null and its kin. */

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/holders.h"
#include "host/kernel.h"

#define GROUP 14U
#define NIC "0000:02:00.0"
#define MATE "0000:02:00.1"
#define ANONYMOUS "anon_inode:[vfio-device]"

/* Stand-ins: 1:3 is the node of the group, 1:5 and 1:7 those of its two devices, 1:8 a device of another group. */
#define GROUP_NODE "/dev/null"
#define NIC_NODE "/dev/zero"
#define NIC_NUMBER "1:5"
#define MATE_NUMBER "1:7"
#define OTHER_NODE "/dev/random"
#define OTHER_NUMBER "1:8"

static char root[64];
static int root_fd;
static Kernel kernel;
static HolderList holders;

static const char *in_root(const char *path) {
        static __thread char buffers[4][256];
        static __thread unsigned next;
        char *buffer = buffers[next++ % 4];

        (void) snprintf(buffer, sizeof(buffers[0]), "%s/%s", root, path);
        return buffer;
}

static void make_directories(const char *path) {
        char copy[256];

        (void) snprintf(copy, sizeof(copy), "%s", path);
        for (char *p = strchr(copy, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                if (mkdirat(root_fd, copy, 0755) < 0)
                        ck_assert_int_eq(errno, EEXIST);
                *p = '/';
        }
}

static void put(const char *path, const char *text) {
        int fd;

        make_directories(path);
        fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        safe_close(fd);
}

static void put_link(const char *path, const char *target) {
        make_directories(path);
        ck_assert_int_eq(symlinkat(target, root_fd, path), 0);
}

static void put_device(const char *address, const char *cdev, const char *number, const char *enable) {
        char path[128];

        (void) snprintf(path, sizeof(path), "kernel/iommu_groups/14/devices/%s/x", address);
        make_directories(path);
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/enable", address);
        put(path, enable);
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver/x", address);
        make_directories(path);
        if (!cdev)
                return;
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/vfio-dev/%s/dev", address, cdev);
        put(path, number);
        (void) snprintf(path, sizeof(path), "dev/char/%.*s", (int) strcspn(number, "\n"), number);
        put(path, "");
}

/* An fd of a process of the made-up /proc. */
static void put_fd(unsigned pid, unsigned fd, const char *link, const char *info) {
        char path[64];

        (void) snprintf(path, sizeof(path), "proc/%u/fd/%u", pid, fd);
        put_link(path, link);
        (void) snprintf(path, sizeof(path), "proc/%u/fdinfo/%u", pid, fd);
        put(path, info);
}

static void put_process(unsigned pid, const char *comm) {
        char path[64];

        (void) snprintf(path, sizeof(path), "proc/%u/comm", pid);
        put(path, comm);
        put_fd(pid, 0, "/dev/null", "flags:\t0100000\n");
}

#define OPEN "pos:\t0\nflags:\t02100002\nmnt_id:\t25\n"
#define PATH_ONLY "pos:\t0\nflags:\t012000000\nmnt_id:\t25\n"

static void set_up(void) {
        strcpy(root, "/tmp/test-holders-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(root));
        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(root_fd, 0);
        put_device(NIC, "vfio0", NIC_NUMBER "\n", "0\n");
        put_device(MATE, "vfio1", MATE_NUMBER "\n", "0\n");
        put_link("nodes/vfio/14", GROUP_NODE);
        put_link("nodes/vfio/15", OTHER_NODE);
        put_link("nodes/vfio/devices/vfio0", NIC_NODE);
        put_link("nodes/vfio/devices/vfio7", OTHER_NODE);
        put_process(1, "systemd\n");
        put_process(1234, "qemu-system-x86\n");
        put("proc/not-a-process/fd/7", "");

        kernel = (Kernel) { .ops = &kernel_ops, .sysfs_fd = root_fd };
        kernel.dev_fd = openat(root_fd, "nodes", O_PATH | O_DIRECTORY | O_CLOEXEC);
        kernel.proc_fd = openat(root_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(kernel.dev_fd, 0);
        ck_assert_int_ge(kernel.proc_fd, 0);
        memset(&holders, 0x5a, sizeof(holders));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void tear_down(void) {
        safe_close(kernel.dev_fd);
        safe_close(kernel.proc_fd);
        safe_close(root_fd);
        ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void look(void) {
        ck_assert_int_eq(kernel_ops.check_holders(&kernel, GROUP, &holders), 0);
}

static void assert_nobody(void) {
        look();
        ck_assert_uint_eq(holders.n_items, 0);
        ck_assert_uint_eq(holders.n_more, 0);
}

static void assert_one(HolderKind kind, uint32_t pid, uint32_t fd, unsigned function) {
        look();
        ck_assert_uint_eq(holders.n_items, 1);
        ck_assert_uint_eq(holders.items[0].kind, kind);
        ck_assert_uint_eq(holders.items[0].pid, pid);
        ck_assert_uint_eq(holders.items[0].fd, fd);
        ck_assert_uint_eq(holders.items[0].bus, kind == HOLDS_DEVICE ? 2 : 0);
        ck_assert_uint_eq(holders.items[0].function, function);
}

START_TEST(a_group_that_nobody_has_open_has_no_holders) {
        assert_nobody();
        ck_assert_uint_eq(holders.n_hidden, 0);
}
END_TEST

START_TEST(who_has_the_groups_node_open_is_named) {
        put_fd(1234, 22, in_root("nodes/vfio/14"), OPEN);
        assert_one(HOLDS_GROUP, 1234, 22, 0);
        ck_assert_str_eq(holders.items[0].comm, "qemu-system-x86");
}
END_TEST

START_TEST(who_has_a_devices_node_open_is_named_with_the_device) {
        put_link("nodes/vfio/devices/vfio1", "/dev/full");
        put_fd(1234, 9, in_root("nodes/vfio/devices/vfio1"), OPEN);
        assert_one(HOLDS_DEVICE, 1234, 9, 1);
}
END_TEST

START_TEST(a_node_is_told_by_its_number_whatever_its_path) {
        put_link("container/my-vfio-device", NIC_NODE);
        put_fd(1234, 9, in_root("container/my-vfio-device"), OPEN);
        assert_one(HOLDS_DEVICE, 1234, 9, 0);
}
END_TEST

START_TEST(another_group_and_its_devices_are_none_of_this_ones) {
        put_fd(1234, 9, in_root("nodes/vfio/15"), OPEN);
        put_fd(1234, 10, in_root("nodes/vfio/devices/vfio7"), OPEN);
        put("dev/char/" OTHER_NUMBER, "");
        assert_nobody();
}
END_TEST

START_TEST(a_file_that_only_has_the_name_of_a_node_holds_nothing) {
        put("fake/vfio/14", "");
        put("fake/vfio/devices/vfio0", "");
        put_fd(1234, 9, in_root("fake/vfio/14"), OPEN);
        put_fd(1234, 10, in_root("fake/vfio/devices/vfio0"), OPEN);
        put_fd(1234, 11, "/nowhere/vfio/14", OPEN);
        put_fd(1234, 12, "socket:[vfio]", OPEN);
        assert_nobody();
}
END_TEST

START_TEST(an_fd_that_is_only_a_path_holds_nothing) {
        put_fd(1234, 9, in_root("nodes/vfio/14"), PATH_ONLY);
        put_fd(1234, 10, in_root("nodes/vfio/devices/vfio0"), PATH_ONLY);
        assert_nobody();
}
END_TEST

START_TEST(a_process_is_named_once_for_each_device) {
        put_fd(1234, 9, in_root("nodes/vfio/devices/vfio0"), OPEN);
        put_fd(1234, 10, in_root("nodes/vfio/devices/vfio0"), OPEN);
        put_link("nodes/vfio/devices/vfio1", "/dev/full");
        put_fd(1234, 11, in_root("nodes/vfio/devices/vfio1"), OPEN);
        look();
        ck_assert_uint_eq(holders.n_items, 2);
        ck_assert_uint_eq(holders.items[0].function + holders.items[1].function, 1);
}
END_TEST

/* What a host driver made of a device: a disk as 1:5 would be if it were a block device, and a display. /dev/zero and /dev/full stand for them. */
START_TEST(a_node_that_a_host_driver_made_is_held) {
        put("bus/pci/devices/" NIC "/drm/card0/dev", "1:5\n");
        put_link("bus/pci/devices/" NIC "/drm/card0/subsystem", "../../../../class/drm");
        put_fd(1234, 22, "/dev/zero", OPEN);
        put_fd(1234, 23, "/dev/zero", PATH_ONLY);
        put_process(77, "other\n");
        put_fd(77, 3, "/dev/null", OPEN);
        look();
        ck_assert_uint_eq(holders.n_items, 1);
        ck_assert_uint_eq(holders.items[0].kind, HOLDS_NODE);
        ck_assert_uint_eq(holders.items[0].pid, 1234);
        ck_assert_str_eq(holders.items[0].node, "zero");
}
END_TEST

static void let_udev_look_at_a_display(void) {
        put("bus/pci/devices/" NIC "/drm/card0/dev", "1:5\n");
        put_link("bus/pci/devices/" NIC "/drm/card0/subsystem", "../../../../class/drm");
        put_process(77, "(udev-worker)\n");
        put_fd(77, 3, "/dev/zero", OPEN);
}

START_TEST(udev_that_looks_at_a_new_node_is_waited_for) {
        const struct timespec moment = { .tv_nsec = 120 * 1000 * 1000 };
        pid_t udev;

        let_udev_look_at_a_display();
        udev = fork();
        ck_assert_int_ge(udev, 0);
        if (udev == 0) {
                (void) nanosleep(&moment, NULL);
                _exit(unlinkat(root_fd, "proc/77/fd/3", 0) < 0);
        }
        assert_nobody();
        ck_assert_int_eq(waitpid(udev, NULL, 0), udev);
}
END_TEST

START_TEST(udev_that_does_not_let_go_is_named_and_so_is_who_holds_it_beside_udev) {
        let_udev_look_at_a_display();
        look();
        ck_assert_uint_eq(holders.n_items, 1);
        ck_assert_str_eq(holders.items[0].comm, "(udev-worker)");
        put_fd(1234, 22, "/dev/zero", OPEN);
        look();
        ck_assert_uint_eq(holders.n_items, 2);
}
END_TEST

START_TEST(a_block_device_is_not_the_character_device_of_its_number) {
        put("bus/pci/devices/" NIC "/nvme/nvme0/nvme0n1/dev", "1:5\n");
        put_link("bus/pci/devices/" NIC "/nvme/nvme0/nvme0n1/subsystem", "../../../../../class/block");
        put_fd(1234, 22, "/dev/zero", OPEN);
        assert_nobody();
}
END_TEST

START_TEST(the_nodes_of_a_multipath_disk_are_those_of_its_head) {
        put_link("bus/pci/devices/" NIC "/nvme/nvme0/nvme0c0n1/subsystem", "../../../../../class/block");
        put("class/block/nvme0n1/dev", "1:5\n");
        put("class/block/nvme0n1/nvme0n1p1/dev", "1:7\n");
        put_link("class/block/nvme0n1/nvme0n1p1/subsystem", "../../drm"); /* so that a character device stands for it */
        put_fd(1234, 22, "/dev/full", OPEN);
        look();
        ck_assert_uint_eq(holders.n_items, 1);
        ck_assert_uint_eq(holders.items[0].kind, HOLDS_NODE);
        ck_assert_str_eq(holders.items[0].node, "full");
}
END_TEST

START_TEST(several_holders_are_all_named) {
        put_process(77, "vhost\n");
        put_fd(77, 3, in_root("nodes/vfio/14"), OPEN);
        put_fd(1234, 22, in_root("nodes/vfio/14"), OPEN);
        look();
        ck_assert_uint_eq(holders.n_items, 2);
        ck_assert_uint_eq(holders.items[0].pid + holders.items[1].pid, 1234 + 77);
}
END_TEST

START_TEST(more_holders_than_fit_are_counted) {
        for (unsigned i = 0; i < WORKER_HOLDERS_MAX + 5; i++) {
                put_process(2000 + i, "many\n");
                put_fd(2000 + i, 3, in_root("nodes/vfio/14"), OPEN);
        }
        look();
        ck_assert_uint_eq(holders.n_items, WORKER_HOLDERS_MAX);
        ck_assert_uint_eq(holders.n_more, 5);
}
END_TEST

START_TEST(what_a_process_calls_itself_is_escaped) {
        put("proc/1234/comm", "\x1b[2J\\evil\xff\n");
        put_fd(1234, 22, in_root("nodes/vfio/14"), OPEN);
        look();
        ck_assert_str_eq(holders.items[0].comm, "\\x1b[2J\\x5cevil\\xff");
}
END_TEST

START_TEST(a_process_without_a_name_has_a_printable_one) {
        put("proc/1234/comm", "\n");
        put_fd(1234, 22, in_root("nodes/vfio/14"), OPEN);
        look();
        ck_assert_str_eq(holders.items[0].comm, "?");
}
END_TEST

START_TEST(newer_kernels_name_the_device_of_an_anonymous_fd) {
        put_fd(1234, 22, ANONYMOUS, OPEN "vfio-device-syspath: /sys/devices/pci0000:00/0000:00:03.0/" MATE "\n");
        assert_one(HOLDS_DEVICE, 1234, 22, 1);
}
END_TEST

START_TEST(and_tell_when_it_is_another_groups) {
        put("bus/pci/devices/" NIC "/enable", "1\n");
        put_fd(1234, 22, ANONYMOUS, OPEN "vfio-device-syspath: /sys/devices/pci0000:00/" NIC "/0000:09:00.0\n");
        put_fd(1234, 23, ANONYMOUS, OPEN "vfio-device-syspath: /sys/devices/pci0000:00/" NIC "1\n");
        assert_nobody();
}
END_TEST

START_TEST(an_anonymous_fd_is_perhaps_of_this_group_while_a_device_of_it_is_open) {
        put_fd(1234, 22, ANONYMOUS, OPEN);
        assert_nobody();
        put("bus/pci/devices/" MATE "/enable", "1\n");
        assert_one(HOLDS_PERHAPS, 1234, 22, 0);
}
END_TEST

START_TEST(an_anonymous_fd_beside_a_group_is_of_that_group) {
        put("bus/pci/devices/" MATE "/enable", "1\n");
        put_fd(1234, 21, in_root("nodes/vfio/15"), OPEN);
        put_fd(1234, 22, ANONYMOUS, OPEN);
        assert_nobody();
        put_fd(1234, 23, in_root("nodes/vfio/14"), OPEN);
        assert_one(HOLDS_GROUP, 1234, 23, 0);
}
END_TEST

START_TEST(a_node_that_vanished_is_perhaps_of_the_device_that_leaves_its_driver) {
        put_fd(1234, 22, in_root("nodes/vfio/devices/vfio7"), OPEN);
        assert_nobody();
        ck_assert_int_eq(unlinkat(root_fd, "bus/pci/devices/" MATE "/driver", AT_REMOVEDIR), 0);
        assert_one(HOLDS_PERHAPS, 1234, 22, 0);
        put("dev/char/" OTHER_NUMBER, ""); /* it has not vanished: it is another device's */
        assert_nobody();
}
END_TEST

START_TEST(newer_kernels_name_the_device_of_a_vanished_node) {
        put_fd(1234, 22, in_root("nodes/vfio/devices/vfio7"), OPEN "vfio-device-syspath: /sys/devices/pci0000:00/" MATE "\n");
        assert_one(HOLDS_DEVICE, 1234, 22, 1);
}
END_TEST

START_TEST(a_process_that_ends_meanwhile_is_passed_over) {
        make_directories("proc/555/x");
        put_link("proc/1234/fd/40", in_root("nodes/vfio/14")); /* closed before its fdinfo was read */
        assert_one(HOLDS_GROUP, 1234, 40, 0);
        ck_assert_uint_eq(holders.n_hidden, 0);
}
END_TEST

START_TEST(where_processes_are_hidden_it_is_said) {
        ck_assert_int_eq(renameat(root_fd, "proc/1", root_fd, "proc/x"), 0);
        assert_nobody();
        ck_assert_uint_eq(holders.n_hidden, 1);
}
END_TEST

START_TEST(a_group_that_does_not_exist_is_held_by_nobody) {
        put_fd(1234, 22, in_root("nodes/vfio/14"), OPEN);
        ck_assert_int_eq(kernel_ops.check_holders(&kernel, 99, &holders), 0);
        ck_assert_uint_eq(holders.n_items, 0);
}
END_TEST

/* Real processes. */

typedef struct Child {
        pid_t pid;
        int ready_fd, end_fd; /* it ends when the second is closed */
} Child;

static void child_done(Child *child) {
        safe_close(child->ready_fd);
        safe_close(child->end_fd);
        if (child->pid > 0)
                ck_assert_int_eq(waitpid(child->pid, NULL, 0), child->pid);
}

/* A process of that name which inherits what is open here. */
static Child child_new(const char *name) {
        Child child = {};
        int ready[2], end[2];
        char c;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(end, O_CLOEXEC), 0);
        child.pid = fork();
        ck_assert_int_ge(child.pid, 0);
        if (child.pid == 0) {
                (void) prctl(PR_SET_NAME, name);
                (void) close(end[1]);
                (void) !write(ready[1], "x", 1);
                (void) !read(end[0], &c, 1);
                _exit(0);
        }
        safe_close(ready[1]);
        safe_close(end[0]);
        child.ready_fd = ready[0];
        child.end_fd = end[1];
        ck_assert_int_eq(read(child.ready_fd, &c, 1), 1);
        return child;
}

/* The real /proc, and a node of our own with the number that sysfs tells of. False: nodes cannot be made here. */
static bool use_real_processes(void) {
        safe_close(kernel.proc_fd);
        kernel.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(kernel.proc_fd, 0);
        ck_assert_int_eq(unlinkat(root_fd, "nodes/vfio/14", 0), 0);
        if (mknodat(root_fd, "nodes/vfio/14", S_IFCHR | 0600, makedev(1, 3)) < 0) {
                printf("device nodes cannot be made here (%s), nothing is shown\n", strerror(errno));
                return false;
        }
        return true;
}

/* Holders that this test did not start (of /dev/null, by a path with "vfio" in it) there are none. */
static const WorkerHolder *find(pid_t pid) {
        for (size_t i = 0; i < holders.n_items; i++)
                if (holders.items[i].pid == (uint32_t) pid)
                        return &holders.items[i];
        return NULL;
}

static WorkerHolder found(pid_t pid) {
        const WorkerHolder *holder = find(pid);

        if (!holder)
                ck_abort_msg("process %d was not found", (int) pid);
        return holder ? *holder : (WorkerHolder) {};
}

START_TEST(a_real_process_that_has_the_node_open_is_found_until_it_ends) {
        _cleanup_close_ int fd = -EBADF;

        if (!use_real_processes())
                return;
        fd = openat(root_fd, "nodes/vfio/14", O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        {
                _cleanup_(child_done) Child child = child_new("holds\nit");

                fd = safe_close(fd);
                look();
                ck_assert_ptr_null(find(getpid()));
                ck_assert_uint_eq(found(child.pid).kind, HOLDS_GROUP);
                ck_assert_str_eq(found(child.pid).comm, "holds\\x0ait");
        }
        assert_nobody();
}
END_TEST

START_TEST(a_copy_of_the_fd_in_a_second_process_is_found_after_the_first_closed_it) {
        _cleanup_close_ int fd = -EBADF, copy = -EBADF;

        if (!use_real_processes())
                return;
        fd = openat(root_fd, "nodes/vfio/14", O_RDWR | O_CLOEXEC);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        ck_assert_int_ge(copy, 100);
        fd = safe_close(fd);
        {
                _cleanup_(child_done) Child second = child_new("second");
                uint32_t number = (uint32_t) copy;

                copy = safe_close(copy);
                look();
                ck_assert_str_eq(found(second.pid).comm, "second");
                ck_assert_uint_eq(found(second.pid).fd, number);
        }
        assert_nobody();
}
END_TEST

START_TEST(a_worker_that_has_not_ended_yet_is_no_holder) {
        _cleanup_close_ int fd = -EBADF;

        if (!use_real_processes())
                return;
        fd = openat(root_fd, "nodes/vfio/14", O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        {
                char name[WORKER_NAME_MAX];
                _cleanup_(child_done) Child worker = {};

                ck_assert_int_ge(attribute_read_at(kernel.proc_fd, "self/comm", name, sizeof(name)), 0);
                worker = child_new(name); /* the same program under the same name */
                fd = safe_close(fd);
                assert_nobody();
        }
}
END_TEST

START_TEST(a_real_fd_that_is_only_a_path_holds_nothing) {
        _cleanup_close_ int fd = -EBADF;

        if (!use_real_processes())
                return;
        fd = openat(root_fd, "nodes/vfio/14", O_PATH | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        assert_nobody();
}
END_TEST

START_TEST(processes_of_others_that_cannot_be_looked_into_are_counted) {
        pid_t pid;
        int status;

        if (!use_real_processes())
                return;
        ck_assert_int_eq(chmod(root, 0755), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                        _exit(2);
                if (kernel_ops.check_holders(&kernel, GROUP, &holders) < 0)
                        _exit(3);
                _exit(holders.n_hidden > 0 ? 0 : 4);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        if (WEXITSTATUS(status) == 2)
                printf("not root, nothing is shown\n");
        else
                ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("holders");
        TCase *made_up = tcase_create("made-up"), *real = tcase_create("real");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(made_up, set_up, tear_down);
        tcase_add_test(made_up, a_group_that_nobody_has_open_has_no_holders);
        tcase_add_test(made_up, who_has_the_groups_node_open_is_named);
        tcase_add_test(made_up, who_has_a_devices_node_open_is_named_with_the_device);
        tcase_add_test(made_up, a_node_is_told_by_its_number_whatever_its_path);
        tcase_add_test(made_up, another_group_and_its_devices_are_none_of_this_ones);
        tcase_add_test(made_up, a_file_that_only_has_the_name_of_a_node_holds_nothing);
        tcase_add_test(made_up, an_fd_that_is_only_a_path_holds_nothing);
        tcase_add_test(made_up, a_process_is_named_once_for_each_device);
        tcase_add_test(made_up, several_holders_are_all_named);
        tcase_add_test(made_up, a_node_that_a_host_driver_made_is_held);
        tcase_add_test(made_up, udev_that_looks_at_a_new_node_is_waited_for);
        tcase_add_test(made_up, udev_that_does_not_let_go_is_named_and_so_is_who_holds_it_beside_udev);
        tcase_add_test(made_up, the_nodes_of_a_multipath_disk_are_those_of_its_head);
        tcase_add_test(made_up, a_block_device_is_not_the_character_device_of_its_number);
        tcase_add_test(made_up, more_holders_than_fit_are_counted);
        tcase_add_test(made_up, what_a_process_calls_itself_is_escaped);
        tcase_add_test(made_up, a_process_without_a_name_has_a_printable_one);
        tcase_add_test(made_up, newer_kernels_name_the_device_of_an_anonymous_fd);
        tcase_add_test(made_up, and_tell_when_it_is_another_groups);
        tcase_add_test(made_up, an_anonymous_fd_is_perhaps_of_this_group_while_a_device_of_it_is_open);
        tcase_add_test(made_up, an_anonymous_fd_beside_a_group_is_of_that_group);
        tcase_add_test(made_up, a_node_that_vanished_is_perhaps_of_the_device_that_leaves_its_driver);
        tcase_add_test(made_up, newer_kernels_name_the_device_of_a_vanished_node);
        tcase_add_test(made_up, a_process_that_ends_meanwhile_is_passed_over);
        tcase_add_test(made_up, where_processes_are_hidden_it_is_said);
        tcase_add_test(made_up, a_group_that_does_not_exist_is_held_by_nobody);
        suite_add_tcase(suite, made_up);

        tcase_add_checked_fixture(real, set_up, tear_down);
        tcase_add_test(real, a_real_process_that_has_the_node_open_is_found_until_it_ends);
        tcase_add_test(real, a_copy_of_the_fd_in_a_second_process_is_found_after_the_first_closed_it);
        tcase_add_test(real, a_worker_that_has_not_ended_yet_is_no_holder);
        tcase_add_test(real, a_real_fd_that_is_only_a_path_holds_nothing);
        tcase_add_test(real, processes_of_others_that_cannot_be_looked_into_are_counted);
        suite_add_tcase(suite, real);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
