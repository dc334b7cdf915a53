/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Groups that are kept off the host with no owner, over the bus. */

#include <signal.h>
#include <string.h>

#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE
#define GROUP_14 ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE
#define NIC_1 ASSIGND_DEVICE_PREFIX "/0000_02_00_1", ASSIGND_DEVICE_INTERFACE

#define assert_text(fixture, expected, ...) \
        do { \
                _cleanup_free_ char *_text = fixture_get_text(fixture, __VA_ARGS__); \
                ck_assert_str_eq(_text, expected); \
        } while (false)

#define assert_refused(fixture, name, words, ...) \
        do { \
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *_answer = fixture_call_in_vain(fixture, name, __VA_ARGS__); \
                ck_assert_msg(strstr(fixture_error_text(_answer), words), "\"%s\" says nothing of \"%s\"", fixture_error_text(_answer), words); \
        } while (false)

static void call_well(Fixture *fixture, const char *member, const char *target) {
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, member, "asa{sv}", 1, target, 0));
}

static bool is_reserved(Fixture *fixture) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int reserved = -1;

        ck_assert_int_ge(sd_bus_get_property_trivial(fixture->bus, ASSIGND_BUS_NAME, GROUP_14, "Reserved", &error, 'b', &reserved), 0);
        return reserved;
}

START_TEST(reserve_takes_the_group_and_unreserve_gives_it_back_exactly) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        ck_assert(!is_reserved(fixture));
        call_well(fixture, "Reserve", "02:00.0");
        assert_text(fixture, "reserved", GROUP_14, "State");
        assert_text(fixture, "", GROUP_14, "Owner");
        assert_text(fixture, "vfio-pci", NIC_1, "Driver");
        ck_assert(is_reserved(fixture));

        call_well(fixture, "Reserve", "group:14");
        call_well(fixture, "Unreserve", "02:00.1");
        assert_text(fixture, "host", GROUP_14, "State");
        assert_text(fixture, "e1000e", NIC_1, "Driver");
        assert_text(fixture, "", NIC_1, "DriverOverride");
        ck_assert(!is_reserved(fixture));
}
END_TEST

START_TEST(an_assignment_on_top_shows_both_and_returns_to_reserved) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = NULL;

        call_well(fixture, "Reserve", "02:00.0");
        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        assert_text(fixture, "assigned", GROUP_14, "State");
        ck_assert(is_reserved(fixture));
        assert_refused(fixture, ASSIGND_ERROR_OWNED, "vm:web1", MANAGER, "Unreserve", "asa{sv}", 1, "02:00.0", 0);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
        assert_text(fixture, "reserved", GROUP_14, "State");
        assert_text(fixture, "vfio-pci", NIC_1, "DriverOverride");
}
END_TEST

START_TEST(reserve_and_unreserve_can_be_planned) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *first = NULL, *again = NULL, *back = NULL, *owned = NULL;
        _cleanup_free_ char *assignment = NULL;

        first = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "reserve", 1, "02:00.0", 0);
        ck_assert(message_get_bool(first, "possible"));
        ck_assert_uint_eq(message_count(first, "steps", "action", "bind"), 2);
        assert_text(fixture, "host", GROUP_14, "State");

        call_well(fixture, "Reserve", "02:00.0");
        again = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "reserve", 1, "02:00.0", 0);
        ck_assert(message_get_bool(again, "possible"));
        ck_assert_uint_eq(message_count(again, "steps", "action", NULL), 0);
        back = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "unreserve", 1, "02:00.0", 0);
        ck_assert(message_get_bool(back, "possible"));
        ck_assert_uint_eq(message_count(back, "steps", "action", "unbind"), 2);

        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        owned = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "unreserve", 1, "02:00.0", 0);
        ck_assert(!message_get_bool(owned, "possible"));
        ck_assert_str_eq(message_get_text(owned, "error"), ASSIGND_ERROR_OWNED);
}
END_TEST

START_TEST(what_is_wrong_is_refused_by_name) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_OWNER, "not reserved", MANAGER, "Unreserve", "asa{sv}", 1, "02:00.0", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_DEVICE, "77:00.0", MANAGER, "Reserve", "asa{sv}", 1, "77:00.0", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_DEVICE, "77:00.0", MANAGER, "Unreserve", "asa{sv}", 1, "77:00.0", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_GROUP, "4711", MANAGER, "Unreserve", "asa{sv}", 1, "group:4711", 0);
        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "eth0", MANAGER, "Reserve", "asa{sv}", 1, "eth0", 0);
        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "No target", MANAGER, "Unreserve", "asa{sv}", 0, 0);
        assert_refused(fixture, ASSIGND_ERROR_NOT_VIABLE, "", MANAGER, "Reserve", "asa{sv}", 1, "group:9", 0);
        assert_refused(fixture, SD_BUS_ERROR_INVALID_ARGS, "exact", MANAGER, "Unreserve", "asa{sv}", 1, "02:00.0", 1, "exact", "b", 1);
        assert_refused(fixture, SD_BUS_ERROR_INVALID_ARGS, "owner", MANAGER, "Reserve", "asa{sv}", 1, "02:00.0", 1, "owner", "s", "vm:web1");
        assert_refused(fixture, ASSIGND_ERROR_NOT_VIABLE, "", MANAGER, "Reserve", "asa{sv}", 1, "02:00.0", 1, "exact", "b", 1);
        assert_text(fixture, "host", GROUP_14, "State");
}
END_TEST

START_TEST(a_reservation_outlasts_the_daemon) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        call_well(fixture, "Reserve", "02:00.0");
        ck_assert_int_eq(fixture_end_daemon(fixture, SIGKILL), 128 + SIGKILL);
        fixture_start_daemon(fixture);
        assert_text(fixture, "reserved", GROUP_14, "State");
        call_well(fixture, "Unreserve", "02:00.0");
        assert_text(fixture, "host", GROUP_14, "State");
}
END_TEST

BUS_SUITE("bus-reserve", reserve_takes_the_group_and_unreserve_gives_it_back_exactly, an_assignment_on_top_shows_both_and_returns_to_reserved,
          reserve_and_unreserve_can_be_planned, what_is_wrong_is_refused_by_name, a_reservation_outlasts_the_daemon)
