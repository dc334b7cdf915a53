/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/facts.h"

#include <string.h>

#include "base/strutil.h"
#include "machine.h"
#include "suite.h"

static PciAddress numbered(uint32_t n) {
        return (PciAddress){ .domain = n >> 16, .bus = (uint8_t) (n >> 8), .slot = (n >> 3) & 0x1f, .function = n & 7 };
}

static Device *device_numbered(uint32_t n, uint32_t group) {
        Device *device = calloc(1, sizeof(Device));

        ck_assert_ptr_nonnull(device);
        device->address = numbered(n);
        device->group = group;
        return device;
}

static Group *group_numbered(uint32_t number) {
        Group *group = calloc(1, sizeof(Group));

        ck_assert_ptr_nonnull(group);
        group->number = number;
        return group;
}

/* Sorted, unique, every group's list true and complete. */
static void assert_sound(const Facts *facts) {
        size_t n_members = 0, n_grouped = 0;

        for (size_t i = 0; i < facts->n_devices; i++) {
                if (i > 0)
                        ck_assert_int_lt(pci_address_compare(&facts->devices[i - 1]->address, &facts->devices[i]->address), 0);
                n_grouped += facts->devices[i]->group != GROUP_NONE;
        }
        for (size_t i = 0; i < facts->n_groups; i++) {
                const Group *group = facts->groups[i];

                if (i > 0)
                        ck_assert_uint_lt(facts->groups[i - 1]->number, group->number);
                for (size_t k = 0; k < group->n_devices; k++) {
                        ck_assert_uint_eq(group->devices[k]->group, group->number);
                        ck_assert_ptr_eq(facts_find_device(facts, &group->devices[k]->address), group->devices[k]);
                        if (k > 0)
                                ck_assert_int_lt(pci_address_compare(&group->devices[k - 1]->address, &group->devices[k]->address), 0);
                }
                n_members += group->n_devices;
        }
        ck_assert_uint_eq(n_members, n_grouped);
}

START_TEST(ten_thousand_devices_in_any_order_are_sorted_and_linked) {
        _cleanup_(facts_done) Facts facts = {};

        for (uint32_t i = 0; i < 10000; i++) {
                uint32_t shuffled = i * 7919 % 10000;

                ck_assert_int_eq(facts_append_device(&facts, device_numbered(shuffled, shuffled % 4000)), 0);
        }
        for (uint32_t i = 0; i < 4000; i += 2)
                ck_assert_int_eq(facts_append_group(&facts, group_numbered(3998 - i)), 0);
        facts_sort(&facts);
        machine_link(&facts);

        ck_assert_uint_eq(facts.n_devices, 10000);
        ck_assert_uint_eq(facts.n_groups, 4000);
        assert_sound(&facts);
        ck_assert_uint_eq(facts_find_group(&facts, 3999)->n_devices, 2);
        ck_assert_uint_eq(facts_find_group(&facts, 0)->n_devices, 3);
}
END_TEST

START_TEST(put_keeps_order_and_replaces) {
        static const uint32_t order[] = { 40, 8, 99, 0, 41, 8, 65536, 40 };
        _cleanup_(facts_done) Facts facts = {};
        Device *last = NULL;

        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                last = device_numbered(order[i], GROUP_NONE);
                ck_assert_int_eq(facts_put_device(&facts, last), 0);
                ck_assert_int_eq(facts_put_group(&facts, group_numbered(order[i])), 0);
        }
        ck_assert_uint_eq(facts.n_devices, 6);
        ck_assert_uint_eq(facts.n_groups, 6);
        ck_assert_ptr_eq(facts_find_device(&facts, &last->address), last);
        assert_sound(&facts);
}
END_TEST

START_TEST(what_is_not_there_is_not_found) {
        _cleanup_(facts_done) Facts facts = {};
        PciAddress before = numbered(1), between = numbered(3), after = numbered(9);

        ck_assert_ptr_null(facts_find_device(&facts, &between));
        ck_assert_ptr_null(facts_find_group(&facts, 0));

        ck_assert_int_eq(facts_put_device(&facts, device_numbered(2, GROUP_NONE)), 0);
        ck_assert_int_eq(facts_put_device(&facts, device_numbered(4, GROUP_NONE)), 0);
        ck_assert_int_eq(facts_put_group(&facts, group_numbered(2)), 0);
        ck_assert_ptr_null(facts_find_device(&facts, &before));
        ck_assert_ptr_null(facts_find_device(&facts, &between));
        ck_assert_ptr_null(facts_find_device(&facts, &after));
        ck_assert_ptr_null(facts_find_group(&facts, 1));
        ck_assert_ptr_null(facts_find_group(&facts, 3));
        ck_assert_ptr_null(facts_find_group(&facts, GROUP_NONE));
}
END_TEST

START_TEST(link_makes_the_groups_that_devices_name) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:02:00.1", 0x020000, 14, NULL, NULL);
        machine_add(&facts, "0000:02:00.0", 0x020000, 14, NULL, NULL);
        machine_add(&facts, "0000:01:00.0", 0x020000, 3, NULL, NULL);
        machine_add(&facts, "0000:00:00.0", 0x060000, GROUP_NONE, NULL, NULL);
        ck_assert_int_eq(facts_put_group(&facts, group_numbered(9)), 0);
        machine_link(&facts);

        ck_assert_uint_eq(facts.n_groups, 3);
        ck_assert_uint_eq(facts_find_group(&facts, 9)->n_devices, 0);
        ck_assert_uint_eq(facts_find_group(&facts, 14)->n_devices, 2);
        assert_sound(&facts);
}
END_TEST

START_TEST(link_again_follows_a_device_to_its_new_group) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, NULL, NULL);
        machine_link(&facts);
        machine_add(&facts, "0000:02:00.0", 0x020000, 15, NULL, NULL);
        ck_assert_uint_eq(facts_find_group(&facts, 14)->n_devices, 0);
        machine_link(&facts);
        ck_assert_uint_eq(facts_find_group(&facts, 14)->n_devices, 0);
        ck_assert_uint_eq(facts_find_group(&facts, 15)->n_devices, 1);
        assert_sound(&facts);
}
END_TEST

START_TEST(a_dropped_device_leaves_its_group_at_once) {
        _cleanup_(facts_done) Facts facts = {};
        PciAddress a;

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, NULL, NULL);
        machine_add(&facts, "0000:02:00.1", 0x020000, 14, NULL, NULL);
        machine_link(&facts);
        ck_assert_int_eq(pci_address_parse("0000:02:00.0", &a), 0);

        facts_drop_device(&facts, &a);
        ck_assert_ptr_null(facts_find_device(&facts, &a));
        ck_assert_uint_eq(facts_find_group(&facts, 14)->n_devices, 1);
        assert_sound(&facts);

        facts_drop_device(&facts, &a);
        ck_assert_uint_eq(facts.n_devices, 1);
}
END_TEST

START_TEST(a_replaced_device_stays_in_its_group_at_once) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, NULL, NULL);
        machine_link(&facts);
        machine_add(&facts, "0000:02:00.0", 0x020000, 14, "e1000e", NULL);
        ck_assert_str_eq(facts_find_group(&facts, 14)->devices[0]->driver, "e1000e");
        assert_sound(&facts);
}
END_TEST

START_TEST(dropped_groups_are_gone_and_come_back_by_link) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:02:00.0", 0x020000, 14, NULL, NULL);
        machine_group(&facts, 20);
        machine_link(&facts);

        facts_drop_group(&facts, 14);
        facts_drop_group(&facts, 20);
        facts_drop_group(&facts, 99);
        ck_assert_uint_eq(facts.n_groups, 0);
        machine_link(&facts);
        ck_assert_uint_eq(facts.n_groups, 1);
        assert_sound(&facts);
}
END_TEST

START_TEST(growing_and_shrinking_at_random_stays_sound) {
        _cleanup_(facts_done) Facts facts = {};
        unsigned seed = 1;

        for (size_t i = 0; i < 5000; i++) {
                uint32_t n = (uint32_t) rand_r(&seed) % 64;
                PciAddress a = numbered(n);

                if (rand_r(&seed) % 3 == 0)
                        facts_drop_device(&facts, &a);
                else
                        ck_assert_int_eq(facts_put_device(&facts, device_numbered(n, (uint32_t) rand_r(&seed) % 8)), 0);
                machine_link(&facts);
                if (i % 100 == 0)
                        assert_sound(&facts);
        }
}
END_TEST

static Device *full_device(void) {
        Device *device = device_numbered(16, 14);

        ck_assert_int_eq(string_copy("e1000e", &device->driver), 0);
        ck_assert_int_eq(string_copy("e1000e", &device->driver_override), 0);
        ck_assert_int_eq(string_copy("flr bus", &device->reset_methods), 0);
        ck_assert_int_eq(string_copy("NIC", &device->name), 0);
        device->vfs = calloc(1, sizeof(PciAddress));
        ck_assert_ptr_nonnull(device->vfs);
        device->n_vfs = 1;
        return device;
}

START_TEST(devices_differ_in_every_single_fact) {
        for (size_t i = 0; i < 19; i++) {
                _cleanup_(device_freep) Device *a = full_device(), *b = full_device();

                ck_assert(device_equal(a, b));
                switch (i) {
                case 0: b->address.bus++; break;
                case 1: b->identity.vendor++; break;
                case 2: b->identity.device++; break;
                case 3: b->identity.subsystem_vendor++; break;
                case 4: b->identity.subsystem_device++; break;
                case 5: b->identity.class++; break;
                case 6: b->identity.revision++; break;
                case 7: b->role = ROLE_BRIDGE; break;
                case 8: b->group++; break;
                case 9: ck_assert_int_eq(string_replace(&b->driver, NULL), 1); break;
                case 10: ck_assert_int_eq(string_replace(&b->driver_override, "none"), 1); break;
                case 11: ck_assert_int_eq(string_replace(&b->reset_methods, NULL), 1); break;
                case 12: ck_assert_int_eq(string_replace(&b->name, "other"), 1); break;
                case 13: b->numa_node++; break;
                case 14: b->is_vf = true; break;
                case 15: b->is_pf = true; break;
                case 16: b->n_vfs = 0; break;
                case 17: b->vfs[0].function = 1; break;
                case 18: b->read_error = -EIO; break;
                }
                ck_assert_msg(!device_equal(a, b), "difference %zu was not seen", i);
        }
}
END_TEST

START_TEST(a_vf_that_moved_to_another_pf_is_another_device) {
        _cleanup_(device_freep) Device *a = full_device(), *b = full_device();

        a->is_vf = b->is_vf = true;
        ck_assert(device_equal(a, b));
        b->physfn.slot = 4;
        ck_assert(!device_equal(a, b));
}
END_TEST

/* A group with a device, a region and another member. */
static void full_group(Facts *facts) {
        machine_add(facts, "0000:02:00.0", 0x020000, 14, NULL, NULL);
        machine_add_other(facts, 14, "soc:dma", "platform", "pl330");
        machine_add_region(facts, 14, 0xfee00000, 0xfeefffff, "msi");
        machine_link(facts);
}

START_TEST(groups_differ_in_every_single_fact) {
        for (size_t i = 0; i < 11; i++) {
                _cleanup_(facts_done) Facts x = {}, y = {};
                Group *b;

                full_group(&x);
                full_group(&y);
                ck_assert(group_equal(x.groups[0], y.groups[0]));
                b = y.groups[0];
                switch (i) {
                case 0: b->number++; break;
                case 1: ck_assert_int_eq(string_replace(&b->domain_type, "identity"), 1); break;
                case 2: b->fake = true; break;
                case 3: b->regions[0].end++; break;
                case 4: (void) strcpy(b->regions[0].type, "direct"); break;
                case 5: machine_add_region(&y, 14, 1, 2, "msi"); break;
                case 6: ck_assert_int_eq(string_replace(&b->others[0].driver, NULL), 1); break;
                case 7: ck_assert_int_eq(string_replace(&b->others[0].name, "x"), 1); break;
                case 8: machine_add_other(&y, 14, "x", NULL, NULL); break;
                case 9: b->devices[0]->address.function = 1; break;
                case 10: machine_add(&y, "0000:02:00.1", 0x020000, 14, NULL, NULL); machine_link(&y); break;
                }
                ck_assert_msg(!group_equal(x.groups[0], b), "difference %zu was not seen", i);
        }
}
END_TEST

START_TEST(a_group_of_bridges_has_no_endpoint) {
        _cleanup_(facts_done) Facts facts = {};

        machine_add(&facts, "0000:00:1c.0", 0x060400, 3, "pcieport", NULL);
        machine_link(&facts);
        ck_assert(!group_has_endpoint(facts.groups[0]));
        machine_add(&facts, "0000:02:00.0", 0x020000, 3, NULL, NULL);
        machine_link(&facts);
        ck_assert(group_has_endpoint(facts.groups[0]));
}
END_TEST

START_TEST(roles_have_words) {
        ck_assert_str_eq(device_role_to_string(ROLE_ENDPOINT), "endpoint");
        ck_assert_str_eq(device_role_to_string(ROLE_BRIDGE), "bridge");
        ck_assert_str_eq(device_role_to_string(ROLE_OTHER), "other");
        ck_assert_ptr_null(device_role_to_string(_ROLE_MAX));
}
END_TEST

SUITE("facts",
      ten_thousand_devices_in_any_order_are_sorted_and_linked,
      put_keeps_order_and_replaces,
      what_is_not_there_is_not_found,
      link_makes_the_groups_that_devices_name,
      link_again_follows_a_device_to_its_new_group,
      a_dropped_device_leaves_its_group_at_once,
      a_replaced_device_stays_in_its_group_at_once,
      dropped_groups_are_gone_and_come_back_by_link,
      growing_and_shrinking_at_random_stays_sound,
      devices_differ_in_every_single_fact,
      a_vf_that_moved_to_another_pf_is_another_device,
      groups_differ_in_every_single_fact,
      a_group_of_bridges_has_no_endpoint,
      roles_have_words)
