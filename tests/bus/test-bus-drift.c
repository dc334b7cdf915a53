/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What drifts is signalled, its group is shown as quarantined, and Recover opens it again. */

#include <string.h>

#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE
#define GROUP_14 ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE

static const PciAddress nic = { .bus = 2 };

static void take_for_the_host(Fixture *fixture) {
        ck_assert_int_eq(simk_set_override(fixture->tree->fd, &nic, NULL), 0);
        ck_assert_int_eq(simk_unbind(fixture->tree->fd, &nic, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(fixture->tree->fd, &nic, "e1000e"), 0);
}

/* Waits for the signal of that code. */
static const char *await_drift(Fixture *fixture, const char *code) {
        for (;;) {
                sd_bus_message *m = fixture_await_signal(fixture, "Drift", NULL);
                const char *found, *group, *device, *detail;

                ck_assert_int_ge(sd_bus_message_read(m, "soos", &found, &group, &device, &detail), 0);
                if (!string_equal(found, code))
                        continue;
                ck_assert_str_eq(sd_bus_message_get_path(m), ASSIGND_MANAGER_PATH);
                ck_assert_str_eq(group, ASSIGND_GROUP_PREFIX "/14");
                ck_assert_str_eq(device, ASSIGND_DEVICE_PREFIX "/0000_02_00_0");
                return detail;
        }
}

static void assert_state(Fixture *fixture, const char *expected) {
        _cleanup_free_ char *state = fixture_get_text(fixture, GROUP_14, "State");

        ck_assert_str_eq(state, expected);
}

START_TEST(a_drift_is_signalled_and_its_group_closed_until_it_is_recovered) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *refused = NULL, *recovered = NULL, *opened = NULL;

        fixture_listen(fixture);
        take_for_the_host(fixture);
        ck_assert_ptr_nonnull(strstr(await_drift(fixture, "driver-changed"), "0000:02:00.0"));
        while (true) { /* the unbind alone may have been seen first */
                _cleanup_free_ char *state = fixture_get_text(fixture, GROUP_14, "State");

                if (string_equal(state, "quarantined"))
                        break;
        }
        refused = fixture_call_in_vain(fixture, ASSIGND_ERROR_QUARANTINED, MANAGER, "Assign", "sasa{sv}", "vm:web2", 1, "02:00.1", 0);
        ck_assert_uint_eq(message_count_blockers(refused, "quarantined"), 1);
        recovered = fixture_call_well(fixture, MANAGER, "Recover", "asa{sv}", 1, "group:14", 0);
        assert_state(fixture, "assigned");
        opened = fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
}
END_TEST

START_TEST(a_plan_of_a_recovery_says_what_differs) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0"), *differences = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = NULL;

        fixture_listen(fixture);
        take_for_the_host(fixture);
        (void) await_drift(fixture, "driver-changed");
        plan = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "recover", 1, "0000:02:00.0", 0);
        ck_assert(message_get_bool(plan, "possible"));
        differences = message_get_texts(plan, "differences");
        ck_assert_ptr_nonnull(strstr(differences, "the driver_override vfio-pci of 0000:02:00.0 was cleared"));
        ck_assert_uint_eq(message_count(plan, "steps", "action", "bind"), 1);
}
END_TEST

START_TEST(there_is_not_always_something_to_recover) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_INVALID_ARGS, MANAGER, "Recover", "asa{sv}", 1, "group:14", 0));
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_NO_SUCH_GROUP, MANAGER, "Recover", "asa{sv}", 1, "group:99", 0));
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_INVALID_TARGET, MANAGER, "Recover", "asa{sv}", 0, 0));
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_INVALID_ARGS, MANAGER, "Recover", "asa{sv}", 1, "group:14", 1, "force", "b", 1));
}
END_TEST

BUS_SUITE("bus-drift",
          a_drift_is_signalled_and_its_group_closed_until_it_is_recovered,
          a_plan_of_a_recovery_says_what_differs,
          there_is_not_always_something_to_recover)
