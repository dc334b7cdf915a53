/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"

#include <stdarg.h>
#include <string.h>

#include "base/pci-address.h"
#include "base/strutil.h"
#include "cli/shape.h"
#include "dbus/names.h"

void cli_done(Cli *cli) {
        client_disconnect(cli);
        options_done(&cli->options);
        failure_done(&cli->failure);
}

void client_disconnect(Cli *cli) {
        cli->bus = sd_bus_flush_close_unref(cli->bus);
}

int client_error(Cli *cli, int r, const char *what) {
        if (r == -ECANCELED && cli->failure.name)
                return r;
        return failure_local(&cli->failure, "%s: %s", what, strerror(-r));
}

int client_connect(Cli *cli) {
        int r;

        if (cli->bus)
                return 0;

        r = cli->options.host ? sd_bus_open_system_remote(&cli->bus, cli->options.host) : sd_bus_open_system(&cli->bus);
        if (r < 0)
                return failure_set(&cli->failure, SD_BUS_ERROR_NO_SERVER, NULL, "The system bus%s%s cannot be reached: %s",
                                   cli->options.host ? " of " : "", cli->options.host ?: "", strerror(-r));
        return 0;
}

int client_call_new(Cli *cli, const char *path, const char *interface, const char *member, sd_bus_message **ret) {
        int r;

        r = client_connect(cli);
        if (r < 0)
                return r;

        r = sd_bus_message_new_method_call(cli->bus, ret, ASSIGND_BUS_NAME, path, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(*ret, true);
        return r < 0 ? client_error(cli, r, "A call cannot be made") : 0;
}

int client_append_text_option(sd_bus_message *m, const char *name, const char *value) {
        return value ? sd_bus_message_append(m, "{sv}", name, "s", value) : 0;
}

int client_append_flag_option(sd_bus_message *m, const char *name, bool value) {
        return value ? sd_bus_message_append(m, "{sv}", name, "b", (int) value) : 0;
}

int client_append_u64_option(sd_bus_message *m, const char *name, uint64_t value) {
        return sd_bus_message_append(m, "{sv}", name, "t", value);
}

int client_append_texts_option(sd_bus_message *m, const char *name, char *const *values) {
        int r;

        if (strv_length(values) == 0)
                return 0;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) values);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_u32_option(sd_bus_message *m, const char *name, bool given, uint32_t value) {
        return given ? sd_bus_message_append(m, "{sv}", name, "u", value) : 0;
}

static int append_node_options(sd_bus_message *m, const Options *o) {
        int r;

        r = append_u32_option(m, "node_user", o->has_node_user, o->node_user);
        if (r >= 0)
                r = append_u32_option(m, "node_group", o->has_node_group, o->node_group);
        if (r >= 0)
                r = append_u32_option(m, "node_mode", o->has_node_mode, o->node_mode);
        return r < 0 ? r : client_append_text_option(m, "node_context", o->node_context);
}

int client_append_request_options(Cli *cli, sd_bus_message *m, bool with_owner, bool with_timeout) {
        const Options *o = &cli->options;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && with_owner)
                r = client_append_text_option(m, "owner", o->owner);
        if (r >= 0)
                r = client_append_flag_option(m, "exact", o->exact);
        if (r >= 0)
                r = client_append_text_option(m, "backend", o->backend);
        if (r >= 0)
                r = client_append_text_option(m, "label", o->label);
        if (r >= 0)
                r = client_append_texts_option(m, "override", o->overrides);
        if (r >= 0)
                r = append_node_options(m, o);
        if (r >= 0 && with_timeout && o->has_timeout)
                r = client_append_u64_option(m, "timeout_usec", o->timeout_usec);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

uint64_t client_deadline(const Cli *cli) {
        return cli->options.has_timeout ? cli->options.timeout_usec + CLIENT_GRACE_USEC : 0;
}

static int disconnected(Cli *cli, int r) {
        return failure_set(&cli->failure, SD_BUS_ERROR_DISCONNECTED, NULL, "The connection to the system bus%s%s was lost: %s",
                           cli->options.host ? " of " : "", cli->options.host ?: "", strerror(-r));
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        sd_bus_message **reply = userdata;

        *reply = sd_bus_message_ref(m);
        return 1;
}

static int reply_wait(Cli *cli, sd_bus_message *const *reply) {
        while (!*reply) {
                int r = sd_bus_process(cli->bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(cli->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR && !*reply)
                        return disconnected(cli, r);
        }
        return 0;
}

static bool is_unreachable(const char *name) {
        return failure_exit_code(name) == EXIT_CODE_NO_DAEMON;
}

/* What the bus itself says of a denied message is about rules and process ids, and not for people. */
static bool is_denied_by_bus(sd_bus_message *reply) {
        return string_equal(sd_bus_message_get_sender(reply), "org.freedesktop.DBus") &&
               sd_bus_error_has_name(sd_bus_message_get_error(reply), SD_BUS_ERROR_ACCESS_DENIED);
}

/* The body of a refusal is (s message, aa{sv} blockers); others have the message alone. */
static int failure_of_reply(Cli *cli, sd_bus_message *reply) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        const char *signature = sd_bus_message_get_signature(reply, true);
        const char *message = error->message && *error->message ? error->message : error->name;
        _cleanup_json_ json_t *blockers = NULL;

        if (signature && strncmp(signature, "saa{sv}", strlen("saa{sv}")) == 0 && sd_bus_message_rewind(reply, true) >= 0 &&
            sd_bus_message_skip(reply, "s") >= 0)
                (void) json_read_value(reply, &blockers);

        if (is_unreachable(error->name))
                return failure_set(&cli->failure, error->name, NULL, "assignd%s%s cannot be reached: %s", cli->options.host ? " of " : "",
                                   cli->options.host ?: "", message);
        if (is_denied_by_bus(reply))
                return failure_set(&cli->failure, error->name, NULL, "The system bus lets only root ask assignd for this.");
        return failure_set(&cli->failure, error->name, shape_blockers(blockers), "%s", message);
}

/* Somebody else than root may have to type a password first; the daemon waits so long for it. */
static uint64_t authorization_usec(void) {
        return geteuid() == 0 ? 0 : CLIENT_AUTHORIZATION_USEC;
}

int client_send(Cli *cli, sd_bus_message *m, int append_result, uint64_t timeout_usec, const char *signature, sd_bus_message **ret) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = append_result;

        if (r >= 0)
                r = sd_bus_call_async(cli->bus, &slot, m, on_reply, &reply,
                                      (timeout_usec > 0 ? timeout_usec : ASSIGND_TIMEOUT_USEC_DEFAULT + CLIENT_GRACE_USEC) + authorization_usec());
        if (r == -ECONNRESET || r == -ENOTCONN)
                return disconnected(cli, r);
        if (r < 0)
                return client_error(cli, r, "A call cannot be made");
        r = reply_wait(cli, &reply);
        if (r < 0)
                return r;

        if (sd_bus_message_is_method_error(reply, NULL))
                return failure_of_reply(cli, reply);
        if (!sd_bus_message_has_signature(reply, signature))
                return failure_local(&cli->failure, "assignd answered %s with '%s' where '%s' was expected; are assign-ctl and assignd of one version?",
                                     sd_bus_message_get_member(m), sd_bus_message_get_signature(reply, true), signature);

        *ret = TAKE_PTR(reply);
        return 0;
}

int client_call(Cli *cli, const char *path, const char *interface, const char *member, const char *signature, json_t **ret,
                const char *types, ...) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        va_list ap;
        int r;

        r = client_call_new(cli, path, interface, member, &m);
        if (r < 0)
                return r;

        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        r = client_send(cli, m, r, 0, signature, &reply);
        if (r < 0)
                return r;

        r = json_read_all(reply, ret);
        return r < 0 ? client_error(cli, r, "The answer of assignd cannot be read") : 0;
}

int client_get_all(Cli *cli, const char *path, const char *interface, json_t **ret) {
        _cleanup_json_ json_t *reply = NULL;
        int r;

        r = client_call(cli, path, "org.freedesktop.DBus.Properties", "GetAll", "a{sv}", &reply, "s", interface);
        if (r < 0)
                return r;

        *ret = json_incref(json_array_get(reply, 0));
        return 0;
}

int client_get(Cli *cli, const char *path, const char *interface, const char *property, json_t **ret) {
        _cleanup_json_ json_t *reply = NULL;
        int r;

        r = client_call(cli, path, "org.freedesktop.DBus.Properties", "Get", "v", &reply, "ss", interface, property);
        if (r < 0)
                return r;

        *ret = json_incref(json_array_get(reply, 0));
        return 0;
}

int client_get_device(Cli *cli, const char *address, json_t **ret) {
        char path[sizeof(ASSIGND_DEVICE_PREFIX "/") + PCI_ADDRESS_STRING_MAX], element[PCI_ADDRESS_STRING_MAX];
        PciAddress a;

        if (pci_address_parse(address, &a) < 0)
                return failure_local(&cli->failure, "assignd named a device '%s', which is no PCI address.", address);

        (void) snprintf(path, sizeof(path), ASSIGND_DEVICE_PREFIX "/%s", pci_address_format_path(&a, element));
        return client_get_all(cli, path, ASSIGND_DEVICE_INTERFACE, ret);
}
