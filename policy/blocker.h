/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A blocker is one named thing that keeps a group from being given to an owner. A refusal carries all of them at once. */

#include "base/macro.h"
#include "policy/facts.h"

typedef enum BlockerCode {
        BLOCKER_NO_IOMMU,
        BLOCKER_IDENTITY_DOMAIN,
        BLOCKER_UNSAFE_INTERRUPTS,
        BLOCKER_DIRECT_MAPPING,
        BLOCKER_NOT_ENDPOINT,
        BLOCKER_HOST_DRIVER_STAYS,
        BLOCKER_IN_USE_MOUNT,
        BLOCKER_IN_USE_SWAP,
        BLOCKER_IN_USE_BLOCK_HOLDER,
        BLOCKER_IN_USE_NETWORK,
        BLOCKER_IN_USE_CONSOLE,
        BLOCKER_IN_USE_OPEN,
        BLOCKER_HAS_VFS,
        BLOCKER_VF_OF_LOCKED_PF,
        BLOCKER_HAS_CHILDREN,
        BLOCKER_OWNED,
        BLOCKER_RESERVED,
        BLOCKER_STUCK,
        BLOCKER_QUARANTINED,
        BLOCKER_LABEL_CONFLICT,
        BLOCKER_LABEL_MISMATCH,
        BLOCKER_POLICY_DENIED,
        BLOCKER_COMPANION_NOT_NAMED,
        BLOCKER_IDENTITY_CHANGED,
        BLOCKER_FOREIGN_MANAGER,
        BLOCKER_NO_RESET,
        BLOCKER_BUSY,
        _BLOCKER_CODE_MAX,
        _BLOCKER_CODE_INVALID = -EINVAL,
} BlockerCode;

/* "no-iommu", "host-driver-stays", ... and back; _BLOCKER_CODE_INVALID for an unknown word. */
const char *blocker_code_to_string(BlockerCode code);
BlockerCode blocker_code_from_string(const char *s);

typedef struct Blocker {
        BlockerCode code;
        uint32_t group;   /* GROUP_NONE: of a device without a group */
        char *device;     /* address or name of the member; NULL: the group as a whole */
        char *detail;     /* one sentence for people */
        bool overridable; /* whether --override CODE goes past it */
} Blocker;

typedef struct BlockerList {
        Blocker *items;
        size_t n_items;
} BlockerList;

void blocker_list_done(BlockerList *list);

/* Appends one; `device` is copied and may be NULL. Returns 0 or -ENOMEM (the list unchanged). */
int blocker_list_add(BlockerList *list, BlockerCode code, uint32_t group, const char *device, bool overridable, const char *format, ...)
                _printf_(6, 7);

bool blocker_list_contains(const BlockerList *list, BlockerCode code);

/* Moves every overridable blocker of that code to the end of `to`. Returns 0 or -ENOMEM (both lists unchanged). */
int blocker_list_override(BlockerList *list, BlockerCode code, BlockerList *to);

/* Takes every blocker of that code out. */
void blocker_list_drop(BlockerList *list, BlockerCode code);
