/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The address of a PCI function: domain:bus:slot.function, as the kernel prints it (drivers/pci/probe.c, pci_setup_device:
 * "%04x:%02x:%02x.%d"). Domains above 0xffff exist (VMD, Hyper-V), so the domain has four to eight digits. */

#include "base/macro.h"

typedef struct PciAddress {
        uint32_t domain;
        uint8_t bus;
        uint8_t slot;
        uint8_t function;
} PciAddress;

/* Room for the longest formatted address and its NUL. */
#define PCI_ADDRESS_STRING_MAX sizeof("ffffffff:ff:1f.7")

/* Parses "0000:02:00.0" or the short "02:00.0" (domain 0). Hexadecimal digits of either case; exactly two digits of bus and
 * slot, one of function; nothing before or after. Returns 0, or -EINVAL with *ret untouched. */
int pci_address_parse(const char *s, PciAddress *ret);

/* The canonical text, lower case with domain. Returns `buffer`. */
const char *pci_address_format(const PciAddress *a, char buffer[static PCI_ADDRESS_STRING_MAX]);

/* The canonical text in a compound literal, for use within one expression. */
#define PCI_ADDRESS_FORMAT(a) pci_address_format((a), (char[PCI_ADDRESS_STRING_MAX]){})

/* The address as a D-Bus object path element ("0000_02_00_0"), and back. The parser takes only what the formatter gives. */
const char *pci_address_format_path(const PciAddress *a, char buffer[static PCI_ADDRESS_STRING_MAX]);
int pci_address_parse_path(const char *s, PciAddress *ret);

/* Orders by domain, bus, slot, function: negative, 0 or positive. */
int pci_address_compare(const PciAddress *a, const PciAddress *b);
