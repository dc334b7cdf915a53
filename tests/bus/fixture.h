/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A host for a test: a generated sysfs with the simulated kernel under it, a private bus that stands for the system bus, and
 * the real assignd on both. Everything lives in a directory of its own, and every process dies with the test. What goes wrong
 * in here fails the test on the spot, with the daemon's log. */

#include <check.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "dbus/names.h"
#include "tests/simk/simk.h"
#include "tests/tree/treegen.h"

typedef enum FixtureHost {
        FIXTURE_LAB,         /* the lab's machine, a kernel without iommufd */
        FIXTURE_LAB_IOMMUFD, /* the same with it */
        FIXTURE_BIG,         /* 10,000 devices in 4,000 groups */
} FixtureHost;

typedef enum FixturePolicy {
        FIXTURE_POLICY_SHIPPED, /* the limits and rules of a system bus, with the project's own policy file */
        FIXTURE_POLICY_OPEN,    /* everybody may send everything: the daemon is alone with its filter */
} FixturePolicy;

typedef struct FixtureSetup {
        FixtureHost host;
        FixturePolicy policy;
        unsigned stuck_msec; /* 0: assignd's own */
        unsigned authorize_msec; /* how long polkit is waited for; 0: assignd's own */
        bool no_daemon;      /* fixture_start_daemon() comes later */
} FixtureSetup;

typedef struct Fixture {
        FixtureSetup setup;
        char *directory;     /* holds all that follows */
        char *address;       /* of the bus, for DBUS_SYSTEM_BUS_ADDRESS */
        char *state;         /* the daemon's state directory */
        char *log;           /* what the daemon says on stderr */
        TreeGen *tree;       /* sysfs; dev/ in it is /dev */
        pid_t bus_pid;
        pid_t daemon_pid;    /* 0: none runs */
        int notify_fd;
        sd_bus *bus;         /* the test's own connection, as root */
        sd_bus_message **signals; /* of org.assignd1, since fixture_listen() */
        size_t n_signals;
        size_t next_signal;  /* where fixture_await_signal() goes on */
} Fixture;

Fixture *fixture_new(const FixtureSetup *setup);
Fixture *fixture_free(Fixture *fixture);
DEFINE_CLEANUP(Fixture *, fixture_free)
#define _cleanup_fixture_ _cleanup_(fixture_freep)

/* Starts assignd and returns when it has said READY=1. */
void fixture_start_daemon(Fixture *fixture);

/* The same for one that is to fail: returns its exit status, having waited for its end. `ready` would fail the test. */
int fixture_start_daemon_in_vain(Fixture *fixture);

/* Sends the signal (SIGTERM, SIGKILL) and waits for the end. Returns the exit status, or 128 plus the signal that killed it. */
int fixture_end_daemon(Fixture *fixture, int signal_number);

/* Ends the bus, and the test's connection with it. */
void fixture_end_bus(Fixture *fixture);

/* Waits until the daemon sends a notification that begins with `line` ("RELOADING=1"). */
void fixture_await_notification(Fixture *fixture, const char *line);

/* The daemon's log so far; the caller frees it. */
char *fixture_read_log(const Fixture *fixture);

/* A further connection. It never auto-starts anything; the caller unrefs it. */
sd_bus *fixture_connect(const Fixture *fixture);

/* The same as user and group nobody: that is whom the bus takes the socket for. */
sd_bus *fixture_connect_as_nobody(const Fixture *fixture);

/* A call to org.assignd1, which is answered with a return or an error: the answer, whichever it is. `types` as in
 * sd_bus_message_append(). The caller unrefs it. */
sd_bus_message *fixture_call(Fixture *fixture, const char *path, const char *interface, const char *member, const char *types, ...);

/* The same for one that must be answered well, or with the error `name`; the error's text, which may not be empty, is
 * borrowed from the answer. */
sd_bus_message *fixture_call_well(Fixture *fixture, const char *path, const char *interface, const char *member, const char *types, ...);
sd_bus_message *fixture_call_in_vain(Fixture *fixture, const char *name, const char *path, const char *interface, const char *member,
                                     const char *types, ...);
const char *fixture_error_text(sd_bus_message *answer);

/* A call whose answer comes later. */
typedef struct FixtureCall {
        Fixture *fixture;
        sd_bus_slot *slot;
        sd_bus_message *answer; /* NULL: not yet */
} FixtureCall;

void fixture_call_begin(Fixture *fixture, FixtureCall *call, const char *path, const char *interface, const char *member, const char *types, ...);

/* Waits for the answer, which the caller unrefs. */
sd_bus_message *fixture_call_end(FixtureCall *call);

/* Properties; the text is freed by the caller. */
char *fixture_get_text(Fixture *fixture, const char *path, const char *interface, const char *property);
unsigned fixture_get_u32(Fixture *fixture, const char *path, const char *interface, const char *property);

/* A round trip: what the daemon had begun to do in the turn of its last answer is over. */
void fixture_settle(Fixture *fixture);

/* Gathers the signals of the daemon from now on. */
void fixture_listen(Fixture *fixture);

/* The next gathered signal of that name about `path` (the path it is sent from, or its first argument; NULL: any), waiting
 * for it. Borrowed, read from its beginning. */
sd_bus_message *fixture_await_signal(Fixture *fixture, const char *member, const char *path);

/* How many signals of that name about `path` there are by now, after a round trip to the daemon. */
unsigned fixture_count_signals(Fixture *fixture, const char *member, const char *path);

/* One round of the connection's work, waiting for it. Fails the test after 30 s without any. */
void fixture_process(Fixture *fixture);

/* Everything below the tree and every row of the database, as text, for comparing. The caller frees it. */
char *fixture_snapshot(const Fixture *fixture);

/* How many fds of the daemon are device nodes of the simulated kernel. */
unsigned fixture_count_nodes(const Fixture *fixture);

/* Assigns and returns the path of the assignment, which the caller frees. */
char *fixture_assign(Fixture *fixture, const char *owner, const char *target);

/* BUS_SUITE("noun", test_one, ...) is the main() of a test. What tests leave behind goes with it. Without root it is a skip. */
int fixture_run_suite(const char *name, const TTest *const tests[], size_t n_tests);

#define BUS_SUITE(name, ...) \
        int main(void) { \
                const TTest *const tests[] = { __VA_ARGS__ }; \
\
                return fixture_run_suite(name, tests, ELEMENTSOF(tests)); \
        }
