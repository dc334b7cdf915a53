/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/manager.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/io.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/drift.h"
#include "daemon/host-guard.h"
#include "daemon/label.h"
#include "daemon/lease.h"
#include "daemon/recover.h"
#include "daemon/stuck.h"
#include "daemon/turn.h"
#include "host/tree.h"
#include "host/udev-events.h"

#define OPERATION_RETRY_USEC USEC_PER_SEC

static const char *const group_state_table[_GROUP_STATE_MAX] = {
        [GROUP_STATE_HOST] = "host",
        [GROUP_STATE_RESERVED] = "reserved",
        [GROUP_STATE_ASSIGNED] = "assigned",
        [GROUP_STATE_RELEASING] = "releasing",
        [GROUP_STATE_BUSY] = "busy",
        [GROUP_STATE_STUCK] = "stuck",
        [GROUP_STATE_QUARANTINED] = "quarantined",
};

const char *group_state_to_string(GroupState state) {
        return state >= 0 && state < _GROUP_STATE_MAX ? group_state_table[state] : NULL;
}

void manager_say_groups(Manager *manager, const uint32_t *groups, size_t n_groups) {
        for (size_t i = 0; manager->observer.group_changed && i < n_groups; i++) {
                const Group *group = facts_find_group(manager_facts(manager), groups[i]);

                if (group)
                        manager->observer.group_changed(manager->observer.userdata, groups[i], true, group);
        }
}

static void on_device_changed(void *userdata, const PciAddress *address, const Device *before, const Device *now) {
        Manager *manager = userdata;
        const Device *device = now ?: before;

        if (manager->observer.device_changed)
                manager->observer.device_changed(manager->observer.userdata, address, before, now);
        if (device->group != GROUP_NONE)
                manager_say_groups(manager, &device->group, 1); /* its viability may be another */
        if (!before)
                drift_watch_appeared(manager->drift, address);
        else
                drift_watch_changed(manager->drift, &before->group, 1);
        if (now)
                drift_watch_changed(manager->drift, &now->group, 1);
}

static void on_group_changed(void *userdata, uint32_t number, bool before, const Group *now) {
        Manager *manager = userdata;

        if (manager->observer.group_changed)
                manager->observer.group_changed(manager->observer.userdata, number, before, now);
        drift_watch_changed(manager->drift, &number, 1);
}

static bool on_is_changing(void *userdata, const PciAddress *address) {
        Manager *manager = userdata;
        const Device *device = facts_find_device(manager_facts(manager), address);
        const Operation *operation;

        if (recovery_awaits_device(manager->recovery, address))
                return true;
        if (!device || device->group == GROUP_NONE)
                return false;
        operation = queue_find_group(&manager->queue, device->group);
        return operation && operation->n_unanswered > 0;
}

static int read_boot_id(const char *proc_path, char ret[static 33]) {
        _cleanup_close_ int fd = -EBADF;
        char text[64];
        size_t n = 0;
        ssize_t k;

        fd = RET_NERRNO(open(proc_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (fd < 0)
                return fd;
        k = attribute_read_at(fd, "sys/kernel/random/boot_id", text, sizeof(text));
        if (k < 0)
                return (int) k;
        for (const char *p = text; *p && n < 32; p++)
                if (*p != '-')
                        ret[n++] = *p;
        ret[n] = '\0';
        return n == 32 ? 0 : -EBADMSG;
}

static int open_database(Manager *manager) {
        _cleanup_free_ char *path = NULL;
        char boot_id[33];
        DbProblem problem;
        int r;

        r = read_boot_id(manager->config->proc_path, boot_id);
        if (r < 0)
                return log_error_errno(r, "Failed to read the boot id: %m");
        if (asprintf(&path, "%s/assignd.db", manager->config->state_directory) < 0)
                return -ENOMEM;
        r = db_open(path, boot_id, &manager->db, &problem);
        if (r < 0)
                return log_error_errno(r, "Failed to open the database %s: %m", path);
        if (problem != DB_OK) {
                log_error("The database %s cannot be used: it %s. Nothing was changed", path, db_problem_to_string(problem));
                return -EUCLEAN;
        }
        return 0;
}

int manager_new(const Config *config, sd_event *event, Manager **ret) {
        _cleanup_(manager_freep) Manager *manager = NULL;
        int r;

        assert(config && event && ret);

        manager = malloc(sizeof(Manager));
        if (!manager)
                return -ENOMEM;
        *manager = (Manager) { .config = config, .event = sd_event_ref(event), .sysfs_fd = -EBADF, .dev_fd = -EBADF, .proc_fd = -EBADF };

        manager->sysfs_fd = tree_open(config->sysfs_path);
        if (manager->sysfs_fd < 0)
                return log_error_errno(manager->sysfs_fd, "Failed to open %s: %m", config->sysfs_path);
        manager->dev_fd = RET_NERRNO(open(config->dev_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (manager->dev_fd < 0)
                return log_error_errno(manager->dev_fd, "Failed to open %s: %m", config->dev_path);
        manager->proc_fd = RET_NERRNO(open(config->proc_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (manager->proc_fd < 0)
                return log_error_errno(manager->proc_fd, "Failed to open %s: %m", config->proc_path);
        r = open_database(manager);
        if (r < 0)
                return r;

        manager->inventory = (Inventory) {
                .event = event,
                .db = manager->db,
                .sysfs_fd = manager->sysfs_fd,
                .handler = {
                        .device_changed = on_device_changed,
                        .group_changed = on_group_changed,
                        .is_changing = on_is_changing,
                        .userdata = manager,
                },
        };
        r = pci_names_new(config->pci_ids_path, &manager->inventory.names);
        if (r < 0)
                return log_error_errno(r, "Failed to load the names of PCI devices: %m");
        manager->context = (OperationContext) {
                .event = event,
                .db = manager->db,
                .launcher = {
                        .path = config->worker_path,
                        .sysfs_fd = manager->sysfs_fd,
                        .dev_fd = manager->dev_fd,
                        .proc_fd = manager->proc_fd,
                },
                .slow_usec = config->slow_usec,
                .stuck_usec = config->stuck_usec,
                .retry_usec = OPERATION_RETRY_USEC,
        };
        *ret = TAKE_PTR(manager);
        return 0;
}

Manager *manager_free(Manager *manager) {
        if (!manager)
                return NULL;

        manager->observer = (ManagerObserver) {};
        udev_monitor_free(manager->udev);
        drift_watch_free(manager->drift);
        recovery_free(manager->recovery);
        for (size_t i = 0; i < manager->n_leases; i++)
                lease_free(manager->leases[i]);
        free(manager->leases);
        for (size_t i = 0; i < manager->n_operations; i++)
                operation_free(manager->operations[i]);
        free(manager->operations);
        queue_done(&manager->queue);
        sd_event_source_disable_unref(manager->turn_source);
        assignment_table_done(&manager->assignments);
        policy_done(&manager->policy);
        label_table_done(&manager->labels);
        quarantine_table_done(&manager->quarantines);
        reservation_table_done(&manager->reservations);
        inventory_done(&manager->inventory);
        db_close(manager->db);
        safe_close(manager->sysfs_fd);
        safe_close(manager->dev_fd);
        safe_close(manager->proc_fd);
        host_facts_done(&manager->host);
        sd_event_unref(manager->event);
        free(manager);
        return NULL;
}

void manager_set_observer(Manager *manager, const ManagerObserver *observer) {
        manager->observer = *observer;
}

void manager_set_module_loader(Manager *manager, const ModuleLoader *loader) {
        manager->context.module_loader = *loader;
}

static int uevent_socket_bind(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = RET_NERRNO(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (fd < 0)
                return fd;
        (void) unlink(path);
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int load_what_drifted(Manager *manager) {
        int r;

        r = quarantine_table_load(&manager->quarantines, manager->db);
        if (r < 0)
                return log_error_errno(r, "Failed to load what is quarantined: %m");
        r = drift_watch_new(manager, &manager->drift);
        return r < 0 ? log_error_errno(r, "Failed to load what has drifted: %m") : 0;
}

static void on_udev(void *userdata) {
        Manager *manager = userdata;

        drift_watch_nodes(manager->drift);
}

/* Without it, what udev changes is found by the clock. */
static void watch_udev(Manager *manager) {
        int r;

        r = udev_monitor_new(manager->event, -EBADF, on_udev, manager, &manager->udev);
        if (r < 0)
                log_warning_errno(r, "udev is not listened to, so what its rules make of VFIO nodes is noticed late: %m");
}

int manager_start(Manager *manager) {
        const char *socket_path = manager->config->uevent_socket;
        int fd = -EBADF, r;

        if (socket_path && *socket_path) {
                fd = uevent_socket_bind(socket_path);
                if (fd < 0)
                        return log_error_errno(fd, "Failed to receive uevents on %s: %m", socket_path);
        }
        r = host_guard_refresh(manager);
        if (r >= 0)
                r = manager_load_policy(manager);
        if (r >= 0)
                r = manager_load_labels(manager);
        if (r >= 0)
                r = recovery_load(manager);
        if (r >= 0)
                r = load_what_drifted(manager);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        lease_restore_all(manager);
        if (!socket_path)
                watch_udev(manager);
        r = inventory_start(&manager->inventory, /* watch= */ !socket_path || *socket_path, fd);
        if (r < 0)
                return r;
        return recovery_start(manager);
}

const Assignment *manager_find_assignment(const Manager *manager, uint64_t id) {
        return assignment_table_find(&manager->assignments, id);
}

const Assignment *manager_group_assignment(const Manager *manager, uint32_t number) {
        const Assignment *assignment = assignment_table_find_group(&manager->assignments, number);

        return assignment && assignment->state != ASSIGNMENT_ASSIGNING ? assignment : NULL;
}

const Reservation *manager_group_reservation(const Manager *manager, uint32_t number) {
        const Reservation *reservation = reservation_table_find_group(&manager->reservations, number);

        return reservation && reservation->state != RESERVATION_RESERVING ? reservation : NULL;
}

Operation *manager_find_operation(const Manager *manager, uint64_t id) {
        for (size_t i = 0; i < manager->n_operations; i++)
                if (manager->operations[i]->id == id)
                        return manager->operations[i];
        return NULL;
}

Operation *manager_group_operation(const Manager *manager, uint32_t number) {
        return queue_find_group(&manager->queue, number);
}

const Quarantine *manager_group_quarantine(const Manager *manager, uint32_t number) {
        const Group *group = facts_find_group(manager_facts(manager), number);

        return group ? quarantine_table_find_group(&manager->quarantines, group) : NULL;
}

/* Giving back what an owner had, by itself or after a daemon that died in the middle of it. */
static bool operation_releases(const Operation *operation, const Assignment *assignment) {
        return operation->request.verb == VERB_RELEASE ||
                (operation->request.verb == VERB_RECOVER && assignment && assignment->state == ASSIGNMENT_RELEASING);
}

GroupState manager_group_state(const Manager *manager, uint32_t number) {
        const Assignment *assignment = manager_group_assignment(manager, number);
        const Operation *operation = manager_group_operation(manager, number);

        if (recovery_awaits_group(manager->recovery, number))
                return assignment && assignment->state == ASSIGNMENT_RELEASING ? GROUP_STATE_RELEASING : GROUP_STATE_STUCK;
        if (operation && operation_releases(operation, assignment) && (operation->stuck || operation->holdings.n_items > 0))
                return GROUP_STATE_RELEASING;
        if (operation && operation->stuck)
                return GROUP_STATE_STUCK;
        if (operation)
                return GROUP_STATE_BUSY;
        if (manager_group_quarantine(manager, number))
                return GROUP_STATE_QUARANTINED;
        if (assignment)
                return assignment->state == ASSIGNMENT_RELEASING ? GROUP_STATE_RELEASING : GROUP_STATE_ASSIGNED;
        return manager_group_reservation(manager, number) ? GROUP_STATE_RESERVED : GROUP_STATE_HOST;
}

/* Whoever came before whom is asked to begin now, or before anybody who asks now, goes first. */
static int check_waiting(const Manager *manager, uint32_t number, BlockerList *blockers) {
        const Operation *operation = queue_find_waiting(&manager->queue, number, manager->turn);

        if (!operation)
                return 0;
        return blocker_list_add(blockers, BLOCKER_BUSY, number, NULL, false, "Operation %" PRIu64 " (%s) waits for group %" PRIu32 " already",
                                operation->id, verb_to_string(operation->request.verb), number);
}

/* What an earlier daemon left half-way and nobody works on yet. */
static const char *left_half_way(const Manager *manager, uint32_t number) {
        const Assignment *assignment = assignment_table_find_group(&manager->assignments, number);
        const Reservation *reservation = reservation_table_find_group(&manager->reservations, number);

        if (assignment && assignment->state == ASSIGNMENT_ASSIGNING)
                return "an assignment";
        return reservation && reservation->state != RESERVATION_ACTIVE ? "a reservation" : NULL;
}

int manager_check_state(const Manager *manager, uint32_t number, BlockerList *blockers) {
        const Assignment *assignment = manager_group_assignment(manager, number);
        const Operation *operation = manager_group_operation(manager, number);
        const Quarantine *quarantine = manager_group_quarantine(manager, number);
        int r;

        if (quarantine) {
                r = blocker_list_add(blockers, BLOCKER_QUARANTINED, number, NULL, false,
                                     "Group %" PRIu32 " is quarantined until an administrator recovers it: %s", number, quarantine->detail);
                if (r < 0)
                        return r;
        }
        if (assignment) {
                r = blocker_list_add(blockers, BLOCKER_OWNED, number, NULL, false, "Group %" PRIu32 " is assigned to %s", number, assignment->owner);
                if (r < 0)
                        return r;
        }
        if (recovery_awaits_group(manager->recovery, number))
                return recovery_add_blocker(manager->recovery, number, blockers);
        if (!operation && left_half_way(manager, number))
                return blocker_list_add(blockers, BLOCKER_STUCK, number, NULL, false,
                                        "Group %" PRIu32 " waits to be given back from %s that an earlier assignd left half-way", number,
                                        left_half_way(manager, number));
        if (!operation)
                return check_waiting(manager, number, blockers);
        if (operation->stuck)
                return stuck_add_blocker(operation, number, blockers);
        return blocker_list_add(blockers, BLOCKER_BUSY, number, NULL, false, "Operation %" PRIu64 " (%s) works on group %" PRIu32, operation->id,
                                verb_to_string(operation->request.verb), number);
}

Backend manager_default_backend(const Manager *manager) {
        return exists_at(manager->dev_fd, "iommu") > 0 ? BACKEND_IOMMUFD : BACKEND_GROUP;
}

void plan_result_done(PlanResult *result) {
        plan_done(&result->plan);
        blocker_list_done(&result->overridden);
        refusal_done(&result->refusal);
        strv_free(result->devices);
        strv_free(result->companions);
        strv_free(result->differences);
        free(result->groups);
        *result = (PlanResult) {};
}

void manager_refresh_devices(Manager *manager, const RecordList *records) {
        int r;

        for (size_t i = 0; i < records->n_items; i++) {
                r = inventory_refresh_device(&manager->inventory, &records->items[i].address);
                if (r < 0)
                        log_warning_errno(r, "Failed to look at %s afresh: %m", PCI_ADDRESS_FORMAT(&records->items[i].address));
        }
}

int manager_see_devices(Manager *manager, const RecordList *records, PciAddress *ret_blind) {
        for (size_t i = 0; i < records->n_items; i++) {
                const PciAddress *address = &records->items[i].address;
                int r = inventory_refresh_device(&manager->inventory, address);
                const Device *device = facts_find_device(manager_facts(manager), address);

                if (r >= 0 && device)
                        r = device->read_error;
                if (r < 0) {
                        *ret_blind = *address;
                        return r;
                }
        }
        return 0;
}

/* Nobody tells when a disk has room again, so whoever is about to write looks. */
void manager_probe_database(Manager *manager) {
        int r;

        if (db_is_healthy(manager->db))
                return;
        r = db_probe(manager->db);
        if (r < 0)
                log_warning_errno(r, "The database still cannot be written: %m");
        else
                log_notice("The database can be written again");
}

/* One that ended while its end is still being told of stays. */
static bool forget_oldest_finished(Manager *manager) {
        size_t n_finished = 0, oldest = SIZE_MAX;

        for (size_t i = 0; i < manager->n_operations; i++) {
                if (!manager->operations[i]->told)
                        continue;
                n_finished++;
                if (oldest == SIZE_MAX || manager->operations[i]->finished_usec < manager->operations[oldest]->finished_usec)
                        oldest = i;
        }
        if (n_finished <= MANAGER_FINISHED_MAX)
                return false;
        manager_remove_operation(manager, manager->operations[oldest]);
        return true;
}

int manager_add_operation(Manager *manager, Operation **operation) {
        Operation **operations;

        operations = reallocarray(manager->operations, manager->n_operations + 1, sizeof(Operation *));
        if (!operations)
                return -ENOMEM;
        manager->operations = operations;
        operations[manager->n_operations++] = TAKE_PTR(*operation);
        while (forget_oldest_finished(manager))
                ;
        return 0;
}

void manager_remove_operation(Manager *manager, Operation *operation) {
        for (size_t i = 0; i < manager->n_operations; i++)
                if (manager->operations[i] == operation) {
                        memmove(manager->operations + i, manager->operations + i + 1, (--manager->n_operations - i) * sizeof(Operation *));
                        break;
                }
        operation_free(operation);
}

int manager_request(Manager *manager, const OperationOwner *owner, Request *request, int *lease_fd, Refusal *ret_refusal, Operation **ret) {
        _cleanup_(operation_freep) Operation *operation = NULL;
        int r;

        *ret = NULL;
        r = request_check(request, ret_refusal);
        if (r < 0 || ret_refusal->code != REFUSAL_NONE)
                return r;
        r = operation_new(&manager->context, owner, manager, request, &operation);
        if (r < 0)
                return r;
        if (lease_fd)
                operation->lease_fd = TAKE_FD(*lease_fd);
        return manager_submit(manager, &operation, ret_refusal, ret);
}

void manager_operation_changed(Manager *manager, Operation *operation, bool stuck_changed) {
        if (manager->observer.operation_changed)
                manager->observer.operation_changed(manager->observer.userdata, operation);
        if (stuck_changed) {
                manager_say_groups(manager, operation->groups, operation->n_groups);
                turn_schedule(manager);
        }
}

static void settle_leases(Manager *manager) {
        for (size_t i = manager->n_leases; i > 0; i--)
                if (lease_has_ended(manager->leases[i - 1]))
                        lease_settle(manager->leases[i - 1]);
}

void manager_operation_ended(Manager *manager, Operation *operation) {
        queue_remove(&manager->queue, operation);
        lease_discard_end(manager, &operation->lease_fd);
        log_info("Operation %" PRIu64 " (%s%s%s) %s%s%s", operation->id, verb_to_string(operation->request.verb), operation->request.owner ? " for " : "",
                 operation->request.owner ?: "", operation_state_word(operation), operation->outcome.message ? ": " : "",
                 operation->outcome.message ?: "");
        if (manager->observer.operation_removed)
                manager->observer.operation_removed(manager->observer.userdata, operation);
        manager_say_groups(manager, operation->groups, operation->n_groups);
        drift_watch_changed(manager->drift, operation->groups, operation->n_groups);
        settle_leases(manager);
        turn_schedule(manager);
}

int manager_append_lease(Manager *manager, struct Lease *lease) {
        struct Lease **leases;

        leases = reallocarray(manager->leases, manager->n_leases + 1, sizeof(struct Lease *));
        if (!leases)
                return -ENOMEM;
        manager->leases = leases;
        manager->leases[manager->n_leases++] = lease;
        return 0;
}

int manager_add_lease(Manager *manager, int fd) {
        _cleanup_(lease_freep) struct Lease *lease = NULL;
        int r;

        r = lease_new(manager, fd, &lease);
        if (r < 0)
                return r;
        r = manager_append_lease(manager, lease);
        if (r < 0)
                return r;
        TAKE_PTR(lease);
        return 0;
}

void manager_name_lease(Manager *manager, uint64_t assignment) {
        for (size_t i = 0; i < manager->n_leases; i++)
                if (lease_assignment(manager->leases[i]) == LEASE_OF_NONE)
                        lease_set_assignment(manager->leases[i], assignment);
}

void manager_drop_lease(Manager *manager, uint64_t assignment) {
        for (size_t i = 0; i < manager->n_leases; i++)
                if (lease_assignment(manager->leases[i]) == assignment) {
                        lease_remove(manager->leases[i]);
                        manager->leases[i] = manager->leases[--manager->n_leases];
                        return;
                }
}

void manager_drop_assignment(Manager *manager, uint64_t id) {
        _cleanup_(assignment_freep) Assignment *assignment = assignment_table_take(&manager->assignments, id);

        manager_drop_lease(manager, id);
        if (assignment && assignment->state != ASSIGNMENT_ASSIGNING && manager->observer.assignment_removed)
                manager->observer.assignment_removed(manager->observer.userdata, id, assignment->owner);
}

void manager_drop_reservation(Manager *manager, const Reservation *reservation) {
        reservation_free(reservation_table_take(&manager->reservations, reservation));
}

static bool refusal_is_audited(RefusalCode code) {
        switch (code) {
        case REFUSAL_NONE:
        case REFUSAL_NO_SUCH_DEVICE:
        case REFUSAL_NO_SUCH_GROUP:
        case REFUSAL_NO_SUCH_OWNER:
        case REFUSAL_INVALID_TARGET:
        case REFUSAL_INVALID_ARGUMENT:
        case REFUSAL_LIMITS_EXCEEDED:
        case REFUSAL_DEGRADED:
                return false;
        case REFUSAL_NOT_VIABLE:
        case REFUSAL_BUSY:
        case REFUSAL_OWNED:
        case REFUSAL_LABEL_CONFLICT:
        case REFUSAL_DENIED:
        case REFUSAL_IDENTITY_CHANGED:
        case REFUSAL_TIMEOUT:
        case REFUSAL_CANCELLED:
        case REFUSAL_STUCK:
        case REFUSAL_QUARANTINED:
        case REFUSAL_STALE_GENERATION:
        case REFUSAL_NOT_SUPPORTED:
        case REFUSAL_FAILED:
        case _REFUSAL_CODE_MAX:
        case _REFUSAL_CODE_INVALID:
                return true;
        }
        return true;
}

void manager_audit_refusal(Manager *manager, const Request *request, const PlanResult *result) {
        int r;

        if (!refusal_is_audited(result->refusal.code))
                return;
        r = audit_refusal(manager->db, request, result->devices, result->groups, result->n_groups, &result->refusal);
        if (r < 0)
                log_error_errno(r, "Failed to record a refusal in the audit trail: %m");
}

int manager_rescan(Manager *manager) {
        int r = host_guard_refresh(manager);

        return r < 0 ? r : inventory_rescan(&manager->inventory);
}

int manager_reload(Manager *manager, const Caller *caller) {
        int r;

        manager_probe_database(manager);
        r = manager_reload_policy(manager, caller);
        if (r < 0)
                return r;
        r = manager_rescan(manager);
        for (size_t i = 0; r >= 0 && i < manager_facts(manager)->n_groups; i++) /* labels may be others */
                manager_say_groups(manager, &manager_facts(manager)->groups[i]->number, 1);
        return r;
}

const char *manager_health(const Manager *manager) {
        if (!db_is_healthy(manager->db))
                return "degraded: the database cannot be written";
        return manager->policy.problem ?: "ok";
}
