/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The daemon's side and the worker's side against each other, as two processes: this binary is also the worker it starts,
 * with a kernel whose steps do what their driver name says. */

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/kernel.h"
#include "host/worker.h"

/* The worker's side. */

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *entry;
        size_t n = 0;

        if (!dir)
                abort();
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        n++;
        (void) closedir(dir);
        return n - 1; /* the directory itself */
}

static int played_set_override(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        (void) snprintf(found, WORKER_NAME_MAX, "%s", string_equal(driver, "becomes-other") ? "other" : driver ?: "");
        return 0;
}

static int played_unbind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        _cleanup_close_ int fd = -EBADF;

        if (string_equal(driver, "hang")) {
                /* Blocks until the test opens the other end. */
                fd = RET_NERRNO(openat(kernel->sysfs_fd, "gate", O_RDONLY | O_CLOEXEC));
                return fd < 0 ? fd : 0;
        }
        if (string_equal(driver, "mark")) {
                fd = RET_NERRNO(openat(kernel->sysfs_fd, "mark", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
                return fd < 0 ? fd : 0;
        }
        if (string_equal(driver, "die"))
                _exit(3);
        if (string_equal(driver, "babble")) {
                (void) !write(STDERR_FILENO + 1, "?", 1);
                return 0;
        }
        return -ENODEV;
}

static int played_bind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        sigset_t blocked;

        if (string_equal(driver, "count-fds"))
                (void) snprintf(found, WORKER_NAME_MAX, "%zu", count_fds());
        else if (string_equal(driver, "blocked-signals")) {
                (void) pthread_sigmask(SIG_BLOCK, NULL, &blocked);
                (void) snprintf(found, WORKER_NAME_MAX, "%d", sigismember(&blocked, SIGTERM) + sigismember(&blocked, SIGCHLD));
        } else if (string_equal(driver, "session"))
                (void) snprintf(found, WORKER_NAME_MAX, "%d", getsid(0) == getpid());
        else if (string_equal(driver, "other-was-first")) {
                (void) snprintf(found, WORKER_NAME_MAX, "other");
                return -EBUSY;
        } else
                (void) snprintf(found, WORKER_NAME_MAX, "%s", driver ?: "");
        return driver && string_equal(driver, "autoprobe-was-first") ? -EBUSY : 0;
}

static int open_file(Kernel *kernel, const char *name) {
        return RET_NERRNO(openat(kernel->dev_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static int played_open_iommufd(Kernel *kernel) {
        return open_file(kernel, "iommu");
}

static int played_open_cdev(Kernel *kernel, const PciAddress *address) {
        return -EPERM;
}

static int played_open_container(Kernel *kernel) {
        return open_file(kernel, "container");
}

/* Writes into the container what was asked of it, so that the test sees which container and in which order. */
static int played_open_group(Kernel *kernel, uint32_t group, int container_fd, bool set_iommu_type) {
        char name[32];

        if (dprintf(container_fd, "group %u%s\n", group, set_iommu_type ? " sets the type" : "") < 0)
                return -errno;
        if (group == 99)
                return -EPERM;
        (void) snprintf(name, sizeof(name), "group-%u", group);
        return open_file(kernel, name);
}

static int played_open_device(Kernel *kernel, int group_fd, const PciAddress *address) {
        if (dprintf(group_fd, "device %s\n", PCI_ADDRESS_FORMAT(address)) < 0)
                return -errno;
        return open_file(kernel, "device");
}

static int played_check_holders(Kernel *kernel, uint32_t group, HolderList *ret) {
        if (group == 99)
                return -EMFILE;
        ret->n_hidden = 3;
        if (group != 1)
                return 0;
        ret->n_items = 1;
        ret->items[0] = (WorkerHolder) { .kind = HOLDS_DEVICE, .pid = 4321, .fd = 22, .bus = 2, .comm = "qemu" };
        return 0;
}

static int played_set_device_node(Kernel *kernel, const PciAddress *address, const NodeAccess *access) {
        return access->uid == 1000 ? 0 : access->uid == 1 ? -ENXIO : -ENOENT;
}

static int played_set_group_node(Kernel *kernel, uint32_t group, const NodeAccess *access) {
        return group == 1 ? 0 : group == 2 ? -ENXIO : -ESTALE;
}

static const KernelOps played_ops = {
        .set_override = played_set_override,
        .unbind = played_unbind,
        .bind = played_bind,
        .open_iommufd = played_open_iommufd,
        .open_cdev = played_open_cdev,
        .open_container = played_open_container,
        .open_group = played_open_group,
        .open_device = played_open_device,
        .check_holders = played_check_holders,
        .set_device_node = played_set_device_node,
        .set_group_node = played_set_group_node,
};

/* The test's side. */

#define SEQUENCE_MAX 2048U

static const PciAddress nic = { .bus = 2 };

typedef struct Stage {
        char directory[64];
        int directory_fd;
        sd_event *event;
        sd_event_source *deadline;
        WorkerLauncher launcher;
        Worker *worker;
        unsigned n_answers, n_ends;
        unsigned seen[SEQUENCE_MAX];
        WorkerAnswer last;
        int fd; /* of the last answer that had one */
        bool free_in_handler;
} Stage;

static Stage stage;

static void on_answer(Worker *worker, const WorkerAnswer *answer, int *fd, void *userdata) {
        ck_assert_ptr_eq(userdata, &stage);
        ck_assert_ptr_eq(worker, stage.worker);

        if (!answer)
                stage.n_ends++;
        else {
                stage.n_answers++;
                stage.last = *answer;
                ck_assert_uint_lt(answer->sequence, SEQUENCE_MAX);
                stage.seen[answer->sequence]++;
                if (*fd >= 0) {
                        safe_close(stage.fd);
                        stage.fd = TAKE_FD(*fd);
                }
        }
        if (stage.free_in_handler)
                stage.worker = worker_free(stage.worker);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        ck_abort_msg("what was awaited did not come");
        return 0;
}

static void set_up(void) {
        stage = (Stage){ .fd = -EBADF };
        strcpy(stage.directory, "/tmp/test-worker-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(stage.directory));
        stage.directory_fd = open(stage.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(stage.directory_fd, 0);
        ck_assert_int_eq(mkfifoat(stage.directory_fd, "gate", 0600), 0);
        ck_assert_int_ge(sd_event_new(&stage.event), 0);
        ck_assert_int_ge(sd_event_add_time_relative(stage.event, &stage.deadline, CLOCK_MONOTONIC, 30 * USEC_PER_SEC, 0, on_deadline, NULL), 0);
        stage.launcher = (WorkerLauncher){ .path = "/proc/self/exe", .sysfs_fd = stage.directory_fd, .dev_fd = stage.directory_fd, .proc_fd = stage.directory_fd };
}

static void clear_directory(void) {
        static const char *const names[] = { "gate", "mark", "iommu", "container", "device", "group-7", "group-8" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) unlinkat(stage.directory_fd, names[i], 0);
        ck_assert_int_eq(rmdir(stage.directory), 0);
}

static void tear_down(void) {
        worker_free(stage.worker);
        safe_close(stage.fd);
        sd_event_source_unref(stage.deadline);
        sd_event_unref(stage.event);
        clear_directory();
        safe_close(stage.directory_fd);
}

static void start(void) {
        ck_assert_int_eq(worker_new(stage.event, &stage.launcher, on_answer, &stage, &stage.worker), 0);
}

static void ask(WorkerAction action, uint64_t sequence, uint32_t group, const char *name) {
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make(action, sequence, &nic, group, name, &request), 0);
        ck_assert_int_eq(worker_send(stage.worker, &request), 0);
}

#define AWAIT(condition) \
        do { \
                while (!(condition)) \
                        ck_assert_int_ge(sd_event_run(stage.event, UINT64_MAX), 0); \
        } while (0)

static const WorkerAnswer *answer_of(WorkerAction action, uint32_t group, const char *name) {
        unsigned before = stage.n_answers;

        ask(action, 1, group, name);
        AWAIT(stage.n_answers > before);
        return &stage.last;
}

/* Lets everybody through who waits at the gate now: opening it for reading too makes the open for writing not wait for one. */
static int open_gate(void) {
        int fd = openat(stage.directory_fd, "gate", O_RDWR | O_CLOEXEC | O_NONBLOCK);

        ck_assert_int_ge(fd, 0);
        return fd;
}

static bool has_child(void) {
        siginfo_t info = {};

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
                ck_assert_int_eq(errno, ECHILD);
                return false;
        }
        return true;
}

START_TEST(a_step_is_done_and_its_answer_says_what_was_found) {
        start();
        ask(WORKER_SET_OVERRIDE, 17, 0, "vfio-pci");
        AWAIT(stage.n_answers == 1);
        ck_assert_uint_eq(stage.last.sequence, 17);
        ck_assert_int_eq(stage.last.error, 0);
        ck_assert_str_eq(stage.last.found, "vfio-pci");
}
END_TEST

START_TEST(the_kernels_errno_comes_back) {
        start();
        ck_assert_int_eq(answer_of(WORKER_UNBIND, 0, "e1000e")->error, -ENODEV);
        ck_assert_int_eq(answer_of(WORKER_OPEN_CDEV, 0, NULL)->error, -EPERM);
        ck_assert_int_eq(stage.fd, -EBADF);
}
END_TEST

START_TEST(what_does_not_read_back_as_written_is_an_error_that_says_what_is_there) {
        start();
        ck_assert_int_eq(answer_of(WORKER_SET_OVERRIDE, 0, "becomes-other")->error, -EPROTO);
        ck_assert_str_eq(stage.last.found, "other");
        ck_assert_int_eq(answer_of(WORKER_BIND, 0, "session")->error, -EPROTO);
}
END_TEST

START_TEST(a_bind_that_finds_the_wanted_driver_there_is_done) {
        start();
        ck_assert_int_eq(answer_of(WORKER_BIND, 0, "autoprobe-was-first")->error, 0);
        ck_assert_str_eq(stage.last.found, "autoprobe-was-first");
        ck_assert_int_eq(answer_of(WORKER_BIND, 0, "other-was-first")->error, -EBUSY);
        ck_assert_str_eq(stage.last.found, "other");
}
END_TEST

START_TEST(each_of_many_steps_is_answered_once) {
        start();
        for (unsigned i = 0; i < SEQUENCE_MAX; i++) {
                WorkerRequest request;
                int r;

                ck_assert_int_eq(worker_request_make(WORKER_SET_OVERRIDE, i, &nic, 0, "vfio-pci", &request), 0);
                while ((r = worker_send(stage.worker, &request)) == -EAGAIN)
                        ck_assert_int_ge(sd_event_run(stage.event, UINT64_MAX), 0);
                ck_assert_int_eq(r, 0);
        }
        AWAIT(stage.n_answers == SEQUENCE_MAX);
        for (unsigned i = 0; i < SEQUENCE_MAX; i++)
                ck_assert_uint_eq(stage.seen[i], 1);
        ck_assert_uint_eq(stage.n_ends, 0);
}
END_TEST

START_TEST(a_step_that_opens_answers_with_the_fd) {
        struct stat ours, theirs;

        start();
        ck_assert_int_eq(answer_of(WORKER_OPEN_IOMMUFD, 0, NULL)->error, 0);
        ck_assert_int_ge(stage.fd, 0);
        ck_assert_int_eq(fstat(stage.fd, &theirs), 0);
        ck_assert_int_eq(fstatat(stage.directory_fd, "iommu", &ours, 0), 0);
        ck_assert_uint_eq(ours.st_ino, theirs.st_ino);
        ck_assert_int_eq(fcntl(stage.fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(the_worker_keeps_no_fd_that_it_handed_out) {
        start();
        for (unsigned i = 0; i < 4; i++)
                ck_assert_int_eq(answer_of(WORKER_OPEN_IOMMUFD, 0, NULL)->error, 0);
        (void) answer_of(WORKER_BIND, 0, "count-fds");
        ck_assert_str_eq(stage.last.found, "7");
}
END_TEST

START_TEST(a_worker_starts_with_seven_fds_no_blocked_signals_and_its_own_session) {
        sigset_t set;

        ck_assert_int_eq(sigemptyset(&set), 0);
        ck_assert_int_eq(sigaddset(&set, SIGTERM), 0);
        ck_assert_int_eq(sigaddset(&set, SIGCHLD), 0);
        ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        for (unsigned i = 0; i < 10; i++)
                ck_assert_int_ge(open("/dev/null", O_RDONLY), 0); /* inheritable, and in the way of low numbers */

        start();
        (void) answer_of(WORKER_BIND, 0, "count-fds");
        ck_assert_str_eq(stage.last.found, "7");
        (void) answer_of(WORKER_BIND, 0, "blocked-signals");
        ck_assert_str_eq(stage.last.found, "0");
        (void) answer_of(WORKER_BIND, 0, "session");
        ck_assert_str_eq(stage.last.found, "1");
}
END_TEST

static void assert_container_holds(const char *expected) {
        char text[256];

        ck_assert_int_ge(attribute_read_at(stage.directory_fd, "container", text, sizeof(text)), 0);
        ck_assert_str_eq(text, expected);
}

START_TEST(container_and_groups_are_kept_for_the_steps_that_need_them) {
        char text[64];

        start();
        ck_assert_int_eq(answer_of(WORKER_OPEN_CONTAINER, 0, NULL)->error, 0);
        ck_assert_int_ge(stage.fd, 0);
        stage.fd = safe_close(stage.fd);
        ck_assert_int_eq(answer_of(WORKER_OPEN_GROUP, 7, NULL)->error, 0);
        stage.fd = safe_close(stage.fd);
        ck_assert_int_eq(answer_of(WORKER_OPEN_GROUP, 8, NULL)->error, 0);
        ck_assert_int_eq(answer_of(WORKER_OPEN_DEVICE, 8, NULL)->error, 0);
        assert_container_holds("group 7 sets the type\ngroup 8");
        ck_assert_int_ge(attribute_read_at(stage.directory_fd, "group-8", text, sizeof(text)), 0);
        ck_assert_str_eq(text, "device 0000:02:00.0");
}
END_TEST

START_TEST(the_first_group_that_succeeds_sets_the_type) {
        start();
        ck_assert_int_eq(answer_of(WORKER_OPEN_CONTAINER, 0, NULL)->error, 0);
        ck_assert_int_eq(answer_of(WORKER_OPEN_GROUP, 99, NULL)->error, -EPERM);
        ck_assert_int_eq(answer_of(WORKER_OPEN_GROUP, 7, NULL)->error, 0);
        ck_assert_int_eq(answer_of(WORKER_OPEN_GROUP, 8, NULL)->error, 0);
        assert_container_holds("group 99 sets the type\ngroup 7 sets the type\ngroup 8");
}
END_TEST

START_TEST(vfio_steps_out_of_order_are_errors) {
        start();
        ck_assert_int_eq(answer_of(WORKER_OPEN_GROUP, 7, NULL)->error, -EBADFD);
        ck_assert_int_eq(answer_of(WORKER_OPEN_DEVICE, 7, NULL)->error, -EBADFD);
        ck_assert_int_eq(answer_of(WORKER_OPEN_CONTAINER, 0, NULL)->error, 0);
        ck_assert_int_eq(answer_of(WORKER_OPEN_CONTAINER, 0, NULL)->error, -EALREADY);
        ck_assert_int_eq(answer_of(WORKER_OPEN_DEVICE, 7, NULL)->error, -EBADFD);
}
END_TEST

START_TEST(holders_come_back_by_name_and_are_an_errno) {
        start();
        ck_assert_int_eq(answer_of(WORKER_CHECK_HOLDERS, 1, NULL)->error, -EBUSY);
        ck_assert_uint_eq(stage.last.holders.n_items, 1);
        ck_assert_uint_eq(stage.last.holders.n_hidden, 3);
        ck_assert_uint_eq(stage.last.holders.items[0].pid, 4321);
        ck_assert_str_eq(stage.last.holders.items[0].comm, "qemu");
}
END_TEST

START_TEST(what_nobody_holds_is_free_and_a_look_that_fails_is_its_own_errno) {
        start();
        ck_assert_int_eq(answer_of(WORKER_CHECK_HOLDERS, 2, NULL)->error, 0);
        ck_assert_uint_eq(stage.last.holders.n_items, 0);
        ck_assert_uint_eq(stage.last.holders.n_hidden, 3);
        ck_assert_int_eq(answer_of(WORKER_CHECK_HOLDERS, 99, NULL)->error, -EMFILE);
        ck_assert_uint_eq(stage.last.holders.n_items, 0);
}
END_TEST

static const WorkerAnswer *answer_of_node(WorkerAction action, uint32_t group, uint32_t uid) {
        unsigned before = stage.n_answers;
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make_node(action, 5, &nic, group, &(NodeAccess) { .uid = uid, .mode = 0600 }, &request), 0);
        ck_assert_int_eq(worker_send(stage.worker, &request), 0);
        AWAIT(stage.n_answers > before);
        return &stage.last;
}

START_TEST(a_node_is_given_or_is_not_there_or_cannot_be) {
        start();
        ck_assert_int_eq(answer_of_node(WORKER_SET_DEVICE_NODE, 0, 1000)->error, 0);
        ck_assert_str_eq(stage.last.found, "");
        ck_assert_int_eq(answer_of_node(WORKER_SET_DEVICE_NODE, 0, 1)->error, 0);
        ck_assert_str_eq(stage.last.found, WORKER_FOUND_NO_NODE);
        ck_assert_int_eq(answer_of_node(WORKER_SET_DEVICE_NODE, 0, 2)->error, -ENOENT);
        ck_assert_int_eq(answer_of_node(WORKER_SET_GROUP_NODE, 1, 2)->error, 0);
        ck_assert_int_eq(answer_of_node(WORKER_SET_GROUP_NODE, 2, 2)->error, 0);
        ck_assert_str_eq(stage.last.found, WORKER_FOUND_NO_NODE);
        ck_assert_int_eq(answer_of_node(WORKER_SET_GROUP_NODE, 3, 2)->error, -ESTALE);
}
END_TEST

START_TEST(holders_can_be_looked_for_while_a_step_hangs) {
        _cleanup_close_ int gate = -EBADF;

        start();
        ask(WORKER_UNBIND, 1000, 0, "hang");
        ask(WORKER_CHECK_HOLDERS, 1, 1, NULL);
        AWAIT(stage.n_answers == 1);
        ck_assert_uint_eq(stage.seen[1], 1);
        gate = open_gate();
        AWAIT(stage.n_answers == 2);
}
END_TEST

START_TEST(a_step_that_hangs_leaves_the_others_answered) {
        _cleanup_close_ int gate = -EBADF;

        start();
        ask(WORKER_UNBIND, 1000, 0, "hang");
        for (unsigned i = 0; i < 100; i++)
                ask(WORKER_SET_OVERRIDE, i, 0, "vfio-pci");
        AWAIT(stage.n_answers == 100);
        ck_assert_uint_eq(stage.seen[1000], 0);

        gate = open_gate();
        AWAIT(stage.n_answers == 101);
        ck_assert_uint_eq(stage.seen[1000], 1);
}
END_TEST

START_TEST(a_socket_full_of_unanswered_steps_says_so_and_loses_none) {
        _cleanup_close_ int gate = -EBADF;
        unsigned n_sent = 0;
        WorkerRequest request;
        int r;

        start();
        for (;;) {
                ck_assert_int_eq(worker_request_make(WORKER_UNBIND, n_sent, &nic, 0, "hang", &request), 0);
                r = worker_send(stage.worker, &request);
                if (r < 0)
                        break;
                n_sent++;
                ck_assert_uint_lt(n_sent, SEQUENCE_MAX);
        }
        ck_assert_int_eq(r, -EAGAIN);
        ck_assert_uint_gt(n_sent, 64);

        gate = open_gate();
        AWAIT(stage.n_answers == n_sent);
}
END_TEST

START_TEST(a_worker_that_dies_is_reported_once_and_reaped) {
        start();
        ask(WORKER_UNBIND, 1, 0, "die");
        AWAIT(stage.n_ends == 1 && !has_child());
        ck_assert_uint_eq(stage.n_answers, 0);
        ck_assert_int_eq(sd_event_run(stage.event, 0), 0);
        ck_assert_uint_eq(stage.n_ends, 1);
}
END_TEST

START_TEST(a_worker_killed_from_outside_is_reported_too) {
        start();
        (void) answer_of(WORKER_BIND, 0, "vfio-pci");
        ck_assert_int_eq(kill(worker_pid(stage.worker), SIGKILL), 0);
        AWAIT(stage.n_ends == 1 && !has_child());
}
END_TEST

START_TEST(a_worker_that_babbles_is_given_up) {
        start();
        ask(WORKER_UNBIND, 1, 0, "babble");
        AWAIT(stage.n_ends == 1);
}
END_TEST

START_TEST(a_worker_that_is_sent_nonsense_gives_up) {
        WorkerRequest request;

        start();
        ck_assert_int_eq(worker_request_make(WORKER_BIND, 1, &nic, 0, "vfio-pci", &request), 0);
        request.version++;
        ck_assert_int_eq(worker_send(stage.worker, &request), 0);
        AWAIT(stage.n_ends == 1 && !has_child());
        ck_assert_uint_eq(stage.n_answers, 0);
}
END_TEST

START_TEST(the_handler_may_free_the_worker) {
        start();
        stage.free_in_handler = true;
        ask(WORKER_OPEN_IOMMUFD, 1, 0, NULL);
        AWAIT(stage.n_answers == 1 && !has_child());
        ck_assert_ptr_null(stage.worker);
        ck_assert_uint_eq(stage.n_ends, 0);
}
END_TEST

START_TEST(freeing_an_idle_worker_ends_it_and_leaves_nothing) {
        size_t before = count_fds();

        start();
        (void) answer_of(WORKER_BIND, 0, "vfio-pci");
        stage.worker = worker_free(stage.worker);
        AWAIT(!has_child());
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(freeing_a_worker_that_hangs_waits_for_nothing_and_leaves_nothing_behind) {
        size_t before = count_fds();
        uint64_t start_time;
        pid_t pid;
        int gate;

        start();
        pid = worker_pid(stage.worker);
        start_time = worker_start_time(stage.worker);
        ck_assert_uint_gt(start_time, 0);
        ask(WORKER_UNBIND, 1, 0, "hang");
        (void) answer_of(WORKER_BIND, 0, "vfio-pci");

        stage.worker = worker_free(stage.worker);
        ck_assert_int_eq(worker_is_alive(pid, start_time), 1);
        ck_assert_uint_eq(count_fds(), before + 1); /* the pidfd that will tell of its end */

        gate = open_gate();
        AWAIT(!has_child());
        ck_assert_int_eq(worker_is_alive(pid, start_time), 0);
        safe_close(gate);
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(a_closed_socket_means_that_no_further_step_starts) {
        int gate;

        start();
        for (unsigned i = 0; i < 64; i++)
                ask(WORKER_UNBIND, i, 0, "hang");
        ask(WORKER_UNBIND, 64, 0, "mark");
        stage.worker = worker_free(stage.worker);

        gate = open_gate();
        AWAIT(!has_child());
        safe_close(gate);
        ck_assert_int_eq(exists_at(stage.directory_fd, "mark"), 0);
}
END_TEST

START_TEST(the_loop_may_go_before_the_worker) {
        int gate;

        start();
        ask(WORKER_UNBIND, 1, 0, "hang");
        (void) answer_of(WORKER_BIND, 0, "vfio-pci");
        stage.worker = worker_free(stage.worker);
        stage.deadline = sd_event_source_unref(stage.deadline);
        stage.event = sd_event_unref(stage.event);

        gate = open_gate();
        ck_assert_int_gt(waitpid(-1, NULL, 0), 0);
        safe_close(gate);
}
END_TEST

START_TEST(a_worker_that_cannot_be_started_is_an_errno) {
        size_t before = count_fds();

        stage.launcher.path = "/nonexistent/assignd-worker";
        ck_assert_int_eq(worker_new(stage.event, &stage.launcher, on_answer, &stage, &stage.worker), -ENOENT);
        ck_assert_uint_eq(count_fds(), before);
        ck_assert(!has_child());
}
END_TEST

START_TEST(only_the_very_process_counts_as_alive) {
        start();
        (void) answer_of(WORKER_BIND, 0, "vfio-pci");
        ck_assert_int_eq(worker_is_alive(worker_pid(stage.worker), worker_start_time(stage.worker)), 1);
        ck_assert_int_eq(worker_is_alive(worker_pid(stage.worker), worker_start_time(stage.worker) + 1), 0);
        ck_assert_int_eq(worker_is_alive(INT32_MAX, 1), 0);
}
END_TEST

START_TEST(a_process_that_is_only_a_zombie_is_not_alive) {
        siginfo_t info;
        uint64_t start_time;
        pid_t pid;

        start();
        pid = worker_pid(stage.worker);
        start_time = worker_start_time(stage.worker);
        stage.worker = worker_free(stage.worker);
        ck_assert_int_eq(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
        ck_assert_int_eq(worker_is_alive(pid, start_time), 0);
}
END_TEST

static void *sleep_for_ever(void *userdata) {
        for (;;)
                pause();
        return NULL;
}

/* As a killed worker looks while the kernel does not let one of its threads go. */
START_TEST(a_process_whose_first_thread_has_ended_is_still_alive) {
        char path[64], text[1024], *p;
        unsigned long long start_time;
        pthread_t thread;
        pid_t pid;

        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0)
                        _exit(1);
                pthread_exit(NULL);
        }

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        do {
                ck_assert_int_ge(attribute_read_at(AT_FDCWD, path, text, sizeof(text)), 0);
                p = strrchr(text, ')');
                ck_assert_ptr_nonnull(p);
        } while (p[2] != 'Z');
        ck_assert_int_eq(sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start_time), 1);
        ck_assert_int_eq(worker_is_alive(pid, start_time), 1);

        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert_int_eq(worker_is_alive(pid, start_time), 0);
}
END_TEST

static int run_main(const char *arguments[static 5]) {
        int status;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) !freopen("/dev/null", "w", stderr);
                execv("/proc/self/exe", (char *const *) arguments);
                _exit(127);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

START_TEST(wrong_arguments_are_refused) {
        ck_assert_int_eq(run_main((const char *[]){ "worker", "--socket=3", "--sysfs=4", NULL, NULL }), EXIT_FAILURE);
        ck_assert_int_eq(run_main((const char *[]){ "worker", "--socket=x", "--sysfs=4", "--dev=5", "--proc=6", NULL }), EXIT_FAILURE);
        ck_assert_int_eq(run_main((const char *[]){ "worker", "--socket=0", "--sysfs=4", "--dev=5", "--proc=6", NULL }), EXIT_FAILURE);
        ck_assert_int_eq(run_main((const char *[]){ "worker", "--socket=900", "--sysfs=901", "--dev=902", "--proc=903", NULL }), EXIT_FAILURE);
        ck_assert_int_eq(run_main((const char *[]){ "worker", "--socket=3", "--what", NULL, NULL }), EXIT_FAILURE);
}
END_TEST

static int run_tests(void) {
        Suite *suite = suite_create("worker");
        TCase *tcase = tcase_create("worker");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_step_is_done_and_its_answer_says_what_was_found);
        tcase_add_test(tcase, the_kernels_errno_comes_back);
        tcase_add_test(tcase, what_does_not_read_back_as_written_is_an_error_that_says_what_is_there);
        tcase_add_test(tcase, a_bind_that_finds_the_wanted_driver_there_is_done);
        tcase_add_test(tcase, each_of_many_steps_is_answered_once);
        tcase_add_test(tcase, a_step_that_opens_answers_with_the_fd);
        tcase_add_test(tcase, the_worker_keeps_no_fd_that_it_handed_out);
        tcase_add_test(tcase, a_worker_starts_with_seven_fds_no_blocked_signals_and_its_own_session);
        tcase_add_test(tcase, container_and_groups_are_kept_for_the_steps_that_need_them);
        tcase_add_test(tcase, the_first_group_that_succeeds_sets_the_type);
        tcase_add_test(tcase, vfio_steps_out_of_order_are_errors);
        tcase_add_test(tcase, a_node_is_given_or_is_not_there_or_cannot_be);
        tcase_add_test(tcase, holders_come_back_by_name_and_are_an_errno);
        tcase_add_test(tcase, what_nobody_holds_is_free_and_a_look_that_fails_is_its_own_errno);
        tcase_add_test(tcase, holders_can_be_looked_for_while_a_step_hangs);
        tcase_add_test(tcase, a_step_that_hangs_leaves_the_others_answered);
        tcase_add_test(tcase, a_socket_full_of_unanswered_steps_says_so_and_loses_none);
        tcase_add_test(tcase, a_worker_that_dies_is_reported_once_and_reaped);
        tcase_add_test(tcase, a_worker_killed_from_outside_is_reported_too);
        tcase_add_test(tcase, a_worker_that_babbles_is_given_up);
        tcase_add_test(tcase, a_worker_that_is_sent_nonsense_gives_up);
        tcase_add_test(tcase, the_handler_may_free_the_worker);
        tcase_add_test(tcase, freeing_an_idle_worker_ends_it_and_leaves_nothing);
        tcase_add_test(tcase, freeing_a_worker_that_hangs_waits_for_nothing_and_leaves_nothing_behind);
        tcase_add_test(tcase, a_closed_socket_means_that_no_further_step_starts);
        tcase_add_test(tcase, the_loop_may_go_before_the_worker);
        tcase_add_test(tcase, a_worker_that_cannot_be_started_is_an_errno);
        tcase_add_test(tcase, only_the_very_process_counts_as_alive);
        tcase_add_test(tcase, a_process_that_is_only_a_zombie_is_not_alive);
        tcase_add_test(tcase, a_process_whose_first_thread_has_ended_is_still_alive);
        tcase_add_test(tcase, wrong_arguments_are_refused);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        return argc > 1 ? worker_main(argc, argv, &played_ops) : run_tests();
}
