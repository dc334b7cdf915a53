/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <inttypes.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/shape.h"
#include "cli/state.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl list [--all] [--devices]\n"
        "\n"
        "Every IOMMU group: its state, whether it could be given to an owner, who has it, its members and their drivers.\n"
        "\n"
        "      --all               Also groups that have no endpoint, nothing that could be given away\n"
        "      --devices           One line a device, also devices without a group\n";

static const struct option options[] = {
        { "all", no_argument, NULL, OPTION_ALL },
        { "devices", no_argument, NULL, OPTION_DEVICES },
        OPTIONS_COMMON,
};

/* Calls a List method and gives what shape() makes of each object, ordered. */
static int objects_list(Cli *cli, const char *method, bool all, json_t *(*shape)(const json_t *), json_compare_t compare, json_t **ret) {
        _cleanup_json_ json_t *reply = NULL, *list = json_array();
        const json_t *object;
        size_t i;
        int r;

        r = all ? client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, method, "a(oa{sv})", &reply, "a{sv}", 1, "all", "b", 1)
                : client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, method, "a(oa{sv})", &reply, "a{sv}", 0);
        if (r < 0)
                return r;

        json_array_foreach(json_array_get(reply, 0), i, object)
                if (json_array_append_new(list, shape(json_array_get(object, 1))) < 0)
                        return -ENOMEM;
        r = json_sort(list, compare);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(list);
        return 0;
}

/* "no: direct-mapping, not-endpoint" */
static char *viability_text(const json_t *group) {
        const json_t *blockers = json_object_get(group, "blockers");
        _cleanup_free_ char *codes = NULL;
        char *text = NULL;

        if (json_is_true(json_object_get(group, "viable")))
                return strdup("yes");
        if (json_array_size(blockers) == 0)
                return strdup("no");

        codes = output_blocker_codes(blockers);
        return codes && asprintf(&text, "no: %s", codes) >= 0 ? text : NULL;
}

static int group_add(Table *table, const json_t *group) {
        _cleanup_free_ char *viability = viability_text(group);
        const json_t *devices = json_object_get(group, "devices"), *device;
        const char *state = json_text(group, "state");
        char number[16];
        size_t i;
        int r;

        (void) snprintf(number, sizeof(number), "%" PRIu64, json_number(group, "group", 0));
        if (json_array_size(devices) == 0) {
                r = table_add_cells(table, number, state, viability, json_text(group, "owner"), json_text(group, "label"), NULL, NULL, NULL, NULL);
                if (r < 0)
                        return r;
                table_paint(table, 1, state_color(state));
        }

        json_array_foreach(devices, i, device) {
                bool first = i == 0;

                r = table_add_cells(table, first ? number : "", first ? state : "", first ? viability : "",
                                    first ? json_text(group, "owner") : "", first ? json_text(group, "label") : "",
                                    json_text(device, "address"), json_text(device, "role"), json_text(device, "driver"), json_text(device, "name"));
                if (r < 0)
                        return r;
                if (first) {
                        table_paint(table, 1, state_color(state));
                        table_paint(table, 2, json_is_true(json_object_get(group, "viable")) ? COLOR_NONE : COLOR_NOTE);
                }
        }
        return 0;
}

static int groups_print(Cli *cli, const json_t *groups) {
        static const Column columns[] = {
                { "GROUP", true }, { "STATE" }, { "VIABLE" }, { "OWNER" }, { "LABEL" }, { "DEVICE" }, { "ROLE" }, { "DRIVER" }, { "NAME" },
        };
        _cleanup_table_ Table *table = NULL;
        const json_t *group;
        size_t i;
        int r;

        r = table_new(columns, ELEMENTSOF(columns), &table);
        if (r < 0)
                return r;
        json_array_foreach(groups, i, group) {
                r = group_add(table, group);
                if (r < 0)
                        return r;
        }

        table_print(table, stdout, !cli->options.no_legend, cli->color);
        if (table_rows(table) == 0 && !cli->options.no_legend)
                output_line(stderr, cli->options.all
                        ? "There are no IOMMU groups: this host has no IOMMU, or it is switched off. 'assign-ctl list --devices' lists the devices."
                        : "There is no IOMMU group with an endpoint. 'assign-ctl list --all' lists the others, 'list --devices' the devices.");
        return 0;
}

/* `groups` is ordered by number. */
static const json_t *group_find(const json_t *groups, const json_t *number) {
        size_t begin = 0, end = json_array_size(groups);

        while (json_is_integer(number) && begin < end) {
                size_t middle = begin + (end - begin) / 2;
                const json_t *group = json_array_get(groups, middle);
                int c = json_compare_item(json_object_get(group, "group"), number);

                if (c == 0)
                        return group;
                if (c < 0)
                        begin = middle + 1;
                else
                        end = middle;
        }
        return NULL;
}

/* Gives each device the state and owner of its group. */
static int devices_join(json_t *devices, const json_t *groups) {
        json_t *device;
        size_t i;

        json_array_foreach(devices, i, device) {
                const json_t *group = group_find(groups, json_object_get(device, "group"));

                if (json_object_set_new(device, "state", json_text_or_null(json_text(group, "state"))) < 0 ||
                    json_object_set_new(device, "owner", json_text_or_null(json_text(group, "owner"))) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int device_add(Table *table, const json_t *device) {
        char group[16], ids[32];
        int r;

        (void) snprintf(group, sizeof(group), "%" PRIu64, json_number(device, "group", 0));
        (void) snprintf(ids, sizeof(ids), "%.8s:%.8s", json_text(device, "vendor") ?: "?", json_text(device, "device") ?: "?");
        r = table_add_cells(table, json_text(device, "address"), json_is_null(json_object_get(device, "group")) ? NULL : group,
                            json_text(device, "state"), json_text(device, "owner"), json_text(device, "role"), ids,
                            json_text(device, "driver"), json_text(device, "driver_override"), json_text(device, "name"));
        if (r >= 0)
                table_paint(table, 2, state_color(json_text(device, "state")));
        return r;
}

static int devices_print(Cli *cli, const json_t *devices) {
        static const Column columns[] = {
                { "DEVICE" }, { "GROUP", true }, { "STATE" }, { "OWNER" }, { "ROLE" }, { "ID" }, { "DRIVER" }, { "OVERRIDE" }, { "NAME" },
        };
        _cleanup_table_ Table *table = NULL;
        const json_t *device;
        size_t i;
        int r;

        r = table_new(columns, ELEMENTSOF(columns), &table);
        if (r < 0)
                return r;
        json_array_foreach(devices, i, device) {
                r = device_add(table, device);
                if (r < 0)
                        return r;
        }

        table_print(table, stdout, !cli->options.no_legend, cli->color);
        return 0;
}

static int list_devices(Cli *cli) {
        _cleanup_json_ json_t *devices = NULL, *groups = NULL;
        int r;

        r = objects_list(cli, "ListDevices", false, shape_device, json_compare_address, &devices);
        if (r < 0)
                return r;
        r = objects_list(cli, "ListGroups", true, shape_group, json_compare_group, &groups);
        if (r < 0)
                return r;
        r = devices_join(devices, groups);
        if (r < 0)
                return r;

        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:O}", "devices", devices);

                return output_json(stdout, object);
        }
        return devices_print(cli, devices);
}

static int run(Cli *cli) {
        _cleanup_json_ json_t *groups = NULL;
        int r;

        if (*cli->options.arguments)
                return failure_usage(&cli->failure, "'list' takes no arguments, not '%s'; 'assign-ctl show TARGET' shows one device or group.",
                                     *cli->options.arguments);
        if (cli->options.devices)
                return list_devices(cli);

        r = objects_list(cli, "ListGroups", cli->options.all, shape_group, json_compare_group, &groups);
        if (r < 0)
                return r;
        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:O}", "groups", groups);

                return output_json(stdout, object);
        }
        return groups_print(cli, groups);
}

const Verb verb_list = {
        .name = "list",
        .arguments = "[--all] [--devices]",
        .summary = "Groups, their state, owner and members (the default)",
        .usage = usage,
        .options = options,
        .run = run,
};
