/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Runs two programs by turns, from start to end, and prints how long each took. */

#include <err.h>
#include <string.h>

#include "base/strutil.h"
#include "tests/bench/process.h"

#define USAGE "usage: pair ROW ROUNDS OURS [ARGUMENT...] -- THEIRS [ARGUMENT...]"

int main(int argc, char *argv[]) {
        char **ours = argv + 3, **theirs = NULL;
        uint32_t n_rounds;

        for (int i = 4; i < argc && !theirs; i++)
                if (strcmp(argv[i], "--") == 0) {
                        argv[i] = NULL;
                        theirs = argv + i + 1;
                }
        if (!theirs || !*theirs || parse_u32(argv[2], 10, &n_rounds) < 0)
                errx(2, USAGE);

        /* The first run of each brings its files into memory. */
        (void) process_run_usec((const char **) ours);
        (void) process_run_usec((const char **) theirs);
        for (uint32_t i = 0; i < n_rounds; i++) {
                uint64_t usec = process_run_usec((const char **) ours);

                sample_print_pair(argv[1], usec, process_run_usec((const char **) theirs));
        }
        return EXIT_SUCCESS;
}
