/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/opened.h"

#include <fcntl.h>

#include "base/strutil.h"
#include "dbus/names.h"

void opened_done(Opened *opened) {
        for (size_t i = 0; i < opened->n_fds; i++) {
                free(opened->fds[i].name);
                (void) safe_close(opened->fds[i].fd);
        }
        free(opened->fds);
        free(opened->backend);
        *opened = (Opened) {};
}

/* Takes a copy of `fd`, which belongs to the message. */
static int fd_add(Opened *opened, const char *name, bool shared, int fd) {
        _cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        _cleanup_free_ char *name_copy = NULL;
        OpenedFd *grown;
        int r;

        if (copy < 0)
                return -errno;
        r = string_copy(name, &name_copy);
        if (r < 0)
                return r;
        grown = reallocarray(opened->fds, opened->n_fds + 1, sizeof(OpenedFd));
        if (!grown)
                return -ENOMEM;

        opened->fds = grown;
        opened->fds[opened->n_fds++] = (OpenedFd) { .name = TAKE_PTR(name_copy), .shared = shared, .fd = TAKE_FD(copy) };
        return 0;
}

static int fds_read(sd_bus_message *m, bool shared, Opened *opened) {
        const char *contents = shared ? "{sh}" : "(sh)", *name;
        char type = shared ? SD_BUS_TYPE_DICT_ENTRY : SD_BUS_TYPE_STRUCT;
        int fd, r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, type, "sh")) > 0) {
                r = sd_bus_message_read(m, "sh", &name, &fd);
                if (r >= 0 && opened_find(opened, name) < 0) /* another iommufd than that of the message before is let go */
                        r = fd_add(opened, name, shared, fd);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int reply_read(sd_bus_message *m, Opened *opened) {
        const char *backend;
        int r;

        r = sd_bus_message_read(m, "s", &backend);
        if (r >= 0 && !opened->backend)
                r = string_copy(backend, &opened->backend);
        if (r >= 0)
                r = fds_read(m, true, opened);
        return r < 0 ? r : fds_read(m, false, opened);
}

/* OpenDevices() for some devices (NULL: all), whose fds are added to `opened`. */
static int open_some(Cli *cli, const char *path, char *const *devices, Opened *opened) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_call_new(cli, path, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = client_append_texts_option(m, "devices", devices);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        r = client_send(cli, m, r, 0, "sa{sh}a(sh)", &reply);
        if (r < 0)
                return r;
        r = reply_read(reply, opened);
        return r < 0 ? client_error(cli, r, "The fds from assignd cannot be taken") : 0;
}

/* Devices from the first on that come in one message with the iommufd. */
static int open_page(Cli *cli, const Assigned *assigned, size_t first, Opened *opened) {
        const json_t *addresses = json_object_get(assigned->object, "devices");
        const char *devices[ASSIGND_FDS_MAX] = {};

        for (size_t i = 0; i < ASSIGND_FDS_MAX - 1; i++)
                devices[i] = json_string_value(json_array_get(addresses, first + i));
        return open_some(cli, assigned->path, (char *const *) devices, opened);
}

static int open_in_pages(Cli *cli, const Assigned *assigned, Opened *opened) {
        size_t n_devices = json_array_size(json_object_get(assigned->object, "devices"));

        for (size_t first = 0; first < n_devices; first += ASSIGND_FDS_MAX - 1) {
                int r = open_page(cli, assigned, first, opened);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_group_backend(Cli *cli, const json_t *assignment) {
        size_t n = 1 + json_array_size(json_object_get(assignment, "groups")) + json_array_size(json_object_get(assignment, "devices"));

        if (n <= ASSIGND_FDS_MAX)
                return 0;
        return failure_set(&cli->failure, ASSIGND_ERROR_LIMITS_EXCEEDED, NULL,
                           "Opening these devices takes %zu file descriptors, and a message carries %u. On the group backend they come in one: choose "
                           "--backend=iommufd, name fewer devices, or let COMMAND open them by itself with --open=never.",
                           n, ASSIGND_FDS_MAX);
}

int opened_get(Cli *cli, const Assigned *assigned, Opened *ret) {
        _cleanup_(opened_done) Opened opened = {};
        int r;

        if (!string_equal(json_text(assigned->object, "backend"), "iommufd")) {
                r = check_group_backend(cli, assigned->object);
                if (r >= 0)
                        r = open_some(cli, assigned->path, NULL, &opened);
        } else if (json_array_size(json_object_get(assigned->object, "devices")) < ASSIGND_FDS_MAX)
                r = open_some(cli, assigned->path, NULL, &opened);
        else
                r = open_in_pages(cli, assigned, &opened);
        if (r < 0)
                return r;

        *ret = opened;
        opened = (Opened) {};
        return 0;
}

int opened_find(const Opened *opened, const char *name) {
        for (size_t i = 0; i < opened->n_fds; i++)
                if (string_equal(opened->fds[i].name, name))
                        return opened->fds[i].fd;
        return -ENOENT;
}

char *opened_format(const Opened *opened) {
        _cleanup_json_ json_t *shared = json_object(), *devices = json_object(), *object = NULL;

        for (size_t i = 0; i < opened->n_fds; i++)
                if (json_object_set_new(opened->fds[i].shared ? shared : devices, opened->fds[i].name, json_integer(opened->fds[i].fd)) < 0)
                        return NULL;
        object = json_pack("{s:s, s:O, s:O}", "backend", opened->backend, "shared", shared, "devices", devices);
        return object ? json_dumps(object, JSON_COMPACT) : NULL;
}
