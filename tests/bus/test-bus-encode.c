/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What goes into messages and comes out of paths, whatever bytes there are. */

#include <string.h>

#include "base/strutil.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/path.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

static sd_bus_message *message_new(const Fixture *fixture) {
        sd_bus_message *m = NULL;

        ck_assert_int_ge(sd_bus_message_new_signal(fixture->bus, &m, "/", "a.b", "C"), 0);
        return m;
}

/* What a receiver reads of `text`; borrowed. */
static const char *pass(sd_bus_message *m, const char *text) {
        const char *passed;

        ck_assert_int_ge(encode_text(m, text), 0);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
        ck_assert_int_ge(sd_bus_message_read(m, "s", &passed), 0);
        return passed;
}

START_TEST(text_that_is_not_utf8_is_escaped_and_other_text_is_not) {
        static const char *const texts[][2] = {
                { "Intel Corporation", "Intel Corporation" },
                { "Gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80", "Gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80" },
                { "two\nlines\t\\", "two\nlines\t\\" },
                { "\xff\xfe", "\\xff\\xfe" },
                { "cut \xc3", "cut \\xc3" },
                { "over\xc0\xaflong", "over\\xc0\\xaflong" },
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" },
                { NULL, "" },
                { "", "" },
        };
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = message_new(fixture);

                ck_assert_str_eq(pass(m, texts[i][0]), texts[i][1]);
        }
}
END_TEST

START_TEST(blockers_travel_with_all_they_say) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = message_new(fixture);

        ck_assert_int_ge(blocker_list_add(&blockers, BLOCKER_DIRECT_MAPPING, 14, NULL, true, "bad \xff firmware"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        ck_assert_int_ge(encode_entry_open(m, "blockers", "aa{sv}"), 0);
        ck_assert_int_ge(encode_blockers(m, &blockers), 0);
        ck_assert_int_ge(encode_entry_close(m), 0);
        ck_assert_int_ge(sd_bus_message_close_container(m), 0);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);

        ck_assert_uint_eq(message_count(m, "blockers", "code", "direct-mapping"), 1);
        ck_assert_uint_eq(message_count(m, "blockers", "device", ""), 1);
        ck_assert_uint_eq(message_count(m, "blockers", "detail", "bad \\xff firmware"), 1);
}
END_TEST

START_TEST(every_refusal_has_a_name_of_its_own) {
        ck_assert_ptr_null(error_name_of(REFUSAL_NONE));
        for (RefusalCode code = REFUSAL_NONE + 1; code < _REFUSAL_CODE_MAX; code++) {
                const char *name = error_name_of(code);

                ck_assert_ptr_nonnull(name);
                ck_assert_ptr_nonnull(refusal_code_to_string(code));
                ck_assert_str_eq(strrchr(name, '.') + 1, refusal_code_to_string(code));
                for (RefusalCode other = REFUSAL_NONE + 1; other < code; other++)
                        ck_assert_str_ne(name, error_name_of(other));
        }
}
END_TEST

START_TEST(paths_come_back_as_what_they_stand_for) {
        static const char *const addresses[] = { "0000:02:00.0", "0000:ff:1f.7", "10000:e0:06.0" };
        static const uint64_t numbers[] = { 0, 1, 14, UINT32_MAX, UINT64_MAX };

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                PciAddress address, back;

                ck_assert_int_ge(pci_address_parse(addresses[i], &address), 0);
                ck_assert_int_ge(path_parse_device(PATH_OF_DEVICE(&address), &back), 0);
                ck_assert_int_eq(pci_address_compare(&address, &back), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                uint64_t back;

                ck_assert_int_ge(path_parse_number(PATH_OF_NUMBER(ASSIGND_OPERATION_PREFIX, numbers[i]), ASSIGND_OPERATION_PREFIX, &back), 0);
                ck_assert_uint_eq(back, numbers[i]);
        }
}
END_TEST

START_TEST(paths_of_other_forms_stand_for_nothing) {
        static const char *const paths[] = {
                "/", "/org/assignd1", "/org/assignd1/group", "/org/assignd1/group/", "/org/assignd1/groups/1", "/org/assignd1/group/01",
                "/org/assignd1/group/_1", "/org/assignd1/group/1/1", "/org/assignd1/group/18446744073709551616", "/org/assignd1/device/1",
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                uint64_t number = 7;
                PciAddress address;

                ck_assert_int_lt(path_parse_number(paths[i], ASSIGND_GROUP_PREFIX, &number), 0);
                ck_assert_uint_eq(number, 7);
                ck_assert_int_lt(path_parse_device(paths[i], &address), 0);
        }
}
END_TEST

BUS_SUITE("bus-encode", text_that_is_not_utf8_is_escaped_and_other_text_is_not, blockers_travel_with_all_they_say, every_refusal_has_a_name_of_its_own,
          paths_come_back_as_what_they_stand_for, paths_of_other_forms_stand_for_nothing)
