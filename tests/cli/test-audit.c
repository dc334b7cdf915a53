/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The audit trail: its list, its copy, queries on the copy. */

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/cli/harness.h"
#include "tests/cli/suite.h"

START_TEST(entries_are_listed_oldest_first) {
        static const FakeScript three = { .audit_entries = 3 };
        _cleanup_stage_ Stage *stage = stage_new(&three);
        _cleanup_result_ Result result = ctl(stage, "audit");

        ck_assert_int_eq(result.status, 0);
        ck_assert_str_eq(result.out,
                         "ID  TIME                 VERB    OWNER     UID  OUTCOME  DEVICES                     REASON\n"
                         " 1  2026-01-02 03:04:06  assign  vm:web1     0  done     0000:02:00.0, 0000:02:00.1  -\n"
                         " 2  2026-01-02 03:04:07  assign  -        1000  refused  02:00.0                     Not \\x1b[1mviable.\n"
                         " 3  2026-01-02 03:04:08  assign  vm:web1     0  done     0000:02:00.0, 0000:02:00.1  -\n");
} END_TEST

START_TEST(entries_as_json) {
        static const FakeScript two = { .audit_entries = 2 };
        _cleanup_stage_ Stage *stage = stage_new(&two);
        _cleanup_result_ Result result = ctl(stage, "audit", "--json");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *entries = json_object_get(json, "entries"), *refused = json_array_get(entries, 1);

        ck_assert_uint_eq(json_array_size(entries), 2);
        ck_assert_int_eq(json_integer_value(json_object_get(refused, "id")), 2);
        ck_assert_int_eq(json_integer_value(json_object_get(refused, "uid")), 1000);
        ck_assert(json_is_null(json_object_get(refused, "owner")));
        ck_assert(json_is_null(json_object_get(refused, "pid")));
        ck_assert(json_is_null(json_object_get(refused, "assignment")));
        ck_assert_str_eq(json_text(refused, "error"), "org.assignd1.Error.NotViable");
        ck_assert(json_is_array(json_object_get(refused, "blockers")));
} END_TEST

START_TEST(what_was_overridden_is_told_apart) {
        static const FakeScript one = { .audit_entries = 1, .audit_overridden = true };
        _cleanup_stage_ Stage *stage = stage_new(&one);
        _cleanup_result_ Result text = ctl(stage, "audit", "--no-legend"), result = ctl(stage, "audit", "--json");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *blockers = json_object_get(json_array_get(json_object_get(json, "entries"), 0), "blockers");

        ck_assert_str_eq(text.out, "1  2026-01-02 03:04:06  assign  vm:web1  0  done  0000:02:00.0, 0000:02:00.1  overridden in-use-network\n");
        ck_assert_uint_eq(json_array_size(blockers), 2);
        ck_assert_str_eq(json_text(json_array_get(blockers, 0), "code"), "in-use-network");
        ck_assert(json_is_true(json_object_get(json_array_get(blockers, 0), "overridden")));
} END_TEST

START_TEST(who_may_not_read_the_trail_is_shown_the_rest) {
        static const FakeScript closed = { .fail_member = "ListAudit", .fail_name = SD_BUS_ERROR_ACCESS_DENIED, .fail_message = "No." };
        _cleanup_stage_ Stage *stage = stage_new(&closed);
        _cleanup_result_ Result result = ctl(stage, "show", "02:00.0", "--json");
        _cleanup_json_ json_t *json = result_json(&result);

        ck_assert_int_eq(result.status, 0);
        ck_assert_str_eq(json_text(json, "address"), "0000:02:00.0");
        ck_assert_uint_eq(json_array_size(json_object_get(json, "history")), 0);
} END_TEST

START_TEST(an_empty_trail_is_said_in_words) {
        static const FakeScript none = {};
        _cleanup_stage_ Stage *stage = stage_new(&none);
        _cleanup_result_ Result text = ctl(stage, "audit"), json = ctl(stage, "audit", "--json");

        ck_assert_str_eq(text.out, "");
        ck_assert_str_eq(text.err, "There are no such entries.\n");
        ck_assert_int_eq(text.status, 0);
        ck_assert_str_eq(json.out, "{\"entries\": []}\n");
} END_TEST

START_TEST(filters_are_passed_on) {
        static const FakeScript none = {};
        _cleanup_stage_ Stage *stage = stage_new(&none);
        _cleanup_result_ Result result = ctl(stage, "audit", "--device=02:00.0", "--owner=vm:a", "--verb=assign", "--outcome=refused", "--since=@10", "--until=@20", "--limit=5");
        _cleanup_free_ char *call = stage_await(stage, "ListAudit");

        ck_assert_str_eq(call, "ListAudit [0,{\"device\":\"02:00.0\",\"owner\":\"vm:a\",\"verb\":\"assign\",\"outcome\":\"refused\","
                               "\"since_usec\":10000000,\"until_usec\":20000000,\"newest_first\":true},5]");
} END_TEST

START_TEST(a_limit_gives_the_last_ones) {
        static const FakeScript many = { .audit_entries = 2500 };
        static const struct {
                const char *limit;
                size_t n;
                json_int_t first;
        } cases[] = { { "--limit=2", 2, 2499 }, { "--limit=1000", 1000, 1501 }, { "--limit=1001", 1001, 1500 }, { "--limit=0", 2500, 1 } };
        _cleanup_stage_ Stage *stage = stage_new(&many);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_result_ Result result = ctl(stage, "audit", "--json", cases[i].limit);
                _cleanup_json_ json_t *json = result_json(&result);
                const json_t *entries = json_object_get(json, "entries");

                ck_assert_uint_eq(json_array_size(entries), cases[i].n);
                ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(entries, 0), "id")), cases[i].first);
                ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(entries, cases[i].n - 1), "id")), 2500);
        }
} END_TEST

START_TEST(without_a_limit_it_is_a_hundred) {
        static const FakeScript many = { .audit_entries = 150 };
        _cleanup_stage_ Stage *stage = stage_new(&many);
        _cleanup_result_ Result result = ctl(stage, "audit", "--no-legend");
        size_t lines = 0;

        for (const char *c = result.out; *c; c++)
                lines += *c == '\n';
        ck_assert_uint_eq(lines, 100);
        ck_assert_ptr_eq(strstr(result.out, " 51  "), result.out);
} END_TEST

START_TEST(verify_says_plainly_that_it_is_not_there) {
        _cleanup_stage_ Stage *stage = stage_new(NULL);
        _cleanup_result_ Result result = ctl(stage, "audit", "verify");

        ck_assert_int_eq(result.status, 1);
        ck_assert_ptr_nonnull(strstr(result.err, "cannot verify the audit trail yet"));
} END_TEST

/* A database as the daemon has it: in WAL mode. */
static char *database_make(void) {
        char path[] = "/tmp/assign-ctl-test-db-XXXXXX";
        int fd = mkstemp(path);
        sqlite3 *db;

        ck_assert_int_ge(fd, 0);
        (void) close(fd);
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE t(a INTEGER, b TEXT, c BLOB, d REAL);"
                                          "INSERT INTO t VALUES (1, 'one' || char(27), x'00ff', 0.5), (2, NULL, NULL, NULL);"
                                          "CREATE VIEW audit_log AS SELECT a AS id, b AS verb FROM t;", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
        return strdup(path);
}

typedef struct Trail {
        char *file;
        FakeScript script;
        Stage *stage;
} Trail;

static Trail trail_new(void) {
        Trail trail = { .file = database_make() };

        trail.script.audit_file = trail.file;
        trail.stage = stage_new(&trail.script);
        return trail;
}

static void trail_done(Trail *trail) {
        stage_free(trail->stage);
        (void) unlink(trail->file);
        free(trail->file);
}
#define _cleanup_trail_ _cleanup_(trail_done)

START_TEST(a_query_gives_a_table) {
        _cleanup_trail_ Trail trail = trail_new();
        _cleanup_result_ Result result = ctl(trail.stage, "audit", "sql", "SELECT * FROM t ORDER BY a; -- all");
        _cleanup_result_ Result view = ctl(trail.stage, "audit", "sql", "SELECT count(*) AS n FROM audit_log");

        ck_assert_str_eq(result.err, "");
        ck_assert_str_eq(result.out, "a  b        c     d\n1  one\\x1b  00ff  0.5\n2  -        -     -\n");
        ck_assert_str_eq(view.out, "n\n2\n");
        ck_assert_int_eq(view.status, 0);
} END_TEST

START_TEST(a_query_gives_json) {
        _cleanup_trail_ Trail trail = trail_new();
        _cleanup_result_ Result result = ctl(trail.stage, "--json", "audit", "sql", "SELECT a, b, c, d FROM t ORDER BY a");

        ck_assert_str_eq(result.out, "{\"columns\": [\"a\", \"b\", \"c\", \"d\"], \"rows\": [[1, \"one\\u001B\", \"00ff\", 0.5], [2, null, null, null]]}\n");
} END_TEST

START_TEST(only_one_query_that_reads) {
        static const struct {
                const char *query;
                const char *sentence;
        } cases[] = {
                { "SELEC", "syntax error" }, { "SELECT * FROM missing", "no such table" }, { "", "empty" }, { " -- nothing", "empty" },
                { "SELECT 1; SELECT 2", "one statement" }, { "SELECT 1; SELEC", "one statement" }, { "DELETE FROM t", "cannot be changed" },
                { "CREATE TABLE u(a)", "cannot be changed" },
        };
        _cleanup_trail_ Trail trail = trail_new();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_result_ Result result = ctl(trail.stage, "audit", "sql", cases[i].query);

                ck_assert_msg(result.status == 2, "%s: %d", cases[i].query, result.status);
                ck_assert_msg(strstr(result.err, cases[i].sentence), "%s: %s", cases[i].query, result.err);
        }
} END_TEST

START_TEST(an_export_is_a_database_of_its_own) {
        _cleanup_trail_ Trail trail = trail_new();
        _cleanup_free_ char *path = NULL;
        _cleanup_result_ Result result = {};
        sqlite3 *db;
        struct stat st;

        ck_assert_int_ge(asprintf(&path, "%s/copy.db", trail.stage->directory), 0);
        result = ctl(trail.stage, "audit", "export", path);
        ck_assert_str_eq(result.out, "");
        ck_assert_int_eq(result.status, 0);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(db, "SELECT * FROM audit_log", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
} END_TEST

START_TEST(an_export_overwrites_nothing) {
        _cleanup_trail_ Trail trail = trail_new();
        _cleanup_free_ char *path = NULL;
        _cleanup_result_ Result existing = {}, nowhere = ctl(trail.stage, "audit", "export", "/nonexistent/copy.db");
        struct stat st;

        ck_assert_int_ge(asprintf(&path, "%s/bus.conf", trail.stage->directory), 0);
        existing = ctl(trail.stage, "audit", "export", path);
        ck_assert_int_eq(existing.status, 1);
        ck_assert_ptr_nonnull(strstr(existing.err, "File exists"));
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_gt(st.st_size, 0);
        ck_assert_int_eq(nowhere.status, 1);
        ck_assert_ptr_nonnull(strstr(nowhere.err, "No such file or directory"));
} END_TEST

START_TEST(a_failed_export_leaves_no_file) {
        _cleanup_trail_ Trail trail = trail_new();
        _cleanup_result_ Result result = ctl(trail.stage, "audit", "export", "/dev/full");

        ck_assert_int_eq(result.status, 1);
        ck_assert_int_eq(access("/dev/full", F_OK), 0); /* it existed before */
} END_TEST

START_TEST(what_is_no_database_is_said) {
        static const FakeScript wrong = { .audit_file = "/proc/self/exe" }, shorter = { .audit_file = "/dev/null" };
        _cleanup_stage_ Stage *stage = stage_new(&wrong);
        _cleanup_stage_ Stage *short_stage = stage_new(&shorter);
        _cleanup_result_ Result result = ctl(stage, "audit", "sql", "SELECT * FROM audit_log");
        _cleanup_result_ Result short_result = ctl(short_stage, "audit", "sql", "SELECT * FROM audit_log");

        ck_assert_int_ne(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.err, "not a database"));
        ck_assert_int_eq(short_result.status, 1);
        ck_assert_ptr_nonnull(strstr(short_result.err, "too short"));
} END_TEST

int main(void) {
        const SuiteTest tests[] = {
                entries_are_listed_oldest_first,
                entries_as_json, what_was_overridden_is_told_apart, who_may_not_read_the_trail_is_shown_the_rest,
                an_empty_trail_is_said_in_words,
                filters_are_passed_on,
                a_limit_gives_the_last_ones,
                without_a_limit_it_is_a_hundred,
                verify_says_plainly_that_it_is_not_there,
                a_query_gives_a_table,
                a_query_gives_json,
                only_one_query_that_reads,
                an_export_is_a_database_of_its_own,
                an_export_overwrites_nothing,
                a_failed_export_leaves_no_file,
                what_is_no_database_is_said,
        };

        return suite_run("audit", tests, ELEMENTSOF(tests));
}
