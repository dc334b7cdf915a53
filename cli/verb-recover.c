/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "base/strutil.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "cli/request.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl recover [--dry-run] [--timeout=SECONDS] TARGET...\n"
        "\n"
        "Brings the targets' groups back to what assignd knows they should be, and ends their quarantine: what somebody has goes back\n"
        "to its VFIO driver, what nobody has gets back what it was. Shows first what differs and what it is going to do. For root.\n"
        "\n"
        "      --dry-run           Only show it, as 'assign-ctl plan recover' does\n"
        "      --timeout=SECONDS   How long to wait for the end of the work (20)\n";

static const struct option options[] = {
        { "dry-run", no_argument,       NULL, OPTION_DRY_RUN },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        OPTIONS_COMMON,
};

static int recover(Cli *cli, char *const *targets) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Recover", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(m, (char **) targets);
        if (r >= 0)
                r = cli->options.has_timeout ? sd_bus_message_append(m, "a{sv}", 1, "timeout_usec", "t", cli->options.timeout_usec)
                                             : sd_bus_message_append(m, "a{sv}", 0);
        return client_send(cli, m, r, client_deadline(cli), "", &reply);
}

static int recovered_tell(Cli *cli, json_t *plan) {
        _cleanup_free_ char *groups = output_join(json_object_get(plan, "groups"));

        if (!cli->options.json) {
                output_line(stdout, "Recovered: group%s %s", json_array_size(json_object_get(plan, "groups")) == 1 ? "" : "s", groups);
                return 0;
        }
        if (json_object_set_new(plan, "recovered", json_true()) < 0)
                return -ENOMEM;
        return output_json(stdout, plan);
}

static int run(Cli *cli) {
        char *const *targets = cli->options.arguments;
        _cleanup_json_ json_t *plan = NULL;
        bool possible;
        int r;

        r = targets_check(cli, "recover", targets);
        if (r >= 0)
                r = request_plan(cli, "recover", targets, &plan);
        if (r < 0)
                return r;
        possible = json_is_true(json_object_get(plan, "possible"));
        if (!cli->options.json && (possible || cli->options.dry_run)) {
                r = plan_print(cli, plan, "recover");
                if (r < 0)
                        return r;
        }
        if (cli->options.dry_run) {
                r = cli->options.json ? output_json(stdout, plan) : 0;
                if (r < 0)
                        return r;
                return possible ? EXIT_CODE_DONE : (int) failure_exit_code(json_text(json_object_get(plan, "error"), "name"));
        }
        r = recover(cli, targets);
        return r < 0 ? r : recovered_tell(cli, plan);
}

const Verb verb_recover = {
        .name = "recover",
        .arguments = "TARGET...",
        .summary = "Open a quarantined group again",
        .usage = usage,
        .options = options,
        .run = run,
};
