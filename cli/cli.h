/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What every verb is given. */

#include <systemd/sd-bus.h>

#include "cli/failure.h"
#include "cli/options.h"

typedef struct Cli {
        Options options;
        sd_bus *bus;     /* NULL until client.h connects */
        Failure failure; /* why the verb failed, where it returns a negative number */
        bool color;      /* of stdout */
} Cli;

void cli_done(Cli *cli);
