/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "base/strutil.h"
#include "cli/audit-copy.h"
#include "cli/history.h"
#include "cli/output.h"
#include "cli/verbs.h"

#define LIMIT_DEFAULT 100U

static const char usage[] =
        "assign-ctl audit [OPTION...]\n"
        "assign-ctl audit export FILE\n"
        "assign-ctl audit sql QUERY\n"
        "\n"
        "Who asked for what, on which devices, and how it ended; refusals too. Oldest first.\n"
        "\n"
        "      --device=ADDRESS    Only what concerned this device\n"
        "      --owner=NAME        Only of this owner\n"
        "      --verb=VERB         Only this verb: assign, release, open, ...\n"
        "      --outcome=OUTCOME   Only with this outcome\n"
        "      --since=TIME        Not before: '2026-01-31 14:30', '14:30', 'yesterday', '-2h' or '@SECONDS'\n"
        "      --until=TIME        Not after\n"
        "      --limit=N           At most the last N entries (100); 0 for all\n"
        "\n"
        "  export FILE             Writes a copy of the whole database, a SQLite file of its own, to FILE, which must not exist\n"
        "  sql QUERY               Runs one query on such a copy; the views are audit_log, assignment_history, device_history and\n"
        "                          current_assignments\n";

static const struct option options[] = {
        { "device", required_argument, NULL, OPTION_DEVICE },
        { "owner", required_argument, NULL, OPTION_OWNER },
        { "verb", required_argument, NULL, OPTION_VERB },
        { "outcome", required_argument, NULL, OPTION_OUTCOME },
        { "since", required_argument, NULL, OPTION_SINCE },
        { "until", required_argument, NULL, OPTION_UNTIL },
        { "limit", required_argument, NULL, OPTION_LIMIT },
        OPTIONS_COMMON,
};

static int list(Cli *cli) {
        const Options *o = &cli->options;
        HistoryFilter filter = {
                .device = o->device,
                .owner = o->owner,
                .verb = o->verb,
                .outcome = o->outcome,
                .since_usec = o->since_usec,
                .until_usec = o->until_usec,
        };
        _cleanup_json_ json_t *entries = NULL;
        int r;

        r = history_list(cli, &filter, o->has_limit ? o->limit : LIMIT_DEFAULT, &entries);
        if (r < 0)
                return r;
        if (o->json) {
                _cleanup_json_ json_t *object = json_pack("{s:O}", "entries", entries);

                return output_json(stdout, object);
        }

        if (json_array_size(entries) == 0 && !o->no_legend)
                output_line(stderr, "There are no such entries.");
        return history_print(cli, entries);
}

static int run(Cli *cli) {
        char **arguments = cli->options.arguments;
        const char *what = arguments[0];

        if (!what)
                return list(cli);
        if (string_equal(what, "verify"))
                return failure_local(&cli->failure, "This version of assign-ctl cannot verify the audit trail yet.");
        if (!string_equal(what, "export") && !string_equal(what, "sql"))
                return failure_usage(&cli->failure, "'audit' lists entries, or does 'export FILE' or 'sql QUERY', but not '%s'.", what);

        if (!arguments[1])
                return failure_usage(&cli->failure, "'audit %s' needs a %s.", what, string_equal(what, "sql") ? "QUERY" : "FILE");
        if (arguments[2])
                return failure_usage(&cli->failure, "'audit %s' takes one argument, not also '%s'.", what, arguments[2]);
        return string_equal(what, "sql") ? audit_query(cli, arguments[1]) : audit_export(cli, arguments[1]);
}

const Verb verb_audit = {
        .name = "audit",
        .arguments = "[export FILE | sql QUERY]",
        .summary = "Who asked for what, and how it ended",
        .usage = usage,
        .options = options,
        .run = run,
};
