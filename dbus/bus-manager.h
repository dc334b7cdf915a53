/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The methods of org.assignd1.Manager that have files of their own. */

#include "dbus/bus.h"

/* bus-list.c */
int method_list_devices(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_groups(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_assignments(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_get_device(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_get_group(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* bus-explain.c */
int method_check_host(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* bus-policy.c */
int method_set_label(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_policy(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_explain_policy(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* bus-request.c */
int method_plan(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_assign(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_assign_with_lease(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_recover(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_reserve(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_unreserve(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* bus-audit.c */
int method_list_audit(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_export_audit(sd_bus_message *m, void *userdata, sd_bus_error *error);
