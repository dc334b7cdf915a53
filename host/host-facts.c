/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/host-facts.h"

#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/tree.h"
#include "host/tree-internal.h"

static bool read_flag(int sysfs_fd, const char *path) {
        char text[8];

        return attribute_read_at(sysfs_fd, path, text, sizeof(text)) > 0 && (text[0] == 'Y' || text[0] == '1');
}

/* x86 names the chips of remapped interrupts IR-... (arch/x86/kernel/apic/io_apic.c, drivers/iommu/intel/irq_remapping.c,
 * drivers/iommu/amd/iommu.c); other machines have no such names. */
static Answer chip_answer(const char *chip) {
        if (strncmp(chip, "IR-", strlen("IR-")) == 0 || strncmp(chip, "INTEL-IR", strlen("INTEL-IR")) == 0 || strncmp(chip, "AMD-IR", strlen("AMD-IR")) == 0)
                return ANSWER_YES;
        return string_equal(chip, "IO-APIC") ? ANSWER_NO : ANSWER_UNKNOWN;
}

static Answer read_interrupt_remapping(int sysfs_fd) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        Answer answer = ANSWER_UNKNOWN;
        const char *name;

        if (directory_open(&directory, sysfs_fd, "kernel/irq") < 0)
                return ANSWER_UNKNOWN;
        while (answer != ANSWER_YES && directory_next(&directory, &name) > 0) {
                char path[288], chip[128];
                Answer found;

                (void) snprintf(path, sizeof(path), "%s/chip_name", name);
                if (attribute_read_at(directory.fd, path, chip, sizeof(chip)) < 0)
                        continue;
                found = chip_answer(chip);
                if (found != ANSWER_UNKNOWN)
                        answer = found;
        }
        return answer;
}

static int find_driverctl(const HostRoots *roots, char ***managers) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        const char *name;
        int r = 0;

        if (roots->driverctl_fd < 0 || directory_open(&directory, roots->driverctl_fd, ".") < 0)
                return 0;
        while (r >= 0 && directory_next(&directory, &name) > 0) {
                _cleanup_free_ char *text = NULL, *escaped = NULL;

                if (strncmp(name, "pci-", strlen("pci-")) != 0)
                        continue;
                r = string_escape(name, 64, &escaped);
                if (r >= 0)
                        r = string_format(&text, "driverctl sets the driver of a device at every boot (its file %s)", escaped);
                if (r >= 0)
                        r = strv_append(managers, text);
        }
        return r;
}

static int find_file(int dir_fd, const char *path, const char *words, char ***managers) {
        return dir_fd >= 0 && exists_at(dir_fd, path) > 0 ? strv_append(managers, words) : 0;
}

static int find_foreign_managers(const HostRoots *roots, char ***managers) {
        int r;

        r = find_driverctl(roots, managers);
        if (r >= 0)
                r = find_file(roots->run_fd, "libvirtd.pid", "libvirt runs; a domain with <hostdev managed='yes'> moves devices itself", managers);
        if (r >= 0)
                r = find_file(roots->run_fd, "virtqemud.pid", "libvirt runs; a domain with <hostdev managed='yes'> moves devices itself", managers);
        return r;
}

static int read_text(int dir_fd, const char *path, char **ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = attribute_read_alloc_at(dir_fd, path, &text);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return string_escape(text, 2048, ret);
}

int host_facts_read(const HostRoots *roots, HostFacts *ret) {
        _cleanup_(host_facts_done) HostFacts facts = {};
        int r;

        r = tree_count_iommus(roots->sysfs_fd);
        facts.n_iommus = r > 0 ? (unsigned) r : 0;
        facts.interrupt_remapping = read_interrupt_remapping(roots->sysfs_fd);
        facts.unsafe_interrupts_type1 = read_flag(roots->sysfs_fd, "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
        facts.unsafe_interrupts_iommufd = read_flag(roots->sysfs_fd, "module/iommufd/parameters/allow_unsafe_interrupts");
        facts.unsafe_noiommu = read_flag(roots->sysfs_fd, "module/vfio/parameters/enable_unsafe_noiommu_mode");
        facts.has_vfio_pci = tree_has_driver(roots->sysfs_fd, "vfio-pci") > 0;
        facts.has_container = exists_at(roots->dev_fd, "vfio/vfio") > 0;
        facts.has_iommufd = exists_at(roots->dev_fd, "iommu") > 0;
        r = read_text(roots->proc_fd, "sys/kernel/osrelease", &facts.kernel);
        if (r >= 0)
                r = read_text(roots->proc_fd, "cmdline", &facts.command_line);
        if (r >= 0)
                r = find_foreign_managers(roots, &facts.foreign_managers);
        if (r < 0)
                return r;
        *ret = facts;
        facts = (HostFacts) {};
        return 0;
}
