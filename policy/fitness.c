/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/fitness.h"

#include <string.h>

#include "base/strutil.h"

#define NAMES_MAX 8U

const char *finding_level_to_string(FindingLevel level) {
        static const char *const words[_FINDING_LEVEL_MAX] = {
                [FINDING_OK] = "ok",
                [FINDING_NOTE] = "note",
                [FINDING_PROBLEM] = "problem",
        };

        return level >= 0 && level < _FINDING_LEVEL_MAX ? words[level] : NULL;
}

void finding_list_done(FindingList *list) {
        for (size_t i = 0; i < list->n_items; i++) {
                free(list->items[i].text);
                free(list->items[i].advice);
        }
        free(list->items);
        *list = (FindingList) {};
}

static int add(FindingList *list, const char *code, FindingLevel level, const char *advice, const char *format, ...) _printf_(5, 6);
static int add(FindingList *list, const char *code, FindingLevel level, const char *advice, const char *format, ...) {
        _cleanup_free_ char *text = NULL, *advice_copy = NULL;
        Finding *grown;
        va_list ap;
        int r;

        va_start(ap, format);
        r = string_vformat(&text, format, ap);
        va_end(ap);
        if (r >= 0)
                r = string_copy(advice, &advice_copy);
        if (r < 0)
                return r;
        grown = reallocarray(list->items, list->n_items + 1, sizeof(Finding));
        if (!grown)
                return -ENOMEM;
        grown[list->n_items++] = (Finding) { code, level, TAKE_PTR(text), TAKE_PTR(advice_copy) };
        list->items = grown;
        return 0;
}

static int check_iommu(const Fitness *fitness, FindingList *list) {
        size_t n_groups = fitness->facts->n_groups, n_grouped = 0;

        for (size_t i = 0; i < fitness->facts->n_devices; i++)
                n_grouped += fitness->facts->devices[i]->group != GROUP_NONE;
        if (fitness->host->n_iommus > 0 && n_groups > 0)
                return add(list, "iommu", FINDING_OK, NULL, "The IOMMU is on: %zu groups with %zu PCI devices", n_groups, n_grouped);
        return add(list, "iommu", FINDING_PROBLEM,
                   "Turn it on in the firmware (VT-d, AMD-Vi, SMMU) and, on Intel, with intel_iommu=on on the kernel's command line", "The kernel uses no IOMMU, so no device can be given away");
}

/* " 0000:00:1f.0 0000:00:1f.3 ..." */
static int check_ungrouped(const Fitness *fitness, FindingList *list) {
        char names[NAMES_MAX * PCI_ADDRESS_STRING_MAX + 8] = "";
        size_t n = 0;

        if (fitness->facts->n_groups == 0)
                return 0;
        for (size_t i = 0; i < fitness->facts->n_devices; i++) {
                const Device *device = fitness->facts->devices[i];

                if (device->group != GROUP_NONE || device->role != ROLE_ENDPOINT || ++n > NAMES_MAX)
                        continue;
                (void) strcat(strcat(names, " "), PCI_ADDRESS_FORMAT(&device->address));
        }
        if (n == 0)
                return 0;
        return add(list, "no-group", FINDING_NOTE, "Only the firmware can change which IOMMU a device is behind", "%zu devices are behind no IOMMU and can be given to nobody:%s%s", n, names,
                   n > NAMES_MAX ? " ..." : "");
}

static int check_interrupts(const Fitness *fitness, FindingList *list) {
        const HostFacts *host = fitness->host;

        if (host->unsafe_interrupts_type1 || host->unsafe_interrupts_iommufd)
                return add(list, "interrupt-remapping", host->interrupt_remapping == ANSWER_YES ? FINDING_NOTE : FINDING_PROBLEM,
                           "Take allow_unsafe_interrupts away, unless every owner is trusted with this host",
                           "The kernel was told to do without interrupt remapping (allow_unsafe_interrupts)");
        switch (host->interrupt_remapping) {
        case ANSWER_YES:
                return add(list, "interrupt-remapping", FINDING_OK, NULL, "Interrupts are remapped");
        case ANSWER_NO:
                return add(list, "interrupt-remapping", FINDING_PROBLEM, "Turn it on in the firmware; it may be called x2APIC or interrupt remapping",
                           "Interrupts are not remapped, and the kernel lets no owner have a device");
        case ANSWER_UNKNOWN:
        case _ANSWER_MAX:
                break;
        }
        return add(list, "interrupt-remapping", FINDING_NOTE, "Look for it in the kernel's log: dmesg | grep -i remapping", "The kernel does not tell whether interrupts are remapped; it refuses at the open if they have to be and are not");
}

static int check_passthrough(const Fitness *fitness, FindingList *list) {
        size_t n = 0;

        for (size_t i = 0; i < fitness->facts->n_groups; i++)
                n += string_equal(fitness->facts->groups[i]->domain_type, "identity");
        if (n == 0)
                return add(list, "passthrough", FINDING_OK, NULL, "The DMA of devices that the host has is translated");
        return add(list, "passthrough", FINDING_NOTE, "Take iommu=pt and iommu.passthrough=1 off the kernel's command line",
                   "%zu groups reach all memory while nobody has attached them (identity domain)", n);
}

static int check_vfio(const Fitness *fitness, FindingList *list) {
        const HostFacts *host = fitness->host;
        int r;

        if (host->has_vfio_pci)
                r = add(list, "vfio", FINDING_OK, NULL, "The driver vfio-pci is loaded");
        else
                r = add(list, "vfio", FINDING_NOTE, "Load it at boot: echo vfio_pci > /etc/modules-load.d/vfio_pci.conf",
                        "The driver vfio-pci is not loaded; assignd loads it when it is needed");
        if (r < 0)
                return r;
        if (host->has_iommufd || host->has_container)
                return add(list, "backend", FINDING_OK, NULL, "Backends: %s", host->has_iommufd ? host->has_container ? "iommufd, group" : "iommufd" : "group");
        return add(list, "backend", FINDING_PROBLEM, "modprobe vfio_iommu_type1, or iommufd on kernels that have it", "There is neither /dev/iommu nor /dev/vfio/vfio");
}

static int check_noiommu(const Fitness *fitness, FindingList *list) {
        if (!fitness->host->unsafe_noiommu)
                return 0;
        return add(list, "no-iommu-mode", FINDING_PROBLEM, "Turn vfio.enable_unsafe_noiommu_mode off",
                   "VFIO gives out devices without an IOMMU (enable_unsafe_noiommu_mode); assignd never does");
}

static int check_foreign(const Fitness *fitness, FindingList *list) {
        int r = 0;

        for (char **m = fitness->host->foreign_managers; r >= 0 && m && *m; m++)
                r = add(list, "foreign-manager", FINDING_NOTE, "Let one manager move a device: take it out of the other's settings", "%s", *m);
        return r;
}

static int check_shape(const Fitness *fitness, FindingList *list) {
        int r = 0;

        if (!fitness->shape_changes || !fitness->shape_changes[0])
                return add(list, "shape", FINDING_OK, NULL, "The devices and groups are those of the last boot");
        for (char *const *c = fitness->shape_changes; r >= 0 && *c; c++)
                r = add(list, "shape", FINDING_NOTE, "Look whether addresses in configurations still mean the same devices", "Changed since the last boot: %s", *c);
        return r;
}

static int check_policy(const Fitness *fitness, FindingList *list) {
        if (fitness->policy_problem)
                return add(list, "policy", FINDING_PROBLEM, "assign-ctl policy check FILE tells what is wrong with a file; then systemctl reload assignd", "%s",
                           fitness->policy_problem);
        if (fitness->n_rules == 0)
                return add(list, "policy", FINDING_OK, NULL, "No policy rules are in force: root may do everything, and nobody else anything");
        return add(list, "policy", FINDING_OK, NULL, "%zu policy rules are in force", fitness->n_rules);
}

static int check_daemon(const Fitness *fitness, FindingList *list) {
        int r = 0;

        if (fitness->n_closed > 0)
                r = add(list, "closed", FINDING_PROBLEM, "assign-ctl list shows them, assign-ctl recover mends them", "%zu groups are stuck or quarantined", fitness->n_closed);
        if (r < 0)
                return r;
        if (string_equal(fitness->health, "ok"))
                return add(list, "daemon", FINDING_OK, NULL, "The daemon and its database are well");
        return add(list, "daemon", FINDING_PROBLEM, "journalctl -u assignd tells more; look at the space and the health of the disk under /var/lib/assignd",
                   "The daemon is not well: %s", fitness->health);
}

static int check_assignable(const Fitness *fitness, FindingList *list) {
        if (fitness->is_assignable)
                return add(list, "assignable", FINDING_OK, NULL, "At least one group could be assigned now");
        return add(list, "assignable", FINDING_PROBLEM, "assign-ctl why TARGET tells what stands in the way of a group", "No group could be assigned now without an override");
}

int fitness_check(const Fitness *fitness, FindingList *ret) {
        static int (*const checks[])(const Fitness *fitness, FindingList *list) = {
                check_iommu, check_ungrouped, check_interrupts, check_passthrough, check_vfio, check_noiommu,
                check_foreign, check_shape, check_policy, check_daemon, check_assignable,
        };
        _cleanup_(finding_list_done) FindingList list = {};

        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                int r = checks[i](fitness, &list);

                if (r < 0)
                        return r;
        }
        *ret = list;
        list = (FindingList) {};
        return 0;
}
