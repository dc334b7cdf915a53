/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The labels that administrators have given to devices. */

#include "db/db.h"

/* Sets the label of the device at an address, or takes it away (NULL). Needs an open transaction; errors as in db/db.h. */
int db_label_set(Db *db, const char *address, const char *label, int64_t caller_uid, uint64_t at_usec);

/* All, ordered by address; strings are borrowed for the call. A negative return of the handler ends the walk and is returned. */
typedef int (*db_label_handler_t)(const char *address, const char *label, void *userdata);
int db_label_foreach(Db *db, db_label_handler_t handler, void *userdata);
