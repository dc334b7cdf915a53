/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "base/strutil.h"
#include "cli/output.h"
#include "cli/request.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl release [--wait=SECONDS] OWNER\n"
        "assign-ctl release [--wait=SECONDS] TARGET...\n"
        "\n"
        "Gives back everything that an owner has, or the whole assignments that the targets belong to: every device gets the driver\n"
        "and the driver_override that it had. While a program still has a device open nothing is given back, and the program is named.\n"
        "\n"
        "      --wait=SECONDS      Give back all the same, and wait so long for the program to let go. After that the devices are\n"
        "                          nobody's until it does\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER; anything else is an OWNER.\n";

static const struct option options[] = {
        { "wait", required_argument, NULL, OPTION_TIMEOUT },
        OPTIONS_COMMON,
};

static int arguments_append(Cli *cli, sd_bus_message *m, char *const *targets) {
        int r;

        r = sd_bus_message_append(m, "s", cli->options.owner ?: "");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = client_append_texts_option(m, "targets", targets);
        if (r >= 0 && cli->options.has_timeout) {
                r = client_append_flag_option(m, "wait", true);
                if (r >= 0)
                        r = client_append_u64_option(m, "timeout_usec", cli->options.timeout_usec);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int released_tell(Cli *cli, char *const *targets) {
        _cleanup_json_ json_t *list = json_array();

        for (char *const *t = targets; *t; t++)
                if (json_array_append_new(list, json_string(*t)) < 0)
                        return -ENOMEM;
        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:o, s:O}", "owner", json_text_or_null(cli->options.owner), "targets", list);

                return output_json(stdout, object);
        }

        if (cli->options.owner)
                output_line(stdout, "%s has given everything back.", cli->options.owner);
        else {
                _cleanup_free_ char *text = output_join(list);

                output_line(stdout, "Given back: %s", text);
        }
        return 0;
}

static int run(Cli *cli) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        char **targets = cli->options.arguments;
        int r;

        r = request_split_release(cli, "release", &targets);
        if (r < 0)
                return r;
        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Release", &m);
        if (r < 0)
                return r;
        r = client_send(cli, m, arguments_append(cli, m, targets), client_deadline(cli), "", &reply);
        if (r < 0)
                return r;
        return released_tell(cli, targets);
}

const Verb verb_release = {
        .name = "release",
        .arguments = "OWNER | TARGET...",
        .summary = "Give devices back to the host",
        .usage = usage,
        .options = options,
        .run = run,
};
