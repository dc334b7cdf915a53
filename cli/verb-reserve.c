/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "base/strutil.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char reserve_usage[] =
        "assign-ctl reserve [OPTION...] TARGET...\n"
        "\n"
        "Keeps the whole IOMMU groups of all targets off the host with no owner: all of them, or none. It outlasts a reboot: assignd puts\n"
        "it back when it starts. A reserved group can be assigned, and is reserved again when it is released. What is reserved already\n"
        "stays as it is.\n"
        "\n"
        "      --exact             Refuse if a device would come along that is not named\n"
        "      --override=CODE     Go past blockers with this code, where that is possible; may be repeated\n"
        "      --timeout=SECONDS   How long to wait for the end of the work (20)\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER.\n";

static const char unreserve_usage[] =
        "assign-ctl unreserve [--wait=SECONDS] TARGET...\n"
        "\n"
        "Ends the reservations of the targets' groups: every device gets the driver and the driver_override that it had. Refused while a\n"
        "group is assigned, and while a program has a device open.\n"
        "\n"
        "      --wait=SECONDS      Do it even while a program has a device open, and wait so long for it to let go\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER.\n";

static const struct option reserve_options[] = {
        { "exact", no_argument, NULL, OPTION_EXACT },
        { "override", required_argument, NULL, OPTION_OVERRIDE },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        OPTIONS_COMMON,
};

static const struct option unreserve_options[] = {
        { "wait", required_argument, NULL, OPTION_TIMEOUT },
        OPTIONS_COMMON,
};

static int arguments_append(Cli *cli, const char *member, sd_bus_message *m) {
        int r;

        r = sd_bus_message_append_strv(m, cli->options.arguments);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && cli->options.exact)
                r = client_append_flag_option(m, "exact", true);
        if (r >= 0 && cli->options.overrides)
                r = client_append_texts_option(m, "override", cli->options.overrides);
        if (r >= 0 && cli->options.has_timeout && string_equal(member, "Unreserve"))
                r = client_append_flag_option(m, "wait", true);
        if (r >= 0 && cli->options.has_timeout)
                r = client_append_u64_option(m, "timeout_usec", cli->options.timeout_usec);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int tell(Cli *cli, const char *done) {
        _cleanup_json_ json_t *list = json_array();
        _cleanup_free_ char *text = NULL;

        for (char *const *t = cli->options.arguments; *t; t++)
                if (json_array_append_new(list, json_string(*t)) < 0)
                        return -ENOMEM;
        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:O}", "targets", list);

                return output_json(stdout, object);
        }
        text = output_join(list);
        output_line(stdout, "%s: %s", done, text);
        return 0;
}

static int call(Cli *cli, const char *verb, const char *member, const char *done) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = targets_check(cli, verb, cli->options.arguments);
        if (r < 0)
                return r;
        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, member, &m);
        if (r < 0)
                return r;
        r = client_send(cli, m, arguments_append(cli, member, m), client_deadline(cli), "", &reply);
        if (r < 0)
                return r;
        return tell(cli, done);
}

static int run_reserve(Cli *cli) {
        return call(cli, "reserve", "Reserve", "Reserved");
}

static int run_unreserve(Cli *cli) {
        return call(cli, "unreserve", "Unreserve", "Not reserved any more");
}

const Verb verb_reserve = {
        .name = "reserve",
        .arguments = "TARGET...",
        .summary = "Keep whole groups off the host, over reboots",
        .usage = reserve_usage,
        .options = reserve_options,
        .run = run_reserve,
};

const Verb verb_unreserve = {
        .name = "unreserve",
        .arguments = "TARGET...",
        .summary = "Give reserved groups back to the host",
        .usage = unreserve_usage,
        .options = unreserve_options,
        .run = run_unreserve,
};
