/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/blocker.h"

#include <stdarg.h>

#include "base/strutil.h"

static const char *const blocker_code_table[_BLOCKER_CODE_MAX] = {
        [BLOCKER_NO_IOMMU] = "no-iommu",
        [BLOCKER_IDENTITY_DOMAIN] = "identity-domain",
        [BLOCKER_UNSAFE_INTERRUPTS] = "unsafe-interrupts",
        [BLOCKER_DIRECT_MAPPING] = "direct-mapping",
        [BLOCKER_NOT_ENDPOINT] = "not-endpoint",
        [BLOCKER_HOST_DRIVER_STAYS] = "host-driver-stays",
        [BLOCKER_IN_USE_MOUNT] = "in-use-mount",
        [BLOCKER_IN_USE_SWAP] = "in-use-swap",
        [BLOCKER_IN_USE_BLOCK_HOLDER] = "in-use-block-holder",
        [BLOCKER_IN_USE_NETWORK] = "in-use-network",
        [BLOCKER_IN_USE_CONSOLE] = "in-use-console",
        [BLOCKER_IN_USE_OPEN] = "in-use-open",
        [BLOCKER_HAS_VFS] = "has-vfs",
        [BLOCKER_VF_OF_LOCKED_PF] = "vf-of-locked-pf",
        [BLOCKER_HAS_CHILDREN] = "has-children",
        [BLOCKER_OWNED] = "owned",
        [BLOCKER_RESERVED] = "reserved",
        [BLOCKER_STUCK] = "stuck",
        [BLOCKER_QUARANTINED] = "quarantined",
        [BLOCKER_LABEL_CONFLICT] = "label-conflict",
        [BLOCKER_LABEL_MISMATCH] = "label-mismatch",
        [BLOCKER_POLICY_DENIED] = "policy-denied",
        [BLOCKER_COMPANION_NOT_NAMED] = "companion-not-named",
        [BLOCKER_IDENTITY_CHANGED] = "identity-changed",
        [BLOCKER_FOREIGN_MANAGER] = "foreign-manager",
        [BLOCKER_NO_RESET] = "no-reset",
        [BLOCKER_BUSY] = "busy",
};

const char *blocker_code_to_string(BlockerCode code) {
        return code >= 0 && code < _BLOCKER_CODE_MAX ? blocker_code_table[code] : NULL;
}

BlockerCode blocker_code_from_string(const char *s) {
        return (BlockerCode) string_table_find(blocker_code_table, _BLOCKER_CODE_MAX, s);
}

void blocker_list_done(BlockerList *list) {
        for (size_t i = 0; i < list->n_items; i++) {
                free(list->items[i].device);
                free(list->items[i].detail);
        }
        free(list->items);
        *list = (BlockerList){};
}

int blocker_list_add(BlockerList *list, BlockerCode code, uint32_t group, const char *device, bool overridable, const char *format, ...) {
        _cleanup_free_ char *device_copy = NULL, *detail = NULL;
        Blocker *grown;
        va_list ap;
        int r;

        va_start(ap, format);
        r = string_vformat(&detail, format, ap);
        va_end(ap);
        if (r < 0)
                return r;

        r = string_copy(device, &device_copy);
        if (r < 0)
                return r;

        grown = reallocarray(list->items, list->n_items + 1, sizeof(Blocker));
        if (!grown)
                return -ENOMEM;

        grown[list->n_items++] = (Blocker){
                .code = code,
                .group = group,
                .device = TAKE_PTR(device_copy),
                .detail = TAKE_PTR(detail),
                .overridable = overridable,
        };
        list->items = grown;
        return 0;
}

bool blocker_list_contains(const BlockerList *list, BlockerCode code) {
        for (size_t i = 0; i < list->n_items; i++)
                if (list->items[i].code == code)
                        return true;
        return false;
}

int blocker_list_override(BlockerList *list, BlockerCode code, BlockerList *to) {
        Blocker *grown;
        size_t n = 0;

        grown = reallocarray(to->items, (to->n_items + list->n_items) ?: 1, sizeof(Blocker));
        if (!grown)
                return -ENOMEM;
        to->items = grown;
        for (size_t i = 0; i < list->n_items; i++)
                if (list->items[i].code == code && list->items[i].overridable)
                        to->items[to->n_items++] = list->items[i];
                else
                        list->items[n++] = list->items[i];
        list->n_items = n;
        return 0;
}

void blocker_list_drop(BlockerList *list, BlockerCode code) {
        size_t n = 0;

        for (size_t i = 0; i < list->n_items; i++) {
                Blocker *blocker = &list->items[i];

                if (blocker->code == code) {
                        free(blocker->device);
                        free(blocker->detail);
                } else
                        list->items[n++] = *blocker;
        }
        list->n_items = n;
}
