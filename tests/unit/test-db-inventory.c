/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <time.h>

#include "db-scene.h"
#include "db/inventory.h"

#define NIC .vendor = 0x8086, .device = 0x10d3, .subsystem_vendor = 0x8086, .subsystem_device = 0xa01f, .class = 0x020000, .name = "NIC"
#define DISK .vendor = 0x1b36, .device = 0x0010, .class = 0x010802

#define MEMBERS(...) (const char *const[]){ __VA_ARGS__, NULL }

/* Two functions of a NIC in group 14, a disk in group 15, a bridge without a group, and a member that is no PCI function. */
static const DbDevice devices[] = {
        { .address = "0000:00:1f.0", .vendor = 0x8086, .device = 0x2918, .class = 0x060100, .group = -1 },
        { .address = "0000:02:00.0", NIC, .group = 14 },
        { .address = "0000:02:00.1", NIC, .revision = 1, .group = 14 },
        { .address = "0000:03:00.0", DISK, .group = 15 },
};

static const DbGroup groups[] = {
        { 14, MEMBERS("0000:02:00.0", "0000:02:00.1") },
        { 15, MEMBERS("0000:03:00.0") },
        { 3, MEMBERS("dmar0") },
};

static size_t sync_all(uint64_t now_usec, const DbDevice *d, size_t n_devices, const DbGroup *g, size_t n_groups) {
        size_t n_changes = SIZE_MAX;

        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_inventory_sync(scene.db, now_usec, d, n_devices, g, n_groups, &n_changes), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
        return n_changes;
}

static size_t sync_host(uint64_t now_usec) {
        return sync_all(now_usec, devices, ELEMENTSOF(devices), groups, ELEMENTSOF(groups));
}

static void update_device(uint64_t now_usec, const char *address, const DbDevice *device) {
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_inventory_update_device(scene.db, now_usec, address, device), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
}

static void update_group(uint64_t now_usec, uint32_t number, const DbGroup *group) {
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_inventory_update_group(scene.db, now_usec, number, group), 0);
        ck_assert_int_eq(db_commit(scene.db), 0);
}

static void assert_changes_since(uint64_t usec, const char *expected) {
        char sql[256];

        (void) snprintf(sql, sizeof(sql), "SELECT event, address, group_number, detail FROM shape_changes WHERE at_usec >= %llu ORDER BY id",
                        (unsigned long long) usec);
        assert_answer(sql, expected);
}

START_TEST(the_first_scan_finds_everything_new) {
        scene_open(BOOT_ONE);
        ck_assert_uint_eq(sync_host(TUESDAY), 7);
        assert_changes_since(0, "group-appeared||3|dmar0\n"
                                "group-appeared||14|0000:02:00.0 0000:02:00.1\n"
                                "group-appeared||15|0000:03:00.0\n"
                                "appeared|0000:00:1f.0||8086:2918\n"
                                "appeared|0000:02:00.0|14|8086:10d3 NIC\n"
                                "appeared|0000:02:00.1|14|8086:10d3 NIC\n"
                                "appeared|0000:03:00.0|15|1b36:0010\n");
        assert_answer("SELECT address, ids, class, revision, name, group_number, present, first_seen = last_seen FROM known_devices",
                      "0000:00:1f.0|8086:2918|060100|00|||yes|1\n0000:02:00.0|8086:10d3|020000|00|NIC|14|yes|1\n"
                      "0000:02:00.1|8086:10d3|020000|01|NIC|14|yes|1\n0000:03:00.0|1b36:0010|010802|00||15|yes|1\n");
}
END_TEST

START_TEST(an_unchanged_host_changes_nothing_but_when_it_was_seen) {
        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        ck_assert_uint_eq(sync_host(TUESDAY + HOUR), 0);
        scene_close();
        scene_open(BOOT_TWO);
        ck_assert_uint_eq(sync_host(TUESDAY + DAY), 0);
        assert_answer("SELECT DISTINCT first_seen, last_seen FROM known_devices", "2026-11-17T09:30:00.000000Z|2026-11-18T09:30:00.000000Z\n");
        assert_answer("SELECT count(*) FROM shape_changes", "7\n");
}
END_TEST

START_TEST(the_order_of_what_is_found_does_not_matter) {
        DbDevice backwards[ELEMENTSOF(devices)];
        DbGroup groups_backwards[ELEMENTSOF(groups)];

        for (size_t i = 0; i < ELEMENTSOF(devices); i++)
                backwards[i] = devices[ELEMENTSOF(devices) - 1 - i];
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                groups_backwards[i] = groups[ELEMENTSOF(groups) - 1 - i];
        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        ck_assert_uint_eq(sync_all(TUESDAY + 1, backwards, ELEMENTSOF(devices), groups_backwards, ELEMENTSOF(groups)), 0);
}
END_TEST

START_TEST(what_a_scan_misses_was_last_seen_at_the_scan_before) {
        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        (void) sync_host(TUESDAY + HOUR);
        ck_assert_uint_eq(sync_all(TUESDAY + DAY, devices, 3, groups, 1), 3);
        assert_changes_since(TUESDAY + DAY, "group-vanished||3|dmar0\ngroup-vanished||15|0000:03:00.0\nvanished|0000:03:00.0|15|1b36:0010\n");
        assert_answer("SELECT present, first_seen, last_seen FROM known_devices WHERE address = '0000:03:00.0'",
                      "no|2026-11-17T09:30:00.000000Z|2026-11-17T10:30:00.000000Z\n");
        assert_answer("SELECT present, last_usec - 1794907800000000 FROM groups WHERE number = 15", "0|3600000000\n");
}
END_TEST

START_TEST(what_came_after_the_last_scan_was_seen_when_it_came) {
        scene_open(BOOT_ONE);
        (void) sync_all(TUESDAY, devices, 3, groups, 1);
        update_device(TUESDAY + 5, "0000:03:00.0", devices + 3);
        (void) sync_all(TUESDAY + DAY, devices, 3, groups, 1);
        assert_answer("SELECT first_usec - 1794907800000000, last_usec - 1794907800000000 FROM devices WHERE present = 0", "5|5\n");
}
END_TEST

START_TEST(what_comes_back_is_the_same_device) {
        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        (void) sync_all(TUESDAY + HOUR, devices, 3, groups, 1);
        ck_assert_uint_eq(sync_host(TUESDAY + 2 * HOUR), 3);
        assert_answer("SELECT count(*), first_seen, last_seen, present FROM known_devices WHERE address = '0000:03:00.0'",
                      "1|2026-11-17T09:30:00.000000Z|2026-11-17T11:30:00.000000Z|yes\n");
        assert_answer("SELECT count(*) FROM groups", "3\n");
        assert_answer("SELECT event FROM device_history WHERE address = '0000:03:00.0' ORDER BY at", "appeared\nvanished\nappeared\n");
}
END_TEST

START_TEST(another_device_at_the_same_address_is_another_device) {
        static const struct {
                DbDevice device;
                const char *detail;
        } others[] = {
                { { .address = "0000:03:00.0", .vendor = 0x144d, .device = 0xa808, .class = 0x010802, .group = 15 },
                  "1b36:0010 (subsystem 0000:0000, class 010802, rev 00) by 144d:a808 (subsystem 0000:0000, class 010802, rev 00)" },
                { { .address = "0000:03:00.0", DISK, .revision = 2, .group = 15 },
                  "1b36:0010 (subsystem 0000:0000, class 010802, rev 00) by 1b36:0010 (subsystem 0000:0000, class 010802, rev 02)" },
                { { .address = "0000:03:00.0", DISK, .subsystem_device = 1, .group = 15 },
                  "1b36:0010 (subsystem 0000:0000, class 010802, rev 00) by 1b36:0010 (subsystem 0000:0001, class 010802, rev 00)" },
        };

        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                DbDevice found[ELEMENTSOF(devices)];
                char expected[256];

                memcpy(found, devices, sizeof(found));
                found[3] = others[i].device;
                ck_assert_uint_eq(sync_all(TUESDAY + (2 * i + 1) * HOUR, found, ELEMENTSOF(found), groups, ELEMENTSOF(groups)), 1);
                (void) snprintf(expected, sizeof(expected), "replaced|0000:03:00.0|15|%s\n", others[i].detail);
                assert_changes_since(TUESDAY + (2 * i + 1) * HOUR, expected);
                assert_answer("SELECT count(*) FROM known_devices WHERE address = '0000:03:00.0' AND present = 'yes'", "1\n");
                ck_assert_uint_eq(sync_host(TUESDAY + (2 * i + 2) * HOUR), 1);
        }
        assert_answer("SELECT count(*) FROM known_devices WHERE address = '0000:03:00.0'", "4\n");
}
END_TEST

START_TEST(a_new_name_is_no_change_of_shape) {
        DbDevice found[ELEMENTSOF(devices)];

        memcpy(found, devices, sizeof(found));
        found[3].name = "QEMU NVM Express Controller";
        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        ck_assert_uint_eq(sync_all(TUESDAY + 1, found, ELEMENTSOF(found), groups, ELEMENTSOF(groups)), 0);
        assert_answer("SELECT name FROM known_devices WHERE address = '0000:03:00.0'", "QEMU NVM Express Controller\n");
        assert_answer("SELECT name FROM known_devices WHERE address = '0000:02:00.0'", "NIC\n");
}
END_TEST

START_TEST(other_members_under_the_same_number_are_a_reshaped_group) {
        DbDevice found[] = { devices[0], devices[1], devices[2], devices[3], { .address = "0000:02:00.2", NIC, .group = 14 } };
        const DbGroup reshaped[] = { { 14, MEMBERS("0000:02:00.0", "0000:02:00.1", "0000:02:00.2") }, groups[1], groups[2] };

        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        ck_assert_uint_eq(sync_all(TUESDAY + HOUR, found, ELEMENTSOF(found), reshaped, ELEMENTSOF(reshaped)), 2);
        assert_changes_since(TUESDAY + HOUR, "group-reshaped||14|from 0000:02:00.0 0000:02:00.1 to 0000:02:00.0 0000:02:00.1 0000:02:00.2\n"
                                             "appeared|0000:02:00.2|14|8086:10d3 NIC\n");
        assert_answer("SELECT member, since_usec - 1794907800000000, until_usec - 1794907800000000 FROM group_members WHERE group_number = 14"
                      " ORDER BY since_usec, member",
                      "0000:02:00.0|0|3600000000\n0000:02:00.1|0|3600000000\n0000:02:00.0|3600000000|\n0000:02:00.1|3600000000|\n0000:02:00.2|3600000000|\n");
        assert_answer("SELECT event FROM device_history WHERE address = '0000:02:00.0' ORDER BY at", "appeared\ngroup-reshaped\n");
}
END_TEST

START_TEST(the_same_members_under_another_number_did_not_move) {
        DbDevice found[ELEMENTSOF(devices)];
        const DbGroup renumbered[] = { { 15, groups[0].members }, { 14, groups[1].members }, groups[2] };

        memcpy(found, devices, sizeof(found));
        found[1].group = found[2].group = 15;
        found[3].group = 14;
        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        scene_close();
        scene_open(BOOT_TWO);
        ck_assert_uint_eq(sync_all(TUESDAY + HOUR, found, ELEMENTSOF(found), renumbered, ELEMENTSOF(renumbered)), 2);
        assert_changes_since(TUESDAY + HOUR, "group-renumbered||15|group 14 is now group 15: 0000:02:00.0 0000:02:00.1\n"
                                             "group-renumbered||14|group 15 is now group 14: 0000:03:00.0\n");
        assert_answer("SELECT address, group_number FROM known_devices", "0000:00:1f.0|\n0000:02:00.0|15\n0000:02:00.1|15\n0000:03:00.0|14\n");
        assert_answer("SELECT event, detail FROM device_history WHERE address = '0000:03:00.0' ORDER BY at",
                      "appeared|1b36:0010\ngroup-renumbered|group 15 is now group 14: 0000:03:00.0\n");
        ck_assert_uint_eq(sync_all(TUESDAY + 2 * HOUR, found, ELEMENTSOF(found), renumbered, ELEMENTSOF(renumbered)), 0);
}
END_TEST

START_TEST(a_device_in_another_group_has_moved) {
        DbDevice found[ELEMENTSOF(devices)];
        const DbGroup moved[] = { { 14, MEMBERS("0000:02:00.0") }, { 15, MEMBERS("0000:02:00.1", "0000:03:00.0") }, groups[2] };

        memcpy(found, devices, sizeof(found));
        found[0].group = 3;
        found[2].group = 15;
        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        ck_assert_uint_eq(sync_all(TUESDAY + HOUR, found, ELEMENTSOF(found), moved, ELEMENTSOF(moved)), 4);
        assert_changes_since(TUESDAY + HOUR, "group-reshaped||14|from 0000:02:00.0 0000:02:00.1 to 0000:02:00.0\n"
                                             "group-reshaped||15|from 0000:03:00.0 to 0000:02:00.1 0000:03:00.0\n"
                                             "moved|0000:00:1f.0|3|into group 3\n"
                                             "moved|0000:02:00.1|15|from group 14 to group 15\n");
}
END_TEST

START_TEST(yesterdays_host_can_be_asked_for) {
        const DbGroup later[] = { { 14, MEMBERS("0000:02:00.0") } };

        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        (void) sync_all(TUESDAY + DAY, devices + 1, 1, later, 1);
        assert_answer("SELECT member FROM group_members WHERE group_number = 14 AND since < '2026-11-18' AND ifnull(until, '9') > '2026-11-18' ORDER BY member",
                      "0000:02:00.0\n0000:02:00.1\n");
        assert_answer("SELECT member FROM group_members WHERE group_number = 14 AND until IS NULL", "0000:02:00.0\n");
        assert_answer("SELECT address FROM known_devices WHERE present = 'no'", "0000:00:1f.0\n0000:02:00.1\n0000:03:00.0\n");
}
END_TEST

START_TEST(an_empty_host_is_a_host) {
        scene_open(BOOT_ONE);
        ck_assert_uint_eq(sync_all(TUESDAY, NULL, 0, NULL, 0), 0);
        (void) sync_host(TUESDAY + 1);
        ck_assert_uint_eq(sync_all(TUESDAY + 2, NULL, 0, NULL, 0), 7);
        ck_assert_uint_eq(sync_all(TUESDAY + 3, NULL, 0, &(DbGroup){ 14, (const char *const[]){ NULL } }, 1), 0);
}
END_TEST

START_TEST(what_is_there_twice_is_refused) {
        DbDevice twice[] = { devices[1], devices[3], devices[1] };
        DbGroup groups_twice[] = { { 14, MEMBERS("a") }, { 14, MEMBERS("b") } };

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_inventory_sync(scene.db, TUESDAY, twice, ELEMENTSOF(twice), NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(db_commit(scene.db), -EINVAL);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(db_inventory_sync(scene.db, TUESDAY, NULL, 0, groups_twice, 2, NULL), -EINVAL);
        db_rollback(scene.db);
        assert_answer("SELECT count(*) FROM shape_changes", "0\n");
}
END_TEST

START_TEST(one_device_comes_changes_and_goes) {
        DbDevice other = devices[3];

        scene_open(BOOT_ONE);
        (void) sync_all(TUESDAY, devices, 3, groups, 1);
        update_device(TUESDAY + 1, "0000:03:00.0", devices + 3);
        update_device(TUESDAY + 2, "0000:03:00.0", devices + 3);
        other.revision = 7;
        update_device(TUESDAY + 3, "0000:03:00.0", &other);
        other.group = 16;
        update_device(TUESDAY + 4, "0000:03:00.0", &other);
        update_device(TUESDAY + 5, "0000:03:00.0", NULL);
        update_device(TUESDAY + 6, "0000:03:00.0", NULL);
        assert_changes_since(TUESDAY + 1, "appeared|0000:03:00.0|15|1b36:0010\n"
                                          "replaced|0000:03:00.0|15|1b36:0010 (subsystem 0000:0000, class 010802, rev 00) by 1b36:0010 (subsystem"
                                          " 0000:0000, class 010802, rev 07)\n"
                                          "moved|0000:03:00.0|16|from group 15 to group 16\n"
                                          "vanished|0000:03:00.0|16|1b36:0010\n");
        assert_answer("SELECT revision, last_usec - 1794907800000000, present FROM devices WHERE address = '0000:03:00.0'", "0|3|0\n7|5|0\n");
}
END_TEST

START_TEST(one_group_comes_changes_and_goes) {
        const DbGroup one = { 20, MEMBERS("0000:05:00.0") }, two = { 20, MEMBERS("0000:05:00.0", "0000:05:00.1") };

        scene_open(BOOT_ONE);
        (void) sync_host(TUESDAY);
        update_group(TUESDAY + 1, 20, &one);
        update_group(TUESDAY + 2, 20, &one);
        update_group(TUESDAY + 3, 20, &two);
        update_group(TUESDAY + 4, 14, &(DbGroup){ 14, two.members });
        update_group(TUESDAY + 5, 14, NULL);
        update_group(TUESDAY + 6, 14, NULL);
        update_group(TUESDAY + 7, 15, &(DbGroup){ 15, (const char *const[]){ NULL } });
        assert_changes_since(TUESDAY + 1, "group-appeared||20|0000:05:00.0\n"
                                          "group-reshaped||20|from 0000:05:00.0 to 0000:05:00.0 0000:05:00.1\n"
                                          "group-vanished||14|0000:02:00.0 0000:02:00.1\n"
                                          "group-renumbered||14|group 20 is now group 14: 0000:05:00.0 0000:05:00.1\n"
                                          "group-vanished||14|0000:05:00.0 0000:05:00.1\n"
                                          "group-vanished||15|0000:03:00.0\n");
        assert_answer("SELECT member FROM group_members WHERE until IS NULL", "dmar0\n");
}
END_TEST

START_TEST(single_updates_and_a_scan_agree) {
        scene_open(BOOT_ONE);
        for (size_t i = 0; i < ELEMENTSOF(devices); i++)
                update_device(TUESDAY + i, devices[i].address, devices + i);
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                update_group(TUESDAY + 10 + i, groups[i].number, groups + i);
        ck_assert_uint_eq(sync_host(TUESDAY + HOUR), 0);
}
END_TEST

START_TEST(every_change_has_its_word) {
        for (DbChange change = 0; change < _DB_CHANGE_MAX; change++) {
                ck_assert_ptr_nonnull(db_change_to_string(change));
                for (DbChange other = change + 1; other < _DB_CHANGE_MAX; other++)
                        ck_assert_str_ne(db_change_to_string(change), db_change_to_string(other));
        }
}
END_TEST

/* A random host of at most 32 addresses: each present or not, of two identities, spread over groups whose numbers wander. */
typedef struct RandomHost {
        DbDevice devices[32];
        size_t n_devices;
        DbGroup groups[32];
        const char *members[32][33];
        size_t n_groups;
        char addresses[32][16];
} RandomHost;

static void host_roll(RandomHost *host) {
        size_t n_numbers = 4 + (size_t) random() % 28, shift = (size_t) random() % 8;

        *host = (RandomHost){};
        for (size_t i = 0; i < 32; i++) {
                DbDevice *d = host->devices + host->n_devices;

                if (random() % 4 == 0)
                        continue;
                (void) snprintf(host->addresses[i], sizeof(host->addresses[i]), "0000:%02zx:00.0", i);
                *d = (DbDevice){ .address = host->addresses[i], .vendor = 0x8086, .device = random() % 4 == 0 ? 2 : 1, .group = -1 };
                if (random() % 8 != 0)
                        d->group = (int64_t) (i % n_numbers + shift);
                host->n_devices++;
        }
        for (uint32_t number = 0; number < 64 && host->n_groups < 32; number++) {
                size_t n = 0;

                for (size_t i = 0; i < host->n_devices; i++)
                        if (host->devices[i].group == number)
                                host->members[host->n_groups][n++] = host->devices[i].address;
                if (n == 0)
                        continue;
                host->groups[host->n_groups] = (DbGroup){ number, host->members[host->n_groups] };
                host->n_groups++;
        }
}

static void assert_rows_match(const RandomHost *host) {
        _cleanup_free_ char *expected_devices = NULL, *expected_members = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&expected_devices, &size);
        for (size_t i = 0; i < host->n_devices; i++) {
                const DbDevice *d = host->devices + i;

                (void) fprintf(f, "%s|%u|", d->address, d->device);
                if (d->group >= 0)
                        (void) fprintf(f, "%d", (int) d->group);
                (void) fprintf(f, "\n");
        }
        (void) fclose(f);
        assert_answer("SELECT address, device, group_number FROM devices WHERE present = 1 ORDER BY address", expected_devices);

        f = open_memstream(&expected_members, &size);
        for (size_t i = 0; i < host->n_groups; i++)
                for (const char *const *m = host->groups[i].members; *m; m++)
                        (void) fprintf(f, "%u|%s\n", host->groups[i].number, *m);
        (void) fclose(f);
        assert_answer("SELECT group_number, member FROM group_members WHERE until IS NULL ORDER BY group_number, member", expected_members);
        assert_answer("SELECT number, member FROM groups JOIN memberships ON group_id = id WHERE present = 1 AND until_usec IS NULL ORDER BY number, member",
                      expected_members);
}

START_TEST(after_any_scan_the_rows_are_the_host) {
        unsigned seed = (unsigned) time(NULL);
        RandomHost host;

        (void) printf("seed %u\n", seed);
        srandom(seed);
        scene_open(BOOT_ONE);
        for (uint64_t i = 0; i < 200; i++) {
                host_roll(&host);
                (void) sync_all(TUESDAY + i * HOUR, host.devices, host.n_devices, host.groups, host.n_groups);
                assert_rows_match(&host);
                ck_assert_uint_eq(sync_all(TUESDAY + i * HOUR + 1, host.devices, host.n_devices, host.groups, host.n_groups), 0);
        }
}
END_TEST

static double elapsed_msec(const struct timespec *since) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) (now.tv_sec - since->tv_sec) * 1e3 + (double) (now.tv_nsec - since->tv_nsec) / 1e6;
}

static void sync_and_print(const char *what, uint64_t now_usec, const DbDevice *d, size_t n_devices, const DbGroup *g, size_t n_groups, size_t n_changes) {
        struct timespec since;

        (void) clock_gettime(CLOCK_MONOTONIC, &since);
        ck_assert_uint_eq(sync_all(now_usec, d, n_devices, g, n_groups), n_changes);
        (void) printf("%zu devices in %zu groups, %s: %.1f ms\n", n_devices, n_groups, what, elapsed_msec(&since));
}

#define N_DEVICES 10000U
#define N_GROUPS 4000U

START_TEST(a_big_host_is_kept_whole) {
        _cleanup_free_ DbDevice *d = calloc(N_DEVICES, sizeof(DbDevice));
        _cleanup_free_ DbGroup *g = calloc(N_GROUPS, sizeof(DbGroup));
        _cleanup_free_ char (*addresses)[16] = calloc(N_DEVICES, sizeof(*addresses));
        _cleanup_free_ const char *(*members)[4] = calloc(N_GROUPS, sizeof(*members));
        size_t n = 0;

        for (size_t i = 0; i < N_DEVICES; i++) {
                uint32_t group = (uint32_t) (i * N_GROUPS / N_DEVICES);

                (void) snprintf(addresses[i], sizeof(addresses[i]), "%04zx:%02zx:%02zx.%zu", i >> 14, i >> 8 & 0x3f, i >> 3 & 0x1f, i & 7);
                d[i] = (DbDevice){ .address = addresses[i], NIC, .group = group };
                n = i > 0 && d[i - 1].group == group ? n + 1 : 0;
                members[group][n] = addresses[i];
                g[group] = (DbGroup){ group, members[group] };
        }
        scene_open(BOOT_ONE);
        sync_and_print("all new", TUESDAY, d, N_DEVICES, g, N_GROUPS, N_DEVICES + N_GROUPS);
        for (unsigned i = 1; i <= 3; i++)
                sync_and_print("unchanged", TUESDAY + i * HOUR, d, N_DEVICES, g, N_GROUPS, 0);
        assert_answer("SELECT count(*), count(DISTINCT last_seen) FROM known_devices", "10000|1\n");
        assert_answer("SELECT count(*) FROM group_members WHERE until IS NULL", "10000\n");
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { the_first_scan_finds_everything_new },
                { an_unchanged_host_changes_nothing_but_when_it_was_seen },
                { the_order_of_what_is_found_does_not_matter },
                { what_a_scan_misses_was_last_seen_at_the_scan_before },
                { what_came_after_the_last_scan_was_seen_when_it_came },
                { what_comes_back_is_the_same_device },
                { another_device_at_the_same_address_is_another_device },
                { a_new_name_is_no_change_of_shape },
                { other_members_under_the_same_number_are_a_reshaped_group },
                { the_same_members_under_another_number_did_not_move },
                { a_device_in_another_group_has_moved },
                { yesterdays_host_can_be_asked_for },
                { an_empty_host_is_a_host },
                { what_is_there_twice_is_refused },
                { one_device_comes_changes_and_goes },
                { one_group_comes_changes_and_goes },
                { single_updates_and_a_scan_agree },
                { every_change_has_its_word },
                { after_any_scan_the_rows_are_the_host },
                { a_big_host_is_kept_whole },
        };

        return scene_suite_run("db-inventory", tests, ELEMENTSOF(tests));
}
