/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/strutil.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/policy-check.h"
#include "cli/shape.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "dbus/names.h"

#define USER_GROUPS_MAX 1024

static const char usage[] =
        "assign-ctl policy [list]\n"
        "assign-ctl policy check FILE...\n"
        "assign-ctl policy explain [--owner=NAME] [--label=LABEL] [--user=USER] VERB TARGET\n"
        "\n"
        "Who may have what, as /etc/assignd/policy.d/*.json says (see assignd-policy(5)). The first rule that matches decides; where\n"
        "none does, root is allowed and nobody else is.\n"
        "\n"
        "  list                    The policy in force, in the order in which it is gone through\n"
        "  check FILE...           What is wrong with these files, with line and column; they need not be in force, nor assignd running\n"
        "  explain VERB TARGET     Whether the policy allows assign, reserve, open, release, unreserve or recover of the TARGET's group,\n"
        "                          which rule decides of each device, and why the ones before it did not match. The exit code is 0 if\n"
        "                          it is allowed, 3 if not\n"
        "\n"
        "      --owner=NAME        explain: the owner that would be named\n"
        "      --label=LABEL       explain: the label that would be claimed for the owner\n"
        "      --user=USER         explain: asked by this user, a name or number (yourself)\n"
        "\n"
        "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER.\n";

static const struct option options[] = {
        { "owner", required_argument, NULL, OPTION_OWNER },
        { "label", required_argument, NULL, OPTION_LABEL },
        { "user", required_argument, NULL, OPTION_USER },
        OPTIONS_COMMON,
};

static const char *place_of(const json_t *entry, char buffer[static 512]) {
        (void) snprintf(buffer, 512, "%.480s:%" JSON_INTEGER_FORMAT, json_text(entry, "file") ?: "", json_integer_value(json_object_get(entry, "line")));
        return buffer;
}

static int entries_print(const Cli *cli, const json_t *entries) {
        static const Column columns[] = { { "PART" }, { "WHERE" }, { "VERDICT" }, { "NAME" }, { "ENTRY" } };
        _cleanup_table_ Table *table = NULL;
        const json_t *entry;
        size_t i;
        int r;

        r = table_new(columns, ELEMENTSOF(columns), &table);
        json_array_foreach(entries, i, entry) {
                const char *verdict = json_text(entry, "verdict"), *name = json_text(entry, "name");
                char place[512];

                if (r >= 0)
                        r = table_add_cells(table, json_text(entry, "section"), place_of(entry, place), verdict && *verdict ? verdict : NULL,
                                            name && *name ? name : NULL, json_text(entry, "entry"));
        }
        if (r < 0)
                return r;
        table_print(table, stdout, !cli->options.no_legend, cli->color);
        return EXIT_CODE_DONE;
}

static int list(Cli *cli) {
        _cleanup_json_ json_t *reply = NULL, *health = NULL;
        const json_t *entries;
        int r;

        r = client_call(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListPolicy", "aa{sv}", &reply, "a{sv}", 0);
        if (r >= 0)
                r = client_get(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Health", &health);
        if (r < 0)
                return r;
        entries = json_array_get(reply, 0);
        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:O, s:O}", "entries", entries, "health", health);

                return output_json(stdout, object);
        }
        if (!string_equal(json_string_value(health), "ok"))
                output_line(stderr, "Note: %s", json_string_value(health));
        if (json_array_size(entries) == 0 && !cli->options.no_legend)
                output_line(stderr, "No policy is in force: root may have everything, nobody else anything.");
        return entries_print(cli, entries);
}

/* The user's number and all groups, as the name service of this host has them. */
static int append_user(Cli *cli, sd_bus_message *m) {
        gid_t groups[USER_GROUPS_MAX];
        int n = USER_GROUPS_MAX, r;
        const struct passwd *user;
        uint32_t uid;

        if (!cli->options.user)
                return 0;
        user = parse_u32(cli->options.user, 10, &uid) >= 0 ? getpwuid(uid) : getpwnam(cli->options.user);
        if (!user && parse_u32(cli->options.user, 10, &uid) < 0)
                return failure_usage(&cli->failure, "There is no user '%s'.", cli->options.user);
        if (!user)
                n = 0;
        else if (getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
                return failure_local(&cli->failure, "The groups of the user '%s' cannot be found out.", cli->options.user);
        r = client_append_u64_option(m, "uid", user ? user->pw_uid : uid);
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "gids");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, "au");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'u', groups, (size_t) n * sizeof(gid_t));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_question(Cli *cli, sd_bus_message *m, const char *verb, const char *target) {
        int r;

        r = sd_bus_message_append(m, "ss", verb, target);
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = client_append_text_option(m, "owner", cli->options.owner);
        if (r >= 0)
                r = client_append_text_option(m, "label", cli->options.label);
        if (r >= 0)
                r = append_user(cli, m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static void verdict_print(const json_t *device, int64_t uid) {
        const char *rule = json_text(device, "rule"), *verdict = json_text(device, "verdict"), *why = json_text(device, "protected"),
                   *reset = json_text(device, "reset");

        if (rule && *rule)
                output_line(stdout, "  %s matches: %s", rule, verdict ?: "");
        else
                output_line(stdout, "  No rule matches: %s", uid == 0 ? "root is allowed" : "only root is allowed");
        if (why && *why)
                output_line(stdout, "  Protected: %s; goes only with '--override=policy-denied'", why);
        if (reset && *reset)
                output_line(stdout, "  To be reset between owners: %s", reset);
}

static void device_print(const json_t *device, int64_t uid) {
        const char *driver = json_text(device, "driver");
        const json_t *skipped;
        size_t i;

        output_line(stdout, "%s: %s, %s%s", json_text(device, "address") ?: "", json_text(device, "label_text") ?: "", driver && *driver ? "host driver " : "no host driver",
                    driver ?: "");
        json_array_foreach(json_object_get(device, "skipped"), i, skipped)
                output_line(stdout, "  %s does not match: %s", json_text(skipped, "rule") ?: "", json_text(skipped, "reason") ?: "");
        verdict_print(device, uid);
}

static void answer_print(const Cli *cli, const char *verb, const char *target, const json_t *answer) {
        int64_t uid = json_integer_value(json_object_get(answer, "uid"));
        const char *label = json_text(answer, "owner_label");
        const json_t *device;
        size_t i;

        output_line(stdout, "The policy %s uid %" JSON_INTEGER_FORMAT " %s the group of %s%s%s%s%s.",
                    json_is_true(json_object_get(answer, "allowed")) ? "lets" : "does not let", (json_int_t) uid, verb, target,
                    cli->options.owner ? " for " : "", cli->options.owner ?: "", label && *label ? ", with the label " : "", label ?: "");
        output_blockers(stdout, json_object_get(answer, "blockers"));
        json_array_foreach(json_object_get(answer, "devices"), i, device)
                device_print(device, uid);
}

static int explain(Cli *cli, const char *verb, char **targets) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ json_t *answer = NULL;
        int r;

        if (!verb || strv_length(targets) != 1)
                return failure_usage(&cli->failure, "'policy explain' takes a VERB and one TARGET, as in 'policy explain assign 02:00.0'.");
        r = targets_check(cli, "policy explain", targets);
        if (r < 0)
                return r;
        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExplainPolicy", &m);
        if (r < 0)
                return r;
        r = append_question(cli, m, verb, targets[0]);
        r = client_send(cli, m, r, 0, "a{sv}", &reply);
        if (r >= 0)
                r = json_read_value(reply, &answer);
        if (r < 0)
                return r;
        if (!cli->options.json)
                answer_print(cli, verb, targets[0], answer);
        else if (output_json(stdout, answer) < 0)
                return -EIO;
        return json_is_true(json_object_get(answer, "allowed")) ? EXIT_CODE_DONE : EXIT_CODE_DENIED;
}

static int run(Cli *cli) {
        char **arguments = cli->options.arguments;
        const char *what = arguments[0];

        if (string_equal(what, "explain"))
                return explain(cli, arguments[1], arguments[1] ? &arguments[2] : NULL);
        if (cli->options.owner || cli->options.label || cli->options.user)
                return failure_usage(&cli->failure, "--owner, --label and --user are for 'policy explain'.");
        if (string_equal(what, "check") && arguments[1])
                return policy_check(cli, &arguments[1]);
        if (string_equal(what, "check"))
                return failure_usage(&cli->failure, "'policy check' needs the FILEs to check, as in 'policy check /etc/assignd/policy.d/*.json'.");
        if (!what || (string_equal(what, "list") && !arguments[1]))
                return list(cli);
        return failure_usage(&cli->failure, "'policy' does 'list', 'check FILE...' or 'explain VERB TARGET', but not '%s'.", what);
}

const Verb verb_policy = {
        .name = "policy",
        .arguments = "[list | check FILE... | explain VERB TARGET]",
        .summary = "Who may have what, and why",
        .usage = usage,
        .options = options,
        .run = run,
};
