/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Drift: the kernel's state differs from what assignd left. What a keeper (an assignment or a reservation) has is known from its
 * records: every recorded device is there, is the same, in its group, on its VFIO driver under an override that names it; the
 * other members of the group are on no driver that the kernel would not let stay. */

#include "policy/plan.h"

typedef enum DriftCode {
        DRIFT_DRIVER_CHANGED,   /* a recorded device is not on its VFIO driver, or another member of the group is on a host driver */
        DRIFT_OVERRIDE_CHANGED, /* a recorded device has another driver_override than its VFIO driver, or none */
        DRIFT_DEVICE_GONE,
        DRIFT_DEVICE_JOINED,    /* an endpoint of the group has no record */
        DRIFT_IDENTITY_CHANGED, /* another device at a recorded address */
        DRIFT_GROUP_CHANGED,    /* a recorded device is in another group than it was */
        DRIFT_NUMVFS_CHANGED,   /* a recorded PF has VFs (it had none when it was taken), or a recorded VF was turned off */
        DRIFT_NODE_CHANGED,     /* a VFIO node of an assignment is open to others than it was given to (daemon/nodes.h) */
        _DRIFT_CODE_MAX,
        _DRIFT_CODE_INVALID = -EINVAL,
} DriftCode;

/* "driver-changed", "override-changed", ... and back. */
const char *drift_code_to_string(DriftCode code);
DriftCode drift_code_from_string(const char *s);

typedef struct Drift {
        DriftCode code;
        uint32_t group; /* the one that the keeper has */
        PciAddress address;
        char *detail; /* one sentence for people */
        bool isolation_at_stake; /* a member of a held group is on a host driver (or may be): nobody may use the group until an administrator acted */
} Drift;

typedef struct DriftList {
        Drift *items; /* ordered by address within the records, then what has no record */
        size_t n_items;
} DriftList;

void drift_list_done(DriftList *list);

/* What a gone device was a VF of: facts tell it only while the device is there, so whoever looks regularly keeps it. */
typedef struct VfOf {
        PciAddress vf;
        PciAddress physfn;
} VfOf;

/* Everything in which `facts` differ from what the keeper of `records` has; `vfs` (may be NULL) are those of its devices that were seen
 * as VFs. A device with a read_error is judged by its driver alone, if that is known. A group of the same number without any recorded device is another group, not one that strangers joined. The caller
 * owns *ret. Returns 0 or -ENOMEM. */
int drift_find(const RecordList *records, const Facts *facts, const VfOf *vfs, size_t n_vfs, DriftList *ret);

/* Whether the list has one of the same code, address and detail. */
bool drift_list_contains(const DriftList *list, const Drift *drift);

/* Appends a copy. Returns 0 or -ENOMEM. */
int drift_list_add(DriftList *list, const Drift *drift);
