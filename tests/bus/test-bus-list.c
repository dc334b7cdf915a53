/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the bus shows of a host: lists, objects, properties, introspection, names in and out. */

#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE

/* Counts the items of an a(oa{sv}) and how many have `text` in the entry `key`. */
static unsigned count_items(sd_bus_message *m, const char *key, const char *text, unsigned *ret_matching) {
        unsigned n = 0, matching = 0;

        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "(oa{sv})"), 0);
        while (sd_bus_message_enter_container(m, 'r', "oa{sv}") > 0) {
                const char *path;

                ck_assert_int_ge(sd_bus_message_read_basic(m, 'o', &path), 0);
                matching += string_equal(message_pass_text(m, key), text);
                ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
                n++;
        }
        if (ret_matching)
                *ret_matching = matching;
        return n;
}

START_TEST(lists_hold_every_device_and_group) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *devices = NULL, *groups = NULL, *all = NULL, *assignments = NULL;
        unsigned n_nics, n_at_host;

        devices = fixture_call_well(fixture, MANAGER, "ListDevices", "a{sv}", 0);
        ck_assert_uint_eq(count_items(devices, "Driver", "e1000e", &n_nics), 28);
        ck_assert_uint_eq(n_nics, 6);

        /* Without endpoints: the root ports, the host bridge, the PCIe switch's own port. */
        groups = fixture_call_well(fixture, MANAGER, "ListGroups", "a{sv}", 0);
        ck_assert_uint_eq(count_items(groups, "State", "host", &n_at_host), 11);
        ck_assert_uint_eq(n_at_host, 11);
        all = fixture_call_well(fixture, MANAGER, "ListGroups", "a{sv}", 1, "all", "b", 1);
        ck_assert_uint_eq(count_items(all, "State", "host", NULL), 19);

        assignments = fixture_call_well(fixture, MANAGER, "ListAssignments", "a{sv}", 0);
        ck_assert_uint_eq(count_items(assignments, "State", "active", NULL), 0);

        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Devices"), 28);
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Groups"), 19);
        ck_assert_uint_eq(fixture_get_u32(fixture, MANAGER, "Assignments"), 0);
}
END_TEST

START_TEST(objects_are_found_by_any_form_of_an_address) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *full = NULL, *brief = NULL, *group = NULL;
        _cleanup_free_ char *address = NULL, *its_group = NULL, *other = NULL;
        const char *path;

        full = fixture_call_well(fixture, MANAGER, "GetDevice", "s", "0000:02:00.1");
        ck_assert_int_ge(sd_bus_message_read(full, "o", &path), 0);
        ck_assert_str_eq(path, "/org/assignd1/device/0000_02_00_1");
        address = fixture_get_text(fixture, path, ASSIGND_DEVICE_INTERFACE, "Address");
        ck_assert_str_eq(address, "0000:02:00.1");
        its_group = fixture_get_text(fixture, path, ASSIGND_DEVICE_INTERFACE, "Group");
        ck_assert_str_eq(its_group, "/org/assignd1/group/14");

        brief = fixture_call_well(fixture, MANAGER, "GetDevice", "s", "02:00.1");
        ck_assert_int_ge(sd_bus_message_read(brief, "o", &path), 0);
        ck_assert_str_eq(path, "/org/assignd1/device/0000_02_00_1");

        group = fixture_call_well(fixture, MANAGER, "GetGroup", "u", 14);
        ck_assert_int_ge(sd_bus_message_read(group, "o", &path), 0);
        ck_assert_str_eq(path, "/org/assignd1/group/14");
        ck_assert_uint_eq(fixture_get_u32(fixture, path, ASSIGND_GROUP_INTERFACE, "Number"), 14);
}
END_TEST

START_TEST(paths_that_are_no_object_have_no_properties) {
        static const char *const paths[] = {
                "/org/assignd1/device/0000_02_00_7", "/org/assignd1/device/02_00_0",  "/org/assignd1/device/0000_02_00_00",
                "/org/assignd1/group/14000",         "/org/assignd1/group/014",       "/org/assignd1/group/4294967295",
                "/org/assignd1/group/4294967310",    "/org/assignd1/assignment/1",    "/org/assignd1/operation/1",
                "/org/assignd1/operation/0",         "/org/assignd1/group/14/devices",
        };
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;

                answer = fixture_call_in_vain(fixture, SD_BUS_ERROR_UNKNOWN_OBJECT, paths[i], "org.freedesktop.DBus.Properties", "Get", "ss",
                                              ASSIGND_GROUP_INTERFACE, "Number");
        }
}
END_TEST

START_TEST(explain_tells_who_comes_along_and_what_stands_in_the_way) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *nic = NULL, *chipset = NULL;
        const char *text;

        nic = fixture_call_well(fixture, MANAGER, "Explain", "sa{sv}", "02:00.0", 0);
        text = message_pass_text(nic, "Text");
        ck_assert_ptr_nonnull(strstr(text, "0000:02:00.1"));
        ck_assert_ptr_nonnull(strstr(text, "Group 14 is viable"));

        chipset = fixture_call_well(fixture, MANAGER, "Explain", "sa{sv}", "group:9", 0);
        text = message_pass_text(chipset, "Text");
        ck_assert_ptr_nonnull(strstr(text, "Group 9 is not viable"));
        ck_assert_ptr_nonnull(strstr(text, "host-driver-stays: 0000:00:1f.0"));
}
END_TEST

START_TEST(a_device_without_a_group_is_shown_and_explained) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });
        const char *path = ASSIGND_DEVICE_PREFIX "/0000_0b_00_0";
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_free_ char *group = NULL;

        ck_assert_int_ge(treegen_add_device(fixture->tree->fd, &(TreeDevice){ .address = "0000:0b:00.0", .parent = "0000:00:07.0", .vendor = 0x8086,
                                                                              .device = 0x10d3, .class = 0x020000, .group = TREEGEN_NO_GROUP }), 0);
        fixture_start_daemon(fixture);
        group = fixture_get_text(fixture, path, ASSIGND_DEVICE_INTERFACE, "Group");
        ck_assert_str_eq(group, "/");
        ck_assert_uint_eq(fixture_get_u32(fixture, path, ASSIGND_DEVICE_INTERFACE, "GroupNumber"), UINT32_MAX);

        answer = fixture_call_well(fixture, MANAGER, "Explain", "sa{sv}", "0b:00.0", 0);
        ck_assert_uint_eq(message_count(answer, "Blockers", "code", "no-iommu"), 1);
        ck_assert_uint_eq(message_count(answer, "Members", "Address", NULL), 0);
        ck_assert_ptr_nonnull(strstr(message_get_text(answer, "Text"), "in no IOMMU group"));
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_NOT_VIABLE, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "0b:00.0", 0));
}
END_TEST

START_TEST(a_virtual_function_and_its_parent_know_each_other) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_free_ char *parent = NULL, *functions = NULL, *resets = NULL;

        parent = fixture_get_text(fixture, ASSIGND_DEVICE_PREFIX "/0000_05_00_1", ASSIGND_DEVICE_INTERFACE, "PhysicalFunction");
        ck_assert_str_eq(parent, "0000:05:00.0");
        answer = fixture_call_well(fixture, ASSIGND_DEVICE_PREFIX "/0000_05_00_0", "org.freedesktop.DBus.Properties", "GetAll", "s",
                                   ASSIGND_DEVICE_INTERFACE);
        functions = message_get_texts(answer, "VirtualFunctions");
        ck_assert_str_eq(functions, "0000:05:00.1 0000:05:00.2");
        resets = message_get_texts(answer, "ResetMethods");
        ck_assert_str_eq(resets, "flr bus");
        ck_assert_str_eq(message_get_text(answer, "Vendor"), "1b36");
        ck_assert_str_eq(message_get_text(answer, "Class"), "010802");
        ck_assert_str_eq(message_get_text(answer, "Revision"), "02");
        ck_assert_str_eq(message_get_text(answer, "PhysicalFunction"), "");
}
END_TEST

START_TEST(groups_list_their_members_in_one_call) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *list = NULL, *group = NULL;
        unsigned n_members = 0, n_devices = 0;

        list = fixture_call_well(fixture, MANAGER, "ListGroups", "a{sv}", 1, "all", "b", 1);
        ck_assert_int_gt(sd_bus_message_enter_container(list, 'a', "(oa{sv})"), 0);
        while (sd_bus_message_enter_container(list, 'r', "oa{sv}") > 0) {
                ck_assert_int_ge(sd_bus_message_skip(list, "o"), 0);
                n_members += message_pass_count(list, "Members", "Address", NULL);
                ck_assert_int_ge(sd_bus_message_exit_container(list), 0);
        }
        group = fixture_call_well(fixture, MANAGER, "ListDevices", "a{sv}", 0);
        n_devices = count_items(group, "Role", "endpoint", NULL);
        ck_assert_uint_eq(n_members, n_devices);
}
END_TEST

/* "  <interface name="X"> ... </interface>" of an introspection. */
static char *cut_interface(const char *xml, const char *interface) {
        _cleanup_free_ char *head = NULL;
        const char *begin, *end;

        ck_assert_int_ge(string_format(&head, " <interface name=\"%s\">\n", interface), 0);
        begin = strstr(xml, head);
        ck_assert_msg(begin, "no %s", interface);
        end = strstr(begin, "\n </interface>");
        ck_assert_ptr_nonnull(end);
        return strndup(begin, (size_t) (end - begin) + strlen("\n </interface>"));
}

START_TEST(introspection_is_what_the_shipped_interface_files_say) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        const struct {
                const char *path;
                const char *interface;
        } objects[] = {
                { ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE },
                { ASSIGND_DEVICE_PREFIX "/0000_02_00_0", ASSIGND_DEVICE_INTERFACE },
                { ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE },
                { assignment, ASSIGND_ASSIGNMENT_INTERFACE },
                { ASSIGND_OPERATION_PREFIX "/1", ASSIGND_OPERATION_INTERFACE },
        };

        for (size_t i = 0; i < ELEMENTSOF(objects); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
                _cleanup_free_ char *file = NULL, *shipped = NULL, *path = NULL, *spoken = NULL;
                const char *xml;

                answer = fixture_call_well(fixture, objects[i].path, "org.freedesktop.DBus.Introspectable", "Introspect", "");
                ck_assert_int_ge(sd_bus_message_read(answer, "s", &xml), 0);
                spoken = cut_interface(xml, objects[i].interface);

                ck_assert_int_ge(string_format(&path, SOURCE_ROOT "/dbus/%s.xml", objects[i].interface), 0);
                ck_assert_int_ge(attribute_read_alloc_at(AT_FDCWD, path, &file), 0);
                shipped = cut_interface(file, objects[i].interface);
                if (string_equal(shipped, spoken))
                        continue;
                fputs(spoken, stderr);
                ck_abort_msg("%s does not hold what was printed above", path);
        }
}
END_TEST

START_TEST(all_objects_are_enumerated) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        unsigned n[4] = {};
        const char *path;

        answer = fixture_call_well(fixture, ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "");
        ck_assert_int_gt(sd_bus_message_enter_container(answer, 'a', "{oa{sa{sv}}}"), 0);
        while (sd_bus_message_enter_container(answer, 'e', "oa{sa{sv}}") > 0) {
                ck_assert_int_ge(sd_bus_message_read_basic(answer, 'o', &path), 0);
                n[0] += strncmp(path, ASSIGND_DEVICE_PREFIX "/", strlen(ASSIGND_DEVICE_PREFIX) + 1) == 0;
                n[1] += strncmp(path, ASSIGND_GROUP_PREFIX "/", strlen(ASSIGND_GROUP_PREFIX) + 1) == 0;
                n[2] += string_equal(path, assignment);
                n[3] += string_equal(path, ASSIGND_OPERATION_PREFIX "/1");
                ck_assert_int_ge(sd_bus_message_skip(answer, "a{sa{sv}}"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(answer), 0);
        }
        ck_assert_uint_eq(n[0], 28);
        ck_assert_uint_eq(n[1], 19);
        ck_assert_uint_eq(n[2], 1);
        ck_assert_uint_eq(n[3], 1);
}
END_TEST

START_TEST(ten_thousand_devices_fit_into_every_answer) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .host = FIXTURE_BIG });
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *groups = NULL, *devices = NULL, *objects = NULL;
        unsigned n = 0;

        groups = fixture_call_well(fixture, MANAGER, "ListGroups", "a{sv}", 1, "all", "b", 1);
        ck_assert_uint_eq(count_items(groups, "State", "host", NULL), 4000);
        devices = fixture_call_well(fixture, MANAGER, "ListDevices", "a{sv}", 0);
        ck_assert_uint_eq(count_items(devices, "Role", "endpoint", NULL), 10000);

        objects = fixture_call_well(fixture, ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "");
        ck_assert_int_gt(sd_bus_message_enter_container(objects, 'a', "{oa{sa{sv}}}"), 0);
        for (; !sd_bus_message_at_end(objects, /* complete= */ false); n++)
                ck_assert_int_ge(sd_bus_message_skip(objects, "{oa{sa{sv}}}"), 0);
        ck_assert_uint_ge(n, 14000);
}
END_TEST

START_TEST(the_host_is_checked_finding_by_finding) {
        static const char *const codes[] = { "iommu", "interrupt-remapping", "passthrough", "vfio", "backend", "shape", "policy", "daemon", "assignable" };
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){});

        for (size_t i = 0; i < ELEMENTSOF(codes); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "CheckHost",
                                                                                           "a{sv}", 0);
                unsigned n = 0;

                ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
                while (!sd_bus_message_at_end(reply, /* complete= */ false))
                        n += string_equal(message_pass_text(reply, "code"), codes[i]);
                ck_assert_msg(n == 1, "%u findings %s", n, codes[i]);
        }
}
END_TEST

BUS_SUITE("bus-list", the_host_is_checked_finding_by_finding, lists_hold_every_device_and_group, objects_are_found_by_any_form_of_an_address, paths_that_are_no_object_have_no_properties,
          explain_tells_who_comes_along_and_what_stands_in_the_way, a_device_without_a_group_is_shown_and_explained,
          a_virtual_function_and_its_parent_know_each_other, groups_list_their_members_in_one_call, introspection_is_what_the_shipped_interface_files_say, all_objects_are_enumerated,
          ten_thousand_devices_fit_into_every_answer)
