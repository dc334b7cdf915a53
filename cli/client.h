/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Calls to assignd. All of them connect first if need be, and on failure set cli->failure (the error's name and sentence, and
 * the blockers that came in its body) and return a negative number. */

#include "cli/cli.h"
#include "cli/json.h"

/* What a call may take beyond its own deadline before the daemon counts as unreachable. */
#define CLIENT_GRACE_USEC (10 * USEC_PER_SEC)
#define CLIENT_AUTHORIZATION_USEC (180 * USEC_PER_SEC)

int client_connect(Cli *cli);

/* Drops the connection, so that the next call makes a new one. */
void client_disconnect(Cli *cli);

/* Begins a call; the caller appends the arguments. */
int client_call_new(Cli *cli, const char *path, const char *interface, const char *member, sd_bus_message **ret);

/* An option of an options dictionary; NULL and false are left out. */
int client_append_text_option(sd_bus_message *m, const char *name, const char *value);
int client_append_flag_option(sd_bus_message *m, const char *name, bool value);
int client_append_u64_option(sd_bus_message *m, const char *name, uint64_t value);
int client_append_texts_option(sd_bus_message *m, const char *name, char *const *values);

/* Appends the options dictionary of --exact, --backend, --label, --override and, if has_timeout, --timeout. */
int client_append_request_options(Cli *cli, sd_bus_message *m, bool with_owner, bool with_timeout);

/* Sends and waits at most timeout_usec (0: the daemon's default deadline and CLIENT_GRACE_USEC). `append_result` is what the
 * appending came to: if negative it is told here. The reply must have `signature`. */
int client_send(Cli *cli, sd_bus_message *m, int append_result, uint64_t timeout_usec, const char *signature, sd_bus_message **ret);

/* The deadline for client_send() that goes with --timeout or --wait. */
uint64_t client_deadline(const Cli *cli);

/* A whole call; the arguments by `types` and what follows. *ret is the array of what came back. */
int client_call(Cli *cli, const char *path, const char *interface, const char *member, const char *signature, json_t **ret,
                const char *types, ...);

/* org.freedesktop.DBus.Properties. */
int client_get_all(Cli *cli, const char *path, const char *interface, json_t **ret);
int client_get(Cli *cli, const char *path, const char *interface, const char *property, json_t **ret);

/* The properties of the device with this canonical address. */
int client_get_device(Cli *cli, const char *address, json_t **ret);

/* Returns -ECANCELED with cli->failure set: as it is if `r` says that it was, else to `what` and the errno. */
int client_error(Cli *cli, int r, const char *what);
