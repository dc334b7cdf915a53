/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/when.h"

#include <string.h>
#include <time.h>

#include "base/strutil.h"

uint64_t when_now(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

static int seconds_to_usec(uint64_t seconds, uint64_t *ret) {
        if (seconds > INT64_MAX / USEC_PER_SEC)
                return -EINVAL;

        *ret = seconds * USEC_PER_SEC;
        return 0;
}

/* "2h" */
static int span_parse(const char *s, uint64_t *ret_usec) {
        static const struct {
                char unit;
                uint32_t seconds;
        } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
        char digits[16];
        uint32_t count;
        size_t n = strlen(s);

        if (n < 2 || n > sizeof(digits))
                return -EINVAL;
        (void) snprintf(digits, sizeof(digits), "%.*s", (int) n - 1, s);
        if (parse_u32(digits, 10, &count) < 0)
                return -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (units[i].unit == s[n - 1])
                        return seconds_to_usec((uint64_t) count * units[i].seconds, ret_usec);
        return -EINVAL;
}

/* Whether all of `s` has the form; fields that it lacks stay. */
static bool form_matches(const char *s, const char *form, struct tm *tm) {
        const char *end = strptime(s, form, tm);

        return end && *end == '\0';
}

static int calendar_parse(const char *s, const struct tm *today, struct tm *ret) {
        static const char *const forms[] = {
                "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M",
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                struct tm tm = *today;

                if (form_matches(s, forms[i], &tm)) {
                        *ret = tm;
                        return 0;
                }
        }
        return -EINVAL;
}

static int local_parse(const char *s, uint64_t now_usec, uint64_t *ret_usec) {
        time_t now = (time_t) (now_usec / USEC_PER_SEC), parsed;
        struct tm tm;

        if (!localtime_r(&now, &tm))
                return -EINVAL;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;

        if (string_equal(s, "yesterday"))
                tm.tm_mday--;
        else if (!string_equal(s, "today") && calendar_parse(s, &tm, &tm) < 0)
                return -EINVAL;

        tm.tm_isdst = -1;
        parsed = mktime(&tm);
        return parsed < 0 ? -EINVAL : seconds_to_usec((uint64_t) parsed, ret_usec);
}

int when_parse(const char *s, uint64_t now_usec, uint64_t *ret_usec) {
        uint64_t value;

        if (string_equal(s, "now")) {
                *ret_usec = now_usec;
                return 0;
        }
        if (s[0] == '@')
                return parse_u64(s + 1, 10, &value) < 0 ? -EINVAL : seconds_to_usec(value, ret_usec);
        if (s[0] == '-') {
                if (span_parse(s + 1, &value) < 0 || value > now_usec)
                        return -EINVAL;
                *ret_usec = now_usec - value;
                return 0;
        }
        return local_parse(s, now_usec, ret_usec);
}
