/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Runs every file of a directory through the fuzz target. */

#include <dirent.h>
#include <err.h>

#include "fuzz.h"

#define INPUT_MAX (1U << 20)

static void run_file(const char *path) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        _cleanup_free_ uint8_t *exact = NULL;
        uint8_t *data = malloc(INPUT_MAX);
        size_t size;

        if (!f || !data)
                err(EXIT_FAILURE, "%s", path);
        size = fread(data, 1, INPUT_MAX, f);
        exact = realloc(data, size ?: 1); /* so that a sanitizer sees a byte too far */
        if (!exact)
                err(EXIT_FAILURE, "%s", path);
        (void) LLVMFuzzerTestOneInput(exact, size);
}

int main(int argc, char *argv[]) {
        unsigned n = 0;
        struct dirent *entry;
        DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;

        if (!directory)
                errx(EXIT_FAILURE, "usage: %s DIRECTORY", argv[0]);
        while ((entry = readdir(directory))) {
                char path[4096];

                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
                run_file(path);
                n++;
        }
        (void) closedir(directory);
        printf("%u inputs\n", n);
        return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
