/* SPDX-License-Identifier: GPL-2.0-or-later */

/* monitor: events as they come. */

#include <signal.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "dbus/names.h"
#include "tests/cli/harness.h"
#include "tests/cli/suite.h"

static const FakeScript ordinary = {};

/* On return it listens. */
static Process monitor_start(Stage *stage, bool json) {
        const char *const arguments[] = { "monitor", json ? "--json" : NULL, NULL };
        Process process = ctl_start(stage, arguments);
        _cleanup_free_ char *line = line_read(process.err);

        ck_assert_str_eq(line, "Listening for events; interrupt to end.");
        return process;
}

static json_t *event_next(Process *process) {
        _cleanup_free_ char *line = line_read(process->out);
        json_t *event;

        ck_assert_ptr_nonnull(line);
        event = json_loads(line, 0, NULL);
        ck_assert_msg(json_is_object(event), "%s", line);
        ck_assert(json_is_integer(json_object_get(event, "at_usec")));
        return event;
}

/* A second assignd, which says what we want: takes the name once the monitor has seen that the fake has left it. */
static sd_bus *speaker_new(Stage *stage, Process *monitor) {
        _cleanup_free_ char *stopped = NULL;
        sd_bus *bus;

        ck_assert_int_eq(kill(stage->fake, SIGKILL), 0);
        stopped = line_read(monitor->out);
        ck_assert_ptr_nonnull(strstr(stopped, "stopped"));
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_address(bus, stage->address), 0);
        ck_assert_int_ge(sd_bus_set_bus_client(bus, true), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        ck_assert_int_ge(sd_bus_request_name(bus, ASSIGND_BUS_NAME, SD_BUS_NAME_QUEUE), 0);
        return bus;
}

START_TEST(an_assignment_is_seen_as_text) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = monitor_start(stage, false);
        _cleanup_result_ Result assign = ctl(stage, "assign", "--owner", "vm:\xc3\xa4", "02:00.0");
        _cleanup_free_ char *change = line_read(process.out), *assignment = line_read(process.out);

        ck_assert_int_eq(assign.status, 0);
        ck_assert_str_eq(change + strlen("2026-01-02 03:04:05"), "  group 14 is now: state assigned, owner vm:\xc3\xa4");
        ck_assert_str_eq(assignment + strlen("2026-01-02 03:04:05"), "  assignment 7 begun for vm:\xc3\xa4");
        ck_assert_int_eq(kill(process.pid, SIGINT), 0);
        {
                _cleanup_result_ Result result = ctl_finish(&process);

                ck_assert_int_eq(result.status, 0);
        }
} END_TEST

START_TEST(an_assignment_and_its_end_are_seen_as_json) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = monitor_start(stage, true);
        _cleanup_result_ Result assign = ctl(stage, "assign", "--owner", "vm:a", "02:00.0"), release = ctl(stage, "release", "vm:a");
        _cleanup_json_ json_t *taken = event_next(&process), *new = event_next(&process), *given = event_next(&process), *removed = event_next(&process);

        ck_assert_str_eq(json_text(taken, "event"), "group-changed");
        ck_assert_int_eq(json_integer_value(json_object_get(taken, "group")), 14);
        ck_assert_str_eq(json_text(json_object_get(taken, "changes"), "owner"), "vm:a");
        ck_assert_str_eq(json_text(new, "event"), "assignment-new");
        ck_assert_int_eq(json_integer_value(json_object_get(new, "assignment")), 7);
        ck_assert(json_is_null(json_object_get(new, "device")));
        ck_assert(json_is_null(json_object_get(json_object_get(given, "changes"), "owner")));
        ck_assert_uint_eq(json_object_size(json_object_get(given, "changes")), 2); /* the rest is not told */
        ck_assert_str_eq(json_text(removed, "event"), "assignment-removed");
        ck_assert_str_eq(json_text(removed, "owner"), "vm:a");
        ck_assert_int_eq(kill(process.pid, SIGTERM), 0);
        {
                _cleanup_result_ Result result = ctl_finish(&process);

                ck_assert_int_eq(result.status, 0);
        }
} END_TEST

START_TEST(every_kind_of_event_has_a_name) {
        static const char *const names[] = { "daemon-started", "operation-new", "operation-removed", "device-added", "group-removed",
                                             "device-changed", "drift" };
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = monitor_start(stage, true);
        sd_bus *bus = speaker_new(stage, &process);
        _cleanup_json_ json_t *last = NULL;

        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "OperationNew", "os", ASSIGND_OPERATION_PREFIX "/4", "assign"), 0);
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "OperationRemoved", "os", ASSIGND_OPERATION_PREFIX "/4", "done"), 0);
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}",
                                            ASSIGND_DEVICE_PREFIX "/0000_03_00_0", 1, ASSIGND_DEVICE_INTERFACE, 1, "Driver", "s", ""), 0);
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}",
                                            ASSIGND_OPERATION_PREFIX "/5", 0), 0); /* has a signal of its own */
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "oas",
                                            ASSIGND_GROUP_PREFIX "/14", 1, ASSIGND_GROUP_INTERFACE), 0);
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_DEVICE_PREFIX "/0000_02_00_0", "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                                            ASSIGND_DEVICE_INTERFACE, 1, "Driver", "s", "vfio-pci", 0), 0);
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_DEVICE_PREFIX "/0000_02_00_0", "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                                            ASSIGND_DEVICE_INTERFACE, 1, "NumaNode", "i", 1, 0), 0); /* of no interest */
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "AssignmentNew", "i", 1), 0); /* of a wrong form */
        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Drift", "soos", "driver-changed", ASSIGND_GROUP_PREFIX "/14",
                                            ASSIGND_DEVICE_PREFIX "/0000_02_00_0", "It is on \x1b[1me1000e."), 0);
        ck_assert_int_ge(sd_bus_flush(bus), 0);

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                json_t *event = event_next(&process);

                ck_assert_str_eq(json_text(event, "event"), names[i]);
                json_decref(last);
                last = event;
        }
        ck_assert_str_eq(json_text(last, "device"), "0000:02:00.0");
        ck_assert_int_eq(json_integer_value(json_object_get(last, "group")), 14);
        ck_assert_str_eq(json_text(last, "code"), "driver-changed");
        sd_bus_flush_close_unref(bus);
        ck_assert_int_eq(kill(process.pid, SIGTERM), 0);
        {
                _cleanup_result_ Result result = ctl_finish(&process);
        }
} END_TEST

START_TEST(events_cannot_reach_the_terminal) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = monitor_start(stage, false);
        sd_bus *bus = speaker_new(stage, &process);
        _cleanup_free_ char *started = line_read(process.out), *drift = NULL;

        ck_assert_int_ge(sd_bus_emit_signal(bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Drift", "soos", "x", "/", "/", "a\x1b[2Jb\nc"), 0);
        ck_assert_int_ge(sd_bus_flush(bus), 0);
        drift = line_read(process.out);
        ck_assert_ptr_nonnull(strstr(started, "assignd has started"));
        ck_assert_ptr_nonnull(strstr(drift, "drift x in group -: a\\x1b[2Jb\\x0ac"));
        sd_bus_flush_close_unref(bus);
        ck_assert_int_eq(kill(process.pid, SIGTERM), 0);
        {
                _cleanup_result_ Result result = ctl_finish(&process);
        }
} END_TEST

START_TEST(the_end_of_the_bus_is_eight) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        Process process = monitor_start(stage, false);
        _cleanup_result_ Result result = {};

        ck_assert_int_eq(kill(stage->bus, SIGKILL), 0);
        result = ctl_finish(&process);
        ck_assert_int_eq(result.status, 8);
        ck_assert_ptr_nonnull(strstr(result.err, "The connection to the system bus was lost."));
} END_TEST

int main(void) {
        const SuiteTest tests[] = {
                an_assignment_is_seen_as_text,
                an_assignment_and_its_end_are_seen_as_json,
                every_kind_of_event_has_a_name,
                events_cannot_reach_the_terminal,
                the_end_of_the_bus_is_eight,
        };

        return suite_run("monitor", tests, ELEMENTSOF(tests));
}
