/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/consumer/received.h"

#include <fcntl.h>
#include <jansson.h>
#include <systemd/sd-bus.h>

#include "base/log.h"
#include "base/strutil.h"

static void list_done(ReceivedFd *list, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(list[i].name);
                safe_close(list[i].fd);
        }
        free(list);
}

void received_done(Received *received) {
        list_done(received->shared, received->n_shared);
        list_done(received->devices, received->n_devices);
        free(received->backend);
        *received = (Received){};
}

int received_find_shared(const Received *received, const char *name) {
        for (size_t i = 0; i < received->n_shared; i++)
                if (string_equal(received->shared[i].name, name))
                        return received->shared[i].fd;

        return -EBADF;
}

/* Takes the fd over, on failure too. */
static int append(ReceivedFd **list, size_t *n, const char *name, int fd_to_take) {
        _cleanup_close_ int fd = fd_to_take;
        _cleanup_free_ char *copy = NULL;
        ReceivedFd *grown;

        if (string_copy(name, &copy) < 0)
                return -ENOMEM;
        grown = reallocarray(*list, *n + 1, sizeof(**list));
        if (!grown)
                return -ENOMEM;

        *list = grown;
        grown[(*n)++] = (ReceivedFd){ .name = TAKE_PTR(copy), .fd = TAKE_FD(fd) };
        return 0;
}

static int append_from_object(json_t *object, ReceivedFd **list, size_t *n) {
        const char *name;
        json_t *value;

        json_object_foreach(object, name, value) {
                int fd = json_is_integer(value) ? (int) json_integer_value(value) : -EBADF;

                if (fcntl(fd, F_GETFD) < 0)
                        return log_error_errno(EINVAL, "The fd %d that ASSIGND_FDS names for %s is not open.", fd, name);
                if (append(list, n, name, fd) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static void json_done(json_t **json) {
        json_decref(*json);
}

int received_from_environment(const char *text, Received *ret) {
        _cleanup_(received_done) Received received = {};
        _cleanup_(json_done) json_t *root = NULL;
        json_t *shared, *devices;
        const char *backend;
        json_error_t error;
        int r;

        root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (!root)
                return log_error_errno(EINVAL, "ASSIGND_FDS is not JSON: %s", error.text);
        if (json_unpack_ex(root, &error, JSON_STRICT, "{s:s, s:o, s:o}", "backend", &backend, "shared", &shared, "devices", &devices) < 0)
                return log_error_errno(EINVAL, "ASSIGND_FDS is not of the expected form: %s", error.text);

        r = string_copy(backend, &received.backend);
        if (r == 0)
                r = append_from_object(shared, &received.shared, &received.n_shared);
        if (r == 0)
                r = append_from_object(devices, &received.devices, &received.n_devices);
        if (r < 0)
                return r;

        *ret = received;
        received = (Received){};
        return 0;
}

static int copy_fd(int fd) {
        return RET_NERRNO(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

/* Reads an array of (name, fd): a{sh} or a(sh). */
static int read_array(sd_bus_message *reply, char entry, ReceivedFd **list, size_t *n) {
        const char *name;
        int r, fd;

        r = sd_bus_message_enter_container(reply, 'a', entry == 'e' ? "{sh}" : "(sh)");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(reply, entry, "sh")) > 0) {
                r = sd_bus_message_read(reply, "sh", &name, &fd);
                if (r < 0)
                        return r;
                fd = copy_fd(fd);
                if (fd < 0)
                        return fd;
                r = append(list, n, name, fd);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        return sd_bus_message_exit_container(reply);
}

static int read_reply(sd_bus_message *reply, Received *received) {
        const char *backend;
        int r;

        r = sd_bus_message_read(reply, "s", &backend);
        if (r >= 0)
                r = string_copy(backend, &received->backend);
        if (r >= 0)
                r = read_array(reply, 'e', &received->shared, &received->n_shared);
        if (r >= 0)
                r = read_array(reply, 'r', &received->devices, &received->n_devices);
        return r;
}

int received_from_bus(const char *path, const char *device, Received *ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(received_done) Received received = {};
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");

        if (device)
                r = sd_bus_call_method(bus, "org.assignd1", path, "org.assignd1.Assignment", "OpenDevices", &error, &reply, "a{sv}", 1, "devices", "as", 1, device);
        else
                r = sd_bus_call_method(bus, "org.assignd1", path, "org.assignd1.Assignment", "OpenDevices", &error, &reply, "a{sv}", 0);
        if (r < 0)
                return log_error_errno(r, "OpenDevices failed: %s: %s", error.name, error.message);

        r = read_reply(reply, &received);
        if (r < 0)
                return log_error_errno(r, "The reply of OpenDevices is not of the expected form: %m");

        *ret = received;
        received = (Received){};
        return 0;
}
