/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/fitness.h"

#include <string.h>

#include "base/strutil.h"
#include "machine.h"
#include "suite.h"

static const HostFacts good_host = { .n_iommus = 1, .interrupt_remapping = ANSWER_YES, .has_vfio_pci = true, .has_container = true };

static Facts facts_of_one(const char *domain) {
        Facts facts = {};

        machine_add(&facts, "0000:01:00.0", 0x020000, 14, "e1000e", NULL);
        machine_link(&facts);
        free(facts.groups[0]->domain_type);
        facts.groups[0]->domain_type = strdup(domain);
        return facts;
}

/* "iommu=ok ..." of everything that is not ok; and every problem and note has advice. */
static char *findings_of(const Fitness *fitness) {
        _cleanup_(finding_list_done) FindingList list = {};
        char *text = strdup("");

        ck_assert_int_eq(fitness_check(fitness, &list), 0);
        ck_assert_str_eq(list.items[list.n_items - 1].code, "assignable");
        for (size_t i = 0; i < list.n_items; i++) {
                _cleanup_free_ char *before = text;

                ck_assert(list.items[i].level == FINDING_OK || list.items[i].advice);
                if (list.items[i].level == FINDING_OK)
                        text = strdup(before);
                else
                        ck_assert_int_eq(string_format(&text, "%s%s=%s ", before, list.items[i].code, finding_level_to_string(list.items[i].level)), 0);
        }
        return text;
}

START_TEST(a_good_host_has_nothing_to_be_told) {
        _cleanup_(facts_done) Facts facts = facts_of_one("DMA");
        _cleanup_free_ char *text = findings_of(&(Fitness) { .host = &good_host, .facts = &facts, .health = "ok", .is_assignable = true });

        ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(each_defect_is_told_as_what_it_is) {
        static char *managers[] = { (char *) "driverctl sets ...", NULL }, *changes[] = { (char *) "moved: x", (char *) "appeared: y", NULL };
        const struct {
                HostFacts host;
                const char *domain, *health, *policy_problem, *expected;
                char **changes;
                size_t n_closed;
                bool is_not_assignable;
        } cases[] = {
                { .host = { .interrupt_remapping = ANSWER_YES, .has_vfio_pci = true, .has_container = true }, .expected = "iommu=problem " },
                { .host = { 1, ANSWER_NO, .has_vfio_pci = true, .has_container = true }, .expected = "interrupt-remapping=problem " },
                { .host = { 1, ANSWER_UNKNOWN, .has_vfio_pci = true, .has_container = true }, .expected = "interrupt-remapping=note " },
                { .host = { 1, ANSWER_NO, true, .has_vfio_pci = true, .has_container = true }, .expected = "interrupt-remapping=problem " },
                { .host = { 1, ANSWER_YES, true, .has_vfio_pci = true, .has_container = true }, .expected = "interrupt-remapping=note " },
                { .host = { 1, ANSWER_YES, .has_container = true }, .expected = "vfio=note " },
                { .host = { 1, ANSWER_YES, .has_vfio_pci = true }, .expected = "backend=problem " },
                { .host = { 1, ANSWER_YES, .has_vfio_pci = true, .has_iommufd = true, .unsafe_noiommu = true }, .expected = "no-iommu-mode=problem " },
                { .host = { 1, ANSWER_YES, .has_vfio_pci = true, .has_iommufd = true, .foreign_managers = managers }, .expected = "foreign-manager=note " },
                { .host = good_host, .domain = "identity", .expected = "passthrough=note " },
                { .host = good_host, .health = "degraded: x", .expected = "daemon=problem " },
                { .host = good_host, .policy_problem = "a.json:3:1: x", .expected = "policy=problem " },
                { .host = good_host, .changes = changes, .expected = "shape=note shape=note " },
                { .host = good_host, .n_closed = 2, .expected = "closed=problem " },
                { .host = good_host, .is_not_assignable = true, .expected = "assignable=problem " },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(facts_done) Facts facts = facts_of_one(cases[i].domain ?: "DMA");
                _cleanup_free_ char *text = findings_of(&(Fitness) { &cases[i].host, &facts, cases[i].health ?: "ok", cases[i].policy_problem, 0, cases[i].changes,
                                                                     cases[i].n_closed, !cases[i].is_not_assignable });

                ck_assert_str_eq(text, cases[i].expected);
        }
}
END_TEST

START_TEST(devices_behind_no_iommu_are_named) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(finding_list_done) FindingList list = {};
        char address[32];

        machine_add(&facts, "0000:01:00.0", 0x020000, 14, "e1000e", NULL);
        for (unsigned i = 0; i < 10; i++) {
                (void) snprintf(address, sizeof(address), "0000:02:%02x.0", i);
                machine_add(&facts, address, 0x020000, GROUP_NONE, NULL, NULL);
        }
        machine_link(&facts);
        ck_assert_int_eq(fitness_check(&(Fitness) { .host = &good_host, .facts = &facts, .health = "ok" }, &list), 0);
        ck_assert_str_eq(list.items[0].text, "The IOMMU is on: 1 groups with 1 PCI devices");
        ck_assert_str_eq(list.items[1].code, "no-group");
        ck_assert_ptr_nonnull(strstr(list.items[1].text, "10 devices"));
        ck_assert_ptr_nonnull(strstr(list.items[1].text, "0000:02:07.0 ..."));
        ck_assert_ptr_null(strstr(list.items[1].text, "0000:02:08.0"));
}
END_TEST

SUITE("fitness", a_good_host_has_nothing_to_be_told, each_defect_is_told_as_what_it_is, devices_behind_no_iommu_are_named)
