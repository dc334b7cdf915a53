/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/request.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/strutil.h"
#include "cli/output.h"
#include "cli/shape.h"
#include "cli/target.h"
#include "dbus/names.h"

void assigned_done(Assigned *assigned) {
        free(assigned->path);
        json_decref(assigned->object);
        (void) safe_close(assigned->lease_fd);
        *assigned = (Assigned) { .lease_fd = -EBADF };
}

int request_split_release(Cli *cli, const char *verb, char ***targets) {
        char **given = *targets;

        if (!*given)
                return failure_usage(&cli->failure, "'%s' needs an OWNER, or TARGETs: PCI addresses like 02:00.0, or group:NUMBER.", verb);
        if (!given[1] && !target_is_formed(given[0])) {
                if (**given == '\0')
                        return failure_usage(&cli->failure, "'%s' needs an OWNER that is not empty.", verb);
                cli->options.owner = given[0];
                *targets = given + 1;
                return 0;
        }

        for (; *given; given++)
                if (!target_is_formed(*given))
                        return failure_usage(&cli->failure, "'%s' takes one OWNER or several TARGETs; '%.80s' is no target.", verb, *given);
        return 0;
}

int request_plan(Cli *cli, const char *verb, char *const *targets, json_t **ret) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ json_t *properties = NULL;
        json_t *plan;
        int r;

        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Plan", &m);
        if (r < 0)
                return r;

        r = sd_bus_message_append(m, "s", verb);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) targets);
        if (r >= 0)
                r = client_append_request_options(cli, m, true, false);
        r = client_send(cli, m, r, 0, "a{sv}", &reply);
        if (r < 0)
                return r;
        r = json_read_value(reply, &properties);
        if (r < 0)
                return client_error(cli, r, "The plan cannot be read");

        plan = shape_plan(properties);
        if (!plan)
                return -ENOMEM;
        *ret = plan;
        return 0;
}

static int reply_take(sd_bus_message *reply, bool lease, Assigned *assigned) {
        const char *path;
        int fd, r;

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        r = string_copy(path, &assigned->path);
        if (r < 0 || !lease)
                return r;

        r = sd_bus_message_read(reply, "h", &fd); /* the message owns it */
        if (r < 0)
                return r;
        assigned->lease_fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        return assigned->lease_fd < 0 ? -errno : 0;
}

int request_assign(Cli *cli, char *const *targets, bool lease, Assigned *ret) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(assigned_done) Assigned assigned = { .lease_fd = -EBADF };
        _cleanup_json_ json_t *properties = NULL;
        int r;

        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, lease ? "AssignWithLease" : "Assign", &m);
        if (r < 0)
                return r;

        r = sd_bus_message_append(m, "s", cli->options.owner);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) targets);
        if (r >= 0)
                r = client_append_request_options(cli, m, false, true);
        r = client_send(cli, m, r, client_deadline(cli), lease ? "oh" : "o", &reply);
        if (r < 0)
                return r;
        r = reply_take(reply, lease, &assigned);
        if (r < 0)
                return client_error(cli, r, "The answer of assignd cannot be read");

        r = client_get_all(cli, assigned.path, ASSIGND_ASSIGNMENT_INTERFACE, &properties);
        if (r < 0)
                return r;
        assigned.object = shape_assignment(properties);
        if (!assigned.object)
                return -ENOMEM;

        *ret = assigned;
        assigned = (Assigned) { .lease_fd = -EBADF };
        return 0;
}

int request_release_assignment(Cli *cli, const char *path) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_call_new(cli, path, ASSIGND_ASSIGNMENT_INTERFACE, "Release", &m);
        if (r < 0)
                return r;

        r = cli->options.has_timeout ? sd_bus_message_append(m, "a{sv}", 2, "wait", "b", true, "timeout_usec", "t", cli->options.timeout_usec)
                                     : sd_bus_message_append(m, "a{sv}", 1, "wait", "b", true);
        r = client_send(cli, m, r, client_deadline(cli), "", &reply);
        if (r < 0 && string_equal(cli->failure.name, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
                failure_done(&cli->failure);
                return 0;
        }
        return r;
}

/* What it was asked for is done: whoever may not see devices hears less, and no error. */
static int companion_print(Cli *cli, const char *address, FILE *f) {
        _cleanup_json_ json_t *properties = NULL;
        int r;

        r = client_get_device(cli, address, &properties);
        if (r < 0 && string_equal(cli->failure.name, SD_BUS_ERROR_ACCESS_DENIED)) {
                failure_done(&cli->failure);
                output_line(f, "  %s comes along: it shares a group with a device that was named.", address);
                return 0;
        }
        if (r < 0)
                return r;

        output_line(f, "  %s (%s) comes along: it shares group %" PRIu64 " with a device that was named.", address,
                    json_text(properties, "Name") ?: "?", json_number(properties, "GroupNumber", 0));
        return 0;
}

int assigned_print(Cli *cli, const Assigned *assigned, FILE *f) {
        const json_t *companions = json_object_get(assigned->object, "companions");
        _cleanup_free_ char *groups = output_join(json_object_get(assigned->object, "groups"));
        _cleanup_free_ char *devices = output_join(json_object_get(assigned->object, "devices"));
        const json_t *companion;
        size_t i;

        output_line(f, "Assignment %" PRIu64 ": %s has group%s %s (backend %s): %s", json_number(assigned->object, "assignment", 0),
                    json_text(assigned->object, "owner") ?: "?", json_array_size(json_object_get(assigned->object, "groups")) == 1 ? "" : "s",
                    groups, json_text(assigned->object, "backend") ?: "?", devices);
        json_array_foreach(companions, i, companion) {
                int r = companion_print(cli, json_string_value(companion) ?: "", f);

                if (r < 0)
                        return r;
        }
        return 0;
}
