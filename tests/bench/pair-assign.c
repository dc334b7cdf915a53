/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Gives a group away and takes it back, by assignd and by bare writes in turns, and prints how long each took. */

#include <err.h>
#include <string.h>

#include "base/clock.h"
#include "base/strutil.h"
#include "tests/bench/assign-loop.h"
#include "tests/bench/bare-loop.h"
#include "tests/bench/process.h"

/* A changed driver sets udev going; the next measurement is not to pay for it. */
static void settle(void) {
        (void) process_run_usec((const char *[]){ "udevadm", "settle", NULL });
}

int main(int argc, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        uint32_t n_rounds;
        int r;

        if (argc < 5 || parse_u32(argv[2], 10, &n_rounds) < 0)
                errx(2, "usage: pair-assign ROW ROUNDS DRIVER ADDRESS...  (every function of one group, all on DRIVER)");
        r = sd_bus_open_system(&bus);
        if (r < 0)
                errx(EXIT_FAILURE, "cannot connect to the bus: %s", strerror(-r));

        for (uint32_t i = 0; i <= n_rounds; i++) {
                uint64_t begin, ours, theirs;

                settle();
                begin = monotonic_usec();
                assign_and_release(bus, argv[4]);
                ours = monotonic_usec() - begin;

                settle();
                begin = monotonic_usec();
                bare_assign_and_release(argv + 4, (size_t) argc - 4, argv[3]);
                theirs = monotonic_usec() - begin;

                if (i > 0) /* the first round warms up */
                        sample_print_pair(argv[1], ours, theirs);
        }
        return EXIT_SUCCESS;
}
