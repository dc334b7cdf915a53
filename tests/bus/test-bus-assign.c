/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The main job over the bus: plan, assign, open, release, leases, and what is told while it happens. */

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE
#define GROUP_14 ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE
#define NIC_0 ASSIGND_DEVICE_PREFIX "/0000_02_00_0", ASSIGND_DEVICE_INTERFACE
#define NIC_1 ASSIGND_DEVICE_PREFIX "/0000_02_00_1", ASSIGND_DEVICE_INTERFACE

#define assert_text(fixture, expected, ...) \
        do { \
                _cleanup_free_ char *_text = fixture_get_text(fixture, __VA_ARGS__); \
                ck_assert_str_eq(_text, expected); \
        } while (false)

/* All that was asked of the kernel is who has the group open. */
static void assert_only_looked(const Fixture *fixture) {
        _cleanup_free_ char *trace = NULL;

        ck_assert_int_eq(simk_read_trace(fixture->tree->fd, &trace), 0);
        for (char *rest = trace, *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
                ck_assert_msg(!*line || strstr(line, "check-holders"), "%s", line);
}

START_TEST(plan_names_steps_and_companions_and_changes_nothing) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = NULL;
        _cleanup_free_ char *before = NULL, *after = NULL, *companions = NULL, *devices = NULL;

        plan = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 1, "owner", "s", "vm:web1");
        ck_assert(message_get_bool(plan, "possible"));
        ck_assert_str_eq(message_get_text(plan, "error"), "");
        ck_assert_uint_eq(message_count(plan, "steps", "action", NULL), 7);
        ck_assert_uint_eq(message_count(plan, "steps", "action", "check-holders"), 1);
        ck_assert_uint_eq(message_count(plan, "steps", "action", "set-override"), 2);
        ck_assert_uint_eq(message_count(plan, "steps", "action", "unbind"), 2);
        ck_assert_uint_eq(message_count(plan, "steps", "device", "0000:02:00.1"), 3);
        ck_assert_uint_eq(message_count(plan, "blockers", "code", NULL), 0);
        devices = message_get_texts(plan, "devices");
        ck_assert_str_eq(devices, "0000:02:00.0 0000:02:00.1");
        companions = message_get_texts(plan, "companions");
        ck_assert_str_eq(companions, "0000:02:00.1");

        assert_only_looked(fixture);

        before = fixture_snapshot(fixture);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 1, "override", "as", 1, "in-use-open"));
        after = fixture_snapshot(fixture);
        ck_assert_str_eq(after, before);
}
END_TEST

START_TEST(plan_of_what_is_not_viable_is_a_plan_with_blockers) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = NULL, *exact = NULL;

        plan = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "assign", 1, "group:9", 1, "owner", "s", "vm:web1");
        ck_assert(!message_get_bool(plan, "possible"));
        ck_assert_str_eq(message_get_text(plan, "error"), ASSIGND_ERROR_NOT_VIABLE);
        ck_assert_uint_ge(message_count(plan, "blockers", "code", "host-driver-stays"), 1);
        ck_assert_uint_eq(message_count(plan, "steps", "action", NULL), 0);

        exact = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 2, "owner", "s", "vm:web1", "exact", "b", 1);
        ck_assert(!message_get_bool(exact, "possible"));
        ck_assert_uint_eq(message_count(exact, "blockers", "code", "companion-not-named"), 1);
}
END_TEST

START_TEST(assign_takes_the_whole_group_and_release_gives_it_back_exactly) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = NULL;

        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        assert_text(fixture, "vfio-pci", NIC_0, "Driver");
        assert_text(fixture, "vfio-pci", NIC_1, "Driver");
        assert_text(fixture, "vfio-pci", NIC_1, "DriverOverride");
        assert_text(fixture, "assigned", GROUP_14, "State");
        assert_text(fixture, "vm:web1", GROUP_14, "Owner");
        assert_text(fixture, assignment, GROUP_14, "Assignment");
        assert_text(fixture, "active", assignment, ASSIGND_ASSIGNMENT_INTERFACE, "State");
        assert_text(fixture, "group", assignment, ASSIGND_ASSIGNMENT_INTERFACE, "Backend");
        ck_assert_uint_eq(fixture_get_u32(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "Uid"), 0);
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Assignments"), 1);

        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
        assert_text(fixture, "e1000e", NIC_0, "Driver");
        assert_text(fixture, "e1000e", NIC_1, "Driver");
        assert_text(fixture, "", NIC_0, "DriverOverride");
        assert_text(fixture, "host", GROUP_14, "State");
        assert_text(fixture, "", GROUP_14, "Owner");
        assert_text(fixture, "/", GROUP_14, "Assignment");
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_UNKNOWN_OBJECT, assignment, "org.freedesktop.DBus.Properties", "Get", "ss",
                                                  ASSIGND_ASSIGNMENT_INTERFACE, "State"));
}
END_TEST

static void assert_access(Fixture *fixture, const char *path, const char *interface, uint32_t user, uint32_t mode) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = fixture_call_well(fixture, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, "NodeAccess");
        const char *key, *context = NULL;
        uint32_t numbers[3] = { UINT32_MAX, UINT32_MAX, UINT32_MAX };

        ck_assert_int_gt(sd_bus_message_enter_container(m, 'v', "a{sv}"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        for (unsigned i = 0; i < ELEMENTSOF(numbers); i++)
                ck_assert_int_gt(sd_bus_message_read(m, "{sv}", &key, "u", &numbers[i]), 0);
        ck_assert_int_gt(sd_bus_message_read(m, "{sv}", &key, "s", &context), 0);
        ck_assert_uint_eq(numbers[0], user);
        ck_assert_uint_eq(numbers[2], mode);
        ck_assert_str_eq(context, "");
}

START_TEST(whom_the_nodes_are_given_to_is_a_property) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = fixture_call_well(fixture, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 2, "node_user", "u", 1000,
                                                                "node_mode", "u", 0640);
        const char *assignment;

        ck_assert_int_gt(sd_bus_message_read(m, "o", &assignment), 0);
        assert_access(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, 1000, 0640);
        assert_access(fixture, GROUP_14, 1000, 0640);
}
END_TEST

START_TEST(a_plan_names_whom_the_nodes_go_to) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 2, "owner", "s", "vm:web1",
                                                                   "node_user", "u", 1000);

        ck_assert_uint_eq(message_count(plan, "steps", "action", "set-group-node"), 1);
        ck_assert_uint_eq(message_count(plan, "steps", "action", "set-device-node"), 2);
        ck_assert_uint_eq(message_count(plan, "steps", "value", "1000:0:0600"), 3);
}
END_TEST

START_TEST(what_nodes_cannot_have_is_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_INVALID_ARGS, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "node_mode", "u",
                                                  0666));
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_INVALID_ARGS, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "node_user", "u",
                                                  UINT32_MAX));
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_INVALID_ARGS, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "node_user", "s",
                                                  "nobody"));
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_INVALID_ARGS, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 1, "node_context", "s",
                                                  "with blanks"));
        assert_text(fixture, "e1000e", NIC_0, "Driver");
}
END_TEST

START_TEST(release_works_by_target_and_on_the_assignment_too) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *first = fixture_assign(fixture, "vm:web1", "02:00.0"), *second = fixture_assign(fixture, "vm:web1", "01:00.0");

        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "", 1, "targets", "as", 1, "02:00.1"));
        assert_text(fixture, "host", GROUP_14, "State");
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Assignments"), 1);
        sd_bus_message_unref(fixture_call_well(fixture, second, ASSIGND_ASSIGNMENT_INTERFACE, "Release", "a{sv}", 0));
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Assignments"), 0);
}
END_TEST

START_TEST(listeners_hear_an_assignments_whole_life) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = NULL;
        sd_bus_message *m;
        const char *path, *word;

        fixture_listen(fixture);
        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");

        m = fixture_await_signal(fixture, "InterfacesAdded", ASSIGND_OPERATION_PREFIX "/1");
        ck_assert_str_eq(sd_bus_message_get_path(m), ASSIGND_MANAGER_PATH);
        m = fixture_await_signal(fixture, "OperationNew", NULL);
        ck_assert_int_ge(sd_bus_message_read(m, "os", &path, &word), 0);
        ck_assert_str_eq(word, "assign");
        (void) fixture_await_signal(fixture, "InterfacesAdded", assignment);
        m = fixture_await_signal(fixture, "AssignmentNew", NULL);
        ck_assert_int_ge(sd_bus_message_read(m, "os", &path, &word), 0);
        ck_assert_str_eq(path, assignment);
        ck_assert_str_eq(word, "vm:web1");
        m = fixture_await_signal(fixture, "OperationRemoved", NULL);
        ck_assert_int_ge(sd_bus_message_read(m, "os", &path, &word), 0);
        ck_assert_str_eq(word, "done");

        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
        m = fixture_await_signal(fixture, "AssignmentRemoved", assignment);
        ck_assert_int_ge(sd_bus_message_read(m, "os", &path, &word), 0);
        ck_assert_str_eq(word, "vm:web1");
        (void) fixture_await_signal(fixture, "InterfacesRemoved", assignment);
}
END_TEST

/* The value of `property` in a PropertiesChanged; NULL: it does not tell. */
static const char *changed_text(sd_bus_message *m, const char *interface, const char *property) {
        const char *name, *value;

        ck_assert_int_ge(sd_bus_message_read(m, "s", &name), 0);
        ck_assert_str_eq(name, interface);
        value = message_pass_text(m, property);
        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
        return value;
}

/* Waits until a PropertiesChanged says that `property` is `value`. */
static void await_change(Fixture *fixture, const char *path, const char *interface, const char *property, const char *value) {
        while (!string_equal(changed_text(fixture_await_signal(fixture, "PropertiesChanged", path), interface, property), value))
                ;
}

START_TEST(properties_changed_carries_the_new_values) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = NULL;

        fixture_listen(fixture);
        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        await_change(fixture, GROUP_14, "State", "busy");
        await_change(fixture, GROUP_14, "State", "assigned");

        fixture->next_signal = 0;
        await_change(fixture, NIC_1, "Driver", "vfio-pci");
        fixture->next_signal = 0;
        await_change(fixture, ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "State", "done");
}
END_TEST

START_TEST(changes_of_one_turn_are_one_signal) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        /* A rescan finds all of it at once: two drivers gone from one group, whose viability is looked at for each. */
        fixture_listen(fixture);
        ck_assert_int_ge(treegen_unbind(fixture->tree->fd, "0000:02:00.0", "e1000e"), 0);
        ck_assert_int_ge(treegen_unbind(fixture->tree->fd, "0000:02:00.1", "e1000e"), 0);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Rescan", ""));
        await_change(fixture, NIC_1, "Driver", "");

        ck_assert_uint_eq(fixture_count_signals(fixture, "PropertiesChanged", ASSIGND_DEVICE_PREFIX "/0000_02_00_0"), 1);
        ck_assert_uint_eq(fixture_count_signals(fixture, "PropertiesChanged", ASSIGND_GROUP_PREFIX "/14"), 1);
}
END_TEST

START_TEST(devices_that_come_and_go_are_objects_that_come_and_go) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        const TreeDevice card = { .address = "0000:0b:00.0", .parent = "0000:00:07.0", .vendor = 0x8086, .device = 0x10d3, .class = 0x020000, .group = 30,
                                  .numa_node = -1 };

        fixture_listen(fixture);
        ck_assert_int_ge(treegen_add_device(fixture->tree->fd, &card), 0);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Rescan", ""));
        (void) fixture_await_signal(fixture, "InterfacesAdded", ASSIGND_DEVICE_PREFIX "/0000_0b_00_0");
        fixture->next_signal = 0;
        (void) fixture_await_signal(fixture, "InterfacesAdded", ASSIGND_GROUP_PREFIX "/30");
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Devices"), 29);

        ck_assert_int_ge(treegen_remove_device(fixture->tree->fd, "0000:0b:00.0"), 0);
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Rescan", ""));
        (void) fixture_await_signal(fixture, "InterfacesRemoved", ASSIGND_DEVICE_PREFIX "/0000_0b_00_0");
        fixture->next_signal = 0;
        (void) fixture_await_signal(fixture, "InterfacesRemoved", ASSIGND_GROUP_PREFIX "/30");
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Devices"), 28);
}
END_TEST

START_TEST(what_the_kernel_tells_is_told_on_without_a_rescan) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        PciAddress address;

        ck_assert_int_ge(pci_address_parse("0000:02:00.0", &address), 0);
        fixture_listen(fixture);
        ck_assert_int_ge(simk_unbind(fixture->tree->fd, &address, "e1000e"), 0); /* by somebody else */
        await_change(fixture, NIC_0, "Driver", "");
        ck_assert_int_ge(simk_bind(fixture->tree->fd, &address, "e1000e"), 0);
        await_change(fixture, NIC_0, "Driver", "e1000e");
}
END_TEST

/* Reads (s a{sh} a(sh)) and checks that what it names is `shared` and `devices`, each joined by blanks, and that every fd is one. */
static void check_opened(sd_bus_message *m, const char *backend, const char *shared, const char *devices) {
        char names[2][256] = {};
        const char *name, *word;
        int fd;

        ck_assert_int_ge(sd_bus_message_read(m, "s", &word), 0);
        ck_assert_str_eq(word, backend);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_int_ge(sd_bus_message_enter_container(m, 'a', i == 0 ? "{sh}" : "(sh)"), 0);
                while (sd_bus_message_read(m, i == 0 ? "{sh}" : "(sh)", &name, &fd) > 0) {
                        struct stat st;

                        ck_assert_int_eq(fstat(fd, &st), 0);
                        (void) snprintf(names[i] + strlen(names[i]), sizeof(names[i]) - strlen(names[i]), "%s%s", *names[i] ? " " : "", name);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        }
        ck_assert_str_eq(names[0], shared);
        ck_assert_str_eq(names[1], devices);
}

START_TEST(open_hands_over_container_group_and_devices) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *all = NULL;

        assert_text(fixture, "group", MANAGER, "Backend");
        all = fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        check_opened(all, "group", "container group:14", "0000:02:00.0 0000:02:00.1");
}
END_TEST

START_TEST(open_hands_over_an_iommufd_and_devices) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .host = FIXTURE_LAB_IOMMUFD });
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *all = NULL, *one = NULL;

        assert_text(fixture, "iommufd", MANAGER, "Backend");
        all = fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        check_opened(all, "iommufd", "iommufd", "0000:02:00.0 0000:02:00.1");
        one = fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 1, "devices", "as", 1, "02:00.1");
        check_opened(one, "iommufd", "iommufd", "0000:02:00.1");
}
END_TEST

START_TEST(opened_devices_come_in_the_order_of_their_addresses) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .host = FIXTURE_LAB_IOMMUFD });
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *all = NULL;
        PciAddress first;
        FixtureCall call;
        int hang;

        ck_assert_int_ge(pci_address_parse("0000:02:00.0", &first), 0);
        hang = simk_hang(fixture->tree->fd, SIMK_OPEN_CDEV, &first, 1);
        ck_assert_int_ge(hang, 0);
        fixture_call_begin(fixture, &call, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        ck_assert_int_ge(sd_bus_flush(fixture->bus), 0);
        ck_assert_int_ge(simk_await(fixture->tree->fd, "end open-cdev 0000:02:00.1"), 0);
        safe_close(hang);
        all = fixture_call_end(&call);
        check_opened(all, "iommufd", "iommufd", "0000:02:00.0 0000:02:00.1");
}
END_TEST

START_TEST(the_daemon_keeps_no_copy_of_what_it_handed_over) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .host = FIXTURE_LAB_IOMMUFD });
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *all = NULL;

        all = fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        fixture_settle(fixture); /* by now the answer is sent */
        ck_assert_uint_eq(fixture_count_nodes(fixture), 0);
}
END_TEST

START_TEST(more_fds_than_a_message_carries_are_refused_with_advice) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *refusal = NULL, *some = NULL;
        _cleanup_free_ char *assignment = NULL;

        for (unsigned i = 0; i < 20; i++) {
                _cleanup_free_ char *address = NULL;

                ck_assert_int_ge(string_format(&address, "0000:0b:%02x.%u", i / 8, i % 8), 0);
                ck_assert_int_ge(treegen_add_device(fixture->tree->fd, &(TreeDevice){ .address = address, .parent = "0000:00:07.0", .vendor = 0x8086,
                                                                                       .device = 0x10d3, .class = 0x020000, .group = 30 }), 0);
        }
        ck_assert_int_ge(simk_prepare(fixture->tree->fd, /* iommufd= */ false), 0);
        fixture_start_daemon(fixture);

        assignment = fixture_assign(fixture, "vm:big", "group:30");
        refusal = fixture_call_in_vain(fixture, ASSIGND_ERROR_LIMITS_EXCEEDED, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        ck_assert_ptr_nonnull(strstr(fixture_error_text(refusal), "\"devices\""));

        some = fixture_call_well(fixture, assignment, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 1, "devices", "as", 2, "0b:00.0",
                                 "0000:0b:01.7");
        check_opened(some, "group", "container group:30", "0000:0b:00.0 0000:0b:01.7");
}
END_TEST

START_TEST(the_end_of_a_lease_releases) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_free_ char *assignment = NULL;
        const char *path;
        int fd;

        fixture_listen(fixture);
        answer = fixture_call_well(fixture, MANAGER, "AssignWithLease", "sasa{sv}", "vm:web1", 1, "02:00.0", 0);
        ck_assert_int_ge(sd_bus_message_read(answer, "oh", &path, &fd), 0);
        ck_assert_int_ge(string_copy(path, &assignment), 0);
        assert_text(fixture, "assigned", GROUP_14, "State");

        answer = sd_bus_message_unref(answer); /* with the fd in it */
        (void) fixture_await_signal(fixture, "AssignmentRemoved", assignment);
        assert_text(fixture, "e1000e", NIC_0, "Driver");
        assert_text(fixture, "host", GROUP_14, "State");
}
END_TEST

START_TEST(a_lease_lasts_as_long_as_any_copy_of_it) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_close_ int copy = -EBADF;
        const char *path;
        int fd;

        answer = fixture_call_well(fixture, MANAGER, "AssignWithLease", "sasa{sv}", "vm:web1", 1, "02:00.0", 0);
        ck_assert_int_ge(sd_bus_message_read(answer, "oh", &path, &fd), 0);
        copy = dup(fd);
        answer = sd_bus_message_unref(answer);
        ck_assert_int_eq(write(copy, "x", 1), 1); /* what is written to it means nothing */

        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Rescan", ""));
        assert_text(fixture, "assigned", GROUP_14, "State");
        sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
        assert_text(fixture, "host", GROUP_14, "State");
}
END_TEST

START_TEST(ended_operations_can_be_asked_and_waited_for) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        const char *operation = ASSIGND_OPERATION_PREFIX "/1";

        assert_text(fixture, "assign", operation, ASSIGND_OPERATION_INTERFACE, "Verb");
        assert_text(fixture, "done", operation, ASSIGND_OPERATION_INTERFACE, "State");
        assert_text(fixture, "vm:web1", operation, ASSIGND_OPERATION_INTERFACE, "Owner");
        assert_text(fixture, assignment, operation, ASSIGND_OPERATION_INTERFACE, "Assignment");
        ck_assert_uint_eq(fixture_get_u32(fixture, operation, ASSIGND_OPERATION_INTERFACE, "StepsDone"), 7);
        ck_assert_uint_eq(fixture_get_u32(fixture, operation, ASSIGND_OPERATION_INTERFACE, "StepsTotal"), 7);
        sd_bus_message_unref(fixture_call_well(fixture, operation, ASSIGND_OPERATION_INTERFACE, "Wait", "a{sv}", 0));
}
END_TEST

START_TEST(only_the_last_ended_operations_stay_objects) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        fixture_listen(fixture);
        for (unsigned i = 0; i < 33; i++) {
                _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "01:00.0");

                sd_bus_message_unref(fixture_call_well(fixture, MANAGER, "Release", "sa{sv}", "vm:web1", 0));
        }
        (void) fixture_await_signal(fixture, "InterfacesRemoved", ASSIGND_OPERATION_PREFIX "/1");
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_UNKNOWN_OBJECT, ASSIGND_OPERATION_PREFIX "/1", "org.freedesktop.DBus.Properties",
                                                  "Get", "ss", ASSIGND_OPERATION_INTERFACE, "State"));
        assert_text(fixture, "done", ASSIGND_OPERATION_PREFIX "/66", ASSIGND_OPERATION_INTERFACE, "State");
}
END_TEST

START_TEST(a_step_that_fails_is_undone_and_the_caller_is_told_what_the_kernel_said) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        PciAddress address;

        ck_assert_int_ge(pci_address_parse("0000:02:00.1", &address), 0);
        ck_assert_int_ge(simk_fail(fixture->tree->fd, SIMK_BIND, &address, 1, ENOMEM), 0);
        answer = fixture_call_in_vain(fixture, SD_BUS_ERROR_FAILED, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 0);
        ck_assert_ptr_nonnull(strstr(fixture_error_text(answer), "0000:02:00.1"));
        assert_text(fixture, "e1000e", NIC_0, "Driver");
        assert_text(fixture, "e1000e", NIC_1, "Driver");
        assert_text(fixture, "failed", ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "State");
        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_FAILED, ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE, "Wait",
                                                  "a{sv}", 0));
}
END_TEST

START_TEST(the_trail_tells_what_was_done_and_refused) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *rows = NULL, *page = NULL, *export = NULL;
        const char *first, *second;
        char header[16] = {};
        uint64_t id;
        int fd;

        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_OWNED, MANAGER, "Assign", "sasa{sv}", "vm:web2", 1, "02:00.0", 0));

        rows = fixture_call_well(fixture, MANAGER, "ListAudit", "ta{sv}u", UINT64_C(0), 1, "device", "s", "02:00.1", 0);
        ck_assert_int_gt(sd_bus_message_enter_container(rows, 'a', "(ta{sv})"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(rows, 'r', "ta{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_read(rows, "t", &id), 0);
        ck_assert_uint_eq(id, 1);
        first = message_pass_text(rows, "outcome");
        ck_assert_str_eq(first, "done");
        ck_assert_int_ge(sd_bus_message_exit_container(rows), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(rows, 'r', "ta{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_skip(rows, "t"), 0);
        second = message_pass_text(rows, "error");
        ck_assert_str_eq(second, "Owned");

        page = fixture_call_well(fixture, MANAGER, "ListAudit", "ta{sv}u", UINT64_C(0), 1, "newest_first", "b", 1, 1);
        ck_assert_int_gt(sd_bus_message_enter_container(page, 'a', "(ta{sv})"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(page, 'r', "ta{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_read(page, "t", &id), 0);
        ck_assert_uint_eq(id, 2);

        export = fixture_call_well(fixture, MANAGER, "ExportAudit", "a{sv}", 0);
        ck_assert_int_ge(sd_bus_message_read(export, "h", &fd), 0);
        ck_assert_int_eq(pread(fd, header, 15, 0), 15);
        ck_assert_str_eq(header, "SQLite format 3");
        ck_assert_int_lt(write(fd, "x", 1), 0);
}
END_TEST

START_TEST(the_trail_comes_in_pages) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        uint64_t after = 0;
        unsigned n_rows = 0, n_pages = 0;

        for (unsigned i = 0; i < 25; i++)
                sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_OWNED, MANAGER, "Assign", "sasa{sv}", "vm:web2", 1, "02:00.0", 0));
        for (bool more = true; more; n_pages++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *page = NULL;

                page = fixture_call_well(fixture, MANAGER, "ListAudit", "ta{sv}u", after, 0, 10);
                ck_assert_int_gt(sd_bus_message_enter_container(page, 'a', "(ta{sv})"), 0);
                more = !sd_bus_message_at_end(page, /* complete= */ false);
                while (sd_bus_message_enter_container(page, 'r', "ta{sv}") > 0) {
                        uint64_t id;

                        ck_assert_int_ge(sd_bus_message_read(page, "t", &id), 0);
                        ck_assert_uint_eq(id, ++after); /* without gaps */
                        ck_assert_ptr_nonnull(message_pass_text(page, "verb"));
                        ck_assert_int_ge(sd_bus_message_exit_container(page), 0);
                        n_rows++;
                }
        }
        ck_assert_uint_eq(n_rows, 26);
        ck_assert_uint_eq(n_pages, 4);
}
END_TEST

START_TEST(the_trail_is_filtered_by_what_is_asked_for) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *first = fixture_assign(fixture, "vm:web1", "02:00.0"), *second = fixture_assign(fixture, "vm:web2", "01:00.0");
        static const struct {
                const char *field;
                const char *value;
                unsigned n_rows;
        } filters[] = {
                { "owner", "vm:web1", 1 },   { "owner", "vm:web", 0 },        { "verb", "assign", 2 },  { "verb", "release", 0 },
                { "outcome", "done", 2 },    { "outcome", "refused", 0 },     { "device", "02:00.1", 1 }, { "device", "0000:01:00.0", 1 },
                { "device", "03:00.0", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(filters); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *page = NULL;
                unsigned n = 0;

                page = fixture_call_well(fixture, MANAGER, "ListAudit", "ta{sv}u", UINT64_C(0), 1, filters[i].field, "s", filters[i].value, 0);
                ck_assert_int_gt(sd_bus_message_enter_container(page, 'a', "(ta{sv})"), 0);
                for (; !sd_bus_message_at_end(page, /* complete= */ false); n++)
                        ck_assert_int_ge(sd_bus_message_skip(page, "(ta{sv})"), 0);
                ck_assert_msg(n == filters[i].n_rows, "%s=%s gives %u rows", filters[i].field, filters[i].value, n);
        }
}
END_TEST

BUS_SUITE("bus-assign", plan_names_steps_and_companions_and_changes_nothing, plan_of_what_is_not_viable_is_a_plan_with_blockers,
          assign_takes_the_whole_group_and_release_gives_it_back_exactly, release_works_by_target_and_on_the_assignment_too,
          whom_the_nodes_are_given_to_is_a_property, a_plan_names_whom_the_nodes_go_to, what_nodes_cannot_have_is_refused,
          listeners_hear_an_assignments_whole_life, properties_changed_carries_the_new_values, changes_of_one_turn_are_one_signal,
          devices_that_come_and_go_are_objects_that_come_and_go,
          what_the_kernel_tells_is_told_on_without_a_rescan, open_hands_over_container_group_and_devices,
          open_hands_over_an_iommufd_and_devices, opened_devices_come_in_the_order_of_their_addresses, the_daemon_keeps_no_copy_of_what_it_handed_over,
          more_fds_than_a_message_carries_are_refused_with_advice, the_end_of_a_lease_releases, a_lease_lasts_as_long_as_any_copy_of_it,
          ended_operations_can_be_asked_and_waited_for, only_the_last_ended_operations_stay_objects,
          a_step_that_fails_is_undone_and_the_caller_is_told_what_the_kernel_said, the_trail_tells_what_was_done_and_refused, the_trail_comes_in_pages,
          the_trail_is_filtered_by_what_is_asked_for)
