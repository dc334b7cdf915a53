/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/table.h"

#include <string.h>
#include <wchar.h>

#include "base/strutil.h"

#define BOLD "\x1b[1m"
#define RESET "\x1b[0m"
#define GAP 2U

typedef struct Cell {
        char *text;
        size_t width;
        Color color;
} Cell;

struct Table {
        const Column *columns;
        size_t n_columns;
        Cell *cells; /* row by row */
        size_t n_cells;
        size_t n_allocated;
        size_t *widths; /* of the titles */
};

static const char *color_begin(Color color) {
        switch (color) {
        case COLOR_NONE: return NULL;
        case COLOR_GOOD: return "\x1b[32m";
        case COLOR_NOTE: return "\x1b[33m";
        case COLOR_BAD:  return "\x1b[31m";
        }
        return NULL;
}

static bool text_is_ascii(const char *s) {
        while (*s && (unsigned char) *s < 0x80)
                s++;
        return *s == '\0';
}

size_t text_width(const char *s) {
        size_t width = 0, n = strlen(s);
        mbstate_t state = {};

        if (text_is_ascii(s))
                return n;

        while (*s) {
                wchar_t c;
                size_t taken = mbrtowc(&c, s, n, &state);
                int columns;

                if (taken == (size_t) -1 || taken == (size_t) -2)
                        return width + n;
                columns = wcwidth(c);
                width += columns > 0 ? (size_t) columns : 0;
                s += taken;
                n -= taken;
        }
        return width;
}

int table_new(const Column *columns, size_t n_columns, Table **ret) {
        _cleanup_table_ Table *table = calloc(1, sizeof(Table));

        assert(n_columns > 0);
        if (!table)
                return -ENOMEM;
        table->columns = columns;
        table->n_columns = n_columns;
        table->widths = calloc(n_columns, sizeof(size_t));
        if (!table->widths)
                return -ENOMEM;
        for (size_t c = 0; c < n_columns; c++)
                table->widths[c] = text_width(columns[c].title);

        *ret = TAKE_PTR(table);
        return 0;
}

Table *table_free(Table *table) {
        if (!table)
                return NULL;

        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        free(table->widths);
        free(table);
        return NULL;
}

static int table_reserve(Table *table) {
        size_t n = table->n_allocated * 2 + table->n_columns * 16;
        Cell *grown;

        if (table->n_cells + table->n_columns <= table->n_allocated)
                return 0;
        grown = reallocarray(table->cells, n, sizeof(Cell));
        if (!grown)
                return -ENOMEM;

        table->cells = grown;
        table->n_allocated = n;
        return 0;
}

static int cell_set(Cell *cell, const char *text) {
        size_t size = strlen(text) * 4 + 1;
        char *escaped = malloc(size);

        if (!escaped)
                return -ENOMEM;

        (void) string_escape_to(text, false, escaped, size);
        *cell = (Cell) { .text = escaped, .width = text_width(escaped) };
        return 0;
}

int table_add(Table *table, const char *const *cells) {
        int r;

        r = table_reserve(table);
        if (r < 0)
                return r;

        for (size_t i = 0; i < table->n_columns; i++) {
                r = cell_set(&table->cells[table->n_cells + i], cells[i] ?: "-");
                if (r < 0) {
                        for (size_t j = 0; j < i; j++)
                                free(table->cells[table->n_cells + j].text);
                        return r;
                }
        }
        table->n_cells += table->n_columns;
        return 0;
}

void table_paint(Table *table, size_t column, Color color) {
        assert(table->n_cells >= table->n_columns && column < table->n_columns);
        table->cells[table->n_cells - table->n_columns + column].color = color;
}

size_t table_rows(const Table *table) {
        return table->n_cells / table->n_columns;
}

/* `pending` blanks are owed to the line; they are only paid before further text. */
static void cell_print(FILE *f, const char *text, size_t width, size_t column_width, bool right, const char *begin, size_t *pending) {
        size_t padding = column_width - width;

        if (right)
                *pending += padding;
        if (*text) {
                (void) fprintf(f, "%*s%s%s%s", (int) *pending, "", begin ?: "", text, begin ? RESET : "");
                *pending = 0;
        } else
                *pending += width;
        *pending += (right ? 0 : padding) + GAP;
}

static size_t column_width(const Table *table, size_t column, bool legend) {
        size_t width = legend ? table->widths[column] : 0;

        for (size_t i = column; i < table->n_cells; i += table->n_columns)
                if (table->cells[i].width > width)
                        width = table->cells[i].width;
        return width;
}

/* One line: the titles if `cells` is NULL. */
static void line_print(const Table *table, const Cell *cells, const size_t *widths, FILE *f, bool color) {
        size_t pending = 0;

        for (size_t c = 0; c < table->n_columns; c++) {
                const char *begin = cells ? color_begin(cells[c].color) : BOLD;

                cell_print(f, cells ? cells[c].text : table->columns[c].title, cells ? cells[c].width : table->widths[c],
                           widths[c], table->columns[c].right, color ? begin : NULL, &pending);
        }
        (void) fputc('\n', f);
}

void table_print(const Table *table, FILE *f, bool legend, bool color) {
        _cleanup_free_ size_t *widths = calloc(table->n_columns, sizeof(size_t));

        if (!widths || table->n_cells == 0)
                return;
        for (size_t c = 0; c < table->n_columns; c++)
                widths[c] = column_width(table, c, legend);

        if (legend)
                line_print(table, NULL, widths, f, color);
        for (size_t i = 0; i < table->n_cells; i += table->n_columns)
                line_print(table, &table->cells[i], widths, f, color);
}
