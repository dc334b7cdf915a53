/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/quarantine.h"

#include "base/clock.h"
#include "base/strutil.h"
#include "daemon/records.h"
#include "db/quarantine.h"

static int make(const char *code, const char *detail, Quarantine **ret) {
        _cleanup_(quarantine_freep) Quarantine *quarantine = calloc(1, sizeof(Quarantine));
        int r;

        if (!quarantine)
                return -ENOMEM;
        r = string_copy(code, &quarantine->code);
        if (r >= 0)
                r = string_copy(detail, &quarantine->detail);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(quarantine);
        return 0;
}

int quarantine_new(const char *code, const char *detail, const RecordList *records, uint32_t group, Quarantine **ret) {
        _cleanup_(quarantine_freep) Quarantine *quarantine = NULL;
        int r;

        r = make(code, detail, &quarantine);
        if (r < 0)
                return r;
        quarantine->since_usec = realtime_usec();
        r = record_list_add_group(&quarantine->records, records, group);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(quarantine);
        return 0;
}

int quarantine_add_strangers(Quarantine *quarantine, const Group *group) {
        int r = 0;

        for (size_t i = 0; r >= 0 && group && i < group->n_devices; i++) {
                _cleanup_(record_done) DeviceRecord now = {};

                if (group->devices[i]->role != ROLE_ENDPOINT)
                        continue;
                r = record_make(group->devices[i], /* wanted= */ false, VFIO_DRIVER, &now);
                if (r >= 0)
                        r = record_list_add(&quarantine->records, &now);
        }
        return r;
}

Quarantine *quarantine_free(Quarantine *quarantine) {
        if (!quarantine)
                return NULL;

        free(quarantine->code);
        free(quarantine->detail);
        record_list_done(&quarantine->records);
        free(quarantine);
        return NULL;
}

bool quarantine_has_group(const Quarantine *quarantine, const Group *group) {
        for (size_t i = 0; i < group->n_devices; i++)
                if (record_list_find(&quarantine->records, &group->devices[i]->address))
                        return true;
        return false;
}

int quarantine_journal_begin(Db *db, Quarantine *quarantine) {
        int64_t id;
        int r;

        r = db_quarantine_insert(db, &(DbQuarantine) {
                .code = quarantine->code,
                .detail = quarantine->detail,
                .assignment = (int64_t) quarantine->assignment,
                .operation = (int64_t) quarantine->operation,
                .since_usec = quarantine->since_usec,
        }, NULL, 0, &id);
        if (r >= 0)
                r = records_insert(db, DB_RECORDS_OF_QUARANTINE, id, &quarantine->records);
        if (r < 0)
                return r;
        quarantine->id = (uint64_t) id;
        return 0;
}

int quarantine_journal_end(Db *db, const Quarantine *quarantine, uint64_t now_usec, const char *reason) {
        return db_quarantine_end(db, (int64_t) quarantine->id, now_usec, reason);
}

void quarantine_table_done(QuarantineTable *table) {
        for (size_t i = 0; i < table->n_items; i++)
                quarantine_free(table->items[i]);
        free(table->items);
        *table = (QuarantineTable) {};
}

int quarantine_table_add(QuarantineTable *table, Quarantine *quarantine) {
        Quarantine **items = reallocarray(table->items, table->n_items + 1, sizeof(Quarantine *));

        if (!items)
                return -ENOMEM;
        items[table->n_items++] = quarantine;
        table->items = items;
        return 0;
}

static int on_quarantine(const DbQuarantine *row, const DbRecord *records, size_t n_records, void *userdata) {
        _cleanup_(quarantine_freep) Quarantine *quarantine = NULL;
        int r;

        r = make(row->code, row->detail, &quarantine);
        if (r < 0)
                return r;
        quarantine->id = (uint64_t) row->id;
        quarantine->assignment = (uint64_t) row->assignment;
        quarantine->operation = (uint64_t) row->operation;
        quarantine->since_usec = row->since_usec;
        r = records_load(records, n_records, &quarantine->records);
        if (r >= 0)
                r = quarantine_table_add(userdata, quarantine);
        if (r >= 0)
                TAKE_PTR(quarantine);
        return r;
}

int quarantine_table_load(QuarantineTable *table, Db *db) {
        return db_quarantine_foreach_open(db, on_quarantine, table);
}

const Quarantine *quarantine_table_find_group(const QuarantineTable *table, const Group *group) {
        for (size_t i = 0; i < table->n_items; i++)
                if (quarantine_has_group(table->items[i], group))
                        return table->items[i];
        return NULL;
}

void quarantine_table_drop_group(QuarantineTable *table, const Group *group) {
        size_t kept = 0;

        for (size_t i = 0; i < table->n_items; i++)
                if (quarantine_has_group(table->items[i], group))
                        quarantine_free(table->items[i]);
                else
                        table->items[kept++] = table->items[i];
        table->n_items = kept;
}
