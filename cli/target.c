/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/target.h"

#include <string.h>

#include "base/pci-address.h"
#include "base/strutil.h"
#include "dbus/names.h"

#define GROUP_PREFIX "group:"

int target_parse_group(const char *s, uint32_t *ret) {
        if (strncmp(s, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0)
                return -EINVAL;
        return parse_u32(s + strlen(GROUP_PREFIX), 10, ret) < 0 ? -EINVAL : 0;
}

bool target_is_formed(const char *s) {
        PciAddress address;
        uint32_t group;

        return pci_address_parse(s, &address) >= 0 || target_parse_group(s, &group) >= 0;
}

int targets_check(Cli *cli, const char *verb, char *const *targets) {
        if (!targets || !*targets)
                return failure_usage(&cli->failure, "'%s' needs a TARGET: a PCI address like 02:00.0, or group:NUMBER.", verb);

        for (; *targets; targets++)
                if (!target_is_formed(*targets))
                        return failure_set(&cli->failure, ASSIGND_ERROR_INVALID_TARGET, NULL,
                                           "'%.80s' is no target; a target is a PCI address like 0000:02:00.0 or 02:00.0, or group:NUMBER.",
                                           *targets);
        return 0;
}
