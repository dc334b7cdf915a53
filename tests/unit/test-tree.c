/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "suite.h"
#include "tests/tree/treegen.h"

#define _cleanup_tree_ _cleanup_(treegen_freep)
#define _cleanup_facts_ _cleanup_(facts_done)

static TreeGen *empty_tree(void) {
        TreeGen *tree = NULL;

        ck_assert_int_eq(treegen_new(&tree), 0);
        return tree;
}

static TreeGen *lab_tree(void) {
        TreeGen *tree = empty_tree();

        ck_assert_int_eq(treegen_make_lab(tree->fd), 0);
        return tree;
}

static Facts read_tree(const TreeGen *tree) {
        Facts facts = {};

        ck_assert_int_eq(tree_read(tree->fd, NULL, NULL, NULL, &facts), 0);
        return facts;
}

static PciAddress address_of(const char *text) {
        PciAddress address;

        ck_assert_int_eq(pci_address_parse(text, &address), 0);
        return address;
}

static const Device *device_of(const Facts *facts, const char *text) {
        const PciAddress address = address_of(text);

        return facts_find_device(facts, &address);
}

static Device *read_device(const TreeGen *tree, const char *text) {
        const PciAddress address = address_of(text);
        Device *device = NULL;

        ck_assert_int_eq(tree_read_device(tree->fd, &address, NULL, false, &device), 0);
        return device;
}

static Group *read_group(const TreeGen *tree, uint32_t number) {
        Group *group = NULL;

        ck_assert_int_eq(tree_read_group(tree->fd, number, &group), 0);
        return group;
}

/* A tree with one interesting function, 0000:01:00.0 in group 7. */
#define ONE "0000:01:00.0"

static TreeGen *tree_of_one(void) {
        const TreeDevice device = {
                ONE, NULL, 0x8086, 0x10d3, 0x8086, 0xa01f, 0x020000, 3, 7, "e1000e", .reset_methods = "flr bus", .numa_node = 1,
        };
        TreeGen *tree = empty_tree();

        ck_assert_int_eq(treegen_add_device(tree->fd, &device), 0);
        return tree;
}

static void put_link(const TreeGen *tree, const char *attribute, const char *target) {
        _cleanup_close_ int fd = treegen_open_device(tree->fd, ONE);

        ck_assert_int_ge(fd, 0);
        (void) treegen_remove_path(fd, attribute);
        ck_assert_int_eq(symlinkat(target, fd, attribute), 0);
}

static void put_directory(const TreeGen *tree, const char *attribute) {
        _cleanup_close_ int fd = treegen_open_device(tree->fd, ONE);

        ck_assert_int_ge(fd, 0);
        (void) treegen_remove_path(fd, attribute);
        ck_assert_int_eq(mkdirat(fd, attribute, 0755), 0);
}

static void take_away(const TreeGen *tree, const char *attribute) {
        _cleanup_close_ int fd = treegen_open_device(tree->fd, ONE);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(treegen_remove_path(fd, attribute), 0);
}

START_TEST(every_fact_of_a_device_is_read) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *device = NULL;

        ck_assert_int_eq(treegen_set_override(tree->fd, ONE, "vfio-pci"), 0);
        device = read_device(tree, ONE);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&device->address), ONE);
        ck_assert_uint_eq(device->identity.vendor, 0x8086);
        ck_assert_uint_eq(device->identity.device, 0x10d3);
        ck_assert_uint_eq(device->identity.subsystem_vendor, 0x8086);
        ck_assert_uint_eq(device->identity.subsystem_device, 0xa01f);
        ck_assert_uint_eq(device->identity.class, 0x020000);
        ck_assert_uint_eq(device->identity.revision, 3);
        ck_assert_int_eq(device->role, ROLE_ENDPOINT);
        ck_assert_uint_eq(device->group, 7);
        ck_assert_str_eq(device->driver, "e1000e");
        ck_assert_str_eq(device->driver_override, "vfio-pci");
        ck_assert_str_eq(device->reset_methods, "flr bus");
        ck_assert_ptr_null(device->name);
        ck_assert_int_eq(device->numa_node, 1);
        ck_assert(!device->is_vf && !device->is_pf);
        ck_assert_int_eq(device->read_error, 0);
}
END_TEST

START_TEST(facts_that_are_missing_are_absent_and_no_error) {
        static const char *const optional[] = {"driver", "driver_override", "iommu_group", "numa_node", "reset_method"};
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *device = NULL;

        for (size_t i = 0; i < ELEMENTSOF(optional); i++)
                take_away(tree, optional[i]);
        device = read_device(tree, ONE);
        ck_assert_int_eq(device->role, ROLE_ENDPOINT);
        ck_assert_ptr_null(device->driver);
        ck_assert_ptr_null(device->driver_override);
        ck_assert_ptr_null(device->reset_methods);
        ck_assert_uint_eq(device->group, GROUP_NONE);
        ck_assert_int_eq(device->numa_node, -1);
        ck_assert_int_eq(device->read_error, 0);
}
END_TEST

START_TEST(an_override_that_is_null_or_empty_is_none) {
        static const char *const texts[] = {"(null)\n", "\n", ""};
        _cleanup_tree_ TreeGen *tree = tree_of_one();

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(device_freep) Device *device = NULL;

                ck_assert_int_eq(treegen_set_attribute(tree->fd, ONE, "driver_override", texts[i]), 0);
                device = read_device(tree, ONE);
                ck_assert_ptr_null(device->driver_override);
        }
}
END_TEST

START_TEST(identity_comes_from_the_attributes_where_modalias_does_not_give_it) {
        static const char *const texts[] = {
                "", "garbage\n", "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i\n", "pci:v00018086d000010D3sv00008086sd0000A01Fbc02sc00i00\n",
                "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00x\n", "pci:v 0008086d000010D3sv00008086sd0000A01Fbc02sc00i00\n", NULL,
        };
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *expected = read_device(tree, ONE);

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(device_freep) Device *device = NULL;

                if (texts[i])
                        ck_assert_int_eq(treegen_set_attribute(tree->fd, ONE, "modalias", texts[i]), 0);
                else
                        take_away(tree, "modalias");
                device = read_device(tree, ONE);
                ck_assert(device_equal(device, expected));
        }
}
END_TEST

START_TEST(a_device_without_identity_is_neither_endpoint_nor_bridge) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *device = NULL;

        take_away(tree, "modalias");
        take_away(tree, "vendor");
        device = read_device(tree, ONE);
        ck_assert_int_eq(device->role, ROLE_OTHER);
        ck_assert_int_eq(device->read_error, -ENODATA);
        ck_assert_str_eq(device->driver, "e1000e");
        ck_assert_uint_eq(device->group, 7);
}
END_TEST

START_TEST(base_class_or_header_make_a_bridge) {
        static const struct {
                const char *address;
                uint32_t class;
                uint8_t secondary_bus;
                DeviceRole role;
        } rows[] = {
                {"0000:00:00.0", 0x060000, 0, ROLE_BRIDGE},   {"0000:00:01.0", 0x060400, 1, ROLE_BRIDGE},
                {"0000:00:02.0", 0x058000, 2, ROLE_BRIDGE},   {"0000:00:03.0", 0x058000, 0, ROLE_ENDPOINT},
                {"0000:00:04.0", 0x060100, 0, ROLE_BRIDGE},   {"0000:00:05.0", 0x000000, 0, ROLE_ENDPOINT},
        };
        _cleanup_tree_ TreeGen *tree = empty_tree();
        _cleanup_facts_ Facts facts = {};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                ck_assert_int_eq(treegen_add_device(tree->fd, &(TreeDevice){.address = rows[i].address, .class = rows[i].class,
                                                                            .secondary_bus = rows[i].secondary_bus}), 0);
        facts = read_tree(tree);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                ck_assert_int_eq(device_of(&facts, rows[i].address)->role, rows[i].role);
}
END_TEST

START_TEST(the_labs_groups_are_what_the_lab_saw) {
        static const struct {
                uint32_t group;
                const char *members;
        } rows[] = {
                {8, "0000:00:08.0 0000:06:00.0"},
                {9, "0000:00:1f.0 0000:00:1f.2 0000:00:1f.3"},
                {13, "0000:01:00.0"},
                {14, "0000:02:00.0 0000:02:00.1"},
                {15, "0000:03:00.0 0000:04:01.0 0000:04:01.1 0000:04:02.0"},
                {16, "0000:05:00.0"},
                {18, "0000:08:00.0 0000:09:00.0"},
                {19, "0000:08:01.0 0000:0a:00.0"},
        };
        _cleanup_tree_ TreeGen *tree = lab_tree();
        _cleanup_facts_ Facts facts = read_tree(tree);

        ck_assert_uint_eq(facts.n_devices, 28);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const Group *group = facts_find_group(&facts, rows[i].group);
                char members[256] = "";

                ck_assert_ptr_nonnull(group);
                for (size_t j = 0; j < group->n_devices; j++) {
                        strcat(members, j > 0 ? " " : "");
                        strcat(members, PCI_ADDRESS_FORMAT(&group->devices[j]->address));
                }
                ck_assert_str_eq(members, rows[i].members);
                ck_assert_str_eq(group->domain_type, "DMA-FQ");
                ck_assert(!group->fake);
                ck_assert_uint_eq(group->n_others, 0);
                ck_assert_uint_eq(group->n_regions, 1);
                ck_assert_str_eq(group->regions[0].type, "msi");
                ck_assert_int_eq(group->read_error, 0);
        }
        for (size_t i = 0; i < facts.n_devices; i++)
                ck_assert_int_eq(facts.devices[i]->read_error, 0);
}
END_TEST

START_TEST(a_pf_and_its_vfs_know_each_other) {
        _cleanup_tree_ TreeGen *tree = lab_tree();
        _cleanup_facts_ Facts facts = read_tree(tree);
        const Device *pf = device_of(&facts, "0000:05:00.0"), *vf = device_of(&facts, "0000:05:00.2");

        ck_assert(pf->is_pf && !pf->is_vf);
        ck_assert_uint_eq(pf->n_vfs, 2);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&pf->vfs[0]), "0000:05:00.1");
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&pf->vfs[1]), "0000:05:00.2");
        ck_assert(vf->is_vf && !vf->is_pf);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&vf->physfn), "0000:05:00.0");
        ck_assert_uint_eq(vf->n_vfs, 0);
        ck_assert(!device_of(&facts, "0000:02:00.0")->is_pf);
}
END_TEST

START_TEST(vfs_are_ordered_by_number_and_gaps_do_not_matter) {
        _cleanup_tree_ TreeGen *tree = empty_tree();
        _cleanup_(device_freep) Device *pf = NULL;

        ck_assert_int_eq(treegen_add_device(tree->fd, &(TreeDevice){.address = "0000:01:00.0", .total_vfs = 64}), 0);
        for (unsigned i = 0; i < 30; i++) {
                char address[PCI_ADDRESS_STRING_MAX];

                (void) snprintf(address, sizeof(address), "0000:02:%02x.%x", (29 - i) / 8, (29 - i) % 8);
                ck_assert_int_eq(treegen_add_device(tree->fd, &(TreeDevice){.address = address, .physfn = "0000:01:00.0"}), 0);
        }
        ck_assert_int_eq(treegen_remove_device(tree->fd, "0000:02:03.5"), 0); /* virtfn0 */

        pf = read_device(tree, "0000:01:00.0");
        ck_assert_uint_eq(pf->n_vfs, 29);
        for (size_t i = 0; i + 1 < pf->n_vfs; i++)
                ck_assert_int_gt(pci_address_compare(&pf->vfs[i], &pf->vfs[i + 1]), 0);
}
END_TEST

START_TEST(a_tree_without_anything_is_a_host_without_anything) {
        char path[] = "/tmp/test-tree-XXXXXX";
        _cleanup_close_ int fd = -EBADF;
        Facts facts = {};

        ck_assert_ptr_nonnull(mkdtemp(path));
        fd = tree_open(path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tree_read(fd, NULL, NULL, NULL, &facts), 0);
        ck_assert_uint_eq(facts.n_devices + facts.n_groups, 0);
        ck_assert_int_eq(tree_count_iommus(fd), 0);
        ck_assert_int_eq(tree_has_driver(fd, "vfio-pci"), 0);
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(a_root_that_is_no_directory_is_refused) {
        ck_assert_int_eq(tree_open("/nonexistent"), -ENOENT);
        ck_assert_int_eq(tree_open("/dev/null"), -ENOTDIR);
}
END_TEST

START_TEST(without_an_iommu_devices_have_no_group) {
        _cleanup_tree_ TreeGen *tree = empty_tree();
        _cleanup_facts_ Facts facts = {};

        ck_assert_int_eq(treegen_add_device(tree->fd, &(TreeDevice){.address = ONE, .group = TREEGEN_NO_GROUP}), 0);
        facts = read_tree(tree);
        ck_assert_uint_eq(facts.n_groups, 0);
        ck_assert_uint_eq(device_of(&facts, ONE)->group, GROUP_NONE);
        ck_assert_int_eq(device_of(&facts, ONE)->read_error, 0);
}
END_TEST

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

/* Watches the file of the lab's PF for being opened. */
static int watch_open(const TreeGen *tree, const char *address, const char *attribute) {
        char path[512];
        int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

        (void) snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", tree->path, address, attribute);
        ck_assert_int_ge(inotify_add_watch(fd, path, IN_OPEN), 0);
        return fd;
}

static bool was_opened(int fd) {
        char buffer[4096];

        return read(fd, buffer, sizeof(buffer)) > 0;
}

START_TEST(what_can_block_is_not_opened) {
        static const char *const attributes[] = {"config", "uevent", "sriov_numvfs", "enable"};
        _cleanup_tree_ TreeGen *tree = lab_tree();
        _cleanup_close_ int witness = watch_open(tree, "0000:05:00.0", "modalias");

        for (size_t i = 0; i < ELEMENTSOF(attributes); i++) {
                _cleanup_close_ int fd = watch_open(tree, "0000:05:00.0", attributes[i]);
                _cleanup_facts_ Facts facts = read_tree(tree);

                ck_assert(!was_opened(fd));
        }
        ck_assert(was_opened(witness));
}
END_TEST

static bool is_the_first_nic(const PciAddress *address, void *userdata) {
        const PciAddress changing = address_of("0000:02:00.0");
        unsigned *n_asked = userdata;

        (*n_asked)++;
        return pci_address_compare(address, &changing) == 0;
}

START_TEST(a_device_that_changes_drivers_keeps_its_known_override) {
        _cleanup_tree_ TreeGen *tree = lab_tree();
        _cleanup_facts_ Facts known = {}, facts = {};
        _cleanup_close_ int watch = -EBADF, witness = -EBADF;
        unsigned n_asked = 0;

        ck_assert_int_eq(treegen_set_override(tree->fd, "0000:02:00.0", "old"), 0);
        known = read_tree(tree);
        ck_assert_int_eq(treegen_set_override(tree->fd, "0000:02:00.0", "new"), 0);
        ck_assert_int_eq(treegen_set_override(tree->fd, "0000:02:00.1", "new"), 0);
        watch = watch_open(tree, "0000:02:00.0", "driver_override");
        witness = watch_open(tree, "0000:02:00.1", "driver_override");

        ck_assert_int_eq(tree_read(tree->fd, &known, is_the_first_nic, &n_asked, &facts), 0);
        ck_assert_str_eq(device_of(&facts, "0000:02:00.0")->driver_override, "old");
        ck_assert_str_eq(device_of(&facts, "0000:02:00.1")->driver_override, "new");
        ck_assert(!was_opened(watch));
        ck_assert(was_opened(witness));
        ck_assert_uint_eq(n_asked, 28);
}
END_TEST

START_TEST(one_device_read_while_it_changes_takes_its_override_from_what_is_known) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(device_freep) Device *known = NULL, *device = NULL, *unknown = NULL;
        const PciAddress address = address_of(ONE);

        ck_assert_int_eq(treegen_set_override(tree->fd, ONE, "old"), 0);
        known = read_device(tree, ONE);
        ck_assert_int_eq(treegen_set_override(tree->fd, ONE, "new"), 0);
        ck_assert_int_eq(tree_read_device(tree->fd, &address, known, true, &device), 0);
        ck_assert_str_eq(device->driver_override, "old");
        ck_assert_int_eq(tree_read_device(tree->fd, &address, NULL, true, &unknown), 0);
        ck_assert_ptr_null(unknown->driver_override);
}
END_TEST

START_TEST(members_that_are_no_pci_functions_are_named) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_facts_ Facts facts = {};
        const Group *group;

        ck_assert_int_eq(treegen_add_other(tree->fd, 7, "arm-smmu.0.auto", "platform", "xhci-hcd"), 0);
        ck_assert_int_eq(treegen_add_other(tree->fd, 7, ONE ".0", "amba", NULL), 0);
        ck_assert_int_eq(treegen_add_other(tree->fd, 7, "orphan", NULL, NULL), 0);
        ck_assert_int_eq(treegen_add_device(tree->fd, &(TreeDevice){.address = "0000:01:00.1", .group = 7}), 0);
        ck_assert_int_eq(renameat(tree->fd, "kernel/iommu_groups/7/devices/0000:01:00.1", tree->fd, "kernel/iommu_groups/7/devices/0000:01:00.1.0"), 0);
        facts = read_tree(tree);
        group = facts_find_group(&facts, 7);
        ck_assert_uint_eq(group->n_devices, 2);
        ck_assert_uint_eq(group->n_others, 3);
        ck_assert_str_eq(group->others[0].name, ONE ".0");
        ck_assert_str_eq(group->others[0].subsystem, "amba");
        ck_assert_ptr_null(group->others[0].driver);
        ck_assert_str_eq(group->others[1].name, "arm-smmu.0.auto");
        ck_assert_str_eq(group->others[1].driver, "xhci-hcd");
        ck_assert_str_eq(group->others[2].name, "orphan");
        ck_assert_ptr_null(group->others[2].subsystem);
}
END_TEST

START_TEST(one_group_read_alone_is_what_it_is_among_all) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_facts_ Facts facts = {};
        _cleanup_(group_freep) Group *group = NULL;

        ck_assert_int_eq(treegen_add_other(tree->fd, 7, "arm-smmu.0.auto", "platform", NULL), 0);
        facts = read_tree(tree);
        group = read_group(tree, 7);
        ck_assert_uint_eq(group->n_devices, 0);
        ck_assert_uint_eq(group->n_others, 1);
        ck_assert_int_eq(facts_put_group(&facts, TAKE_PTR(group)), 0);
        ck_assert_int_eq(facts_link(&facts), 0);

        _cleanup_facts_ Facts again = read_tree(tree);
        ck_assert(group_equal(facts_find_group(&facts, 7), facts_find_group(&again, 7)));
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

START_TEST(a_group_without_iommu_is_fake_but_one_of_mediated_devices_is_not) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();

        ck_assert_int_eq(treegen_set_group_attribute(tree->fd, 7, "name", "vfio-noiommu\n"), 0);
        ck_assert_int_eq(treegen_add_other(tree->fd, 8, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "mdev", "vfio_mdev"), 0);
        ck_assert_int_eq(treegen_set_group_attribute(tree->fd, 8, "name", "vfio-noiommu\n"), 0);
        ck_assert_int_eq(treegen_add_other(tree->fd, 7, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002", "mdev", NULL), 0);
        ck_assert_int_eq(treegen_add_group(tree->fd, 9), 0);
        ck_assert_int_eq(treegen_set_group_attribute(tree->fd, 9, "name", "something of a longer name than that\n"), 0);

        _cleanup_facts_ Facts facts = read_tree(tree);
        ck_assert(facts_find_group(&facts, 7)->fake);
        ck_assert(!facts_find_group(&facts, 8)->fake);
        ck_assert(!facts_find_group(&facts, 9)->fake);
        ck_assert_int_eq(facts_find_group(&facts, 9)->read_error, 0);

        _cleanup_(group_freep) Group *fake = read_group(tree, 7), *mediated = read_group(tree, 8);
        ck_assert(fake->fake);
        ck_assert(!mediated->fake);
}
END_TEST

START_TEST(reserved_regions_are_read_in_order) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        _cleanup_(group_freep) Group *group = NULL;

        ck_assert_int_eq(treegen_set_group_attribute(tree->fd, 7, "reserved_regions",
                                                     "0x000000007d000000 0x000000007dffffff direct\n"
                                                     "0x00000000fee00000 0x00000000feefffff msi\n"
                                                     "0xfffffffffffff000 0xffffffffffffffff direct-relaxable\n"), 0);
        group = read_group(tree, 7);
        ck_assert_uint_eq(group->n_regions, 3);
        ck_assert_str_eq(group->regions[0].type, "direct");
        ck_assert_uint_eq(group->regions[0].start, 0x7d000000);
        ck_assert_uint_eq(group->regions[0].end, 0x7dffffff);
        ck_assert_str_eq(group->regions[2].type, "direct-relaxable");
        ck_assert_uint_eq(group->regions[2].end, UINT64_MAX);
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

START_TEST(drivers_are_found_by_name_only) {
        _cleanup_tree_ TreeGen *tree = lab_tree();
        char long_name[5000];

        memset(long_name, 'x', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = '\0';
        ck_assert_int_eq(tree_has_driver(tree->fd, "vfio-pci"), 1);
        ck_assert_int_eq(tree_has_driver(tree->fd, "e1000e"), 1);
        ck_assert_int_eq(tree_has_driver(tree->fd, "nouveau"), 0);
        ck_assert_int_eq(tree_has_driver(tree->fd, ""), 0);
        ck_assert_int_eq(tree_has_driver(tree->fd, "."), 0);
        ck_assert_int_eq(tree_has_driver(tree->fd, ".."), 0);
        ck_assert_int_eq(tree_has_driver(tree->fd, "../devices"), 0);
        ck_assert_int_eq(tree_has_driver(tree->fd, "e1000e/bind"), 0);
        ck_assert_int_eq(tree_has_driver(tree->fd, long_name), 0);
}
END_TEST

START_TEST(iommus_in_use_are_counted) {
        _cleanup_tree_ TreeGen *tree = empty_tree();

        ck_assert_int_eq(tree_count_iommus(tree->fd), 0);
        ck_assert_int_eq(treegen_add_iommu(tree->fd, "dmar0"), 0);
        ck_assert_int_eq(treegen_add_iommu(tree->fd, "dmar1"), 0);
        ck_assert_int_eq(tree_count_iommus(tree->fd), 2);
}
END_TEST

START_TEST(a_character_device_is_seen_where_there_is_one) {
        _cleanup_tree_ TreeGen *tree = tree_of_one();
        const PciAddress address = address_of(ONE), gone = address_of("0000:09:00.0");

        ck_assert_int_eq(tree_device_has_cdev(tree->fd, &address), 0);
        ck_assert_int_eq(treegen_add_vfio_dev(tree->fd, ONE, 3, false), 0);
        ck_assert_int_eq(tree_device_has_cdev(tree->fd, &address), 0);
        ck_assert_int_eq(treegen_remove_vfio_dev(tree->fd, ONE), 0);
        ck_assert_int_eq(treegen_add_vfio_dev(tree->fd, ONE, 3, true), 0);
        ck_assert_int_eq(tree_device_has_cdev(tree->fd, &address), 1);
        ck_assert_int_eq(tree_device_has_cdev(tree->fd, &gone), 0);
}
END_TEST

static unsigned count_open_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                n++;
        (void) closedir(directory);
        return n;
}

START_TEST(a_big_host_is_read_whole_and_no_fd_stays_open) {
        _cleanup_tree_ TreeGen *tree = empty_tree();
        _cleanup_facts_ Facts facts = {};
        unsigned n_fds = count_open_fds();
        size_t n_members = 0;

        ck_assert_int_eq(treegen_make_big(tree->fd, 1000, 400), 0);
        facts = read_tree(tree);
        ck_assert_uint_eq(count_open_fds(), n_fds);
        ck_assert_uint_eq(facts.n_devices, 1000);
        ck_assert_uint_eq(facts.n_groups, 400);
        for (size_t i = 0; i < facts.n_groups; i++) {
                ck_assert_uint_ge(facts.groups[i]->n_devices, 2);
                ck_assert_uint_eq(facts.groups[i]->n_others, 0);
                n_members += facts.groups[i]->n_devices;
        }
        ck_assert_uint_eq(n_members, 1000);
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

START_TEST(the_running_kernels_own_tree_is_read) {
        _cleanup_close_ int fd = tree_open("/sys");
        _cleanup_facts_ Facts facts = {};

        if (fd < 0 || faccessat(fd, "bus/pci/devices", F_OK, 0) < 0) {
                printf("not run: this machine shows no PCI devices\n");
                return;
        }
        ck_assert_int_eq(tree_read(fd, NULL, NULL, NULL, &facts), 0);
        for (size_t i = 0; i < facts.n_devices; i++) {
                ck_assert_int_ne(facts.devices[i]->role, ROLE_OTHER);
                ck_assert_uint_ne(facts.devices[i]->identity.vendor, 0);
        }
}
END_TEST

SUITE("tree",
      every_fact_of_a_device_is_read,
      facts_that_are_missing_are_absent_and_no_error,
      an_override_that_is_null_or_empty_is_none,
      identity_comes_from_the_attributes_where_modalias_does_not_give_it,
      a_device_without_identity_is_neither_endpoint_nor_bridge,
      base_class_or_header_make_a_bridge,
      the_labs_groups_are_what_the_lab_saw,
      a_pf_and_its_vfs_know_each_other,
      vfs_are_ordered_by_number_and_gaps_do_not_matter,
      a_tree_without_anything_is_a_host_without_anything,
      a_root_that_is_no_directory_is_refused,
      without_an_iommu_devices_have_no_group,
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
      what_can_block_is_not_opened,
      a_device_that_changes_drivers_keeps_its_known_override,
      one_device_read_while_it_changes_takes_its_override_from_what_is_known,
      members_that_are_no_pci_functions_are_named,
      one_group_read_alone_is_what_it_is_among_all,
      a_member_that_is_gone_is_left_out,
      a_group_without_iommu_is_fake_but_one_of_mediated_devices_is_not,
      reserved_regions_are_read_in_order,
      malformed_regions_are_noted_and_the_others_kept,
      a_group_that_cannot_be_read_is_there_and_says_so,
      drivers_are_found_by_name_only,
      iommus_in_use_are_counted,
      a_character_device_is_seen_where_there_is_one,
      a_big_host_is_read_whole_and_no_fd_stays_open,
      running_out_of_fds_is_an_error_and_not_a_fact,
      a_device_that_goes_is_read_whole_or_not_at_all,
      a_group_that_goes_is_read_whole_or_not_at_all,
      others_are_read_while_a_device_comes_and_goes,
      random_damage_is_survived_and_nothing_unfit_comes_out,
      the_running_kernels_own_tree_is_read)
