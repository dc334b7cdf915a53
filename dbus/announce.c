/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/announce.h"

#include <string.h>

#include "base/log.h"
#include "base/strutil.h"
#include "dbus/path.h"

typedef enum ObjectKind {
        OBJECT_MANAGER,
        OBJECT_DEVICE,
        OBJECT_GROUP,
        OBJECT_ASSIGNMENT,
        OBJECT_OPERATION,
        _OBJECT_KIND_MAX,
} ObjectKind;

static const char *const object_interfaces[_OBJECT_KIND_MAX] = {
        [OBJECT_MANAGER] = ASSIGND_MANAGER_INTERFACE,
        [OBJECT_DEVICE] = ASSIGND_DEVICE_INTERFACE,
        [OBJECT_GROUP] = ASSIGND_GROUP_INTERFACE,
        [OBJECT_ASSIGNMENT] = ASSIGND_ASSIGNMENT_INTERFACE,
        [OBJECT_OPERATION] = ASSIGND_OPERATION_INTERFACE,
};

typedef struct Object {
        ObjectKind kind;
        PciAddress address; /* of a device */
        uint64_t number;    /* of the others */
} Object;

struct Announcer {
        Bus *bus;
        bool enabled;
        sd_event_source *flush;
        Object *changed; /* unsorted, with doubles */
        size_t n_changed;
        size_t n_allocated;
        uint64_t *operations; /* objects that are there, ordered */
        size_t n_operations;
};

static const char *object_path(const Object *object, char buffer[static OBJECT_PATH_MAX]) {
        switch (object->kind) {
        case OBJECT_MANAGER:
                return ASSIGND_MANAGER_PATH;
        case OBJECT_DEVICE:
                return path_format_device(&object->address, buffer);
        case OBJECT_GROUP:
                return path_format_number(ASSIGND_GROUP_PREFIX, object->number, buffer);
        case OBJECT_ASSIGNMENT:
                return path_format_number(ASSIGND_ASSIGNMENT_PREFIX, object->number, buffer);
        case OBJECT_OPERATION:
                return path_format_number(ASSIGND_OPERATION_PREFIX, object->number, buffer);
        case _OBJECT_KIND_MAX:
                break;
        }
        assert(false);
        return NULL;
}

static int object_compare(const void *a, const void *b) {
        const Object *x = a, *y = b;
        int r;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        r = pci_address_compare(&x->address, &y->address);
        if (r != 0)
                return r;
        return x->number < y->number ? -1 : x->number > y->number;
}

/* Whether there still is something to read properties from. */
static bool object_exists(const Manager *manager, const Object *object) {
        switch (object->kind) {
        case OBJECT_MANAGER:
                return true;
        case OBJECT_DEVICE:
                return facts_find_device(manager_facts(manager), &object->address);
        case OBJECT_GROUP:
                return facts_find_group(manager_facts(manager), (uint32_t) object->number);
        case OBJECT_ASSIGNMENT: {
                const Assignment *assignment = manager_find_assignment(manager, object->number);

                return assignment && assignment_is_visible(assignment);
        }
        case OBJECT_OPERATION:
                return manager_find_operation(manager, object->number);
        case _OBJECT_KIND_MAX:
                break;
        }
        return false;
}

static void complain(int r, const char *path) {
        if (r < 0)
                (void) log_warning_errno(r, "A change of %s cannot be announced: %m", path);
}

static void announce_added(Announcer *announcer, const Object *object) {
        char buffer[OBJECT_PATH_MAX];
        const char *path = object_path(object, buffer);

        if (!announcer->enabled)
                return;
        announcer->bus->announcing = true;
        complain(sd_bus_emit_interfaces_added(announcer->bus->bus, path, object_interfaces[object->kind], NULL), path);
        announcer->bus->announcing = false;
}

static void announce_removed(Announcer *announcer, const Object *object) {
        char buffer[OBJECT_PATH_MAX];
        const char *path = object_path(object, buffer);

        if (announcer->enabled)
                complain(sd_bus_emit_interfaces_removed(announcer->bus->bus, path, object_interfaces[object->kind], NULL), path);
}

/* AssignmentNew and its like: signals of the manager with a path and a word. */
static void announce_event(Announcer *announcer, const char *signal, const Object *object, const char *word) {
        char buffer[OBJECT_PATH_MAX];
        const char *path = object_path(object, buffer);

        if (announcer->enabled)
                complain(sd_bus_emit_signal(announcer->bus->bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, signal, "os", path, word), path);
}

static void announce_properties(Announcer *announcer, const Object *object) {
        char buffer[OBJECT_PATH_MAX];
        const char *path = object_path(object, buffer);

        if (!object_exists(announcer->bus->manager, object))
                return;
        announcer->bus->announcing = true;
        /* NULL: all that the interface's table says are announced. */
        complain(sd_bus_emit_properties_changed_strv(announcer->bus->bus, path, object_interfaces[object->kind], NULL), path);
        announcer->bus->announcing = false;
}

/* The manager keeps the last ended operations and drops older ones without a word. */
static void announce_dropped_operations(Announcer *announcer) {
        size_t kept = 0;

        for (size_t i = 0; i < announcer->n_operations; i++) {
                uint64_t id = announcer->operations[i];

                if (manager_find_operation(announcer->bus->manager, id))
                        announcer->operations[kept++] = id;
                else
                        announce_removed(announcer, &(Object){ .kind = OBJECT_OPERATION, .number = id });
        }
        announcer->n_operations = kept;
}

static int on_flush(sd_event_source *source, void *userdata) {
        Announcer *announcer = userdata;
        const Object *previous = NULL;

        announce_dropped_operations(announcer);

        if (announcer->n_changed > 1)
                qsort(announcer->changed, announcer->n_changed, sizeof(*announcer->changed), object_compare);
        for (size_t i = 0; i < announcer->n_changed; i++) {
                const Object *object = &announcer->changed[i];

                if (!previous || object_compare(previous, object) != 0)
                        announce_properties(announcer, object);
                previous = object;
        }
        announcer->n_changed = 0;
        return 0;
}

static void announcer_schedule(Announcer *announcer) {
        if (sd_event_source_set_enabled(announcer->flush, SD_EVENT_ONESHOT) < 0)
                log_warning("Changes cannot be announced any more");
}

static void announce_changed(Announcer *announcer, Object object) {
        if (!announcer->enabled)
                return;

        if (announcer->n_changed == announcer->n_allocated) {
                size_t n = announcer->n_allocated * 2 + 16;
                Object *grown = reallocarray(announcer->changed, n, sizeof(*grown));

                if (!grown) { /* better early than never */
                        announce_properties(announcer, &object);
                        return;
                }
                announcer->changed = grown;
                announcer->n_allocated = n;
        }
        announcer->changed[announcer->n_changed++] = object;
        announcer_schedule(announcer);
}

static void manager_changed(Announcer *announcer) {
        announce_changed(announcer, (Object){ .kind = OBJECT_MANAGER });
}

static void groups_changed(Announcer *announcer, const uint32_t *groups, size_t n_groups) {
        for (size_t i = 0; i < n_groups; i++)
                announce_changed(announcer, (Object){ .kind = OBJECT_GROUP, .number = groups[i] });
}

static void on_device_changed(void *userdata, const PciAddress *address, const Device *before, const Device *now) {
        Announcer *announcer = userdata;
        const Object object = { .kind = OBJECT_DEVICE, .address = *address };

        if (before && now) {
                announce_changed(announcer, object);
                return;
        }
        (now ? announce_added : announce_removed)(announcer, &object);
        manager_changed(announcer);
}

static void on_group_changed(void *userdata, uint32_t number, bool before, const Group *now) {
        Announcer *announcer = userdata;
        const Object object = { .kind = OBJECT_GROUP, .number = number };

        if (before && now) {
                announce_changed(announcer, object);
                return;
        }
        (now ? announce_added : announce_removed)(announcer, &object);
        manager_changed(announcer);
}

static void on_assignment_added(void *userdata, const Assignment *assignment) {
        Announcer *announcer = userdata;
        const Object object = { .kind = OBJECT_ASSIGNMENT, .number = assignment->id };

        announce_added(announcer, &object);
        announce_event(announcer, "AssignmentNew", &object, assignment->owner);
        groups_changed(announcer, assignment->groups, assignment->n_groups);
        manager_changed(announcer);
}

static void on_assignment_changed(void *userdata, const Assignment *assignment) {
        Announcer *announcer = userdata;

        announce_changed(announcer, (Object){ .kind = OBJECT_ASSIGNMENT, .number = assignment->id });
        groups_changed(announcer, assignment->groups, assignment->n_groups);
}

static void on_assignment_removed(void *userdata, uint64_t id, const char *owner) {
        Announcer *announcer = userdata;
        const Object object = { .kind = OBJECT_ASSIGNMENT, .number = id };

        announce_event(announcer, "AssignmentRemoved", &object, owner);
        announce_removed(announcer, &object);
        manager_changed(announcer);
}

static void on_operation_added(void *userdata, const Operation *operation) {
        Announcer *announcer = userdata;
        const Object object = { .kind = OBJECT_OPERATION, .number = operation->id };
        uint64_t *grown = reallocarray(announcer->operations, announcer->n_operations + 1, sizeof(*grown));

        if (grown) { /* else it vanishes unannounced one day */
                announcer->operations = grown;
                announcer->operations[announcer->n_operations++] = operation->id;
        }
        announce_added(announcer, &object);
        announce_event(announcer, "OperationNew", &object, verb_to_string(operation->request.verb));
        groups_changed(announcer, operation->groups, operation->n_groups);
}

static void on_operation_changed(void *userdata, const Operation *operation) {
        Announcer *announcer = userdata;

        announce_changed(announcer, (Object){ .kind = OBJECT_OPERATION, .number = operation->id });
}

static void on_operation_removed(void *userdata, const Operation *operation) {
        Announcer *announcer = userdata;
        const Object object = { .kind = OBJECT_OPERATION, .number = operation->id };

        announce_event(announcer, "OperationRemoved", &object, operation_state_word(operation));
        announce_changed(announcer, object);
        groups_changed(announcer, operation->groups, operation->n_groups);
}

static void on_drift(void *userdata, const Drift *drift, const char *foreign) {
        Announcer *announcer = userdata;
        char detail[512];

        if (!announcer->enabled)
                return;
        (void) snprintf(detail, sizeof(detail), "%s%s%s", drift->detail, foreign ? "; this may be the doing of " : "", foreign ?: "");
        complain(sd_bus_emit_signal(announcer->bus->bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Drift", "soos",
                                    drift_code_to_string(drift->code), PATH_OF_NUMBER(ASSIGND_GROUP_PREFIX, drift->group),
                                    PATH_OF_DEVICE(&drift->address), detail), ASSIGND_MANAGER_PATH);
}

const ManagerObserver announcer_callbacks = {
        .device_changed = on_device_changed,
        .group_changed = on_group_changed,
        .assignment_added = on_assignment_added,
        .assignment_changed = on_assignment_changed,
        .assignment_removed = on_assignment_removed,
        .operation_added = on_operation_added,
        .operation_changed = on_operation_changed,
        .operation_removed = on_operation_removed,
        .drift = on_drift,
};

int announcer_new(Bus *bus, Announcer **ret) {
        _cleanup_(announcer_freep) Announcer *announcer = calloc(1, sizeof(*announcer));
        int r;

        if (!announcer)
                return -ENOMEM;

        announcer->bus = bus;
        r = sd_event_add_defer(bus->event, &announcer->flush, on_flush, announcer);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(announcer->flush, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_source_set_description(announcer->flush, "announce");
        if (r < 0)
                return r;

        *ret = TAKE_PTR(announcer);
        return 0;
}

Announcer *announcer_free(Announcer *announcer) {
        if (!announcer)
                return NULL;

        sd_event_source_disable_unref(announcer->flush);
        free(announcer->changed);
        free(announcer->operations);
        free(announcer);
        return NULL;
}

Bus *announcer_bus(const Announcer *announcer) {
        return announcer->bus;
}

void announcer_enable(Announcer *announcer) {
        announcer->enabled = true;
}
