/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Makes a generated sysfs tree, for benchmarks and for looking at what a test sees. */

#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "tests/tree/treegen.h"

static int usage(FILE *f) {
        fputs("make-tree [--devices N] [--groups N] DIRECTORY\n"
              "make-tree --lab DIRECTORY\n\n"
              "Makes DIRECTORY and in it what sysfs shows of a host: N devices (10000) in N groups (4000),\n"
              "or the lab's machine.\n", f);
        return f == stderr ? 2 : 0;
}

static int parse_number(const char *option, const char *text, uint32_t *ret) {
        if (parse_u32(text, 10, ret) >= 0)
                return 0;
        fprintf(stderr, "make-tree: --%s takes a number, not \"%s\"\n", option, text);
        return -EINVAL;
}

static int make(const char *path, bool is_lab, uint32_t n_devices, uint32_t n_groups) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (mkdir(path, 0755) < 0)
                return -errno;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = treegen_prepare(fd);
        if (r < 0)
                return r;
        return is_lab ? treegen_make_lab(fd) : treegen_make_big(fd, n_devices, n_groups);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                {"devices", required_argument, NULL, 'd'}, {"groups", required_argument, NULL, 'g'},
                {"lab", no_argument, NULL, 'l'},           {"help", no_argument, NULL, 'h'}, {},
        };
        uint32_t n_devices = 10000, n_groups = 4000;
        bool is_lab = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == 'h')
                        return usage(stdout);
                else if (c == 'l')
                        is_lab = true;
                else if (c == '?' || parse_number(c == 'd' ? "devices" : "groups", optarg, c == 'd' ? &n_devices : &n_groups) < 0)
                        return usage(stderr);
        if (argc - optind != 1)
                return usage(stderr);

        r = make(argv[optind], is_lab, n_devices, n_groups);
        if (r < 0) {
                fprintf(stderr, "make-tree: cannot make %s: %s\n", argv[optind], strerror(-r));
                return 1;
        }
        return 0;
}
