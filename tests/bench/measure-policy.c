/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How long policy takes to decide: 1,000 rules against each of 10,000 devices, of which no rule matches any but in the last row. Prints
 * samples in nanoseconds of processor time: nothing of it waits. */

#include <string.h>
#include <time.h>

#include "policy/rules-parse.h"
#include "process.h"

#define N_RULES 1000U
#define N_DEVICES 10000U
#define NSEC_PER_SEC 1000000000U

static void fail(const char *what) {
        fprintf(stderr, "measure-policy: %s\n", what);
        exit(EXIT_FAILURE);
}

/* What rule `i` asks: of all kinds in turn. */
static void write_mixed(FILE *f, unsigned i) {
        switch (i % 5) {
        case 0:
                fprintf(f, "\"address\":\"%04x:%02x:*\"", 0x100 + i, i % 256);
                return;
        case 1:
                fprintf(f, "\"vendor\":\"%04x\",\"device\":\"%04x\"", 0x1000 + i, i);
                return;
        case 2:
                fprintf(f, "\"vendor\":\"8086\",\"class\":\"02*\",\"driver\":\"driver-%u-*\"", i);
                return;
        case 3:
                fprintf(f, "\"label\":\"tenant-%u\"", i);
                return;
        default:
                fprintf(f, "\"class\":\"02*\",\"numa\":%u,\"sriov\":\"vf\"", 8 + i % 8);
                return;
        }
}

/* The dearest that a rule can ask: a glob without a beginning of its own, which fails at its end. */
static void write_worst(FILE *f, unsigned i) {
        fprintf(f, "\"address\":\"*:*:*.%u\"", 8 + i % 2);
}

static void write_last(FILE *f, unsigned i) {
        if (i + 1 == N_RULES)
                fprintf(f, "\"class\":\"02*\"");
        else
                write_mixed(f, i);
}

static PolicySet make_set(void (*write)(FILE *f, unsigned i)) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_free_ char *text = NULL;
        PolicySet set = {};
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                fail("out of memory");
        fprintf(f, "{\"version\":1,\"rules\":[\n");
        for (unsigned i = 0; i < N_RULES; i++) {
                fprintf(f, "%s{\"match\":{", i > 0 ? ",\n" : "");
                write(f, i);
                fprintf(f, "},\"verdict\":\"allow\"}");
        }
        fprintf(f, "]}\n");
        if (fclose(f) != 0 || policy_parse("bench.json", text, size, NULL, &set, &errors) < 0 || errors.n_items > 0)
                fail("the policy cannot be read");
        return set;
}

/* Of this thread on a processor: what others do there meanwhile does not count. */
static uint64_t processor_nsec(void) {
        struct timespec now;

        if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) < 0)
                fail("there is no clock of the processor");
        return (uint64_t) now.tv_sec * NSEC_PER_SEC + (uint64_t) now.tv_nsec;
}

/* Nanoseconds a decision. */
static uint64_t measure(const PolicySet *set, const Device *devices, uint32_t *n_allowed) {
        static const PolicyCaller caller = { .uid = 1000, .owner = "vm:web1" };
        PolicyQuery query;
        uint64_t begin = processor_nsec(), nsec;

        if (policy_query(set, &caller, VERB_ASSIGN, &query) < 0)
                fail("out of memory");
        for (unsigned i = 0; i < N_DEVICES; i++) {
                PolicyDevice device;

                policy_device_init(&devices[i], "driver-0", "tenant-x", &device);
                *n_allowed += policy_decide(&query, &device).verdict == POLICY_ALLOW;
        }
        nsec = processor_nsec() - begin;
        policy_query_done(&query);
        return nsec / N_DEVICES;
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *row;
                void (*write)(FILE *f, unsigned i);
                uint32_t n_allowed;
        } kinds[] = { { "policy-mixed", write_mixed, 0 }, { "policy-globs", write_worst, 0 }, { "policy-last", write_last, N_DEVICES } };
        _cleanup_free_ Device *devices = calloc(N_DEVICES, sizeof(Device));

        if (!devices || argc != 2)
                fail("usage: measure-policy ROUNDS");
        for (unsigned i = 0; i < N_DEVICES; i++)
                devices[i] = (Device) { .address = { .bus = (uint8_t) (i / 256), .slot = i / 8 % 32, .function = i % 8 },
                                        .identity = { 0x8086, 0x10d3, 0x1043, (uint16_t) i, 0x020000, 1 } };
        for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                PolicySet set = make_set(kinds[k].write);

                for (int round = 0; round < atoi(argv[1]); round++) {
                        uint32_t n_allowed = 0;
                        uint64_t nsec = measure(&set, devices, &n_allowed);

                        if (n_allowed != kinds[k].n_allowed)
                                fail("a decision is wrong");
                        sample_print(kinds[k].row, nsec);
                }
                policy_set_done(&set);
        }
        return EXIT_SUCCESS;
}
