/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The methods of org.assignd1.Manager that have files of their own. */

#include "dbus/bus.h"
#include "dbus/options.h"

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

/* bus-plan.c */
int method_plan(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* bus-request.c */
int method_assign(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_assign_with_lease(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_recover(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_reserve(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_unreserve(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* bus-audit.c */
int method_list_audit(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_export_audit(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* The options of requests as they are read, before they go into a Request. */
typedef struct RequestOptions {
        const char *owner; /* Plan only */
        const char *label;
        const char *backend;
        uint64_t timeout_usec;
        OptionU32 node_user, node_group, node_mode;
        const char *node_context;
} RequestOptions;

/* What of them is about the nodes that an owner opens, for a list of Option. */
#define NODE_OPTIONS(given) \
        { "node_user", OPTION_U32, &(given)->node_user }, \
        { "node_group", OPTION_U32, &(given)->node_group }, \
        { "node_mode", OPTION_U32, &(given)->node_mode }, \
        { "node_context", OPTION_STRING, &(given)->node_context }

/* Completes a request from the options and from what the bus says of the caller. Returns 0, or a negative errno with `error` set. */
int request_complete(Bus *bus, sd_bus_message *m, const RequestOptions *given, const char *owner, Request *request, sd_bus_error *error);
