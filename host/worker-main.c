/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/strutil.h"
#include "host/kernel.h"

/* Further requests wait in the socket. */
#define THREADS_MAX 64U
#define THREAD_STACK_SIZE ((size_t) 256 * 1024)

typedef struct OpenedGroup {
        uint32_t number;
        int fd;
} OpenedGroup;

/* What outlives one request. */
struct WorkerState {
        int socket_fd;
        Kernel *kernel;

        pthread_mutex_t threads_mutex;
        pthread_cond_t thread_ended;
        unsigned n_threads;

        pthread_mutex_t vfio_mutex; /* held while the container or a group is opened */
        int container_fd;
        bool iommu_type_is_set;
        OpenedGroup *groups;
        size_t n_groups;
};

typedef struct Job {
        WorkerState *state;
        WorkerRequest request;
} Job;

static void state_done(WorkerState *state) {
        for (size_t i = 0; i < state->n_groups; i++)
                safe_close(state->groups[i].fd);
        free(state->groups);
        safe_close(state->container_fd);
        (void) pthread_cond_destroy(&state->thread_ended);
        (void) pthread_mutex_destroy(&state->threads_mutex);
        (void) pthread_mutex_destroy(&state->vfio_mutex);
}

static void unlock(pthread_mutex_t **mutex) {
        (void) pthread_mutex_unlock(*mutex);
}

#define LOCK_SCOPE(m) _cleanup_(unlock) _unused_ pthread_mutex_t *_locked = ((void) pthread_mutex_lock(m), (m))

/* What stays with the worker is answered as a copy: the daemon's end of it is the daemon's to close. */
static int copy_fd(int fd) {
        return RET_NERRNO(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

static int open_container(WorkerState *state, int *ret_fd) {
        LOCK_SCOPE(&state->vfio_mutex);
        _cleanup_close_ int fd = -EBADF;
        int copy;

        if (state->container_fd >= 0)
                return -EALREADY;

        fd = state->kernel->ops->open_container(state->kernel);
        if (fd < 0)
                return fd;

        copy = copy_fd(fd);
        if (copy < 0)
                return copy;

        state->container_fd = TAKE_FD(fd);
        *ret_fd = copy;
        return 0;
}

static int open_group(WorkerState *state, uint32_t number, int *ret_fd) {
        LOCK_SCOPE(&state->vfio_mutex);
        _cleanup_close_ int fd = -EBADF;
        OpenedGroup *groups;
        int copy;

        if (state->container_fd < 0)
                return -EBADFD;

        groups = reallocarray(state->groups, state->n_groups + 1, sizeof(*groups));
        if (!groups)
                return -ENOMEM;
        state->groups = groups;

        fd = state->kernel->ops->open_group(state->kernel, number, state->container_fd, !state->iommu_type_is_set);
        if (fd < 0)
                return fd;
        state->iommu_type_is_set = true;

        copy = copy_fd(fd);
        if (copy < 0)
                return copy;

        state->groups[state->n_groups++] = (OpenedGroup){ .number = number, .fd = TAKE_FD(fd) };
        *ret_fd = copy;
        return 0;
}

static int find_group_fd(WorkerState *state, uint32_t number) {
        LOCK_SCOPE(&state->vfio_mutex);

        for (size_t i = 0; i < state->n_groups; i++)
                if (state->groups[i].number == number)
                        return state->groups[i].fd;

        return -EBADFD;
}

static int open_device(WorkerState *state, uint32_t group, const PciAddress *address) {
        int group_fd;

        group_fd = find_group_fd(state, group);
        if (group_fd < 0)
                return group_fd;

        return state->kernel->ops->open_device(state->kernel, group_fd, address);
}

static int check_holders(WorkerState *state, uint32_t group, HolderList *ret) {
        int r = state->kernel->ops->check_holders(state->kernel, group, ret);

        return r == 0 && ret->n_items > 0 ? -EBUSY : r;
}

/* What is not there needs no access, and can be had by nobody. */
static int answer_node(int result, WorkerAnswer *answer) {
        if (result != -ENXIO)
                return result;
        (void) snprintf(answer->found, sizeof(answer->found), "%s", WORKER_FOUND_NO_NODE);
        return 0;
}

static int run_step(WorkerState *state, const WorkerRequest *request, WorkerAnswer *answer, int *ret_fd) {
        const PciAddress address = { .domain = request->domain, .bus = request->bus, .slot = request->slot, .function = request->function };
        Kernel *kernel = state->kernel;
        int r = -EBADMSG;

        switch ((WorkerAction) request->action) {

        case WORKER_SET_OVERRIDE:
                r = kernel->ops->set_override(kernel, &address, request->name[0] == '\0' ? NULL : request->name, answer->found);
                return r == 0 && !string_equal(answer->found, request->name) ? -EPROTO : r;

        case WORKER_UNBIND:
                return kernel->ops->unbind(kernel, &address, request->name, answer->found);

        case WORKER_BIND:
                r = kernel->ops->bind(kernel, &address, request->name, answer->found);
                if (r == -EBUSY && string_equal(answer->found, request->name))
                        return 0; /* an autoprobe was first, under the override that names this very driver */
                return r == 0 && !string_equal(answer->found, request->name) ? -EPROTO : r;

        case WORKER_OPEN_IOMMUFD:
                r = kernel->ops->open_iommufd(kernel);
                break;

        case WORKER_OPEN_CDEV:
                r = kernel->ops->open_cdev(kernel, &address);
                break;

        case WORKER_OPEN_CONTAINER:
                return open_container(state, ret_fd);

        case WORKER_OPEN_GROUP:
                return open_group(state, request->group, ret_fd);

        case WORKER_OPEN_DEVICE:
                r = open_device(state, request->group, &address);
                break;

        case WORKER_CHECK_HOLDERS:
                return check_holders(state, request->group, &answer->holders);

        case WORKER_SET_DEVICE_NODE:
                return answer_node(kernel->ops->set_device_node(kernel, &address, &request->node), answer);

        case WORKER_SET_GROUP_NODE:
                return answer_node(kernel->ops->set_group_node(kernel, request->group, &request->node), answer);

        case _WORKER_ACTION_MAX:
                break;
        }

        if (r < 0)
                return r;

        *ret_fd = r;
        return 0;
}

void worker_state_run(WorkerState *state, const WorkerRequest *request, WorkerAnswer *ret, int *ret_fd) {
        *ret = (WorkerAnswer){ .version = WORKER_PROTOCOL_VERSION, .sequence = request->sequence };
        *ret_fd = -EBADF;
        ret->error = run_step(state, request, ret, ret_fd);
}

/* The daemon may have gone in the meantime: then nobody hears the answer, and the fds close with it. */
static void send_answer(WorkerState *state, const WorkerAnswer *answer, int fd) {
        int r;

        r = worker_answer_send(state->socket_fd, answer, fd);
        if (r < 0)
                log_debug_errno(r, "Failed to answer: %m");
}

static void run_job(Job *job) {
        _cleanup_close_ int fd = -EBADF;
        WorkerAnswer answer;

        worker_state_run(job->state, &job->request, &answer, &fd);
        send_answer(job->state, &answer, fd);
}

static void *run_thread(void *userdata) {
        Job *job = userdata;
        WorkerState *state = job->state;

        run_job(job);
        free(job);

        LOCK_SCOPE(&state->threads_mutex);
        state->n_threads--;
        (void) pthread_cond_signal(&state->thread_ended);
        return NULL;
}

static void wait_for_threads(WorkerState *state, unsigned at_most) {
        LOCK_SCOPE(&state->threads_mutex);

        while (state->n_threads > at_most)
                (void) pthread_cond_wait(&state->thread_ended, &state->threads_mutex);
}

static int start_thread(WorkerState *state, const WorkerRequest *request) {
        _cleanup_free_ Job *job = NULL;
        pthread_attr_t attributes;
        pthread_t thread;
        int r;

        job = malloc(sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (Job){ .state = state, .request = *request };

        r = -pthread_attr_init(&attributes);
        if (r < 0)
                return r;
        (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        (void) pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);

        LOCK_SCOPE(&state->threads_mutex);
        r = -pthread_create(&thread, &attributes, run_thread, job);
        (void) pthread_attr_destroy(&attributes);
        if (r < 0)
                return r;

        TAKE_PTR(job);
        state->n_threads++;
        return 0;
}

/* 1: a request, 0: the daemon has closed the socket; what it had sent before and is still queued is not a step to start. */
static int receive_request(int socket_fd, WorkerRequest *ret) {
        struct pollfd p = { .fd = socket_fd, .events = POLLIN | POLLRDHUP };
        ssize_t n;

        if (poll(&p, 1, -1) < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        if (p.revents & (POLLHUP | POLLRDHUP | POLLERR))
                return 0;
        if (p.revents & POLLNVAL)
                return -EBADF;

        n = recv(socket_fd, ret, sizeof(*ret), MSG_TRUNC | MSG_DONTWAIT);
        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        if (n == 0)
                return 0;

        return (size_t) n == sizeof(*ret) && worker_request_check(ret) == 0 ? 1 : -EBADMSG;
}

static WorkerState state_make(int socket_fd, Kernel *kernel) {
        return (WorkerState) {
                .socket_fd = socket_fd,
                .kernel = kernel,
                .threads_mutex = PTHREAD_MUTEX_INITIALIZER,
                .thread_ended = PTHREAD_COND_INITIALIZER,
                .vfio_mutex = PTHREAD_MUTEX_INITIALIZER,
                .container_fd = -EBADF,
        };
}

int worker_state_new(Kernel *kernel, WorkerState **ret) {
        WorkerState *state = malloc(sizeof(WorkerState));

        if (!state)
                return -ENOMEM;
        *state = state_make(-EBADF, kernel);
        *ret = state;
        return 0;
}

WorkerState *worker_state_free(WorkerState *state) {
        if (!state)
                return NULL;
        state_done(state);
        free(state);
        return NULL;
}

int worker_run(int socket_fd, Kernel *kernel) {
        _cleanup_(state_done) WorkerState state = state_make(socket_fd, kernel);
        WorkerRequest request;
        int r;

        assert(kernel);

        for (;;) {
                wait_for_threads(&state, THREADS_MAX - 1);

                r = receive_request(socket_fd, &request);
                if (r == -EAGAIN)
                        continue;
                if (r <= 0)
                        break;

                r = start_thread(&state, &request);
                if (r < 0)
                        send_answer(&state, &(WorkerAnswer){ .version = WORKER_PROTOCOL_VERSION, .error = r, .sequence = request.sequence }, -EBADF);
        }

        wait_for_threads(&state, 0);
        return r;
}

static int check_directory(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int check_socket(int fd) {
        int type;
        socklen_t size = sizeof(type);

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
                return -errno;
        return type == SOCK_SEQPACKET ? 0 : -EPROTOTYPE;
}

enum {
        FD_SOCKET,
        FD_SYSFS,
        FD_DEV,
        FD_PROC,
        _FD_MAX,
};

static const char *const fd_names[_FD_MAX] = {
        [FD_SOCKET] = "socket",
        [FD_SYSFS] = "sysfs",
        [FD_DEV] = "dev",
        [FD_PROC] = "proc",
};

static int parse_arguments(int argc, char *argv[], int fds[static _FD_MAX]) {
        const struct option options[] = {
                { fd_names[FD_SOCKET], required_argument, NULL, FD_SOCKET },
                { fd_names[FD_SYSFS], required_argument, NULL, FD_SYSFS },
                { fd_names[FD_DEV], required_argument, NULL, FD_DEV },
                { fd_names[FD_PROC], required_argument, NULL, FD_PROC },
                {},
        };
        uint32_t number;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c >= _FD_MAX)
                        return -EINVAL;
                if (parse_u32(optarg, 10, &number) < 0 || number <= STDERR_FILENO || number > INT32_MAX)
                        return log_error_errno(EINVAL, "--%s= expects the number of an open fd, not: %s", fd_names[c], optarg);
                fds[c] = (int) number;
        }
        if (optind != argc || fds[FD_SOCKET] < 0 || fds[FD_SYSFS] < 0 || fds[FD_DEV] < 0 || fds[FD_PROC] < 0)
                return log_error_errno(EINVAL, "Expected --socket=FD --sysfs=FD --dev=FD --proc=FD: this program is started by assignd.");

        return 0;
}

static int check_fds(const int fds[static _FD_MAX]) {
        for (int i = 0; i < _FD_MAX; i++) {
                int r = i == FD_SOCKET ? check_socket(fds[i]) : check_directory(fds[i]);

                if (r < 0)
                        return log_error_errno(r, "The fd given as --%s=%d cannot be used: %m", fd_names[i], fds[i]);
        }

        return 0;
}

static int compare_fds(const void *a, const void *b) {
        return *(const int *) a - *(const int *) b;
}

static int close_others(const int fds[static _FD_MAX]) {
        unsigned first = STDERR_FILENO + 1;
        int sorted[_FD_MAX];

        memcpy(sorted, fds, sizeof(sorted));
        qsort(sorted, _FD_MAX, sizeof(int), compare_fds);

        for (size_t i = 0; i < _FD_MAX; i++) {
                unsigned fd = (unsigned) sorted[i];

                if (fd > first && close_range(first, fd - 1, 0) < 0)
                        return -errno;
                first = fd + 1;
        }

        return RET_NERRNO(close_range(first, UINT32_MAX, 0));
}

int worker_main(int argc, char *argv[], const KernelOps *ops) {
        int r, fds[_FD_MAX] = { -EBADF, -EBADF, -EBADF, -EBADF };
        Kernel kernel;

        if (parse_arguments(argc, argv, fds) < 0 || check_fds(fds) < 0)
                return EXIT_FAILURE;

        r = close_others(fds);
        if (r < 0) {
                log_error_errno(r, "Failed to close the fds that are not the worker's: %m");
                return EXIT_FAILURE;
        }

        kernel = (Kernel){ .ops = ops, .sysfs_fd = fds[FD_SYSFS], .dev_fd = fds[FD_DEV], .proc_fd = fds[FD_PROC] };
        r = worker_run(fds[FD_SOCKET], &kernel);
        if (r < 0) {
                log_error_errno(r, "The worker ends early: %m");
                return EXIT_FAILURE;
        }

        return EXIT_SUCCESS;
}
