/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "base/strutil.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/shape.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl why TARGET\n"
        "\n"
        "Why the target's group is, or is not, viable, and which devices would come along.\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER.\n";

static const struct option options[] = { OPTIONS_COMMON };

/* The text tells of the blockers too. */
static json_t *explanation_shape(const char *target, const json_t *explanation) {
        const char *text = json_text(explanation, "Text");

        return json_pack("{s:s, s:s, s:o}", "target", target, "text", text ?: "",
                         "blockers", shape_blockers(json_object_get(explanation, "Blockers")));
}

static int run(Cli *cli) {
        char **arguments = cli->options.arguments;
        _cleanup_json_ json_t *reply = NULL, *explanation = NULL;
        int r;

        r = targets_check(cli, "why", arguments);
        if (r < 0)
                return r;
        if (arguments[1])
                return failure_usage(&cli->failure, "'why' takes one TARGET, not also '%s'.", arguments[1]);

        r = client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Explain", "a{sv}", &reply, "sa{sv}", arguments[0], 0);
        if (r < 0)
                return r;
        explanation = explanation_shape(arguments[0], json_array_get(reply, 0));
        if (cli->options.json)
                return output_json(stdout, explanation);

        output_text(stdout, json_text(explanation, "text") ?: "");
        return 0;
}

const Verb verb_why = {
        .name = "why",
        .arguments = "TARGET",
        .summary = "Why a group is viable or not, and what comes along",
        .usage = usage,
        .options = options,
        .run = run,
};
