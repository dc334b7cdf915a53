/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/plan.h"

#include "base/strutil.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/table.h"

/* A step as a person reads it: what is done, and from what to what. */
static const struct {
        const char *action;
        const char *text;
        bool leaves; /* the value is what is left, not what is reached */
} actions[] = {
        { "load-module",    "load module" },
        { "set-override",   "set driver_override" },
        { "unbind",         "unbind from driver", true },
        { "bind",           "bind to driver" },
        { "open-iommufd",   "open iommufd" },
        { "open-cdev",      "open device node" },
        { "open-container", "open container" },
        { "open-group",     "open group node" },
        { "open-device",    "get device from group" },
        { "check-holders",  "look who has it open" },
        { "set-device-node", "give device node to" },
        { "set-group-node", "give group node to" },
};

static int step_add(Table *table, const json_t *step, size_t number) {
        const char *action = json_text(step, "action"), *value = json_text(step, "value"), *text = action;
        char position[24], change[256];
        bool leaves = false;

        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (string_equal(action, actions[i].action)) {
                        text = actions[i].text;
                        leaves = actions[i].leaves;
                }

        if (string_equal(action, "set-override"))
                (void) snprintf(change, sizeof(change), "%.100s -> %.100s", json_text(step, "prior") ?: "none", value ?: "none");
        else if (leaves)
                (void) snprintf(change, sizeof(change), "%.100s -> none", value ?: "?");
        else
                (void) snprintf(change, sizeof(change), "%s%.200s", string_equal(action, "bind") ? "none -> " : "", value ?: "-");
        (void) snprintf(position, sizeof(position), "%zu", number);
        return table_add_cells(table, position, json_text(step, "device"), text, change);
}

static int steps_print(Cli *cli, const json_t *steps) {
        static const Column columns[] = { { "STEP", true }, { "DEVICE" }, { "ACTION" }, { "CHANGE" } };
        _cleanup_table_ Table *table = NULL;
        const json_t *step;
        size_t i;
        int r;

        r = table_new(columns, ELEMENTSOF(columns), &table);
        if (r < 0)
                return r;
        json_array_foreach(steps, i, step) {
                r = step_add(table, step, i + 1);
                if (r < 0)
                        return r;
        }

        table_print(table, stdout, !cli->options.no_legend, cli->color);
        return 0;
}

static void heads_print(const json_t *plan) {
        _cleanup_free_ char *groups = output_join(json_object_get(plan, "groups"));
        _cleanup_free_ char *devices = output_join(json_object_get(plan, "devices"));
        _cleanup_free_ char *companions = output_join(json_object_get(plan, "companions"));

        output_line(stdout, "Groups:     %s", groups);
        output_line(stdout, "Devices:    %s", devices);
        if (json_array_size(json_object_get(plan, "companions")) > 0)
                output_line(stdout, "Companions: %s (not named; they come along because they share a group with a device that is)", companions);
}

static void differences_print(const json_t *differences) {
        const json_t *difference;
        size_t i;

        if (json_array_size(differences) > 0)
                output_line(stdout, "Not as it should be:");
        json_array_foreach(differences, i, difference)
                output_line(stdout, "  %s", json_string_value(difference) ?: "?");
}

int plan_print(Cli *cli, const json_t *plan, const char *verb) {
        const json_t *error = json_object_get(plan, "error");

        if (json_array_size(json_object_get(plan, "groups")) > 0)
                heads_print(plan);
        if (!json_is_true(json_object_get(plan, "possible"))) {
                output_refusal(stdout, "Not possible now:", "Not possible now:", json_text(error, "message") ?: "assignd gave no reason.",
                               json_object_get(plan, "blockers"));
                return 0;
        }

        differences_print(json_object_get(plan, "differences"));
        if (json_array_size(json_object_get(plan, "steps")) == 0)
                output_line(stdout, "Possible; '%s' has nothing to change on the host.", verb);
        return steps_print(cli, json_object_get(plan, "steps"));
}
