/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/audit-copy.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "cli/output.h"
#include "cli/table.h"
#include "dbus/names.h"

DEFINE_CLEANUP(sqlite3 *, sqlite3_close)
DEFINE_CLEANUP(sqlite3_stmt *, sqlite3_finalize)

static int copy_get(Cli *cli, int *ret_fd) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int fd, copy, r;

        if (cli->options.host)
                return failure_usage(&cli->failure, "'audit export' and 'audit sql' do not work with --host: fds cannot travel over ssh.");

        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ExportAudit", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "a{sv}", 0);
        r = client_send(cli, m, r, 0, "h", &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd); /* the message owns it */
        if (r < 0)
                return client_error(cli, r, "The answer of assignd cannot be read");

        copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (copy < 0)
                return -errno;
        *ret_fd = copy;
        return 0;
}

static int contents_copy(int from, int to) {
        struct stat st;
        off_t offset = 0;

        if (fstat(from, &st) < 0)
                return -errno;
        while (offset < st.st_size) {
                ssize_t n = sendfile(to, from, &offset, (size_t) (st.st_size - offset));

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return -EIO;
        }
        return RET_NERRNO(fsync(to));
}

int audit_export(Cli *cli, const char *path) {
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        int r;

        r = copy_get(cli, &from);
        if (r < 0)
                return r;
        to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
        if (to < 0)
                return failure_local(&cli->failure, "'%s' cannot be made: %s", path, strerror(errno));

        r = contents_copy(from, to);
        if (r < 0) {
                (void) unlink(path);
                return failure_local(&cli->failure, "'%s' cannot be written: %s", path, strerror(-r));
        }
        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:s}", "file", path);

                return output_json(stdout, object);
        }
        output_line(stderr, "The database was copied to '%s'.", path);
        return 0;
}

static int sqlite_failed(Cli *cli, sqlite3 *db, const char *what) {
        return failure_local(&cli->failure, "%s: %s", what, sqlite3_errmsg(db));
}

/* A database file's header tells at these places whether it is written to through a WAL (2) or not (1): SQLite's file format,
 * "File format version numbers". A copy in memory has no WAL. */
#define HEADER_WRITE_VERSION 18U
#define HEADER_READ_VERSION 19U
#define HEADER_SIZE 100U

/* The copy, mapped for us alone. */
typedef struct Image {
        unsigned char *data;
        size_t size;
} Image;

static void image_done(Image *image) {
        if (image->data)
                (void) munmap(image->data, image->size);
}

static int image_map(Cli *cli, int fd, Image *ret) {
        struct stat st;
        void *data;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size < (off_t) HEADER_SIZE)
                return failure_local(&cli->failure, "What assignd sent is not a database: it is too short.");

        data = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
                return -errno;

        *ret = (Image) { .data = data, .size = (size_t) st.st_size };
        ret->data[HEADER_WRITE_VERSION] = ret->data[HEADER_READ_VERSION] = 1;
        return 0;
}

/* `image` has to outlive the database. */
static int image_open(Cli *cli, Image *image, sqlite3 **ret) {
        _cleanup_(sqlite3_closep) sqlite3 *db = NULL;
        sqlite3_int64 size = (sqlite3_int64) image->size;

        if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
            sqlite3_deserialize(db, "main", image->data, size, size, SQLITE_DESERIALIZE_READONLY) != SQLITE_OK ||
            sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
            sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK)
                return sqlite_failed(cli, db, "The copy of the database cannot be opened");

        *ret = TAKE_PTR(db);
        return 0;
}

/* One statement that reads, and nothing behind it. */
static int statement_prepare(Cli *cli, sqlite3 *db, const char *query, sqlite3_stmt **ret) {
        _cleanup_(sqlite3_finalizep) sqlite3_stmt *statement = NULL, *second = NULL;
        const char *rest;

        if (sqlite3_prepare_v2(db, query, -1, &statement, &rest) != SQLITE_OK)
                return failure_usage(&cli->failure, "The query is wrong: %s", sqlite3_errmsg(db));
        if (!statement)
                return failure_usage(&cli->failure, "The query is empty.");
        if (sqlite3_prepare_v2(db, rest, -1, &second, NULL) != SQLITE_OK || second)
                return failure_usage(&cli->failure, "'audit sql' runs one statement, not several.");
        if (!sqlite3_stmt_readonly(statement))
                return failure_usage(&cli->failure, "'audit sql' runs queries; the copy of the database cannot be changed.");

        *ret = TAKE_PTR(statement);
        return 0;
}

static json_t *blob_to_json(const unsigned char *blob, size_t n) {
        _cleanup_free_ char *hex = malloc(n * 2 + 1);

        if (!hex)
                return NULL;
        hex[0] = '\0';
        for (size_t i = 0; i < n; i++)
                (void) snprintf(hex + i * 2, 3, "%02x", blob[i]);
        return json_string(hex);
}

static json_t *value_to_json(sqlite3_stmt *statement, int column) {
        switch (sqlite3_column_type(statement, column)) {
        case SQLITE_NULL:
                return json_null();
        case SQLITE_INTEGER:
                return json_integer(sqlite3_column_int64(statement, column));
        case SQLITE_FLOAT:
                return json_real(sqlite3_column_double(statement, column)) ?: json_null(); /* JSON has no infinity */
        case SQLITE_TEXT:
                return json_string((const char *) sqlite3_column_text(statement, column))
                        ?: blob_to_json(sqlite3_column_text(statement, column), (size_t) sqlite3_column_bytes(statement, column));
        default:
                return blob_to_json(sqlite3_column_blob(statement, column), (size_t) sqlite3_column_bytes(statement, column));
        }
}

static int rows_read(Cli *cli, sqlite3 *db, sqlite3_stmt *statement, json_t *rows) {
        int n = sqlite3_column_count(statement), code;

        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
                json_t *row = json_array();

                if (json_array_append_new(rows, row) < 0)
                        return -ENOMEM;
                for (int c = 0; c < n; c++)
                        if (json_array_append_new(row, value_to_json(statement, c)) < 0)
                                return -ENOMEM;
        }
        return code == SQLITE_DONE ? 0 : sqlite_failed(cli, db, "The query failed");
}

/* A cell's text; numbers as JSON writes them. */
static int cell_text(const json_t *value, char **ret) {
        if (json_is_null(value)) {
                *ret = NULL;
                return 0;
        }
        if (json_is_string(value))
                return string_copy(json_string_value(value), ret);
        *ret = json_dumps(value, JSON_ENCODE_ANY);
        return *ret ? 0 : -ENOMEM;
}

static int row_add(Table *table, const json_t *row, size_t n) {
        char **cells = calloc(n, sizeof(char *));
        int r = cells ? 0 : -ENOMEM;

        for (size_t c = 0; c < n && r >= 0; c++)
                r = cell_text(json_array_get(row, c), &cells[c]);
        if (r >= 0)
                r = table_add(table, (const char *const *) cells);
        for (size_t c = 0; cells && c < n; c++)
                free(cells[c]);
        free(cells);
        return r;
}

static int rows_print(Cli *cli, sqlite3_stmt *statement, const json_t *rows) {
        size_t n = (size_t) sqlite3_column_count(statement), i;
        _cleanup_free_ Column *columns = calloc(n, sizeof(Column));
        _cleanup_table_ Table *table = NULL;
        const json_t *row;
        int r;

        if (!columns)
                return -ENOMEM;
        for (size_t c = 0; c < n; c++)
                columns[c].title = sqlite3_column_name(statement, (int) c) ?: "?";
        r = table_new(columns, n, &table);
        if (r < 0)
                return r;
        json_array_foreach(rows, i, row) {
                r = row_add(table, row, n);
                if (r < 0)
                        return r;
        }

        table_print(table, stdout, !cli->options.no_legend, cli->color);
        return 0;
}

static int rows_print_json(sqlite3_stmt *statement, json_t *rows) {
        _cleanup_json_ json_t *columns = json_array(), *object = NULL;

        for (int c = 0; c < sqlite3_column_count(statement); c++)
                if (json_array_append_new(columns, json_string(sqlite3_column_name(statement, c))) < 0)
                        return -ENOMEM;
        object = json_pack("{s:O, s:O}", "columns", columns, "rows", rows);
        return output_json(stdout, object);
}

int audit_query(Cli *cli, const char *query) {
        _cleanup_(image_done) Image image = {};
        _cleanup_(sqlite3_closep) sqlite3 *db = NULL;
        _cleanup_(sqlite3_finalizep) sqlite3_stmt *statement = NULL;
        _cleanup_json_ json_t *rows = json_array();
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = copy_get(cli, &fd);
        if (r < 0)
                return r;
        r = image_map(cli, fd, &image);
        if (r < 0)
                return r;
        r = image_open(cli, &image, &db);
        if (r < 0)
                return r;
        r = statement_prepare(cli, db, query, &statement);
        if (r < 0)
                return r;
        r = rows_read(cli, db, statement, rows);
        if (r < 0)
                return r;
        return cli->options.json ? rows_print_json(statement, rows) : rows_print(cli, statement, rows);
}
