/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/host-facts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "suite.h"
#include "tree-scene.h"

static void put_file(int fd, const char *path, const char *text) {
        char part[256];
        _cleanup_close_ int file = -EBADF;

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                (void) snprintf(part, sizeof(part), "%.*s", (int) (slash - path), path);
                ck_assert(mkdirat(fd, part, 0755) == 0 || errno == EEXIST);
        }
        file = openat(fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        ck_assert_int_ge(file, 0);
        ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t) strlen(text));
}

/* All roots are the tree's. */
static HostFacts facts_of(const TreeGen *tree) {
        _cleanup_close_ int driverctl_fd = openat(tree->fd, "driverctl.d", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const HostRoots roots = { tree->fd, tree->fd, tree->fd, driverctl_fd, tree->fd };
        HostFacts facts = {};

        ck_assert_int_eq(host_facts_read(&roots, &facts), 0);
        return facts;
}

START_TEST(a_host_that_tells_nothing_is_unknown_and_has_nothing) {
        _cleanup_tree_ TreeGen *tree = empty_tree();
        _cleanup_(host_facts_done) HostFacts facts = facts_of(tree);

        ck_assert_uint_eq(facts.n_iommus, 0);
        ck_assert_int_eq(facts.interrupt_remapping, ANSWER_UNKNOWN);
        ck_assert(!facts.has_vfio_pci && !facts.has_container && !facts.has_iommufd && !facts.unsafe_noiommu);
        ck_assert_ptr_null(facts.kernel);
        ck_assert_ptr_null(facts.foreign_managers);
}
END_TEST

START_TEST(interrupt_remapping_is_told_by_the_names_of_chips) {
        static const struct {
                const char *first, *second;
                Answer answer;
        } cases[] = {
                { "IO-APIC\n", "PCI-MSI\n", ANSWER_NO },
                { "IR-IO-APIC\n", "PCI-MSI\n", ANSWER_YES },
                { "IO-APIC\n", "IR-PCI-MSI-0000:00:1f.2\n", ANSWER_YES },
                { "GICv3\n", "ITS-MSI\n", ANSWER_UNKNOWN },
                { "\n", "XT-PIC\n", ANSWER_UNKNOWN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_tree_ TreeGen *tree = empty_tree();
                _cleanup_(host_facts_done) HostFacts facts = {};

                put_file(tree->fd, "kernel/irq/0/chip_name", cases[i].first);
                put_file(tree->fd, "kernel/irq/24/chip_name", cases[i].second);
                facts = facts_of(tree);
                ck_assert_int_eq(facts.interrupt_remapping, cases[i].answer);
        }
}
END_TEST

START_TEST(parameters_nodes_and_other_managers_are_read) {
        _cleanup_tree_ TreeGen *tree = empty_tree();
        _cleanup_(host_facts_done) HostFacts facts = {};

        ck_assert_int_eq(treegen_add_iommu(tree->fd, "dmar0"), 0);
        ck_assert_int_eq(treegen_add_driver(tree->fd, "vfio-pci"), 0);
        put_file(tree->fd, "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
        put_file(tree->fd, "module/iommufd/parameters/allow_unsafe_interrupts", "N\n");
        put_file(tree->fd, "module/vfio/parameters/enable_unsafe_noiommu_mode", "1\n");
        put_file(tree->fd, "vfio/vfio", "");
        put_file(tree->fd, "iommu", "");
        put_file(tree->fd, "sys/kernel/osrelease", "6.1.0-28-amd64\n");
        put_file(tree->fd, "cmdline", "quiet iommu=pt\n");
        put_file(tree->fd, "driverctl.d/pci-0000:02:00.0", "vfio-pci\n");
        put_file(tree->fd, "virtqemud.pid", "");
        facts = facts_of(tree);
        ck_assert_uint_eq(facts.n_iommus, 1);
        ck_assert(facts.unsafe_interrupts_type1 && !facts.unsafe_interrupts_iommufd && facts.unsafe_noiommu);
        ck_assert(facts.has_vfio_pci && facts.has_container && facts.has_iommufd);
        ck_assert_str_eq(facts.kernel, "6.1.0-28-amd64");
        ck_assert_str_eq(facts.command_line, "quiet iommu=pt");
        ck_assert_uint_eq(strv_length(facts.foreign_managers), 2);
        ck_assert_ptr_nonnull(strstr(facts.foreign_managers[0], "pci-0000:02:00.0"));
        ck_assert_ptr_nonnull(strstr(facts.foreign_managers[1], "libvirt"));
}
END_TEST

SUITE("host-facts", a_host_that_tells_nothing_is_unknown_and_has_nothing, interrupt_remapping_is_told_by_the_names_of_chips,
      parameters_nodes_and_other_managers_are_read)
