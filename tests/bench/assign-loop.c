/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/assign-loop.h"

#include <err.h>
#include <stdarg.h>

#include "base/macro.h"
#include "dbus/names.h"

#define OWNER "bench"

static void call(sd_bus *bus, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = sd_bus_message_new_method_call(bus, &m, ASSIGND_BUS_NAME, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, member);
        if (r >= 0)
                r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r >= 0)
                r = sd_bus_call(bus, m, UINT64_MAX, &error, NULL);
        if (r < 0)
                errx(EXIT_FAILURE, "%s: %s", member, error.message ?: "the connection to the bus is broken");
}

void assign_and_release(sd_bus *bus, const char *address) {
        call(bus, "Assign", "sasa{sv}", OWNER, 1, address, 0);
        call(bus, "Release", "sa{sv}", OWNER, 0);
}
