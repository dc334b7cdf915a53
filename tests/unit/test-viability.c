/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/viability.h"

#include <string.h>

#include "machine.h"
#include "suite.h"

/* Checks the only group of `facts`. */
static BlockerList check_only_group(Facts *facts) {
        BlockerList blockers = {};

        machine_link(facts);
        ck_assert_uint_eq(facts->n_groups, 1);
        ck_assert_int_eq(viability_check(facts->groups[0], &blockers), 0);
        return blockers;
}

static void assert_viable(Facts *facts) {
        _cleanup_(blocker_list_done) BlockerList blockers = check_only_group(facts);

        ck_assert_msg(blockers.n_items == 0, "%s", blockers.n_items > 0 ? blockers.items[0].detail : "");
}

static void assert_blocker(const Blocker *b, BlockerCode code, const char *device) {
        ck_assert_str_eq(blocker_code_to_string(b->code), blocker_code_to_string(code));
        ck_assert_pstr_eq(b->device, device);
        ck_assert(!b->overridable);
        if (device)
                ck_assert_msg(strstr(b->detail, device), "\"%s\" does not name %s", b->detail, device);
}

static void assert_only_blocker(Facts *facts, BlockerCode code, const char *device) {
        _cleanup_(blocker_list_done) BlockerList blockers = check_only_group(facts);

        ck_assert_uint_eq(blockers.n_items, 1);
        assert_blocker(&blockers.items[0], code, device);
}

START_TEST(endpoints_can_leave_whatever_driver_they_are_on) {
        static const char *const drivers[] = { NULL, "e1000e", "nvme", "pci-stub", "vfio-pci", "mlx5_vfio_pci", "pci-pf-stub", "uio_pci_generic" };

        for (size_t i = 0; i < ELEMENTSOF(drivers); i++) {
                _cleanup_(facts_done) Facts facts = {};

                machine_add(&facts, "0000:02:00.0", 0x020000, 14, drivers[i], NULL);
                assert_viable(&facts);
        }
}
END_TEST

START_TEST(a_physical_function_with_its_virtual_functions_on_goes_to_nobody) {
        static const char *const drivers[] = { NULL, "nvme", "vfio-pci" };

        for (size_t i = 0; i < ELEMENTSOF(drivers); i++) {
                _cleanup_(facts_done) Facts facts = {};
                Device *pf = machine_add(&facts, "0000:05:00.0", 0x010802, 16, drivers[i], NULL);

                pf->is_pf = true;
                pf->vfs = calloc(1, sizeof(PciAddress));
                ck_assert_ptr_nonnull(pf->vfs);
                pf->vfs[pf->n_vfs++] = (PciAddress) { .bus = 5, .function = 1 };
                assert_only_blocker(&facts, BLOCKER_HAS_VFS, "0000:05:00.0");
        }
}
END_TEST

START_TEST(a_physical_function_without_virtual_functions_is_like_any_other) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:05:00.0", 0x010802, 16, "nvme", NULL)->is_pf = true;
        assert_viable(&facts);
}
END_TEST

START_TEST(root_port_on_pcieport_is_fine) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:00:1c.0", 0x060400, 14, "pcieport", NULL);
        machine_add(&facts, "0000:02:00.0", 0x020000, 14, "e1000e", NULL);
        assert_viable(&facts);
}
END_TEST

START_TEST(bridge_without_a_driver_is_fine) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:04:00.0", 0x060400, 14, NULL, NULL);
        machine_add(&facts, "0000:05:00.0", 0x020000, 14, "e1000e", NULL);
        assert_viable(&facts);
}
END_TEST

START_TEST(bridge_on_shpchp_stays) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        machine_add(&facts, "0000:04:00.0", 0x060400, 14, "shpchp", NULL);
        machine_add(&facts, "0000:05:00.0", 0x020000, 14, "e1000e", NULL);
        blockers = check_only_group(&facts);
        ck_assert_uint_eq(blockers.n_items, 1);
        assert_blocker(&blockers.items[0], BLOCKER_HOST_DRIVER_STAYS, "0000:04:00.0");
        ck_assert_uint_eq(blockers.items[0].group, 14);
        ck_assert_ptr_nonnull(strstr(blockers.items[0].detail, "shpchp"));
}
END_TEST

static void add_q35_chipset(Facts *facts) {
        machine_add(facts, "0000:00:1f.0", 0x060100, 10, "lpc_ich", NULL);
        machine_add(facts, "0000:00:1f.2", 0x010601, 10, "ahci", NULL);
        machine_add(facts, "0000:00:1f.3", 0x0c0500, 10, "i801_smbus", NULL);
}

START_TEST(chipset_group_names_each_function_that_stays) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        add_q35_chipset(&facts);
        blockers = check_only_group(&facts);
        ck_assert_uint_eq(blockers.n_items, 2);
        assert_blocker(&blockers.items[0], BLOCKER_HOST_DRIVER_STAYS, "0000:00:1f.0");
        ck_assert_ptr_nonnull(strstr(blockers.items[0].detail, "lpc_ich"));
        assert_blocker(&blockers.items[1], BLOCKER_HOST_DRIVER_STAYS, "0000:00:1f.3");
        ck_assert_ptr_nonnull(strstr(blockers.items[1].detail, "i801_smbus"));
}
END_TEST

START_TEST(chipset_group_is_viable_once_its_drivers_were_unbound) {
        _cleanup_(facts_done) Facts facts = {};

        add_q35_chipset(&facts);
        machine_set_driver(&facts, "0000:00:1f.0", NULL);
        machine_set_driver(&facts, "0000:00:1f.3", NULL);
        assert_viable(&facts);
}
END_TEST

START_TEST(chipset_functions_are_told_from_devices_of_the_same_class) {
        static const struct {
                uint32_t class, beside_class;
                const char *address, *beside;
                bool is_chipset;
        } cases[] = {
                { 0x050000, 0x060000, "0000:00:14.2", "0000:00:00.0", true },  /* memory controller, host bridge */
                { 0x058000, 0x060100, "0000:00:1f.2", "0000:00:1f.0", true },
                { 0x088000, 0x060100, "0000:00:08.0", "0000:00:1f.0", true },  /* system peripheral */
                { 0x080501, 0x060100, "0000:00:1a.0", "0000:00:1f.0", false }, /* SD host controller */
                { 0x0c0500, 0x060100, "0000:00:1f.3", "0000:00:1f.0", true },
                { 0x0c0330, 0x060100, "0000:00:14.0", "0000:00:1f.0", false }, /* USB */
                { 0x040300, 0x060100, "0000:00:1f.3", "0000:00:1f.0", false }, /* audio */
                { 0x088000, 0x060400, "0000:02:00.0", "0000:00:1c.0", false }, /* an FPGA card behind a port */
                { 0x088000, 0x060100, "0000:02:00.0", "0000:00:1f.0", false }, /* not on that bus */
                { 0x088000, 0x060100, "0001:00:08.0", "0000:00:1f.0", false }, /* nor in that domain */
                { 0x050000, 0x020000, "0000:00:14.2", "0000:00:14.0", false }, /* beside no bridge of the chipset */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(facts_done) Facts facts = {};

                machine_add(&facts, cases[i].beside, cases[i].beside_class, 5, NULL, NULL);
                machine_add(&facts, cases[i].address, cases[i].class, 5, "some_driver", NULL);
                machine_link(&facts);
                ck_assert_msg(device_is_chipset(facts.groups[0], machine_device(&facts, cases[i].address)) == cases[i].is_chipset, "case %zu", i);
        }
}
END_TEST

START_TEST(group_of_bridges_has_nothing_to_give) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:00:1c.0", 0x060400, 3, "pcieport", NULL);
        assert_only_blocker(&facts, BLOCKER_NOT_ENDPOINT, NULL);
}
END_TEST

START_TEST(empty_group_has_nothing_to_give) {
        _cleanup_(facts_done) Facts facts = {};

        machine_group(&facts, 3);
        assert_only_blocker(&facts, BLOCKER_NOT_ENDPOINT, NULL);
}
END_TEST

START_TEST(member_that_could_not_be_read_blocks) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, "e1000e", NULL);
        machine_add(&facts, "0000:02:00.1", 0x020000, 14, "e1000e", NULL)->read_error = -EIO;
        assert_only_blocker(&facts, BLOCKER_NOT_ENDPOINT, "0000:02:00.1");
}
END_TEST

START_TEST(member_without_identity_blocks) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, "e1000e", NULL);
        machine_add(&facts, "0000:02:00.1", 0, 14, NULL, NULL)->role = ROLE_OTHER;
        assert_only_blocker(&facts, BLOCKER_NOT_ENDPOINT, "0000:02:00.1");
}
END_TEST

START_TEST(non_pci_member_on_a_host_driver_stays) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, "e1000e", NULL);
        machine_add_other(&facts, 14, "fd880000.dma", "platform", "pl330");
        machine_add_other(&facts, 14, "fd890000.dma", NULL, "vfio-platform");
        machine_add_other(&facts, 14, "fd8a0000.dma", "platform", NULL);
        blockers = check_only_group(&facts);
        ck_assert_uint_eq(blockers.n_items, 1);
        assert_blocker(&blockers.items[0], BLOCKER_HOST_DRIVER_STAYS, "fd880000.dma");
        ck_assert_ptr_nonnull(strstr(blockers.items[0].detail, "platform"));
}
END_TEST

START_TEST(fake_group_has_no_iommu) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, "vfio-pci", NULL);
        machine_group(&facts, 14)->fake = true;
        assert_only_blocker(&facts, BLOCKER_NO_IOMMU, NULL);
}
END_TEST

START_TEST(direct_regions_block_and_other_regions_do_not) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, "e1000e", NULL);
        machine_add_region(&facts, 14, 0xfee00000, 0xfeefffff, "msi");
        machine_add_region(&facts, 14, 0x1000, 0x1fff, "direct-relaxable");
        machine_add_region(&facts, 14, 0x2000, 0x2fff, "reserved");
        assert_viable(&facts);

        machine_add_region(&facts, 14, 0x7c000000, 0x7fffffff, "direct");
        blockers = check_only_group(&facts);
        ck_assert_uint_eq(blockers.n_items, 1);
        assert_blocker(&blockers.items[0], BLOCKER_DIRECT_MAPPING, NULL);
        ck_assert_ptr_nonnull(strstr(blockers.items[0].detail, "0x7c000000-0x7fffffff"));
}
END_TEST

START_TEST(everything_is_told_at_once) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        machine_add(&facts, "0000:04:00.0", 0x060400, 14, "shpchp", NULL);
        machine_group(&facts, 14)->fake = true;
        machine_add_region(&facts, 14, 0x1000, 0x1fff, "direct");
        machine_add_other(&facts, 14, "dma0", "platform", "pl330");
        blockers = check_only_group(&facts);
        ck_assert_uint_eq(blockers.n_items, 5);
        ck_assert(blocker_list_contains(&blockers, BLOCKER_NO_IOMMU));
        ck_assert(blocker_list_contains(&blockers, BLOCKER_NOT_ENDPOINT));
        ck_assert(blocker_list_contains(&blockers, BLOCKER_DIRECT_MAPPING));
        ck_assert(blocker_list_contains(&blockers, BLOCKER_HOST_DRIVER_STAYS));
}
END_TEST

START_TEST(drivers_that_may_stay_are_the_kernels) {
        static const char *const exempt[] = { "vfio-pci", "mlx5_vfio_pci", "hisi_acc_vfio_pci", "nvgrace-gpu-vfio-pci", "vfio-platform", "vfio-amba",
                                              "vfio-fsl-mc", "vfio-cdx", "pci-stub", "pcieport" };
        static const char *const others[] = { "", "pci-pf-stub", "xen-pciback", "uio_pci_generic", "shpchp", "e1000e", "vfio", "vfio-pci2", "-vfio-pci", "_vfio_pci" };

        for (size_t i = 0; i < ELEMENTSOF(exempt); i++)
                ck_assert_msg(driver_is_exempt(exempt[i]), "%s", exempt[i]);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                ck_assert_msg(!driver_is_exempt(others[i]), "%s", others[i]);
        ck_assert(!driver_is_exempt(NULL));

        ck_assert(driver_is_vfio("vfio-pci"));
        ck_assert(driver_is_vfio("virtio_vfio_pci"));
        ck_assert(!driver_is_vfio("vfio-platform"));
        ck_assert(!driver_is_vfio("pci-stub"));
        ck_assert(!driver_is_vfio(NULL));
}
END_TEST

SUITE("viability",
      endpoints_can_leave_whatever_driver_they_are_on,
      a_physical_function_with_its_virtual_functions_on_goes_to_nobody,
      a_physical_function_without_virtual_functions_is_like_any_other,
      root_port_on_pcieport_is_fine,
      bridge_without_a_driver_is_fine,
      bridge_on_shpchp_stays,
      chipset_group_names_each_function_that_stays,
      chipset_group_is_viable_once_its_drivers_were_unbound,
      chipset_functions_are_told_from_devices_of_the_same_class,
      group_of_bridges_has_nothing_to_give,
      empty_group_has_nothing_to_give,
      member_that_could_not_be_read_blocks,
      member_without_identity_blocks,
      non_pci_member_on_a_host_driver_stays,
      fake_group_has_no_iommu,
      direct_regions_block_and_other_regions_do_not,
      everything_is_told_at_once,
      drivers_that_may_stay_are_the_kernels)
