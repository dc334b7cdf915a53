/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a device was before it was taken off the host and must get back: the same columns whoever keeps them. */

#include "db/db.h"

typedef enum DbRecordKeeper {
        DB_RECORDS_OF_ASSIGNMENT,
        DB_RECORDS_OF_RESERVATION,
        DB_RECORDS_OF_QUARANTINE,
        _DB_RECORD_KEEPER_MAX,
} DbRecordKeeper;

#define DB_GROUP_NONE UINT32_MAX

typedef struct DbRecord {
        const char *address;
        uint32_t vendor, device, subsystem_vendor, subsystem_device, class, revision;
        uint32_t group;          /* DB_GROUP_NONE: a reservation did not find the device after a reboot */
        bool wanted;             /* false: a companion */
        const char *driver;      /* before; NULL: none */
        const char *override;    /* before; NULL: none */
        const char *vfio_driver;
        const char *node;        /* who could open its node before; NULL: there was none */
        const char *group_node;  /* the same of its group's */
} DbRecord;

/* Adds records to those of an assignment, reservation or quarantine (`id`), within the open transaction; strings are copied.
 * -EEXIST for a device that is there already or, but for a quarantine, that another one of its kind which has not ended holds;
 * -ENOENT for an `id` that does not exist; else the errors of db/db.h. */
int db_record_insert(Db *db, DbRecordKeeper keeper, int64_t id, const DbRecord *records, size_t n_records);
