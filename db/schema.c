/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "db/schema.h"

int schema_execute(sqlite3 *sqlite, const char *sql) {
        int code;

        errno = 0;
        code = sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
        return code == SQLITE_OK ? 0 : sqlite_to_errno(sqlite, code);
}

/* What a device was before it was taken off the host; node, group_node: who could open it as "UID:GID:MODE CONTEXT", NULL: there was no node. group_number NULL: a reservation did not find it after a reboot. */
#define RECORD_COLUMNS \
        "  address TEXT NOT NULL," \
        "  vendor INTEGER NOT NULL, device INTEGER NOT NULL," \
        "  subsystem_vendor INTEGER NOT NULL, subsystem_device INTEGER NOT NULL," \
        "  class INTEGER NOT NULL, revision INTEGER NOT NULL," \
        "  group_number INTEGER," \
        "  wanted INTEGER NOT NULL CHECK(wanted IN (0, 1))," \
        "  driver TEXT, driver_override TEXT," \
        "  vfio_driver TEXT NOT NULL," \
        "  node TEXT, group_node TEXT," \
        "  held INTEGER CHECK(held = 1),"

/* Words are checked by OR: an IN list of constants costs SQLite a temporary table for every row it writes. */
static const char tables_v1[] =
        /* One row a boot in which something was written. scanned_usec: the newest whole scan. */
        "CREATE TABLE boots("
        "  id INTEGER PRIMARY KEY,"
        "  boot_id TEXT NOT NULL UNIQUE CHECK(length(boot_id) = 32),"
        "  first_usec INTEGER NOT NULL,"
        "  scanned_usec INTEGER"
        ") STRICT;"

        /* Every (address, identity) ever seen. While present = 1, last_usec says when the present stay began. */
        "CREATE TABLE devices("
        "  address TEXT NOT NULL,"
        "  vendor INTEGER NOT NULL, device INTEGER NOT NULL,"
        "  subsystem_vendor INTEGER NOT NULL, subsystem_device INTEGER NOT NULL,"
        "  class INTEGER NOT NULL, revision INTEGER NOT NULL,"
        "  name TEXT,"
        "  group_number INTEGER,"
        "  present INTEGER NOT NULL CHECK(present IN (0, 1)),"
        "  first_usec INTEGER NOT NULL,"
        "  last_usec INTEGER NOT NULL,"
        "  PRIMARY KEY(address, vendor, device, subsystem_vendor, subsystem_device, class, revision)"
        ") STRICT, WITHOUT ROWID;"

        /* Every member set ever seen (names, sorted, separated by blanks) with its newest number. */
        "CREATE TABLE groups("
        "  id INTEGER PRIMARY KEY,"
        "  number INTEGER NOT NULL,"
        "  members TEXT NOT NULL UNIQUE,"
        "  present INTEGER NOT NULL CHECK(present IN (0, 1)),"
        "  first_usec INTEGER NOT NULL,"
        "  last_usec INTEGER NOT NULL"
        ") STRICT;"
        "CREATE INDEX groups_present ON groups(number) WHERE present = 1;"

        /* Every stay of a member in a group under one number. */
        "CREATE TABLE memberships("
        "  member TEXT NOT NULL,"
        "  group_id INTEGER NOT NULL REFERENCES groups(id),"
        "  group_number INTEGER NOT NULL,"
        "  since_usec INTEGER NOT NULL,"
        "  until_usec INTEGER,"
        "  PRIMARY KEY(member, group_id, since_usec)"
        ") STRICT, WITHOUT ROWID;"

        /* address NULL: of the group as a whole. */
        "CREATE TABLE shape_changes("
        "  id INTEGER PRIMARY KEY,"
        "  at_usec INTEGER NOT NULL,"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  event TEXT NOT NULL CHECK(event = 'appeared' OR event = 'vanished' OR event = 'replaced' OR event = 'moved'"
        "    OR event = 'group-appeared' OR event = 'group-vanished' OR event = 'group-reshaped'"
        "    OR event = 'group-renumbered'),"
        "  address TEXT,"
        "  group_number INTEGER,"
        "  detail TEXT NOT NULL"
        ") STRICT;"
        "CREATE INDEX shape_changes_address ON shape_changes(address) WHERE address IS NOT NULL;"
        "CREATE INDEX shape_changes_group ON shape_changes(group_number, at_usec) WHERE address IS NULL;"

        "CREATE TABLE assignments("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  owner TEXT NOT NULL CHECK(owner <> ''),"
        "  state TEXT NOT NULL CHECK(state = 'assigning' OR state = 'active' OR state = 'releasing' OR state = 'ended'"
        "    OR state = 'undone'),"
        "  label TEXT,"
        "  backend TEXT NOT NULL,"
        "  lease INTEGER NOT NULL CHECK(lease IN (0, 1)),"
        "  node_access TEXT," /* who may open its nodes, as above; NULL: root, and nothing is done about them */
        "  caller_uid INTEGER NOT NULL,"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  created_usec INTEGER NOT NULL,"
        "  ended_usec INTEGER,"
        "  end_reason TEXT,"
        "  CHECK((state = 'ended' OR state = 'undone') = (ended_usec IS NOT NULL))"
        ") STRICT;"
        "CREATE INDEX assignments_open ON assignments(id) WHERE ended_usec IS NULL;"

        /* held: 1 until the assignment has ended, then NULL; so a device is held at most once. */
        "CREATE TABLE assignment_devices("
        "  assignment INTEGER NOT NULL REFERENCES assignments(id),"
        RECORD_COLUMNS
        "  PRIMARY KEY(assignment, address)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE UNIQUE INDEX assignment_devices_held ON assignment_devices(address) WHERE held = 1;"
        "CREATE INDEX assignment_devices_address ON assignment_devices(address);"
        "CREATE INDEX assignment_devices_group ON assignment_devices(group_number);"

        /* boot: the one in which it was last put into the kernel. */
        "CREATE TABLE reservations("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  state TEXT NOT NULL CHECK(state = 'reserving' OR state = 'active' OR state = 'releasing' OR state = 'ended'"
        "    OR state = 'undone'),"
        "  caller_uid INTEGER NOT NULL,"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  created_usec INTEGER NOT NULL,"
        "  ended_usec INTEGER,"
        "  end_reason TEXT,"
        "  CHECK((state = 'ended' OR state = 'undone') = (ended_usec IS NOT NULL))"
        ") STRICT;"
        "CREATE INDEX reservations_open ON reservations(id) WHERE ended_usec IS NULL;"
        "CREATE TABLE reservation_devices("
        "  reservation INTEGER NOT NULL REFERENCES reservations(id),"
        RECORD_COLUMNS
        "  PRIMARY KEY(reservation, address)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE UNIQUE INDEX reservation_devices_held ON reservation_devices(address) WHERE held = 1;"
        "CREATE INDEX reservation_devices_address ON reservation_devices(address);"
        "CREATE INDEX reservation_devices_group ON reservation_devices(group_number);"

        "CREATE TABLE operations("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  verb TEXT NOT NULL,"
        "  state TEXT NOT NULL CHECK(state = 'waiting' OR state = 'running' OR state = 'undoing' OR state = 'done'"
        "    OR state = 'failed' OR state = 'interrupted'),"
        "  owner TEXT,"
        "  assignment INTEGER REFERENCES assignments(id),"
        "  caller_uid INTEGER NOT NULL, caller_pid INTEGER NOT NULL, caller_name TEXT,"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  worker_pid INTEGER, worker_start_time INTEGER,"
        "  created_usec INTEGER NOT NULL,"
        "  finished_usec INTEGER,"
        "  reason TEXT,"
        "  CHECK((state = 'waiting' OR state = 'running' OR state = 'undoing') = (finished_usec IS NULL))"
        ") STRICT;"
        "CREATE INDEX operations_open ON operations(id) WHERE finished_usec IS NULL;"
        "CREATE INDEX operations_assignment ON operations(assignment) WHERE assignment IS NOT NULL;"

        "CREATE TABLE operation_groups("
        "  operation INTEGER NOT NULL REFERENCES operations(id),"
        "  group_number INTEGER NOT NULL,"
        "  PRIMARY KEY(operation, group_number)"
        ") STRICT, WITHOUT ROWID;"

        "CREATE TABLE steps("
        "  operation INTEGER NOT NULL REFERENCES operations(id),"
        "  sequence INTEGER NOT NULL,"
        "  phase INTEGER NOT NULL,"
        "  kind TEXT NOT NULL,"
        "  address TEXT, group_number INTEGER,"
        "  value TEXT, prior TEXT,"
        "  undo INTEGER NOT NULL CHECK(undo IN (0, 1)),"
        "  state TEXT NOT NULL CHECK(state = 'planned' OR state = 'issued' OR state = 'done' OR state = 'failed'"
        "    OR state = 'skipped' OR state = 'unknown'),"
        "  error INTEGER NOT NULL CHECK(error <= 0),"
        "  issued_usec INTEGER, answered_usec INTEGER,"
        "  PRIMARY KEY(operation, sequence)"
        ") STRICT, WITHOUT ROWID;"

        /* assignment, operation: what left the devices in doubt; NULL: neither. */
        "CREATE TABLE quarantines("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  code TEXT NOT NULL CHECK(code <> ''),"
        "  detail TEXT NOT NULL,"
        "  assignment INTEGER REFERENCES assignments(id),"
        "  operation INTEGER REFERENCES operations(id),"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  since_usec INTEGER NOT NULL,"
        "  ended_usec INTEGER,"
        "  end_reason TEXT"
        ") STRICT;"
        "CREATE INDEX quarantines_open ON quarantines(id) WHERE ended_usec IS NULL;"
        "CREATE TABLE quarantine_devices("
        "  quarantine INTEGER NOT NULL REFERENCES quarantines(id),"
        RECORD_COLUMNS
        "  PRIMARY KEY(quarantine, address)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE INDEX quarantine_devices_address ON quarantine_devices(address);"
        "CREATE INDEX quarantine_devices_group ON quarantine_devices(group_number);"

        /* address NULL: of the group as a whole. */
        "CREATE TABLE drifts("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  at_usec INTEGER NOT NULL,"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  code TEXT NOT NULL CHECK(code <> ''),"
        "  group_number INTEGER NOT NULL,"
        "  address TEXT,"
        "  detail TEXT NOT NULL,"
        "  assignment INTEGER REFERENCES assignments(id),"
        "  reservation INTEGER REFERENCES reservations(id),"
        "  manager TEXT," /* a foreign one that did it */
        "  quarantine INTEGER REFERENCES quarantines(id)"
        ") STRICT;"
        "CREATE INDEX drifts_address ON drifts(address) WHERE address IS NOT NULL;"
        "CREATE INDEX drifts_group ON drifts(group_number);"

        /* Those that administrators gave. */
        "CREATE TABLE labels("
        "  address TEXT PRIMARY KEY,"
        "  label TEXT NOT NULL CHECK(label <> ''),"
        "  at_usec INTEGER NOT NULL,"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  caller_uid INTEGER NOT NULL"
        ") STRICT, WITHOUT ROWID;"

        "CREATE TABLE audit("
        "  id INTEGER PRIMARY KEY,"
        "  at_usec INTEGER NOT NULL,"
        "  boot INTEGER NOT NULL REFERENCES boots(id),"
        "  verb TEXT NOT NULL,"
        "  owner TEXT,"
        "  caller_uid INTEGER NOT NULL, caller_pid INTEGER, caller_name TEXT,"
        "  targets TEXT NOT NULL,"
        "  devices TEXT NOT NULL,"
        "  groups TEXT NOT NULL,"
        "  operation INTEGER REFERENCES operations(id),"
        "  assignment INTEGER REFERENCES assignments(id),"
        "  outcome TEXT NOT NULL CHECK(outcome = 'done' OR outcome = 'refused' OR outcome = 'failed' OR outcome = 'interrupted'),"
        "  error TEXT, message TEXT,"
        "  blockers TEXT"
        ") STRICT;"
        "CREATE INDEX audit_at ON audit(at_usec);"
        "CREATE INDEX audit_owner ON audit(owner) WHERE owner IS NOT NULL;"
        "CREATE TABLE audit_devices("
        "  address TEXT NOT NULL,"
        "  audit INTEGER NOT NULL REFERENCES audit(id),"
        "  PRIMARY KEY(address, audit)"
        ") STRICT, WITHOUT ROWID;";

static const char triggers_v1[] =
        "CREATE TRIGGER audit_is_gapless BEFORE INSERT ON audit"
        "  WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM audit)"
        "  BEGIN SELECT RAISE(ABORT, 'audit rows are numbered without gaps'); END;"
        "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit"
        "  BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;"
        "CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit"
        "  BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;"
        "CREATE TRIGGER audit_devices_are_not_changed BEFORE UPDATE ON audit_devices"
        "  BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;"
        "CREATE TRIGGER audit_devices_are_not_deleted BEFORE DELETE ON audit_devices"
        "  BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;";

#define ISO(usec) "strftime('%Y-%m-%dT%H:%M:%S', " usec " / 1000000, 'unixepoch') || printf('.%06dZ', " usec " % 1000000)"
#define TIME(usec, name) ISO(usec) " AS " name ", " usec " AS " name "_usec"
#define IDS(t) "printf('%04x:%04x', " t ".vendor, " t ".device)"
#define RECORD_OF(d) \
        "  CASE " d ".wanted WHEN 1 THEN 'wanted' ELSE 'companion' END AS role, " d ".group_number, " IDS(d) " AS ids," \
        "  (SELECT name FROM devices k WHERE k.address = " d ".address AND k.vendor = " d ".vendor AND k.device = " d ".device" \
        "    AND k.subsystem_vendor = " d ".subsystem_vendor AND k.subsystem_device = " d ".subsystem_device" \
        "    AND k.class = " d ".class AND k.revision = " d ".revision) AS name," \
        "  " d ".driver AS driver_before, " d ".driver_override AS override_before, " d ".vfio_driver"
#define WORDS(list) "(SELECT group_concat(value, ' ') FROM json_each(" list "))"

#define RESERVATION_BEGIN(r) "CASE " r ".state WHEN 'reserving' THEN 'reserving' WHEN 'undone' THEN 'reserving' ELSE 'reserved' END"
#define RESERVATION_END(r) "CASE " r ".state WHEN 'undone' THEN 'undone' ELSE 'unreserved' END"
#define DRIFT(x) "printf('%s: %s%s', " x ".code, " x ".detail, coalesce(' (' || " x ".manager || ')', ''))"

/* A value of a JSON object. json_extract() would be shorter, but SQLite 3.40 refuses it in views of an untrusted schema. */
#define KEY(name) "(SELECT value FROM json_each(item.value) WHERE key = '" name "')"

static const char views_v1[] =
        "CREATE VIEW audit_log AS SELECT a.id, " TIME("a.at_usec", "at") ", a.verb, a.owner, a.caller_uid AS uid,"
        "  a.caller_pid AS pid, coalesce(a.caller_name, 'assignd') AS caller,"
        "  " WORDS("a.targets") " AS targets, " WORDS("a.devices") " AS devices, " WORDS("a.groups") " AS groups,"
        "  a.outcome, a.error, a.message,"
        "  (SELECT group_concat(CASE " KEY("overridden") " WHEN 1 THEN 'overridden ' ELSE '' END || " KEY("code") " || coalesce(' ' || " KEY("device") ", '') || coalesce(': ' || " KEY("detail") ", ''), '; ')"
        "    FROM json_each(a.blockers) item) AS blockers,"
        "  a.operation, a.assignment, b.boot_id"
        "  FROM audit a JOIN boots b ON b.id = a.boot;"

        "CREATE VIEW assignment_history AS SELECT a.id AS assignment, a.owner, a.caller_uid AS uid, a.label, d.address,"
        RECORD_OF("d") ", a.backend,"
        "  CASE a.lease WHEN 1 THEN 'yes' ELSE 'no' END AS lease, a.node_access, a.state,"
        "  " TIME("a.created_usec", "since") ", " TIME("a.ended_usec", "until") ", a.end_reason, b.boot_id"
        "  FROM assignments a JOIN assignment_devices d ON d.assignment = a.id JOIN boots b ON b.id = a.boot;"

        "CREATE VIEW current_assignments AS SELECT assignment, owner, uid, label, address, role, group_number, ids, name,"
        "  driver_before, override_before, vfio_driver, backend, lease, node_access, state, since, since_usec, boot_id"
        "  FROM assignment_history WHERE until_usec IS NULL;"

        "CREATE VIEW reservation_history AS SELECT r.id AS reservation, r.caller_uid AS uid, d.address,"
        RECORD_OF("d") ","
        "  r.state, " TIME("r.created_usec", "since") ", " TIME("r.ended_usec", "until") ", r.end_reason, b.boot_id"
        "  FROM reservations r JOIN reservation_devices d ON d.reservation = r.id JOIN boots b ON b.id = r.boot;"

        "CREATE VIEW current_reservations AS SELECT reservation, uid, address, role, group_number, ids, name,"
        "  driver_before, override_before, vfio_driver, state, since, since_usec, boot_id"
        "  FROM reservation_history WHERE until_usec IS NULL;"

        "CREATE VIEW device_history AS"
        "  SELECT address, " TIME("at_usec", "at") ", event, detail, NULL AS owner, NULL AS uid"
        "    FROM shape_changes WHERE address IS NOT NULL"
        "  UNION ALL SELECT m.member, " TIME("c.at_usec", "at") ", c.event, c.detail, NULL, NULL"
        "    FROM memberships m JOIN shape_changes c ON c.address IS NULL AND c.group_number = m.group_number"
        "    AND c.at_usec = m.since_usec WHERE c.event IN ('group-reshaped', 'group-renumbered')"
        "  UNION ALL SELECT d.address, " TIME("a.created_usec", "at") ","
        "    CASE a.state WHEN 'assigning' THEN 'assigning' WHEN 'undone' THEN 'assigning' ELSE 'assigned' END,"
        "    printf('to %s%s, from %s to %s%s', a.owner, CASE d.wanted WHEN 1 THEN '' ELSE ' as a companion' END,"
        "      coalesce(d.driver, 'no driver'), d.vfio_driver, coalesce(', nodes to ' || a.node_access, '')), a.owner, a.caller_uid"
        "    FROM assignments a JOIN assignment_devices d ON d.assignment = a.id"
        "  UNION ALL SELECT d.address, " TIME("a.ended_usec", "at") ","
        "    CASE a.state WHEN 'undone' THEN 'undone' ELSE 'released' END,"
        "    printf('by %s%s', a.owner, coalesce(': ' || a.end_reason, '')), a.owner, a.caller_uid"
        "    FROM assignments a JOIN assignment_devices d ON d.assignment = a.id WHERE a.ended_usec IS NOT NULL"
        "  UNION ALL SELECT d.address, " TIME("r.created_usec", "at") ", " RESERVATION_BEGIN("r") ","
        "    printf('%sfrom %s to %s', CASE d.wanted WHEN 1 THEN '' ELSE 'as a companion, ' END,"
        "      coalesce(d.driver, 'no driver'), d.vfio_driver), NULL, r.caller_uid"
        "    FROM reservations r JOIN reservation_devices d ON d.reservation = r.id"
        "  UNION ALL SELECT d.address, " TIME("r.ended_usec", "at") ", " RESERVATION_END("r") ", coalesce(r.end_reason, ''), NULL, r.caller_uid"
        "    FROM reservations r JOIN reservation_devices d ON d.reservation = r.id WHERE r.ended_usec IS NOT NULL"
        "  UNION ALL SELECT d.address, " TIME("q.since_usec", "at") ", 'quarantined', printf('%s: %s', q.code, q.detail), NULL, NULL"
        "    FROM quarantines q JOIN quarantine_devices d ON d.quarantine = q.id"
        "  UNION ALL SELECT d.address, " TIME("q.ended_usec", "at") ", 'recovered', coalesce(q.end_reason, ''), NULL, NULL"
        "    FROM quarantines q JOIN quarantine_devices d ON d.quarantine = q.id WHERE q.ended_usec IS NOT NULL"
        "  UNION ALL SELECT x.address, " TIME("x.at_usec", "at") ", 'drift', " DRIFT("x") ", NULL, NULL"
        "    FROM drifts x WHERE x.address IS NOT NULL;"

        "CREATE VIEW group_history AS"
        "  SELECT group_number, " TIME("at_usec", "at") ", event, detail, NULL AS owner, NULL AS uid"
        "    FROM shape_changes WHERE address IS NULL"
        "  UNION ALL SELECT g.group_number, " TIME("a.created_usec", "at") ","
        "    CASE a.state WHEN 'assigning' THEN 'assigning' WHEN 'undone' THEN 'assigning' ELSE 'assigned' END,"
        "    printf('to %s', a.owner), a.owner, a.caller_uid"
        "    FROM assignments a JOIN (SELECT DISTINCT assignment, group_number FROM assignment_devices) g ON g.assignment = a.id"
        "  UNION ALL SELECT g.group_number, " TIME("a.ended_usec", "at") ","
        "    CASE a.state WHEN 'undone' THEN 'undone' ELSE 'released' END,"
        "    printf('by %s%s', a.owner, coalesce(': ' || a.end_reason, '')), a.owner, a.caller_uid"
        "    FROM assignments a JOIN (SELECT DISTINCT assignment, group_number FROM assignment_devices) g ON g.assignment = a.id"
        "    WHERE a.ended_usec IS NOT NULL"
        "  UNION ALL SELECT g.group_number, " TIME("r.created_usec", "at") ", " RESERVATION_BEGIN("r") ", '', NULL, r.caller_uid"
        "    FROM reservations r JOIN (SELECT DISTINCT reservation, group_number FROM reservation_devices) g ON g.reservation = r.id"
        "  UNION ALL SELECT g.group_number, " TIME("r.ended_usec", "at") ", " RESERVATION_END("r") ", coalesce(r.end_reason, ''), NULL, r.caller_uid"
        "    FROM reservations r JOIN (SELECT DISTINCT reservation, group_number FROM reservation_devices) g ON g.reservation = r.id"
        "    WHERE r.ended_usec IS NOT NULL"
        "  UNION ALL SELECT g.group_number, " TIME("q.since_usec", "at") ", 'quarantined', printf('%s: %s', q.code, q.detail), NULL, NULL"
        "    FROM quarantines q JOIN (SELECT DISTINCT quarantine, group_number FROM quarantine_devices) g ON g.quarantine = q.id"
        "  UNION ALL SELECT g.group_number, " TIME("q.ended_usec", "at") ", 'recovered', coalesce(q.end_reason, ''), NULL, NULL"
        "    FROM quarantines q JOIN (SELECT DISTINCT quarantine, group_number FROM quarantine_devices) g ON g.quarantine = q.id"
        "    WHERE q.ended_usec IS NOT NULL"
        "  UNION ALL SELECT x.group_number, " TIME("x.at_usec", "at") ", 'drift', coalesce(x.address || ': ', '') || " DRIFT("x") ", NULL, NULL"
        "    FROM drifts x;"

        "CREATE VIEW known_devices AS SELECT address, " IDS("d") " AS ids, printf('%06x', class) AS class,"
        "  printf('%02x', revision) AS revision, name, group_number, CASE present WHEN 1 THEN 'yes' ELSE 'no' END AS present,"
        "  " TIME("first_usec", "first_seen") ", " TIME("seen_usec", "last_seen")
        "  FROM (SELECT *, CASE present WHEN 1 THEN max(last_usec, coalesce((SELECT scanned_usec FROM boots"
        "    WHERE scanned_usec IS NOT NULL ORDER BY id DESC LIMIT 1), 0)) ELSE last_usec END AS seen_usec FROM devices) d;"

        "CREATE VIEW group_members AS SELECT group_number, member, " TIME("since_usec", "since") ", "
        TIME("until_usec", "until") " FROM memberships;";

static int create_v1(sqlite3 *sqlite) {
        const char *const parts[] = { tables_v1, triggers_v1, views_v1 };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                int r = schema_execute(sqlite, parts[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Append only: what was released is never edited, since databases made by it exist. */
static const Migration migrations[] = {
        { .function = create_v1 },
};

int32_t schema_version(void) {
        return (int32_t) ELEMENTSOF(migrations);
}

int schema_read_integer(sqlite3 *sqlite, const char *sql, int64_t *ret) {
        sqlite3_stmt *statement = NULL;
        int code, r = 0;

        errno = 0;
        code = sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
                *ret = sqlite3_column_int64(statement, 0);
        else
                r = code == SQLITE_DONE ? -EUCLEAN : sqlite_to_errno(sqlite, code);
        (void) sqlite3_finalize(statement);
        return r;
}

/* 1: in order, 0: not. */
static int quick_check(sqlite3 *sqlite) {
        sqlite3_stmt *statement = NULL;
        bool ok = false;
        int code;

        errno = 0;
        code = sqlite3_prepare_v2(sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
                const char *text = (const char *) sqlite3_column_text(statement, 0);

                ok = text && strcmp(text, "ok") == 0;
        }
        (void) sqlite3_finalize(statement);
        return code == SQLITE_ROW ? ok : sqlite_to_errno(sqlite, code);
}

/* Whether all of the database (SQLITE_FCNTL_FILE_POINTER) or of its WAL (SQLITE_FCNTL_JOURNAL_POINTER) can be read: 0 or a negative errno. */
static int read_whole(sqlite3 *sqlite, int pointer) {
        sqlite3_file *file = NULL;
        sqlite3_int64 size;
        char buffer[4096];
        int code;

        errno = 0;
        code = sqlite3_file_control(sqlite, "main", pointer, &file);
        if (code != SQLITE_OK || !file || !file->pMethods)
                return 0;
        code = file->pMethods->xFileSize(file, &size);
        for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += (int) sizeof(buffer)) {
                code = file->pMethods->xRead(file, buffer, sizeof(buffer), at);
                if (code == SQLITE_IOERR_SHORT_READ)
                        code = SQLITE_OK;
        }
        return sqlite_to_errno(sqlite, code);
}

/* A check that could not read a page reports it like a damaged one. Damage is what is there when everything can be read. */
int schema_check(sqlite3 *sqlite) {
        int64_t violations;
        int r;

        r = quick_check(sqlite);
        if (r == 0) {
                r = read_whole(sqlite, SQLITE_FCNTL_FILE_POINTER);
                if (r == 0)
                        r = read_whole(sqlite, SQLITE_FCNTL_JOURNAL_POINTER);
                if (r == 0)
                        r = quick_check(sqlite);
        }
        if (r <= 0)
                return r < 0 ? r : -EUCLEAN;
        r = schema_read_integer(sqlite, "SELECT count(*) FROM pragma_foreign_key_check", &violations);
        if (r < 0)
                return r;
        return violations > 0 ? -EUCLEAN : 0;
}

static int migrate_from(sqlite3 *sqlite, size_t version, const Migration *table, size_t n) {
        char pragmas[128];

        for (size_t i = version; i < n; i++) {
                int r = table[i].function ? table[i].function(sqlite) : schema_execute(sqlite, table[i].sql);

                if (r < 0)
                        return r;
        }
        (void) snprintf(pragmas, sizeof(pragmas), "PRAGMA user_version = %zu; PRAGMA application_id = %u;", n, SCHEMA_APPLICATION_ID);
        return schema_execute(sqlite, pragmas);
}

int schema_migrate_with(sqlite3 *sqlite, const Migration *table, size_t n) {
        int64_t version;
        int r;

        r = schema_execute(sqlite, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        r = schema_read_integer(sqlite, "PRAGMA user_version", &version);
        if (r >= 0 && (version < 0 || (size_t) version > n))
                r = -ENOTSUP;
        if (r >= 0 && (size_t) version < n)
                r = migrate_from(sqlite, (size_t) version, table, n);
        if (r >= 0)
                r = schema_execute(sqlite, "COMMIT");
        if (r < 0 && !sqlite3_get_autocommit(sqlite))
                (void) schema_execute(sqlite, "ROLLBACK");
        return r;
}

int schema_migrate(sqlite3 *sqlite) {
        return schema_migrate_with(sqlite, migrations, ELEMENTSOF(migrations));
}
