/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The one table of who may reach what against everything that there is: the vtables, the XML files, the bus policy, polkit's actions. */

#include <check.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "dbus/access.h"
#include "dbus/bus.h"
#include "tests/bus/fixture.h"

static const struct {
        const char *interface;
        const sd_bus_vtable *vtable;
} vtables[] = {
        { ASSIGND_MANAGER_INTERFACE, manager_vtable },       { ASSIGND_DEVICE_INTERFACE, device_vtable },
        { ASSIGND_GROUP_INTERFACE, group_vtable },           { ASSIGND_ASSIGNMENT_INTERFACE, assignment_vtable },
        { ASSIGND_OPERATION_INTERFACE, operation_vtable },
};

static char *read_source(const char *name) {
        char path[512], *text;
        size_t n;
        FILE *f;

        (void) snprintf(path, sizeof(path), SOURCE_ROOT "/%s", name);
        f = fopen(path, "re");
        ck_assert_msg(f, "%s is missing", path);
        text = calloc(1, 1U << 20);
        ck_assert_ptr_nonnull(text);
        n = fread(text, 1, (1U << 20) - 1, f);
        ck_assert_uint_gt(n, 0);
        fclose(f);
        return text;
}

static void check_entry(MemberKind kind, const char *interface, const char *member, unsigned *n) {
        ck_assert_msg(access_find(kind, interface, member), "%s.%s has no entry in dbus/access.c", interface, member);
        (*n)++;
}

/* Returns how many of ours the table has to have. */
static unsigned walk_vtable(const char *interface, const sd_bus_vtable *v) {
        unsigned n = 0;

        ck_assert_int_eq(v->type, _SD_BUS_VTABLE_START);
        ck_assert_msg((v->flags & SD_BUS_VTABLE_UNPRIVILEGED) == 0, "%s lets everybody in by default", interface);
        for (; v->type != _SD_BUS_VTABLE_END; v++)
                switch (v->type) {
                case _SD_BUS_VTABLE_METHOD:
                        check_entry(MEMBER_METHOD, interface, v->x.method.member, &n);
                        break;
                case _SD_BUS_VTABLE_PROPERTY:
                        check_entry(MEMBER_PROPERTY, interface, v->x.property.member, &n);
                        break;
                case _SD_BUS_VTABLE_WRITABLE_PROPERTY:
                        ck_abort_msg("%s.%s can be written", interface, v->x.property.member);
                        break;
                case _SD_BUS_VTABLE_SIGNAL:
                        check_entry(MEMBER_SIGNAL, interface, v->x.signal.member, &n);
                        break;
                }
        return n;
}

START_TEST(every_member_of_the_vtables_has_an_entry_and_no_entry_is_without_a_member) {
        unsigned n = 0, of_ours = 0;

        for (size_t i = 0; i < ELEMENTSOF(vtables); i++)
                n += walk_vtable(vtables[i].interface, vtables[i].vtable);
        for (size_t i = 0; i < access_table_length; i++)
                of_ours += strncmp(access_table[i].interface, ASSIGND_BUS_NAME ".", strlen(ASSIGND_BUS_NAME ".")) == 0;
        ck_assert_uint_gt(n, 60);
        ck_assert_uint_eq(n, of_ours);
}
END_TEST

/* Of one line of XML. */
static bool attribute(const char *line, const char *key, char value[static 64]) {
        _cleanup_free_ char *start = NULL;
        const char *found;

        ck_assert_int_ge(string_format(&start, "%s=\"", key), 0);
        found = strstr(line, start);
        return found && sscanf(found + strlen(start), "%63[^\"]", value) == 1;
}

START_TEST(every_member_of_the_xml_has_an_entry) {
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(vtables); i++) {
                _cleanup_free_ char *name = NULL, *text = NULL;
                char *rest, *line;

                ck_assert_int_ge(string_format(&name, "dbus/%s.xml", vtables[i].interface), 0);
                text = rest = read_source(name);
                rest = text;
                while ((line = strsep(&rest, "\n"))) {
                        char member[64];

                        line += strspn(line, " ");
                        if (strncmp(line, "<method ", 8) == 0 && attribute(line, "name", member))
                                check_entry(MEMBER_METHOD, vtables[i].interface, member, &n);
                        if (strncmp(line, "<property ", 10) == 0 && attribute(line, "name", member))
                                check_entry(MEMBER_PROPERTY, vtables[i].interface, member, &n);
                        if (strncmp(line, "<signal ", 8) == 0 && attribute(line, "name", member))
                                check_entry(MEMBER_SIGNAL, vtables[i].interface, member, &n);
                }
        }
        ck_assert_uint_gt(n, 60);
}
END_TEST

static unsigned count_methods(void) {
        unsigned n = 0;

        for (size_t i = 0; i < access_table_length; i++)
                n += access_table[i].kind == MEMBER_METHOD;
        return n;
}

START_TEST(the_bus_policy_lists_the_methods_of_the_table_and_nothing_else) {
        _cleanup_free_ char *text = read_source("systemd/org.assignd1.conf");
        char *rest = strstr(text, "<policy context=\"default\">"), *line;
        unsigned n = 0;

        ck_assert_ptr_nonnull(rest);
        ck_assert_ptr_nonnull(strstr(rest, "<deny send_destination=\"org.assignd1\"/>"));
        ck_assert_ptr_nonnull(strstr(rest, "<deny receive_sender=\"org.assignd1\" receive_type=\"signal\"/>"));
        while ((line = strsep(&rest, "\n"))) {
                char destination[64], interface[64], member[64];

                line += strspn(line, " ");
                if (strncmp(line, "<allow ", 7) != 0)
                        continue;
                ck_assert_msg(attribute(line, "send_destination", destination) && string_equal(destination, ASSIGND_BUS_NAME), "%s", line);
                ck_assert_msg(attribute(line, "send_interface", interface) && attribute(line, "send_member", member), "%s", line);
                check_entry(MEMBER_METHOD, interface, member, &n);
        }
        ck_assert_uint_eq(n, count_methods());
}
END_TEST

/* polkit keeps an authentication for the action and forgets the details: who had one device would have every other. */
static bool may_be_kept(Action action) {
        return action == ACTION_VIEW || action == ACTION_POLICY || action == ACTION_AUDIT;
}

START_TEST(polkit_knows_every_action_and_keeps_no_authentication_that_is_about_a_device) {
        _cleanup_free_ char *text = read_source("systemd/org.assignd1.policy");

        for (Action action = 0; action < _ACTION_MAX; action++) {
                _cleanup_free_ char *start = NULL, *entry = NULL;
                const char *found;

                ck_assert_int_ge(string_format(&start, "<action id=\"%s\">", action_to_id(action)), 0);
                found = strstr(text, start);
                ck_assert_msg(found, "%s is not in systemd/org.assignd1.policy", start);
                entry = strndup(found, (size_t) (strstr(found, "</action>") - found));
                ck_assert_ptr_nonnull(strstr(entry, "<allow_any>auth_admin</allow_any>"));
                ck_assert_ptr_nonnull(strstr(entry, "<allow_inactive>auth_admin</allow_inactive>"));
                ck_assert_ptr_nonnull(strstr(entry, may_be_kept(action) ? "<allow_active>auth_admin_keep</allow_active>"
                                                                           : "<allow_active>auth_admin</allow_active>"));
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus-table");
        TCase *tcase = tcase_create("table");
        SRunner *runner = srunner_create(suite);
        int n_failed;

        tcase_add_test(tcase, every_member_of_the_vtables_has_an_entry_and_no_entry_is_without_a_member);
        tcase_add_test(tcase, every_member_of_the_xml_has_an_entry);
        tcase_add_test(tcase, the_bus_policy_lists_the_methods_of_the_table_and_nothing_else);
        tcase_add_test(tcase, polkit_knows_every_action_and_keeps_no_authentication_that_is_about_a_device);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
