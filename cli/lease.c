/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/lease.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <systemd/sd-event.h>

#include "base/strutil.h"
#include "cli/output.h"
#include "dbus/names.h"

struct Lease {
        Cli *cli;
        sd_event *event;
        pid_t parent;
        int parent_fd;
        char **removed; /* paths of assignments that went away while we watched */
        const char *path; /* of ours, once there is one; borrowed */
        bool ended;     /* nobody wants it any more */
};

static bool lease_is_gone(const Lease *lease) {
        return lease->path && strv_contains(lease->removed, lease->path);
}

static int on_assignment_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Lease *lease = userdata;
        const char *path;
        int r;

        r = sd_bus_message_read(m, "o", &path);
        if (r >= 0)
                r = strv_append(&lease->removed, path);
        return r < 0 ? r : 0;
}

static int on_input(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Lease *lease = userdata;
        char discarded[4096];
        ssize_t n;

        n = read(fd, discarded, sizeof(discarded));
        if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
                return 0;
        lease->ended = true;
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

static int on_parent_death(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Lease *lease = userdata;

        lease->ended = true;
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Lease *lease = userdata;

        lease->ended = true;
        return 0;
}

static int watch_input(Lease *lease) {
        int r;

        r = sd_event_add_io(lease->event, NULL, STDIN_FILENO, EPOLLIN, on_input, lease);
        if (r != -EPERM)
                return r;

        lease->ended = true; /* a file or /dev/null: it is at its end, or soon */
        return 0;
}

/* No parent that we can see (that of a container's first process) never dies. */
static int watch_parent(Lease *lease) {
        if (lease->parent <= 0)
                return 0;

        lease->parent_fd = pidfd_open(lease->parent, 0);
        if (getppid() != lease->parent) {
                lease->ended = true;
                return 0;
        }
        if (lease->parent_fd < 0)
                return -errno;
        return sd_event_add_io(lease->event, NULL, lease->parent_fd, EPOLLIN, on_parent_death, lease);
}

static int watch_signals(Lease *lease) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
        sigset_t set;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&set, signals[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(lease->event, NULL, signals[i], on_signal, lease);

                if (r < 0)
                        return r;
        }
        return 0;
}

int lease_new(Cli *cli, Lease **ret) {
        _cleanup_lease_ Lease *lease = calloc(1, sizeof(Lease));
        int r;

        if (!lease)
                return -ENOMEM;
        lease->cli = cli;
        lease->parent_fd = -EBADF;
        lease->parent = getppid();
        if (cli->options.host)
                return failure_usage(&cli->failure, "--lease does not work with --host: the fd that holds the lease cannot travel over ssh.");

        r = client_connect(cli);
        if (r < 0)
                return r;
        r = sd_event_new(&lease->event);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(cli->bus, NULL, ASSIGND_BUS_NAME, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "AssignmentRemoved",
                                on_assignment_removed, lease);
        if (r < 0)
                return client_error(cli, r, "The events of assignd cannot be watched");

        *ret = TAKE_PTR(lease);
        return 0;
}

Lease *lease_free(Lease *lease) {
        if (!lease)
                return NULL;

        if (lease->cli->bus)
                (void) sd_bus_detach_event(lease->cli->bus);
        sd_event_unref(lease->event);
        (void) safe_close(lease->parent_fd);
        strv_free(lease->removed);
        free(lease);
        return NULL;
}

static int lease_wait(Lease *lease) {
        while (!lease_is_gone(lease) && !lease->ended) {
                int r = sd_event_run(lease->event, UINT64_MAX);

                if (r < 0)
                        return failure_set(&lease->cli->failure, SD_BUS_ERROR_DISCONNECTED, NULL,
                                           "The connection to the system bus was lost; the lease ends with it.");
        }
        return 0;
}

int lease_begin(Lease *lease, const Assigned *assigned) {
        int r;

        lease->path = assigned->path;
        r = sd_bus_attach_event(lease->cli->bus, lease->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(lease->cli->bus, true); /* makes sd_event_run() fail */
        if (r >= 0)
                r = watch_signals(lease);
        if (r >= 0)
                r = watch_input(lease);
        if (r >= 0)
                r = watch_parent(lease);
        return r;
}

int lease_hold(Lease *lease) {
        int r;

        r = lease_wait(lease);
        if (r < 0)
                return r;

        if (lease_is_gone(lease)) {
                output_line(stderr, "assign-ctl: The assignment was released by somebody else.");
                return EXIT_CODE_FAILED;
        }
        (void) sd_bus_set_exit_on_disconnect(lease->cli->bus, false);
        return request_release_assignment(lease->cli, lease->path);
}
