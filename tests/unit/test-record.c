/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/plan.h"

#include "base/strutil.h"
#include "machine.h"
#include "suite.h"

#define NIC0 "0000:02:00.0"
#define NIC1 "0000:02:00.1"

static void add_nic(Facts *facts) {
        machine_add(facts, NIC0, 0x020000, 14, "e1000e", NULL);
        machine_add(facts, NIC1, 0x020000, 14, NULL, "none");
        machine_link(facts);
}

START_TEST(records_hold_what_each_endpoint_was) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        machine_add(&facts, "0000:00:1c.0", 0x060400, 14, "pcieport", NULL);
        machine_link(&facts);
        records = machine_record(&facts, TARGETS(NIC1));

        ck_assert_uint_eq(records.n_items, 2);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&records.items[0].address), NIC0);
        ck_assert(!records.items[0].wanted);
        ck_assert_str_eq(records.items[0].driver, "e1000e");
        ck_assert_ptr_null(records.items[0].driver_override);
        ck_assert_str_eq(records.items[0].vfio_driver, "vfio-pci");
        ck_assert_uint_eq(records.items[0].group, 14);
        ck_assert_uint_eq(records.items[0].identity.device, 0x10d3);

        ck_assert(records.items[1].wanted);
        ck_assert_ptr_null(records.items[1].driver);
        ck_assert_str_eq(records.items[1].driver_override, "none");
}
END_TEST

START_TEST(records_are_copies) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        machine_set_driver(&facts, NIC0, "vfio-pci");
        ck_assert_str_eq(records.items[0].driver, "e1000e");
}
END_TEST

START_TEST(records_are_ordered_by_address_across_groups) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        machine_add(&facts, "0000:05:00.0", 0x020000, 1, NULL, NULL);
        machine_add(&facts, "0000:03:00.1", 0x020000, 1, NULL, NULL);
        machine_add(&facts, "0000:04:00.0", 0x020000, 2, NULL, NULL);
        machine_add(&facts, "0000:01:00.0", 0x020000, 2, NULL, NULL);
        machine_link(&facts);
        records = machine_record(&facts, TARGETS("05:00.0", "04:00.0"));
        ck_assert_uint_eq(records.n_items, 4);
        for (size_t i = 1; i < 4; i++)
                ck_assert_int_lt(pci_address_compare(&records.items[i - 1].address, &records.items[i].address), 0);
        ck_assert(!records.items[0].wanted);
        ck_assert(!records.items[1].wanted);
        ck_assert(records.items[2].wanted);
        ck_assert(records.items[3].wanted);
}
END_TEST

START_TEST(an_empty_selection_has_no_records) {
        _cleanup_(record_list_done) RecordList records = {};
        static const Selection none = {};

        ck_assert_int_eq(record_selection(&none, "vfio-pci", &records), 0);
        ck_assert_uint_eq(records.n_items, 0);
}
END_TEST

static void assert_differences(const RecordList *records, const Facts *facts, char *const *expected) {
        _cleanup_strv_free_ char **differences = NULL;

        ck_assert_int_eq(record_list_compare(records, facts, &differences), 0);
        ck_assert_uint_eq(strv_length(differences), strv_length(expected));
        for (size_t i = 0; i < strv_length(expected); i++)
                ck_assert_str_eq(differences[i], expected[i]);
}

START_TEST(what_is_as_recorded_has_no_difference) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        assert_differences(&records, &facts, NULL);
}
END_TEST

START_TEST(each_difference_is_a_sentence) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));

        machine_set_driver(&facts, NIC0, "vfio-pci");
        machine_set_override(&facts, NIC0, "vfio-pci");
        machine_set_driver(&facts, NIC1, "e1000e");
        machine_set_override(&facts, NIC1, NULL);
        assert_differences(&records, &facts, TARGETS("0000:02:00.0 is on the driver vfio-pci and was on e1000e",
                                                     "0000:02:00.0 has the driver_override \"vfio-pci\" and had no driver_override",
                                                     "0000:02:00.1 is on the driver e1000e and had none",
                                                     "0000:02:00.1 has no driver_override and had \"none\""));

        machine_set_driver(&facts, NIC0, NULL);
        machine_set_override(&facts, NIC0, NULL);
        machine_set_driver(&facts, NIC1, NULL);
        machine_set_override(&facts, NIC1, "e1000e");
        assert_differences(&records, &facts, TARGETS("0000:02:00.0 has no driver and was on e1000e",
                                                     "0000:02:00.1 has the driver_override \"e1000e\" and had \"none\""));
}
END_TEST

START_TEST(devices_that_are_gone_or_others_are_said_to_be) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        PciAddress gone;

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        ck_assert_int_eq(pci_address_parse(NIC0, &gone), 0);
        facts_drop_device(&facts, &gone);
        machine_device(&facts, NIC1)->identity.device = 0x1533;
        assert_differences(&records, &facts, TARGETS("0000:02:00.0 is gone",
                                                     "0000:02:00.1 is another device now (8086:1533 subsystem 0000:0000 class 020000 revision 00, "
                                                     "was 8086:10d3 subsystem 0000:0000 class 020000 revision 00)"));
}
END_TEST

SUITE("record",
      records_hold_what_each_endpoint_was,
      records_are_copies,
      records_are_ordered_by_address_across_groups,
      an_empty_selection_has_no_records,
      what_is_as_recorded_has_no_difference,
      each_difference_is_a_sentence,
      devices_that_are_gone_or_others_are_said_to_be)
