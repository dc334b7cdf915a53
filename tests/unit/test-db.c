/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "db-scene.h"
#include "db/audit.h"
#include "db/schema.h"

static int audit(const char *verb, int64_t *ret_id) {
        return db_audit_insert(scene.db, &(DbAudit){ .at_usec = TUESDAY, .verb = verb, .targets = "[]", .devices = "[]", .groups = "[]",
                                                     .outcome = "done" }, ret_id);
}

static int commit_one(const char *verb) {
        int64_t id;
        int r;

        r = db_begin(scene.db);
        if (r < 0)
                return r;
        r = audit(verb, &id);
        if (r < 0) {
                db_rollback(scene.db);
                return r;
        }
        return db_commit(scene.db);
}

static void make_database(void) {
        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
        scene_close();
}

/* Opening says `problem`, twice, and every byte, the mode and the owner stay. */
static void assert_problem_changes_nothing(DbProblem problem) {
        _cleanup_free_ void *before = NULL, *after = NULL;
        size_t size_before, size_after;
        struct stat st_before, st_after;

        file_read(scene.path, &before, &size_before);
        ck_assert_int_eq(lstat(scene.path, &st_before), 0);
        for (unsigned i = 0; i < 2; i++)
                ck_assert_int_eq(scene_problem(), problem);
        file_read(scene.path, &after, &size_after);
        ck_assert_int_eq(lstat(scene.path, &st_after), 0);
        ck_assert_uint_eq(size_before, size_after);
        ck_assert_mem_eq(before, after, size_before);
        ck_assert_uint_eq(st_before.st_mode, st_after.st_mode);
        ck_assert_uint_eq(st_before.st_ino, st_after.st_ino);
        ck_assert_int_eq(st_before.st_mtim.tv_nsec, st_after.st_mtim.tv_nsec);
}

START_TEST(a_missing_database_is_created_closed_to_others) {
        _cleanup_free_ char *left = scene_beside(".new");
        struct stat st;

        (void) umask(0);
        scene_open(BOOT_ONE);
        ck_assert_int_eq(stat(scene.path, &st), 0);
        ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
        ck_assert_int_ne(access(left, F_OK), 0);
        ck_assert_str_eq(db_boot_id(scene.db), BOOT_ONE);
        ck_assert(db_is_healthy(scene.db));
        assert_answer("PRAGMA journal_mode", "wal\n");
        assert_answer("PRAGMA user_version", "1\n");
        assert_answer("PRAGMA application_id", "1634953060\n");
        assert_answer("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'",
                      "0\n");
}
END_TEST

START_TEST(its_journal_is_closed_to_others_too) {
        (void) umask(0);
        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
        for (size_t i = 0; i < 2; i++) {
                _cleanup_free_ char *path = scene_beside(i == 0 ? "-wal" : "-shm");
                struct stat st;

                ck_assert_int_eq(stat(path, &st), 0);
                ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
        }
}
END_TEST

START_TEST(what_was_committed_is_there_after_reopening) {
        make_database();
        scene_open(BOOT_TWO);
        assert_answer("SELECT verb, boot_id FROM audit_log", "assign|" BOOT_ONE "\n");
        ck_assert_int_eq(commit_one("release"), 0);
        assert_answer("SELECT id, verb, boot_id FROM audit_log", "1|assign|" BOOT_ONE "\n2|release|" BOOT_TWO "\n");
}
END_TEST

START_TEST(an_empty_file_is_no_database_yet) {
        file_write(scene.path, "", 0);
        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
}
END_TEST

START_TEST(what_a_killed_creation_left_is_no_obstacle) {
        _cleanup_free_ char *left = scene_beside(".new"), *journal = scene_beside(".new-journal");

        file_write(left, "half", 4);
        file_write(journal, "half", 4);
        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
}
END_TEST

START_TEST(a_missing_directory_is_unreachable) {
        ck_assert_int_eq(rmdir(scene.directory), 0);
        ck_assert_int_eq(scene_problem(), DB_PROBLEM_UNREACHABLE);
        ck_assert_int_ne(access(scene.directory, F_OK), 0);
}
END_TEST

START_TEST(a_directory_that_others_can_write_is_unsafe) {
        ck_assert_int_eq(chmod(scene.directory, 0770), 0);
        ck_assert_int_eq(scene_problem(), DB_PROBLEM_UNSAFE);
        ck_assert_int_ne(access(scene.path, F_OK), 0);
}
END_TEST

START_TEST(a_newer_database_is_refused) {
        make_database();
        ck_assert_int_eq(try_sql(scene.path, "PRAGMA user_version = 2"), SQLITE_OK);
        assert_problem_changes_nothing(DB_PROBLEM_NEWER);
}
END_TEST

/* Copies the database and its WAL while it is open, as after a kill, to a scene of its own. */
static void leave_as_killed(void) {
        _cleanup_free_ char *wal = scene_beside("-wal"), *shm = scene_beside("-shm");
        _cleanup_free_ void *main_data = NULL, *wal_data = NULL;
        size_t main_size, wal_size;

        file_read(scene.path, &main_data, &main_size);
        file_read(wal, &wal_data, &wal_size);
        ck_assert_uint_gt(wal_size, 0);
        scene_close();
        (void) unlink(shm);
        file_write(scene.path, main_data, main_size);
        file_write(wal, wal_data, wal_size);
}

START_TEST(a_version_that_only_the_journal_knows_is_seen) {
        _cleanup_free_ char *wal = scene_beside("-wal");
        _cleanup_free_ void *before = NULL, *after = NULL;
        size_t size_before, size_after;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(try_sql(scene.path, "PRAGMA user_version = 9"), SQLITE_OK);
        leave_as_killed();
        file_read(wal, &before, &size_before);
        assert_problem_changes_nothing(DB_PROBLEM_NEWER);
        file_read(wal, &after, &size_after);
        ck_assert_uint_eq(size_before, size_after);
        ck_assert_mem_eq(before, after, size_before);
}
END_TEST

START_TEST(a_journal_without_its_database_is_damage) {
        _cleanup_free_ char *wal = scene_beside("-wal");

        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
        leave_as_killed();
        ck_assert_int_eq(unlink(scene.path), 0);
        ck_assert_int_eq(scene_problem(), DB_PROBLEM_DAMAGED);
        ck_assert_int_ne(access(scene.path, F_OK), 0);
        ck_assert_int_eq(access(wal, F_OK), 0);
}
END_TEST

START_TEST(another_programs_database_is_refused) {
        ck_assert_int_eq(try_sql(scene.path, "PRAGMA journal_mode = WAL; PRAGMA application_id = 7; CREATE TABLE t(a)"), SQLITE_OK);
        ck_assert_int_eq(chmod(scene.path, 0600), 0);
        assert_problem_changes_nothing(DB_PROBLEM_FOREIGN);
}
END_TEST

START_TEST(a_text_file_is_no_database) {
        static const char text[] = "# this is a configuration file\nand not a database\n";

        file_write(scene.path, text, strlen(text));
        assert_problem_changes_nothing(DB_PROBLEM_NOT_A_DATABASE);
}
END_TEST

START_TEST(random_bytes_are_no_database) {
        uint8_t bytes[8192];
        unsigned seed = (unsigned) time(NULL);

        (void) printf("seed %u\n", seed);
        srandom(seed);
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) random();
        bytes[0] = 'X';
        file_write(scene.path, bytes, sizeof(bytes));
        assert_problem_changes_nothing(DB_PROBLEM_NOT_A_DATABASE);
}
END_TEST

static const struct {
        unsigned numerator, denominator;
        bool whole_pages;
} cuts[] = { { 1, 2, false }, { 1, 2, true }, { 1, 3, true }, { 9, 10, true }, { 1, 1000, false } };

START_TEST(a_truncated_database_is_damage) {
        _cleanup_free_ void *data = NULL;
        size_t size, cut;

        make_database();
        file_read(scene.path, &data, &size);
        cut = size * cuts[_i].numerator / cuts[_i].denominator;
        cut = cuts[_i].whole_pages ? cut / 4096 * 4096 : cut + 17;
        ck_assert_uint_gt(cut, 0);
        ck_assert_uint_lt(cut, size);
        ck_assert_int_eq(truncate(scene.path, (off_t) cut), 0);
        assert_problem_changes_nothing(DB_PROBLEM_DAMAGED);
}
END_TEST

START_TEST(a_reference_to_nothing_is_damage) {
        make_database();
        ck_assert_int_eq(try_sql(scene.path, "DELETE FROM boots"), SQLITE_OK);
        assert_problem_changes_nothing(DB_PROBLEM_DAMAGED);
}
END_TEST

START_TEST(overwritten_pages_never_open_as_an_empty_database) {
        _cleanup_free_ void *data = NULL;
        size_t size, n_refused = 0;
        unsigned seed = (unsigned) time(NULL);

        (void) printf("seed %u\n", seed);
        srandom(seed);
        make_database();
        file_read(scene.path, &data, &size);
        for (size_t page = 0; page < size / 4096; page++) {
                _cleanup_free_ uint8_t *copy = malloc(size);
                DbProblem problem;

                memcpy(copy, data, size);
                for (size_t i = 0; i < 4096; i++)
                        copy[page * 4096 + i] = (uint8_t) random();
                file_write(scene.path, copy, size);
                problem = scene_problem();
                n_refused += problem != DB_OK;
                if (problem == DB_OK)
                        assert_answer("SELECT verb FROM audit", "assign\n");
        }
        ck_assert_uint_gt(n_refused, size / 4096 / 2);
}
END_TEST

START_TEST(a_symlink_is_unsafe) {
        _cleanup_free_ char *real = scene_beside(".real");

        make_database();
        ck_assert_int_eq(rename(scene.path, real), 0);
        ck_assert_int_eq(symlink(real, scene.path), 0);
        assert_problem_changes_nothing(DB_PROBLEM_UNSAFE);
}
END_TEST

START_TEST(a_hard_link_is_unsafe) {
        _cleanup_free_ char *other = scene_beside(".other");

        make_database();
        ck_assert_int_eq(link(scene.path, other), 0);
        assert_problem_changes_nothing(DB_PROBLEM_UNSAFE);
}
END_TEST

START_TEST(a_file_open_to_others_is_unsafe_and_not_repaired) {
        static const mode_t modes[] = { 0644, 0640, 0602, 0601 };

        make_database();
        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                ck_assert_int_eq(chmod(scene.path, modes[i]), 0);
                assert_problem_changes_nothing(DB_PROBLEM_UNSAFE);
        }
        ck_assert_int_eq(chmod(scene.path, 0600), 0);
        ck_assert_int_eq(scene_problem(), DB_OK);
}
END_TEST

START_TEST(a_file_of_somebody_else_is_unsafe) {
        if (geteuid() != 0) {
                (void) fprintf(stderr, "skipped: giving a file away needs root\n");
                return;
        }
        make_database();
        ck_assert_int_eq(chown(scene.path, 65534, 65534), 0);
        assert_problem_changes_nothing(DB_PROBLEM_UNSAFE);
}
END_TEST

START_TEST(a_directory_or_fifo_at_its_place_is_unsafe) {
        ck_assert_int_eq(mkdir(scene.path, 0700), 0);
        ck_assert_int_eq(scene_problem(), DB_PROBLEM_UNSAFE);
        ck_assert_int_eq(rmdir(scene.path), 0);
        ck_assert_int_eq(mkfifo(scene.path, 0600), 0);
        ck_assert_int_eq(scene_problem(), DB_PROBLEM_UNSAFE);
}
END_TEST

START_TEST(a_journal_or_lock_that_is_not_ours_alone_is_unsafe) {
        static const char *const suffixes[] = { "-wal", "-shm", "-journal", ".lock" };

        make_database();
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                _cleanup_free_ char *path = scene_beside(suffixes[i]);

                (void) unlink(path);
                ck_assert_int_eq(symlink("/dev/null", path), 0);
                ck_assert_int_eq(scene_problem(), DB_PROBLEM_UNSAFE);
                ck_assert_int_eq(unlink(path), 0);
        }
        ck_assert_int_eq(scene_problem(), DB_OK);
}
END_TEST

START_TEST(a_second_daemon_is_kept_out) {
        scene_open(BOOT_ONE);
        ck_assert_int_eq(scene_problem(), DB_PROBLEM_IN_USE);
        ck_assert_int_eq(commit_one("assign"), 0);
        scene_close();
        ck_assert_int_eq(scene_problem(), DB_OK);
}
END_TEST

START_TEST(a_read_only_file_system_is_named) {
        if (!scene_mount("8m"))
                return;
        make_database();
        ck_assert_int_eq(mount(NULL, scene.directory, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
        assert_problem_changes_nothing(DB_PROBLEM_READ_ONLY);
}
END_TEST

START_TEST(a_read_only_file_is_named) {
        if (!scene_mount("8m"))
                return;
        make_database();
        ck_assert_int_eq(mount(scene.path, scene.path, NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount(NULL, scene.path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
        assert_problem_changes_nothing(DB_PROBLEM_READ_ONLY);
}
END_TEST

START_TEST(a_path_or_boot_id_that_is_none_is_an_error) {
        static const char *const boot_ids[] = { "", "0123", BOOT_ONE "0", "0123456789abcdef0123456789abcdeg", "01234567-89ab-cdef-0123-456789abcdef" };
        static const char *const paths[] = { "", "/", "/tmp/", "/tmp/.", "/tmp/.." };
        DbProblem problem;
        Db *db = NULL;

        for (size_t i = 0; i < ELEMENTSOF(boot_ids); i++)
                ck_assert_int_eq(db_open(scene.path, boot_ids[i], &db, &problem), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                ck_assert_int_eq(db_open(paths[i], BOOT_ONE, &db, &problem), -EINVAL);
        ck_assert_ptr_null(db);
        ck_assert_int_ne(access(scene.path, F_OK), 0);
}
END_TEST

START_TEST(every_problem_has_a_sentence_of_its_own) {
        for (DbProblem i = 0; i < _DB_PROBLEM_MAX; i++)
                for (DbProblem k = i + 1; k < _DB_PROBLEM_MAX; k++)
                        ck_assert_str_ne(db_problem_to_string(i), db_problem_to_string(k));
}
END_TEST

START_TEST(a_rolled_back_transaction_leaves_nothing) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert(db_in_transaction(scene.db));
        ck_assert_int_eq(audit("assign", &id), 0);
        db_rollback(scene.db);
        ck_assert(!db_in_transaction(scene.db));
        assert_answer("SELECT count(*) FROM audit", "0\n");
        assert_answer("SELECT count(*) FROM boots", "0\n");
        ck_assert_int_eq(commit_one("release"), 0);
        assert_answer("SELECT id, verb FROM audit_log", "1|release\n");
}
END_TEST

START_TEST(a_scope_that_ends_rolls_back) {
        int64_t id;

        scene_open(BOOT_ONE);
        {
                _cleanup_(db_transaction_done) Db *transaction = scene.db;

                ck_assert_int_eq(db_begin(transaction), 0);
                ck_assert_int_eq(audit("assign", &id), 0);
        }
        ck_assert(!db_in_transaction(scene.db));
        assert_answer("SELECT count(*) FROM audit", "0\n");
}
END_TEST

START_TEST(after_an_error_only_rolling_back_is_left) {
        int64_t id;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        ck_assert_int_eq(audit("assign", &id), 0);
        ck_assert_int_eq(db_audit_insert(scene.db, &(DbAudit){ .verb = "assign", .targets = "[]", .devices = "[]", .groups = "[]", .outcome = "great" }, &id), -EINVAL);
        ck_assert_int_eq(audit("assign", &id), -EINVAL);
        ck_assert_int_eq(db_commit(scene.db), -EINVAL);
        ck_assert(!db_in_transaction(scene.db));
        ck_assert(db_is_healthy(scene.db));
        assert_answer("SELECT count(*) FROM audit", "0\n");
        ck_assert_int_eq(commit_one("assign"), 0);
}
END_TEST

START_TEST(beginning_twice_is_a_bug) {
        scene_open(BOOT_ONE);
        ck_assert_int_eq(db_begin(scene.db), 0);
        (void) db_begin(scene.db);
}
END_TEST

START_TEST(writing_without_a_transaction_is_a_bug) {
        int64_t id;

        scene_open(BOOT_ONE);
        (void) audit("assign", &id);
}
END_TEST

START_TEST(a_reader_that_stays_does_not_keep_commits_out) {
        sqlite3 *reader = NULL;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
        ck_assert_int_eq(sqlite3_open_v2(scene.path, &reader, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(reader, "BEGIN; SELECT * FROM audit_log", NULL, NULL, NULL), SQLITE_OK);
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(commit_one("release"), 0);
        ck_assert_int_eq(db_checkpoint(scene.db), -EBUSY);
        ck_assert(db_is_healthy(scene.db));
        ck_assert_int_eq(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
        assert_answer("SELECT count(*) FROM audit", "21\n");
}
END_TEST

START_TEST(a_reader_of_another_process_works_meanwhile) {
        int status;
        pid_t pid;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                /* Nothing of the parent's connection may be touched here, so it is a program of its own. */
                (void) execlp("sqlite3", "sqlite3", "-batch", scene.path, "SELECT verb FROM audit_log", NULL);
                _exit(127);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
                (void) fprintf(stderr, "skipped: there is no sqlite3\n");
                return;
        }
        ck_assert_int_eq(status, 0);
        ck_assert_int_eq(commit_one("release"), 0);
}
END_TEST

START_TEST(a_writer_that_stays_is_busy_and_not_sickness) {
        sqlite3 *writer = NULL;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(sqlite3_open_v2(scene.path, &writer, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(db_begin(scene.db), -EBUSY);
        ck_assert(!db_in_transaction(scene.db));
        ck_assert(db_is_healthy(scene.db));
        ck_assert_int_eq(sqlite3_exec(writer, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_close(writer), SQLITE_OK);
        ck_assert_int_eq(commit_one("assign"), 0);
}
END_TEST

START_TEST(a_checkpoint_empties_the_journal) {
        _cleanup_free_ char *wal = scene_beside("-wal");
        struct stat st;

        scene_open(BOOT_ONE);
        ck_assert_int_eq(commit_one("assign"), 0);
        ck_assert_int_eq(stat(wal, &st), 0);
        ck_assert_int_gt(st.st_size, 0);
        ck_assert_int_eq(db_checkpoint(scene.db), 0);
        ck_assert_int_eq(stat(wal, &st), 0);
        ck_assert_int_eq(st.st_size, 0);
}
END_TEST

/* Fails as `error` until `mend`, and says so. */
static void assert_sick_until(int error, void (*mend)(void)) {
        int r = 0;

        for (unsigned i = 0; r == 0 && i < 20000; i++)
                r = commit_one("assign");
        ck_assert_int_eq(r, error);
        ck_assert(!db_in_transaction(scene.db));
        ck_assert(!db_is_healthy(scene.db));
        ck_assert_int_eq(db_probe(scene.db), error);
        ck_assert(!db_is_healthy(scene.db));
        mend();
        ck_assert_int_eq(db_probe(scene.db), 0);
        ck_assert(db_is_healthy(scene.db));
        ck_assert_int_eq(commit_one("release"), 0);
        assert_answer("SELECT verb FROM audit_log ORDER BY id DESC LIMIT 1", "release\n");
        assert_answer("PRAGMA integrity_check", "ok\n");
        assert_answer("SELECT max(id) = count(*) FROM audit", "1\n");
}

static void lift_file_size_limit(void) {
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }), 0);
}

START_TEST(a_file_size_limit_is_a_full_disk) {
        scene_open(BOOT_ONE);
        (void) signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 256 * 1024, RLIM_INFINITY }), 0);
        assert_sick_until(-ENOSPC, lift_file_size_limit);
}
END_TEST

static void remove_ballast(void) {
        _cleanup_free_ char *ballast = scene_beside(".ballast");

        ck_assert_int_eq(unlink(ballast), 0);
}

START_TEST(a_full_disk_is_no_space) {
        _cleanup_free_ char *ballast = scene_beside(".ballast");
        _cleanup_close_ int fd = -EBADF;
        static const char block[4096];

        if (!scene_mount("2m"))
                return;
        scene_open(BOOT_ONE);
        fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        ck_assert_int_eq(errno, ENOSPC);
        fd = safe_close(fd);
        assert_sick_until(-ENOSPC, remove_ballast);
}
END_TEST

START_TEST(a_disk_too_small_for_a_new_database_leaves_none) {
        DbProblem problem;
        Db *db = NULL;

        if (!scene_mount("48k"))
                return;
        ck_assert_int_eq(db_open(scene.path, BOOT_ONE, &db, &problem), -ENOSPC);
        ck_assert_ptr_null(db);
        ck_assert_int_ne(access(scene.path, F_OK), 0);
}
END_TEST

static int add_column(sqlite3 *sqlite) {
        return sqlite3_exec(sqlite, "ALTER TABLE t ADD COLUMN b", NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

static int fail_halfway(sqlite3 *sqlite) {
        (void) sqlite3_exec(sqlite, "DROP TABLE t", NULL, NULL, NULL);
        return -EXDEV;
}

static int64_t version_of(sqlite3 *sqlite) {
        int64_t version = -1;

        ck_assert_int_eq(schema_read_integer(sqlite, "PRAGMA user_version", &version), 0);
        return version;
}

START_TEST(migrations_run_once_each_and_in_order) {
        static const Migration table[] = { { .sql = "CREATE TABLE t(a)" }, { .function = add_column }, { .sql = "INSERT INTO t VALUES(1, 2)" } };
        sqlite3 *sqlite = NULL;
        int64_t n;

        ck_assert_int_eq(sqlite3_open(":memory:", &sqlite), SQLITE_OK);
        for (size_t n_known = 1; n_known <= ELEMENTSOF(table); n_known++)
                for (unsigned again = 0; again < 2; again++) {
                        ck_assert_int_eq(schema_migrate_with(sqlite, table, n_known), 0);
                        ck_assert_int_eq(version_of(sqlite), (int64_t) n_known);
                }
        ck_assert_int_eq(schema_read_integer(sqlite, "SELECT count(*) FROM t WHERE a = 1 AND b = 2", &n), 0);
        ck_assert_int_eq(n, 1);
        ck_assert_int_eq(schema_migrate_with(sqlite, table, 2), -ENOTSUP);
        ck_assert_int_eq(version_of(sqlite), 3);
        ck_assert_int_eq(sqlite3_close(sqlite), SQLITE_OK);
}
END_TEST

START_TEST(a_migration_that_fails_changes_nothing) {
        static const Migration table[] = { { .sql = "CREATE TABLE t(a)" }, { .sql = "INSERT INTO t VALUES(1)" }, { .function = fail_halfway } };
        sqlite3 *sqlite = NULL;
        int64_t n;

        ck_assert_int_eq(sqlite3_open(":memory:", &sqlite), SQLITE_OK);
        ck_assert_int_eq(schema_migrate_with(sqlite, table, 1), 0);
        ck_assert_int_eq(schema_migrate_with(sqlite, table, 3), -EXDEV);
        ck_assert_int_eq(version_of(sqlite), 1);
        ck_assert_int_eq(schema_read_integer(sqlite, "SELECT count(*) FROM t", &n), 0);
        ck_assert_int_eq(n, 0);
        ck_assert(sqlite3_get_autocommit(sqlite));
        ck_assert_int_eq(sqlite3_close(sqlite), SQLITE_OK);
}
END_TEST

/* Every released version's database stays openable: FIXTURES/vN.sql is what `sqlite3 DB .dump` and the two header pragmas gave. */
START_TEST(databases_of_every_version_open) {
        for (int32_t version = 1; version <= schema_version(); version++) {
                _cleanup_free_ char *name = NULL;
                _cleanup_free_ void *sql = NULL;
                size_t size;

                ck_assert_int_gt(asprintf(&name, "%s/v%d.sql", DB_FIXTURES, version), 0);
                file_read(name, &sql, &size);
                ((char *) sql)[size] = '\0';
                (void) unlink(scene.path);
                ck_assert_int_eq(try_sql(scene.path, sql), SQLITE_OK);
                ck_assert_int_eq(chmod(scene.path, 0600), 0);
                scene_open(BOOT_TWO);
                assert_answer("SELECT owner, address, state FROM assignment_history", "vm:web1|0000:02:00.0|ended\nvm:web1|0000:02:00.1|ended\n");
                assert_answer("SELECT address, state FROM current_reservations", "0000:02:00.0|active\n0000:02:00.1|active\n");
                assert_answer("SELECT id, verb, outcome FROM audit_log", "1|assign|done\n2|release|done\n3|assign|refused\n");
                ck_assert_int_eq(commit_one("assign"), 0);
                scene_close();
                ck_assert_int_eq(scene_problem(), DB_OK);
        }
}
END_TEST

/* Commits for ever, and tells of each row after its commit. */
static _Noreturn void commit_for_ever(int pipe_fd) {
        DbProblem problem;

        if (db_open(scene.path, BOOT_ONE, &scene.db, &problem) < 0 || problem != DB_OK)
                _exit(1);
        for (;;) {
                int64_t first, second;

                if (db_begin(scene.db) < 0 || audit("assign", &first) < 0 || audit("release", &second) < 0 || db_commit(scene.db) < 0)
                        _exit(1);
                if (write(pipe_fd, &second, sizeof(second)) != sizeof(second))
                        _exit(0);
                if (random() % 16 == 0)
                        (void) db_checkpoint(scene.db);
        }
}

/* The last row that was acknowledged before the child was killed. */
static int64_t kill_in_the_middle(unsigned n_acknowledged) {
        int64_t last = 0, id;
        int fds[2], status;
        pid_t pid;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) close(fds[0]);
                commit_for_ever(fds[1]);
        }
        (void) close(fds[1]);
        for (unsigned i = 0; i < n_acknowledged; i++) {
                ck_assert_int_eq(read(fds[0], &id, sizeof(id)), sizeof(id));
                last = id;
        }
        for (volatile long spin = random() % 2000000; spin > 0; spin--)
                ;
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        while (read(fds[0], &id, sizeof(id)) == sizeof(id))
                last = id;
        (void) close(fds[0]);
        return last;
}

START_TEST(a_kill_loses_nothing_acknowledged_and_tears_nothing) {
        unsigned seed = (unsigned) time(NULL);

        (void) printf("seed %u\n", seed);
        srandom(seed);
        for (unsigned round = 0; round < 25; round++) {
                int64_t last = kill_in_the_middle(1 + (unsigned) random() % 20), head;

                scene_open(BOOT_TWO);
                ck_assert_int_eq(db_audit_head(scene.db, &head), 0);
                ck_assert_int_ge(head, last);
                assert_answer("SELECT max(id) = count(*), sum(verb = 'assign') = sum(verb = 'release'), max(id) % 2 FROM audit", "1|1|0\n");
                assert_answer("PRAGMA integrity_check", "ok\n");
                assert_answer("PRAGMA foreign_key_check", "");
                scene_close();
        }
}
END_TEST

int main(void) {
        const SceneTest tests[] = {
                { a_missing_database_is_created_closed_to_others },
                { its_journal_is_closed_to_others_too },
                { what_was_committed_is_there_after_reopening },
                { an_empty_file_is_no_database_yet },
                { what_a_killed_creation_left_is_no_obstacle },
                { a_missing_directory_is_unreachable },
                { a_directory_that_others_can_write_is_unsafe },
                { a_newer_database_is_refused },
                { a_version_that_only_the_journal_knows_is_seen },
                { a_journal_without_its_database_is_damage },
                { another_programs_database_is_refused },
                { a_text_file_is_no_database },
                { random_bytes_are_no_database },
                { a_truncated_database_is_damage, .loops = ELEMENTSOF(cuts) },
                { a_reference_to_nothing_is_damage },
                { overwritten_pages_never_open_as_an_empty_database },
                { a_symlink_is_unsafe },
                { a_hard_link_is_unsafe },
                { a_file_open_to_others_is_unsafe_and_not_repaired },
                { a_file_of_somebody_else_is_unsafe },
                { a_directory_or_fifo_at_its_place_is_unsafe },
                { a_journal_or_lock_that_is_not_ours_alone_is_unsafe },
                { a_second_daemon_is_kept_out },
                { a_read_only_file_system_is_named },
                { a_read_only_file_is_named },
                { a_path_or_boot_id_that_is_none_is_an_error },
                { every_problem_has_a_sentence_of_its_own },
                { a_rolled_back_transaction_leaves_nothing },
                { a_scope_that_ends_rolls_back },
                { after_an_error_only_rolling_back_is_left },
                { beginning_twice_is_a_bug, .signal = SIGABRT },
                { writing_without_a_transaction_is_a_bug, .signal = SIGABRT },
                { a_reader_that_stays_does_not_keep_commits_out },
                { a_reader_of_another_process_works_meanwhile },
                { a_writer_that_stays_is_busy_and_not_sickness },
                { a_checkpoint_empties_the_journal },
                { a_file_size_limit_is_a_full_disk },
                { a_full_disk_is_no_space },
                { a_disk_too_small_for_a_new_database_leaves_none },
                { migrations_run_once_each_and_in_order },
                { a_migration_that_fails_changes_nothing },
                { databases_of_every_version_open },
                { a_kill_loses_nothing_acknowledged_and_tears_nothing },
        };

        return scene_suite_run("db", tests, ELEMENTSOF(tests));
}
