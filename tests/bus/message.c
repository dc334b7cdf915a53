/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bus/message.h"

#include <check.h>

#include "base/strutil.h"

static void rewind_message(sd_bus_message *m) {
        ck_assert_int_ge(sd_bus_message_rewind(m, /* complete= */ true), 0);
}

void message_find(sd_bus_message *m, const char *key, const char *type) {
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                const char *name;

                ck_assert_int_ge(sd_bus_message_read_basic(m, 's', &name), 0);
                if (string_equal(name, key)) {
                        ck_assert_msg(sd_bus_message_enter_container(m, 'v', type) > 0, "%s is not of type %s", key, type);
                        return;
                }
                ck_assert_int_ge(sd_bus_message_skip(m, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        }
        ck_abort_msg("there is no %s", key);
}

const char *message_get_text(sd_bus_message *m, const char *key) {
        const char *text;

        rewind_message(m);
        message_find(m, key, "s");
        ck_assert_int_ge(sd_bus_message_read_basic(m, 's', &text), 0);
        rewind_message(m);
        return text;
}

bool message_get_bool(sd_bus_message *m, const char *key) {
        int value;

        rewind_message(m);
        message_find(m, key, "b");
        ck_assert_int_ge(sd_bus_message_read_basic(m, 'b', &value), 0);
        rewind_message(m);
        return value;
}

char *message_get_texts(sd_bus_message *m, const char *key) {
        const char *text;
        char *all = NULL;
        size_t size;
        FILE *f = open_memstream(&all, &size);

        ck_assert_ptr_nonnull(f);
        rewind_message(m);
        message_find(m, key, "as");
        ck_assert_int_ge(sd_bus_message_enter_container(m, 'a', "s"), 0);
        for (const char *blank = ""; sd_bus_message_read_basic(m, 's', &text) > 0; blank = " ")
                fprintf(f, "%s%s", blank, text);
        ck_assert_int_eq(fclose(f), 0);
        rewind_message(m);
        return all;
}

const char *message_pass_text(sd_bus_message *m, const char *key) {
        const char *found = NULL;

        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                const char *name, *type;

                ck_assert_int_ge(sd_bus_message_read_basic(m, 's', &name), 0);
                ck_assert_int_ge(sd_bus_message_peek_type(m, NULL, &type), 0);
                if (string_equal(name, key) && string_equal(type, "s"))
                        ck_assert_int_ge(sd_bus_message_read(m, "v", "s", &found), 0);
                else
                        ck_assert_int_ge(sd_bus_message_skip(m, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        return found;
}

/* Counts in the aa{sv} at the message's position. */
static unsigned count(sd_bus_message *m, const char *field, const char *text) {
        unsigned n = 0;

        ck_assert_int_ge(sd_bus_message_enter_container(m, 'a', "a{sv}"), 0);
        while (!sd_bus_message_at_end(m, /* complete= */ false)) {
                const char *found = message_pass_text(m, field);

                n += !text || string_equal(found, text);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        return n;
}

unsigned message_pass_count(sd_bus_message *m, const char *key, const char *field, const char *text) {
        unsigned n = 0;

        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                const char *name;

                ck_assert_int_ge(sd_bus_message_read_basic(m, 's', &name), 0);
                if (string_equal(name, key)) {
                        ck_assert_int_gt(sd_bus_message_enter_container(m, 'v', "aa{sv}"), 0);
                        n = count(m, field, text);
                        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
                } else
                        ck_assert_int_ge(sd_bus_message_skip(m, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        return n;
}

unsigned message_count(sd_bus_message *m, const char *key, const char *field, const char *text) {
        unsigned n;

        rewind_message(m);
        message_find(m, key, "aa{sv}");
        n = count(m, field, text);
        rewind_message(m);
        return n;
}

unsigned message_count_blockers(sd_bus_message *error, const char *code) {
        unsigned n;

        rewind_message(error);
        ck_assert_str_eq(sd_bus_message_get_signature(error, /* complete= */ true), "saa{sv}");
        ck_assert_int_ge(sd_bus_message_skip(error, "s"), 0);
        n = count(error, "code", code);
        rewind_message(error);
        return n;
}
