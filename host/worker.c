/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "host/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/strutil.h"

struct Worker {
        pid_t pid;
        uint64_t start_time;
        int socket_fd;
        sd_event_source *source;
        worker_handler_t handler;
        void *userdata;
};

/* What the worker finds open beside stderr. */
enum {
        WORKER_SOCKET = STDERR_FILENO + 1,
        WORKER_SYSFS,
        WORKER_DEV,
        WORKER_PROC,
        WORKER_FDS_END,
};

static const char *const worker_arguments[] = { "assignd-worker", "--socket=3", "--sysfs=4", "--dev=5", "--proc=6", NULL };
_Static_assert(WORKER_SOCKET == 3 && WORKER_SYSFS == 4 && WORKER_DEV == 5 && WORKER_PROC == 6, "worker_arguments name these numbers");

/* Field numbers of /proc/PID/stat (proc(5)), counted from the one after the command name. */
enum {
        STAT_STATE = 3,
        STAT_N_THREADS = 20,
        STAT_START_TIME = 22,
};

typedef struct ProcessStat {
        char state;
        uint64_t n_threads;
        uint64_t start_time;
} ProcessStat;

static int process_stat_read(pid_t pid, ProcessStat *ret) {
        char path[64], buffer[4096], *saved = NULL, *p;
        ProcessStat stat = {};
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        r = (int) attribute_read_at(AT_FDCWD, path, buffer, sizeof(buffer));
        if (r < 0)
                return r;

        p = strrchr(buffer, ')');
        if (!p)
                return -EBADMSG;

        p = strtok_r(p + 1, " ", &saved);
        for (unsigned field = STAT_STATE; p && field <= STAT_START_TIME; field++, p = strtok_r(NULL, " ", &saved)) {
                if (field == STAT_STATE)
                        stat.state = p[0];
                else if (field == STAT_N_THREADS || field == STAT_START_TIME) {
                        r = parse_u64(p, 10, field == STAT_N_THREADS ? &stat.n_threads : &stat.start_time);
                        if (r < 0)
                                return -EBADMSG;
                }
        }
        if (stat.start_time == 0)
                return -EBADMSG;

        *ret = stat;
        return 0;
}

int worker_is_alive(pid_t pid, uint64_t start_time) {
        ProcessStat stat;
        int r;

        r = process_stat_read(pid, &stat);
        if (r == -ENOENT || r == -ESRCH)
                return 0;
        if (r < 0)
                return r;
        if (stat.start_time != start_time)
                return 0;

        /* A killed process whose other threads the kernel does not let go shows its first thread as a zombie. */
        if (stat.state == 'X' || (stat.state == 'Z' && stat.n_threads <= 1))
                return 0;

        return 1;
}

int worker_watch_leftover(const WorkerLauncher *launcher, pid_t pid, uint64_t start_time, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        assert(launcher && ret_fd);

        if (launcher->source)
                return launcher->source->watch_leftover(launcher->source->userdata, pid, start_time, ret_fd);

        fd = RET_NERRNO(pidfd_open(pid, 0));
        if (fd == -ESRCH)
                return 0;
        if (fd < 0)
                return fd;
        r = worker_is_alive(pid, start_time); /* after the pidfd: the pid cannot change hands now */
        if (r <= 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 1;
}

static int on_exit_reap(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        siginfo_t info = {};

        if (waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG) < 0)
                log_debug_errno(errno, "Failed to reap a worker: %m");
        else if (info.si_pid == 0)
                return 0;
        else if (info.si_code != CLD_EXITED || info.si_status != 0)
                log_warning("Worker %d ended with %s %d.", (int) info.si_pid, info.si_code == CLD_EXITED ? "exit status" : "signal", info.si_status);

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        (void) sd_event_source_set_floating(source, false); /* gives up the loop's reference, the last one */
        return 0;
}

/* The process may outlive its Worker, so what reaps it belongs to the loop. */
static int reap_later(sd_event *event, pid_t pid) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *source = NULL;
        _cleanup_close_ int pid_fd = -EBADF;
        int r;

        pid_fd = RET_NERRNO(pidfd_open(pid, 0));
        if (pid_fd < 0)
                return pid_fd;

        r = sd_event_add_io(event, &source, pid_fd, EPOLLIN, on_exit_reap, NULL);
        if (r < 0)
                return r;

        r = sd_event_source_set_io_fd_own(source, true);
        if (r < 0)
                return r;
        TAKE_FD(pid_fd);

        (void) sd_event_source_set_description(source, "worker-reap");
        return sd_event_source_set_floating(source, true);
}

static int add_fd(posix_spawn_file_actions_t *actions, int fd, int target, int *ret_copy) {
        *ret_copy = RET_NERRNO(fcntl(fd, F_DUPFD_CLOEXEC, WORKER_FDS_END)); /* so that no target overwrites a source */
        if (*ret_copy < 0)
                return *ret_copy;

        return -posix_spawn_file_actions_adddup2(actions, *ret_copy, target);
}

static int set_file_actions(posix_spawn_file_actions_t *actions, const WorkerLauncher *launcher, int socket_fd, int copies[static 4]) {
        int r;

        r = -posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = -posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = add_fd(actions, socket_fd, WORKER_SOCKET, &copies[0]);
        if (r == 0)
                r = add_fd(actions, launcher->sysfs_fd, WORKER_SYSFS, &copies[1]);
        if (r == 0)
                r = add_fd(actions, launcher->dev_fd, WORKER_DEV, &copies[2]);
        if (r == 0)
                r = add_fd(actions, launcher->proc_fd, WORKER_PROC, &copies[3]);
        if (r == 0)
                r = -posix_spawn_file_actions_addclosefrom_np(actions, WORKER_FDS_END);
        return r;
}

/* A session of its own keeps a terminal's ^C away, and no signal that the daemon blocks or ignores stays so. */
static int set_attributes(posix_spawnattr_t *attributes) {
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        r = -posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = -posix_spawnattr_setsigdefault(attributes, &all);
        if (r == 0)
                r = -posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
        return r;
}

static void file_actions_done(posix_spawn_file_actions_t *actions) {
        (void) posix_spawn_file_actions_destroy(actions);
}

static void attributes_done(posix_spawnattr_t *attributes) {
        (void) posix_spawnattr_destroy(attributes);
}

static int spawn(const WorkerLauncher *launcher, int socket_fd, pid_t *ret_pid) {
        _cleanup_(file_actions_done) posix_spawn_file_actions_t actions;
        _cleanup_(attributes_done) posix_spawnattr_t attributes;
        int copies[4] = { -EBADF, -EBADF, -EBADF, -EBADF };
        int r;

        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawnattr_init(&attributes);

        r = set_attributes(&attributes);
        if (r == 0)
                r = set_file_actions(&actions, launcher, socket_fd, copies);
        if (r == 0)
                r = -posix_spawn(ret_pid, launcher->path, &actions, &attributes, (char *const *) worker_arguments, environ);

        for (size_t i = 0; i < ELEMENTSOF(copies); i++)
                safe_close(copies[i]);
        return r;
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Worker *worker = userdata;
        _cleanup_close_ int answer_fd = -EBADF;
        WorkerAnswer answer;
        int r;

        r = worker_answer_receive(fd, &answer, &answer_fd);
        if (r == -EAGAIN)
                return 0;
        if (r == -EBADMSG)
                log_warning("Worker %d sent something that is not an answer.", (int) worker->pid);
        if (r > 0) {
                worker->handler(worker, &answer, &answer_fd, worker->userdata);
                return 0;
        }

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        worker->handler(worker, NULL, &answer_fd, worker->userdata);
        return 0;
}

static int start_process(sd_event *event, const WorkerLauncher *launcher, Worker *worker) {
        _cleanup_close_ int theirs = -EBADF;
        ProcessStat stat = {};
        int r, pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        worker->socket_fd = pair[0];
        theirs = pair[1];

        r = spawn(launcher, theirs, &worker->pid);
        if (r < 0)
                return r;

        if (process_stat_read(worker->pid, &stat) >= 0)
                worker->start_time = stat.start_time;

        return reap_later(event, worker->pid);
}

static int start_elsewhere(const WorkerSource *source, Worker *worker) {
        worker->socket_fd = source->start(source->userdata, &worker->pid, &worker->start_time);
        return worker->socket_fd < 0 ? worker->socket_fd : 0;
}

int worker_new(sd_event *event, const WorkerLauncher *launcher, worker_handler_t handler, void *userdata, Worker **ret) {
        _cleanup_(worker_freep) Worker *worker = NULL;
        int r;

        assert(event && launcher && handler && ret);

        worker = malloc(sizeof(*worker));
        if (!worker)
                return -ENOMEM;
        *worker = (Worker){ .socket_fd = -EBADF, .handler = handler, .userdata = userdata };

        r = launcher->source ? start_elsewhere(launcher->source, worker) : start_process(event, launcher, worker);
        if (r < 0)
                return r;

        /* Of ours only: each end has its own mode. */
        if (fcntl(worker->socket_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        r = sd_event_add_io(event, &worker->source, worker->socket_fd, EPOLLIN, on_socket, worker);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(worker->source, "worker-socket");

        *ret = TAKE_PTR(worker);
        return 0;
}

Worker *worker_free(Worker *worker) {
        if (!worker)
                return NULL;

        sd_event_source_disable_unref(worker->source);
        safe_close(worker->socket_fd);
        free(worker);
        return NULL;
}

int worker_send(Worker *worker, const WorkerRequest *request) {
        ssize_t n;

        assert(worker && request);

        do
                n = send(worker->socket_fd, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : 0;
}

pid_t worker_pid(const Worker *worker) {
        return worker->pid;
}

uint64_t worker_start_time(const Worker *worker) {
        return worker->start_time;
}
