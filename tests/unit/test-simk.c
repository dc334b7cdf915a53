/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The simulated kernel keeps to what the real one does, so that what is shown on it is worth something. This binary is also
 * the worker that acts on it. */

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/uevent.h"
#include "host/worker.h"
#include "tests/simk/simk.h"
#include "tests/tree/treegen.h"

#define NIC_GROUP 14U

/* Of the lab's tree: both functions of one group, a bridge, an NVMe PF with VFs, one of these, a port and the NIC in its group. */
static const PciAddress nic = { .bus = 2 }, mate = { .bus = 2, .function = 1 }, bridge = { .bus = 3 }, pf = { .bus = 5 }, vf = { .bus = 5, .function = 1 },
                        beside_port = { .bus = 6 }, gone = { .bus = 0x77 };

static TreeGen *tree;
static int root;
static Kernel kernel;
static char found[WORKER_NAME_MAX];

static void set_up_with(bool iommufd) {
        ck_assert_int_eq(treegen_new(&tree), 0);
        root = tree->fd;
        ck_assert_int_ge(treegen_make_lab(root), 0);
        ck_assert_int_ge(simk_prepare(root, iommufd), 0);
        kernel = (Kernel){ .ops = &simk_ops, .sysfs_fd = root, .dev_fd = simk_open_dev(root) };
        ck_assert_int_ge(kernel.dev_fd, 0);
}

static void set_up(void) {
        set_up_with(true);
}

static void set_up_stock(void) {
        set_up_with(false);
}

static void tear_down(void) {
        safe_close(kernel.dev_fd);
        tree = treegen_free(tree);
}

static void assert_driver(const PciAddress *address, const char *expected) {
        _cleanup_free_ char *driver = NULL;
        char path[64];
        int r;

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", PCI_ADDRESS_FORMAT(address));
        r = link_basename_at(root, path, &driver);
        if (expected) {
                ck_assert_int_eq(r, 0);
                ck_assert_str_eq(driver, expected);
        } else
                ck_assert_int_eq(r, -ENOENT);
}

static bool has(const char *path) {
        int r = exists_at(root, path);

        ck_assert_int_ge(r, 0);
        return r > 0;
}

static void take(const PciAddress *address) {
        _cleanup_free_ char *driver = NULL;
        char path[64];

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", PCI_ADDRESS_FORMAT(address));
        ck_assert_int_eq(simk_set_override(root, address, "vfio-pci"), 0);
        if (link_basename_at(root, path, &driver) == 0)
                ck_assert_int_eq(simk_unbind(root, address, driver), 0);
        ck_assert_int_eq(simk_bind(root, address, "vfio-pci"), 0);
}

static void take_both(void) {
        take(&nic);
        take(&mate);
}

/* Drivers. */

START_TEST(a_driver_takes_the_ids_it_knows_and_no_others) {
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), 0);
        assert_driver(&nic, NULL);
        ck_assert_int_eq(simk_bind(root, &nic, "e1000"), -ENODEV);
        ck_assert_int_eq(simk_bind(root, &nic, "vfio-pci"), -ENODEV);
        ck_assert_int_eq(simk_bind(root, &nic, "e1000e"), 0);
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(an_override_matches_its_driver_only_whatever_the_ids) {
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), 0);
        ck_assert_int_eq(simk_set_override(root, &nic, "nvme"), 0);
        ck_assert_int_eq(simk_bind(root, &nic, "e1000e"), -ENODEV);
        ck_assert_int_eq(simk_bind(root, &nic, "nvme"), 0);
        assert_driver(&nic, "nvme");
}
END_TEST

START_TEST(a_dynamic_id_matches_without_override) {
        ck_assert_int_eq(simk_add_driver_id(root, "vfio-pci", 0x8086, 0x10d3), 0);
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), 0);
        ck_assert_int_eq(simk_bind(root, &nic, "vfio-pci"), 0);
}
END_TEST

START_TEST(drivers_are_left_and_taken_with_the_kernels_errnos) {
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000"), -ENODEV);
        ck_assert_int_eq(simk_unbind(root, &nic, "ghost"), -ENOENT);
        ck_assert_int_eq(simk_unbind(root, &gone, "e1000e"), -ENODEV);
        ck_assert_int_eq(simk_bind(root, &nic, "e1000e"), -EBUSY);
        ck_assert_int_eq(simk_bind(root, &nic, "ghost"), -ENOENT);
        ck_assert_int_eq(simk_bind(root, &gone, "e1000e"), -ENODEV);
        ck_assert_int_eq(simk_set_override(root, &gone, "e1000e"), -ENOENT);
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(a_driver_that_suppresses_bind_attributes_cannot_be_left) {
        ck_assert_int_eq(unlinkat(root, "bus/pci/drivers/e1000e/unbind", 0), 0);
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), -ENOENT);
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(drivers_probe_finds_the_driver_and_keeps_its_failures_to_itself) {
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), 0);
        ck_assert_int_eq(simk_probe(root, &nic), 0);
        assert_driver(&nic, "e1000e");
        ck_assert_int_eq(simk_probe(root, &nic), 0);

        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), 0);
        ck_assert_int_eq(simk_set_override(root, &nic, "none"), 0);
        ck_assert_int_eq(simk_probe(root, &nic), 0);
        assert_driver(&nic, NULL);
        ck_assert_int_eq(simk_probe(root, &gone), -ENODEV);
}
END_TEST

START_TEST(a_vf_of_a_pf_without_autoprobe_needs_an_override) {
        ck_assert_int_eq(simk_add_driver_id(root, "nvme", 0x1b36, 0x0010), 0);
        ck_assert_int_ge(treegen_set_attribute(root, "0000:05:00.0", "sriov_drivers_autoprobe", "0\n"), 0);
        ck_assert_int_eq(simk_bind(root, &vf, "nvme"), -ENODEV);
        assert_driver(&vf, NULL);
        ck_assert_int_eq(simk_set_override(root, &vf, "nvme"), 0);
        ck_assert_int_eq(simk_bind(root, &vf, "nvme"), 0);
}
END_TEST

/* VFIO. */

START_TEST(a_vfio_driver_makes_the_nodes_and_takes_them_away) {
        take(&nic);
        ck_assert(has("bus/pci/devices/0000:02:00.0/vfio-dev/vfio0/dev"));
        ck_assert(has("dev/vfio/devices/vfio0"));
        ck_assert(has("dev/vfio/14"));

        take(&mate);
        ck_assert(has("dev/vfio/devices/vfio1"));
        ck_assert_int_eq(simk_unbind(root, &nic, "vfio-pci"), 0);
        ck_assert(!has("bus/pci/devices/0000:02:00.0/vfio-dev"));
        ck_assert(!has("dev/vfio/devices/vfio0"));
        ck_assert(has("dev/vfio/14"));
        ck_assert_int_eq(simk_unbind(root, &mate, "vfio-pci"), 0);
        ck_assert(!has("dev/vfio/14"));

        ck_assert_int_eq(simk_bind(root, &nic, "vfio-pci"), 0);
        ck_assert(has("dev/vfio/devices/vfio2"));
}
END_TEST

START_TEST(a_kernel_without_iommufd_has_no_cdevs) {
        take(&nic);
        ck_assert(has("bus/pci/devices/0000:02:00.0/vfio-dev/vfio0"));
        ck_assert(!has("bus/pci/devices/0000:02:00.0/vfio-dev/vfio0/dev"));
        ck_assert(!has("dev/vfio/devices/vfio0"));
        ck_assert_int_eq(simk_ops.open_cdev(&kernel, &nic), -ENOENT);
        ck_assert_int_eq(simk_ops.open_iommufd(&kernel), -ENOENT);
}
END_TEST

START_TEST(bridges_and_pfs_with_vfs_are_no_vfio_devices) {
        ck_assert_int_eq(simk_set_override(root, &bridge, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(root, &bridge, "vfio-pci"), -EINVAL);
        assert_driver(&bridge, NULL);

        ck_assert_int_eq(simk_unbind(root, &pf, "nvme"), 0);
        ck_assert_int_eq(simk_set_override(root, &pf, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(root, &pf, "vfio-pci"), -EBUSY);
        assert_driver(&pf, NULL);
}
END_TEST

START_TEST(while_a_group_is_owned_host_drivers_are_kept_off) {
        int claim;

        ck_assert_int_eq(simk_claim(root, NIC_GROUP), -ENOENT);
        take(&nic);
        ck_assert_int_eq(simk_claim(root, NIC_GROUP), -EPERM);
        ck_assert_int_eq(simk_set_override(root, &mate, "e1000e"), 0);
        ck_assert_int_eq(simk_unbind(root, &mate, "e1000e"), 0);

        claim = simk_claim(root, NIC_GROUP);
        ck_assert_int_ge(claim, 0);
        ck_assert_int_eq(simk_claim(root, NIC_GROUP), -EBUSY);
        ck_assert_int_eq(simk_bind(root, &mate, "e1000e"), -EBUSY);
        assert_driver(&mate, NULL);
        ck_assert_int_eq(simk_add_driver(root, "pci-stub", SIMK_DRIVER_EXEMPT), 0);
        ck_assert_int_eq(simk_set_override(root, &mate, "pci-stub"), 0);
        ck_assert_int_eq(simk_bind(root, &mate, "pci-stub"), 0);
        ck_assert_int_eq(simk_unbind(root, &mate, "pci-stub"), 0);

        safe_close(claim);
        ck_assert_int_eq(simk_set_override(root, &mate, "e1000e"), 0);
        ck_assert_int_eq(simk_bind(root, &mate, "e1000e"), 0);
}
END_TEST

START_TEST(a_port_on_its_driver_does_not_keep_a_group_from_an_owner) {
        _cleanup_close_ int claim = -EBADF;

        take(&beside_port);
        claim = simk_claim(root, 8);
        ck_assert_int_ge(claim, 0);
}
END_TEST

START_TEST(a_group_is_opened_once_and_its_devices_hold_it) {
        int container, group, device;

        take_both();
        container = simk_ops.open_container(&kernel);
        ck_assert_int_ge(container, 0);
        ck_assert_int_eq(simk_ops.open_group(&kernel, NIC_GROUP, root, true), -EBADFD);
        ck_assert_int_eq(simk_ops.open_group(&kernel, 99, container, true), -ENOENT);
        group = simk_ops.open_group(&kernel, NIC_GROUP, container, true);
        ck_assert_int_ge(group, 0);
        ck_assert_int_eq(simk_ops.open_group(&kernel, NIC_GROUP, container, true), -EBUSY);

        ck_assert_int_eq(simk_ops.open_device(&kernel, group, &beside_port), -ENODEV);
        ck_assert_int_eq(simk_ops.open_device(&kernel, container, &nic), -ENODEV);
        device = simk_ops.open_device(&kernel, group, &nic);
        ck_assert_int_ge(device, 0);

        safe_close(container);
        safe_close(group);
        ck_assert_int_eq(simk_claim(root, NIC_GROUP), -EBUSY);
        safe_close(device);
        group = simk_claim(root, NIC_GROUP);
        ck_assert_int_ge(group, 0);
        safe_close(group);
}
END_TEST

/* One call in a thread of its own. */
typedef struct Call {
        pthread_t thread;
        int (*function)(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]);
        const PciAddress *address;
        const char *driver;
        char found[WORKER_NAME_MAX];
        int result;
} Call;

static void *run_call(void *userdata) {
        Call *call = userdata;

        call->result = call->function(&kernel, call->address, call->driver, call->found);
        return NULL;
}

static void start_unbind(Call *call, const PciAddress *address, const char *driver) {
        *call = (Call){ .function = simk_ops.unbind, .address = address, .driver = driver, .result = -EINPROGRESS };
        ck_assert_int_eq(pthread_create(&call->thread, NULL, run_call, call), 0);
}

static int end_call(Call *call) {
        ck_assert_int_eq(pthread_join(call->thread, NULL), 0);
        return call->result;
}

static bool trace_has(const char *line) {
        _cleanup_free_ char *trace = NULL;

        ck_assert_int_eq(simk_read_trace(root, &trace), 0);
        return strstr(trace, line);
}

/* remove() has begun: what can be seen of it is there. */
static void await_no_vfio_dev(void) {
        while (has("bus/pci/devices/0000:02:00.0/vfio-dev"))
                ck_assert_int_eq(sched_yield(), 0);
}

static void assert_unbind_waits_for(int fd) {
        Call call;

        start_unbind(&call, &nic, "vfio-pci");
        ck_assert_int_eq(simk_await(root, "begin unbind 0000:02:00.0 vfio-pci\n"), 0);
        await_no_vfio_dev();
        assert_driver(&nic, NULL);
        ck_assert(!trace_has("end unbind"));
        ck_assert_int_eq(simk_ops.open_cdev(&kernel, &nic), -ENOENT);
        ck_assert_int_eq(simk_hold(root, &nic), -ENODEV);

        safe_close(fd);
        ck_assert_int_eq(end_call(&call), 0);
        ck_assert(trace_has("end unbind 0000:02:00.0 vfio-pci 0\n"));
}

START_TEST(unbind_from_vfio_waits_for_a_holder) {
        ck_assert_int_eq(simk_hold(root, &nic), -ENODEV);
        take_both();
        assert_unbind_waits_for(simk_hold(root, &nic));
        ck_assert(has("dev/vfio/14"));
}
END_TEST

START_TEST(unbind_from_vfio_waits_for_the_last_copy_of_a_cdev) {
        int fd, copy;

        take_both();
        fd = simk_ops.open_cdev(&kernel, &nic);
        ck_assert_int_ge(fd, 0);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_ge(copy, 0);
        safe_close(fd);
        assert_unbind_waits_for(copy);
}
END_TEST

START_TEST(unbind_from_vfio_waits_for_a_device_of_a_group) {
        _cleanup_close_ int container = -EBADF, group = -EBADF;
        int device;

        take_both();
        container = simk_ops.open_container(&kernel);
        group = simk_ops.open_group(&kernel, NIC_GROUP, container, true);
        device = simk_ops.open_device(&kernel, group, &nic);
        ck_assert_int_ge(device, 0);
        assert_unbind_waits_for(device);
}
END_TEST

/* What a test orders. */

START_TEST(the_nth_call_of_a_kind_fails_and_does_nothing) {
        ck_assert_int_eq(simk_fail(root, SIMK_UNBIND, NULL, 2, EIO), 0);
        ck_assert_int_eq(simk_ops.set_override(&kernel, &nic, "vfio-pci", found), 0);
        ck_assert_int_eq(simk_ops.unbind(&kernel, &nic, "e1000e", found), 0);
        ck_assert_int_eq(simk_ops.unbind(&kernel, &mate, "e1000e", found), -EIO);
        assert_driver(&mate, "e1000e");
        ck_assert_int_eq(simk_ops.unbind(&kernel, &mate, "e1000e", found), 0);
}
END_TEST

START_TEST(a_fault_for_one_device_leaves_the_others_alone) {
        ck_assert_int_eq(simk_fail(root, SIMK_ANY, &mate, 1, EPERM), 0);
        ck_assert_int_eq(simk_ops.unbind(&kernel, &nic, "e1000e", found), 0);
        ck_assert_int_eq(simk_ops.set_override(&kernel, &mate, "vfio-pci", found), -EPERM);
        ck_assert_int_eq(simk_ops.set_override(&kernel, &mate, "vfio-pci", found), 0);
        ck_assert_str_eq(found, "vfio-pci");
        ck_assert_int_eq(simk_ops.set_override(&kernel, &mate, NULL, found), 0);
        ck_assert_str_eq(found, "");
        ck_assert_int_eq(simk_fail(root, SIMK_ANY, &mate, 0, EPERM), -EINVAL);
}
END_TEST

START_TEST(a_hang_in_remove_holds_the_devices_lock_until_it_is_let_go) {
        int hang = simk_hang(root, SIMK_UNBIND, &nic, 1);
        Call first, second;

        ck_assert_int_ge(hang, 0);
        start_unbind(&first, &nic, "e1000e");
        ck_assert_int_eq(simk_await(root, "begin unbind"), 0);
        while (has("bus/pci/devices/0000:02:00.0/driver"))
                ck_assert_int_eq(sched_yield(), 0);

        second = (Call){ .function = simk_ops.bind, .address = &nic, .driver = "e1000e" };
        ck_assert_int_eq(pthread_create(&second.thread, NULL, run_call, &second), 0);
        ck_assert_int_eq(simk_await(root, "begin bind 0000:02:00.0 e1000e"), 0);
        ck_assert_int_eq(simk_ops.unbind(&kernel, &mate, "e1000e", found), 0);
        ck_assert(!trace_has("end bind"));

        safe_close(hang);
        ck_assert_int_eq(end_call(&first), 0);
        ck_assert_int_eq(end_call(&second), 0);
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(a_hang_in_probe_shows_the_driver_that_is_not_bound_yet) {
        Call call = { .function = simk_ops.bind, .address = &nic, .driver = "vfio-pci" };
        int hang = simk_hang(root, SIMK_BIND, NULL, 1);

        ck_assert_int_eq(simk_set_override(root, &nic, "vfio-pci"), 0);
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), 0);
        ck_assert_int_eq(pthread_create(&call.thread, NULL, run_call, &call), 0);
        while (!has("bus/pci/devices/0000:02:00.0/driver"))
                ck_assert_int_eq(sched_yield(), 0);
        ck_assert(!has("bus/pci/devices/0000:02:00.0/vfio-dev"));

        safe_close(hang);
        ck_assert_int_eq(end_call(&call), 0);
        ck_assert_str_eq(call.found, "vfio-pci");
        ck_assert(has("bus/pci/devices/0000:02:00.0/vfio-dev/vfio0"));
}
END_TEST

static void assert_unbind_crashes(void) {
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) simk_ops.unbind(&kernel, &nic, "e1000e", found);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_ne(WEXITSTATUS(status), 0);
}

START_TEST(a_crash_comes_before_anything_is_done_or_after_all_is) {
        ck_assert_int_eq(simk_crash(root, SIMK_UNBIND, &nic, 1, false), 0);
        assert_unbind_crashes();
        assert_driver(&nic, "e1000e");

        ck_assert_int_eq(simk_crash(root, SIMK_UNBIND, &nic, 1, true), 0);
        assert_unbind_crashes();
        assert_driver(&nic, NULL);
        ck_assert(trace_has("end unbind 0000:02:00.0 e1000e 0\n"));
}
END_TEST

START_TEST(the_trace_tells_calls_in_their_order) {
        _cleanup_free_ char *trace = NULL;

        ck_assert_int_eq(simk_ops.set_override(&kernel, &nic, "vfio-pci", found), 0);
        ck_assert_int_eq(simk_ops.unbind(&kernel, &nic, "e1000", found), -ENODEV);
        safe_close(simk_ops.open_container(&kernel));
        ck_assert_int_eq(simk_read_trace(root, &trace), 0);
        ck_assert_str_eq(trace, "begin set-override 0000:02:00.0 vfio-pci\n"
                                "end set-override 0000:02:00.0 vfio-pci 0\n"
                                "begin unbind 0000:02:00.0 e1000\n"
                                "end unbind 0000:02:00.0 e1000 -19\n"
                                "begin open-container - -\n"
                                "end open-container - - 0\n");
}
END_TEST

/* What it tells. */

static int listen_for_uevents(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        ck_assert_int_ge(fd, 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/simk/uevents", root);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static void expect_uevent(int fd, UeventAction action, const PciAddress *address, const char *driver, const char *devpath) {
        char message[4096];
        Uevent uevent;
        ssize_t n = recv(fd, message, sizeof(message), 0);

        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(uevent_parse(message, (size_t) n, &uevent), 0);
        ck_assert_int_eq((int) uevent.action, (int) action);
        ck_assert_str_eq(uevent.subsystem, "pci");
        ck_assert_str_eq(uevent.devpath, devpath);
        ck_assert(uevent.has_address);
        ck_assert_int_eq(pci_address_compare(&uevent.address, address), 0);
        if (driver)
                ck_assert_str_eq(uevent.driver, driver);
        else
                ck_assert_ptr_null(uevent.driver);
}

START_TEST(bind_and_unbind_are_told_when_they_are_done) {
        static const char devpath[] = "/devices/pci0000:00/0000:00:03.0/0000:02:00.0";
        _cleanup_close_ int fd = listen_for_uevents();
        char byte;

        take(&nic);
        expect_uevent(fd, UEVENT_UNBIND, &nic, NULL, devpath);
        expect_uevent(fd, UEVENT_BIND, &nic, "vfio-pci", devpath);
        ck_assert_int_eq(simk_bind(root, &nic, "vfio-pci"), -EBUSY);
        ck_assert_int_lt(recv(fd, &byte, 1, 0), 0);

        ck_assert_int_eq(simk_emit(root, "add", &mate), 0);
        expect_uevent(fd, UEVENT_ADD, &mate, "e1000e", "/devices/pci0000:00/0000:00:03.0/0000:02:00.1");
}
END_TEST

START_TEST(nobody_listening_is_nothing_to_care_about) {
        safe_close(listen_for_uevents());
        ck_assert_int_eq(simk_emit(root, "change", &nic), 0);
        take(&nic);
}
END_TEST

/* The same through a worker. */

typedef struct Heard {
        unsigned n_answers, n_ends;
        int errors[16];
        int fd;
} Heard;

static void on_answer(Worker *worker, const WorkerAnswer *answer, int *fd, void *userdata) {
        Heard *heard = userdata;

        if (!answer) {
                heard->n_ends++;
                return;
        }
        heard->n_answers++;
        ck_assert_uint_lt(answer->sequence, ELEMENTSOF(heard->errors));
        heard->errors[answer->sequence] = answer->error;
        if (*fd >= 0) {
                safe_close(heard->fd);
                heard->fd = TAKE_FD(*fd);
        }
}

static void ask(Worker *worker, WorkerAction action, uint64_t sequence, const PciAddress *address, const char *name) {
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make(action, sequence, address, NIC_GROUP, name, &request), 0);
        ck_assert_int_eq(worker_send(worker, &request), 0);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        ck_abort_msg("what was awaited did not come");
        return 0;
}

#define AWAIT(condition) \
        do { \
                while (!(condition)) \
                        ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0); \
        } while (0)

/* Who holds: this process is not seen, as a worker is not; a copy of it under another name is. */
static pid_t fork_holder(int *ret_end_fd) {
        int ready[2], end[2];
        pid_t pid;
        char c;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(end, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_NAME, "holder");
                (void) close(end[1]);
                (void) !write(ready[1], "x", 1);
                (void) !read(end[0], &c, 1);
                _exit(0);
        }
        safe_close(ready[1]);
        safe_close(end[0]);
        ck_assert_int_eq(read(ready[0], &c, 1), 1);
        safe_close(ready[0]);
        *ret_end_fd = end[1];
        return pid;
}

static void end_holder(pid_t pid, int *end_fd) {
        *end_fd = safe_close(*end_fd);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void assert_holder(HolderKind kind, pid_t pid, unsigned function) {
        HolderList list;

        ck_assert_int_eq(simk_ops.check_holders(&kernel, NIC_GROUP, &list), 0);
        ck_assert_uint_eq(list.n_items, kind == HOLDS_NOTHING ? 0 : 1);
        if (kind == HOLDS_NOTHING)
                return;
        ck_assert_uint_eq(list.items[0].kind, kind);
        ck_assert_uint_eq(list.items[0].pid, (uint32_t) pid);
        ck_assert_uint_eq(list.items[0].function, function);
        ck_assert_str_eq(list.items[0].comm, "holder");
}

START_TEST(a_process_that_has_a_device_open_is_found_as_long_as_it_has_a_copy) {
        _cleanup_close_ int fd = -EBADF;
        int end_fd = -EBADF;
        pid_t pid;

        take_both();
        fd = simk_hold(root, &mate);
        ck_assert_int_ge(fd, 0);
        pid = fork_holder(&end_fd);
        fd = safe_close(fd);
        assert_holder(HOLDS_DEVICE, pid, 1);
        end_holder(pid, &end_fd);
        assert_holder(HOLDS_NOTHING, 0, 0);
}
END_TEST

START_TEST(a_process_that_owns_the_group_is_found) {
        _cleanup_close_ int fd = -EBADF;
        int end_fd = -EBADF;
        pid_t pid;

        take_both();
        fd = simk_claim(root, NIC_GROUP);
        ck_assert_int_ge(fd, 0);
        pid = fork_holder(&end_fd);
        fd = safe_close(fd);
        assert_holder(HOLDS_GROUP, pid, 0);
        end_holder(pid, &end_fd);
        assert_holder(HOLDS_NOTHING, 0, 0);
}
END_TEST

START_TEST(who_only_looks_at_a_node_does_not_hold_it) {
        _cleanup_close_ int fd = -EBADF;
        int end_fd = -EBADF;
        pid_t pid;

        take_both();
        fd = openat(root, "simk/open/0000:02:00.0", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        pid = fork_holder(&end_fd);
        assert_holder(HOLDS_NOTHING, 0, 0);
        end_holder(pid, &end_fd);
}
END_TEST

START_TEST(a_look_can_be_made_to_fail) {
        HolderList list;

        ck_assert_int_eq(simk_fail(root, SIMK_CHECK_HOLDERS, NULL, 1, EMFILE), 0);
        ck_assert_int_eq(simk_ops.check_holders(&kernel, NIC_GROUP, &list), -EMFILE);
        ck_assert_int_eq(simk_ops.check_holders(&kernel, NIC_GROUP, &list), 0);
}
END_TEST

START_TEST(a_node_has_an_access_that_goes_with_it) {
        const NodeAccess own = { .uid = geteuid(), .gid = getegid(), .mode = 0640 };
        NodeAccess now;

        ck_assert_int_eq(simk_read_node(root, &nic, 0, &now), -ENXIO);
        ck_assert_int_eq(simk_ops.set_device_node(&kernel, &nic, &own), -ENXIO);
        ck_assert_int_eq(simk_ops.set_group_node(&kernel, NIC_GROUP, &own), -ENXIO);
        ck_assert_int_eq(simk_set_override(root, &nic, "vfio-pci"), 0);
        ck_assert_int_eq(simk_unbind(root, &nic, "e1000e"), 0);
        ck_assert_int_eq(simk_bind(root, &nic, "vfio-pci"), 0);
        ck_assert_int_eq(simk_ops.set_device_node(&kernel, &nic, &own), 0);
        ck_assert_int_eq(simk_read_node(root, &nic, 0, &now), 0);
        ck_assert_uint_eq(now.mode, 0640);
        ck_assert_int_eq(simk_read_node(root, NULL, NIC_GROUP, &now), 0);
        ck_assert_uint_eq(now.mode, 0600);
        ck_assert_int_eq(simk_unbind(root, &nic, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(root, &nic, "vfio-pci"), 0);
        ck_assert_int_eq(simk_read_node(root, &nic, 0, &now), 0);
        ck_assert_uint_eq(now.mode, 0600);
}
END_TEST

START_TEST(a_worker_takes_a_group_and_opens_it) {
        WorkerLauncher launcher = { .path = "/proc/self/exe", .sysfs_fd = root, .dev_fd = kernel.dev_fd, .proc_fd = kernel.dev_fd };
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(worker_freep) Worker *worker = NULL;
        Heard heard = { .fd = -EBADF };

        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_ge(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 30 * USEC_PER_SEC, 0, on_deadline, NULL), 0);
        ck_assert_int_eq(worker_new(event, &launcher, on_answer, &heard, &worker), 0);

        ask(worker, WORKER_SET_OVERRIDE, 0, &nic, "vfio-pci");
        ask(worker, WORKER_SET_OVERRIDE, 1, &mate, "vfio-pci");
        AWAIT(heard.n_answers == 2);
        ask(worker, WORKER_UNBIND, 2, &nic, "e1000e");
        ask(worker, WORKER_UNBIND, 3, &mate, "e1000e");
        AWAIT(heard.n_answers == 4);
        ask(worker, WORKER_BIND, 4, &nic, "vfio-pci");
        ask(worker, WORKER_BIND, 5, &mate, "vfio-pci");
        AWAIT(heard.n_answers == 6);
        ask(worker, WORKER_OPEN_CONTAINER, 6, NULL, NULL);
        AWAIT(heard.n_answers == 7);
        ask(worker, WORKER_OPEN_GROUP, 7, NULL, NULL);
        AWAIT(heard.n_answers == 8);
        ask(worker, WORKER_OPEN_DEVICE, 8, &mate, NULL);
        AWAIT(heard.n_answers == 9);

        for (unsigned i = 0; i < 9; i++)
                ck_assert_int_eq(heard.errors[i], 0);
        assert_driver(&nic, "vfio-pci");
        assert_driver(&mate, "vfio-pci");
        ck_assert_int_ge(heard.fd, 0);
        ck_assert_int_eq(simk_claim(root, NIC_GROUP), -EBUSY);
        safe_close(heard.fd);
}
END_TEST

START_TEST(a_worker_that_crashes_in_the_kernel_is_a_worker_that_ended) {
        WorkerLauncher launcher = { .path = "/proc/self/exe", .sysfs_fd = root, .dev_fd = kernel.dev_fd, .proc_fd = kernel.dev_fd };
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(worker_freep) Worker *worker = NULL;
        Heard heard = { .fd = -EBADF };

        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_ge(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 30 * USEC_PER_SEC, 0, on_deadline, NULL), 0);
        ck_assert_int_eq(simk_crash(root, SIMK_ANY, NULL, 2, true), 0);
        ck_assert_int_eq(worker_new(event, &launcher, on_answer, &heard, &worker), 0);
        ask(worker, WORKER_SET_OVERRIDE, 0, &nic, "vfio-pci");
        AWAIT(heard.n_answers == 1);
        ask(worker, WORKER_UNBIND, 1, &nic, "e1000e");
        AWAIT(heard.n_ends == 1);
        ck_assert_uint_eq(heard.n_answers, 1);
        assert_driver(&nic, NULL);
}
END_TEST

static TCase *new_tcase(Suite *suite, const char *name) {
        TCase *tcase = tcase_create(name);

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 60);
        suite_add_tcase(suite, tcase);
        return tcase;
}

static int run_tests(void) {
        Suite *suite = suite_create("simk");
        TCase *drivers = new_tcase(suite, "drivers"), *vfio = new_tcase(suite, "vfio"), *orders = new_tcase(suite, "orders"), *news = new_tcase(suite, "news"),
              *worker = new_tcase(suite, "worker"), *stock = tcase_create("stock");
        SRunner *runner;
        int n_failed;

        tcase_add_test(drivers, a_driver_takes_the_ids_it_knows_and_no_others);
        tcase_add_test(drivers, an_override_matches_its_driver_only_whatever_the_ids);
        tcase_add_test(drivers, a_dynamic_id_matches_without_override);
        tcase_add_test(drivers, drivers_are_left_and_taken_with_the_kernels_errnos);
        tcase_add_test(drivers, a_driver_that_suppresses_bind_attributes_cannot_be_left);
        tcase_add_test(drivers, drivers_probe_finds_the_driver_and_keeps_its_failures_to_itself);
        tcase_add_test(drivers, a_vf_of_a_pf_without_autoprobe_needs_an_override);

        tcase_add_test(vfio, a_vfio_driver_makes_the_nodes_and_takes_them_away);
        tcase_add_test(vfio, a_process_that_has_a_device_open_is_found_as_long_as_it_has_a_copy);
        tcase_add_test(vfio, a_process_that_owns_the_group_is_found);
        tcase_add_test(vfio, who_only_looks_at_a_node_does_not_hold_it);
        tcase_add_test(vfio, a_look_can_be_made_to_fail);
        tcase_add_test(vfio, bridges_and_pfs_with_vfs_are_no_vfio_devices);
        tcase_add_test(vfio, while_a_group_is_owned_host_drivers_are_kept_off);
        tcase_add_test(vfio, a_port_on_its_driver_does_not_keep_a_group_from_an_owner);
        tcase_add_test(vfio, a_group_is_opened_once_and_its_devices_hold_it);
        tcase_add_test(vfio, unbind_from_vfio_waits_for_a_holder);
        tcase_add_test(vfio, unbind_from_vfio_waits_for_the_last_copy_of_a_cdev);
        tcase_add_test(vfio, unbind_from_vfio_waits_for_a_device_of_a_group);

        tcase_add_checked_fixture(stock, set_up_stock, tear_down);
        tcase_add_test(stock, a_kernel_without_iommufd_has_no_cdevs);
        suite_add_tcase(suite, stock);

        tcase_add_test(orders, the_nth_call_of_a_kind_fails_and_does_nothing);
        tcase_add_test(orders, a_fault_for_one_device_leaves_the_others_alone);
        tcase_add_test(orders, a_hang_in_remove_holds_the_devices_lock_until_it_is_let_go);
        tcase_add_test(orders, a_hang_in_probe_shows_the_driver_that_is_not_bound_yet);
        tcase_add_test(orders, a_crash_comes_before_anything_is_done_or_after_all_is);
        tcase_add_test(orders, the_trace_tells_calls_in_their_order);

        tcase_add_test(news, bind_and_unbind_are_told_when_they_are_done);
        tcase_add_test(news, nobody_listening_is_nothing_to_care_about);

        tcase_add_test(worker, a_node_has_an_access_that_goes_with_it);
        tcase_add_test(worker, a_worker_takes_a_group_and_opens_it);
        tcase_add_test(worker, a_worker_that_crashes_in_the_kernel_is_a_worker_that_ended);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        return argc > 1 ? worker_main(argc, argv, &simk_ops) : run_tests();
}
