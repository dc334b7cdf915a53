/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who gets in where no policy says anything and there is no polkit: root, and nobody else, by the daemon's own filter as well as behind the
 * shipped bus policy. */

#include <string.h>

#include "base/strutil.h"
#include "tests/bus/fixture.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE

/* Every method there is, and the standard interfaces. */
static const struct {
        const char *path; /* NULL: the assignment's */
        const char *interface;
        const char *member;
        const char *types;
} calls[] = {
        { MANAGER, "ListDevices", "a{sv}" },
        { MANAGER, "ListGroups", "a{sv}" },
        { MANAGER, "ListAssignments", "a{sv}" },
        { MANAGER, "GetDevice", "s" },
        { MANAGER, "GetGroup", "u" },
        { MANAGER, "Explain", "sa{sv}" },
        { MANAGER, "Plan", "sasa{sv}" },
        { MANAGER, "Assign", "sasa{sv}" },
        { MANAGER, "AssignWithLease", "sasa{sv}" },
        { MANAGER, "Release", "sa{sv}" },
        { MANAGER, "Reserve", "asa{sv}" },
        { MANAGER, "Unreserve", "asa{sv}" },
        { MANAGER, "Recover", "asa{sv}" },
        { MANAGER, "SetLabel", "ssa{sv}" },
        { MANAGER, "ListPolicy", "a{sv}" },
        { MANAGER, "ExplainPolicy", "ssa{sv}" },
        { MANAGER, "Reload", "" },
        { MANAGER, "Rescan", "" },
        { MANAGER, "ListAudit", "ta{sv}u" },
        { MANAGER, "ExportAudit", "a{sv}" },
        { MANAGER, "CheckHost", "a{sv}" },
        { MANAGER, "Frobnicate", "" },
        { NULL, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}" },
        { NULL, ASSIGND_ASSIGNMENT_INTERFACE, "Release", "a{sv}" },
        { ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}" },
        { ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "Cancel", "" },
        { ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "" },
        { ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.Properties", "GetAll", "s" },
        { ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.Properties", "Get", "ss" },
        { ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.Properties", "Set", "ssv" },
        { ASSIGND_GROUP_PREFIX "/14", "org.freedesktop.DBus.Properties", "GetAll", "s" },
        { ASSIGND_DEVICE_PREFIX "/0000_02_00_0", "org.freedesktop.DBus.Properties", "GetAll", "s" },
        { NULL, "org.freedesktop.DBus.Properties", "GetAll", "s" },
        { ASSIGND_OPERATION_PREFIX "/1", "org.freedesktop.DBus.Properties", "GetAll", "s" },
        { ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.Introspectable", "Introspect", "" },
        { ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping", "" },
        { "/", "org.freedesktop.DBus.Introspectable", "Introspect", "" },
        { "/nowhere", ASSIGND_MANAGER_INTERFACE, "ListGroups", "a{sv}" },
};

/* Arguments of the types, such as would do something if they were let in. */
static void append_arguments(sd_bus_message *m, const char *types) {
        for (const char *t = types; *t; t++)
                if (strncmp(t, "a{sv}", 5) == 0) {
                        ck_assert_int_ge(sd_bus_message_append(m, "a{sv}", 0), 0);
                        t += 4;
                } else if (strncmp(t, "as", 2) == 0) {
                        ck_assert_int_ge(sd_bus_message_append(m, "as", 1, "01:00.0"), 0);
                        t++;
                } else if (*t == 's')
                        ck_assert_int_ge(sd_bus_message_append(m, "s", string_equal(types, "s") ? "01:00.0" : ASSIGND_MANAGER_INTERFACE), 0);
                else if (*t == 'v')
                        ck_assert_int_ge(sd_bus_message_append(m, "v", "s", "x"), 0);
                else
                        ck_assert_int_ge(*t == 't' ? sd_bus_message_append(m, "t", UINT64_C(0)) : sd_bus_message_append(m, "u", 14), 0);
}

static void check_nobody_is_let_in(FixturePolicy policy) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .policy = policy });
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0"), *before = fixture_snapshot(fixture), *after = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *nobody = fixture_connect_as_nobody(fixture);

        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

                ck_assert_int_ge(sd_bus_message_new_method_call(nobody, &m, ASSIGND_BUS_NAME, calls[i].path ?: assignment, calls[i].interface,
                                                                calls[i].member), 0);
                append_arguments(m, calls[i].types);
                ck_assert_msg(sd_bus_call(nobody, m, 0, &error, NULL) < 0, "%s was let in", calls[i].member);
                ck_assert_msg(string_equal(error.name, SD_BUS_ERROR_ACCESS_DENIED) || string_equal(error.name, ASSIGND_ERROR_DENIED), "%s: %s", calls[i].member, error.name);
                ck_assert_str_ne(error.message, "");
        }

        after = fixture_snapshot(fixture);
        ck_assert_str_eq(before, after);
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Assignments"), 1);
}

START_TEST(the_filter_lets_nobody_else_in) {
        check_nobody_is_let_in(FIXTURE_POLICY_OPEN);
}
END_TEST

START_TEST(the_shipped_policy_lets_nobody_else_in) {
        check_nobody_is_let_in(FIXTURE_POLICY_SHIPPED);
}
END_TEST

/* So that the list above cannot grow old: every method of the introspection must be in it. */
START_TEST(every_method_was_tried) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        const char *const objects[][2] = {
                { ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE },       { ASSIGND_DEVICE_PREFIX "/0000_02_00_0", ASSIGND_DEVICE_INTERFACE },
                { ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE },   { assignment, ASSIGND_ASSIGNMENT_INTERFACE },
                { ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE },
        };
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(objects); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
                const char *xml, *interface;

                answer = fixture_call_well(fixture, objects[i][0], "org.freedesktop.DBus.Introspectable", "Introspect", "");
                ck_assert_int_ge(sd_bus_message_read(answer, "s", &xml), 0);
                interface = strstr(xml, objects[i][1]);
                ck_assert_ptr_nonnull(interface);
                for (const char *p = strstr(interface, "<method name=\""); p; p = strstr(p + 1, "<method name=\"")) {
                        char name[64];
                        bool tried = false;

                        if (strstr(interface, "</interface>") < p)
                                break;
                        ck_assert_int_eq(sscanf(p, "<method name=\"%63[^\"]\"", name), 1);
                        for (size_t k = 0; k < ELEMENTSOF(calls); k++)
                                tried = tried || (string_equal(calls[k].interface, objects[i][1]) && string_equal(calls[k].member, name));
                        ck_assert_msg(tried, "%s.%s is not tried", objects[i][1], name);
                        n++;
                }
        }
        ck_assert_uint_eq(n, 25);
}
END_TEST

static int on_overheard(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ++*(unsigned *) userdata;
        return 0;
}

START_TEST(others_hear_nothing_of_who_owns_what) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *nobody = fixture_connect_as_nobody(fixture);
        _cleanup_free_ char *assignment = NULL;
        unsigned n_root = 0, n_nobody = 0;

        ck_assert_int_ge(sd_bus_add_match(nobody, NULL, "type='signal',path_namespace='" ASSIGND_MANAGER_PATH "'", on_overheard, &n_nobody), 0);
        ck_assert_int_ge(sd_bus_add_match(fixture->bus, NULL, "type='signal',path_namespace='" ASSIGND_MANAGER_PATH "'", on_overheard, &n_root), 0);
        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        (void) fixture_count_signals(fixture, "AssignmentNew", NULL);
        ck_assert_uint_gt(n_root, 0);

        /* The bus has sent all of it by now, and this answer comes behind it. */
        ck_assert_int_ge(sd_bus_call_method(nobody, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL, ""), 0);
        while (sd_bus_process(nobody, NULL) > 0)
                ;
        ck_assert_uint_eq(n_nobody, 0);
}
END_TEST

typedef struct Expectation {
        unsigned *n_answers;
        unsigned place;
} Expectation;

static int on_expected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Expectation *expectation = userdata;

        ck_assert(!sd_bus_message_is_method_error(m, NULL));
        ck_assert_uint_eq((*expectation->n_answers)++, expectation->place);
        return 0;
}

/* The first calls of a connection wait for its credentials. */
START_TEST(the_first_calls_of_a_connection_are_answered_in_order) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        Expectation expectations[100];

        for (unsigned round = 0; round < 20; round++) {
                _cleanup_(sd_bus_flush_close_unrefp) sd_bus *fresh = fixture_connect(fixture);
                unsigned n = 0;

                for (unsigned i = 0; i < ELEMENTSOF(expectations); i++) {
                        expectations[i] = (Expectation){ &n, i };
                        ck_assert_int_ge(sd_bus_call_method_async(fresh, NULL, ASSIGND_BUS_NAME, MANAGER, "GetGroup", on_expected, &expectations[i], "u", 14),
                                         0);
                        if (i % 10 == 0)
                                ck_assert_int_ge(sd_bus_flush(fresh), 0);
                }
                while (n < ELEMENTSOF(expectations)) {
                        ck_assert_int_ge(sd_bus_process(fresh, NULL), 0);
                        ck_assert_int_ge(sd_bus_wait(fresh, 100 * USEC_PER_MSEC), 0);
                }
        }
}
END_TEST

START_TEST(a_connection_that_leaves_before_it_is_known_leaves_nothing) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *before = fixture_snapshot(fixture), *after = NULL;

        for (unsigned i = 0; i < 300; i++) { /* more than one user may have */
                sd_bus *brief = fixture_connect(fixture);

                ck_assert_int_ge(sd_bus_call_method_async(brief, NULL, ASSIGND_BUS_NAME, MANAGER, "Explain", NULL, NULL, "sa{sv}", "02:00.0", 0), 0);
                ck_assert_int_ge(sd_bus_flush(brief), 0);
                sd_bus_close_unref(brief);
        }
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "ListGroups", "a{sv}", 0));
        after = fixture_snapshot(fixture);
        ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(more_connections_than_are_remembered_are_served) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        sd_bus *clients[450];

        for (unsigned round = 0; round < 2; round++)
                for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                        if (round == 0)
                                clients[i] = fixture_connect(fixture);
                        ck_assert_int_ge(sd_bus_call_method(clients[i], ASSIGND_BUS_NAME, MANAGER, "GetGroup", NULL, NULL, "u", 14), 0);
                }
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                sd_bus_close_unref(clients[i]);
}
END_TEST

BUS_SUITE("bus-access", the_filter_lets_nobody_else_in, the_shipped_policy_lets_nobody_else_in, every_method_was_tried,
          others_hear_nothing_of_who_owns_what, the_first_calls_of_a_connection_are_answered_in_order,
          a_connection_that_leaves_before_it_is_known_leaves_nothing, more_connections_than_are_remembered_are_served)
