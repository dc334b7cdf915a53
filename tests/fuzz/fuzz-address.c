/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What is taken for an address is formatted as one that is read as the same; so is its path. */

#include <string.h>

#include "base/pci-address.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = fuzz_text(data, size);
        char buffer[PCI_ADDRESS_STRING_MAX];
        PciAddress address, again;

        if (pci_address_parse(text, &address) >= 0) {
                FUZZ_CHECK(pci_address_parse(pci_address_format(&address, buffer), &again) == 0);
                FUZZ_CHECK(pci_address_compare(&address, &again) == 0);
                FUZZ_CHECK(pci_address_parse_path(pci_address_format_path(&address, buffer), &again) == 0);
                FUZZ_CHECK(pci_address_compare(&address, &again) == 0);
        }
        if (pci_address_parse_path(text, &address) >= 0)
                FUZZ_CHECK(strcmp(pci_address_format_path(&address, buffer), text) == 0);
        return 0;
}
