/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Aligned columns of text. */

#include "base/macro.h"

typedef enum Color {
        COLOR_NONE,
        COLOR_GOOD,
        COLOR_NOTE,
        COLOR_BAD,
} Color;

typedef struct Column {
        const char *title;
        bool right; /* aligned to the right: numbers */
} Column;

typedef struct Table Table;

/* `columns` is borrowed for the table's life. */
int table_new(const Column *columns, size_t n_columns, Table **ret);
Table *table_free(Table *table);
DEFINE_CLEANUP(Table *, table_free)
#define _cleanup_table_ _cleanup_(table_freep)

/* Adds a row of n_columns cells, copied with control characters escaped; NULL shows as "-". Returns 0 or -ENOMEM. */
int table_add(Table *table, const char *const *cells);

/* The same for cells that are listed: table_add_cells(t, "a", NULL, "c"). */
#define table_add_cells(table, ...) table_add(table, (const char *const[]){ __VA_ARGS__ })

/* Colours a cell of the last row. */
void table_paint(Table *table, size_t column, Color color);

size_t table_rows(const Table *table);

/* Prints the titles (unless !legend, or there are no rows) and the rows, without blanks at the ends of lines. */
void table_print(const Table *table, FILE *f, bool legend, bool color);

/* Columns that valid, printable UTF-8 takes on a terminal; LC_CTYPE has to be a UTF-8 locale. */
size_t text_width(const char *s);
