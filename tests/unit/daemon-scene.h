/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A daemon core on a host of its own: the lab's tree under the simulated kernel, a database, an event loop, and an observer that
 * writes down what it hears. The test binary is also the worker (daemon_suite_run() sees to it). Functions assert. */

#include <check.h>

#include "daemon/manager.h"
#include "tests/simk/simk.h"
#include "tests/tree/treegen.h"

#define NIC_GROUP 14U
#define BRIDGED_GROUP 15U

/* Of the lab's tree: two functions of one group; a group of one; three functions behind a bridge; an NVMe PF; a VF without a driver. */
extern const PciAddress nic, mate, single, bridged[3], pf, vf;

typedef struct DaemonScene {
        TreeGen *tree;
        int root; /* of the tree, borrowed from it */
        char *state_directory, *proc_path, *dev_path, *uevent_path, *database_path, *policy_path, *driverctl_path, *run_path;
        Config config;
        sd_event *event;
        Manager *manager;
        char *heard; /* a line each thing the observer was told */
        size_t heard_size;
        FILE *heard_file;
        bool ready;
        void (*also)(const char *line); /* called with each such line; NULL: nobody */
} DaemonScene;

/* Every test finds one: prepared, not started. */
extern DaemonScene daemon_scene;

/* The main() of such a test and of its worker. */
int daemon_suite_run(int argc, char *argv[], const KernelOps *ops, const char *name, const TTest *const tests[], size_t n_tests);

/* The same for tests that run several times, with _i counting from 0, and take longer. */
typedef struct LoopTest {
        const TTest *test;
        int n;
} LoopTest;

int daemon_suite_run_loops(int argc, char *argv[], const KernelOps *ops, const char *name, const LoopTest *tests, size_t n_tests, unsigned timeout_sec);

#define DAEMON_SUITE(name, ...) DAEMON_SUITE_WITH(&simk_ops, name, __VA_ARGS__)

/* The same with what the worker acts on. */
#define DAEMON_SUITE_WITH(ops, name, ...) \
        int main(int argc, char *argv[]) { \
                const TTest *const tests[] = { __VA_ARGS__ }; \
\
                return daemon_suite_run(argc, argv, ops, name, tests, ELEMENTSOF(tests)); \
        }

/* Runs the loop until `condition` holds. A test that waits for 60 s fails. */
#define AWAIT(condition) \
        do { \
                while (!(condition)) \
                        ck_assert_int_ge(sd_event_run(daemon_scene.event, UINT64_MAX), 0); \
        } while (0)

/* Runs the loop until a line of the simulated kernel's trace begins with `line`. */
void await_trace(const char *line);

/* Runs the loop until nothing is left to do at once. */
void loop_drain(void);

/* Another host than the lab: to be called first, with a tree as treegen_new() gives it, before simk is put under it. */
void scene_replace_tree(int (*make)(int root_fd), bool iommufd);
void scene_set_boot_id(const char *boot_id);

/* Writes a file of the policy, with ' for "; NULL removes it. It is read at the next scene_start() or manager_reload(). */
void scene_write_policy(const char *name, const char *quoted);

/* manager_new() and manager_start(); scene_start() also waits for `ready`. scene_stop() frees the manager, as a daemon that ends. */
void scene_create(void);
void scene_observe(void); /* of what scene_create() does, the listening */
void scene_start(void);
void scene_stop(void);

/* "0000:02:00.0 e1000e vfio-pci" a line for every device: driver and driver_override, "-" for none. The caller frees it. */
char *scene_snapshot(void);
void assert_snapshot(const char *expected);
void assert_driver(const PciAddress *address, const char *driver);
void assert_override(const PciAddress *address, const char *override);

/* Of the database, as sqlite3 run by root sees it. */
char *answer(const char *sql);
void assert_rows(const char *sql, const char *expected);

/* How often `line` was heard, as the beginning of a line. */
unsigned count_heard(const char *line);
void assert_heard(const char *line);
void forget_heard(void);

/* Requests. The targets end with NULL. `refused` asserts that it is refused with `code` and returns nothing. */
Request make_request(Verb verb, const char *owner, ...) __attribute__((sentinel));
Operation *begin_assign(const char *owner, const char *target);
Operation *begin_request(Request request);
void request_refused(Request request, RefusalCode code, const char *in_message);
Operation *begin_release(const char *owner);
Operation *begin_open(uint64_t assignment);

/* Begins and awaits; the operation must end as said. */
void await_end(Operation *operation);
uint64_t assign(const char *owner, const char *target);
void release(const char *owner);
