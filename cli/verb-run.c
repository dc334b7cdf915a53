/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <inttypes.h>
#include <string.h>

#include "base/strutil.h"
#include "cli/child.h"
#include "cli/opened.h"
#include "cli/output.h"
#include "cli/placeholder.h"
#include "cli/request.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl run --owner=NAME [OPTION...] TARGET... -- COMMAND [ARGUMENT...]\n"
        "\n"
        "Takes the targets' groups off the host, opens the devices, runs COMMAND with their fds, and gives everything back when\n"
        "COMMAND has ended, also when it, or assign-ctl, is killed.\n"
        "\n"
        "      --owner=NAME        Who gets them, like vm:web1\n"
        "      --exact             Refuse if a device would come along that is not named\n"
        "      --backend=BACKEND   auto (the default), iommufd or group: how the devices are opened\n"
        "      --label=LABEL       The owner's security label\n"
        "      --override=CODE     Go past blockers with this code, where that is possible; may be repeated\n"
        OPTIONS_NODE_HELP
        "      --open=MODE         auto (the default), always or never: whether assignd opens the devices\n"
        "      --timeout=SECONDS   How long to wait for the taking and for the giving back (20)\n"
        "\n"
        "In the arguments of COMMAND these are replaced by fd numbers:\n"
        "  {iommufd}               The iommufd (iommufd backend)\n"
        "  {container}             The VFIO container (group backend)\n"
        "  {group:ADDRESS}         The group node of that device's group (group backend)\n"
        "  {fd:ADDRESS}            The device\n"
        "A word in braces that is none of these is an error; {{word} stands for {word}. COMMAND also finds the fds in its\n"
        "environment: ASSIGND_FDS={\"backend\":\"iommufd\",\"shared\":{\"iommufd\":5},\"devices\":{\"0000:02:00.0\":6}}\n"
        "\n"
        "A VFIO group node can be open only once. So on the group backend, with --open=auto, the devices are not opened for a\n"
        "COMMAND that opens them by itself: one with no placeholder in its arguments that names an assigned device by address\n"
        "(-device vfio-pci,host=02:00.0) or a path below /dev/vfio/.\n"
        "\n"
        "The exit code is COMMAND's, or 128 and the number of the signal that ended it, 127 if there is no such COMMAND, 126 if\n"
        "it cannot be run. When assign-ctl itself fails it is one of 'assign-ctl --help'.\n";

static const struct option options[] = {
        OPTIONS_REQUEST,
        { "open", required_argument, NULL, OPTION_OPEN },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        OPTIONS_COMMON,
};

/* What COMMAND's arguments ask for. */
typedef struct Wishes {
        Placeholder *placeholders;
        size_t n_placeholders;
        bool iommufd_backend; /* some placeholder has a meaning on this backend only */
        bool group_backend;
} Wishes;

static void wishes_done(Wishes *wishes) {
        free(wishes->placeholders);
        *wishes = (Wishes) {};
}

static int wish_add(Wishes *wishes, const Placeholder *placeholder) {
        Placeholder *grown = reallocarray(wishes->placeholders, wishes->n_placeholders + 1, sizeof(Placeholder));

        if (!grown)
                return -ENOMEM;

        wishes->placeholders = grown;
        wishes->placeholders[wishes->n_placeholders++] = *placeholder;
        wishes->iommufd_backend |= placeholder->kind == PLACEHOLDER_IOMMUFD;
        wishes->group_backend |= placeholder->kind == PLACEHOLDER_CONTAINER || placeholder->kind == PLACEHOLDER_GROUP;
        return 0;
}

static int wishes_read(Cli *cli, char *const *command, Wishes *wishes) {
        for (; *command; command++) {
                const char *rest = *command;

                for (Placeholder p; placeholder_find(rest, &p) > 0; rest = p.text + p.length) {
                        int r;

                        if (p.kind == PLACEHOLDER_WRONG)
                                return failure_usage(&cli->failure,
                                                     "'%.*s' is no placeholder; there are {iommufd}, {container}, {fd:ADDRESS} and {group:ADDRESS}, "
                                                     "and {{word} stands for {word}.",
                                                     (int) p.length, p.text);
                        r = wish_add(wishes, &p);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* Placeholders that cannot all have a meaning on `backend` (NULL: not known yet). */
static int wishes_check_backend(Cli *cli, const Wishes *wishes, const char *backend) {
        bool other_than_group = wishes->iommufd_backend && (wishes->group_backend || string_equal(backend, "group"));
        bool other_than_iommufd = wishes->group_backend && string_equal(backend, "iommufd");

        if (other_than_group)
                return failure_usage(&cli->failure, "There is no {iommufd} on the group backend; choose with --backend.");
        if (other_than_iommufd)
                return failure_usage(&cli->failure, "There is no {container} and no {group:ADDRESS} on the iommufd backend; choose with --backend.");
        return 0;
}

static bool targets_contain(char *const *targets, const PciAddress *address) {
        for (; *targets; targets++) {
                PciAddress a;

                if (pci_address_parse(*targets, &a) >= 0 && pci_address_compare(&a, address) == 0)
                        return true;
        }
        return false;
}

static bool list_contains(const json_t *addresses, const PciAddress *address) {
        const json_t *item;
        size_t i;

        json_array_foreach(addresses, i, item) {
                PciAddress a;

                if (json_is_string(item) && pci_address_parse(json_string_value(item), &a) >= 0 && pci_address_compare(&a, address) == 0)
                        return true;
        }
        return false;
}

/* Addresses in placeholders that are not among the targets may be companions: the plan knows. */
static int wishes_check_addresses(Cli *cli, const Wishes *wishes) {
        _cleanup_json_ json_t *plan = NULL;
        int r;

        for (size_t i = 0; i < wishes->n_placeholders; i++) {
                const Placeholder *p = &wishes->placeholders[i];

                if ((p->kind != PLACEHOLDER_FD && p->kind != PLACEHOLDER_GROUP) || targets_contain(cli->options.arguments, &p->address))
                        continue;
                if (!plan) {
                        r = request_plan(cli, "assign", cli->options.arguments, &plan);
                        if (r < 0)
                                return r;
                }
                if (json_is_true(json_object_get(plan, "possible")) && !list_contains(json_object_get(plan, "devices"), &p->address))
                        return failure_usage(&cli->failure, "'%.*s' names a device that is not among those which would be assigned.",
                                             (int) p->length, p->text);
        }
        return 0;
}

/* Everything that can be known to be wrong before anything is assigned. */
static int wishes_check(Cli *cli, const Wishes *wishes) {
        _cleanup_json_ json_t *backend = NULL;
        const char *chosen = cli->options.backend;
        int r;

        if (wishes->n_placeholders > 0 && cli->options.open == OPEN_NEVER)
                return failure_usage(&cli->failure, "With --open=never there is no fd to put in place of '%.*s'.",
                                     (int) wishes->placeholders[0].length, wishes->placeholders[0].text);

        if ((!chosen || string_equal(chosen, "auto")) && (wishes->iommufd_backend || wishes->group_backend)) {
                r = client_get(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Backend", &backend);
                if (r < 0)
                        return r;
                chosen = json_string_value(backend);
        }
        r = wishes_check_backend(cli, wishes, chosen);
        if (r < 0)
                return r;
        return wishes_check_addresses(cli, wishes);
}

/* Whether COMMAND is going to open an assigned device by itself. */
static bool command_opens_by_itself(char *const *command, const json_t *devices) {
        for (; *command; command++) {
                const json_t *device;
                size_t i;

                if (strstr(*command, "/dev/vfio/"))
                        return true;
                json_array_foreach(devices, i, device) {
                        PciAddress a;

                        if (pci_address_parse(json_string_value(device) ?: "", &a) >= 0 && text_names_device(*command, &a))
                                return true;
                }
        }
        return false;
}

static bool shall_open(Cli *cli, const Wishes *wishes, const json_t *assignment) {
        if (cli->options.open != OPEN_AUTO)
                return cli->options.open == OPEN_ALWAYS;
        if (wishes->n_placeholders > 0 || !string_equal(json_text(assignment, "backend"), "group"))
                return true;
        if (!command_opens_by_itself(cli->options.command, json_object_get(assignment, "devices")))
                return true;

        output_line(stderr, "assign-ctl: '%s' names an assigned device, so it is left to open the devices by itself (--open=always opens them).",
                    cli->options.command[0]);
        return false;
}

typedef struct Resolver {
        Cli *cli;
        const Opened *opened;
} Resolver;

static int group_fd_resolve(Resolver *resolver, const char *address, int *ret_fd) {
        _cleanup_json_ json_t *properties = NULL;
        char name[32];
        int r;

        r = client_get_device(resolver->cli, address, &properties);
        if (r < 0)
                return r;
        (void) snprintf(name, sizeof(name), "group:%" PRIu64, json_number(properties, "GroupNumber", UINT32_MAX));
        *ret_fd = opened_find(resolver->opened, name);
        return 0;
}

static int on_placeholder(const Placeholder *placeholder, void *userdata, int *ret_fd) {
        const char *address = PCI_ADDRESS_FORMAT(&placeholder->address);
        Resolver *resolver = userdata;
        int fd = -ENOENT, r = 0;

        switch (placeholder->kind) {
        case PLACEHOLDER_IOMMUFD:   fd = opened_find(resolver->opened, "iommufd"); break;
        case PLACEHOLDER_CONTAINER: fd = opened_find(resolver->opened, "container"); break;
        case PLACEHOLDER_FD:        fd = opened_find(resolver->opened, address); break;
        case PLACEHOLDER_GROUP:     r = group_fd_resolve(resolver, address, &fd); break;
        case PLACEHOLDER_WRONG:     break;
        }
        if (r < 0)
                return r;
        if (fd < 0)
                return failure_usage(&resolver->cli->failure, "There is no fd for '%.*s' among those that were opened.",
                                     (int) placeholder->length, placeholder->text);

        *ret_fd = fd;
        return 0;
}

static int command_expand(Cli *cli, const Opened *opened, char ***ret) {
        Resolver resolver = { .cli = cli, .opened = opened };
        size_t n = strv_length(cli->options.command);
        _cleanup_strv_free_ char **command = calloc(n + 1, sizeof(char *));

        if (!command)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = placeholder_expand(cli->options.command[i], on_placeholder, &resolver, &command[i]);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(command);
        return 0;
}

/* COMMAND keeps the lease too: the devices are given back when it has really ended, even if we are killed. */
static int command_start(Cli *cli, char *const *command, const Opened *opened, int lease_fd) {
        _cleanup_free_ int *fds = calloc(opened->n_fds + 1, sizeof(int));
        _cleanup_free_ char *environment = NULL;
        int status, error;

        if (!fds)
                return -ENOMEM;
        for (size_t i = 0; i < opened->n_fds; i++)
                fds[i] = opened->fds[i].fd;
        fds[opened->n_fds] = lease_fd;
        if (opened->n_fds > 0) {
                environment = opened_format(opened);
                if (!environment)
                        return -ENOMEM;
        }

        status = child_run(command, fds, opened->n_fds + 1, "ASSIGND_FDS", environment, &error);
        if (status >= 0 && error != 0)
                output_line(stderr, "assign-ctl: '%s' cannot be run: %s", command[0], strerror(error));
        return status;
}

static int command_run(Cli *cli, const Wishes *wishes, const Assigned *assigned) {
        _cleanup_(opened_done) Opened opened = {};
        _cleanup_strv_free_ char **command = NULL;
        int r;

        r = assigned_print(cli, assigned, stderr);
        if (r < 0)
                return r;
        if (shall_open(cli, wishes, assigned->object)) {
                r = opened_get(cli, assigned, &opened);
                if (r < 0)
                        return r;
        }
        r = command_expand(cli, &opened, &command);
        if (r < 0)
                return r;
        return command_start(cli, command, &opened, assigned->lease_fd);
}

static bool is_unreachable(const Cli *cli) {
        return failure_exit_code(cli->failure.name) == EXIT_CODE_NO_DAEMON;
}

/* The bus, or assignd, may have been restarted while COMMAND ran. Where neither is there the end of the lease does it. */
static int release_anew(Cli *cli, const Assigned *assigned) {
        int r;

        r = request_release_assignment(cli, assigned->path);
        if (r >= 0 || !is_unreachable(cli))
                return r;
        client_disconnect(cli);
        r = request_release_assignment(cli, assigned->path);
        if (r >= 0 || !is_unreachable(cli))
                return r;
        return failure_set(&cli->failure, SD_BUS_ERROR_DISCONNECTED, NULL,
                           "assignd cannot be reached. The lease ends now, and assignd gives the devices back when it is there again.");
}

/* Gives back with the lease still held, so that the answer tells how it went. Keeps an earlier failure; otherwise a failure of
 * the release counts unless COMMAND failed by itself. */
static int give_back(Cli *cli, const Assigned *assigned, int result) {
        Failure earlier = cli->failure;
        int r;

        cli->failure = (Failure) {};
        r = release_anew(cli, assigned);
        if (r < 0 && result == 0)
                return r;
        if (r < 0)
                failure_print(&cli->failure, stderr);

        failure_done(&cli->failure);
        cli->failure = earlier;
        return result;
}

static int form_check(Cli *cli) {
        if (!cli->options.command)
                return failure_usage(&cli->failure, "'run' needs '-- COMMAND' behind the targets: what to run with the devices.");
        if (!*cli->options.command)
                return failure_usage(&cli->failure, "'run' needs a COMMAND behind '--'.");
        if (!cli->options.owner)
                return failure_usage(&cli->failure, "'run' needs --owner NAME: who gets the devices.");
        if (cli->options.host)
                return failure_usage(&cli->failure, "'run' does not work with --host: fds cannot travel over ssh.");
        return targets_check(cli, "run", cli->options.arguments);
}

static int run(Cli *cli) {
        _cleanup_(assigned_done) Assigned assigned = { .lease_fd = -EBADF };
        _cleanup_(wishes_done) Wishes wishes = {};
        int r;

        r = form_check(cli);
        if (r < 0)
                return r;
        r = wishes_read(cli, cli->options.command, &wishes);
        if (r < 0)
                return r;
        r = wishes_check(cli, &wishes);
        if (r < 0)
                return r;

        r = request_assign(cli, cli->options.arguments, true, &assigned);
        if (r < 0)
                return r;
        r = command_run(cli, &wishes, &assigned);
        return give_back(cli, &assigned, r);
}

const Verb verb_run = {
        .name = "run",
        .arguments = "--owner=NAME TARGET... -- COMMAND...",
        .summary = "Run a program with the devices, then give them back",
        .usage = usage,
        .options = options,
        .takes_command = true,
        .run = run,
};
