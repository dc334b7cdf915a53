/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree-scene.h"

#include <dirent.h>
#include <string.h>
#include <sys/inotify.h>

#include "suite.h"

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
      what_can_block_is_not_opened,
      a_device_that_changes_drivers_keeps_its_known_override,
      one_device_read_while_it_changes_takes_its_override_from_what_is_known,
      members_that_are_no_pci_functions_are_named,
      one_group_read_alone_is_what_it_is_among_all,
      a_group_without_iommu_is_fake_but_one_of_mediated_devices_is_not,
      reserved_regions_are_read_in_order,
      drivers_are_found_by_name_only,
      iommus_in_use_are_counted,
      a_character_device_is_seen_where_there_is_one,
      a_big_host_is_read_whole_and_no_fd_stays_open,
      the_running_kernels_own_tree_is_read)
