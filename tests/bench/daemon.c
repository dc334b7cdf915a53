/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/daemon.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"
#include "dbus/names.h"
#include "tests/bench/process.h"

#define PATH_SIZE 256

static void make_path(const Daemon *daemon, const char *prefix, const char *name, char ret[static PATH_SIZE]) {
        if (snprintf(ret, PATH_SIZE, "%s%s/%s", prefix, daemon->directory, name) >= PATH_SIZE)
                errx(EXIT_FAILURE, "the name of a file is too long");
}

static void start_bus(Daemon *daemon) {
        char option[PATH_SIZE];
        int fds[2];
        char c;

        make_path(daemon, "--address=unix:path=", "bus", option);
        if (pipe2(fds, O_CLOEXEC) < 0)
                err(EXIT_FAILURE, "cannot make a pipe");
        daemon->bus_pid = process_start((const char *[]){ "dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1", option, NULL }, NULL, fds[1]);
        (void) close(fds[1]);
        if (read(fds[0], &c, 1) != 1)
                errx(EXIT_FAILURE, "dbus-daemon does not start");
        (void) close(fds[0]);
}

static void connect_bus(Daemon *daemon) {
        char address[PATH_SIZE];

        make_path(daemon, "unix:path=", "bus", address);
        if (sd_bus_new(&daemon->bus) < 0 || sd_bus_set_address(daemon->bus, address) < 0 || sd_bus_set_bus_client(daemon->bus, true) < 0 ||
            sd_bus_start(daemon->bus) < 0)
                errx(EXIT_FAILURE, "cannot connect to the private bus");
}

static void bind_notify_socket(Daemon *daemon) {
        const struct timeval patience = { .tv_sec = 60 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", daemon->directory);
        daemon->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (daemon->notify_fd < 0 || bind(daemon->notify_fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            setsockopt(daemon->notify_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                err(EXIT_FAILURE, "cannot listen for notifications");
}

void daemon_prepare(Daemon *daemon, const char *program, unsigned n_devices, unsigned n_groups) {
        int r;

        *daemon = (Daemon){ .program = program, .directory = "/var/tmp/bench-XXXXXX" };
        if (!mkdtemp(daemon->directory))
                err(EXIT_FAILURE, "cannot make a directory");
        r = treegen_new(&daemon->tree);
        if (r >= 0)
                r = treegen_make_big(daemon->tree->fd, n_devices, n_groups);
        if (r < 0)
                errx(EXIT_FAILURE, "cannot make a host: %s", strerror(-r));
        bind_notify_socket(daemon);
        start_bus(daemon);
        connect_bus(daemon);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
        return remove(path);
}

void daemon_done(Daemon *daemon) {
        daemon_stop(daemon);
        sd_bus_close_unref(daemon->bus);
        (void) process_end(daemon->bus_pid, SIGTERM);
        safe_close(daemon->notify_fd);
        treegen_free(daemon->tree);
        (void) nftw(daemon->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void daemon_forget(Daemon *daemon) {
        char state[PATH_SIZE];

        make_path(daemon, "", "state", state);
        (void) nftw(state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void await_ready(const Daemon *daemon) {
        char text[4096];
        ssize_t n;

        do {
                n = recv(daemon->notify_fd, text, sizeof(text) - 1, 0);
                if (n < 0)
                        errx(EXIT_FAILURE, "assignd does not become ready");
                text[n] = '\0';
        } while (strncmp(text, "READY=1", strlen("READY=1")) != 0);
}

uint64_t daemon_start_usec(Daemon *daemon) {
        char address[PATH_SIZE], notify[PATH_SIZE], sysfs[PATH_SIZE], state[PATH_SIZE];
        uint64_t begin;

        make_path(daemon, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=", "bus", address);
        make_path(daemon, "NOTIFY_SOCKET=", "notify", notify);
        make_path(daemon, "--state-directory=", "state", state);
        (void) snprintf(sysfs, sizeof(sysfs), "--sysfs=%s", daemon->tree->path);
        if (mkdir(strchr(state, '/'), 0700) < 0 && errno != EEXIST)
                err(EXIT_FAILURE, "cannot make the state directory");

        begin = monotonic_usec();
        daemon->pid = process_start((const char *[]){ daemon->program, sysfs, "--uevents=none", state, NULL },
                                    (const char *[]){ address, notify, "ASSIGND_LOG_LEVEL=4", NULL }, -EBADF);
        await_ready(daemon);
        return monotonic_usec() - begin;
}

void daemon_stop(Daemon *daemon) {
        if (daemon->pid > 0)
                (void) process_end(daemon->pid, SIGTERM);
        daemon->pid = 0;
}

uint64_t daemon_call_usec(Daemon *daemon, const char *member, bool options) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *answer = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t begin = monotonic_usec();
        int r;

        r = sd_bus_message_new_method_call(daemon->bus, &m, ASSIGND_BUS_NAME, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, member);
        if (r >= 0 && options)
                r = sd_bus_message_append(m, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_call(daemon->bus, m, UINT64_MAX, &error, &answer);
        if (r < 0)
                errx(EXIT_FAILURE, "%s: %s", member, error.message ?: strerror(-r));
        return monotonic_usec() - begin;
}

static void read_proc(const Daemon *daemon, const char *name, char *buffer, size_t size) {
        char path[PATH_SIZE];

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) daemon->pid, name);
        if (attribute_read_at(AT_FDCWD, path, buffer, size) < 0)
                errx(EXIT_FAILURE, "cannot read %s", path);
}

uint64_t daemon_cpu_usec(const Daemon *daemon) {
        char text[256];

        read_proc(daemon, "schedstat", text, sizeof(text));
        return strtoull(text, NULL, 10) / 1000;
}

uint64_t daemon_status(const Daemon *daemon, const char *field) {
        char text[8192];
        const char *line;

        read_proc(daemon, "status", text, sizeof(text));
        line = strstr(text, field);
        if (!line || line[strlen(field)] != ':')
                errx(EXIT_FAILURE, "no %s in /proc/PID/status", field);
        return strtoull(line + strlen(field) + 1, NULL, 10);
}
