/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/host-facts.h"

#include "base/strutil.h"

void host_facts_done(HostFacts *facts) {
        free(facts->kernel);
        free(facts->command_line);
        strv_free(facts->foreign_managers);
        *facts = (HostFacts) {};
}
