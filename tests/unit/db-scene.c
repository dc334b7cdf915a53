/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db-scene.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

Scene scene;

/* Removed at the end by the process that runs the tests, since a test may die or see it through mounts of its own. */
static char root[] = "/tmp/assignd-test-db-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void set_up(void) {
        (void) snprintf(scene.directory, sizeof(scene.directory), "%s/XXXXXX", root);
        ck_assert_ptr_nonnull(mkdtemp(scene.directory));
        (void) snprintf(scene.path, sizeof(scene.path), "%s/assignd.db", scene.directory);
}

static void tear_down(void) {
        scene_close();
}

void scene_open(const char *boot_id) {
        DbProblem problem = _DB_PROBLEM_MAX;

        ck_assert_int_eq(db_open(scene.path, boot_id, &scene.db, &problem), 0);
        ck_assert_msg(problem == DB_OK, "the database %s", db_problem_to_string(problem));
        ck_assert_ptr_nonnull(scene.db);
}

void scene_close(void) {
        scene.db = db_close(scene.db);
}

DbProblem scene_problem(void) {
        _cleanup_(db_closep) Db *db = (Db *) -1;
        DbProblem problem = _DB_PROBLEM_MAX;
        int r;

        r = db_open(scene.path, BOOT_ONE, &db, &problem);
        if (r != 0)
                db = NULL;
        ck_assert_int_eq(r, 0);
        ck_assert_int_ne(problem, _DB_PROBLEM_MAX);
        ck_assert((problem == DB_OK) == (db != NULL));
        return problem;
}

char *scene_beside(const char *suffix) {
        char *path;

        ck_assert_int_gt(asprintf(&path, "%s%s", scene.path, suffix), 0);
        return path;
}

void file_write(const char *path, const void *data, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, data, size), (ssize_t) size);
}

void file_read(const char *path, void **ret, size_t *ret_size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        *ret_size = (size_t) st.st_size;
        *ret = malloc(*ret_size + 1);
        ck_assert_int_eq(read(fd, *ret, *ret_size), (ssize_t) *ret_size);
}

char *ask_file(const char *path, const char *sql) {
        FILE *f;
        sqlite3 *sqlite = NULL;
        sqlite3_stmt *s = NULL;
        char *text = NULL;
        size_t size = 0;
        int code;

        f = open_memstream(&text, &size);
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        code = sqlite3_prepare_v2(sqlite, sql, -1, &s, NULL);
        ck_assert_msg(code == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(sqlite));
        while ((code = sqlite3_step(s)) == SQLITE_ROW)
                for (int i = 0, n = sqlite3_column_count(s); i < n; i++) {
                        const char *value = (const char *) sqlite3_column_text(s, i);

                        (void) fprintf(f, "%s%c", value ? value : "", i + 1 < n ? '|' : '\n');
                }
        ck_assert_msg(code == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(sqlite));
        (void) sqlite3_finalize(s);
        (void) sqlite3_close(sqlite);
        (void) fclose(f);
        return text;
}

char *ask(const char *sql) {
        return ask_file(scene.path, sql);
}

void assert_answer(const char *sql, const char *expected) {
        _cleanup_free_ char *answer = ask(sql);

        ck_assert_msg(strcmp(answer, expected) == 0, "%s\ngives:\n%sexpected:\n%s", sql, answer, expected);
}

int try_sql(const char *path, const char *sql) {
        sqlite3 *sqlite = NULL;
        int code;

        ck_assert_int_eq(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
        code = sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
        (void) sqlite3_close(sqlite);
        return code;
}

bool scene_mount(const char *size) {
        char options[64];

        (void) snprintf(options, sizeof(options), "mode=0700,size=%s", size);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", scene.directory, "tmpfs", 0, options) < 0) {
                (void) fprintf(stderr, "skipped: no mount namespace of one's own: %m\n");
                return false;
        }
        return true;
}

int scene_suite_run(const char *name, const SceneTest *tests, size_t n_tests) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner = srunner_create(suite);
        int n_failed;

        if (!mkdtemp(root))
                return EXIT_FAILURE;
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 60);
        suite_add_tcase(suite, tcase);
        for (size_t i = 0; i < n_tests; i++)
                if (tests[i].loops > 0)
                        tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].loops);
                else
                        tcase_add_test_raise_signal(tcase, tests[i].test, tests[i].signal);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        (void) nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
