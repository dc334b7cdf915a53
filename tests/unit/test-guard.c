/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard.h"

#include <string.h>

#include "machine.h"
#include "suite.h"

#define DISK "0000:05:00.0"

static const PciAddress disk = { 0, 5, 0, 0 }, stranger = { 0, 6, 0, 0 };

static Facts facts_of_disk(void) {
        Facts facts = {};

        machine_add(&facts, DISK, 0x010802, 16, "nvme", NULL);
        machine_link(&facts);
        return facts;
}

static void add_use(UseList *list, UseKind kind, const char *node, const char *what) {
        ck_assert_int_eq(use_list_add(list, kind, &disk, node, what), 0);
}

START_TEST(each_use_is_a_blocker_that_names_what_stands_in_the_way) {
        static const struct {
                UseKind kind;
                const char *node, *what;
                BlockerCode code;
                const char *detail;
        } cases[] = {
                { USE_MOUNT, "nvme0n1p1", "/srv", BLOCKER_IN_USE_MOUNT, "/srv is mounted from nvme0n1p1 on " DISK ": unmount it" },
                { USE_SWAP, "nvme0n1p2", NULL, BLOCKER_IN_USE_SWAP, "The host swaps to nvme0n1p2 on " DISK ": swapoff /dev/nvme0n1p2" },
                { USE_BLOCK_HOLDER, "nvme0n1", "vg-root (dm-1)", BLOCKER_IN_USE_BLOCK_HOLDER,
                  "nvme0n1 on " DISK " is part of vg-root (dm-1): stop or take apart what is made of it" },
                { USE_ADDRESS, "eth0", "2001:db8::1", BLOCKER_IN_USE_NETWORK,
                  "The interface eth0 of " DISK " has the address 2001:db8::1: take it down, or move the address" },
                { USE_ROUTE, "eth0", "192.168.2.0/24", BLOCKER_IN_USE_NETWORK,
                  "The host reaches 192.168.2.0/24 through the interface eth0 of " DISK ": take it down, or move the address and route" },
                { USE_DEFAULT_ROUTE, "eth0", NULL, BLOCKER_IN_USE_NETWORK,
                  "The host's default route goes through the interface eth0 of " DISK ": it may be how you reach this host" },
                { USE_PORT, "eth0", "br0", BLOCKER_IN_USE_NETWORK, "The interface eth0 of " DISK " is a port of br0: take it out of there" },
                { USE_UPPER, "eth0", "eth0.7", BLOCKER_IN_USE_NETWORK, "The interface eth0.7 sits on eth0 of " DISK ": remove it" },
                { USE_OTHER_NAMESPACE, NULL, NULL, BLOCKER_IN_USE_NETWORK,
                  "The interface of " DISK " is in another network namespace, most likely a container's" },
                { USE_FRAMEBUFFER, "fb0", NULL, BLOCKER_IN_USE_CONSOLE, "The console is drawn on fb0 of " DISK },
                { USE_BOOT_DISPLAY, NULL, NULL, BLOCKER_IN_USE_CONSOLE, DISK " is the display that the firmware started on, and the host's console with it" },
                { USE_SERIAL_CONSOLE, "ttyS4", NULL, BLOCKER_IN_USE_CONSOLE, "ttyS4 of " DISK " is a console on the kernel's command line" },
                { USE_CHILD, "vdpa0", "vdpa", BLOCKER_HAS_CHILDREN, "The vdpa device vdpa0 was made of " DISK ", and goes with its driver: remove it" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(facts_done) Facts facts = facts_of_disk();
                _cleanup_(use_list_done) UseList list = {};
                _cleanup_(blocker_list_done) BlockerList blockers = {};

                add_use(&list, cases[i].kind, cases[i].node, cases[i].what);
                ck_assert_int_eq(guard_check_uses(facts.groups[0], &list, &blockers), 0);
                ck_assert_uint_eq(blockers.n_items, 1);
                ck_assert_str_eq(blocker_code_to_string(blockers.items[0].code), blocker_code_to_string(cases[i].code));
                ck_assert_str_eq(blockers.items[0].detail, cases[i].detail);
                ck_assert_str_eq(blockers.items[0].device, DISK);
                ck_assert_uint_eq(blockers.items[0].group, 16);
                ck_assert(blockers.items[0].overridable);
        }
}
END_TEST

START_TEST(what_could_not_be_found_out_is_a_blocker_of_every_kind) {
        for (UseKind kind = 0; kind < _USE_KIND_MAX; kind++) {
                _cleanup_(facts_done) Facts facts = facts_of_disk();
                _cleanup_(use_list_done) UseList list = {};
                _cleanup_(blocker_list_done) BlockerList blockers = {};

                ck_assert_int_eq(use_list_add_unknown(&list, kind, &disk, -EACCES), 0);
                ck_assert_int_eq(use_list_add_unknown(&list, kind, &disk, -EACCES), 0);
                ck_assert_int_eq(guard_check_uses(facts.groups[0], &list, &blockers), 0);
                ck_assert_uint_eq(blockers.n_items, 1);
                ck_assert(strstr(blockers.items[0].detail, "Permission denied"));
                ck_assert(blockers.items[0].overridable);
        }
}
END_TEST

START_TEST(uses_of_other_groups_do_not_count) {
        _cleanup_(facts_done) Facts facts = facts_of_disk();
        _cleanup_(use_list_done) UseList list = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        ck_assert_int_eq(use_list_add(&list, USE_MOUNT, &stranger, "sda1", "/"), 0);
        ck_assert_int_eq(guard_check_uses(facts.groups[0], &list, &blockers), 0);
        ck_assert_uint_eq(blockers.n_items, 0);
}
END_TEST

START_TEST(what_is_told_twice_is_listed_once_and_too_many_are_counted) {
        _cleanup_(facts_done) Facts facts = facts_of_disk();
        _cleanup_(use_list_done) UseList list = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        char point[16];

        for (unsigned i = 0; i < 30; i++) {
                (void) snprintf(point, sizeof(point), "/m%u", i / 2);
                add_use(&list, USE_MOUNT, "nvme0n1p1", point);
        }
        add_use(&list, USE_SWAP, "nvme0n1p2", NULL);
        ck_assert_uint_eq(list.n_items, USES_LISTED_MAX + 1);
        ck_assert_int_eq(guard_check_uses(facts.groups[0], &list, &blockers), 0);
        ck_assert_ptr_nonnull(strstr(blockers.items[USES_LISTED_MAX - 1].detail, " more)"));
}
END_TEST

START_TEST(text_from_the_host_is_escaped) {
        _cleanup_(use_list_done) UseList list = {};

        add_use(&list, USE_MOUNT, "nvme0n1p1", "/a\nb\x1b[2J");
        ck_assert_str_eq(list.items[0].what, "/a\\x0ab\\x1b[2J");
}
END_TEST

START_TEST(a_passthrough_domain_and_missing_interrupt_remapping_are_told) {
        static const struct {
                const char *domain;
                HostFacts host;
                const char *expected; /* codes; in capitals: not overridable */
        } cases[] = {
                { "DMA-FQ", { .interrupt_remapping = ANSWER_YES }, "" },
                { "DMA", { .interrupt_remapping = ANSWER_UNKNOWN, .unsafe_interrupts_type1 = true }, "" },
                { NULL, { .interrupt_remapping = ANSWER_UNKNOWN }, "" },
                { "identity", { .interrupt_remapping = ANSWER_YES }, "identity-domain " },
                { "DMA", { .interrupt_remapping = ANSWER_NO }, "UNSAFE-INTERRUPTS " },
                { "DMA", { .interrupt_remapping = ANSWER_NO, .unsafe_interrupts_type1 = true }, "unsafe-interrupts " },
                { "DMA", { .interrupt_remapping = ANSWER_NO, .unsafe_interrupts_iommufd = true }, "unsafe-interrupts " },
                { "identity", { .interrupt_remapping = ANSWER_NO }, "identity-domain UNSAFE-INTERRUPTS " },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(facts_done) Facts facts = facts_of_disk();
                _cleanup_(blocker_list_done) BlockerList blockers = {};
                char text[128] = "";

                free(facts.groups[0]->domain_type);
                facts.groups[0]->domain_type = cases[i].domain ? strdup(cases[i].domain) : NULL;
                ck_assert_int_eq(guard_check_exposure(facts.groups[0], &cases[i].host, &blockers), 0);
                for (size_t k = 0; k < blockers.n_items; k++) {
                        char *p = text + strlen(text);

                        (void) sprintf(p, "%s ", blocker_code_to_string(blockers.items[k].code));
                        for (; !blockers.items[k].overridable && *p; p++)
                                *p = *p >= 'a' && *p <= 'z' ? (char) (*p - 'a' + 'A') : *p;
                }
                ck_assert_str_eq(text, cases[i].expected);
        }
}
END_TEST

START_TEST(only_an_endpoint_without_a_reset_lacks_one) {
        static const struct {
                uint32_t class;
                const char *methods;
                bool blocked;
        } cases[] = { { 0x010802, "flr bus", false }, { 0x010802, "", true }, { 0x010802, NULL, true }, { 0x060400, NULL, false } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(facts_done) Facts facts = {};
                _cleanup_(blocker_list_done) BlockerList blockers = {};
                Device *device = machine_add(&facts, DISK, cases[i].class, 16, "nvme", NULL);

                device->reset_methods = cases[i].methods ? strdup(cases[i].methods) : NULL;
                machine_link(&facts);
                ck_assert_int_eq(guard_check_reset(facts.groups[0]->devices[0], NULL, &blockers), 0);
                ck_assert_uint_eq(blockers.n_items, cases[i].blocked);
                ck_assert(!cases[i].blocked || (blockers.items[0].code == BLOCKER_NO_RESET && blockers.items[0].overridable));
        }
}
END_TEST

START_TEST(a_missing_reset_that_the_policy_asks_for_is_told_with_its_place_and_reason) {
        const PolicyDemand demand = { .origin = { "50-tenants.json", 7 }, .reason = (char *) "tenants must not see each other's keys" };
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(facts_done) Facts facts = {};

        (void) machine_add(&facts, DISK, 0x010802, 16, "nvme", NULL);
        machine_link(&facts);
        ck_assert_int_eq(guard_check_reset(facts.groups[0]->devices[0], &demand, &blockers), 0);
        ck_assert_uint_eq(blockers.n_items, 1);
        ck_assert_int_eq(blockers.items[0].code, BLOCKER_NO_RESET);
        ck_assert_uint_eq(blockers.items[0].group, 16);
        ck_assert_str_eq(blockers.items[0].detail, "The kernel has no way to reset " DISK ", and 50-tenants.json:7 asks for a reset between owners: "
                                                   "tenants must not see each other's keys");
}
END_TEST

SUITE("guard", each_use_is_a_blocker_that_names_what_stands_in_the_way, what_could_not_be_found_out_is_a_blocker_of_every_kind,
      uses_of_other_groups_do_not_count, what_is_told_twice_is_listed_once_and_too_many_are_counted, text_from_the_host_is_escaped,
      a_passthrough_domain_and_missing_interrupt_remapping_are_told, only_an_endpoint_without_a_reset_lacks_one,
      a_missing_reset_that_the_policy_asks_for_is_told_with_its_place_and_reason)
