/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/records.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "db/assignment.h"
#include "db/reservation.h"

static DbRecord db_device(const DeviceRecord *record, char address[static PCI_ADDRESS_STRING_MAX]) {
        return (DbRecord) {
                .address = pci_address_format(&record->address, address),
                .vendor = record->identity.vendor,
                .device = record->identity.device,
                .subsystem_vendor = record->identity.subsystem_vendor,
                .subsystem_device = record->identity.subsystem_device,
                .class = record->identity.class,
                .revision = record->identity.revision,
                .group = record->group,
                .wanted = record->wanted,
                .driver = record->driver,
                .override = record->driver_override,
                .vfio_driver = record->vfio_driver,
                .node = record->node,
                .group_node = record->group_node,
        };
}

/* What db_record_insert() and its like take. */
typedef struct Rows {
        DbRecord *items;
        char (*addresses)[PCI_ADDRESS_STRING_MAX];
} Rows;

static void rows_done(Rows *rows) {
        free(rows->items);
        free(rows->addresses);
}

static int rows_make(const RecordList *records, Rows *ret) {
        _cleanup_(rows_done) Rows rows = {
                .items = calloc(records->n_items ?: 1, sizeof(DbRecord)),
                .addresses = calloc(records->n_items ?: 1, PCI_ADDRESS_STRING_MAX),
        };

        if (!rows.items || !rows.addresses)
                return -ENOMEM;
        for (size_t i = 0; i < records->n_items; i++)
                rows.items[i] = db_device(&records->items[i], rows.addresses[i]);
        *ret = rows;
        rows = (Rows) {};
        return 0;
}

int records_insert(Db *db, DbRecordKeeper keeper, int64_t id, const RecordList *records) {
        _cleanup_(rows_done) Rows rows = {};
        int r;

        r = rows_make(records, &rows);
        if (r < 0)
                return r;
        return db_record_insert(db, keeper, id, rows.items, records->n_items);
}

static int record_fill(DeviceRecord *record, const DbRecord *row) {
        int r;

        r = pci_address_parse(row->address, &record->address);
        if (r < 0)
                return r;
        record->identity = (PciIdentity) {
                .vendor = (uint16_t) row->vendor,
                .device = (uint16_t) row->device,
                .subsystem_vendor = (uint16_t) row->subsystem_vendor,
                .subsystem_device = (uint16_t) row->subsystem_device,
                .class = row->class,
                .revision = (uint8_t) row->revision,
        };
        record->group = row->group;
        record->wanted = row->wanted;
        r = string_copy(row->driver, &record->driver);
        if (r < 0)
                return r;
        r = string_copy(row->override, &record->driver_override);
        if (r < 0)
                return r;
        r = string_copy(row->vfio_driver, &record->vfio_driver);
        if (r >= 0)
                r = string_copy(row->node, &record->node);
        if (r >= 0)
                r = string_copy(row->group_node, &record->group_node);
        return r;
}

int records_load(const DbRecord *rows, size_t n_rows, RecordList *ret) {
        _cleanup_(record_list_done) RecordList records = {};
        int r;

        records.items = calloc(n_rows ?: 1, sizeof(DeviceRecord));
        if (!records.items)
                return -ENOMEM;
        for (size_t i = 0; i < n_rows; i++) {
                records.n_items++;
                r = record_fill(&records.items[i], &rows[i]);
                if (r < 0)
                        return r;
        }
        *ret = records;
        records = (RecordList) {};
        return 0;
}

int records_journal_assignment(Db *db, Assignment *assignment) {
        const RecordList *records = &assignment->records;
        _cleanup_(rows_done) Rows rows = {};
        int64_t id;
        int r;

        r = rows_make(records, &rows);
        if (r < 0)
                return r;
        r = db_assignment_insert(db, &(DbAssignment) {
                .owner = assignment->owner,
                .state = assignment_state_to_string(assignment->state),
                .label = assignment->label,
                .backend = backend_to_string(assignment->backend),
                .lease = assignment->lease,
                .node_access = assignment->has_nodes ? NODE_ACCESS_FORMAT(&assignment->nodes) : NULL,
                .caller_uid = (int64_t) assignment->uid,
                .created_usec = assignment->created_usec,
        }, rows.items, records->n_items, &id);
        if (r < 0)
                return r;
        assignment->id = (uint64_t) id;
        return 0;
}

int records_journal_reservation(Db *db, Reservation *reservation) {
        _cleanup_(rows_done) Rows rows = {};
        int64_t id;
        int r;

        r = rows_make(&reservation->records, &rows);
        if (r < 0)
                return r;
        r = db_reservation_insert(db, &(DbReservation) {
                .state = reservation_state_to_string(reservation->state),
                .caller_uid = (int64_t) reservation->uid,
                .created_usec = reservation->created_usec,
        }, rows.items, reservation->records.n_items, &id);
        if (r < 0)
                return r;
        reservation->id = (uint64_t) id;
        return 0;
}

int records_journal_renewal(Db *db, const Reservation *reservation) {
        _cleanup_(rows_done) Rows rows = {};
        int r;

        r = rows_make(&reservation->records, &rows);
        if (r < 0)
                return r;
        return db_reservation_renew(db, (int64_t) reservation->id, realtime_usec(), rows.items, reservation->records.n_items);
}

int records_addresses(const RecordList *records, char ***ret) {
        _cleanup_strv_free_ char **addresses = NULL;
        int r;

        for (size_t i = 0; i < records->n_items; i++) {
                r = strv_append(&addresses, PCI_ADDRESS_FORMAT(&records->items[i].address));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(addresses);
        return 0;
}

void records_add_remark(Operation *operation, const char *sentence) {
        const char *before = operation->outcome.message;
        char *message;

        if (asprintf(&message, "%s%s%s", before ?: "", before ? ". " : "", sentence) < 0)
                return;
        free(operation->outcome.message);
        operation->outcome.message = message;
}

void records_note_differences(const Manager *manager, const RecordList *records, Operation *operation) {
        _cleanup_strv_free_ char **differences = NULL;
        int r;

        r = record_list_compare(records, manager_facts(manager), &differences);
        if (r < 0) {
                log_error_errno(r, "Failed to compare the host with what was recorded: %m");
                return;
        }
        for (size_t i = 0; differences && differences[i]; i++) {
                log_warning("After operation %" PRIu64 ": %s", operation->id, differences[i]);
                records_add_remark(operation, differences[i]);
        }
}

static bool device_is_there(const Manager *manager, const DeviceRecord *record) {
        const Device *device = facts_find_device(manager_facts(manager), &record->address);

        return device && pci_identity_equal(&device->identity, &record->identity);
}

/* -ENODEV is the kernel's word that the device is not on that driver: unbind_store(), drivers/base/bus.c. */
static bool unbind_is_proven(const StepProgress *progress) {
        return progress->state == STEP_DONE || (progress->state == STEP_FAILED && progress->error == -ENODEV);
}

/* The override of a device is given back after each unbind; where that was not even tried, an unbind has kept it back. */
static bool step_keeps_device(const Step *step, const StepProgress *progress) {
        if (step->kind == STEP_SET_OVERRIDE)
                return progress->state == STEP_SKIPPED;
        return step->kind == STEP_UNBIND && !unbind_is_proven(progress);
}

bool records_are_held(const Manager *manager, const RecordList *records, const Operation *operation) {
        for (size_t i = 0; i < operation->plan.n_steps; i++) {
                const Step *step = &operation->plan.steps[i];

                if (!step_keeps_device(step, &operation->progress[i]))
                        continue;
                for (size_t k = 0; k < records->n_items; k++)
                        if (pci_address_compare(&records->items[k].address, &step->address) == 0 && device_is_there(manager, &records->items[k]))
                                return true;
        }
        return false;
}

int records_merge(Assignment *const *assignments, size_t n, RecordList *ret) {
        DeviceRecord *items;
        size_t total = 0, k = 0;

        for (size_t i = 0; i < n; i++)
                total += assignments[i]->records.n_items;
        items = calloc(total ?: 1, sizeof(DeviceRecord));
        if (!items)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                for (size_t d = 0; d < assignments[i]->records.n_items; d++)
                        items[k++] = assignments[i]->records.items[d];
        *ret = (RecordList) { .items = items, .n_items = total };
        return 0;
}
