/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/path.h"

#include <inttypes.h>
#include <string.h>

#include "base/strutil.h"

const char *path_format_device(const PciAddress *address, char buffer[static OBJECT_PATH_MAX]) {
        char element[PCI_ADDRESS_STRING_MAX];

        (void) stpcpy(stpcpy(buffer, ASSIGND_DEVICE_PREFIX "/"), pci_address_format_path(address, element));
        return buffer;
}

const char *path_format_number(const char *prefix, uint64_t number, char buffer[static OBJECT_PATH_MAX]) {
        (void) snprintf(buffer, OBJECT_PATH_MAX, "%s/%" PRIu64, prefix, number);
        return buffer;
}

/* The last element of `path` if everything before it is `prefix`, else NULL. */
static const char *path_element(const char *path, const char *prefix) {
        size_t length = strlen(prefix);

        if (strncmp(path, prefix, length) != 0 || path[length] != '/')
                return NULL;
        return path + length + 1;
}

int path_parse_device(const char *path, PciAddress *ret) {
        const char *element = path_element(path, ASSIGND_DEVICE_PREFIX);

        return element ? pci_address_parse_path(element, ret) : -EINVAL;
}

int path_parse_number(const char *path, const char *prefix, uint64_t *ret) {
        const char *element = path_element(path, prefix);
        uint64_t number;

        if (!element || parse_u64(element, 10, &number) < 0 || !string_equal(path, PATH_OF_NUMBER(prefix, number)))
                return -EINVAL;

        *ret = number;
        return 0;
}
