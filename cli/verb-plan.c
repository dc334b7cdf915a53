/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "base/strutil.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "cli/request.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl plan assign --owner=NAME [--exact] [--backend=...] [--label=...] [--override=...]\n"
        "                       [--node-user=...] [--node-group=...] [--node-mode=...] [--node-context=...] TARGET...\n"
        "assign-ctl plan release OWNER\n"
        "assign-ctl plan release TARGET...\n"
        "assign-ctl plan reserve [--exact] [--override=...] TARGET...\n"
        "assign-ctl plan unreserve TARGET...\n"
        "assign-ctl plan recover TARGET...\n"
        "\n"
        "The steps that the verb would take now, and what stands in the way. Nothing is changed. The exit code is the\n"
        "one that the verb itself would have.\n"
        "\n"
        "The options are those of 'assign-ctl assign'.\n";

static const struct option options[] = { OPTIONS_REQUEST, OPTIONS_COMMON };

static int run(Cli *cli) {
        const char *verb = cli->options.arguments[0];
        char **targets = verb ? &cli->options.arguments[1] : NULL;
        _cleanup_json_ json_t *plan = NULL;
        int r;

        if (string_equal(verb, "assign"))
                r = targets_check(cli, "plan assign", targets);
        else if (string_equal(verb, "reserve"))
                r = targets_check(cli, "plan reserve", targets);
        else if (string_equal(verb, "unreserve"))
                r = targets_check(cli, "plan unreserve", targets);
        else if (string_equal(verb, "release"))
                r = request_split_release(cli, "plan release", &targets);
        else if (string_equal(verb, "recover"))
                r = targets_check(cli, "plan recover", targets);
        else if (verb)
                r = failure_usage(&cli->failure, "'plan' plans assign, release, reserve, unreserve or recover, not '%s'.", verb);
        else
                r = failure_usage(&cli->failure, "'plan' needs to know for what: 'plan assign ...', or release, reserve, unreserve or recover.");
        if (r < 0)
                return r;

        r = request_plan(cli, verb, targets, &plan);
        if (r < 0)
                return r;
        r = cli->options.json ? output_json(stdout, plan) : plan_print(cli, plan, verb);
        if (r < 0)
                return r;

        if (json_is_true(json_object_get(plan, "possible")))
                return EXIT_CODE_DONE;
        return (int) failure_exit_code(json_text(json_object_get(plan, "error"), "name"));
}

const Verb verb_plan = {
        .name = "plan",
        .arguments = "assign|release|reserve|unreserve|recover ...",
        .summary = "What a verb would do, changing nothing",
        .usage = usage,
        .options = options,
        .run = run,
};
