/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/bus.h"

#include "base/log.h"
#include "base/strutil.h"
#include "dbus/announce.h"
#include "dbus/bus-plan.h"
#include "dbus/module-loader.h"
#include "dbus/path.h"
#include "dbus/reply.h"

static int find_device(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error) {
        Bus *b = userdata;
        PciAddress address;

        if (path_parse_device(path, &address) < 0)
                return 0;
        b->device_view = (DeviceView){ b, facts_find_device(manager_facts(b->manager), &address) };
        *ret_found = &b->device_view;
        return b->device_view.device != NULL;
}

static int find_group(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error) {
        Bus *b = userdata;
        uint64_t number;

        if (path_parse_number(path, ASSIGND_GROUP_PREFIX, &number) < 0 || number >= GROUP_NONE)
                return 0;
        b->group_view = (GroupView){ b, facts_find_group(manager_facts(b->manager), (uint32_t) number) };
        *ret_found = &b->group_view;
        return b->group_view.group != NULL;
}

static int find_assignment(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error) {
        Bus *b = userdata;
        uint64_t id;

        if (path_parse_number(path, ASSIGND_ASSIGNMENT_PREFIX, &id) < 0)
                return 0;
        b->assignment_view = (AssignmentView){ b, manager_find_assignment(b->manager, id) };
        *ret_found = &b->assignment_view;
        return b->assignment_view.assignment && assignment_is_visible(b->assignment_view.assignment);
}

static int find_operation(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error) {
        Bus *b = userdata;
        uint64_t id;

        if (path_parse_number(path, ASSIGND_OPERATION_PREFIX, &id) < 0)
                return 0;
        b->operation_view = (OperationView){ b, manager_find_operation(b->manager, id) };
        *ret_found = &b->operation_view;
        return b->operation_view.operation != NULL;
}

/* A fresh array of `n` paths, made by `format` from an index. */
static int make_paths(const Bus *bus, size_t n, const char *(*format)(const Bus *bus, size_t i, char *buffer), char ***ret) {
        _cleanup_strv_free_ char **paths = calloc(n + 1, sizeof(*paths));
        size_t n_paths = 0;

        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                char buffer[OBJECT_PATH_MAX];
                const char *path = format(bus, i, buffer);
                int r;

                if (!path)
                        continue;
                r = string_copy(path, &paths[n_paths]);
                if (r < 0)
                        return r;
                n_paths++;
        }
        *ret = TAKE_PTR(paths);
        return 0;
}

static const char *format_device(const Bus *bus, size_t i, char *buffer) {
        return path_format_device(&manager_facts(bus->manager)->devices[i]->address, buffer);
}

static const char *format_group(const Bus *bus, size_t i, char *buffer) {
        return path_format_number(ASSIGND_GROUP_PREFIX, manager_facts(bus->manager)->groups[i]->number, buffer);
}

static const char *format_assignment(const Bus *bus, size_t i, char *buffer) {
        const Assignment *assignment = bus->manager->assignments.items[i];

        return assignment_is_visible(assignment) ? path_format_number(ASSIGND_ASSIGNMENT_PREFIX, assignment->id, buffer) : NULL;
}

static const char *format_operation(const Bus *bus, size_t i, char *buffer) {
        return path_format_number(ASSIGND_OPERATION_PREFIX, bus->manager->operations[i]->id, buffer);
}

static int enumerate_devices(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        const Bus *b = userdata;

        return make_paths(b, manager_facts(b->manager)->n_devices, format_device, ret_nodes);
}

static int enumerate_groups(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        const Bus *b = userdata;

        return make_paths(b, manager_facts(b->manager)->n_groups, format_group, ret_nodes);
}

static int enumerate_assignments(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        const Bus *b = userdata;

        return make_paths(b, b->manager->assignments.n_items, format_assignment, ret_nodes);
}

static int enumerate_operations(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        const Bus *b = userdata;

        return make_paths(b, b->manager->n_operations, format_operation, ret_nodes);
}

static const struct {
        const char *prefix;
        const char *interface;
        const sd_bus_vtable *vtable;
        sd_bus_object_find_t find;
        sd_bus_node_enumerator_t enumerate;
} kinds[] = {
        { ASSIGND_DEVICE_PREFIX, ASSIGND_DEVICE_INTERFACE, device_vtable, find_device, enumerate_devices },
        { ASSIGND_GROUP_PREFIX, ASSIGND_GROUP_INTERFACE, group_vtable, find_group, enumerate_groups },
        { ASSIGND_ASSIGNMENT_PREFIX, ASSIGND_ASSIGNMENT_INTERFACE, assignment_vtable, find_assignment, enumerate_assignments },
        { ASSIGND_OPERATION_PREFIX, ASSIGND_OPERATION_INTERFACE, operation_vtable, find_operation, enumerate_operations },
};

static int add_objects(Bus *bus) {
        int r;

        r = sd_bus_add_object_manager(bus->bus, NULL, ASSIGND_MANAGER_PATH);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(bus->bus, NULL, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, manager_vtable, bus);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                r = sd_bus_add_fallback_vtable(bus->bus, NULL, kinds[i].prefix, kinds[i].interface, kinds[i].vtable, kinds[i].find, bus);
                if (r < 0)
                        return r;
                r = sd_bus_add_node_enumerator(bus->bus, NULL, kinds[i].prefix, kinds[i].enumerate, bus);
                if (r < 0)
                        return r;
        }
        return 0;
}

int bus_refuse(const Bus *bus, sd_bus_message *call, const Refusal *refusal) {
        return reply_refuse(call, refusal, !authorizer_caller_is_root(bus->authorizer, call));
}

bool bus_shows_holder(const Bus *bus, uid_t uid) {
        return bus->announcing || authorizer_may_see(bus->authorizer, uid);
}

static void on_sender_gone(const char *sender, void *userdata) {
        reply_forget_sender(userdata, sender);
        plan_forget_sender(userdata, sender);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;

        log_error("The connection to the system bus ended");
        return sd_event_exit(bus->event, EXIT_FAILURE);
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        enum { PRIMARY_OWNER = 1, IN_QUEUE = 2, EXISTS = 3, ALREADY_OWNER = 4 }; /* dbus-specification, RequestName */
        Bus *bus = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        uint32_t result = 0;
        int r;

        if (e) {
                log_error("The bus does not give us the name " ASSIGND_BUS_NAME ": %s", e->message ?: e->name);
                bus->shown(-EACCES, bus->shown_userdata);
                return 0;
        }
        r = sd_bus_message_read(m, "u", &result);
        if (r < 0 || (result != PRIMARY_OWNER && result != ALREADY_OWNER)) {
                log_error("The bus name " ASSIGND_BUS_NAME " is taken: another assignd runs");
                bus->shown(-EEXIST, bus->shown_userdata);
                return 0;
        }

        announcer_enable(bus->announcer);
        bus->shown(0, bus->shown_userdata);
        return 0;
}

/* The manager is ready: show it. */
static void on_ready(void *userdata) {
        Announcer *announcer = userdata;
        Bus *bus = announcer_bus(announcer);
        int r;

        r = sd_bus_request_name_async(bus->bus, NULL, ASSIGND_BUS_NAME, 0, on_name, bus);
        if (r < 0) {
                (void) log_error_errno(r, "The bus name " ASSIGND_BUS_NAME " cannot be asked for: %m");
                bus->shown(r, bus->shown_userdata);
        }
}

static void join_manager(Bus *bus) {
        ManagerObserver observer = announcer_callbacks;

        observer.ready = on_ready;
        observer.userdata = bus->announcer;
        manager_set_observer(bus->manager, &observer);
        manager_set_module_loader(bus->manager, &(ModuleLoader){ module_requests_load, bus->modules });
}

static int connect_bus(Bus *bus) {
        int r;

        r = sd_bus_open_system_with_description(&bus->bus, "system");
        if (r < 0)
                return log_error_errno(r, "The system bus cannot be reached: %m");
        r = authorizer_new(bus->bus, bus->manager, on_sender_gone, bus, &bus->authorizer);
        if (r < 0)
                return r;
        r = add_objects(bus);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(bus->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
                                on_disconnected, bus);
        if (r < 0)
                return r;
        return sd_bus_attach_event(bus->bus, bus->event, SD_EVENT_PRIORITY_NORMAL);
}

int bus_new(sd_event *event, Manager *manager, bus_shown_t shown, void *userdata, Bus **ret) {
        _cleanup_(bus_freep) Bus *bus = calloc(1, sizeof(*bus));
        int r;

        if (!bus)
                return -ENOMEM;

        bus->event = sd_event_ref(event);
        bus->manager = manager;
        bus->shown = shown;
        bus->shown_userdata = userdata;
        r = connect_bus(bus);
        if (r < 0)
                return r;
        r = announcer_new(bus, &bus->announcer);
        if (r < 0)
                return r;
        r = module_requests_new(bus->bus, &bus->modules);
        if (r < 0)
                return r;

        join_manager(bus);
        *ret = TAKE_PTR(bus);
        return 0;
}

Bus *bus_free(Bus *bus) {
        if (!bus)
                return NULL;

        manager_set_observer(bus->manager, &(ManagerObserver){});
        manager_set_module_loader(bus->manager, &(ModuleLoader){});
        reply_free_all(bus);
        plan_free_all(bus);
        module_requests_free(bus->modules);
        announcer_free(bus->announcer);
        authorizer_free(bus->authorizer);
        sd_bus_flush_close_unref(bus->bus);
        sd_event_unref(bus->event);
        free(bus);
        return NULL;
}
