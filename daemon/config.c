/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config.h"

#include <getopt.h>
#include <string.h>

#include "base/strutil.h"

enum {
        OPTION_VERSION = 0x100,
        OPTION_SYSFS,
        OPTION_DEV,
        OPTION_PROC,
        OPTION_STATE_DIRECTORY,
        OPTION_POLICY_DIRECTORY,
        OPTION_WORKER,
        OPTION_PCI_IDS,
        OPTION_UEVENTS,
        OPTION_REQUIRE_RESET,
        OPTION_SLOW,
        OPTION_STUCK,
        OPTION_AUTHORIZE,
        OPTION_RECONCILE,
        OPTION_DRIVERCTL,
        OPTION_RUN,
};

static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "sysfs", required_argument, NULL, OPTION_SYSFS },
        { "dev", required_argument, NULL, OPTION_DEV },
        { "proc", required_argument, NULL, OPTION_PROC },
        { "state-directory", required_argument, NULL, OPTION_STATE_DIRECTORY },
        { "policy-directory", required_argument, NULL, OPTION_POLICY_DIRECTORY },
        { "worker", required_argument, NULL, OPTION_WORKER },
        { "pci-ids", required_argument, NULL, OPTION_PCI_IDS },
        { "uevents", required_argument, NULL, OPTION_UEVENTS },
        { "require-reset", no_argument, NULL, OPTION_REQUIRE_RESET },
        { "slow-msec", required_argument, NULL, OPTION_SLOW },
        { "stuck-msec", required_argument, NULL, OPTION_STUCK },
        { "authorize-msec", required_argument, NULL, OPTION_AUTHORIZE },
        { "reconcile-msec", required_argument, NULL, OPTION_RECONCILE },
        { "driverctl", required_argument, NULL, OPTION_DRIVERCTL },
        { "run", required_argument, NULL, OPTION_RUN },
        {},
};

static int help(void) {
        printf("assignd [OPTIONS...]\n\n"
               "Decides who gets which PCI device of this host. Started by systemd; talk to it with assign-ctl.\n\n"
               "  -h --help                  Show this help\n"
               "     --version               Show the version\n"
               "     --sysfs=DIR             The root of sysfs (/sys)\n"
               "     --dev=DIR               Where device nodes are (/dev)\n"
               "     --proc=DIR              Where the boot id and processes are read (/proc)\n"
               "     --state-directory=DIR   Where the database is (" STATE_DIRECTORY ")\n"
               "     --policy-directory=DIR  Where the files of the policy are (" POLICY_DIRECTORY ")\n"
               "     --worker=PATH           The worker (" WORKER_PATH ")\n"
               "     --pci-ids=PATH          The database of PCI names (the system's)\n"
               "     --uevents=PATH          A datagram socket to receive uevents on instead of the kernel's; none: no uevents\n"
               "     --require-reset         Give away no device that the kernel cannot reset between two owners\n"
               "     --slow-msec=N           Log a step that takes longer (2000)\n"
               "     --stuck-msec=N          Call an operation stuck when a step takes longer (10000)\n"
               "     --authorize-msec=N      Wait no longer for an answer of polkit (180000)\n"
               "     --reconcile-msec=N      Compare what is held with the kernel this often (300000)\n"
               "     --driverctl=DIR         Where driverctl keeps its files (/etc/driverctl.d)\n"
               "     --run=DIR               Where other managers' pid files and udev's database are (/run)\n\n"
               "Environment: ASSIGND_LOG_LEVEL, a syslog level number (6).\n");
        return 0;
}

static int parse_msec(const char *option, const char *text, uint64_t *ret) {
        uint64_t msec;

        if (parse_u64(text, 10, &msec) < 0 || msec == 0 || msec > 86400000) {
                fprintf(stderr, "assignd: --%s takes a number of milliseconds from 1 to 86400000, not '%s'\n", option, text);
                return -EINVAL;
        }
        *ret = msec * USEC_PER_MSEC;
        return 0;
}

static int apply(int option, const char *value, Config *config) {
        switch (option) {
        case OPTION_SYSFS:
                config->sysfs_path = value;
                return 0;
        case OPTION_DEV:
                config->dev_path = value;
                return 0;
        case OPTION_PROC:
                config->proc_path = value;
                return 0;
        case OPTION_STATE_DIRECTORY:
                config->state_directory = value;
                return 0;
        case OPTION_POLICY_DIRECTORY:
                config->policy_directory = value;
                return 0;
        case OPTION_WORKER:
                config->worker_path = value;
                return 0;
        case OPTION_PCI_IDS:
                config->pci_ids_path = value;
                return 0;
        case OPTION_UEVENTS:
                config->uevent_socket = string_equal(value, "none") ? "" : value;
                return 0;
        case OPTION_REQUIRE_RESET:
                config->require_reset = true;
                return 0;
        case OPTION_SLOW:
                return parse_msec("slow-msec", value, &config->slow_usec);
        case OPTION_STUCK:
                return parse_msec("stuck-msec", value, &config->stuck_usec);
        case OPTION_AUTHORIZE:
                return parse_msec("authorize-msec", value, &config->authorize_usec);
        case OPTION_RECONCILE:
                return parse_msec("reconcile-msec", value, &config->reconcile_usec);
        case OPTION_DRIVERCTL:
                config->driverctl_path = value;
                return 0;
        case OPTION_RUN:
                config->run_path = value;
                return 0;
        default:
                return -EINVAL; /* getopt_long() has said why */
        }
}

int config_parse(int argc, char *argv[], Config *ret) {
        Config config = {
                .sysfs_path = "/sys",
                .dev_path = "/dev",
                .proc_path = "/proc",
                .state_directory = getenv("STATE_DIRECTORY") ?: STATE_DIRECTORY,
                .policy_directory = POLICY_DIRECTORY,
                .worker_path = WORKER_PATH,
                .slow_usec = 2 * USEC_PER_SEC,
                .stuck_usec = 10 * USEC_PER_SEC,
                .authorize_usec = 180 * USEC_PER_SEC,
                .reconcile_usec = 300 * USEC_PER_SEC,
                .driverctl_path = "/etc/driverctl.d",
                .run_path = "/run",
        };
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                if (c == 'h')
                        return help();
                if (c == OPTION_VERSION) {
                        printf("assignd " PROJECT_VERSION "\n");
                        return 0;
                }
                r = apply(c, optarg, &config);
                if (r < 0)
                        return r;
        }
        if (optind < argc) {
                fprintf(stderr, "assignd: takes no arguments, but got '%s'\n", argv[optind]);
                return -EINVAL;
        }
        *ret = config;
        return 1;
}
