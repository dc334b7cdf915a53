/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/pci-address.h"

#include "base/strutil.h"

/* Takes `min` to `max` hexadecimal digits off the front of *s. */
static int hex_take(const char **s, size_t min, size_t max, uint32_t *ret) {
        uint32_t value = 0;
        size_t n = 0;

        for (; n < max; n++) {
                int digit = hex_digit((*s)[n]);

                if (digit < 0)
                        break;
                value = value << 4 | (uint32_t) digit;
        }
        if (n < min)
                return -EINVAL;

        *s += n;
        *ret = value;
        return 0;
}

static int char_take(const char **s, char c) {
        if (**s != c)
                return -EINVAL;

        (*s)++;
        return 0;
}

/* "02:00.0", with the separators given. */
static int function_parse(const char *s, char separator, char last_separator, PciAddress *ret) {
        uint32_t bus, slot, function;

        if (hex_take(&s, 2, 2, &bus) < 0 || char_take(&s, separator) < 0 ||
            hex_take(&s, 2, 2, &slot) < 0 || char_take(&s, last_separator) < 0 ||
            hex_take(&s, 1, 1, &function) < 0 || *s != '\0')
                return -EINVAL;
        if (slot > 0x1f || function > 7)
                return -EINVAL;

        ret->bus = (uint8_t) bus;
        ret->slot = (uint8_t) slot;
        ret->function = (uint8_t) function;
        return 0;
}

static int full_parse(const char *s, char separator, char last_separator, PciAddress *ret) {
        PciAddress a = {};

        if (hex_take(&s, 4, 8, &a.domain) < 0 || char_take(&s, separator) < 0 ||
            function_parse(s, separator, last_separator, &a) < 0)
                return -EINVAL;

        *ret = a;
        return 0;
}

int pci_address_parse(const char *s, PciAddress *ret) {
        PciAddress a = {};

        if (full_parse(s, ':', '.', ret) >= 0)
                return 0;
        if (function_parse(s, ':', '.', &a) < 0)
                return -EINVAL;

        *ret = a;
        return 0;
}

/* By hand: a list of many devices is made of little else. */
static const char *format(const PciAddress *a, char separator, char last_separator, char *buffer) {
        char *p = hex_write(buffer, a->domain, 4);

        *p++ = separator;
        p = hex_write(p, a->bus, 2);
        *p++ = separator;
        p = hex_write(p, a->slot & 0x1fU, 2);
        *p++ = last_separator;
        p = hex_write(p, a->function & 7U, 1);
        *p = '\0';
        return buffer;
}

const char *pci_address_format(const PciAddress *a, char buffer[static PCI_ADDRESS_STRING_MAX]) {
        return format(a, ':', '.', buffer);
}

const char *pci_address_format_path(const PciAddress *a, char buffer[static PCI_ADDRESS_STRING_MAX]) {
        return format(a, '_', '_', buffer);
}

int pci_address_parse_path(const char *s, PciAddress *ret) {
        char canonical[PCI_ADDRESS_STRING_MAX];
        PciAddress a;

        if (full_parse(s, '_', '_', &a) < 0 || !string_equal(s, pci_address_format_path(&a, canonical)))
                return -EINVAL;

        *ret = a;
        return 0;
}

int pci_address_compare(const PciAddress *a, const PciAddress *b) {
        if (a->domain != b->domain)
                return a->domain < b->domain ? -1 : 1;
        if (a->bus != b->bus)
                return a->bus < b->bus ? -1 : 1;
        if (a->slot != b->slot)
                return a->slot < b->slot ? -1 : 1;
        return (a->function > b->function) - (a->function < b->function);
}
