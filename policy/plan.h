/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A plan is the ordered steps of an operation, computed without touching anything. Steps of one phase do not depend on
 * each other and may run side by side; a phase starts when the one before it has ended well. */

#include "base/node-access.h"
#include "policy/request.h"

typedef enum StepKind {
        STEP_LOAD_MODULE,    /* value: the module */
        STEP_SET_OVERRIDE,   /* value: the driver_override to set, NULL clears; prior: what it was */
        STEP_UNBIND,         /* value: the driver to leave */
        STEP_BIND,           /* value: the driver to bind, read back afterwards */
        STEP_OPEN_IOMMUFD,   /* a fresh /dev/iommu, accounting locked memory per process */
        STEP_OPEN_CDEV,      /* the device's node below /dev/vfio/devices, unbound */
        STEP_OPEN_CONTAINER, /* a fresh /dev/vfio/vfio */
        STEP_OPEN_GROUP,     /* /dev/vfio/GROUP, put into the container; the first one also sets the IOMMU type */
        STEP_OPEN_DEVICE,    /* the device's fd from its group */
        STEP_CHECK_HOLDERS,  /* who has the group or a device of it open; value: PLAN_WAIT or PLAN_OVERRIDE if it goes on all the same, NULL if that ends it */
        STEP_SET_DEVICE_NODE, /* who may open the device's node below /dev/vfio/devices; value, prior: node_access_format(), prior NULL: there was no node */
        STEP_SET_GROUP_NODE,  /* the same of /dev/vfio/GROUP */
        _STEP_KIND_MAX,
        _STEP_KIND_INVALID = -EINVAL,
} StepKind;

/* "load-module", "set-override", "unbind", ... and back. */
const char *step_kind_to_string(StepKind kind);
StepKind step_kind_from_string(const char *s);

typedef struct Step {
        StepKind kind;
        unsigned phase;
        PciAddress address; /* of the device; all zero for steps that have none */
        uint32_t group;     /* GROUP_NONE for steps that have none */
        char *value;
        char *prior;
} Step;

typedef struct Plan {
        Step *steps; /* ordered by phase */
        size_t n_steps;
} Plan;

void plan_done(Plan *plan);

/* What a device was before an operation took it off the host, and what it must get back. */
typedef struct DeviceRecord {
        PciAddress address;
        PciIdentity identity;
        uint32_t group;
        bool wanted;           /* false: a companion */
        char *driver;          /* NULL: none */
        char *driver_override; /* NULL: none */
        char *vfio_driver;     /* what it is given */
        char *node;            /* access of its node (node_access_format()); NULL: there was none */
        char *group_node;      /* the same of its group's */
        bool is_new;           /* it joined the group of a keeper later, and has no row yet */
} DeviceRecord;

typedef struct RecordList {
        DeviceRecord *items; /* ordered by address */
        size_t n_items;
} RecordList;

void record_list_done(RecordList *list);

/* Records the endpoints of a selection as they are now, each to be given `vfio_driver`. The caller owns what is in *ret.
 * Returns 0 or -ENOMEM. */
int record_selection(const Selection *selection, const char *vfio_driver, RecordList *ret);

/* Appends a copy of one, or of all of `group`, in its place by address; one that is there already is not added again. Returns 0 or
 * -ENOMEM. */
int record_list_add(RecordList *list, const DeviceRecord *record);
int record_list_add_group(RecordList *list, const RecordList *records, uint32_t group);

/* Takes it out and frees it, if it is there. */
void record_list_remove(RecordList *list, const PciAddress *address);

/* NULL: there is none; borrowed. */
const DeviceRecord *record_list_find(const RecordList *list, const PciAddress *address);

/* What `device` is now, to be given `vfio_driver`. To be freed as a list's items are: with record_done(). Returns 0 or -ENOMEM. */
int record_make(const Device *device, bool wanted, const char *vfio_driver, DeviceRecord *ret);
void record_done(DeviceRecord *record);

/* The groups of the recorded devices that have one, ordered, each once. The caller frees *ret. Returns 0 or -ENOMEM. */
int record_list_groups(const RecordList *list, uint32_t **ret, size_t *ret_n);

/* The records of a reservation after a reboot, which left no driver and no override as it was. *ret_present is what its devices are
 * now: those that are there, the same and in a group, and every further endpoint of these groups that is in none of `recorded` and
 * `others` (what other reservations have), as a companion. *ret_kept is what they must get back one day: as they are now, but a
 * driver or override that the reservation itself wants (or no driver) leaves the recorded one in place; what is gone or another
 * device now stays recorded as it was, without a group. Returns 0 or -ENOMEM. */
int record_list_renew(const RecordList *recorded, const RecordList *others, const Facts *facts, RecordList *ret_kept, RecordList *ret_present);

/* What of `recorded` record_list_renew() leaves alone: each as one sentence in *ret, like record_list_compare(). */
int record_list_missing(const RecordList *recorded, const Facts *facts, char ***ret);

/* The steps that take the recorded devices off the host, each kind in a phase of its own: (load `module` if not NULL,) the
 * override of every endpoint of every group, then unbind, then bind. The override is set even where facts say that it is
 * there already, since no event tells when somebody changes it. A device already on its VFIO driver is neither unbound nor
 * bound. Phases count from 0 without gaps. Returns 0 or -ENOMEM. */
int plan_assign(const RecordList *records, const char *module, Plan *ret);

/* The steps that give the recorded devices back exactly, from wherever they are now according to `facts`, where no owner could
 * use them yet: the undo of an assignment that failed half-way, and its recovery after a crash. First every device leaves
 * its VFIO driver (in reverse order), so that no member is on a host driver while another is still usable; then each gets
 * its recorded driver under an override naming it (which also binds a VF whose PF has sriov_drivers_autoprobe=0, and keeps
 * vfio-pci's dynamic ids from winning), then its recorded override; each of the four in a phase of its own, steps that
 * change nothing left out. A device whose recorded driver is its VFIO driver stays on it, unless a member of its group is
 * to be bound to a host driver: then it leaves as well and comes back, since only that proves that no owner holds it.
 * A device that is gone, or is another device now (identity differs), or sits on a driver that is neither its VFIO driver
 * nor its recorded one, is left alone (record_list_compare() tells).
 * Returns 0 or -ENOMEM; an empty plan means that everything that can be given back is as recorded. */
int plan_give_back(const RecordList *records, const Facts *facts, Plan *ret);

/* The same for devices that an owner could use: a release, and its recovery after a crash. Here a device whose recorded driver
 * is its VFIO driver always leaves it and comes back: only an unbind that has returned proves that nobody holds the device
 * (drivers/vfio/vfio_main.c, vfio_unregister_group_dev), and the group must not go to anybody else before. */
int plan_release(const RecordList *records, const Facts *facts, Plan *ret);

/* The steps that bring the recorded devices back to what their keeper has (their VFIO driver, under an override that names it),
 * from wherever they are now: the overrides of all that differ, then unbind, then bind, as in plan_assign(). A device that is as
 * it should be, is gone, is another one or in another group now, is left alone. Returns 0 or -ENOMEM. */
int plan_hold(const RecordList *records, const Facts *facts, Plan *ret);

/* Moves the steps of `more` (left empty) behind those of `plan`, in phases of their own. Returns 0 or -ENOMEM. */
int plan_append(Plan *plan, Plan *more);

/* Lets `access` have the nodes of the recorded devices and of their groups: steps of one phase, behind all others, since a node may come to be by the
 * bind. Their prior is what the records say. A node that the kernel does not make (it has cdevs, or groups, or both) is passed over by the worker.
 * Returns 0, or -ENOMEM (the plan unchanged). */
int plan_add_nodes(Plan *plan, const RecordList *records, const NodeAccess *access);

/* Takes them back from `access` before everything else, in a phase of its own: they become root's, with the mode and context that the records say they
 * had (node_access_initial() where there was none). That comes before the unbinds: /dev/vfio/GROUP stays for as long as any member is on a
 * VFIO driver. Only where there still is a device at the address in the recorded group (numbers of groups are given anew), be it another
 * one. Returns as above. */
int plan_take_nodes_first(Plan *plan, const RecordList *records, const Facts *facts, const NodeAccess *access);

/* The values of STEP_CHECK_HOLDERS that go on whatever is found: it is told, and waited for; or it was to be gone past. */
#define PLAN_WAIT "wait"
#define PLAN_OVERRIDE "override"

/* Puts a look for holders before everything else, in a phase of its own: one step for each group of which a device leaves a
 * driver, and for each of `groups`. With PLAN_WAIT or PLAN_OVERRIDE as `when_found` the plan goes on whatever is found, and an unbind waits
 * until a holder of a VFIO device lets go; with NULL nothing is begun while somebody has a device open. Returns 0, or -ENOMEM (the plan unchanged). */
int plan_check_holders_first(Plan *plan, const uint32_t *groups, size_t n_groups, const char *when_found);

/* The steps that open the devices on `backend` (not BACKEND_AUTO): the iommufd, then each cdev; or the container, then the
 * first group alone (it sets the IOMMU type), then the other groups, then each device. Returns 0 or -ENOMEM. */
int plan_open(const RecordList *records, Backend backend, Plan *ret);

/* What of `records` is not as it was: each difference as one sentence in *ret (a string array for strv_free(), NULL if there
 * is none). Returns 0 or -ENOMEM. */
int record_list_compare(const RecordList *records, const Facts *facts, char ***ret);
