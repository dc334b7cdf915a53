/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/access.h"

#include "base/strutil.h"
#include "dbus/names.h"

static const char *const action_ids[_ACTION_MAX] = {
        [ACTION_VIEW] = ASSIGND_BUS_NAME ".view",
        [ACTION_ASSIGN] = ASSIGND_BUS_NAME ".assign",
        [ACTION_RELEASE] = ASSIGND_BUS_NAME ".release",
        [ACTION_RELEASE_OTHERS] = ASSIGND_BUS_NAME ".release-others",
        [ACTION_RESERVE] = ASSIGND_BUS_NAME ".reserve",
        [ACTION_LABEL] = ASSIGND_BUS_NAME ".label",
        [ACTION_POLICY] = ASSIGND_BUS_NAME ".policy",
        [ACTION_AUDIT] = ASSIGND_BUS_NAME ".audit",
        [ACTION_OVERRIDE_SAFETY] = ASSIGND_BUS_NAME ".override-safety",
};

const char *action_to_id(Action action) {
        return action_ids[action];
}

static const char *const action_phrases[_ACTION_MAX] = {
        [ACTION_VIEW] = "see devices and who holds them",
        [ACTION_ASSIGN] = "assign or open devices",
        [ACTION_RELEASE] = "give devices back",
        [ACTION_RELEASE_OTHERS] = "do this with what another user holds",
        [ACTION_RESERVE] = "reserve devices",
        [ACTION_LABEL] = "label devices",
        [ACTION_POLICY] = "read the policy or have the host looked at afresh",
        [ACTION_AUDIT] = "read the audit trail",
        [ACTION_OVERRIDE_SAFETY] = "override what keeps the host safe",
};

const char *action_to_phrase(Action action) {
        return action_phrases[action];
}

#define VIEW_METHOD(interface, member) { interface, member, MEMBER_METHOD, ACTION_VIEW, SUBJECT_HOST, NULL }
#define PROPERTY(interface, member) { interface, member, MEMBER_PROPERTY, ACTION_VIEW, SUBJECT_HOST, NULL }
#define SIGNAL(interface, member) { interface, member, MEMBER_SIGNAL, ACTION_VIEW, SUBJECT_HOST, NULL }

const Access access_table[] = {
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "ListDevices"),
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "ListGroups"),
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "ListAssignments"),
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "GetDevice"),
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "GetGroup"),
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "Explain"),
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "Plan"),
        { ASSIGND_MANAGER_INTERFACE, "Assign", MEMBER_METHOD, ACTION_ASSIGN, SUBJECT_ASSIGN, "assign" },
        { ASSIGND_MANAGER_INTERFACE, "AssignWithLease", MEMBER_METHOD, ACTION_ASSIGN, SUBJECT_ASSIGN, "assign" },
        { ASSIGND_MANAGER_INTERFACE, "Release", MEMBER_METHOD, ACTION_RELEASE, SUBJECT_RELEASE, "release" },
        { ASSIGND_MANAGER_INTERFACE, "Reserve", MEMBER_METHOD, ACTION_RESERVE, SUBJECT_TARGETS, "reserve" },
        { ASSIGND_MANAGER_INTERFACE, "Unreserve", MEMBER_METHOD, ACTION_RESERVE, SUBJECT_TARGETS, "unreserve" },
        { ASSIGND_MANAGER_INTERFACE, "Reload", MEMBER_METHOD, ACTION_POLICY, SUBJECT_HOST, "reload" },
        { ASSIGND_MANAGER_INTERFACE, "Rescan", MEMBER_METHOD, ACTION_POLICY, SUBJECT_HOST, "rescan" },
        { ASSIGND_MANAGER_INTERFACE, "ListAudit", MEMBER_METHOD, ACTION_AUDIT, SUBJECT_HOST, "audit" },
        { ASSIGND_MANAGER_INTERFACE, "ExportAudit", MEMBER_METHOD, ACTION_AUDIT, SUBJECT_HOST, "audit" },
        VIEW_METHOD(ASSIGND_MANAGER_INTERFACE, "CheckHost"),
        { ASSIGND_MANAGER_INTERFACE, "Recover", MEMBER_METHOD, ACTION_RESERVE, SUBJECT_TARGETS, "recover" },
        { ASSIGND_MANAGER_INTERFACE, "SetLabel", MEMBER_METHOD, ACTION_LABEL, SUBJECT_TARGET, "label" },
        { ASSIGND_MANAGER_INTERFACE, "ListPolicy", MEMBER_METHOD, ACTION_POLICY, SUBJECT_HOST, "policy" },
        { ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", MEMBER_METHOD, ACTION_POLICY, SUBJECT_HOST, "policy" },
        PROPERTY(ASSIGND_MANAGER_INTERFACE, "Version"),
        PROPERTY(ASSIGND_MANAGER_INTERFACE, "Backend"),
        PROPERTY(ASSIGND_MANAGER_INTERFACE, "Health"),
        PROPERTY(ASSIGND_MANAGER_INTERFACE, "AuditHead"),
        PROPERTY(ASSIGND_MANAGER_INTERFACE, "Devices"),
        PROPERTY(ASSIGND_MANAGER_INTERFACE, "Groups"),
        PROPERTY(ASSIGND_MANAGER_INTERFACE, "Assignments"),
        SIGNAL(ASSIGND_MANAGER_INTERFACE, "AssignmentNew"),
        SIGNAL(ASSIGND_MANAGER_INTERFACE, "AssignmentRemoved"),
        SIGNAL(ASSIGND_MANAGER_INTERFACE, "OperationNew"),
        SIGNAL(ASSIGND_MANAGER_INTERFACE, "OperationRemoved"),
        SIGNAL(ASSIGND_MANAGER_INTERFACE, "Drift"),

        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Address"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Vendor"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Device"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "SubsystemVendor"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "SubsystemDevice"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Class"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Revision"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Name"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Role"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Driver"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "DriverOverride"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Group"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "GroupNumber"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "NumaNode"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "ResetMethods"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "PhysicalFunction"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "VirtualFunctions"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "Label"),
        PROPERTY(ASSIGND_DEVICE_INTERFACE, "LabelOrigin"),

        PROPERTY(ASSIGND_GROUP_INTERFACE, "Number"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "State"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Viable"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Owner"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "NodeAccess"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Label"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "DomainType"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Blockers"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Devices"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "OtherMembers"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Assignment"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Operation"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "ReservedRegions"),
        PROPERTY(ASSIGND_GROUP_INTERFACE, "Reserved"),

        { ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", MEMBER_METHOD, ACTION_ASSIGN, SUBJECT_ASSIGNMENT, "open" },
        { ASSIGND_ASSIGNMENT_INTERFACE, "Release", MEMBER_METHOD, ACTION_RELEASE, SUBJECT_ASSIGNMENT, "release" },
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Id"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Owner"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Uid"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "State"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Label"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Backend"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Lease"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "NodeAccess"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "CreatedUSec"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Groups"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Devices"),
        PROPERTY(ASSIGND_ASSIGNMENT_INTERFACE, "Companions"),

        { ASSIGND_OPERATION_INTERFACE, "Cancel", MEMBER_METHOD, ACTION_RELEASE, SUBJECT_OPERATION, "cancel" },
        VIEW_METHOD(ASSIGND_OPERATION_INTERFACE, "Wait"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Id"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Verb"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "State"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Owner"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Groups"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Assignment"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "StepsDone"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "StepsTotal"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Holders"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Error"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Message"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "CreatedUSec"),
        PROPERTY(ASSIGND_OPERATION_INTERFACE, "Progress"),

        VIEW_METHOD("org.freedesktop.DBus.Properties", "Get"),
        VIEW_METHOD("org.freedesktop.DBus.Properties", "GetAll"),
        VIEW_METHOD("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
        VIEW_METHOD("org.freedesktop.DBus.Introspectable", "Introspect"),
        VIEW_METHOD("org.freedesktop.DBus.Peer", "Ping"),
        VIEW_METHOD("org.freedesktop.DBus.Peer", "GetMachineId"),
};

const size_t access_table_length = ELEMENTSOF(access_table);

const Access *access_find(MemberKind kind, const char *interface, const char *member) {
        if (!interface || !member)
                return NULL;

        for (size_t i = 0; i < ELEMENTSOF(access_table); i++)
                if (access_table[i].kind == kind && string_equal(access_table[i].member, member) && string_equal(access_table[i].interface, interface))
                        return &access_table[i];
        return NULL;
}

static const Access *access_find_property(sd_bus_message *get) {
        const char *interface, *property;
        const Access *access = NULL;

        if (!sd_bus_message_has_signature(get, "ss"))
                return NULL;
        if (sd_bus_message_read(get, "ss", &interface, &property) >= 0)
                access = access_find(MEMBER_PROPERTY, interface, property);
        return sd_bus_message_rewind(get, /* complete= */ true) < 0 ? NULL : access;
}

const Access *access_find_call(sd_bus_message *call) {
        const Access *access = access_find(MEMBER_METHOD, sd_bus_message_get_interface(call), sd_bus_message_get_member(call));

        if (access && sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Properties", "Get"))
                return access_find_property(call);
        return access;
}
