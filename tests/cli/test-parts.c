/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What assign-ctl is made of, without a bus. */

#include <check.h>
#include <locale.h>
#include <string.h>

#include "base/strutil.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/placeholder.h"
#include "cli/shape.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "cli/when.h"

/* -- placeholders -- */

static int resolve_by_kind(const Placeholder *p, void *userdata, int *ret_fd) {
        switch (p->kind) {
        case PLACEHOLDER_IOMMUFD:   *ret_fd = 5; return 0;
        case PLACEHOLDER_CONTAINER: *ret_fd = 6; return 0;
        case PLACEHOLDER_FD:        *ret_fd = 10 + p->address.function; return 0;
        case PLACEHOLDER_GROUP:     *ret_fd = 20 + p->address.function; return 0;
        case PLACEHOLDER_WRONG:     break;
        }
        return -ENOENT;
}

static void assert_expands(const char *from, const char *to) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(placeholder_expand(from, resolve_by_kind, NULL, &text), 0);
        ck_assert_str_eq(text, to);
}

START_TEST(placeholders_become_fd_numbers) {
        assert_expands("{iommufd}", "5");
        assert_expands("iommufd,id=i0,fd={iommufd}", "iommufd,id=i0,fd=5");
        assert_expands("{fd:02:00.1}/{fd:0000:02:00.0}", "11/10");
        assert_expands("{container}{group:02:00.3}", "623");
        assert_expands("", "");
} END_TEST

START_TEST(other_braces_stay_as_they_are) {
        assert_expands("{\"driver\":{\"a\":1}}", "{\"driver\":{\"a\":1}}");
        assert_expands("${x} ${fd} {} { {A} {print $1} {a,b} {iommufd", "${x} ${fd} {} { {A} {print $1} {a,b} {iommufd");
        assert_expands("a{1..3}", "a{1..3}");
} END_TEST

START_TEST(a_second_brace_makes_ordinary_text) {
        assert_expands("{{print}", "{print}");
        assert_expands("{{iommufd} {iommufd}", "{iommufd} 5");
        assert_expands("x{{fd:02:00.0}y", "x{fd:02:00.0}y");
} END_TEST

START_TEST(mistaken_placeholders_are_found) {
        static const char *const wrong[] = { "{print}", "{iommufd:02:00.0}", "{fd}", "{fd:}", "{fd:2:0.0}", "{group:14}", "{fd:02:00.0 }",
                                             "{fd:0000:02:00.0000000000000000000000000000000000000000000000}" };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                Placeholder p;

                ck_assert_msg(placeholder_find(wrong[i], &p) == 1 && p.kind == PLACEHOLDER_WRONG, "%s", wrong[i]);
                ck_assert_uint_eq(p.length, strlen(wrong[i]));
        }
} END_TEST

START_TEST(an_escaped_placeholder_is_not_found) {
        Placeholder p;

        ck_assert_int_eq(placeholder_find("{{iommufd}", &p), 0);
        ck_assert_int_eq(placeholder_find("{{foo} {fd:02:00.0}", &p), 1);
        ck_assert_int_eq(p.kind, PLACEHOLDER_FD);
        ck_assert_uint_eq(p.address.bus, 2);
} END_TEST

START_TEST(a_device_is_recognized_wherever_it_is_named) {
        PciAddress device, far;

        ck_assert_int_ge(pci_address_parse("0000:02:00.0", &device), 0);
        ck_assert_int_ge(pci_address_parse("0001:02:00.0", &far), 0);
        ck_assert(text_names_device("vfio-pci,host=02:00.0", &device));
        ck_assert(text_names_device("vfio-pci,host=0000:02:00.0,id=x", &device));
        ck_assert(text_names_device("-a02:00.0", &device));
        ck_assert(text_names_device("-a0000:02:00.0", &device));
        ck_assert(text_names_device("pci:0000:02:00.0", &device));
        ck_assert(text_names_device("01:00.0,02:00.0", &device));
        ck_assert(!text_names_device("02:00.1", &device));
        ck_assert(!text_names_device("0001:02:00.0", &device));
        ck_assert(text_names_device("0001:02:00.0", &far));
        ck_assert(!text_names_device("02:00.0", &far));
        ck_assert(!text_names_device("", &device));
} END_TEST

START_TEST(a_huge_argument_is_searched_quickly) {
        _cleanup_free_ char *text = malloc(128 * 1024 + 1);
        PciAddress device;

        ck_assert_int_ge(pci_address_parse("02:00.0", &device), 0);
        memset(text, '0', 128 * 1024);
        text[128 * 1024] = '\0';
        ck_assert(!text_names_device(text, &device));
} END_TEST

/* -- time -- */

#define NOW (UINT64_C(1767323045) * USEC_PER_SEC) /* 2026-01-02 03:04:05 UTC */

static void assert_when(const char *s, uint64_t seconds) {
        uint64_t usec = 0;

        ck_assert_msg(when_parse(s, NOW, &usec) >= 0, "%s", s);
        ck_assert_msg(usec == seconds * USEC_PER_SEC, "%s: %llu", s, (unsigned long long) usec);
}

START_TEST(times_are_understood_as_people_write_them) {
        assert_when("now", 1767323045);
        assert_when("@12", 12);
        assert_when("-90s", 1767323045 - 90);
        assert_when("-2h", 1767323045 - 7200);
        assert_when("-1w", 1767323045 - 604800);
        assert_when("today", 1767312000);
        assert_when("yesterday", 1767312000 - 86400);
        assert_when("2026-01-02", 1767312000);
        assert_when("2026-01-02 03:04", 1767323040);
        assert_when("2026-01-02T03:04:05", 1767323045);
        assert_when("03:04", 1767323040);
} END_TEST

START_TEST(other_times_are_refused) {
        static const char *const wrong[] = { "", "-", "-h", "-2x", "-99999999999s", "@", "@x", "@99999999999999999999", "2026-13-01", "2026-01-02x",
                                             "tomorrow", "25:00", "-3d2h" };
        uint64_t usec = 1;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                ck_assert_msg(when_parse(wrong[i], NOW, &usec) == -EINVAL, "%s", wrong[i]);
        ck_assert_uint_eq(usec, 1);
} END_TEST

/* -- tables -- */

static const Column columns[] = { { "N", true }, { "NAME" }, { "STATE" } };

static char *table_text(const Table *table, bool legend, bool color) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        table_print(table, f, legend, color);
        (void) fclose(f);
        return text;
}

START_TEST(columns_are_aligned_without_blanks_at_the_end) {
        _cleanup_table_ Table *table = NULL;
        _cleanup_free_ char *with = NULL, *without = NULL;

        ck_assert_int_ge(table_new(columns, ELEMENTSOF(columns), &table), 0);
        ck_assert_int_ge(table_add_cells(table, "1", "a", "host"), 0);
        ck_assert_int_ge(table_add_cells(table, "100", NULL, ""), 0);
        ck_assert_int_ge(table_add_cells(table, "", "longer name", NULL), 0);
        with = table_text(table, true, false);
        without = table_text(table, false, false);
        ck_assert_str_eq(with, "  N  NAME         STATE\n  1  a            host\n100  -\n     longer name  -\n");
        ck_assert_str_eq(without, "  1  a            host\n100  -\n     longer name  -\n");
} END_TEST

START_TEST(wide_and_combining_characters_take_their_columns) {
        _cleanup_table_ Table *table = NULL;
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(table_new(columns, ELEMENTSOF(columns), &table), 0);
        ck_assert_int_ge(table_add_cells(table, "1", "日本", "x"), 0);
        ck_assert_int_ge(table_add_cells(table, "2", "e\xcc\x81tat", "x"), 0);
        ck_assert_int_ge(table_add_cells(table, "3", "Ü", "x"), 0);
        text = table_text(table, false, false);
        ck_assert_str_eq(text, "1  日本  x\n2  e\xcc\x81tat  x\n3  Ü     x\n");
} END_TEST

START_TEST(no_cell_can_reach_the_terminal) {
        _cleanup_table_ Table *table = NULL;
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(table_new(columns, ELEMENTSOF(columns), &table), 0);
        ck_assert_int_ge(table_add_cells(table, "1", "a\x1b[31m\n\xc2\x9b" "b\xff\x7f", "x"), 0);
        text = table_text(table, false, false);
        ck_assert_str_eq(text, "1  a\\x1b[31m\\x0a\\xc2\\x9bb\\xff\\x7f  x\n");
} END_TEST

START_TEST(only_painted_cells_are_coloured_and_only_if_asked) {
        _cleanup_table_ Table *table = NULL;
        _cleanup_free_ char *plain = NULL, *colored = NULL;

        ck_assert_int_ge(table_new(columns, ELEMENTSOF(columns), &table), 0);
        ck_assert_int_ge(table_add_cells(table, "1", "a", "stuck"), 0);
        table_paint(table, 2, COLOR_BAD);
        plain = table_text(table, false, false);
        colored = table_text(table, false, true);
        ck_assert_str_eq(plain, "1  a  stuck\n");
        ck_assert_str_eq(colored, "1  a  \x1b[31mstuck\x1b[0m\n");
} END_TEST

START_TEST(an_empty_table_prints_nothing) {
        _cleanup_table_ Table *table = NULL;
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(table_new(columns, ELEMENTSOF(columns), &table), 0);
        text = table_text(table, true, true);
        ck_assert_str_eq(text, "");
        ck_assert_uint_eq(table_rows(table), 0);
} END_TEST

/* -- shapes -- */

START_TEST(what_is_empty_on_the_bus_is_null_in_json) {
        _cleanup_json_ json_t *from = json_pack("{s:s, s:s, s:s, s:s}", "Address", "0000:02:00.0", "Driver", "", "DriverOverride", "", "Name", "");
        _cleanup_json_ json_t *member = shape_member(from);

        ck_assert(json_is_null(json_object_get(member, "driver")));
        ck_assert(json_is_null(json_object_get(member, "driver_override")));
        ck_assert_str_eq(json_text(member, "name"), "");
        ck_assert(json_is_null(json_object_get(member, "role"))); /* absent, yet there */
        ck_assert_uint_eq(json_object_size(member), 8);
} END_TEST

START_TEST(a_blocker_of_the_group_as_a_whole_has_no_device) {
        _cleanup_json_ json_t *from = json_pack("[{s:s, s:s, s:s, s:b, s:i}, {s:s, s:s, s:s}]", "code", "no-reset", "device", "0000:02:00.1", "detail", "d",
                                                "overridable", 1, "group", 14, "code", "busy", "device", "", "detail", "d");
        _cleanup_json_ json_t *blockers = shape_blockers(from);
        const json_t *first = json_array_get(blockers, 0), *second = json_array_get(blockers, 1);

        ck_assert_str_eq(json_text(first, "code"), "busy");
        ck_assert(json_is_null(json_object_get(first, "device")));
        ck_assert(json_is_false(json_object_get(first, "overridable")));
        ck_assert_str_eq(json_text(second, "device"), "0000:02:00.1");
        ck_assert_uint_eq(json_object_size(second), 4);
} END_TEST

START_TEST(addresses_are_sorted_as_addresses) {
        _cleanup_json_ json_t *list = json_pack("[s, s, s, s]", "10000:01:00.0", "0000:80:00.0", "ffff:00:00.0", "0000:02:00.1");
        static const char *const sorted[] = { "0000:02:00.1", "0000:80:00.0", "ffff:00:00.0", "10000:01:00.0" };

        ck_assert_int_ge(json_sort(list, json_compare_item), 0);
        for (size_t i = 0; i < ELEMENTSOF(sorted); i++)
                ck_assert_str_eq(json_string_value(json_array_get(list, i)), sorted[i]);
} END_TEST

START_TEST(numbers_above_the_signed_range_survive) {
        _cleanup_json_ json_t *text = json_string("18446744073709551615"), *negative = json_integer(-1);
        uint64_t value;

        ck_assert_int_ge(json_u64(text, &value), 0);
        ck_assert(value == UINT64_MAX);
        ck_assert_int_eq(json_u64(negative, &value), -EINVAL);
        ck_assert_int_eq(json_u64(NULL, &value), -EINVAL);
} END_TEST

START_TEST(object_paths_end_in_numbers_or_not) {
        uint64_t n;

        ck_assert_int_ge(path_number("/org/assignd1/group/14", &n), 0);
        ck_assert_uint_eq(n, 14);
        ck_assert_int_lt(path_number("/", &n), 0);
        ck_assert_int_lt(path_number("/a/b", &n), 0);
        ck_assert_ptr_null(path_last(NULL));
} END_TEST

/* -- options, targets, verbs -- */

START_TEST(targets_and_owners_are_told_apart) {
        static const char *const targets[] = { "02:00.0", "0000:02:00.0", "10000:e1:1f.7", "group:14", "group:0" };
        static const char *const owners[] = { "vm:web1", "02:00", "group:", "group:x", "group:-1", "group:99999999999", "0000:02:00.8", "14", "02:00.0 " };

        for (size_t i = 0; i < ELEMENTSOF(targets); i++)
                ck_assert_msg(target_is_formed(targets[i]), "%s", targets[i]);
        for (size_t i = 0; i < ELEMENTSOF(owners); i++)
                ck_assert_msg(!target_is_formed(owners[i]), "%s", owners[i]);
} END_TEST

START_TEST(a_mistyped_verb_is_recognized) {
        ck_assert_ptr_eq(verb_suggest("lst"), &verb_list);
        ck_assert_ptr_eq(verb_suggest("relaese"), &verb_release);
        ck_assert_ptr_eq(verb_suggest("mon"), &verb_monitor);
        ck_assert_ptr_eq(verb_suggest("asign"), &verb_assign);
        ck_assert_ptr_null(verb_suggest("frobnicate"));
        ck_assert_ptr_null(verb_suggest(""));
        ck_assert_ptr_null(verb_suggest("listlistlistlistlistlistlistlistlistlist"));
        ck_assert_ptr_null(verb_find("lis"));
} END_TEST

START_TEST(what_stands_behind_two_dashes_is_the_command) {
        char *argv[] = { (char *) "assign-ctl", (char *) "run", (char *) "02:00.0", (char *) "--owner", (char *) "vm:a", (char *) "--", (char *) "cmd",
                         (char *) "--json", NULL };
        _cleanup_(options_done) Options options = {};
        _cleanup_(failure_done) Failure failure = {};
        int argc = (int) ELEMENTSOF(argv) - 1, verb;

        ck_assert(!options_want_json(argc, argv));
        verb = options_find_verb(argc, argv, verb_list.options);
        ck_assert_int_eq(verb, 1);
        ck_assert_int_eq(options_parse(argc, argv, verb, verb_run.options, true, &options, &failure), 0);
        ck_assert_str_eq(options.owner, "vm:a");
        ck_assert_str_eq(options.arguments[0], "02:00.0");
        ck_assert_ptr_null(options.arguments[1]);
        ck_assert_str_eq(options.command[0], "cmd");
        ck_assert_str_eq(options.command[1], "--json");
        ck_assert_ptr_null(options.command[2]);
        ck_assert(!options.json);
} END_TEST

START_TEST(overrides_add_up) {
        char *argv[] = { (char *) "assign-ctl", (char *) "assign", (char *) "--override=no-reset", (char *) "--override", (char *) "in-use-open", NULL };
        _cleanup_(options_done) Options options = {};
        _cleanup_(failure_done) Failure failure = {};

        ck_assert_int_eq(options_parse(5, argv, 1, verb_assign.options, false, &options, &failure), 0);
        ck_assert_uint_eq(strv_length(options.overrides), 2);
        ck_assert_str_eq(options.overrides[1], "in-use-open");
} END_TEST

/* -- failures -- */

START_TEST(every_error_has_its_exit_code) {
        static const struct {
                const char *name;
                int code;
        } cases[] = {
                { "org.assignd1.Error.InvalidTarget", 2 }, { "org.freedesktop.DBus.Error.InvalidArgs", 2 },
                { "org.freedesktop.DBus.Error.UnknownMethod", 2 }, { "org.freedesktop.DBus.Error.AccessDenied", 3 },
                { "org.assignd1.Error.Denied", 3 }, { "org.assignd1.Error.LabelConflict", 3 },
                { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", 3 }, { "org.assignd1.Error.Busy", 4 },
                { "org.assignd1.Error.Owned", 4 }, { "org.assignd1.Error.Stuck", 5 }, { "org.assignd1.Error.Timeout", 5 },
                { "org.assignd1.Error.Quarantined", 5 }, { "org.assignd1.Error.NotViable", 6 }, { "org.assignd1.Error.IdentityChanged", 6 },
                { "org.assignd1.Error.NoSuchDevice", 7 }, { "org.assignd1.Error.NoSuchGroup", 7 }, { "org.assignd1.Error.NoSuchOwner", 7 },
                { "org.freedesktop.systemd1.UnitMasked", 8 }, { "org.freedesktop.DBus.Error.ServiceUnknown", 8 }, { "org.freedesktop.DBus.Error.NameHasNoOwner", 8 },
                { "org.freedesktop.DBus.Error.NoReply", 8 }, { "org.freedesktop.DBus.Error.Disconnected", 8 },
                { "org.freedesktop.DBus.Error.Spawn.ChildExited", 8 }, { "org.assignd1.Error.Degraded", 1 },
                { "org.assignd1.Error.LimitsExceeded", 1 }, { "org.freedesktop.DBus.Error.NotSupported", 1 }, { "what.ever", 1 }, { NULL, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg((int) failure_exit_code(cases[i].name) == cases[i].code, "%s", cases[i].name);
} END_TEST

START_TEST(a_later_failure_replaces_an_earlier_one) {
        _cleanup_(failure_done) Failure failure = {};
        _cleanup_json_ json_t *json = NULL;

        ck_assert_int_eq(failure_set(&failure, "a.b", json_array(), "%s", "first"), -ECANCELED);
        ck_assert_int_eq(failure_usage(&failure, "second %d", 2), -ECANCELED);
        json = failure_to_json(&failure);
        ck_assert_str_eq(json_text(json, "message"), "second 2");
        ck_assert_str_eq(json_text(json, "name"), "org.freedesktop.DBus.Error.InvalidArgs");
        ck_assert(json_is_array(json_object_get(json, "blockers")));
} END_TEST

int main(void) {
        Suite *suite = suite_create("assign-ctl");
        TCase *tcase = tcase_create("parts");
        SRunner *runner;
        int failed;

        (void) setlocale(LC_CTYPE, "C.UTF-8");
        (void) setenv("TZ", "UTC", 1);
        tcase_add_test(tcase, placeholders_become_fd_numbers);
        tcase_add_test(tcase, other_braces_stay_as_they_are);
        tcase_add_test(tcase, a_second_brace_makes_ordinary_text);
        tcase_add_test(tcase, mistaken_placeholders_are_found);
        tcase_add_test(tcase, an_escaped_placeholder_is_not_found);
        tcase_add_test(tcase, a_device_is_recognized_wherever_it_is_named);
        tcase_add_test(tcase, a_huge_argument_is_searched_quickly);
        tcase_add_test(tcase, times_are_understood_as_people_write_them);
        tcase_add_test(tcase, other_times_are_refused);
        tcase_add_test(tcase, columns_are_aligned_without_blanks_at_the_end);
        tcase_add_test(tcase, wide_and_combining_characters_take_their_columns);
        tcase_add_test(tcase, no_cell_can_reach_the_terminal);
        tcase_add_test(tcase, only_painted_cells_are_coloured_and_only_if_asked);
        tcase_add_test(tcase, an_empty_table_prints_nothing);
        tcase_add_test(tcase, what_is_empty_on_the_bus_is_null_in_json);
        tcase_add_test(tcase, a_blocker_of_the_group_as_a_whole_has_no_device);
        tcase_add_test(tcase, addresses_are_sorted_as_addresses);
        tcase_add_test(tcase, numbers_above_the_signed_range_survive);
        tcase_add_test(tcase, object_paths_end_in_numbers_or_not);
        tcase_add_test(tcase, targets_and_owners_are_told_apart);
        tcase_add_test(tcase, a_mistyped_verb_is_recognized);
        tcase_add_test(tcase, what_stands_behind_two_dashes_is_the_command);
        tcase_add_test(tcase, overrides_add_up);
        tcase_add_test(tcase, every_error_has_its_exit_code);
        tcase_add_test(tcase, a_later_failure_replaces_an_earlier_one);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
