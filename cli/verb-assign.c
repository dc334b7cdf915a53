/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "cli/lease.h"
#include "cli/output.h"
#include "cli/request.h"
#include "cli/target.h"
#include "cli/verbs.h"

static const char usage[] =
        "assign-ctl assign --owner=NAME [OPTION...] TARGET...\n"
        "\n"
        "Takes the whole IOMMU groups of all targets off the host and gives them to an owner: all of them, or none.\n"
        "\n"
        "      --owner=NAME        Who gets them, like vm:web1\n"
        "      --exact             Refuse if a device would come along that is not named\n"
        "      --backend=BACKEND   auto (the default), iommufd or group: how the devices are going to be opened\n"
        "      --label=LABEL       The owner's security label\n"
        "      --override=CODE     Go past blockers with this code, where that is possible; may be repeated\n"
        OPTIONS_NODE_HELP
        "      --lease             Hold on until standard input ends or the parent process dies, then give everything back\n"
        "      --timeout=SECONDS   How long to wait for the end of the work (20)\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER.\n";

static const struct option options[] = {
        OPTIONS_REQUEST,
        { "lease", no_argument, NULL, OPTION_LEASE },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        OPTIONS_COMMON,
};

static int assigned_tell(Cli *cli, const Assigned *assigned) {
        int r;

        r = cli->options.json ? output_json(stdout, assigned->object) : assigned_print(cli, assigned, stdout);
        if (r < 0)
                return r;
        return fflush(stdout) == 0 ? 0 : -EIO;
}

static int run(Cli *cli) {
        _cleanup_(assigned_done) Assigned assigned = { .lease_fd = -EBADF };
        _cleanup_lease_ Lease *lease = NULL;
        int r;

        if (!cli->options.owner)
                return failure_usage(&cli->failure, "'assign' needs --owner NAME: who gets the devices.");
        r = targets_check(cli, "assign", cli->options.arguments);
        if (r < 0)
                return r;
        if (cli->options.lease) {
                r = lease_new(cli, &lease);
                if (r < 0)
                        return r;
        }

        r = request_assign(cli, cli->options.arguments, cli->options.lease, &assigned);
        if (r < 0)
                return r;
        if (lease) {
                r = lease_begin(lease, &assigned);
                if (r < 0)
                        return r;
        }
        r = assigned_tell(cli, &assigned);
        if (r < 0)
                return r;
        return lease ? lease_hold(lease) : EXIT_CODE_DONE;
}

const Verb verb_assign = {
        .name = "assign",
        .arguments = "--owner=NAME TARGET...",
        .summary = "Give whole groups to an owner",
        .usage = usage,
        .options = options,
        .run = run,
};
