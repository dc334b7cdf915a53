/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <signal.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/strutil.h"
#include "cli/client.h"
#include "cli/event.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/when.h"
#include "dbus/names.h"

static const char usage[] =
        "assign-ctl monitor\n"
        "\n"
        "Prints events as they come, one line each, until it is interrupted: assignments and operations that begin and end, devices\n"
        "and groups that come and go, changes of state, viability, owner and driver, drift. For root: they tell who holds what.\n"
        "\n"
        "With --json every line is an object of its own.\n";

static const struct option options[] = { OPTIONS_COMMON };

static const char *const matches[] = {
        "type='signal',sender='" ASSIGND_BUS_NAME "',path_namespace='" ASSIGND_MANAGER_PATH "'",
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" ASSIGND_BUS_NAME "'",
};

static int event_tell(Cli *cli, json_t *event) {
        char time[OUTPUT_TIME_MAX];
        uint64_t now = when_now();

        if (cli->options.json) {
                if (json_object_set_new(event, "at_usec", json_integer((json_int_t) now)) < 0)
                        return -ENOMEM;
                return output_json_line(stdout, event);
        }

        output_line(stdout, "%s  %s", output_time(now, time), json_text(event, "text"));
        return fflush(stdout) == 0 ? 0 : -EIO;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_json_ json_t *event = NULL;
        Cli *cli = userdata;
        int r;

        r = event_read(m, &event);
        if (r <= 0)
                return r == -ENOMEM ? r : 0; /* nothing of interest, or not of the form it should have */
        return event_tell(cli, event);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_CODE_DONE);
}

static int signals_watch(sd_event *event) {
        static const int signals[] = { SIGINT, SIGTERM };
        sigset_t set;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&set, signals[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(event, NULL, signals[i], on_signal, NULL);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int bus_watch(Cli *cli) {
        _cleanup_json_ json_t *health = NULL;
        int r;

        if (!cli->options.host && geteuid() != 0)
                return failure_set(&cli->failure, SD_BUS_ERROR_ACCESS_DENIED, NULL, "Only root hears events, since they tell who holds what.");
        r = client_connect(cli);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(matches); i++) {
                r = sd_bus_add_match(cli->bus, NULL, matches[i], on_message, cli);
                if (r < 0)
                        return client_error(cli, r, "The events of assignd cannot be watched");
        }
        return client_get(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Health", &health); /* is it there at all? */
}

static int run(Cli *cli) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        int r;

        if (*cli->options.arguments)
                return failure_usage(&cli->failure, "'monitor' takes no arguments, not '%s'.", *cli->options.arguments);

        r = bus_watch(cli);
        if (r < 0)
                return r;
        r = sd_event_new(&event);
        if (r >= 0)
                r = signals_watch(event);
        if (r >= 0)
                r = sd_bus_attach_event(cli->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(cli->bus, true);
        if (r < 0)
                return r;

        if (!cli->options.no_legend)
                output_line(stderr, "Listening for events; interrupt to end.");
        r = sd_event_loop(event);
        (void) sd_bus_detach_event(cli->bus);
        if (r == EXIT_CODE_DONE)
                return r;
        return failure_set(&cli->failure, SD_BUS_ERROR_DISCONNECTED, NULL, "The connection to the system bus was lost.");
}

const Verb verb_monitor = {
        .name = "monitor",
        .arguments = "",
        .summary = "Events as they come",
        .usage = usage,
        .options = options,
        .run = run,
};
