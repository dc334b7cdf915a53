/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/strutil.h"
#include "dbus/bus.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"
#include "dbus/path.h"
#include "dbus/reply.h"

#define DEFINE_TEXT(name, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const Assignment *assignment = ((const AssignmentView *) userdata)->assignment; \
\
                return encode_text(m, value); \
        }

/* The same for what only its holder and whoever may know it is shown. */
#define DEFINE_HOLDER_TEXT(name, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const AssignmentView *view = userdata; \
\
                return encode_text(m, bus_shows_holder(view->bus, view->assignment->uid) ? view->assignment->value : NULL); \
        }

DEFINE_HOLDER_TEXT(property_get_owner, owner)
DEFINE_HOLDER_TEXT(property_get_label, label)
DEFINE_TEXT(property_get_state, assignment_state_to_string(assignment->state))
DEFINE_TEXT(property_get_backend, backend_to_string(assignment->backend))

bool assignment_is_visible(const Assignment *assignment) {
        return assignment->state != ASSIGNMENT_ASSIGNING;
}

size_t assignment_count_visible(const Manager *manager) {
        size_t n = 0;

        for (size_t i = 0; i < manager->assignments.n_items; i++)
                n += assignment_is_visible(manager->assignments.items[i]);
        return n;
}

static int property_get_id(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                           sd_bus_error *error) {
        return sd_bus_message_append_basic(m, 't', &((const AssignmentView *) userdata)->assignment->id);
}

static int property_get_created(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                sd_bus_error *error) {
        return sd_bus_message_append_basic(m, 't', &((const AssignmentView *) userdata)->assignment->created_usec);
}

static int property_get_uid(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                            sd_bus_error *error) {
        const AssignmentView *view = userdata;
        uint32_t uid = bus_shows_holder(view->bus, view->assignment->uid) ? view->assignment->uid : UINT32_MAX;

        return sd_bus_message_append_basic(m, 'u', &uid);
}

static int property_get_node_access(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                    sd_bus_error *error) {
        const AssignmentView *view = userdata;
        const Assignment *assignment = view->assignment;

        return encode_node_access(m, assignment->has_nodes && bus_shows_holder(view->bus, assignment->uid) ? &assignment->nodes : NULL);
}

static int property_get_lease(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                              sd_bus_error *error) {
        int lease = ((const AssignmentView *) userdata)->assignment->lease;

        return sd_bus_message_append_basic(m, 'b', &lease);
}

static int property_get_groups(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                               sd_bus_error *error) {
        const Assignment *assignment = ((const AssignmentView *) userdata)->assignment;

        return encode_group_paths(m, assignment->groups, assignment->n_groups);
}

/* The addresses of all its devices, or only of the companions. */
static int append_records(sd_bus_message *m, const RecordList *records, bool all) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;
        for (size_t i = 0; i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];

                if (!all && record->wanted)
                        continue;
                r = encode_address(m, &record->address);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int property_get_devices(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                sd_bus_error *error) {
        return append_records(m, &((const AssignmentView *) userdata)->assignment->records, /* all= */ true);
}

static int property_get_companions(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                   sd_bus_error *error) {
        return append_records(m, &((const AssignmentView *) userdata)->assignment->records, /* all= */ false);
}

static int opened_compare(const void *a, const void *b) {
        const OpenedFd *x = a, *y = b;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        if (x->group != y->group)
                return x->group < y->group ? -1 : 1;
        return pci_address_compare(&x->address, &y->address);
}

/* a{sh}: what all devices share, by name. */
static int append_shared(sd_bus_message *m, const OpenedFd *fds, size_t n_fds) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sh}");
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_fds; i++) {
                char name[sizeof("group:4294967295")];

                if (fds[i].kind == STEP_OPEN_IOMMUFD)
                        (void) snprintf(name, sizeof(name), "iommufd");
                else if (fds[i].kind == STEP_OPEN_CONTAINER)
                        (void) snprintf(name, sizeof(name), "container");
                else if (fds[i].kind == STEP_OPEN_GROUP)
                        (void) snprintf(name, sizeof(name), "group:%" PRIu32, fds[i].group);
                else
                        continue;
                r = sd_bus_message_append(m, "{sh}", name, fds[i].fd);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

/* a(sh): the devices by address. */
static int append_opened_devices(sd_bus_message *m, const OpenedFd *fds, size_t n_fds) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "(sh)");
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_fds; i++) {
                if (fds[i].kind != STEP_OPEN_CDEV && fds[i].kind != STEP_OPEN_DEVICE)
                        continue;
                r = sd_bus_message_append(m, "(sh)", PCI_ADDRESS_FORMAT(&fds[i].address), fds[i].fd);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

/* sd-bus duplicates the fds into the message. Steps end in any order, and the caller gets them in one. */
static int write_opened(sd_bus_message *m, const Operation *operation, int fd) {
        OpenedFd fds[ASSIGND_FDS_MAX];
        size_t n_fds = operation->n_fds;
        int r;

        if (n_fds == 0 || n_fds > ASSIGND_FDS_MAX)
                return -EMFILE;
        memcpy(fds, operation->fds, n_fds * sizeof(*fds));
        qsort(fds, n_fds, sizeof(*fds), opened_compare);

        r = sd_bus_message_append_basic(m, 's', backend_to_string(fds[0].kind == STEP_OPEN_IOMMUFD ? BACKEND_IOMMUFD : BACKEND_GROUP));
        if (r < 0)
                return r;
        r = append_shared(m, fds, n_fds);
        if (r < 0)
                return r;
        return append_opened_devices(m, fds, n_fds);
}

static bool names_device(char *const *devices, const PciAddress *address) {
        PciAddress named;

        for (size_t i = 0; devices[i]; i++)
                if (pci_address_parse(devices[i], &named) >= 0 && pci_address_compare(&named, address) == 0)
                        return true;
        return false;
}

/* How many fds it takes to open `devices` (NULL: all) of the assignment. Names that are none of its devices count nothing:
 * the manager refuses them. */
static size_t count_fds(const Assignment *assignment, char *const *devices) {
        size_t n_devices = 0, n_groups = 0;

        for (size_t g = 0; g < assignment->n_groups; g++) {
                size_t n = 0;

                for (size_t i = 0; i < assignment->records.n_items; i++) {
                        const DeviceRecord *record = &assignment->records.items[i];

                        n += record->group == assignment->groups[g] && (!devices || names_device(devices, &record->address));
                }
                n_devices += n;
                n_groups += n > 0;
        }
        return 1 + n_devices + (assignment->backend == BACKEND_GROUP ? n_groups : 0);
}

static int method_open_devices(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const AssignmentView *view = userdata;
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_(caller_done) Caller caller = {};
        _cleanup_strv_free_ char **devices = NULL;
        uint64_t timeout_usec = ASSIGND_TIMEOUT_USEC_DEFAULT;
        const Option options[] = {
                { "devices", OPTION_STRING_ARRAY, &devices },
                { "timeout_usec", OPTION_U64, &timeout_usec },
        };
        Operation *operation;
        size_t n_fds;
        int r;

        r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;
        r = reply_check_room(view->bus, m);
        if (r != 0)
                return r;

        n_fds = count_fds(view->assignment, devices);
        if (n_fds > ASSIGND_FDS_MAX)
                return error_reply(m, REFUSAL_LIMITS_EXCEEDED,
                                   "Opening these devices takes %zu file descriptors and a message carries %u: name fewer of them with the option \"devices\"",
                                   n_fds, ASSIGND_FDS_MAX);

        r = authorizer_get_caller(view->bus->authorizer, m, &caller);
        if (r < 0)
                return r;
        r = manager_open(view->bus->manager, view->assignment->id, devices, &caller, &refusal, &operation);
        if (r < 0)
                return error_reply_errno(m, r, "The devices cannot be opened");
        if (refusal.code != REFUSAL_NONE)
                return bus_refuse(view->bus, m, &refusal);
        return reply_at_end(view->bus, m, operation, timeout_usec, write_opened, NULL);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const AssignmentView *view = userdata;
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_(caller_done) Caller caller = {};
        uint64_t timeout_usec = ASSIGND_TIMEOUT_USEC_DEFAULT;
        bool wait = false;
        const Option options[] = {
                { "timeout_usec", OPTION_U64, &timeout_usec },
                { "wait", OPTION_BOOL, &wait },
        };
        Operation *operation;
        int r;

        r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;
        r = reply_check_room(view->bus, m);
        if (r != 0)
                return r;

        r = authorizer_get_caller(view->bus->authorizer, m, &caller);
        if (r < 0)
                return r;
        r = manager_release_assignment(view->bus->manager, view->assignment->id, wait, &caller, &refusal, &operation);
        if (r < 0)
                return error_reply_errno(m, r, "The assignment cannot be released");
        if (refusal.code != REFUSAL_NONE)
                return bus_refuse(view->bus, m, &refusal);
        return reply_at_end(view->bus, m, operation, timeout_usec, NULL, NULL);
}

const sd_bus_vtable assignment_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("OpenDevices", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", backend, "a{sh}", shared, "a(sh)", devices),
                                method_open_devices, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_release, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Id", "t", property_get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Owner", "s", property_get_owner, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Uid", "u", property_get_uid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Label", "s", property_get_label, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Backend", "s", property_get_backend, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Lease", "b", property_get_lease, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("NodeAccess", "a{sv}", property_get_node_access, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("CreatedUSec", "t", property_get_created, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Groups", "ao", property_get_groups, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Devices", "as", property_get_devices, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Companions", "as", property_get_companions, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END
};
