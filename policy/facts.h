/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is true of this host's PCI devices and IOMMU groups, as read from the kernel: the input of every decision.
 * host/tree.h fills it, daemon/inventory.h keeps it current, everything in policy/ only reads it. */

#include "base/macro.h"
#include "base/pci-address.h"

#define GROUP_NONE UINT32_MAX

typedef enum DeviceRole {
        ROLE_ENDPOINT, /* a PCI function that a VFIO driver can bind (header type 0 and not part of the bridge classes) */
        ROLE_BRIDGE,   /* base class 06, or a type 1/2 header: never given away, sits in its group beside the endpoints */
        ROLE_OTHER,    /* not a PCI function, or one whose identity could not be read */
        _ROLE_MAX,
        _ROLE_INVALID = -EINVAL,
} DeviceRole;

const char *device_role_to_string(DeviceRole role);

/* What makes a function the same function after a replug or a reboot, as far as sysfs tells. */
typedef struct PciIdentity {
        uint16_t vendor;
        uint16_t device;
        uint16_t subsystem_vendor;
        uint16_t subsystem_device;
        uint32_t class; /* 24 bits: base class, subclass, programming interface */
        uint8_t revision;
} PciIdentity;

bool pci_identity_equal(const PciIdentity *a, const PciIdentity *b);

typedef struct Device {
        PciAddress address;
        PciIdentity identity;
        DeviceRole role;
        uint32_t group;        /* GROUP_NONE: no IOMMU group */
        char *driver;          /* NULL: no driver */
        char *driver_override; /* NULL: none */
        char *reset_methods;   /* the kernel's space-separated list; NULL: none, or the kernel does not say */
        char *name;            /* vendor and device in words, for people; NULL: unknown */
        int numa_node;         /* -1: none */
        bool is_vf;
        PciAddress physfn;     /* the PF, if is_vf */
        bool is_pf;            /* can have VFs */
        PciAddress *vfs;       /* the enabled VFs of a PF, ordered by VF number */
        size_t n_vfs;
        int read_error;        /* the first negative errno of an attribute that exists and could not be read; 0: all read */
} Device;

Device *device_free(Device *device);
DEFINE_CLEANUP(Device *, device_free)

/* Equal in every fact (role, group, driver, override, ... and read_error). */
bool device_equal(const Device *a, const Device *b);

/* A member of a group that is not a PCI function (platform, mdev, fsl-mc, ...). */
typedef struct OtherMember {
        char *name;
        char *subsystem; /* NULL: unknown */
        char *driver;    /* NULL: none */
} OtherMember;

typedef struct ReservedRegion {
        uint64_t start;
        uint64_t end;
        char type[20]; /* direct, direct-relaxable, reserved, msi */
} ReservedRegion;

typedef struct Group {
        uint32_t number;
        char *domain_type; /* the kernel's word: DMA, DMA-FQ, identity, blocked, unmanaged, unknown; NULL: not readable */
        bool fake;         /* named "vfio-noiommu" by the kernel: not an IOMMU's group (drivers/vfio/group.c, vfio_noiommu_group_alloc) */
        ReservedRegion *regions;
        size_t n_regions;
        OtherMember *others;
        size_t n_others;
        Device **devices; /* borrowed from Facts, sorted by address; kept by facts_link() */
        size_t n_devices;
        int read_error; /* the first negative errno of an attribute that exists and could not be read; 0: all read */
} Group;

Group *group_free(Group *group);
DEFINE_CLEANUP(Group *, group_free)

/* Equal in number, type, fake, regions, other members, read_error and the addresses of its devices. */
bool group_equal(const Group *a, const Group *b);
bool group_has_endpoint(const Group *group);

/* All devices and groups, each array sorted (by address, by number), owned by Facts. */
typedef struct Facts {
        Device **devices;
        size_t n_devices;
        Group **groups;
        size_t n_groups;
} Facts;

void facts_done(Facts *facts);

/* Puts a device or group in its place, replacing (and freeing) one of the same address or number. Takes ownership only when
 * it returns 0; -ENOMEM otherwise. Group membership is stale until facts_link(). */
int facts_put_device(Facts *facts, Device *device);
int facts_put_group(Facts *facts, Group *group);

/* Appends without looking: for bulk loading, followed by facts_sort(). Ownership as above. */
int facts_append_device(Facts *facts, Device *device);
int facts_append_group(Facts *facts, Group *group);
void facts_sort(Facts *facts);

/* Takes the device or group out and frees it; does nothing if there is none. */
void facts_drop_device(Facts *facts, const PciAddress *address);
void facts_drop_group(Facts *facts, uint32_t number);

/* Fills each group's `devices` from the devices' `group` numbers. A device that names a group that Facts lacks gets an
 * (otherwise empty) group made for it. Returns 0 or -ENOMEM. */
int facts_link(Facts *facts);

/* NULL: there is none. The result is borrowed and may change hands at the next put or drop. */
Device *facts_find_device(const Facts *facts, const PciAddress *address);
Group *facts_find_group(const Facts *facts, uint32_t number);
