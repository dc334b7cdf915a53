/* SPDX-License-Identifier: GPL-2.0-or-later */

/* fixture_snapshot() and fixture_count_nodes(): what it takes to show that something was left alone, or let go. */

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"
#include "tests/bus/fixture.h"

static int compare_names(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void write_entry(FILE *f, const FTSENT *entry) {
        char target[512] = "";
        _cleanup_free_ char *text = NULL;

        if (S_ISLNK(entry->fts_statp->st_mode))
                ck_assert_int_ge(readlink(entry->fts_accpath, target, sizeof(target) - 1), 0);
        else if (S_ISREG(entry->fts_statp->st_mode) && entry->fts_statp->st_size > 0)
                (void) attribute_read_alloc_at(AT_FDCWD, entry->fts_accpath, &text);
        fprintf(f, "%s %o %s%s\n", entry->fts_path, entry->fts_statp->st_mode, target, text ?: "");
}

static void write_tree(FILE *f, const char *path) {
        FTS *fts = fts_open((char *[]){ (char *) path, NULL }, FTS_PHYSICAL | FTS_NOCHDIR, compare_names);
        FTSENT *entry;

        ck_assert_ptr_nonnull(fts);
        while ((entry = fts_read(fts)))
                if (entry->fts_info != FTS_DP)
                        write_entry(f, entry);
        fts_close(fts);
}

static void write_rows(FILE *f, sqlite3 *db, const char *table) {
        char *sql = sqlite3_mprintf("SELECT * FROM %Q", table);
        sqlite3_stmt *statement;

        ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        while (sqlite3_step(statement) == SQLITE_ROW) {
                fprintf(f, "%s", table);
                for (int i = 0; i < sqlite3_column_count(statement); i++)
                        fprintf(f, "|%s", (const char *) sqlite3_column_text(statement, i) ?: "NULL");
                fputc('\n', f);
        }
        sqlite3_finalize(statement);
        sqlite3_free(sql);
}

static void write_database(FILE *f, const char *path) {
        sqlite3_stmt *tables;
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1, &tables, NULL), SQLITE_OK);
        while (sqlite3_step(tables) == SQLITE_ROW)
                write_rows(f, db, (const char *) sqlite3_column_text(tables, 0));
        sqlite3_finalize(tables);
        sqlite3_close(db);
}

char *fixture_snapshot(const Fixture *fixture) {
        char *text = NULL, path[512];
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        write_tree(f, fixture->tree->path);
        (void) snprintf(path, sizeof(path), "%s/assignd.db", fixture->state);
        write_database(f, path);
        ck_assert_int_eq(fclose(f), 0);
        return text;
}

unsigned fixture_count_nodes(const Fixture *fixture) {
        _cleanup_free_ char *path = NULL, *dev = NULL;
        unsigned n = 0;
        DIR *directory;

        ck_assert_int_ge(string_format(&path, "/proc/%d/fd", fixture->daemon_pid), 0);
        ck_assert_int_ge(string_format(&dev, "%s/dev/", fixture->tree->path), 0);
        directory = opendir(path);
        ck_assert_ptr_nonnull(directory);
        for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
                char target[512] = "";

                if (readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1) > 0)
                        n += strncmp(target, dev, strlen(dev)) == 0;
        }
        (void) closedir(directory);
        return n;
}
