/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <inttypes.h>

#include "base/pci-address.h"
#include "base/strutil.h"
#include "cli/history.h"
#include "cli/output.h"
#include "cli/shape.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "dbus/names.h"

#define HISTORY_MAX 10U

static const char usage[] =
        "assign-ctl show TARGET\n"
        "\n"
        "One device or group in full: members, ids and names, drivers, override, domain type, reset methods, NUMA node, what stands\n"
        "in the way of giving it to an owner, and what was done with it lately.\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER.\n";

static const struct option options[] = { OPTIONS_COMMON };

/* The last entries about any of the group's endpoints. */
static int history_add(Cli *cli, json_t *object, const char *device) {
        HistoryFilter filter = { .device = device };
        _cleanup_json_ json_t *entries = NULL;
        int r;

        r = history_list(cli, &filter, HISTORY_MAX, &entries);
        if (r < 0 && failure_exit_code(cli->failure.name) == EXIT_CODE_DENIED) {
                failure_done(&cli->failure); /* the trail names everybody; the rest may be shown */
                entries = json_array();
                r = 0;
        }
        if (r < 0)
                return r;
        return json_object_set(object, "history", entries) < 0 ? -ENOMEM : 0;
}

/* Whole groups are assigned, so what happened to one endpoint happened to the group. */
static const char *group_first_endpoint(const json_t *devices) {
        const json_t *device;
        size_t i;

        json_array_foreach(devices, i, device)
                if (string_equal(json_text(device, "role"), "endpoint"))
                        return json_text(device, "address");
        return NULL;
}

/* Puts the members' own objects where the group's object has their addresses. */
static int members_fill(Cli *cli, json_t *group) {
        json_t *devices = json_object_get(group, "devices");

        for (size_t i = 0; i < json_array_size(devices); i++) {
                _cleanup_json_ json_t *properties = NULL;
                int r;

                r = client_get_device(cli, json_string_value(json_array_get(devices, i)) ?: "", &properties);
                if (r < 0)
                        return r;
                if (json_array_set_new(devices, i, shape_device(properties)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int group_get(Cli *cli, const char *path, json_t **ret) {
        _cleanup_json_ json_t *properties = NULL, *group = NULL;
        int r;

        r = client_get_all(cli, path, ASSIGND_GROUP_INTERFACE, &properties);
        if (r < 0)
                return r;
        group = shape_group_full(properties);
        if (!group)
                return -ENOMEM;
        r = members_fill(cli, group);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(group);
        return 0;
}

static void field_print(const char *name, const char *value) {
        output_line(stdout, "%18s: %s", name, value ?: "-");
}

/* "uid 65534, gid 65534, mode 0600"; nothing where nobody but root may open them. */
static void nodes_print(const json_t *access) {
        const char *context = json_text(access, "context");
        char text[400];

        if (!json_is_object(access))
                return;
        (void) snprintf(text, sizeof(text), "uid %" PRIu64 ", gid %" PRIu64 ", mode %.8s%s%.260s", json_number(access, "user", 0), json_number(access, "group", 0),
                        json_text(access, "mode") ?: "?", context ? ", context " : "", context ?: "");
        field_print("Nodes", text);
}

static void list_field_print(const char *name, const json_t *list) {
        _cleanup_free_ char *text = output_join(list);

        field_print(name, text);
}

static void number_field_print(const char *name, const json_t *value) {
        char text[24];

        (void) snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        field_print(name, json_is_integer(value) ? text : NULL);
}

static void ids_print(const char *name, const char *vendor, const char *device) {
        char ids[40];

        (void) snprintf(ids, sizeof(ids), "%.16s:%.16s", vendor ?: "?", device ?: "?");
        field_print(name, vendor || device ? ids : NULL);
}

static void label_print(const char *label, const char *origin) {
        char text[512];

        if (label && origin)
                (void) snprintf(text, sizeof(text), "%.200s (%.200s)", label, origin);
        field_print("Label", label && origin ? text : label);
}

static void device_print(const json_t *device) {
        field_print("Device", json_text(device, "address"));
        field_print("Name", json_text(device, "name"));
        field_print("Role", json_text(device, "role"));
        ids_print("Id", json_text(device, "vendor"), json_text(device, "device"));
        ids_print("Subsystem id", json_text(device, "subsystem_vendor"), json_text(device, "subsystem_device"));
        field_print("Class", json_text(device, "class"));
        field_print("Revision", json_text(device, "revision"));
        field_print("Driver", json_text(device, "driver"));
        field_print("Driver override", json_text(device, "driver_override"));
        label_print(json_text(device, "label"), json_text(device, "label_origin"));
        number_field_print("NUMA node", json_object_get(device, "numa_node"));
        list_field_print("Reset methods", json_object_get(device, "reset_methods"));
        if (json_text(device, "physical_function"))
                field_print("Physical function", json_text(device, "physical_function"));
        if (json_array_size(json_object_get(device, "virtual_functions")) > 0)
                list_field_print("Virtual functions", json_object_get(device, "virtual_functions"));
}

static void regions_print(const json_t *regions) {
        const json_t *region;
        size_t i;

        json_array_foreach(regions, i, region)
                output_line(stdout, "%18s%c %s - %s %s", i == 0 ? "Reserved regions" : "", i == 0 ? ':' : ' ', json_text(region, "start"),
                            json_text(region, "end"), json_text(region, "type") ?: "");
}

static void blockers_print(const json_t *group) {
        const json_t *blockers = json_object_get(group, "blockers");

        field_print("Viable", json_is_true(json_object_get(group, "viable")) ? "yes" : "no");
        output_blockers(stdout, blockers);
}

static void group_print(const json_t *group) {
        number_field_print("Group", json_object_get(group, "group"));
        field_print("State", json_text(group, "state"));
        blockers_print(group);
        field_print("Owner", json_text(group, "owner"));
        field_print("Label", json_text(group, "label"));
        nodes_print(json_object_get(group, "node_access"));
        number_field_print("Assignment", json_object_get(group, "assignment"));
        if (json_is_true(json_object_get(group, "reserved")))
                field_print("Reserved", "yes");
        if (json_is_integer(json_object_get(group, "operation")))
                number_field_print("Operation", json_object_get(group, "operation"));
        field_print("Domain type", json_text(group, "domain_type"));
        regions_print(json_object_get(group, "reserved_regions"));
        if (json_array_size(json_object_get(group, "other_members")) > 0)
                list_field_print("Other members", json_object_get(group, "other_members"));
}

static int history_show(Cli *cli, const json_t *object) {
        const json_t *entries = json_object_get(object, "history");

        if (json_array_size(entries) == 0)
                return 0;
        (void) fputc('\n', stdout);
        return history_print(cli, entries);
}

static int show_group(Cli *cli, uint32_t number) {
        _cleanup_json_ json_t *path = NULL, *group = NULL;
        const json_t *device;
        const char *endpoint;
        size_t i;
        int r;

        r = client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "GetGroup", "o", &path, "u", number);
        if (r < 0)
                return r;
        r = group_get(cli, json_string_value(json_array_get(path, 0)), &group);
        if (r < 0)
                return r;
        endpoint = group_first_endpoint(json_object_get(group, "devices"));
        r = endpoint ? history_add(cli, group, endpoint) : json_object_set_new(group, "history", json_array());
        if (r < 0)
                return r;
        if (cli->options.json)
                return output_json(stdout, group);

        group_print(group);
        json_array_foreach(json_object_get(group, "devices"), i, device) {
                (void) fputc('\n', stdout);
                device_print(device);
        }
        return history_show(cli, group);
}

/* The keys of the device, and of its group what says whether it can be had. */
static int device_join(json_t *device, const json_t *group) {
        static const char *const keys[] = { "state", "viable", "owner", "label", "node_access", "blockers", "domain_type", "assignment" };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                json_t *value = json_object_get(group, keys[i]);

                if (json_object_set(device, keys[i], value ?: json_null()) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int show_device(Cli *cli, const char *target) {
        _cleanup_json_ json_t *path = NULL, *properties = NULL, *device = NULL, *group = NULL;
        const char *group_path;
        int r;

        r = client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "GetDevice", "o", &path, "s", target);
        if (r < 0)
                return r;
        r = client_get_all(cli, json_string_value(json_array_get(path, 0)), ASSIGND_DEVICE_INTERFACE, &properties);
        if (r < 0)
                return r;
        device = shape_device(properties);
        group_path = json_text(properties, "Group");
        if (path_last(group_path)) {
                r = group_get(cli, group_path, &group);
                if (r < 0)
                        return r;
        }
        r = device_join(device, group);
        if (r < 0)
                return r;
        r = history_add(cli, device, json_text(device, "address"));
        if (r < 0)
                return r;
        if (cli->options.json)
                return output_json(stdout, device);

        device_print(device);
        (void) fputc('\n', stdout);
        if (group)
                group_print(group);
        else
                field_print("Group", NULL);
        return history_show(cli, device);
}

static int run(Cli *cli) {
        char **arguments = cli->options.arguments;
        uint32_t group;
        int r;

        r = targets_check(cli, "show", arguments);
        if (r < 0)
                return r;
        if (arguments[1])
                return failure_usage(&cli->failure, "'show' takes one TARGET, not also '%s'.", arguments[1]);

        if (target_parse_group(arguments[0], &group) >= 0)
                return show_group(cli, group);
        return show_device(cli, arguments[0]);
}

const Verb verb_show = {
        .name = "show",
        .arguments = "TARGET",
        .summary = "One device or group in full",
        .usage = usage,
        .options = options,
        .run = run,
};
