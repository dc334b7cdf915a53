/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The records of assignments and reservations between memory, database and people. */

#include "daemon/manager.h"

/* What devices are given. */
#define VFIO_DRIVER "vfio-pci"
#include "db/record.h"

/* Adds the records to those of an assignment, reservation or quarantine, inside an open transaction. Returns 0 or a negative errno. */
int records_insert(Db *db, DbRecordKeeper keeper, int64_t id, const RecordList *records);

/* Rows as records. The caller owns *ret. Returns 0, -ENOMEM, or -EINVAL for a row that is none. */
int records_load(const DbRecord *rows, size_t n_rows, RecordList *ret);

/* Inserts the assignment's rows in the open transaction; it gets its id. */
int records_journal_assignment(Db *db, Assignment *assignment);

/* The same of a reservation. */
int records_journal_reservation(Db *db, Reservation *reservation);

/* The reservation is put into the kernel of this boot: its rows say so, and its records take the place of those before, in the open
 * transaction. */
int records_journal_renewal(Db *db, const Reservation *reservation);

/* The addresses of all recorded devices, as a string array that the caller frees. */
int records_addresses(const RecordList *records, char ***ret);

/* Appends a sentence to the operation's message; lost where there is no memory. */
void records_add_remark(Operation *operation, const char *sentence);

/* Compares the records with the host as it is now; what differs is appended to the operation's message and logged. */
void records_note_differences(const Manager *manager, const RecordList *records, Operation *operation);

/* Whether `operation`, which gives the records back, left a device that is still there with an unbind from its VFIO driver that is
 * unproven, or without an attempt to give its override back (another's unbind failed, and that other may be gone by now): then
 * somebody may have it open, or it still is to be given back, and its assignment has not ended. The driver alone does not tell: a
 * device may have been on its VFIO driver before, and somebody else may have bound it since. */
bool records_are_held(const Manager *manager, const RecordList *records, const Operation *operation);

/* One list of the records of several assignments, whose items are borrowed: free only `items`. */
int records_merge(Assignment *const *assignments, size_t n, RecordList *ret);
