/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Facts follow the host, rows follow the facts, and the observer hears of each difference once. */

#include <sqlite3.h>
#include <string.h>
#include <sys/socket.h>

#include "base/strutil.h"
#include "daemon-scene.h"

#define BURST 200U

static Manager *manager(void) {
        return daemon_scene.manager;
}

static const Device *device_at(const PciAddress *address) {
        return facts_find_device(manager_facts(manager()), address);
}

static const Group *group_number(uint32_t number) {
        return facts_find_group(manager_facts(manager()), number);
}

static void emit(const char *action, const PciAddress *address) {
        ck_assert_int_eq(simk_emit(daemon_scene.root, action, address), 0);
}

START_TEST(the_first_look_finds_and_records_the_whole_host) {
        char expected[64];

        scene_start();
        (void) snprintf(expected, sizeof(expected), "%zu\n", manager_facts(manager())->n_devices);
        assert_rows("SELECT count(*) FROM known_devices WHERE present = 'yes'", expected);
        (void) snprintf(expected, sizeof(expected), "%zu\n", manager_facts(manager())->n_groups);
        assert_rows("SELECT count(DISTINCT group_number) FROM group_members WHERE until IS NULL", expected);
        ck_assert_uint_eq(count_heard("device "), manager_facts(manager())->n_devices);
        assert_heard("device 0000:02:00.0 new");
        assert_heard("group 14 new host");
        ck_assert(strstr(daemon_scene.heard, "device 0000:02:00.0 new") < strstr(daemon_scene.heard, "ready"));
}
END_TEST

START_TEST(a_device_that_appears_is_known_with_its_group) {
        const PciAddress address = { .bus = 0x30 };
        const TreeDevice device = { "0000:30:00.0", NULL, 0x8086, 0x10d3, 0, 0, 0x020000, 0, 40, NULL, NULL, "flr", -1 };

        scene_start();
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &device), 0);
        emit("add", &address);
        AWAIT(count_heard("device 0000:30:00.0 new") > 0);
        ck_assert_uint_eq(device_at(&address)->group, 40);
        ck_assert_uint_eq(group_number(40)->n_devices, 1);
        ck_assert_ptr_eq(group_number(40)->devices[0], device_at(&address));
        assert_heard("group 40 new host");
        assert_rows("SELECT event FROM device_history WHERE address = '0000:30:00.0'", "appeared\n");
        assert_rows("SELECT member FROM group_members WHERE group_number = 40 AND until IS NULL", "0000:30:00.0\n");
}
END_TEST

START_TEST(a_device_that_vanishes_takes_its_empty_group_along) {
        scene_start();
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:01:00.0"), 0);
        emit("remove", &single);
        AWAIT(count_heard("device 0000:01:00.0 gone") > 0);
        ck_assert_ptr_null(device_at(&single));
        ck_assert_ptr_null(group_number(13));
        assert_heard("group 13 gone");
        assert_rows("SELECT event FROM device_history WHERE address = '0000:01:00.0' ORDER BY at_usec", "appeared\nvanished\n");
        assert_rows("SELECT count(*) FROM group_members WHERE group_number = 13 AND until IS NULL", "0\n");
}
END_TEST

START_TEST(a_member_that_vanishes_leaves_its_group_to_the_other) {
        scene_start();
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.1"), 0);
        emit("remove", &mate);
        AWAIT(count_heard("device 0000:02:00.1 gone") > 0);
        ck_assert_uint_eq(group_number(NIC_GROUP)->n_devices, 1);
        ck_assert_ptr_eq(group_number(NIC_GROUP)->devices[0], device_at(&nic));
        assert_heard("group 14 changed host");
        assert_rows("SELECT member FROM group_members WHERE group_number = 14 AND until IS NULL", "0000:02:00.0\n");
}
END_TEST

START_TEST(another_device_at_the_same_address_replaces_the_first) {
        const TreeDevice other = { "0000:01:00.0", "0000:00:02.0", 0x10ec, 0x8168, 0, 0, 0x020000, 0, 41, NULL, NULL, "flr", -1 };

        scene_start();
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:01:00.0"), 0);
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &other), 0);
        emit("remove", &single);
        emit("add", &single);
        AWAIT(count_heard("device 0000:01:00.0 changed") > 0);
        ck_assert_uint_eq(device_at(&single)->identity.vendor, 0x10ec);
        ck_assert_uint_eq(device_at(&single)->group, 41);
        ck_assert_ptr_null(group_number(13));
        assert_heard("group 13 gone");
        assert_heard("group 41 new host");
        assert_rows("SELECT vendor FROM devices WHERE address = '0000:01:00.0' AND present = 1", "4332\n");
        assert_rows("SELECT vendor FROM devices WHERE address = '0000:01:00.0' AND present = 0", "32902\n");
}
END_TEST

START_TEST(a_driver_change_is_told_and_leaves_the_rows_alone) {
        _cleanup_free_ char *rows_before = NULL, *rows_after = NULL;

        scene_start();
        rows_before = answer("SELECT count(*), max(at_usec) FROM shape_changes");
        forget_heard();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &single, "e1000e"), 0); /* which emits */
        AWAIT(count_heard("device 0000:01:00.0 changed") > 0);
        ck_assert_ptr_null(device_at(&single)->driver);
        assert_heard("group 13 changed host");
        rows_after = answer("SELECT count(*), max(at_usec) FROM shape_changes");
        ck_assert_str_eq(rows_before, rows_after);
}
END_TEST

START_TEST(what_did_not_change_is_not_told) {
        scene_start();
        forget_heard();
        emit("change", &single);
        emit("change", &nic);
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "e1000e"), 0);
        AWAIT(count_heard("device 0000:02:00.1 changed") > 0);
        ck_assert_uint_eq(count_heard("device"), 1);
        ck_assert_int_eq(manager_rescan(manager()), 0);
        ck_assert_uint_eq(count_heard("device"), 1);
}
END_TEST

START_TEST(many_uevents_of_one_device_are_one_look) {
        scene_start();
        forget_heard();
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &single, "e1000e"), 0);
        for (unsigned i = 0; i < 8; i++)
                emit("change", &single);
        ck_assert_uint_eq(manager()->inventory.n_dirty, 0);
        AWAIT(count_heard("device 0000:01:00.0 changed") > 0);
        loop_drain();
        ck_assert_uint_eq(count_heard("device"), 1);
        ck_assert_uint_eq(manager()->inventory.n_dirty, 0);
}
END_TEST

START_TEST(a_device_that_comes_and_goes_within_a_burst_was_never_there) {
        const PciAddress address = { .bus = 0x30 };
        const TreeDevice device = { "0000:30:00.0", NULL, 0x8086, 0x10d3, 0, 0, 0x020000, 0, 40, NULL, NULL, "flr", -1 };

        scene_start();
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &device), 0);
        emit("add", &address);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:30:00.0"), 0);
        emit("remove", &address);
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &single, "e1000e"), 0);
        AWAIT(count_heard("device 0000:01:00.0 changed") > 0);
        ck_assert_uint_eq(count_heard("device 0000:30:00.0"), 0);
        ck_assert_uint_eq(count_heard("group 40"), 0);
        ck_assert_ptr_null(group_number(40));
}
END_TEST

/* More than a socket's queue holds at once: the loop runs in between. */
static void make_and_emit(unsigned i) {
        const PciAddress address = { .domain = 1, .bus = (uint8_t) (i / 32), .slot = (uint8_t) (i % 32) };
        const TreeDevice device = { PCI_ADDRESS_FORMAT(&address), NULL, 0x8086, 0x1572, 0, 0, 0x020000, 0, 100 + i, NULL, NULL, "flr", -1 };

        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &device), 0);
        emit("add", &address);
        if (i % 8 == 7)
                loop_drain();
}

static void set_refresh_time(uint64_t usec) {
        ck_assert_int_ge(sd_event_source_set_time_relative(manager()->inventory.refresh_source, usec), 0);
}

START_TEST(a_burst_of_many_devices_is_found_whole) {
        char expected[64];
        size_t before;

        scene_start();
        before = manager_facts(manager())->n_devices;
        forget_heard();
        emit("change", &single);
        AWAIT(manager()->inventory.n_dirty == 1);
        set_refresh_time(USEC_PER_SEC * 3600); /* however long the burst takes here, it is one */
        for (unsigned i = 0; i < BURST; i++)
                make_and_emit(i);
        loop_drain();
        set_refresh_time(0);
        AWAIT(manager_facts(manager())->n_devices == before + BURST);
        ck_assert_uint_eq(count_heard("device 0001:"), BURST);
        (void) snprintf(expected, sizeof(expected), "%zu\n", before + BURST);
        assert_rows("SELECT count(*) FROM devices WHERE present = 1", expected);
        assert_rows("SELECT count(*) FROM device_history WHERE event = 'appeared' AND address LIKE '0001:%'", "200\n");
}
END_TEST

START_TEST(lost_uevents_lead_to_a_look_at_everything) {
        static const char too_long[16384] = "add@/devices/pci0000:00/0000:00:01.0";
        struct iovec data = { (void *) too_long, sizeof(too_long) };
        struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
        int ends[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        daemon_scene.config.uevent_socket = "";
        scene_start();
        /* A monitor of the test's own in place of none: what it cannot take whole counts as lost. */
        ck_assert_int_eq(inventory_start(&manager()->inventory, /* watch= */ true, ends[0]), 0);
        forget_heard();
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:01:00.0"), 0);
        ck_assert_int_ge(treegen_set_override(daemon_scene.root, "0000:02:00.0", "vfio-pci"), 0);
        ck_assert_int_ge(sendmsg(ends[1], &message, 0), 0);
        AWAIT(count_heard("device 0000:01:00.0 gone") > 0);
        assert_heard("device 0000:02:00.0 changed");
        assert_heard("group 13 gone");
        safe_close(ends[1]);
}
END_TEST

START_TEST(a_move_to_another_group_changes_both) {
        const TreeDevice moved = { "0000:02:00.1", "0000:00:03.0", 0x8086, 0x10d3, 0x8086, 0, 0x020000, 0, 45, NULL, NULL, "flr", -1 };

        scene_start();
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:02:00.1"), 0);
        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &moved), 0);
        emit("add", &mate);
        AWAIT(count_heard("device 0000:02:00.1 changed") > 0);
        ck_assert_uint_eq(group_number(NIC_GROUP)->n_devices, 1);
        ck_assert_uint_eq(group_number(45)->n_devices, 1);
        assert_heard("group 14 changed host");
        assert_heard("group 45 new host");
        assert_rows("SELECT group_number FROM group_members WHERE member = '0000:02:00.1' AND until IS NULL", "45\n");
}
END_TEST

START_TEST(rows_that_could_not_be_written_catch_up_with_the_next_change) {
        sqlite3 *sqlite = NULL;

        scene_start();
        ck_assert_int_eq(sqlite3_open_v2(daemon_scene.database_path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:01:00.0"), 0);
        emit("remove", &single);
        AWAIT(count_heard("device 0000:01:00.0 gone") > 0);
        AWAIT(manager()->inventory.rows_are_behind);
        ck_assert_int_eq(sqlite3_exec(sqlite, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(sqlite), SQLITE_OK);
        assert_rows("SELECT present FROM devices WHERE address = '0000:01:00.0'", "1\n");

        ck_assert_int_eq(simk_unbind(daemon_scene.root, &mate, "e1000e"), 0);
        AWAIT(count_heard("device 0000:02:00.1 changed") > 0);
        AWAIT(!manager()->inventory.rows_are_behind);
        assert_rows("SELECT present FROM devices WHERE address = '0000:01:00.0'", "0\n");
}
END_TEST

START_TEST(a_host_that_changed_while_nobody_looked_is_recorded_at_the_start) {
        scene_start();
        scene_stop();
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:01:00.0"), 0);
        scene_start();
        assert_rows("SELECT event FROM device_history WHERE address = '0000:01:00.0' ORDER BY at_usec", "appeared\nvanished\n");
}
END_TEST

static int make_nothing(int root_fd) {
        return 0;
}

START_TEST(a_host_without_devices_is_a_host) {
        scene_replace_tree(make_nothing, /* iommufd= */ false);
        scene_start();
        ck_assert_uint_eq(manager_facts(manager())->n_devices, 0);
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", NULL), REFUSAL_NO_SUCH_DEVICE, "0000:01:00.0");
}
END_TEST

DAEMON_SUITE("inventory",
             the_first_look_finds_and_records_the_whole_host,
             a_device_that_appears_is_known_with_its_group,
             a_device_that_vanishes_takes_its_empty_group_along,
             a_member_that_vanishes_leaves_its_group_to_the_other,
             another_device_at_the_same_address_replaces_the_first,
             a_driver_change_is_told_and_leaves_the_rows_alone,
             what_did_not_change_is_not_told,
             many_uevents_of_one_device_are_one_look,
             a_device_that_comes_and_goes_within_a_burst_was_never_there,
             a_burst_of_many_devices_is_found_whole,
             lost_uevents_lead_to_a_look_at_everything,
             a_move_to_another_group_changes_both,
             rows_that_could_not_be_written_catch_up_with_the_next_change,
             a_host_that_changed_while_nobody_looked_is_recorded_at_the_start,
             a_host_without_devices_is_a_host)
