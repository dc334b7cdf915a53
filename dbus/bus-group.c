/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/host-guard.h"
#include "daemon/label.h"
#include "dbus/bus.h"
#include "dbus/encode.h"
#include "dbus/path.h"

int group_blockers(const Bus *bus, const Group *group, BlockerList *ret) {
        BlockerList blockers = {};
        int r;

        r = host_guard_check_group(bus->manager, group, &blockers);
        if (r < 0) {
                blocker_list_done(&blockers);
                return r;
        }

        *ret = blockers;
        return 0;
}

static const Assignment *view_assignment(const GroupView *view) {
        return manager_group_assignment(view->bus->manager, view->group->number);
}

static int property_get_number(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                               sd_bus_error *error) {
        return sd_bus_message_append_basic(m, 'u', &((const GroupView *) userdata)->group->number);
}

static int property_get_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                              sd_bus_error *error) {
        const GroupView *view = userdata;

        return encode_text(m, group_state_to_string(manager_group_state(view->bus->manager, view->group->number)));
}

static int property_get_viable(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                               sd_bus_error *error) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r, viable;

        r = group_blockers(((const GroupView *) userdata)->bus, ((const GroupView *) userdata)->group, &blockers);
        if (r < 0)
                return r;
        viable = blockers.n_items == 0;
        return sd_bus_message_append_basic(m, 'b', &viable);
}

static int property_get_owner(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                              sd_bus_error *error) {
        const GroupView *view = userdata;
        const Assignment *assignment = view_assignment(view);

        return encode_text(m, assignment && bus_shows_holder(view->bus, assignment->uid) ? assignment->owner : NULL);
}

static int property_get_node_access(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                    sd_bus_error *error) {
        const GroupView *view = userdata;
        const Assignment *assignment = view_assignment(view);
        bool is_shown = assignment && assignment->has_nodes && bus_shows_holder(view->bus, assignment->uid);

        return encode_node_access(m, is_shown ? &assignment->nodes : NULL);
}

static int property_get_label(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                              sd_bus_error *error) {
        const GroupView *view = userdata;
        const Assignment *assignment = view_assignment(view);
        _cleanup_(blocker_list_done) BlockerList conflicts = {};
        const char *label;
        int r;

        if (!bus_shows_holder(view->bus, assignment ? assignment->uid : 0))
                return encode_text(m, NULL);
        if (assignment)
                return encode_text(m, assignment->label);
        r = manager_group_label(view->bus->manager, view->group, &label, &conflicts);
        return r < 0 ? r : encode_text(m, label);
}

static int property_get_domain_type(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                    sd_bus_error *error) {
        return encode_text(m, ((const GroupView *) userdata)->group->domain_type);
}

static int property_get_blockers(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                 sd_bus_error *error) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r;

        r = group_blockers(((const GroupView *) userdata)->bus, ((const GroupView *) userdata)->group, &blockers);
        if (r < 0)
                return r;
        return encode_blockers(m, &blockers);
}

static int property_get_devices(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                sd_bus_error *error) {
        const Group *group = ((const GroupView *) userdata)->group;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "o");
        if (r < 0)
                return r;
        for (size_t i = 0; i < group->n_devices; i++) {
                r = sd_bus_message_append_basic(m, 'o', PATH_OF_DEVICE(&group->devices[i]->address));
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int property_get_other_members(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                      sd_bus_error *error) {
        const Group *group = ((const GroupView *) userdata)->group;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;
        for (size_t i = 0; i < group->n_others; i++) {
                r = encode_text(m, group->others[i].name);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int property_get_assignment(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                   sd_bus_error *error) {
        const Assignment *assignment = view_assignment(userdata);

        return sd_bus_message_append_basic(m, 'o', assignment ? PATH_OF_NUMBER(ASSIGND_ASSIGNMENT_PREFIX, assignment->id) : "/");
}

static int property_get_reserved(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                 sd_bus_error *error) {
        const GroupView *view = userdata;
        int reserved = manager_group_reservation(view->bus->manager, view->group->number) != NULL;

        return sd_bus_message_append_basic(m, 'b', &reserved);
}

static int property_get_operation(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                  sd_bus_error *error) {
        const GroupView *view = userdata;
        const Operation *operation = manager_group_operation(view->bus->manager, view->group->number);

        return sd_bus_message_append_basic(m, 'o', operation ? PATH_OF_NUMBER(ASSIGND_OPERATION_PREFIX, operation->id) : "/");
}

static int property_get_reserved_regions(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m,
                                         void *userdata, sd_bus_error *error) {
        const Group *group = ((const GroupView *) userdata)->group;
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "(tts)");
        if (r < 0)
                return r;
        for (size_t i = 0; i < group->n_regions; i++) {
                const ReservedRegion *region = &group->regions[i];

                r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, "tts");
                if (r < 0)
                        return r;
                r = sd_bus_message_append(m, "tt", region->start, region->end);
                if (r < 0)
                        return r;
                r = encode_text(m, region->type);
                if (r < 0)
                        return r;
                r = sd_bus_message_close_container(m);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

const sd_bus_vtable group_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Number", "u", property_get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Viable", "b", property_get_viable, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Owner", "s", property_get_owner, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Label", "s", property_get_label, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NodeAccess", "a{sv}", property_get_node_access, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("DomainType", "s", property_get_domain_type, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Blockers", "aa{sv}", property_get_blockers, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Devices", "ao", property_get_devices, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("OtherMembers", "as", property_get_other_members, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Assignment", "o", property_get_assignment, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Reserved", "b", property_get_reserved, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Operation", "o", property_get_operation, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ReservedRegions", "a(tts)", property_get_reserved_regions, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END
};
