/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A user of assigned devices: takes their fds from the bus or from the environment and shows, one line a proof, that they
 * work and that the kernel refuses what it should. Exit status: 0 all proofs held, 1 not, 2 usage. */

#include <getopt.h>
#include <string.h>

#include "base/log.h"
#include "base/strutil.h"
#include "tests/consumer/proof.h"

static const char usage[] =
        "consumer [--hold] [--assignment=OBJECT-PATH [--device=ADDRESS]]\n"
        "  Without --assignment, the fds are those that ASSIGND_FDS tells of.\n"
        "  --device  has only this one of the assignment's devices opened\n"
        "  --hold    keeps them open afterwards, until standard input ends\n";

static int receive(const char *assignment, const char *device, Received *ret) {
        const char *json = getenv("ASSIGND_FDS");

        if (assignment)
                return received_from_bus(assignment, device, ret);
        if (!json)
                return log_error_errno(ENXIO, "Neither --assignment is given nor ASSIGND_FDS set.");
        return received_from_environment(json, ret);
}

static void prove(Proof *proof, const Received *received) {
        proof_expect(proof, received->n_devices > 0, "%s: %zu devices and %zu shared fds came", received->backend, received->n_devices, received->n_shared);
        if (string_equal(received->backend, "iommufd"))
                proof_iommufd(proof, received);
        else if (string_equal(received->backend, "group"))
                proof_group(proof, received);
        else
                proof_expect(proof, false, "%s: is a backend", received->backend);
}

static void hold(void) {
        char bytes[256];

        (void) puts("holding");
        (void) fflush(stdout);
        while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
                ;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "assignment", required_argument, NULL, 'a' },
                { "device", required_argument, NULL, 'd' },
                { "hold", no_argument, NULL, 'h' },
                {},
        };
        _cleanup_(received_done) Received received = {};
        const char *assignment = NULL, *device = NULL;
        bool must_hold = false;
        Proof proof = {};
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == 'a')
                        assignment = optarg;
                else if (c == 'd')
                        device = optarg;
                else if (c == 'h')
                        must_hold = true;
                else {
                        (void) fputs(usage, stderr);
                        return 2;
                }
        if (optind != argc || (device && !assignment)) {
                (void) fputs(usage, stderr);
                return 2;
        }

        if (receive(assignment, device, &received) < 0)
                return EXIT_FAILURE;

        prove(&proof, &received);
        (void) printf("%u proofs held, %u failed\n", proof.n_held, proof.n_failed);
        if (must_hold)
                hold();

        return proof.n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
