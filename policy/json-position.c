/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/json-position.h"

#include <ctype.h>

typedef struct Scanner {
        const char *text;
        size_t size;
        size_t begin; /* of the present token */
        size_t end;
} Scanner;

/* The present token's first character; 0 at the end of the text. */
static char scanner_char(const Scanner *s) {
        return s->begin < s->size ? s->text[s->begin] : '\0';
}

static bool is_word(char c) {
        return isalnum((unsigned char) c) || c == '+' || c == '-' || c == '.';
}

static size_t string_end(const char *text, size_t size, size_t i) {
        for (i++; i < size && text[i] != '"'; i++)
                if (text[i] == '\\')
                        i++;
        return i < size ? i + 1 : size;
}

static void scanner_next(Scanner *s) {
        size_t i = s->end;

        while (i < s->size && (s->text[i] == ' ' || s->text[i] == '\t' || s->text[i] == '\n' || s->text[i] == '\r'))
                i++;
        s->begin = i;
        if (i >= s->size)
                s->end = s->size;
        else if (s->text[i] == '"')
                s->end = string_end(s->text, s->size, i);
        else if (is_word(s->text[i])) {
                while (i < s->size && is_word(s->text[i]))
                        i++;
                s->end = i;
        } else
                s->end = i + 1;
}

/* From the first token of a value to the one behind it. */
static void skip_value(Scanner *s) {
        size_t depth = 0;

        do {
                char c = scanner_char(s);

                if (c == '{' || c == '[')
                        depth++;
                else if ((c == '}' || c == ']') && depth > 0)
                        depth--;
                scanner_next(s);
        } while (depth > 0 && s->begin < s->size);
}

static void skip_key(Scanner *s) {
        scanner_next(s);
        if (scanner_char(s) == ':')
                scanner_next(s);
}

static JsonPosition position_of(const char *text, size_t offset) {
        JsonPosition position = { 1, 1 };

        for (size_t i = 0; i < offset; i++)
                if (text[i] == '\n')
                        position = (JsonPosition) { position.line + 1, 1 };
                else if (((unsigned char) text[i] & 0xc0) != 0x80)
                        position.column++;
        return position;
}

/* Takes the scanner to the first token of what the path leads to. */
static void scanner_follow(Scanner *s, const size_t *path, size_t depth, bool at_key) {
        scanner_next(s);
        for (size_t level = 0; level < depth; level++) {
                bool is_object = scanner_char(s) == '{';

                scanner_next(s);
                for (size_t i = 0; i < path[level]; i++) {
                        if (is_object)
                                skip_key(s);
                        skip_value(s);
                        if (scanner_char(s) == ',')
                                scanner_next(s);
                }
                if (is_object && !(at_key && level + 1 == depth))
                        skip_key(s);
        }
}

JsonPosition json_position_find(const char *text, size_t size, const size_t *path, size_t depth, bool at_key) {
        Scanner s = { .text = text, .size = size };

        scanner_follow(&s, path, depth, at_key);
        return position_of(text, s.begin);
}

void json_position_lines(const char *text, size_t size, const size_t *path, size_t depth, unsigned *ret_lines, size_t n) {
        Scanner s = { .text = text, .size = size };
        unsigned line = 1;
        size_t seen = 0;

        scanner_follow(&s, path, depth, false);
        scanner_next(&s);
        for (size_t i = 0; i < n; i++) {
                for (; seen < s.begin; seen++)
                        line += text[seen] == '\n';
                ret_lines[i] = line;
                skip_value(&s);
                if (scanner_char(&s) == ',')
                        scanner_next(&s);
        }
}

JsonPosition json_position_of_token(const char *text, size_t size, size_t end) {
        Scanner s = { .text = text, .size = size };

        do
                scanner_next(&s);
        while (s.end < end && s.begin < size);
        return position_of(text, s.begin);
}
