/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/shape.h"

#include <inttypes.h>
#include <string.h>

#include "base/pci-address.h"
#include "base/strutil.h"
#include "cli/json.h"

typedef json_t *(*convert_t)(const json_t *value);

typedef struct Field {
        const char *property;
        const char *key;
        convert_t convert; /* gets NULL for an absent property */
} Field;

#define FIELDS_APPLY(properties, fields) fields_apply(properties, fields, ELEMENTSOF(fields))

static json_t *fields_apply(const json_t *properties, const Field *fields, size_t n) {
        _cleanup_json_ json_t *object = json_object();

        for (size_t i = 0; object && i < n; i++)
                if (json_object_set_new(object, fields[i].key, fields[i].convert(json_object_get(properties, fields[i].property))) < 0)
                        return NULL;
        return TAKE_PTR(object);
}

/* Shared, not copied: nothing changes what came over the bus. */
static json_t *share(const json_t *value) {
        return json_incref((json_t *) value);
}

static json_t *plain(const json_t *value) {
        return value ? share(value) : json_null();
}

static json_t *text(const json_t *value) {
        return json_string_length(value) > 0 ? share(value) : json_null();
}

static json_t *flag(const json_t *value) {
        return json_boolean(json_is_true(value));
}

/* Who may open nodes; null: nobody but root. The mode as people write it. */
static json_t *node_access(const json_t *value) {
        char mode[8];

        if (json_object_size(value) == 0)
                return json_null();
        (void) snprintf(mode, sizeof(mode), "%04o", (unsigned) json_integer_value(json_object_get(value, "mode")) & 07777U);
        return json_pack("{s:O, s:O, s:s, s:o}", "user", json_object_get(value, "user"), "group", json_object_get(value, "group"), "mode", mode, "context",
                         text(json_object_get(value, "context")));
}

/* GroupNumber of a device without a group is UINT32_MAX. */
static json_t *group_number(const json_t *value) {
        return json_is_integer(value) && json_integer_value(value) < UINT32_MAX ? share(value) : json_null();
}

static json_t *numa_node(const json_t *value) {
        return json_is_integer(value) && json_integer_value(value) >= 0 ? share(value) : json_null();
}

/* Ids count from 1. */
static json_t *id(const json_t *value) {
        return json_is_integer(value) && json_integer_value(value) > 0 ? share(value) : json_null();
}

const char *path_last(const char *path) {
        const char *slash = path ? strrchr(path, '/') : NULL;

        return slash && slash[1] ? slash + 1 : NULL;
}

int path_number(const char *path, uint64_t *ret) {
        const char *last = path_last(path);

        return last ? parse_u64(last, 10, ret) : -EINVAL;
}

static json_t *number_of_path(const json_t *value) {
        uint64_t number;

        return path_number(json_string_value(value), &number) < 0 ? json_null() : json_integer((json_int_t) number);
}

static json_t *address_of_path(const json_t *value) {
        const char *last = path_last(json_string_value(value));
        PciAddress address;

        return last && pci_address_parse_path(last, &address) >= 0 ? json_string(PCI_ADDRESS_FORMAT(&address)) : json_null();
}

static json_t *list_convert(const json_t *array, convert_t convert, json_compare_t compare) {
        _cleanup_json_ json_t *list = json_array();
        const json_t *item;
        size_t i;

        json_array_foreach(array, i, item)
                if (!list || json_array_append_new(list, convert(item)) < 0)
                        return NULL;
        if (list && compare && json_sort(list, compare) < 0)
                return NULL;
        return TAKE_PTR(list);
}

static json_t *sorted(const json_t *value) {
        return list_convert(value, plain, json_compare_item);
}

static json_t *unsorted(const json_t *value) {
        return list_convert(value, plain, NULL);
}

static json_t *numbers_of_paths(const json_t *value) {
        return list_convert(value, number_of_path, json_compare_item);
}

static json_t *addresses_of_paths(const json_t *value) {
        return list_convert(value, address_of_path, json_compare_item);
}

static json_t *members(const json_t *value) {
        return list_convert(value, shape_member, json_compare_address);
}

static json_t *steps(const json_t *value) {
        return list_convert(value, shape_step, NULL);
}

static json_t *blocker(const json_t *value) {
        static const Field fields[] = {
                { "code",        "code",        plain },
                { "device",      "device",      text },
                { "detail",      "detail",      plain },
                { "overridable", "overridable", flag },
        };

        return FIELDS_APPLY(value, fields);
}

json_t *shape_blockers(const json_t *array) {
        return list_convert(array, blocker, json_compare_blocker);
}

/* Of the trail: what stood in the way, and what did not because it was overridden. */
static json_t *past_blocker(const json_t *value) {
        static const Field fields[] = {
                { "code",       "code",       plain },
                { "device",     "device",     text },
                { "detail",     "detail",     plain },
                { "overridden", "overridden", flag },
        };

        return FIELDS_APPLY(value, fields);
}

static json_t *past_blockers(const json_t *array) {
        return list_convert(array, past_blocker, json_compare_blocker);
}

static json_t *region(const json_t *value) {
        char start_text[sizeof("0x") + 16], end_text[sizeof("0x") + 16];
        uint64_t start = 0, end = 0;

        (void) json_u64(json_array_get(value, 0), &start);
        (void) json_u64(json_array_get(value, 1), &end);
        (void) snprintf(start_text, sizeof(start_text), "0x%" PRIx64, start);
        (void) snprintf(end_text, sizeof(end_text), "0x%" PRIx64, end);
        return json_pack("{s:s, s:s, s:o}", "start", start_text, "end", end_text, "type", text(json_array_get(value, 2)));
}

static json_t *regions(const json_t *value) {
        return list_convert(value, region, NULL);
}

json_t *shape_member(const json_t *properties) {
        static const Field fields[] = {
                { "Address",        "address",         plain },
                { "Role",           "role",            plain },
                { "Vendor",         "vendor",          plain },
                { "Device",         "device",          plain },
                { "Class",          "class",           plain },
                { "Name",           "name",            plain },
                { "Driver",         "driver",          text },
                { "DriverOverride", "driver_override", text },
        };

        return FIELDS_APPLY(properties, fields);
}

json_t *shape_device(const json_t *properties) {
        static const Field fields[] = {
                { "Address",          "address",           plain },
                { "Role",             "role",              plain },
                { "Vendor",           "vendor",            plain },
                { "Device",           "device",            plain },
                { "SubsystemVendor",  "subsystem_vendor",  text },
                { "SubsystemDevice",  "subsystem_device",  text },
                { "Class",            "class",             plain },
                { "Revision",         "revision",          text },
                { "Name",             "name",              plain },
                { "Label",            "label",             text },
                { "LabelOrigin",      "label_origin",      text },
                { "Driver",           "driver",            text },
                { "DriverOverride",   "driver_override",   text },
                { "GroupNumber",      "group",             group_number },
                { "NumaNode",         "numa_node",         numa_node },
                { "ResetMethods",     "reset_methods",     unsorted }, /* the kernel tries them in this order */
                { "PhysicalFunction", "physical_function", text },
                { "VirtualFunctions", "virtual_functions", sorted },
        };

        return FIELDS_APPLY(properties, fields);
}

json_t *shape_group(const json_t *properties) {
        static const Field fields[] = {
                { "Number",   "group",    group_number },
                { "State",    "state",    plain },
                { "Viable",   "viable",   flag },
                { "Owner",    "owner",    text },
                { "Label",    "label",    text },
                { "NodeAccess", "node_access", node_access },
                { "Blockers", "blockers", shape_blockers },
                { "Members",  "devices",  members },
        };

        return FIELDS_APPLY(properties, fields);
}

json_t *shape_group_full(const json_t *properties) {
        static const Field fields[] = {
                { "Number",          "group",            group_number },
                { "State",           "state",            plain },
                { "Viable",          "viable",           flag },
                { "Owner",           "owner",            text },
                { "Label",           "label",            text },
                { "NodeAccess",      "node_access",      node_access },
                { "Reserved",        "reserved",         flag },
                { "Blockers",        "blockers",         shape_blockers },
                { "Devices",         "devices",          addresses_of_paths },
                { "OtherMembers",    "other_members",    sorted },
                { "DomainType",      "domain_type",      text },
                { "ReservedRegions", "reserved_regions", regions },
                { "Assignment",      "assignment",       number_of_path },
                { "Operation",       "operation",        number_of_path },
        };

        return FIELDS_APPLY(properties, fields);
}

json_t *shape_assignment(const json_t *properties) {
        static const Field fields[] = {
                { "Id",          "assignment", id },
                { "Owner",       "owner",      text },
                { "State",       "state",      plain },
                { "Label",       "label",      text },
                { "Groups",      "groups",     numbers_of_paths },
                { "Devices",     "devices",    sorted },
                { "Companions",  "companions", sorted },
                { "Backend",     "backend",    text },
                { "Lease",       "lease",      flag },
                { "NodeAccess",  "node_access", node_access },
        };

        return FIELDS_APPLY(properties, fields);
}

json_t *shape_step(const json_t *properties) {
        static const Field fields[] = {
                { "phase",  "phase",  plain },
                { "action", "action", plain },
                { "device", "device", text },
                { "group",  "group",  group_number },
                { "value",  "value",  text },
                { "prior",  "prior",  text },
        };

        return FIELDS_APPLY(properties, fields);
}

static json_t *refusal(const json_t *properties) {
        const char *name = json_text(properties, "error");

        if (!name || !*name)
                return json_null();
        return json_pack("{s:s, s:o, s:o}", "name", name, "message", text(json_object_get(properties, "message")),
                         "blockers", shape_blockers(json_object_get(properties, "blockers")));
}

json_t *shape_plan(const json_t *properties) {
        static const Field fields[] = {
                { "possible",   "possible",   flag },
                { "steps",      "steps",      steps },
                { "blockers",   "blockers",   shape_blockers },
                { "groups",     "groups",     sorted },
                { "devices",    "devices",    sorted },
                { "companions", "companions", sorted },
                { "differences", "differences", unsorted },
        };
        _cleanup_json_ json_t *plan = FIELDS_APPLY(properties, fields);

        if (!plan || json_object_set_new(plan, "error", refusal(properties)) < 0)
                return NULL;
        return TAKE_PTR(plan);
}

json_t *shape_audit_entry(uint64_t entry_id, const json_t *entry) {
        static const Field fields[] = {
                { "at_usec",    "at_usec",    plain },
                { "verb",       "verb",       plain },
                { "owner",      "owner",      text },
                { "uid",        "uid",        plain },
                { "pid",        "pid",        id },
                { "caller",     "caller",     text },
                { "targets",    "targets",    unsorted },
                { "devices",    "devices",    sorted },
                { "groups",     "groups",     sorted },
                { "operation",  "operation",  id },
                { "assignment", "assignment", id },
                { "outcome",    "outcome",    plain },
                { "error",      "error",      text },
                { "message",    "message",    text },
                { "blockers",   "blockers",   past_blockers },
        };
        _cleanup_json_ json_t *all = json_pack("{s:I}", "id", (json_int_t) entry_id);
        _cleanup_json_ json_t *rest = FIELDS_APPLY(entry, fields);

        if (!all || !rest || json_object_update(all, rest) < 0)
                return NULL;
        return TAKE_PTR(all);
}
