/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Starting, ending, reloading, and calls whose work takes longer than somebody waits. */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE
#define GROUP_14 ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE
#define NIC_0 ASSIGND_DEVICE_PREFIX "/0000_02_00_0", ASSIGND_DEVICE_INTERFACE

#define assert_text(fixture, expected, ...) \
        do { \
                _cleanup_free_ char *_text = fixture_get_text(fixture, __VA_ARGS__); \
                ck_assert_str_eq(_text, expected); \
        } while (false)

static void assert_logged(const Fixture *fixture, const char *words) {
        _cleanup_free_ char *log = fixture_read_log(fixture);

        ck_assert_msg(strstr(log, words), "nothing of \"%s\" in:\n%s", words, log);
}

static PciAddress nic_0(void) {
        PciAddress address;

        ck_assert_int_ge(pci_address_parse("0000:02:00.0", &address), 0);
        return address;
}

START_TEST(a_taken_name_ends_the_start_with_a_sentence) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });

        ck_assert_int_ge(sd_bus_request_name(fixture->bus, ASSIGND_BUS_NAME, 0), 0);
        ck_assert_int_eq(fixture_start_daemon_in_vain(fixture), 69);
        assert_logged(fixture, "The bus name org.assignd1 is taken");
}
END_TEST

START_TEST(no_bus_ends_the_start_with_a_sentence) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });

        fixture_end_bus(fixture);
        ck_assert_int_eq(fixture_start_daemon_in_vain(fixture), 1);
        assert_logged(fixture, "The system bus cannot be reached");
}
END_TEST

START_TEST(a_lost_bus_ends_the_daemon_for_systemd_to_start_it_again) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        fixture_end_bus(fixture);
        ck_assert_int_eq(fixture_end_daemon(fixture, 0), 1);
        assert_logged(fixture, "The connection to the system bus ended");
}
END_TEST

START_TEST(a_database_that_is_none_ends_the_start_and_stays_as_it_was) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });
        _cleanup_free_ char *path = NULL, *text = NULL;
        FILE *f;

        ck_assert_int_ge(string_format(&path, "%s/assignd.db", fixture->state), 0);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fputs("dear diary", f);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(path, 0600), 0);

        ck_assert_int_eq(fixture_start_daemon_in_vain(fixture), 78);
        assert_logged(fixture, "assignd.db cannot be used");
        ck_assert_int_ge(attribute_read_alloc_at(AT_FDCWD, path, &text), 0);
        ck_assert_str_eq(text, "dear diary");
}
END_TEST

START_TEST(stop_and_start_leave_assignments_as_they_are) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");

        ck_assert_int_eq(fixture_end_daemon(fixture, SIGTERM), 0);
        fixture_start_daemon(fixture);
        assert_text(fixture, "assigned", GROUP_14, "State");
        assert_text(fixture, "vm:web1", assignment, ASSIGND_ASSIGNMENT_INTERFACE, "Owner");
        assert_text(fixture, "vfio-pci", NIC_0, "Driver");

        ck_assert_int_eq(fixture_end_daemon(fixture, SIGKILL), 128 + SIGKILL);
        fixture_start_daemon(fixture);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
        assert_text(fixture, "e1000e", NIC_0, "Driver");
        assert_text(fixture, "host", GROUP_14, "State");
}
END_TEST

START_TEST(termination_is_announced) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        ck_assert_int_eq(kill(fixture->daemon_pid, SIGINT), 0);
        fixture_await_notification(fixture, "STOPPING=1");
        ck_assert_int_eq(fixture_end_daemon(fixture, 0), 0);
}
END_TEST

START_TEST(hangup_looks_at_everything_afresh) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        ck_assert_int_ge(treegen_unbind(fixture->tree->fd, "0000:02:00.0", "e1000e"), 0);
        ck_assert_int_eq(kill(fixture->daemon_pid, SIGHUP), 0);
        fixture_await_notification(fixture, "RELOADING=1");
        fixture_await_notification(fixture, "READY=1");
        assert_text(fixture, "", NIC_0, "Driver");

        ck_assert_int_ge(treegen_bind(fixture->tree->fd, "0000:02:00.0", "e1000e"), 0);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Reload", ""));
        assert_text(fixture, "e1000e", NIC_0, "Driver");
}
END_TEST

START_TEST(the_watchdog_is_served_when_systemd_asks_for_it) {
        _cleanup_fixture_ Fixture *fixture = NULL;

        ck_assert_int_eq(setenv("WATCHDOG_USEC", "200000", true), 0);
        fixture = fixture_new(&(FixtureSetup){});
        fixture_await_notification(fixture, "WATCHDOG=1");
}
END_TEST

/* Timers of the daemon that will fire within so many seconds, from /proc/PID/fdinfo. */
static unsigned count_armed_timers(const Fixture *fixture, uint64_t within_sec) {
        _cleanup_free_ char *path = NULL;
        unsigned n = 0;
        DIR *directory;

        ck_assert_int_ge(string_format(&path, "/proc/%d/fdinfo", fixture->daemon_pid), 0);
        directory = opendir(path);
        ck_assert_ptr_nonnull(directory);
        for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
                _cleanup_free_ char *text = NULL;
                uint64_t sec, nsec;
                const char *value;

                if (entry->d_name[0] == '.' || attribute_read_alloc_at(dirfd(directory), entry->d_name, &text) < 0)
                        continue;
                value = strstr(text, "it_value:");
                if (!value || sscanf(value, "it_value: (%" SCNu64 ", %" SCNu64 ")", &sec, &nsec) != 2)
                        continue;
                n += (sec > 0 || nsec > 0) && sec < within_sec;
        }
        (void) closedir(directory);
        return n;
}

/* What is still settling gets some rounds of the loop for it. */
static void assert_no_timer_stays(Fixture *fixture, uint64_t within_sec) {
        for (unsigned i = 0; i < 20000 && count_armed_timers(fixture, within_sec) > 0; i++)
                fixture_settle(fixture);
        ck_assert_uint_eq(count_armed_timers(fixture, within_sec), 0);
}

START_TEST(an_idle_daemon_has_no_timer_that_would_wake_it) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *released = NULL;
        _cleanup_free_ char *assignment = NULL;

        assert_no_timer_stays(fixture, UINT64_MAX);
        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        assert_no_timer_stays(fixture, /* within_sec= */ 240); /* only the one that looks for drift */
        released = fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0);
        assert_no_timer_stays(fixture, UINT64_MAX);
}
END_TEST

/* A release that the holder keeps from ending, and an assign that waits for it. */
START_TEST(one_that_waits_is_seen_and_can_be_cancelled) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *late = NULL, *cancelled = NULL, *cancel = NULL, *again = NULL;
        const PciAddress address = nic_0();
        int holder = simk_hold(fixture->tree->fd, &address);
        FixtureCall wait;

        ck_assert_int_ge(holder, 0);
        late = fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, MANAGER, "Release", "sa{sv}", "vm:web1", 2, "wait", "b", true, "timeout_usec",
                                    "t", UINT64_C(10000));
        fixture_call_begin(fixture, &wait, MANAGER, "Assign", "sasa{sv}", "vm:web2", 1, "02:00.1", 0);
        fixture_settle(fixture);
        assert_text(fixture, "waiting", ASSIGND_OPERATION_PREFIX "/3", ASSIGND_OPERATION_INTERFACE, "State");
        cancel = fixture_call_well(fixture, ASSIGND_OPERATION_PREFIX "/3", ASSIGND_OPERATION_INTERFACE, "Cancel", "");
        cancelled = fixture_call_end(&wait);
        ck_assert(sd_bus_message_is_method_error(cancelled, ASSIGND_ERROR_CANCELLED));
        assert_text(fixture, "failed", ASSIGND_OPERATION_PREFIX "/3", ASSIGND_OPERATION_INTERFACE, "State");

        fixture_call_begin(fixture, &wait, MANAGER, "Assign", "sasa{sv}", "vm:web3", 1, "02:00.1", 0);
        holder = safe_close(holder);
        again = fixture_call_end(&wait);
        ck_assert(!sd_bus_message_is_method_error(again, NULL));
        assert_text(fixture, "assigned", GROUP_14, "State");
}
END_TEST

START_TEST(a_deadline_passes_and_the_operation_goes_on) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .stuck_msec = 50 });
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *late = NULL, *busy = NULL;
        const char *operation = ASSIGND_OPERATION_PREFIX "/2";
        const PciAddress address = nic_0();
        int holder = simk_hold(fixture->tree->fd, &address);
        FixtureCall wait;

        ck_assert_int_ge(holder, 0);
        fixture_listen(fixture);
        late = fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, MANAGER, "Release", "sa{sv}", "vm:web1", 2, "wait", "b", true, "timeout_usec",
                                    "t", UINT64_C(10000));
        ck_assert_ptr_nonnull(strstr(fixture_error_text(late), operation));
        ck_assert_uint_eq(message_count_blockers(late, NULL), 0);

        /* Meanwhile everything else is answered, also once it is stuck. */
        while (true) {
                _cleanup_free_ char *state = fixture_get_text(fixture, operation, ASSIGND_OPERATION_INTERFACE, "State");

                if (string_equal(state, "stuck"))
                        break;
                (void) fixture_await_signal(fixture, "PropertiesChanged", operation);
        }
        assert_text(fixture, "releasing", GROUP_14, "State");
        assert_text(fixture, operation, GROUP_14, "Operation");
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "ListGroups", "a{sv}", 0));
        busy = fixture_call_in_vain(fixture, ASSIGND_ERROR_STUCK, MANAGER, "Assign", "sasa{sv}", "vm:web2", 1, "02:00.1", 0);
        ck_assert_uint_eq(message_count_blockers(busy, "stuck"), 1);
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_STUCK, MANAGER, "Release", "sa{sv}", "vm:web1", 0));

        /* The holder lets go. */
        fixture_call_begin(fixture, &wait, operation, ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 0);
        holder = safe_close(holder);
        late = sd_bus_message_unref(late);
        late = fixture_call_end(&wait);
        ck_assert(!sd_bus_message_is_method_error(late, NULL));
        assert_text(fixture, "done", operation, ASSIGND_OPERATION_INTERFACE, "State");
        assert_text(fixture, "host", GROUP_14, "State");
        assert_text(fixture, "e1000e", NIC_0, "Driver");
}
END_TEST

/* The one holder that the operation tells of is this process. */
static void assert_holds(Fixture *fixture, const char *operation, int fd, const char *device) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        unsigned n = 0;

        ck_assert_int_ge(sd_bus_get_property(fixture->bus, ASSIGND_BUS_NAME, operation, ASSIGND_OPERATION_INTERFACE, "Holders", NULL, &answer, "aa{sv}"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(answer, SD_BUS_TYPE_ARRAY, "a{sv}"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(answer, SD_BUS_TYPE_ARRAY, "{sv}"), 0);
        for (; sd_bus_message_enter_container(answer, SD_BUS_TYPE_DICT_ENTRY, "sv") > 0; n++) {
                const char *key, *text = NULL;
                uint32_t number = 0;
                int flag = 0;

                ck_assert_int_gt(sd_bus_message_read_basic(answer, 's', &key), 0);
                if (string_equal(key, "comm") || string_equal(key, "device")) {
                        ck_assert_int_gt(sd_bus_message_read(answer, "v", "s", &text), 0);
                        ck_assert_str_eq(text, string_equal(key, "comm") ? "test-bus-life" : device);
                } else if (string_equal(key, "certain")) {
                        ck_assert_int_gt(sd_bus_message_read(answer, "v", "b", &flag), 0);
                        ck_assert(flag);
                } else {
                        ck_assert_int_gt(sd_bus_message_read(answer, "v", "u", &number), 0);
                        ck_assert_uint_eq(number, string_equal(key, "pid") ? (uint32_t) getpid() : string_equal(key, "fd") ? (uint32_t) fd : 14);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(answer), 0);
        }
        ck_assert_uint_eq(n, 6);
        ck_assert_int_ge(sd_bus_message_exit_container(answer), 0);
        ck_assert_int_eq(sd_bus_message_at_end(answer, false), 1);
}

START_TEST(a_release_that_somebody_holds_up_is_busy_and_names_the_program) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0"), *pid = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *busy = NULL, *again = NULL;
        const PciAddress address = nic_0();
        int holder = simk_hold(fixture->tree->fd, &address);

        ck_assert_int_ge(holder, 0);
        ck_assert_int_ge(asprintf(&pid, "pid %d (test-bus-life) has 0000:02:00.0 open as fd %d", (int) getpid(), holder), 0);
        busy = fixture_call_in_vain(fixture, ASSIGND_ERROR_BUSY, MANAGER, "Release", "sa{sv}", "vm:web1", 0);
        ck_assert_uint_eq(message_count_blockers(busy, NULL), 1);
        ck_assert_uint_eq(message_count_blockers(busy, "in-use-open"), 1);
        ck_assert_ptr_nonnull(strstr(fixture_error_text(busy), pid));
        assert_holds(fixture, ASSIGND_OPERATION_PREFIX "/2", holder, "0000:02:00.0");
        again = fixture_call_in_vain(fixture, ASSIGND_ERROR_BUSY, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "Release", "a{sv}", 0);
        ck_assert_uint_eq(message_count_blockers(again, "in-use-open"), 1);
        assert_text(fixture, "assigned", GROUP_14, "State");
        assert_text(fixture, "active", assignment, ASSIGND_ASSIGNMENT_INTERFACE, "State");
        assert_text(fixture, "vfio-pci", NIC_0, "Driver");

        holder = safe_close(holder);
        sd_bus_message_unref(fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "Release", "a{sv}", 0));
        assert_text(fixture, "host", GROUP_14, "State");
}
END_TEST

START_TEST(a_release_that_waits_is_releasing_and_tells_for_whom) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        const PciAddress address = nic_0();
        int holder = simk_hold(fixture->tree->fd, &address);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *released = NULL;
        FixtureCall wait;

        ck_assert_int_ge(holder, 0);
        fixture_call_begin(fixture, &wait, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "Release", "a{sv}", 1, "wait", "b", true);
        ck_assert_int_eq(simk_await(fixture->tree->fd, "begin unbind 0000:02:00.0 vfio-pci"), 0);
        assert_text(fixture, "releasing", GROUP_14, "State");
        assert_text(fixture, "running", ASSIGND_OPERATION_PREFIX "/2", ASSIGND_OPERATION_INTERFACE, "State");
        assert_holds(fixture, ASSIGND_OPERATION_PREFIX "/2", holder, "0000:02:00.0");
        holder = safe_close(holder);
        released = fixture_call_end(&wait);
        ck_assert(!sd_bus_message_is_method_error(released, NULL));
        assert_text(fixture, "host", GROUP_14, "State");
}
END_TEST

/* The system bus lets a connection have 128 calls pending, and has many connections: so the daemon counts. */
START_TEST(more_calls_than_may_wait_are_refused_and_the_others_answered) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        const PciAddress address = nic_0();
        int hang = simk_hang(fixture->tree->fd, SIMK_UNBIND, &address, 1);
        unsigned n_done = 0, n_refused = 0;
        static FixtureCall calls[1100];

        ck_assert_int_ge(hang, 0);
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "timeout_usec",
                                                  "t", UINT64_C(0)));
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                fixture_call_begin(fixture, &calls[i], ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 1, "timeout_usec", "t",
                                   UINT64_MAX);
        fixture_settle(fixture);
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_LIMITS_EXCEEDED, MANAGER, "Assign", "sasa{sv}", "vm:web2", 1, "01:00.0", 0));
        safe_close(hang);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = fixture_call_end(&calls[i]);

                if (sd_bus_message_is_method_error(answer, ASSIGND_ERROR_LIMITS_EXCEEDED))
                        n_refused++;
                else if (!sd_bus_message_is_method_error(answer, NULL))
                        n_done++;
        }
        ck_assert_uint_ge(n_done, 1000);
        ck_assert_uint_eq(n_done + n_refused, ELEMENTSOF(calls));
        ck_assert_uint_ge(n_refused, 76);
}
END_TEST

START_TEST(no_time_at_all_is_a_deadline_too) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        const char *operation = ASSIGND_OPERATION_PREFIX "/1";

        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "timeout_usec",
                                                  "t", UINT64_C(0)));
        sd_bus_message_unref(fixture_call_well(fixture, operation, ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 1, "timeout_usec", "t", UINT64_MAX));
        assert_text(fixture, "assigned", GROUP_14, "State");
}
END_TEST

START_TEST(an_operation_goes_on_when_its_caller_leaves) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        const PciAddress address = nic_0();
        int hang = simk_hang(fixture->tree->fd, SIMK_UNBIND, &address, 1);
        sd_bus *caller = fixture_connect(fixture);

        ck_assert_int_ge(hang, 0);
        fixture_listen(fixture);
        ck_assert_int_ge(sd_bus_call_method_async(caller, NULL, ASSIGND_BUS_NAME, MANAGER, "Assign", NULL, NULL, "sasa{sv}", "vm:web1", 1, "02:00.0", 0), 0);
        ck_assert_int_ge(sd_bus_flush(caller), 0);
        ck_assert_int_ge(simk_await(fixture->tree->fd, "begin unbind 0000:02:00.0"), 0);
        sd_bus_close_unref(caller);
        assert_text(fixture, "busy", GROUP_14, "State");

        safe_close(hang);
        (void) fixture_await_signal(fixture, "AssignmentNew", NULL);
        assert_text(fixture, "assigned", GROUP_14, "State");
}
END_TEST

START_TEST(a_lease_whose_caller_leaves_before_it_is_given_leaves_nothing) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        const PciAddress address = nic_0();
        int hang = simk_hang(fixture->tree->fd, SIMK_UNBIND, &address, 1);
        sd_bus *caller = fixture_connect(fixture);

        ck_assert_int_ge(hang, 0);
        fixture_listen(fixture);
        ck_assert_int_ge(sd_bus_call_method_async(caller, NULL, ASSIGND_BUS_NAME, MANAGER, "AssignWithLease", NULL, NULL, "sasa{sv}", "vm:web1", 1, "02:00.0",
                                                  0), 0);
        ck_assert_int_ge(sd_bus_flush(caller), 0);
        ck_assert_int_ge(simk_await(fixture->tree->fd, "begin unbind 0000:02:00.0"), 0);
        sd_bus_close_unref(caller);

        safe_close(hang);
        (void) fixture_await_signal(fixture, "AssignmentRemoved", NULL);
        assert_text(fixture, "host", GROUP_14, "State");
        assert_text(fixture, "e1000e", NIC_0, "Driver");
}
END_TEST

START_TEST(a_lease_that_came_too_late_leaves_nothing) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        const PciAddress address = nic_0();
        int hang = simk_hang(fixture->tree->fd, SIMK_BIND, &address, 1);

        ck_assert_int_ge(hang, 0);
        fixture_listen(fixture);
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, MANAGER, "AssignWithLease", "sasa{sv}", "vm:web1", 1, "02:00.0", 1,
                                                  "timeout_usec", "t", UINT64_C(1000)));
        safe_close(hang);
        (void) fixture_await_signal(fixture, "AssignmentRemoved", NULL);
        assert_text(fixture, "e1000e", NIC_0, "Driver");
}
END_TEST

/* Assigns with a lease, and returns the fd that holds it. */
static int assign_with_lease(Fixture *fixture) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        const char *path;
        int fd, copy;

        answer = fixture_call_well(fixture, MANAGER, "AssignWithLease", "sasa{sv}", "vm:web1", 1, "02:00.0", 0);
        ck_assert_int_ge(sd_bus_message_read(answer, "oh", &path, &fd), 0);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_ge(copy, 0);
        return copy;
}

static unsigned count_leases(const Fixture *fixture) {
        _cleanup_free_ char *path = NULL;
        unsigned n = 0;
        DIR *directory;

        ck_assert_int_ge(string_format(&path, "%s/leases", fixture->state), 0);
        directory = opendir(path);
        ck_assert_ptr_nonnull(directory);
        for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
                n += entry->d_name[0] != '.';
        (void) closedir(directory);
        return n;
}

START_TEST(a_lease_outlives_the_daemon_however_that_ends) {
        static const int signals[] = { SIGTERM, SIGKILL, SIGTERM };
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        int lease = assign_with_lease(fixture);

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                (void) fixture_end_daemon(fixture, signals[i]);
                fixture_start_daemon(fixture);
                sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Rescan", ""));
                assert_text(fixture, "assigned", GROUP_14, "State");
                assert_text(fixture, "vfio-pci", NIC_0, "Driver");
        }
        ck_assert_uint_eq(count_leases(fixture), 1);

        fixture_listen(fixture);
        safe_close(lease);
        (void) fixture_await_signal(fixture, "AssignmentRemoved", ASSIGND_ASSIGNMENT_PREFIX "/1");
        assert_text(fixture, "e1000e", NIC_0, "Driver");
        assert_text(fixture, "host", GROUP_14, "State");
        ck_assert_uint_eq(count_leases(fixture), 0);
}
END_TEST

START_TEST(a_lease_that_ends_while_no_daemon_runs_ends_its_assignment_at_the_next_start) {
        static const int signals[] = { SIGTERM, SIGKILL };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
                int lease = assign_with_lease(fixture);

                (void) fixture_end_daemon(fixture, signals[i]);
                safe_close(lease);
                fixture_listen(fixture);
                fixture_start_daemon(fixture);
                for (;;) {
                        _cleanup_free_ char *state = fixture_get_text(fixture, GROUP_14, "State");

                        if (string_equal(state, "host"))
                                break;
                        (void) fixture_await_signal(fixture, "PropertiesChanged", ASSIGND_GROUP_PREFIX "/14");
                }
                assert_text(fixture, "e1000e", NIC_0, "Driver");
                ck_assert_uint_eq(count_leases(fixture), 0);
        }
}
END_TEST

START_TEST(a_refused_lease_leaves_nothing_behind) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_close_ int lease = assign_with_lease(fixture);

        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_OWNED, MANAGER, "AssignWithLease", "sasa{sv}", "vm:web2", 1, "02:00.1", 0));
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_INVALID_ARGS, MANAGER, "AssignWithLease", "sasa{sv}", "vm:web2", 1, "01:00.0", 1,
                                                  "nonsense", "b", 1));
        ck_assert_uint_eq(count_leases(fixture), 1);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
        ck_assert_uint_eq(count_leases(fixture), 0);
}
END_TEST

START_TEST(fds_that_nobody_waits_for_any_more_are_closed) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .host = FIXTURE_LAB_IOMMUFD });
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *opened = NULL;
        const char *operation = ASSIGND_OPERATION_PREFIX "/2";
        const PciAddress address = nic_0();
        int hang = simk_hang(fixture->tree->fd, SIMK_OPEN_CDEV, &address, 1);

        ck_assert_int_ge(hang, 0);
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 1,
                                                  "timeout_usec", "t", UINT64_C(1000)));
        safe_close(hang);
        sd_bus_message_unref(fixture_call_well(fixture, operation, ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 0));
        fixture_settle(fixture);
        ck_assert_uint_eq(fixture_count_nodes(fixture), 0);

        /* And so are those that were sent, once the answer is on its way. */
        opened = fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        fixture_settle(fixture);
        ck_assert_uint_eq(fixture_count_nodes(fixture), 0);
        opened = sd_bus_message_unref(opened);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
}
END_TEST

/* What a monitor of the bus saw of the test's calls to the daemon, by their serials. */
typedef struct Traffic {
        bool called[4096];
        unsigned n_answers[4096];
} Traffic;

static int on_traffic(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Traffic *traffic = userdata;
        uint64_t serial;

        if (sd_bus_message_is_method_call(m, NULL, NULL)) {
                ck_assert_int_ge(sd_bus_message_get_cookie(m, &serial), 0);
                ck_assert_uint_lt(serial, ELEMENTSOF(traffic->called));
                traffic->called[serial] = string_equal(sd_bus_message_get_destination(m), ASSIGND_BUS_NAME);
        } else if (sd_bus_message_get_reply_cookie(m, &serial) >= 0) {
                ck_assert_uint_lt(serial, ELEMENTSOF(traffic->n_answers));
                traffic->n_answers[serial]++;
        }
        return 1;
}

static sd_bus *monitor_bus(const Fixture *fixture, Traffic *traffic) {
        _cleanup_free_ char *rule = NULL, *sender = NULL;
        const char *name;
        sd_bus *bus;

        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_address(bus, fixture->address), 0);
        ck_assert_int_ge(sd_bus_set_bus_client(bus, true), 0);
        ck_assert_int_ge(sd_bus_set_monitor(bus, true), 0);
        ck_assert_int_ge(sd_bus_negotiate_fds(bus, true), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);

        ck_assert_int_ge(sd_bus_get_unique_name(fixture->bus, &name), 0);
        ck_assert_int_ge(string_format(&rule, "destination='%s'", name), 0);
        ck_assert_int_ge(string_format(&sender, "sender='%s'", name), 0);
        ck_assert_int_ge(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", NULL,
                                            NULL, "asu", 2, rule, sender, 0), 0);
        ck_assert_int_ge(sd_bus_add_filter(bus, NULL, on_traffic, traffic), 0);
        return bus;
}

START_TEST(every_call_is_answered_exactly_once) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .stuck_msec = 50 });
        Traffic traffic = {};
        _cleanup_(sd_bus_close_unrefp) sd_bus *monitor = monitor_bus(fixture, &traffic);
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        const char *release = ASSIGND_OPERATION_PREFIX "/2";
        const PciAddress address = nic_0();
        int holder = simk_hold(fixture->tree->fd, &address);
        unsigned n_calls = 0;
        FixtureCall waits[3];

        /* Well, in vain, at the deadline, and several for one operation. */
        ck_assert_int_ge(holder, 0);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "ListGroups", "a{sv}", 0));
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_OWNED, MANAGER, "Assign", "sasa{sv}", "vm:web2", 1, "02:00.0", 0));
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, MANAGER, "Release", "sa{sv}", "vm:web1", 2, "wait", "b", true,
                                                  "timeout_usec", "t", UINT64_C(1000)));
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_TIMEOUT, release, ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 1, "timeout_usec",
                                                  "t", UINT64_C(1000)));
        for (size_t i = 0; i < ELEMENTSOF(waits); i++)
                fixture_call_begin(fixture, &waits[i], release, ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 0);
        safe_close(holder);
        for (size_t i = 0; i < ELEMENTSOF(waits); i++)
                sd_bus_message_unref(fixture_call_end(&waits[i]));
        sd_bus_message_unref(fixture_call_well(fixture, release, ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 0));
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Rescan", ""));

        /* All of it has passed the bus before this call, and the monitor sees it in that order. */
        ck_assert_int_ge(sd_bus_call_method(fixture->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL, ""),
                         0);
        while (sd_bus_process(monitor, NULL) > 0 || sd_bus_wait(monitor, 100 * USEC_PER_MSEC) > 0)
                ;
        for (size_t i = 0; i < ELEMENTSOF(traffic.called); i++) {
                if (traffic.called[i])
                        ck_assert_uint_eq(traffic.n_answers[i], 1);
                n_calls += traffic.called[i];
        }
        ck_assert_uint_eq(n_calls, 10);
}
END_TEST

BUS_SUITE("bus-life", a_taken_name_ends_the_start_with_a_sentence, no_bus_ends_the_start_with_a_sentence,
          a_lost_bus_ends_the_daemon_for_systemd_to_start_it_again, a_database_that_is_none_ends_the_start_and_stays_as_it_was,
          stop_and_start_leave_assignments_as_they_are, termination_is_announced, hangup_looks_at_everything_afresh,
          the_watchdog_is_served_when_systemd_asks_for_it, an_idle_daemon_has_no_timer_that_would_wake_it,
          one_that_waits_is_seen_and_can_be_cancelled, a_release_that_somebody_holds_up_is_busy_and_names_the_program,
          a_release_that_waits_is_releasing_and_tells_for_whom, a_deadline_passes_and_the_operation_goes_on,
          more_calls_than_may_wait_are_refused_and_the_others_answered, no_time_at_all_is_a_deadline_too, an_operation_goes_on_when_its_caller_leaves,
          a_lease_whose_caller_leaves_before_it_is_given_leaves_nothing, a_lease_that_came_too_late_leaves_nothing,
          a_lease_outlives_the_daemon_however_that_ends, a_lease_that_ends_while_no_daemon_runs_ends_its_assignment_at_the_next_start,
          a_refused_lease_leaves_nothing_behind, fds_that_nobody_waits_for_any_more_are_closed, every_call_is_answered_exactly_once)
