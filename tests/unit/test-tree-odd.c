/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree-scene.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "suite.h"

START_TEST(names_that_are_no_address_and_no_number_are_passed_over) {
        static const char *const names[] = {"02:00.0", "0000:0A:00.0", "0000:01:00.0x", "0000:01:20.0", "00000:01:00.0", "power", "0000:01:00.8"};
        static const char *const numbers[] = {"07", "-1", "x", "7x", "4294967295", "4294967296", "0x7"};
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_facts_ Facts facts = {};
        char path[128];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "bus/pci/devices/%s", names[i]);
                ck_assert_int_eq(symlinkat("../../../devices/pci0000:01/" ONE, tree->fd, path), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                (void) snprintf(path, sizeof(path), "kernel/iommu_groups/%s", numbers[i]);
                ck_assert_int_eq(mkdirat(tree->fd, path, 0755), 0);
        }
        facts = read_tree(tree);
        ck_assert_uint_eq(facts.n_devices, 1);
        ck_assert_uint_eq(facts.n_groups, 1);
}
END_TEST

START_TEST(a_device_that_is_gone_is_left_out) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_facts_ Facts facts = {};
        const PciAddress address = address_of("0000:05:00.0");
        Device *device = NULL;

        ck_assert_int_eq(symlinkat("../../../devices/gone", tree->fd, "bus/pci/devices/0000:05:00.0"), 0);
        facts = read_tree(tree);
        ck_assert_uint_eq(facts.n_devices, 1);
        ck_assert_int_eq(tree_read_device(tree->fd, &address, NULL, false, &device), -ENOENT);
        ck_assert_ptr_null(device);
}
END_TEST

START_TEST(a_group_that_is_gone_is_said_to_be_gone) {
        _cleanup_tree_ TreeGen *tree = empty_tree();
        Group *group = NULL;

        ck_assert_int_eq(tree_read_group(tree->fd, 14, &group), -ENOENT);
        ck_assert_ptr_null(group);
}
END_TEST

/* Root reads what it likes, so unreadable is made of directories (EISDIR) and of links that lead to themselves (ELOOP). */
START_TEST(attributes_that_cannot_be_read_are_noted_and_the_rest_is_read) {
        static const char *const attributes[] = {"modalias", "driver_override", "numa_node", "reset_method", "revision"};

        for (size_t i = 0; i < ELEMENTSOF(attributes); i++) {
                _cleanup_tree_ TreeGen *tree = tree_of_one();

                for (unsigned looped = 0; looped < 2; looped++) {
                        _cleanup_(device_freep) Device *device = NULL;

                        if (looped)
                                put_link(tree, attributes[i], attributes[i]);
                        else
                                put_directory(tree, attributes[i]);
                        device = read_device(tree, ONE);
                        ck_assert_int_eq(device->read_error, looped ? -ELOOP : -EISDIR);
                        ck_assert_int_eq(device->role, ROLE_ENDPOINT);
                        ck_assert_uint_eq(device->identity.vendor, 0x8086);
                        ck_assert_uint_eq(device->group, 7);
                        ck_assert_str_eq(device->driver, "e1000e");
                }
        }
}
END_TEST

START_TEST(a_dangling_attribute_is_absent) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *device = NULL;

        put_link(tree, "reset_method", "nowhere");
        device = read_device(tree, ONE);
        ck_assert_ptr_null(device->reset_methods);
        ck_assert_int_eq(device->read_error, 0);
}
END_TEST

START_TEST(a_device_that_cannot_be_opened_is_there_and_unknown) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_facts_ Facts facts = {};
        const Device *device;

        ck_assert_int_eq(symlinkat("0000:09:00.0", tree->fd, "bus/pci/devices/0000:09:00.0"), 0);
        facts = read_tree(tree);
        device = device_of(&facts, "0000:09:00.0");
        ck_assert_ptr_nonnull(device);
        ck_assert_int_eq(device->role, ROLE_OTHER);
        ck_assert_int_eq(device->read_error, -ELOOP);
        ck_assert_uint_eq(device->group, GROUP_NONE);
        ck_assert_int_eq(device_of(&facts, ONE)->role, ROLE_ENDPOINT);
}
END_TEST

START_TEST(a_directory_of_devices_that_cannot_be_read_is_an_error) {
        _cleanup_tree_ TreeGen *tree = empty_tree();
        Facts facts = {};

        ck_assert_int_eq(treegen_remove_path(tree->fd, "bus/pci/devices"), 0);
        ck_assert_int_eq(symlinkat("devices", tree->fd, "bus/pci/devices"), 0);
        ck_assert_int_eq(tree_read(tree->fd, NULL, NULL, NULL, &facts), -ELOOP);
        ck_assert_ptr_null(facts.devices);
}
END_TEST

START_TEST(hostile_driver_names_are_escaped_cut_and_noted) {
        char long_name[300 + sizeof("../drivers/")] = "../drivers/";
        const char *const targets[] = {"../drivers/evil\nname", "../drivers/\x1b[2J", "../drivers/\xff\xfe", long_name};
        _cleanup_tree_ TreeGen *tree = tree_of_one();

        memset(long_name + strlen(long_name), 'n', 300);
        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                _cleanup_(device_freep) Device *device = NULL;

                put_link(tree, "driver", targets[i]);
                device = read_device(tree, ONE);
                ck_assert_ptr_nonnull(device->driver);
                ck_assert(string_is_printable(device->driver, 63));
                ck_assert_int_eq(device->read_error, -EBADMSG);
        }
}
END_TEST

START_TEST(a_driver_that_is_no_link_is_noted) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *device = NULL;

        put_directory(tree, "driver");
        device = read_device(tree, ONE);
        ck_assert_ptr_null(device->driver);
        ck_assert_int_eq(device->read_error, -EINVAL);
}
END_TEST

START_TEST(group_links_to_anything_but_a_number_are_noted) {
        static const char *const targets[] = {"../x", "..", "/", "7 ", "-7", "0x7", "4294967295", "99999999999999999999", "../iommu_groups/7\n"};
        _cleanup_tree_ TreeGen *tree = tree_of_one();

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                _cleanup_(device_freep) Device *device = NULL;

                put_link(tree, "iommu_group", targets[i]);
                device = read_device(tree, ONE);
                ck_assert_uint_eq(device->group, GROUP_NONE);
                ck_assert_int_eq(device->read_error, -EBADMSG);
        }
}
END_TEST

START_TEST(a_huge_attribute_is_noted_and_not_kept) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_free_ char *huge = malloc(1024 * 1024 + 1);
        _cleanup_(device_freep) Device *device = NULL;

        ck_assert_ptr_nonnull(huge);
        memset(huge, 'x', 1024 * 1024);
        huge[1024 * 1024] = '\0';
        ck_assert_int_eq(treegen_set_attribute(tree->fd, ONE, "driver_override", huge), 0);
        device = read_device(tree, ONE);
        ck_assert_ptr_null(device->driver_override);
        ck_assert_int_eq(device->read_error, -E2BIG);
}
END_TEST

START_TEST(numbers_out_of_range_are_noted) {
        static const struct {
                const char *attribute, *text;
        } rows[] = {
                {"numa_node", "99999999999\n"}, {"numa_node", "-2\n"}, {"numa_node", "x\n"}, {"revision", "0x100\n"}, {"revision", "3\n"}, {"revision", "\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_tree_ TreeGen *tree = tree_of_one();
                _cleanup_(device_freep) Device *device = NULL;

                ck_assert_int_eq(treegen_set_attribute(tree->fd, ONE, rows[i].attribute, rows[i].text), 0);
                device = read_device(tree, ONE);
                ck_assert_int_eq(device->read_error, -EBADMSG);
        }
}
END_TEST

START_TEST(a_fifo_in_place_of_an_attribute_does_not_hold_us_up) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_close_ int fd = treegen_open_device(tree->fd, ONE);
        _cleanup_(device_freep) Device *device = NULL;

        ck_assert_int_eq(treegen_remove_path(fd, "reset_method"), 0);
        ck_assert_int_eq(mkfifoat(fd, "reset_method", 0600), 0);
        device = read_device(tree, ONE);
        ck_assert_ptr_null(device->reset_methods);
}
END_TEST

START_TEST(a_member_that_is_gone_is_left_out) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(group_freep) Group *group = NULL;

        ck_assert_int_eq(symlinkat("../../../../devices/gone", tree->fd, "kernel/iommu_groups/7/devices/gone"), 0);
        group = read_group(tree, 7);
        ck_assert_uint_eq(group->n_others, 0);
        ck_assert_int_eq(group->read_error, 0);
}
END_TEST

START_TEST(malformed_regions_are_noted_and_the_others_kept) {
        static const char *const lines[] = {"garbage", "0x1 0x2", "0x1 0x2 ", "0x1 msi", "1 2 msi", "0x1 0x2 a-type-longer-than-any", "0x1 0x2 evil\x1b", "", "0x11111111111111111 0x2 msi"};
        _cleanup_tree_ TreeGen *tree = tree_of_one();

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_(group_freep) Group *group = NULL;
                char text[256];

                (void) snprintf(text, sizeof(text), "%s\n0x00000000fee00000 0x00000000feefffff direct\n", lines[i]);
                ck_assert_int_eq(treegen_set_group_attribute(tree->fd, 7, "reserved_regions", text), 0);
                group = read_group(tree, 7);
                ck_assert_int_eq(group->read_error, -EBADMSG);
                ck_assert_uint_eq(group->n_regions, 1);
                ck_assert_str_eq(group->regions[0].type, "direct");
        }
}
END_TEST

START_TEST(a_group_that_cannot_be_read_is_there_and_says_so) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_facts_ Facts facts = {};

        ck_assert_int_eq(treegen_remove_path(tree->fd, "kernel/iommu_groups/7/type"), 0);
        ck_assert_int_eq(mkdirat(tree->fd, "kernel/iommu_groups/7/type", 0755), 0);
        ck_assert_int_eq(symlinkat("8", tree->fd, "kernel/iommu_groups/8"), 0);
        facts = read_tree(tree);
        ck_assert_ptr_null(facts_find_group(&facts, 7)->domain_type);
        ck_assert_int_eq(facts_find_group(&facts, 7)->read_error, -EISDIR);
        ck_assert_uint_eq(facts_find_group(&facts, 7)->n_regions, 1);
        ck_assert_int_eq(facts_find_group(&facts, 8)->read_error, -ELOOP);
}
END_TEST

START_TEST(running_out_of_fds_is_an_error_and_not_a_fact) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        const PciAddress address = address_of(ONE);
        const struct rlimit few = {64, 64};
        int fds[64], n = 0;

        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        while ((fds[n] = dup(tree->fd)) >= 0)
                n++;
        /* It takes the directory of all devices, the device's own, and the attribute. */
        for (int n_free = 0; n_free < 4; n_free++) {
                _cleanup_(device_freep) Device *device = NULL;
                _cleanup_facts_ Facts facts = {};

                ck_assert_int_eq(tree_read_device(tree->fd, &address, NULL, false, &device), n_free < 3 ? -EMFILE : 0);
                ck_assert_int_eq(tree_read(tree->fd, NULL, NULL, NULL, &facts), n_free < 3 ? -EMFILE : 0);
                ck_assert_uint_eq(facts.n_devices, n_free < 3 ? 0 : 1);
                (void) close(fds[--n]);
        }
        while (n > 0)
                (void) close(fds[--n]);
}
END_TEST

static const TreeDevice replugged = {
        "0000:03:00.0", NULL, 0x144d, 0xa80a, 0x144d, 0xa801, 0x010802, 5, 30, "nvme", "nvme", "flr", 1,
};

#define N_REMOVALS 2000

/* Takes the device away each time it is told to. */
typedef struct Remover {
        int root_fd;
        pthread_barrier_t barrier;
        int result;
} Remover;

static void *remove_again_and_again(void *userdata) {
        Remover *remover = userdata;

        for (unsigned i = 0; i < N_REMOVALS; i++) {
                int r;

                (void) pthread_barrier_wait(&remover->barrier);
                r = treegen_remove_device(remover->root_fd, replugged.address);
                if (r < 0)
                        remover->result = r;
                (void) pthread_barrier_wait(&remover->barrier);
        }
        return NULL;
}

/* The driver goes first when a device is removed, and may be missing; nothing else may. 0 or -ENOENT. */
static int read_whole_device(int root_fd) {
        const PciAddress address = address_of(replugged.address);
        _cleanup_(device_freep) Device *device = NULL;
        int r = tree_read_device(root_fd, &address, NULL, false, &device);

        ck_assert(r == 0 || r == -ENOENT);
        if (r < 0)
                return r;
        ck_assert_int_eq(device->read_error, 0);
        ck_assert_int_eq(device->role, ROLE_ENDPOINT);
        ck_assert_uint_eq(device->identity.vendor, 0x144d);
        ck_assert_uint_eq(device->identity.class, 0x010802);
        ck_assert_uint_eq(device->identity.revision, 5);
        ck_assert_uint_eq(device->group, 30);
        ck_assert_str_eq(device->driver_override, "nvme");
        ck_assert_str_eq(device->reset_methods, "flr");
        ck_assert_int_eq(device->numa_node, 1);
        return 0;
}

static int read_whole_group(int root_fd) {
        _cleanup_(group_freep) Group *group = NULL;
        int r = tree_read_group(root_fd, replugged.group, &group);

        ck_assert(r == 0 || r == -ENOENT);
        ck_assert(r != 0 || string_equal(group->domain_type, "DMA-FQ"));
        return r;
}

/* Reads until it is gone, while it goes. */
static void read_during_removals(int (*read_whole)(int root_fd)) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        Remover remover = {.root_fd = tree->fd};
        pthread_t thread;

        ck_assert_int_eq(pthread_barrier_init(&remover.barrier, NULL, 2), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, remove_again_and_again, &remover), 0);
        for (unsigned i = 0; i < N_REMOVALS; i++) {
                ck_assert_int_eq(treegen_add_device(tree->fd, &replugged), 0);
                ck_assert_int_eq(read_whole(tree->fd), 0);
                (void) pthread_barrier_wait(&remover.barrier);
                while (read_whole(tree->fd) == 0)
                        ;
                (void) pthread_barrier_wait(&remover.barrier);
        }
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(remover.result, 0);
        (void) pthread_barrier_destroy(&remover.barrier);
}

START_TEST(a_device_that_goes_is_read_whole_or_not_at_all) {
        read_during_removals(read_whole_device);
}
END_TEST

START_TEST(a_group_that_goes_is_read_whole_or_not_at_all) {
        read_during_removals(read_whole_group);
}
END_TEST

typedef struct Replugger {
        int root_fd;
        atomic_bool stop;
        int result;
} Replugger;

static void *replug(void *userdata) {
        Replugger *replugger = userdata;

        while (!replugger->stop && replugger->result == 0) {
                replugger->result = treegen_add_device(replugger->root_fd, &replugged);
                if (replugger->result == 0)
                        replugger->result = treegen_remove_device(replugger->root_fd, replugged.address);
        }
        return NULL;
}

START_TEST(others_are_read_while_a_device_comes_and_goes) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *expected = read_device(tree, ONE);
        Replugger replugger = {.root_fd = tree->fd};
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, replug, &replugger), 0);
        for (unsigned i = 0; i < 1000; i++) {
                _cleanup_facts_ Facts facts = read_tree(tree);

                ck_assert_ptr_nonnull(device_of(&facts, ONE));
                ck_assert(device_equal(device_of(&facts, ONE), expected));
        }
        replugger.stop = true;
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(replugger.result, 0);
}
END_TEST

/* Does something to a random entry of the tree that no kernel would do. */
static void mutate(int dir_fd, const char *name) {
        static const char *const targets[] = {"../x", "..", "self", "/", "0000:02:00.0", "\n", "../../../../devices", "7"};
        char bytes[8192];
        _cleanup_close_ int fd = -EBADF;

        (void) treegen_remove_path(dir_fd, name);
        switch (random() % 4) {
        case 0:
                (void) symlinkat(targets[(size_t) random() % ELEMENTSOF(targets)], dir_fd, name);
                break;
        case 1:
                (void) mkdirat(dir_fd, name, 0755);
                break;
        case 2:
                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (char) random();
                fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
                (void) !write(fd, bytes, (size_t) random() % sizeof(bytes));
                break;
        case 3:
                break;
        }
}

static void mutate_one(const TreeGen *tree, const Facts *whole) {
        static const char *const attributes[] = {"modalias", "vendor", "class", "driver", "driver_override", "iommu_group", "numa_node", "reset_method",
                                                 "physfn", "sriov_totalvfs", "virtfn0", "virtfn1", "virtfn70000", "secondary_bus_number", "revision"};
        static const char *const group_attributes[] = {"type", "reserved_regions", "name", "devices"};
        _cleanup_close_ int fd = -EBADF;
        char path[128];

        if (random() % 4 == 0) {
                (void) snprintf(path, sizeof(path), "kernel/iommu_groups/%u", whole->groups[(size_t) random() % whole->n_groups]->number);
                fd = openat(tree->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
                mutate(fd, group_attributes[(size_t) random() % ELEMENTSOF(group_attributes)]);
                return;
        }
        fd = treegen_open_device(tree->fd, PCI_ADDRESS_FORMAT(&whole->devices[(size_t) random() % whole->n_devices]->address));
        mutate(fd, attributes[(size_t) random() % ELEMENTSOF(attributes)]);
}

static bool is_fit(const char *text) {
        return !text || string_is_printable(text, 63);
}

START_TEST(random_damage_is_survived_and_nothing_unfit_comes_out) {
        _cleanup_tree_ TreeGen *tree = lab_tree();
        _cleanup_facts_ Facts whole = read_tree(tree);
        unsigned seed = (unsigned) getpid();

        printf("seed %u\n", seed);
        srandom(seed);
        for (unsigned round = 0; round < 1000; round++) {
                _cleanup_facts_ Facts facts = {};

                mutate_one(tree, &whole);
                facts = read_tree(tree);
                ck_assert_uint_eq(facts.n_devices, whole.n_devices);
                for (size_t i = 0; i < facts.n_devices; i++) {
                        const Device *device = facts.devices[i];

                        ck_assert(is_fit(device->driver) && is_fit(device->driver_override) && is_fit(device->reset_methods));
                        ck_assert_uint_le(device->identity.class, 0xffffff);
                        ck_assert_int_ge(device->numa_node, -1);
                }
                for (size_t i = 0; i < facts.n_groups; i++) {
                        ck_assert(is_fit(facts.groups[i]->domain_type));
                        for (size_t j = 0; j < facts.groups[i]->n_others; j++)
                                ck_assert(is_fit(facts.groups[i]->others[j].name) && is_fit(facts.groups[i]->others[j].subsystem));
                }
        }
}
END_TEST

SUITE("tree-odd",
      names_that_are_no_address_and_no_number_are_passed_over,
      a_device_that_is_gone_is_left_out,
      a_group_that_is_gone_is_said_to_be_gone,
      attributes_that_cannot_be_read_are_noted_and_the_rest_is_read,
      a_dangling_attribute_is_absent,
      a_device_that_cannot_be_opened_is_there_and_unknown,
      a_directory_of_devices_that_cannot_be_read_is_an_error,
      hostile_driver_names_are_escaped_cut_and_noted,
      a_driver_that_is_no_link_is_noted,
      group_links_to_anything_but_a_number_are_noted,
      a_huge_attribute_is_noted_and_not_kept,
      numbers_out_of_range_are_noted,
      a_fifo_in_place_of_an_attribute_does_not_hold_us_up,
      a_member_that_is_gone_is_left_out,
      malformed_regions_are_noted_and_the_others_kept,
      a_group_that_cannot_be_read_is_there_and_says_so,
      running_out_of_fds_is_an_error_and_not_a_fact,
      a_device_that_goes_is_read_whole_or_not_at_all,
      a_group_that_goes_is_read_whole_or_not_at_all,
      others_are_read_while_a_device_comes_and_goes,
      random_damage_is_survived_and_nothing_unfit_comes_out)
