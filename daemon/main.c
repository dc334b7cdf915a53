/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "daemon/manager.h"
#include "dbus/bus.h"

/* systemd/assignd.service knows which of these a restart does not mend. */
enum {
        EXIT_BAD_ARGUMENT = EX_USAGE,      /* 64 */
        EXIT_NAME_TAKEN = EX_UNAVAILABLE,  /* 69 */
        EXIT_BAD_DATABASE = EX_CONFIG,     /* 78 */
};

typedef struct Daemon {
        sd_event *event;
        Manager *manager;
        Bus *bus;
} Daemon;

static void daemon_done(Daemon *daemon) {
        bus_free(daemon->bus);
        manager_free(daemon->manager);
        sd_event_unref(daemon->event);
}

/* The end: assignments, and whatever an operation was doing, stay as they are for the next start. */
static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Daemon *daemon = userdata;

        log_info("Ending on %s; assignments stay as they are", strsignal((int) info->ssi_signo));
        (void) sd_notify(/* unset_environment= */ 0, "STOPPING=1\nSTATUS=Ending");
        return sd_event_exit(daemon->event, EXIT_SUCCESS);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        const Caller caller = { .uid = (uid_t) info->ssi_uid, .pid = (pid_t) info->ssi_pid, .bus_name = (char *) "SIGHUP" };
        Daemon *daemon = userdata;
        int r;

        (void) sd_notify(/* unset_environment= */ 0, "RELOADING=1\nSTATUS=Reloading");
        r = manager_reload(daemon->manager, &caller);
        if (r < 0)
                (void) log_error_errno(r, "Failed to reload: %m");
        (void) sd_notifyf(/* unset_environment= */ 0, "READY=1\nSTATUS=%s", r < 0 || daemon->manager->policy.problem ? "Running; the last reload failed" : "Running");
        return 0;
}

static int on_signals(Daemon *daemon) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = {
                { SIGTERM, on_terminate },
                { SIGINT, on_terminate },
                { SIGHUP, on_reload },
        };
        sigset_t set;

        if (sigemptyset(&set) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (sigaddset(&set, signals[i].number) < 0)
                        return -errno;
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(daemon->event, NULL, signals[i].number, signals[i].handler, daemon);

                if (r < 0)
                        return r;
        }
        return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static void on_shown(int error, void *userdata) {
        Daemon *daemon = userdata;
        const Facts *facts = manager_facts(daemon->manager);

        if (error < 0) {
                (void) sd_event_exit(daemon->event, error == -EEXIST ? EXIT_NAME_TAKEN : EXIT_FAILURE);
                return;
        }
        log_info("Ready: %zu devices in %zu groups", facts->n_devices, facts->n_groups);
        (void) sd_notify(/* unset_environment= */ 0, "READY=1\nSTATUS=Running");
}

/* Returns an exit status. */
static int daemon_run(Daemon *daemon, const Config *config) {
        int r;

        r = sd_event_new(&daemon->event);
        if (r < 0)
                return log_error_errno(r, "Failed to make an event loop: %m"), EXIT_FAILURE;
        r = on_signals(daemon);
        if (r < 0)
                return log_error_errno(r, "Failed to watch for signals: %m"), EXIT_FAILURE;
        r = sd_event_set_watchdog(daemon->event, true);
        if (r < 0)
                return log_error_errno(r, "Failed to serve the watchdog: %m"), EXIT_FAILURE;

        r = manager_new(config, daemon->event, &daemon->manager);
        if (r < 0)
                return r == -EUCLEAN ? EXIT_BAD_DATABASE : EXIT_FAILURE;
        r = bus_new(daemon->event, daemon->manager, on_shown, daemon, &daemon->bus);
        if (r < 0)
                return EXIT_FAILURE;
        r = manager_start(daemon->manager);
        if (r < 0)
                return log_error_errno(r, "Failed to look at the host's devices: %m"), EXIT_FAILURE;

        r = sd_event_loop(daemon->event);
        return r < 0 ? log_error_errno(r, "The event loop failed: %m"), EXIT_FAILURE : r;
}

int main(int argc, char *argv[]) {
        _cleanup_(daemon_done) Daemon daemon = {};
        Config config;
        int r;

        (void) umask(0077);
        r = config_parse(argc, argv, &config);
        if (r <= 0)
                return r < 0 ? EXIT_BAD_ARGUMENT : EXIT_SUCCESS;
        return daemon_run(&daemon, &config);
}
