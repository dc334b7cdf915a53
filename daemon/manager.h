/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The manager owns the inventory, the assignments, the operations and the database, and routes requests between them. It
 * knows no bus: whoever shows it to the world is its observer. */

#include <systemd/sd-event.h>

#include "daemon/assignment.h"
#include "daemon/config.h"
#include "daemon/inventory.h"
#include "daemon/operation.h"
#include "daemon/policy.h"
#include "daemon/quarantine.h"
#include "daemon/queue.h"
#include "daemon/reservation.h"
#include "db/audit.h"
#include "db/inventory.h"
#include "policy/drift.h"
#include "policy/host-facts.h"
#include "policy/label.h"

typedef enum GroupState {
        GROUP_STATE_HOST,
        GROUP_STATE_RESERVED,
        GROUP_STATE_ASSIGNED,
        GROUP_STATE_RELEASING,
        GROUP_STATE_BUSY,
        GROUP_STATE_STUCK,
        GROUP_STATE_QUARANTINED,
        _GROUP_STATE_MAX,
} GroupState;

const char *group_state_to_string(GroupState state);

/* Every callback may be NULL. Pointers are borrowed for the call; `*_removed` comes when the object is already gone. */
typedef struct ManagerObserver {
        void (*ready)(void *userdata); /* recovered and scanned: the daemon may show itself */
        void (*device_changed)(void *userdata, const PciAddress *address, const Device *before, const Device *now);
        void (*group_changed)(void *userdata, uint32_t number, bool before, const Group *now); /* shape, state or viability */
        void (*assignment_added)(void *userdata, const Assignment *assignment);   /* became active */
        void (*assignment_changed)(void *userdata, const Assignment *assignment);
        void (*assignment_removed)(void *userdata, uint64_t id, const char *owner);
        void (*operation_added)(void *userdata, const Operation *operation);
        void (*operation_changed)(void *userdata, const Operation *operation);
        void (*operation_removed)(void *userdata, const Operation *operation); /* ended; State tells how */
        /* What a keeper has is not as it was left; `foreign` names the manager whose doing it may be (NULL: unknown). */
        void (*drift)(void *userdata, const Drift *drift, const char *foreign);
        void *userdata;
} ManagerObserver;

/* Ended operations that can still be asked for. */
#define MANAGER_FINISHED_MAX 64U

struct Manager {
        const Config *config;
        sd_event *event;
        int sysfs_fd;
        int dev_fd;
        int proc_fd;
        HostFacts host; /* as of the last scan */
        Db *db;
        Inventory inventory;
        AssignmentTable assignments;
        Policy policy;
        LabelTable labels; /* an administrator's */
        QuarantineTable quarantines;
        struct DriftWatch *drift; /* NULL before manager_start() */
        struct UdevMonitor *udev; /* NULL: nothing is heard of udev */
        ReservationTable reservations;
        Queue queue;             /* operations that run or wait */
        Operation **operations;  /* all that are known, ordered by id: running ones and the last finished ones */
        size_t n_operations;
        struct Lease **leases;
        size_t n_leases;
        sd_event_source *turn_source;
        const Operation *turn;     /* which operation is being asked to begin; NULL: none */
        struct Recovery *recovery; /* NULL before manager_start() */
        OperationContext context;
        ManagerObserver observer;
};

/* Opens the roots and the database and loads what it says. -EUCLEAN after logging why the database cannot be used. */
int manager_new(const Config *config, sd_event *event, Manager **ret);
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP(Manager *, manager_free)

/* To be set before manager_start(). */
void manager_set_observer(Manager *manager, const ManagerObserver *observer);
void manager_set_module_loader(Manager *manager, const ModuleLoader *loader);

/* Scans, then recovers what a daemon before us left unfinished; `ready` is called when that is done (from the event loop). */
int manager_start(Manager *manager);

static inline const Facts *manager_facts(const Manager *manager) {
        return &manager->inventory.facts;
}

/* The quarantine that closes the group, or NULL. */
const Quarantine *manager_group_quarantine(const Manager *manager, uint32_t number);

GroupState manager_group_state(const Manager *manager, uint32_t number);
/* Borrowed; NULL: none. */
const Assignment *manager_find_assignment(const Manager *manager, uint64_t id);
const Assignment *manager_group_assignment(const Manager *manager, uint32_t number); /* active or releasing */
const Reservation *manager_group_reservation(const Manager *manager, uint32_t number); /* active or releasing */
Operation *manager_find_operation(const Manager *manager, uint64_t id);
Operation *manager_group_operation(const Manager *manager, uint32_t number);

/* The backend that BACKEND_AUTO comes to on this host: group, or iommufd where /dev/iommu exists. */
Backend manager_default_backend(const Manager *manager);

struct PlanResult {
        Plan plan;         /* empty where refused */
        BlockerList overridden; /* what the request's overrides went past */
        Refusal refusal;   /* REFUSAL_NONE: possible */
        char **devices;    /* addresses of all endpoints it comes to */
        char **companions; /* those of them that were not named */
        char **differences; /* of a recover: what is not as it should be */
        uint32_t *groups;
        size_t n_groups;
};

void plan_result_done(PlanResult *result);

/* What assign, release, reserve, unreserve or recover (request->verb) would do now; changes nothing, not even the audit trail. An
 * assign needs no owner here. For release, targets may be empty and the owner given, or the other way round. */
int manager_plan(Manager *manager, const Request *request, PlanResult *ret);

/* The groups that the verb would look at first, and be refused if somebody has them open (none where it is refused already, or goes on whatever
 * is found); see daemon/look.h. Returns 0 or -ENOMEM; the caller frees *ret. */
int plan_result_list_looks(const PlanResult *result, uint32_t **ret, size_t *ret_n);

/* What such a look found makes the plan the refusal that the verb would get; `error` is the look's own, 0 or a negative errno (-ETIMEDOUT: no answer).
 * `found` may be NULL: nothing. Returns 0 or -ENOMEM. */
int plan_result_add_holders(PlanResult *result, Verb verb, const HoldingList *found, int error);

/* Each of these checks the request (request_check() included), and either refuses (0, *ret_refusal filled, *ret NULL;
 * refusals that are not about form or existence leave an audit row) or begins an operation (0, *ret borrowed from the
 * manager, running; or waiting, where another operation works on one of its groups: what it is refused for at its turn is its outcome then). A
 * negative errno is a failure of ours. *request is consumed either way.
 *
 * manager_assign(): the operation's `assignment` names the new assignment. lease_fd (-EBADF: none; taken over on success) is
 * our end of a lease, from lease_open_ends(): when the other end is closed the assignment is released.
 * manager_release(): of an owner (all its assignments) or of targets (whole assignments only: naming one group of several
 * is refused).
 * Somebody who has a device open ends it with REFUSAL_BUSY before anything is given back, unless request->wait.
 * manager_release_assignment(): of one assignment, as manager_release().
 * manager_recover(): of root only. Brings what a keeper (daemon/keeper.h) has in the targets' groups back to what the database says, gives back
 * what nobody keeps and a quarantine remembers, and ends the quarantines of these groups.
 * manager_reserve(): keeps the targets' groups off the host with no owner; those that are reserved already stay as they are.
 * manager_unreserve(): gives them back to the host, which is refused (REFUSAL_OWNED) while one is assigned.
 * manager_open(): opens the devices (addresses; NULL: all) of an active assignment; the fds are in the ended operation. */
int manager_assign(Manager *manager, Request *request, int *lease_fd, Refusal *ret_refusal, Operation **ret);
int manager_release(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret);
int manager_release_assignment(Manager *manager, uint64_t id, bool wait, Caller *caller, Refusal *ret_refusal, Operation **ret);
int manager_recover(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret);
int manager_reserve(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret);
int manager_unreserve(Manager *manager, Request *request, Refusal *ret_refusal, Operation **ret);
int manager_open(Manager *manager, uint64_t id, char *const *devices, Caller *caller, Refusal *ret_refusal, Operation **ret);

/* Cancels an operation of the caller's uid (uid 0: of anybody's): one that waits ends at once, one that takes devices is undone, one
 * that gives back is cancelled only while nothing has been given back. Refused (0, *ret_refusal filled) where it is too late. Returns 0 or -ENOMEM. */
int manager_cancel(Manager *manager, uint64_t id, const Caller *caller, Refusal *ret_refusal);

int manager_rescan(Manager *manager);

/* Sets the label (request->label; NULL takes it away) of the request's one target: a device, or all endpoints of a group. Refused while the group
 * is assigned or an operation works on it. Consumes *request, as the others. */
int manager_set_label(Manager *manager, Request *request, Refusal *ret_refusal);

/* SIGHUP and Reload(), asked for by `caller`: re-reads the policy (manager_reload_policy()) and scans the devices. A policy that cannot be used is no error
 * of this: manager->policy.problem has it. */
int manager_reload(Manager *manager, const Caller *caller);

/* "ok", or "degraded: ..." with the reason, or what is wrong with the policy. Borrowed until the next reload. */
const char *manager_health(const Manager *manager);

/* For the verbs of this folder (assign.c, release.c, reserve.c, open.c, recover.c): */

/* Has the request (taken over in any case) checked for form and submitted as a new operation of that owner; lease_fd as for manager_assign(), or NULL. */
int manager_request(Manager *manager, const OperationOwner *owner, Request *request, int *lease_fd, Refusal *ret_refusal, Operation **ret);

/* Begins the operation (taken over in any case) at once, refuses it (0, *ret_refusal filled, an audit row left), or lets it wait. */
int manager_submit(Manager *manager, Operation **operation, Refusal *ret_refusal, Operation **ret);

/* For OperationOwner.start: takes the operation's groups and begins it as planned. A group that is taken (REFUSAL_BUSY) or a database that
 * cannot be written (REFUSAL_DEGRADED) is a refusal. */
int manager_begin(Manager *manager, Operation *operation, Refusal *ret_refusal);

/* The list of all that are known: the operation is taken over when 0 is returned; taken out, it is freed. */
int manager_add_operation(Manager *manager, Operation **operation);
void manager_remove_operation(Manager *manager, Operation *operation);

/* Sees whether a database that could not be written can be again. */
void manager_probe_database(Manager *manager);

/* The operation has ended: frees its groups, settles leases, tells the observer. */
void manager_operation_ended(Manager *manager, Operation *operation);
void manager_operation_changed(Manager *manager, Operation *operation, bool stuck_changed);

void manager_say_groups(Manager *manager, const uint32_t *groups, size_t n_groups);
void manager_refresh_devices(Manager *manager, const RecordList *records);

/* The same before it is planned how they are given back: what cannot be seen must not be taken for gone, or for another device. Returns 0,
 * or a negative errno with *ret_blind the device that is there and could not be read. */
int manager_see_devices(Manager *manager, const RecordList *records, PciAddress *ret_blind);

/* The lease of an assignment that is about to begin: `fd` is borrowed, see lease_new(). It is named when the assignment has begun, or
 * dropped when it has not. */
int manager_add_lease(Manager *manager, int fd);
void manager_name_lease(Manager *manager, uint64_t assignment);
void manager_drop_lease(Manager *manager, uint64_t assignment);

/* For one of an earlier daemon, which is the manager's then. Returns 0 or -ENOMEM. */
int manager_append_lease(Manager *manager, struct Lease *lease);

/* Takes the assignment out of the table (and its lease with it), tells the observer, and frees it. */
void manager_drop_assignment(Manager *manager, uint64_t id);

/* Takes the reservation out of the table and frees it. */
void manager_drop_reservation(Manager *manager, const Reservation *reservation);

/* Appends what the group's state means for somebody who wants it: owned, busy (also: others wait for it already), stuck, quarantined. */
int manager_check_state(const Manager *manager, uint32_t number, BlockerList *blockers);

/* Appends vf-of-locked-pf for each VF of the group whose PF an assignment or reservation holds, or is about to. */
int manager_check_sriov(const Manager *manager, const Group *group, BlockerList *blockers);

/* Appends has-vfs for each recorded PF that would turn off VFs by leaving its driver, of which one may be used: it is on a VFIO driver, or an
 * assignment holds it. */
int manager_check_vfs_unused(const Manager *manager, const RecordList *records, BlockerList *blockers);

/* Leaves an audit row for a refusal, unless it is about the form or existence of what was asked for. */
void manager_audit_refusal(Manager *manager, const Request *request, const PlanResult *result);
