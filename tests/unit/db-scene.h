/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A database in a directory of its own, and the eyes of somebody who looks at it with sqlite3. */

#include <check.h>
#include <sqlite3.h>

#include "db/db.h"

#define BOOT_ONE "0123456789abcdef0123456789abcdef"
#define BOOT_TWO "fedcba9876543210fedcba9876543210"

/* 2026-11-17T09:30:00Z, a Tuesday. */
#define TUESDAY UINT64_C(1794907800000000)
#define HOUR (3600 * USEC_PER_SEC)
#define DAY (24 * HOUR)

typedef struct Scene {
        char directory[64];
        char path[96];
        Db *db;
} Scene;

/* Every test finds a directory of its own in it, without a database. */
extern Scene scene;

typedef struct SceneTest {
        const TTest *test;
        int signal; /* the one it must die of; 0: none */
        int loops;  /* how often it runs, with _i counting; 0: once */
} SceneTest;

/* The main() of a test of this folder. */
int scene_suite_run(const char *name, const SceneTest *tests, size_t n_tests);

/* Opens scene.db, which must succeed. */
void scene_open(const char *boot_id);
void scene_close(void);

/* What opening says; a database that opened is closed again. */
DbProblem scene_problem(void);

/* PATH with a suffix; the caller frees it. */
char *scene_beside(const char *suffix);

/* Writes a whole file, mode 0600. */
void file_write(const char *path, const void *data, size_t size);
/* The caller frees *ret. */
void file_read(const char *path, void **ret, size_t *ret_size);

/* Runs SQL on a connection of its own, as sqlite3 run by root would, and gives all rows as "a|b\nc|d\n" text, NULLs empty. The
 * caller frees it. ask_file() is for any database file. */
char *ask(const char *sql);
char *ask_file(const char *path, const char *sql);
void assert_answer(const char *sql, const char *expected);

/* The result code of SQL on a connection of its own. */
int try_sql(const char *path, const char *sql);

/* A mount namespace of this process's own with a tmpfs of `size` on the scene's directory. Returns false, having said why, where
 * that is not permitted. */
bool scene_mount(const char *size);
