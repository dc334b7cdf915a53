/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/bus-manager.h"

#include "dbus/encode.h"
#include "dbus/errors.h"

#define DEFINE_TEXT(name, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const Manager *manager = ((const Bus *) userdata)->manager; \
\
                (void) manager; \
                return encode_text(m, value); \
        }

#define DEFINE_COUNT(name, value) \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata, \
                        sd_bus_error *error) { \
                const Manager *manager = ((const Bus *) userdata)->manager; \
\
                return sd_bus_message_append_basic(m, 'u', &(uint32_t){ (uint32_t) value }); \
        }

DEFINE_TEXT(property_get_version, PROJECT_VERSION)
DEFINE_TEXT(property_get_backend, backend_to_string(manager_default_backend(manager)))
DEFINE_TEXT(property_get_health, manager_health(manager))
DEFINE_COUNT(property_get_devices, manager_facts(manager)->n_devices)
DEFINE_COUNT(property_get_groups, manager_facts(manager)->n_groups)
DEFINE_COUNT(property_get_assignments, assignment_count_visible(manager))

static int property_get_audit_head(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m, void *userdata,
                                   sd_bus_error *error) {
        int64_t id;
        uint64_t head;
        int r;

        r = db_audit_head(((const Bus *) userdata)->manager->db, &id);
        if (r < 0)
                return r;
        head = (uint64_t) id;
        return sd_bus_message_append_basic(m, 't', &head);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Manager *manager = ((Bus *) userdata)->manager;
        _cleanup_(caller_done) Caller caller = {};
        int r;

        r = authorizer_get_caller(((Bus *) userdata)->authorizer, m, &caller);
        if (r >= 0)
                r = manager_reload(((Bus *) userdata)->manager, &caller);
        if (r >= 0 && manager->policy.problem)
                return error_reply(m, REFUSAL_FAILED, "All else was reloaded, but %s", manager->policy.problem);
        return r < 0 ? error_reply_errno(m, r, "The daemon cannot reload") : sd_bus_reply_method_return(m, NULL);
}

static int method_rescan(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = manager_rescan(((Bus *) userdata)->manager);
        return r < 0 ? error_reply_errno(m, r, "The devices cannot be scanned") : sd_bus_reply_method_return(m, NULL);
}

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListDevices", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(oa{sv})", devices), method_list_devices,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListGroups", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(oa{sv})", groups), method_list_groups,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListAssignments", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(oa{sv})", assignments), method_list_assignments,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetDevice", SD_BUS_ARGS("s", address), SD_BUS_RESULT("o", device), method_get_device, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetGroup", SD_BUS_ARGS("u", number), SD_BUS_RESULT("o", group), method_get_group, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", target, "a{sv}", options), SD_BUS_RESULT("a{sv}", explanation), method_explain,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Plan", SD_BUS_ARGS("s", verb, "as", targets, "a{sv}", options), SD_BUS_RESULT("a{sv}", plan), method_plan,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Assign", SD_BUS_ARGS("s", owner, "as", targets, "a{sv}", options), SD_BUS_RESULT("o", assignment), method_assign,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AssignWithLease", SD_BUS_ARGS("s", owner, "as", targets, "a{sv}", options),
                                SD_BUS_RESULT("o", assignment, "h", lease), method_assign_with_lease, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("s", owner, "a{sv}", options), SD_BUS_NO_RESULT, method_release, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reserve", SD_BUS_ARGS("as", targets, "a{sv}", options), SD_BUS_NO_RESULT, method_reserve,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unreserve", SD_BUS_ARGS("as", targets, "a{sv}", options), SD_BUS_NO_RESULT, method_unreserve,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Recover", SD_BUS_ARGS("as", targets, "a{sv}", options), SD_BUS_NO_RESULT, method_recover, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetLabel", SD_BUS_ARGS("s", target, "s", label, "a{sv}", options), SD_BUS_NO_RESULT, method_set_label,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListPolicy", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("aa{sv}", entries), method_list_policy,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ExplainPolicy", SD_BUS_ARGS("s", verb, "s", target, "a{sv}", options), SD_BUS_RESULT("a{sv}", explanation),
                                method_explain_policy, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", NULL, NULL, method_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Rescan", NULL, NULL, method_rescan, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListAudit", SD_BUS_ARGS("t", after, "a{sv}", filter, "u", max), SD_BUS_RESULT("a(ta{sv})", rows), method_list_audit,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ExportAudit", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", database), method_export_audit,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CheckHost", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("aa{sv}", findings), method_check_host,
                                SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_PROPERTY("Version", "s", property_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Backend", "s", property_get_backend, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Health", "s", property_get_health, 0, 0),
        SD_BUS_PROPERTY("AuditHead", "t", property_get_audit_head, 0, 0),
        SD_BUS_PROPERTY("Devices", "u", property_get_devices, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Groups", "u", property_get_groups, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Assignments", "u", property_get_assignments, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),

        SD_BUS_SIGNAL_WITH_ARGS("AssignmentNew", SD_BUS_ARGS("o", assignment, "s", owner), 0),
        SD_BUS_SIGNAL_WITH_ARGS("AssignmentRemoved", SD_BUS_ARGS("o", assignment, "s", owner), 0),
        SD_BUS_SIGNAL_WITH_ARGS("OperationNew", SD_BUS_ARGS("o", operation, "s", verb), 0),
        SD_BUS_SIGNAL_WITH_ARGS("OperationRemoved", SD_BUS_ARGS("o", operation, "s", state), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Drift", SD_BUS_ARGS("s", code, "o", group, "o", device, "s", detail), 0),
        SD_BUS_VTABLE_END
};
