/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <string.h>

#include "base/strutil.h"
#include "cli/client.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl check\n"
        "\n"
        "Whether this host is fit for giving devices away, and what to do where it is not: the IOMMU, interrupt remapping, VFIO, other\n"
        "managers, what changed since the last boot, the policy, the daemon and its database.\n"
        "\n"
        "The exit code is 0 only if a device could be assigned, else 6.\n";

static const struct option options[] = { OPTIONS_COMMON };

static json_t *finding_shape(const json_t *finding) {
        const char *advice = json_text(finding, "advice");

        return json_pack("{s:s, s:s, s:s, s:s?}", "code", json_text(finding, "code") ?: "", "level", json_text(finding, "level") ?: "", "text",
                         json_text(finding, "text") ?: "", "advice", advice && *advice ? advice : NULL);
}

/* {"fit":true,"findings":[...]} */
static json_t *check_shape(const json_t *findings) {
        _cleanup_json_ json_t *list = json_array();
        bool fit = false;
        json_t *finding;
        size_t i;

        json_array_foreach(findings, i, finding) {
                if (json_array_append_new(list, finding_shape(finding)) < 0)
                        return NULL;
                if (string_equal(json_text(finding, "code"), "assignable"))
                        fit = string_equal(json_text(finding, "level"), "ok");
        }
        return json_pack("{s:b, s:O}", "fit", fit, "findings", list);
}

static void print_findings(const json_t *findings) {
        json_t *finding;
        size_t i;

        json_array_foreach(findings, i, finding) {
                const char *advice = json_text(finding, "advice");

                output_line(stdout, "%-8s %s", json_text(finding, "level"), json_text(finding, "text"));
                if (advice && !string_equal(json_text(finding, "level"), "ok"))
                        output_line(stdout, "         -> %s", advice);
        }
}

static int run(Cli *cli) {
        _cleanup_json_ json_t *reply = NULL, *check = NULL;
        int r;

        if (cli->options.arguments[0])
                return failure_usage(&cli->failure, "'check' takes no arguments, not '%s'.", cli->options.arguments[0]);
        r = client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "CheckHost", "aa{sv}", &reply, "a{sv}", 0);
        if (r < 0)
                return r;
        check = check_shape(json_array_get(reply, 0));
        if (!check)
                return -ENOMEM;
        if (cli->options.json)
                r = output_json(stdout, check);
        else
                print_findings(json_object_get(check, "findings"));
        if (r < 0)
                return r;
        return json_is_true(json_object_get(check, "fit")) ? EXIT_CODE_DONE : EXIT_CODE_NOT_VIABLE;
}

const Verb verb_check = {
        .name = "check",
        .arguments = "",
        .summary = "Whether this host is fit for giving devices away",
        .usage = usage,
        .options = options,
        .run = run,
};
