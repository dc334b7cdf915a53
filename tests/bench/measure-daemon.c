/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a host's size costs: start, list, scan and memory on generated hosts of 100, 1,000 and 10,000 devices. */

#include <err.h>

#include "base/strutil.h"
#include "tests/bench/daemon.h"
#include "tests/bench/process.h"

#define N_LARGEST 10000U

static void print_of_size(const char *row, unsigned n_devices, uint64_t value) {
        char name[128];

        (void) snprintf(name, sizeof(name), "%s-%u", row, n_devices);
        sample_print(name, value);
}

static void measure_start(const char *row, Daemon *daemon, unsigned n_devices) {
        char cpu_row[64];

        print_of_size(row, n_devices, daemon_start_usec(daemon));
        (void) snprintf(cpu_row, sizeof(cpu_row), "%s-cpu", row);
        print_of_size(cpu_row, n_devices, daemon_cpu_usec(daemon));
}

static void measure_list(Daemon *daemon, unsigned n_devices) {
        uint64_t cpu = daemon_cpu_usec(daemon), usec = daemon_call_usec(daemon, "ListGroups", /* options= */ true);

        print_of_size("list", n_devices, usec);
        print_of_size("list-cpu", n_devices, daemon_cpu_usec(daemon) - cpu);
}

static void measure_scan(Daemon *daemon, unsigned n_devices) {
        uint64_t cpu = daemon_cpu_usec(daemon);

        (void) daemon_call_usec(daemon, "Rescan", /* options= */ false);
        print_of_size("scan-cpu", n_devices, daemon_cpu_usec(daemon) - cpu);
}

static void measure_size(const char *program, unsigned n_devices, unsigned n_rounds) {
        Daemon daemon;

        daemon_prepare(&daemon, program, n_devices, 4 * n_devices / 10);
        for (unsigned i = 0; i < n_rounds; i++) {
                daemon_forget(&daemon);
                measure_start("first-start", &daemon, n_devices);
                daemon_stop(&daemon);
                measure_start("start", &daemon, n_devices);

                for (unsigned k = 0; k < 3; k++)
                        measure_list(&daemon, n_devices);
                print_of_size("memory", n_devices, daemon_status(&daemon, "VmRSS"));
                print_of_size("memory-peak", n_devices, daemon_status(&daemon, "VmHWM"));
                for (unsigned k = 0; k < 3; k++)
                        measure_scan(&daemon, n_devices);
                daemon_stop(&daemon);
        }
        daemon_done(&daemon);
}

int main(int argc, char *argv[]) {
        uint32_t n_rounds;

        if (argc != 3 || parse_u32(argv[2], 10, &n_rounds) < 0)
                errx(2, "usage: measure-daemon ASSIGND ROUNDS");
        for (unsigned n_devices = 100; n_devices <= N_LARGEST; n_devices *= 10)
                measure_size(argv[1], n_devices, n_rounds);
        return EXIT_SUCCESS;
}
