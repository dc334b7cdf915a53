/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/drift.h"

#include <string.h>

#include "base/strutil.h"
#include "machine.h"
#include "suite.h"

#define NIC0 "0000:02:00.0"
#define NIC1 "0000:02:00.1"
#define PORT "0000:00:1c.0"
#define SINGLE "0000:01:00.0"
#define GROUP 14

/* Two groups as an assignment leaves them: a port and two functions, and a device alone. */
static Facts facts;
static RecordList records;

static void set_up(void) {
        facts = (Facts) {};
        machine_add(&facts, PORT, 0x060400, GROUP, "pcieport", NULL);
        machine_add(&facts, NIC0, 0x020000, GROUP, "e1000e", NULL);
        machine_add(&facts, NIC1, 0x020000, GROUP, NULL, "none");
        machine_add(&facts, SINGLE, 0x020000, 13, "e1000e", NULL);
        machine_link(&facts);
        records = machine_record(&facts, TARGETS(NIC0, SINGLE));
        for (size_t i = 0; i < records.n_items; i++) {
                const char *name = PCI_ADDRESS_FORMAT(&records.items[i].address);

                machine_set_driver(&facts, name, "vfio-pci");
                machine_set_override(&facts, name, "vfio-pci");
        }
}

static void tear_down(void) {
        facts_done(&facts);
        record_list_done(&records);
}

static PciAddress address_of(const char *text) {
        PciAddress address;

        ck_assert_int_eq(pci_address_parse(text, &address), 0);
        return address;
}

/* "driver-changed 0000:02:00.0 14!" a line, the mark for an isolation at stake. The caller frees it. */
static char *find_with(const VfOf *vfs, size_t n_vfs) {
        _cleanup_(drift_list_done) DriftList list = {};
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        machine_link(&facts);
        ck_assert_int_eq(drift_find(&records, &facts, vfs, n_vfs, &list), 0);
        for (size_t i = 0; i < list.n_items; i++) {
                const char *name = PCI_ADDRESS_FORMAT(&list.items[i].address);

                ck_assert_msg(strstr(list.items[i].detail, name), "\"%s\" does not name %s", list.items[i].detail, name);
                (void) fprintf(f, "%s %s %u%s\n", drift_code_to_string(list.items[i].code), name, list.items[i].group,
                               list.items[i].isolation_at_stake ? "!" : "");
        }
        (void) fclose(f);
        return text;
}

static void assert_drift(const char *expected) {
        _cleanup_free_ char *found = find_with(NULL, 0);

        ck_assert_str_eq(found, expected);
}

static void drop(const char *name) {
        PciAddress address = address_of(name);

        facts_drop_device(&facts, &address);
}

START_TEST(what_is_as_it_was_left_does_not_drift) {
        assert_drift("");
}
END_TEST

START_TEST(every_driver_that_is_not_the_vfio_driver_is_drift_and_a_host_driver_endangers_the_isolation) {
        static const struct {
                const char *driver;
                const char *expected;
        } cases[] = {
                { NULL, "driver-changed " NIC0 " 14\n" },
                { "e1000e", "driver-changed " NIC0 " 14!\n" },
                { "uio_pci_generic", "driver-changed " NIC0 " 14!\n" },
                { "pci-stub", "driver-changed " NIC0 " 14\n" },
                { "mlx5_vfio_pci", "driver-changed " NIC0 " 14\n" },
                { "vfio-pci", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                machine_set_driver(&facts, NIC0, cases[i].driver);
                assert_drift(cases[i].expected);
        }
}
END_TEST

START_TEST(every_other_override_is_drift) {
        static const char *const overrides[] = { NULL, "e1000e", "none" };

        for (size_t i = 0; i < ELEMENTSOF(overrides); i++) {
                machine_set_override(&facts, NIC1, overrides[i]);
                assert_drift("override-changed " NIC1 " 14\n");
        }
}
END_TEST

START_TEST(what_a_foreign_manager_does_is_told_whole) {
        machine_set_driver(&facts, NIC0, "e1000e");
        machine_set_override(&facts, NIC0, NULL);
        machine_set_driver(&facts, SINGLE, NULL);
        assert_drift("driver-changed " SINGLE " 13\ndriver-changed " NIC0 " 14!\noverride-changed " NIC0 " 14\n");
}
END_TEST

START_TEST(what_cannot_be_read_has_not_changed) {
        PciAddress nic = address_of(NIC0);
        Device *device = facts_find_device(&facts, &nic);

        device->read_error = -EIO;
        device->identity = (PciIdentity) {};
        machine_set_driver(&facts, NIC0, NULL);
        machine_set_override(&facts, NIC0, NULL);
        assert_drift("");
        machine_set_driver(&facts, NIC0, "e1000e"); /* but this can */
        assert_drift("driver-changed 0000:02:00.0 14!\n");
}
END_TEST

START_TEST(a_device_that_is_unplugged_is_gone) {
        drop(NIC1);
        assert_drift("device-gone " NIC1 " 14\n");
}
END_TEST

START_TEST(another_device_at_the_address_is_another_device_and_nothing_else) {
        machine_device(&facts, NIC0)->identity.device = 0x1533;
        machine_set_override(&facts, NIC0, NULL);
        machine_set_driver(&facts, NIC0, NULL);
        assert_drift("identity-changed " NIC0 " 14\n");
        machine_set_driver(&facts, NIC0, "igb");
        assert_drift("identity-changed " NIC0 " 14!\n");
        machine_device(&facts, SINGLE)->identity.device = 0x1533; /* nobody is left who could reach it */
        machine_set_driver(&facts, SINGLE, "igb");
        assert_drift("identity-changed " SINGLE " 13\nidentity-changed " NIC0 " 14!\n");
}
END_TEST

START_TEST(a_device_that_joins_endangers_the_isolation_if_a_host_driver_has_it) {
        Device *joined = machine_add(&facts, "0000:02:00.2", 0x020000, GROUP, NULL, NULL);

        assert_drift("device-joined 0000:02:00.2 14\n");
        machine_set_driver(&facts, "0000:02:00.2", "vfio-pci");
        assert_drift("device-joined 0000:02:00.2 14\n");
        machine_set_driver(&facts, "0000:02:00.2", "e1000e");
        assert_drift("device-joined 0000:02:00.2 14!\n");
        joined->role = ROLE_OTHER;
        assert_drift("device-joined 0000:02:00.2 14!\n");
}
END_TEST

START_TEST(a_bridge_of_the_group_may_be_on_no_host_driver) {
        machine_set_driver(&facts, PORT, NULL);
        assert_drift("");
        machine_set_driver(&facts, PORT, "shpchp");
        assert_drift("driver-changed " PORT " 14!\n");
}
END_TEST

START_TEST(a_device_in_another_group_is_not_isolated_as_it_was) {
        machine_device(&facts, NIC1)->group = 40;
        assert_drift("group-changed " NIC1 " 14!\n");
        machine_device(&facts, NIC1)->group = GROUP_NONE;
        assert_drift("group-changed " NIC1 " 14!\n");
}
END_TEST

START_TEST(a_group_that_only_has_the_number_was_not_joined) {
        drop(SINGLE);
        machine_add(&facts, "0000:30:00.0", 0x020000, 13, "e1000e", NULL);
        assert_drift("device-gone " SINGLE " 13\n");
}
END_TEST

START_TEST(the_number_of_vfs_is_watched_on_both_sides) {
        const VfOf known = { .vf = address_of(SINGLE), .physfn = address_of("0000:05:00.0") };
        _cleanup_free_ char *with_pf = NULL, *without = NULL;
        Device *pf = machine_device(&facts, NIC0);

        pf->vfs = calloc(1, sizeof(PciAddress));
        ck_assert_ptr_nonnull(pf->vfs);
        pf->vfs[pf->n_vfs++] = (PciAddress) { .bus = 2, .slot = 2 };
        assert_drift("numvfs-changed " NIC0 " 14\n");

        pf->n_vfs = 0;
        drop(SINGLE);
        without = find_with(&known, 1);
        ck_assert_str_eq(without, "device-gone " SINGLE " 13\n"); /* with its PF */
        machine_add(&facts, "0000:05:00.0", 0x010802, 16, "nvme", NULL);
        with_pf = find_with(&known, 1);
        ck_assert_str_eq(with_pf, "numvfs-changed " SINGLE " 13\n");
}
END_TEST

START_TEST(a_drift_is_known_again_and_another_is_not) {
        _cleanup_(drift_list_done) DriftList first = {}, second = {}, copy = {};

        machine_set_driver(&facts, NIC0, NULL);
        ck_assert_int_eq(drift_find(&records, &facts, NULL, 0, &first), 0);
        machine_set_driver(&facts, NIC0, "e1000e");
        machine_set_driver(&facts, NIC1, NULL);
        ck_assert_int_eq(drift_find(&records, &facts, NULL, 0, &second), 0);
        ck_assert_uint_eq(first.n_items, 1);
        ck_assert_uint_eq(second.n_items, 2);
        ck_assert(!drift_list_contains(&first, &second.items[0]));
        ck_assert(!drift_list_contains(&first, &second.items[1]));
        ck_assert_int_eq(drift_list_add(&copy, &first.items[0]), 0);
        ck_assert(drift_list_contains(&copy, &first.items[0]));
}
END_TEST

static void assert_hold(const char *expected) {
        _cleanup_(plan_done) Plan plan = {};
        _cleanup_free_ char *text = NULL;

        machine_link(&facts);
        ck_assert_int_eq(plan_hold(&records, &facts, &plan), 0);
        text = machine_plan_text(&plan);
        ck_assert_str_eq(text, expected);
        for (size_t i = 0; i < plan.n_steps; i++)
                ck_assert_int_eq(machine_apply(&facts, &plan.steps[i], NULL), 0);
        assert_drift("");
}

START_TEST(what_drifted_comes_back_to_its_keeper) {
        assert_hold("");
        machine_set_override(&facts, NIC0, NULL);
        machine_set_driver(&facts, NIC0, "e1000e");
        machine_set_driver(&facts, NIC1, NULL);
        machine_set_override(&facts, SINGLE, "none");
        assert_hold("set-override 0000:01:00.0 vfio-pci\nset-override 0000:02:00.0 vfio-pci\nset-override 0000:02:00.1 vfio-pci\n--\n"
                    "unbind 0000:02:00.0 e1000e\n--\n"
                    "bind 0000:02:00.0 vfio-pci\nbind 0000:02:00.1 vfio-pci\n");
}
END_TEST

START_TEST(what_is_gone_or_another_device_or_elsewhere_is_not_brought_back) {
        _cleanup_(plan_done) Plan plan = {};

        drop(NIC1);
        machine_device(&facts, NIC0)->identity.device = 0x1533;
        machine_set_driver(&facts, NIC0, "igb");
        machine_device(&facts, SINGLE)->group = 40;
        machine_set_driver(&facts, SINGLE, "e1000e");
        machine_link(&facts);
        ck_assert_int_eq(plan_hold(&records, &facts, &plan), 0);
        ck_assert_uint_eq(plan.n_steps, 0);
}
END_TEST

START_TEST(records_of_groups_are_gathered_once_each_in_order) {
        _cleanup_(record_list_done) RecordList list = {};

        ck_assert_int_eq(record_list_add_group(&list, &records, GROUP), 0);
        ck_assert_uint_eq(list.n_items, 2);
        ck_assert_int_eq(record_list_add_group(&list, &records, 13), 0);
        ck_assert_int_eq(record_list_add_group(&list, &records, GROUP), 0);
        ck_assert_uint_eq(list.n_items, records.n_items);
        for (size_t i = 0; i < records.n_items; i++) {
                ck_assert_int_eq(pci_address_compare(&list.items[i].address, &records.items[i].address), 0);
                ck_assert_pstr_eq(list.items[i].driver_override, records.items[i].driver_override);
                ck_assert_ptr_ne(list.items[i].vfio_driver, records.items[i].vfio_driver);
                ck_assert_ptr_eq(record_list_find(&list, &records.items[i].address), &list.items[i]);
        }
}
END_TEST

START_TEST(codes_have_their_words) {
        for (DriftCode code = 0; code < _DRIFT_CODE_MAX; code++)
                ck_assert_int_eq(drift_code_from_string(drift_code_to_string(code)), code);
        ck_assert_int_eq(drift_code_from_string("bored"), _DRIFT_CODE_INVALID);
        ck_assert_ptr_null(drift_code_to_string(_DRIFT_CODE_MAX));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_is_as_it_was_left_does_not_drift,
                every_driver_that_is_not_the_vfio_driver_is_drift_and_a_host_driver_endangers_the_isolation,
                every_other_override_is_drift,
                what_a_foreign_manager_does_is_told_whole,
                what_cannot_be_read_has_not_changed,
                a_device_that_is_unplugged_is_gone,
                another_device_at_the_address_is_another_device_and_nothing_else,
                a_device_that_joins_endangers_the_isolation_if_a_host_driver_has_it,
                a_bridge_of_the_group_may_be_on_no_host_driver,
                a_device_in_another_group_is_not_isolated_as_it_was,
                a_group_that_only_has_the_number_was_not_joined,
                the_number_of_vfs_is_watched_on_both_sides,
                a_drift_is_known_again_and_another_is_not,
                what_drifted_comes_back_to_its_keeper,
                what_is_gone_or_another_device_or_elsewhere_is_not_brought_back,
                records_of_groups_are_gathered_once_each_in_order,
                codes_have_their_words,
        };

        return suite_run_with_fixture("drift", set_up, tear_down, tests, ELEMENTSOF(tests));
}
