/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "base/strutil.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl label TARGET LABEL\n"
        "assign-ctl label --clear TARGET\n"
        "\n"
        "Labels a device, or all devices of a group. All devices of a group must have the same label before anybody gets it, and\n"
        "only an owner with that label does (see 'assign --help'). Such a label stays over a reboot and comes before those of\n"
        "the policy. It cannot be changed while the group is assigned.\n"
        "\n"
        "      --clear             Take the label away; one of the policy counts again\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER. 'assign-ctl show TARGET' tells the label.\n";

static const struct option options[] = {
        { "clear", no_argument, NULL, OPTION_CLEAR },
        OPTIONS_COMMON,
};

static int run(Cli *cli) {
        char **arguments = cli->options.arguments;
        size_t n = strv_length(arguments), n_wanted = cli->options.clear ? 1 : 2;
        const char *label = cli->options.clear ? "" : arguments[0] ? arguments[1] : NULL;
        _cleanup_json_ json_t *reply = NULL;
        int r;

        if (n == 1 && !cli->options.clear)
                return failure_usage(&cli->failure, "'label' needs a TARGET and a LABEL; 'label --clear %s' takes the label away.", arguments[0]);
        if (n != n_wanted)
                return failure_usage(&cli->failure, "'label' takes %s.", cli->options.clear ? "one TARGET with --clear" : "a TARGET and a LABEL");
        if (!cli->options.clear && label && !*label)
                return failure_usage(&cli->failure, "A label is not empty; 'label --clear %s' takes it away.", arguments[0]);
        r = targets_check(cli, "label", (char *[]){ arguments[0], NULL });
        if (r < 0)
                return r;
        r = client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "SetLabel", "", &reply, "ssa{sv}", arguments[0], label, 0);
        if (r < 0)
                return r;
        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:s, s:o}", "target", arguments[0], "label", json_text_or_null(label));

                return output_json(stdout, object);
        }
        return EXIT_CODE_DONE;
}

const Verb verb_label = {
        .name = "label",
        .arguments = "TARGET LABEL",
        .summary = "Label a device or group, so that only such owners get it",
        .usage = usage,
        .options = options,
        .run = run,
};
