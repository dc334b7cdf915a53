/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/audit.h"

#include "db/statement.h"

#define IS_ARRAY(parameter) "CASE WHEN json_valid(" parameter ") THEN json_type(" parameter ") = 'array' ELSE 0 END"

/* The schema cannot check it: SQLite 3.40 refuses JSON functions in an untrusted one. */
static int check_lists(Db *db, const DbAudit *a) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT " IS_ARRAY("?1") " AND " IS_ARRAY("?2") " AND " IS_ARRAY("?3") " AND (?4 IS NULL OR " IS_ARRAY("?4") ")",
                             VALUES(TEXT(a->targets), TEXT(a->devices), TEXT(a->groups), TEXT(a->blockers)), &s);
        if (r >= 0)
                r = statement_step(db, s);
        if (r < 0)
                return r;
        return sqlite3_column_int(s, 0) == 1 ? 0 : db_fail(db, -EINVAL);
}

int db_audit_insert(Db *db, const DbAudit *a, int64_t *ret_id) {
        int64_t boot, id;
        int r;

        r = db_boot_row(db, a->at_usec, &boot);
        if (r >= 0)
                r = check_lists(db, a);
        if (r < 0)
                return r;
        r = statement_run_returning(
                        db, "INSERT INTO audit(id, at_usec, boot, verb, owner, caller_uid, caller_pid, caller_name, targets, devices, groups,"
                        " operation, assignment, outcome, error, message, blockers)"
                        " VALUES((SELECT coalesce(max(id), 0) + 1 FROM audit), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                        VALUES(USEC(a->at_usec), INTEGER(boot), TEXT(a->verb), TEXT(a->owner), INTEGER(a->caller_uid),
                               INTEGER_OR_NULL(a->caller_pid, 0), TEXT(a->caller_name), TEXT(a->targets), TEXT(a->devices), TEXT(a->groups),
                               INTEGER_OR_NULL(a->operation, 0), INTEGER_OR_NULL(a->assignment, 0), TEXT(a->outcome), TEXT(a->error),
                               TEXT(a->message), TEXT(a->blockers)),
                        &id);
        if (r < 0)
                return r;
        r = statement_run(db, "INSERT INTO audit_devices(address, audit) SELECT DISTINCT value, ? FROM json_each(?) WHERE type = 'text'",
                          VALUES(INTEGER(id), TEXT(a->devices)));
        if (r < 0)
                return r;
        if (ret_id)
                *ret_id = id;
        return 0;
}

int db_audit_head(Db *db, int64_t *ret_id) {
        _cleanup_(statement_done) sqlite3_stmt *s = NULL;
        int r;

        r = statement_select(db, "SELECT coalesce(max(id), 0) FROM audit", NULL, 0, &s);
        if (r < 0)
                return r;
        r = statement_step(db, s);
        if (r < 0)
                return r;
        assert(r == 1);
        *ret_id = sqlite3_column_int64(s, 0);
        return 0;
}

/* The query of a filter: fixed pieces of SQL, so that each filter uses its index. */
typedef struct Query {
        char sql[1024];
        size_t length;
        Value values[8];
        size_t n_values;
} Query;

static void query_add(Query *query, const char *sql) {
        int n = snprintf(query->sql + query->length, sizeof(query->sql) - query->length, "%s", sql);

        query->length += (size_t) n;
        assert(query->length < sizeof(query->sql));
}

static void query_add_value(Query *query, const char *sql, Value value) {
        query_add(query, sql);
        query->values[query->n_values++] = value;
}

static void query_make(int64_t after, const DbAuditFilter *filter, size_t max, bool newest_first, Query *ret) {
        *ret = (Query){};
        query_add(ret, "SELECT a.id, a.at_usec, b.boot_id, a.verb, a.owner, a.caller_uid, a.caller_pid, a.caller_name, a.targets, a.devices,"
                  " a.groups, a.operation, a.assignment, a.outcome, a.error, a.message, a.blockers FROM ");
        if (filter->device)
                query_add_value(ret, "audit_devices d CROSS JOIN audit a ON a.id = d.audit JOIN boots b ON b.id = a.boot WHERE d.address = ?"
                                " AND d.audit > ?", TEXT(filter->device));
        else
                /* The "+" lets the index of times decide, where one is given, instead of a walk over all ids. */
                query_add(ret, filter->since_usec > 0 ? "audit a JOIN boots b ON b.id = a.boot WHERE +a.id > ?"
                                                      : "audit a JOIN boots b ON b.id = a.boot WHERE a.id > ?");
        query_add_value(ret, "", INTEGER(newest_first ? 0 : after));
        if (filter->owner)
                query_add_value(ret, " AND a.owner = ?", TEXT(filter->owner));
        if (filter->verb)
                query_add_value(ret, " AND a.verb = ?", TEXT(filter->verb));
        if (filter->outcome)
                query_add_value(ret, " AND a.outcome = ?", TEXT(filter->outcome));
        if (filter->since_usec > 0)
                query_add_value(ret, " AND a.at_usec >= ?", USEC(filter->since_usec));
        if (filter->until_usec > 0)
                query_add_value(ret, " AND a.at_usec <= ?", INTEGER(filter->until_usec > INT64_MAX ? INT64_MAX : filter->until_usec));
        query_add(ret, filter->device ? " ORDER BY d.audit" : " ORDER BY a.id");
        query_add_value(ret, newest_first ? " DESC LIMIT ?" : " LIMIT ?", INTEGER(max > INT64_MAX ? INT64_MAX : max));
}

static DbAudit row_read(sqlite3_stmt *s) {
        return (DbAudit){
                .id = sqlite3_column_int64(s, 0),
                .at_usec = (uint64_t) sqlite3_column_int64(s, 1),
                .boot_id = column_text(s, 2),
                .verb = column_text(s, 3),
                .owner = column_text(s, 4),
                .caller_uid = sqlite3_column_int64(s, 5),
                .caller_pid = column_integer(s, 6, 0),
                .caller_name = column_text(s, 7),
                .targets = column_text(s, 8),
                .devices = column_text(s, 9),
                .groups = column_text(s, 10),
                .operation = column_integer(s, 11, 0),
                .assignment = column_integer(s, 12, 0),
                .outcome = column_text(s, 13),
                .error = column_text(s, 14),
                .message = column_text(s, 15),
                .blockers = column_text(s, 16),
        };
}

int db_audit_foreach(Db *db, int64_t after, const DbAuditFilter *filter, size_t max, bool newest_first, db_audit_handler_t handler, void *userdata) {
        _cleanup_(statement_finalize) sqlite3_stmt *s = NULL;
        Query query;
        int r;

        query_make(after, filter, max, newest_first, &query);
        r = statement_prepare(db, query.sql, query.values, query.n_values, &s);
        if (r < 0)
                return r;
        while ((r = statement_step(db, s)) > 0) {
                DbAudit row = row_read(s);

                r = statement_check(db);
                if (r >= 0)
                        r = handler(&row, userdata);
                if (r < 0)
                        return r;
        }
        return r;
}
