/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/host-check.h"
#include "dbus/bus-manager.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"

static int append_finding(sd_bus_message *m, const Finding *finding) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = encode_string(m, "code", finding->code);
        if (r >= 0)
                r = encode_string(m, "level", finding_level_to_string(finding->level));
        if (r >= 0)
                r = encode_string(m, "text", finding->text);
        if (r >= 0)
                r = encode_string(m, "advice", finding->advice);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int method_check_host(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(finding_list_done) FindingList list = {};
        int r;

        r = options_read(m, NULL, 0, error);
        if (r < 0)
                return r;
        r = host_check(((Bus *) userdata)->manager, &list);
        if (r < 0)
                return error_reply_errno(m, r, "The host cannot be examined");
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "a{sv}");
        for (size_t i = 0; r >= 0 && i < list.n_items; i++)
                r = append_finding(reply, &list.items[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_send(reply);
}
