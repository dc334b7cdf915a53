/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"

#define LOG_LINE_MAX 2048

static int max_level(void) {
        const char *s = getenv("ASSIGND_LOG_LEVEL");
        uint32_t level;

        return s && parse_u32(s, 10, &level) >= 0 && level <= LOG_DEBUG ? (int) level : LOG_INFO;
}

/* $JOURNAL_STREAM is "device:inode" of the stream that the service manager connected; stderr may have been redirected since. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        char own[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;

        (void) snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        return string_equal(stream, own);
}

static void line_write(int level, const char *text) {
        char line[LOG_LINE_MAX + sizeof("<7>\n")];
        size_t n = 0;

        if (stderr_is_journal())
                n = (size_t) snprintf(line, sizeof("<7>"), "<%d>", level & LOG_PRIMASK);
        n += string_escape_to(text, false, line + n, LOG_LINE_MAX);
        line[n++] = '\n';

        if (write(STDERR_FILENO, line, n) < 0)
                return; /* there is nowhere left to say it */
}

int log_line(int level, int error, const char *format, ...) {
        int saved_errno = errno;
        char text[LOG_LINE_MAX * 2]; /* so that a line too long is seen as such, and cut with "..." */
        va_list ap;

        if (error < 0)
                error = -error;

        if (level <= max_level()) {
                errno = error;
                va_start(ap, format);
                (void) vsnprintf(text, sizeof(text), format, ap);
                va_end(ap);
                line_write(level, text);
        }

        errno = saved_errno;
        return -error;
}
