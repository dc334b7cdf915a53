/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/pci-address.h"
#include "suite.h"

START_TEST(full_address_is_parsed) {
        PciAddress a;

        ck_assert_int_eq(pci_address_parse("0001:af:1f.7", &a), 0);
        ck_assert_uint_eq(a.domain, 1);
        ck_assert_uint_eq(a.bus, 0xaf);
        ck_assert_uint_eq(a.slot, 0x1f);
        ck_assert_uint_eq(a.function, 7);
}
END_TEST

START_TEST(short_address_is_in_domain_zero) {
        PciAddress a = { .domain = 5 };

        ck_assert_int_eq(pci_address_parse("02:00.1", &a), 0);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&a), "0000:02:00.1");
}
END_TEST

START_TEST(domains_above_ffff_come_back_as_they_went_in) {
        static const char *const addresses[] = { "0000:00:00.0", "ffff:ff:1f.7", "10000:e1:00.0", "ffffffff:ff:1f.7" };

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                PciAddress a;

                ck_assert_int_eq(pci_address_parse(addresses[i], &a), 0);
                ck_assert_str_eq(PCI_ADDRESS_FORMAT(&a), addresses[i]);
        }
}
END_TEST

START_TEST(upper_case_becomes_canonical) {
        PciAddress a;

        ck_assert_int_eq(pci_address_parse("00AB:CD:1E.0", &a), 0);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&a), "00ab:cd:1e.0");
}
END_TEST

START_TEST(malformed_addresses_are_refused_and_leave_the_result_alone) {
        static const char *const bad[] = {
                "", " ", ":", "02:00", "2:0.0", "02:00.", "02:00.00", "02:00.8", "02:20.0", "002:00.0", "000:02:00.0",
                "000000000:02:00.0", "0000:02:00.0 ", " 0000:02:00.0", "0000:02:00.0\n", "0000:02:00,0", "0000-02-00.0",
                "0000:02:00.g", "0000:0x:00.0", "+000:02:00.0", "0x00:02:00.0", "../0000:02:00.0", "0000:02:00.0/..", "0000:02:00.0:",
                "0000::02:00.0", "0000:02:00.-1", "group:14",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                PciAddress a = { .domain = 0xdead, .bus = 1, .slot = 2, .function = 3 };

                ck_assert_msg(pci_address_parse(bad[i], &a) == -EINVAL, "\"%s\" was accepted", bad[i]);
                ck_assert_str_eq(PCI_ADDRESS_FORMAT(&a), "dead:01:02.3");
        }
}
END_TEST

START_TEST(path_element_comes_back_as_it_went_in) {
        static const char *const addresses[] = { "0000:02:00.0", "10000:e1:1f.7" };
        static const char *const paths[] = { "0000_02_00_0", "10000_e1_1f_7" };

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                char buffer[PCI_ADDRESS_STRING_MAX];
                PciAddress a, b;

                ck_assert_int_eq(pci_address_parse(addresses[i], &a), 0);
                ck_assert_str_eq(pci_address_format_path(&a, buffer), paths[i]);
                ck_assert_int_eq(pci_address_parse_path(paths[i], &b), 0);
                ck_assert_int_eq(pci_address_compare(&a, &b), 0);
        }
}
END_TEST

START_TEST(path_element_that_the_formatter_does_not_give_is_refused) {
        static const char *const bad[] = { "", "02_00_0", "0000_02_00_A", "0000_AF_00_0", "00000_02_00_0", "0000:02:00.0", "0000_02_00_0_", "0000_02_20_0" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                PciAddress a = { .domain = 7 };

                ck_assert_msg(pci_address_parse_path(bad[i], &a) == -EINVAL, "\"%s\" was accepted", bad[i]);
                ck_assert_uint_eq(a.domain, 7);
        }
}
END_TEST

START_TEST(order_is_domain_bus_slot_function) {
        static const char *const ordered[] = { "0000:00:00.0", "0000:00:00.1", "0000:00:01.0", "0000:01:00.0", "0001:00:00.0", "10000:00:00.0" };

        for (size_t i = 0; i < ELEMENTSOF(ordered); i++)
                for (size_t k = 0; k < ELEMENTSOF(ordered); k++) {
                        PciAddress a, b;
                        int c;

                        ck_assert_int_eq(pci_address_parse(ordered[i], &a), 0);
                        ck_assert_int_eq(pci_address_parse(ordered[k], &b), 0);
                        c = pci_address_compare(&a, &b);
                        ck_assert_int_eq((c > 0) - (c < 0), (i > k) - (i < k));
                }
}
END_TEST

SUITE("pci-address",
      full_address_is_parsed,
      short_address_is_in_domain_zero,
      domains_above_ffff_come_back_as_they_went_in,
      upper_case_becomes_canonical,
      malformed_addresses_are_refused_and_leave_the_result_alone,
      path_element_comes_back_as_it_went_in,
      path_element_that_the_formatter_does_not_give_is_refused,
      order_is_domain_bus_slot_function)
