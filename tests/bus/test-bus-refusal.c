/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Bad input and every "no": each with the right error name, a sentence and its blockers, and nothing changed. */

#include <string.h>

#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE
#define INVALID_ARGS SD_BUS_ERROR_INVALID_ARGS

/* A call that must fail with the error `name`, a sentence that holds `words`, and everything left as it was. */
#define assert_refused(fixture, name, words, ...) \
        do { \
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *_answer = NULL; \
                _cleanup_free_ char *_before = fixture_snapshot(fixture), *_after = NULL; \
\
                _answer = fixture_call_in_vain(fixture, name, __VA_ARGS__); \
                ck_assert_msg(strstr(fixture_error_text(_answer), words), "\"%s\" says nothing of \"%s\"", fixture_error_text(_answer), words); \
                _after = fixture_snapshot(fixture); \
                ck_assert_str_eq(_before, _after); \
        } while (false)

static char *long_text(size_t n) {
        char *text = malloc(n + 1);

        ck_assert_ptr_nonnull(text);
        memset(text, 'a', n);
        text[n] = '\0';
        return text;
}

START_TEST(targets_of_no_form_are_refused) {
        static const char *const targets[] = {
                "", " ", "02:00", "02:00.8", "02:20.0", "2:0.0", "0000:02:00.0 ", "0000:02:00.0\n", "../../etc/passwd", "0000:02:00.0/../x",
                "group:", "group:-1", "group:14x", "group:99999999999", "group:4294967295", "\xc3\xa4", "vfio-pci",
        };
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *huge = long_text(4096);

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, targets[i], 0);
                assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "", MANAGER, "Plan", "sasa{sv}", "assign", 1, targets[i], 1, "owner", "s", "vm:web1");
                assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "", MANAGER, "Explain", "sa{sv}", targets[i], 0);
                assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "", MANAGER, "Release", "sa{sv}", "", 1, "targets", "as", 1, targets[i]);
        }
        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "...", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, huge, 0);
        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "...", MANAGER, "GetDevice", "s", huge);
        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "", MANAGER, "GetDevice", "s", "group:14");
        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "", MANAGER, "Assign", "sasa{sv}", "vm:web1", 0, 0);
}
END_TEST

START_TEST(control_characters_of_callers_are_escaped_in_what_they_read) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "\\x1b[2J", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "\x1b[2J", 0);
        assert_refused(fixture, INVALID_ARGS, "\\x0a", MANAGER, "ListGroups", "a{sv}", 1, "all\n", "b", 1);
}
END_TEST

START_TEST(targets_that_do_not_exist_are_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_DEVICE, "0000:7f:00.0", MANAGER, "Assign", "sasa{sv}", "vm:web1", 2, "02:00.0", "7f:00.0", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_DEVICE, "0000:7f:00.0", MANAGER, "GetDevice", "s", "7f:00.0");
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_DEVICE, "0000:7f:00.0", MANAGER, "Explain", "sa{sv}", "7f:00.0", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_GROUP, "4242", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "group:4242", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_GROUP, "4242", MANAGER, "GetGroup", "u", 4242);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_GROUP, "4242", MANAGER, "Explain", "sa{sv}", "group:4242", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_OWNER, "vm:nobody", MANAGER, "Release", "sa{sv}", "vm:nobody", 0);
        assert_refused(fixture, ASSIGND_ERROR_NO_SUCH_DEVICE, "0000:7f:00.0", MANAGER, "Plan", "sasa{sv}", "assign", 1, "7f:00.0", 1, "owner", "s",
                       "vm:web1");
}
END_TEST

START_TEST(owners_of_no_form_are_refused) {
        static const char *const owners[] = { "", " vm", "vm ", "vm\nweb", "vm\tweb", "02:00.0", "group:14", "vm\x7f" };
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *huge = long_text(4096);

        for (size_t i = 0; i < ELEMENTSOF(owners); i++) {
                assert_refused(fixture, INVALID_ARGS, "owner", MANAGER, "Assign", "sasa{sv}", owners[i], 1, "02:00.0", 0);
                assert_refused(fixture, INVALID_ARGS, "owner", MANAGER, "AssignWithLease", "sasa{sv}", owners[i], 1, "02:00.0", 0);
                assert_refused(fixture, INVALID_ARGS, "owner", MANAGER, "Release", "sa{sv}", owners[i], 0);
        }
        assert_refused(fixture, INVALID_ARGS, "128", MANAGER, "Assign", "sasa{sv}", huge, 1, "02:00.0", 0);
}
END_TEST

/* Assign with `n` targets, of which the i-th is made from a group number. */
static sd_bus_message *assign_many(Fixture *fixture, unsigned n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *answer = NULL;

        ck_assert_int_ge(sd_bus_message_new_method_call(fixture->bus, &m, ASSIGND_BUS_NAME, MANAGER, "Assign"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "s", "vm:web1"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "s"), 0);
        for (unsigned i = 0; i < n; i++) {
                char target[32];

                (void) snprintf(target, sizeof(target), "group:%u", 100000 + i);
                ck_assert_int_ge(sd_bus_message_append(m, "s", target), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(m), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "a{sv}", 0), 0);
        ck_assert_int_lt(sd_bus_call(fixture->bus, m, 0, &error, &answer), 0);
        ck_assert_str_eq(error.name, ASSIGND_ERROR_LIMITS_EXCEEDED);
        sd_bus_error_free(&error);
        return answer;
}

START_TEST(too_many_targets_are_refused_however_many) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *before = fixture_snapshot(fixture), *after = NULL;

        (void) assign_many(fixture, 1000);
        (void) assign_many(fixture, 500000);
        after = fixture_snapshot(fixture);
        ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(the_same_target_twice_is_one_target) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *state = NULL;

        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Assign", "sasa{sv}", "vm:web1", 3, "02:00.0", "0000:02:00.0", "group:14", 0));
        state = fixture_get_text(fixture, ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE, "State");
        ck_assert_str_eq(state, "assigned");
}
END_TEST

START_TEST(what_is_not_viable_is_refused_with_every_blocker) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *chipset = NULL, *bridge = NULL, *exact = NULL;

        chipset = fixture_call_in_vain(fixture, ASSIGND_ERROR_NOT_VIABLE, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "00:1f.2", 0);
        ck_assert_uint_ge(message_count_blockers(chipset, "host-driver-stays"), 2);
        bridge = fixture_call_in_vain(fixture, ASSIGND_ERROR_NOT_VIABLE, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "00:02.0", 0);
        ck_assert_uint_ge(message_count_blockers(bridge, "not-endpoint"), 1);
        exact = fixture_call_in_vain(fixture, ASSIGND_ERROR_NOT_VIABLE, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "exact", "b", 1);
        ck_assert_uint_eq(message_count_blockers(exact, "companion-not-named"), 1);
        ck_assert_uint_eq(message_count_blockers(exact, NULL), 1);
}
END_TEST

START_TEST(what_somebody_owns_is_refused_to_others) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *taken = NULL, *foreign = NULL;
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");

        taken = fixture_call_in_vain(fixture, ASSIGND_ERROR_OWNED, MANAGER, "Assign", "sasa{sv}", "vm:web2", 2, "01:00.0", "02:00.1", 0);
        ck_assert_uint_eq(message_count_blockers(taken, "owned"), 1);
        ck_assert_ptr_nonnull(strstr(fixture_error_text(taken), "vm:web1"));
        foreign = fixture_call_in_vain(fixture, ASSIGND_ERROR_OWNED, MANAGER, "Release", "sa{sv}", "vm:web2", 1, "targets", "as", 1, "02:00.1");
        ck_assert_uint_eq(message_count_blockers(foreign, NULL), 0);
}
END_TEST

START_TEST(a_claimed_label_that_the_group_does_not_have_is_a_conflict) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;

        answer = fixture_call_in_vain(fixture, ASSIGND_ERROR_LABEL_CONFLICT, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "label", "s",
                                      "tenant-a");
        ck_assert_uint_eq(message_count_blockers(answer, "label-mismatch"), 1);
}
END_TEST

START_TEST(options_that_are_not_known_or_of_another_type_are_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:held", "01:00.0");

        assert_refused(fixture, INVALID_ARGS, "\"exact\" (b)", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "exactly", "b", 1);
        assert_refused(fixture, INVALID_ARGS, "a boolean", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "exact", "s", "yes");
        assert_refused(fixture, INVALID_ARGS, "an array of strings", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "override", "s", "x");
        assert_refused(fixture, INVALID_ARGS, "an unsigned", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "timeout_usec", "u", 1);
        assert_refused(fixture, INVALID_ARGS, "twice", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 2, "exact", "b", 1, "exact", "b", 0);
        assert_refused(fixture, INVALID_ARGS, "\"iommufd\"", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "backend", "s", "uio");
        assert_refused(fixture, INVALID_ARGS, "made-up", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "override", "as", 1, "made-up");
        assert_refused(fixture, INVALID_ARGS, "label", MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "label", "s", "");
        assert_refused(fixture, INVALID_ARGS, "knows none", MANAGER, "ListDevices", "a{sv}", 1, "all", "b", 1);
        assert_refused(fixture, INVALID_ARGS, "\"all\" (b)", MANAGER, "ListGroups", "a{sv}", 1, "every", "b", 1);
        assert_refused(fixture, INVALID_ARGS, "knows none", MANAGER, "ListAssignments", "a{sv}", 1, "all", "b", 1);
        assert_refused(fixture, INVALID_ARGS, "knows none", MANAGER, "Explain", "sa{sv}", "02:00.0", 1, "all", "b", 1);
        assert_refused(fixture, INVALID_ARGS, "\"owner\" (s)", MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 1, "timeout_usec", "t", UINT64_C(1));
        assert_refused(fixture, INVALID_ARGS, "\"targets\" (as)", MANAGER, "Release", "sa{sv}", "vm:web1", 1, "force", "b", 1);
        assert_refused(fixture, INVALID_ARGS, "\"newest_first\" (b)", MANAGER, "ListAudit", "ta{sv}u", UINT64_C(0), 1, "limit", "u", 1, 10);
        assert_refused(fixture, INVALID_ARGS, "knows none", MANAGER, "ExportAudit", "a{sv}", 1, "all", "b", 1);
        assert_refused(fixture, INVALID_ARGS, "\"devices\" (as)", assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 1, "device", "s", "x");
        assert_refused(fixture, INVALID_ARGS, "\"timeout_usec\" (t), \"wait\" (b)", assignment, ASSIGND_ASSIGNMENT_INTERFACE, "Release", "a{sv}", 1, "force",
                       "b", 1);
        assert_refused(fixture, INVALID_ARGS, "\"timeout_usec\" (t)", ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 1, "wait",
                       "b", 1);
}
END_TEST

START_TEST(numbers_out_of_range_are_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        assert_refused(fixture, INVALID_ARGS, "1000", MANAGER, "ListAudit", "ta{sv}u", UINT64_C(0), 0, 1001);
        assert_refused(fixture, INVALID_ARGS, "2^63", MANAGER, "ListAudit", "ta{sv}u", UINT64_MAX, 0, 10);
        assert_refused(fixture, INVALID_ARGS, "2^63", MANAGER, "ListAudit", "ta{sv}u", UINT64_C(0), 1, "since_usec", "t", UINT64_MAX, 10);
        assert_refused(fixture, ASSIGND_ERROR_INVALID_TARGET, "filter", MANAGER, "ListAudit", "ta{sv}u", UINT64_C(0), 1, "device", "s", "nic", 10);
}
END_TEST

START_TEST(calls_of_another_signature_are_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "Assign", "ssa{sv}", "vm:web1", "02:00.0", 0);
        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "Assign", "sas", "vm:web1", 1, "02:00.0");
        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "Assign", "");
        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "GetGroup", "s", "14");
        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "GetGroup", "t", UINT64_C(14));
        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "ListGroups", "");
        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "ListGroups", "as", 0);
        assert_refused(fixture, INVALID_ARGS, "", MANAGER, "Rescan", "s", "now");
        assert_refused(fixture, SD_BUS_ERROR_UNKNOWN_METHOD, "", MANAGER, "Frobnicate", "");
        assert_refused(fixture, SD_BUS_ERROR_PROPERTY_READ_ONLY, "", ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.Properties", "Set", "ssv",
                       ASSIGND_MANAGER_INTERFACE, "Health", "s", "ok");
}
END_TEST

START_TEST(what_is_not_there_yet_says_so) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "01:00.0");

        assert_refused(fixture, SD_BUS_ERROR_NOT_SUPPORTED, "is over", ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "Cancel", "");
        assert_refused(fixture, SD_BUS_ERROR_NOT_SUPPORTED, "/dev/iommu", MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 2, "owner", "s", "vm:web2",
                       "backend", "s", "iommufd");
        assert_refused(fixture, INVALID_ARGS, "verb", MANAGER, "Plan", "sasa{sv}", "guard", 1, "02:00.0", 0);
}
END_TEST

START_TEST(opening_what_is_not_of_the_assignment_is_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        const char *interface = ASSIGND_ASSIGNMENT_INTERFACE;

        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_NO_SUCH_DEVICE, assignment, interface, "OpenDevices", "a{sv}", 1, "devices", "as",
                                                  1, "01:00.0"));
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_INVALID_TARGET, assignment, interface, "OpenDevices", "a{sv}", 1, "devices", "as",
                                                  1, "nic"));
        sd_bus_message_unref(fixture_call_in_vain(fixture, INVALID_ARGS, assignment, interface, "OpenDevices", "a{sv}", 1, "devices", "as", 0));
        sd_bus_message_unref(fixture_call_in_vain(fixture, INVALID_ARGS, assignment, interface, "OpenDevices", "a{sv}", 1, "devices", "as", 2, "02:00.0",
                                                  "0000:02:00.0"));
}
END_TEST

BUS_SUITE("bus-refusal", targets_of_no_form_are_refused, control_characters_of_callers_are_escaped_in_what_they_read,
          targets_that_do_not_exist_are_refused, owners_of_no_form_are_refused, too_many_targets_are_refused_however_many,
          the_same_target_twice_is_one_target, what_is_not_viable_is_refused_with_every_blocker, what_somebody_owns_is_refused_to_others,
          a_claimed_label_that_the_group_does_not_have_is_a_conflict, options_that_are_not_known_or_of_another_type_are_refused,
          numbers_out_of_range_are_refused, calls_of_another_signature_are_refused, what_is_not_there_yet_says_so,
          opening_what_is_not_of_the_assignment_is_refused)
