/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/output.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/strutil.h"
#include "cli/json.h"

static void escaped_write(FILE *f, const char *s) {
        for (size_t length; *s; s += length) {
                length = utf8_printable_length(s);
                if (length > 0)
                        (void) fwrite(s, 1, length, f);
                else {
                        (void) fprintf(f, "\\x%02x", (unsigned char) *s);
                        length = 1;
                }
        }
}

void output_line(FILE *f, const char *format, ...) {
        _cleanup_free_ char *line = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&line, format, ap);
        va_end(ap);
        if (r < 0) {
                line = NULL;
                return;
        }

        escaped_write(f, line);
        (void) fputc('\n', f);
}

void output_text(FILE *f, const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *line;

        while (rest && (line = strsep(&rest, "\n"))) {
                if (*line == '\0' && !rest)
                        break;
                output_line(f, "%s", line);
        }
}

void output_blockers(FILE *f, const json_t *blockers) {
        const json_t *b;
        size_t i;

        json_array_foreach(blockers, i, b) {
                const char *code = json_text(b, "code") ?: "?", *detail = json_text(b, "detail") ?: "", *device = json_text(b, "device");
                bool overridable = json_is_true(json_object_get(b, "overridable"));

                if (device && strstr(detail, device))
                        device = NULL; /* it is said already */
                output_line(f, "  %s%s%s: %s%s%s%s", code, device ? " " : "", device ?: "", detail, overridable ? " (--override " : "",
                            overridable ? code : "", overridable ? " goes past it)" : "");
        }
}

static bool text_has_all_details(const char *text, const json_t *blockers) {
        const json_t *b;
        size_t i;

        json_array_foreach(blockers, i, b)
                if (!strstr(text, json_text(b, "detail") ?: ""))
                        return false;
        return json_array_size(blockers) > 0;
}

void output_refusal(FILE *f, const char *head, const char *head_alone, const char *message, const json_t *blockers) {
        if (text_has_all_details(message, blockers))
                output_line(f, "%s", head_alone);
        else
                output_line(f, "%s %s", head, message);
        output_blockers(f, blockers);
}

char *output_blocker_codes(const json_t *blockers) {
        _cleanup_json_ json_t *codes = json_array();
        const json_t *blocker;
        size_t i;

        json_array_foreach(blockers, i, blocker)
                if (json_array_append_new(codes, json_sprintf("%s%s", json_is_true(json_object_get(blocker, "overridden")) ? "overridden " : "",
                                                              json_text(blocker, "code") ?: "")) < 0)
                        return NULL;
        if (!codes || json_sort(codes, json_compare_item) < 0)
                return NULL;
        for (i = json_array_size(codes); i > 1; i--)
                if (json_equal(json_array_get(codes, i - 1), json_array_get(codes, i - 2)))
                        (void) json_array_remove(codes, i - 1);
        return output_join(codes);
}

static int json_write(FILE *f, const json_t *json, size_t flags) {
        if (!json)
                return -ENOMEM;
        if (json_dumpf(json, f, flags | JSON_ENSURE_ASCII) < 0 || fputc('\n', f) == EOF)
                return -EIO;
        return 0;
}

int output_json(FILE *f, const json_t *json) {
        return json_write(f, json, isatty(fileno(f)) ? JSON_INDENT(2) : 0);
}

int output_json_line(FILE *f, const json_t *json) {
        int r;

        r = json_write(f, json, 0);
        if (r < 0)
                return r;
        return fflush(f) == 0 ? 0 : -EIO;
}

char *output_join(const json_t *array) {
        _cleanup_free_ char *text = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        const json_t *item;
        size_t size, i;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;

        json_array_foreach(array, i, item) {
                if (i > 0)
                        (void) fputs(", ", f);
                if (json_is_integer(item))
                        (void) fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(item));
                else
                        (void) fputs(json_string_value(item) ?: "-", f);
        }
        if (json_array_size(array) == 0)
                (void) fputc('-', f);

        (void) fclose(TAKE_PTR(f));
        return TAKE_PTR(text);
}

bool output_has_color(FILE *f) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return isatty(fileno(f)) && !(no_color && *no_color) && !string_equal(term, "dumb");
}

const char *output_time(uint64_t realtime_usec, char buffer[static OUTPUT_TIME_MAX]) {
        time_t seconds = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&seconds, &tm) || strftime(buffer, OUTPUT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                (void) snprintf(buffer, OUTPUT_TIME_MAX, "@%lld", (long long) seconds);
        return buffer;
}
