/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who is not root and asks for something that the policy leaves to polkit, with a polkit that says all that one could say. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE
#define NOBODY 65534U
#define POLKIT "org.freedesktop.PolicyKit1"

typedef enum Saying {
        SAYS_YES,
        SAYS_NO,
        SAYS_CHALLENGE,
        SAYS_ERROR,
        SAYS_GARBAGE,
        SAYS_BOTH, /* authorized, and a challenge */
        SAYS_YES_TWICE,
        SAYS_LATER, /* or never */
} Saying;

typedef struct Asked {
        char *action;
        char *details; /* "key=value\n" for each */
        uint32_t flags;
        char *sender;
} Asked;

typedef struct Scene {
        Fixture *fixture;
        sd_bus *polkit;
        sd_bus *nobody;
        Saying says;
        const char *never_to; /* a detail for which it says no whatever it says; NULL: none */
        Asked asked[64];
        unsigned n_asked;
        unsigned n_cancelled;
        sd_bus_message *held[64]; /* to be answered later */
        unsigned n_held;
} Scene;

static int answer(sd_bus_message *m, bool authorized, bool challenge) {
        return sd_bus_reply_method_return(m, "(bba{ss})", (int) authorized, (int) challenge, 0);
}

static int say(Scene *scene, sd_bus_message *m) {
        switch (scene->says) {
        case SAYS_YES:
                return answer(m, true, false);
        case SAYS_NO:
                return answer(m, false, false);
        case SAYS_CHALLENGE:
                return answer(m, false, true);
        case SAYS_ERROR:
                return sd_bus_reply_method_errorf(m, POLKIT ".Error.Failed", "No");
        case SAYS_GARBAGE:
                return sd_bus_reply_method_return(m, "s", "yes");
        case SAYS_BOTH:
                return answer(m, true, true);
        case SAYS_YES_TWICE:
                ck_assert_int_ge(answer(m, true, false), 0);
                return answer(m, true, false);
        case SAYS_LATER:
                scene->held[scene->n_held++] = sd_bus_message_ref(m);
                return 1;
        }
        return -EINVAL;
}

static int on_polkit_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Scene *scene = userdata;
        Asked *asked = &scene->asked[scene->n_asked];
        const char *kind, *name, *sender, *action, *key, *value, *id;
        size_t size;
        FILE *f;

        if (sd_bus_message_is_method_call(m, POLKIT ".Authority", "CancelCheckAuthorization")) {
                scene->n_cancelled++;
                return 1;
        }
        if (!sd_bus_message_is_method_call(m, POLKIT ".Authority", "CheckAuthorization"))
                return 0;

        ck_assert_uint_lt(scene->n_asked, ELEMENTSOF(scene->asked));
        ck_assert_int_ge(sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &name, "s", &sender, &action), 0);
        ck_assert_str_eq(kind, "system-bus-name");
        ck_assert_str_eq(name, "name");
        f = open_memstream(&asked->details, &size);
        ck_assert_int_ge(sd_bus_message_enter_container(m, 'a', "{ss}"), 0);
        while (sd_bus_message_read(m, "{ss}", &key, &value) > 0)
                fprintf(f, "%s=%s\n", key, value);
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_ge(sd_bus_message_read(m, "us", &asked->flags, &id), 0);
        ck_assert_str_ne(id, "");
        asked->action = strdup(action);
        asked->sender = strdup(sender);
        scene->n_asked++;
        if (scene->never_to && strstr(asked->details, scene->never_to))
                return answer(m, false, false);
        return say(scene, m);
}

static void write_policy(const Fixture *fixture, const char *rules) {
        char directory[512], path[600];
        FILE *f;

        (void) snprintf(directory, sizeof(directory), "%s/policy.d", fixture->directory);
        (void) snprintf(path, sizeof(path), "%s/a.json", directory);
        (void) mkdir(directory, 0755);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "{\"version\":1,\"rules\":[%s]}\n", rules);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(path, 0644), 0);
}

#define RULE(verdict) "{\"name\":\"all\",\"match\":{},\"verdict\":\"" verdict "\"}"

static Scene *scene_new(const char *rules, Saying says) {
        Scene *scene = calloc(1, sizeof(*scene));

        ck_assert_ptr_nonnull(scene);
        scene->says = says;
        scene->fixture = fixture_new(&(FixtureSetup) { .no_daemon = true, .authorize_msec = says == SAYS_LATER ? 0 : 300 });
        write_policy(scene->fixture, rules);
        fixture_start_daemon(scene->fixture);
        scene->polkit = fixture_connect_as_nobody(scene->fixture); /* polkitd is not root */
        ck_assert_int_ge(sd_bus_request_name(scene->polkit, POLKIT, 0), 0);
        ck_assert_int_ge(sd_bus_add_filter(scene->polkit, NULL, on_polkit_call, scene), 0);
        scene->nobody = fixture_connect_as_nobody(scene->fixture);
        return scene;
}

static Scene *scene_free(Scene *scene) {
        for (unsigned i = 0; i < scene->n_asked; i++) {
                free(scene->asked[i].action);
                free(scene->asked[i].details);
                free(scene->asked[i].sender);
        }
        for (unsigned i = 0; i < scene->n_held; i++)
                sd_bus_message_unref(scene->held[i]);
        sd_bus_flush_close_unref(scene->nobody);
        sd_bus_flush_close_unref(scene->polkit);
        fixture_free(scene->fixture);
        free(scene);
        return NULL;
}
DEFINE_CLEANUP(Scene *, scene_free)
#define _cleanup_scene_ _cleanup_(scene_freep)

/* A round of everybody's work. */
static void scene_run(Scene *scene) {
        int r = sd_bus_process(scene->polkit, NULL);

        if (r == 0 && scene->nobody)
                r = sd_bus_process(scene->nobody, NULL);
        ck_assert_int_ge(r, 0);
        if (r == 0)
                (void) sd_bus_wait(scene->nobody ?: scene->polkit, 2 * USEC_PER_MSEC);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(sd_bus_message **) userdata = sd_bus_message_ref(m);
        return 1;
}

/* Sent by nobody; the answer comes to *ret. */
static void begin(Scene *scene, sd_bus_message **ret, bool interactive, const char *path, const char *interface, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;

        *ret = NULL;
        ck_assert_int_ge(sd_bus_message_new_method_call(scene->nobody, &m, ASSIGND_BUS_NAME, path, interface, member), 0);
        ck_assert_int_ge(sd_bus_message_set_allow_interactive_authorization(m, interactive), 0);
        va_start(ap, types);
        ck_assert_int_ge(sd_bus_message_appendv(m, types, ap), 0);
        va_end(ap);
        ck_assert_int_ge(sd_bus_call_async(scene->nobody, NULL, m, on_reply, ret, UINT64_MAX), 0);
        ck_assert_int_ge(sd_bus_flush(scene->nobody), 0);
}

static void await_answer(Scene *scene, sd_bus_message **answer) {
        while (!*answer)
                scene_run(scene);
}

static void await_asked(Scene *scene, unsigned n) {
        while (scene->n_asked < n)
                scene_run(scene);
}

static void assert_fails(sd_bus_message *m, const char *name) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        ck_assert_msg(error, "it was done");
        ck_assert_msg(string_equal(error->name, name), "%s instead of %s: %s", error->name, name, error->message);
        sd_bus_message_unref(m);
}

static void assert_done(sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        ck_assert_msg(!error, "%s: %s", error ? error->name : "", error ? error->message : "");
}

static void assert_has(const char *text, const char *part) {
        ck_assert_msg(strstr(text, part), "'%s' is not in:\n%s", part, text);
}

#define ASSIGN MANAGER, "Assign", "sasa{sv}", "vm:n", 1, "02:00.0", 0

/* Nobody assigns 02:00.0 and gets the path of the assignment. */
static char *assign(Scene *scene) {
        sd_bus_message *m;
        const char *path;
        char *copy;

        begin(scene, &m, false, ASSIGN);
        await_answer(scene, &m);
        assert_done(m);
        ck_assert_int_ge(sd_bus_message_read(m, "o", &path), 0);
        copy = strdup(path);
        sd_bus_message_unref(m);
        return copy;
}

START_TEST(yes_is_told_all_that_a_rule_can_match_on_and_lets_the_call_in) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_YES);
        _cleanup_free_ char *path = assign(scene);

        ck_assert_uint_ge(scene->n_asked, 1);
        ck_assert_str_eq(scene->asked[0].action, "org.assignd1.assign");
        ck_assert_uint_eq(scene->asked[0].flags, 0);
        assert_has(scene->asked[0].details, "verb=assign\n");
        assert_has(scene->asked[0].details, "owner=vm:n\n");
        assert_has(scene->asked[0].details, "address=0000:02:00.0\n");
        assert_has(scene->asked[0].details, "vendor_id=8086\n");
        assert_has(scene->asked[0].details, "class=020000\n");
        assert_has(scene->asked[0].details, "group=14\n");
        assert_has(scene->asked[0].details, "driver=");
        assert_has(scene->asked[0].details, "label=\n");
        ck_assert_uint_eq(fixture_get_u32(scene->fixture, path, ASSIGND_ASSIGNMENT_INTERFACE, "Uid"), NOBODY);
}
END_TEST

START_TEST(each_device_is_asked_about_and_one_no_is_enough) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_YES);
        _cleanup_free_ char *before = fixture_snapshot(scene->fixture), *after = NULL;
        sd_bus_message *m;

        scene->never_to = "address=0000:01:00.0\n";
        begin(scene, &m, false, MANAGER, "Assign", "sasa{sv}", "vm:n", 2, "02:00.0", "01:00.0", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        after = fixture_snapshot(scene->fixture);
        ck_assert_str_eq(before, after);
}
END_TEST

static const struct {
        Saying says;
        const char *error;
} noes[] = {
        { SAYS_NO, SD_BUS_ERROR_ACCESS_DENIED },
        { SAYS_CHALLENGE, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED },
        { SAYS_ERROR, SD_BUS_ERROR_ACCESS_DENIED },
        { SAYS_GARBAGE, SD_BUS_ERROR_ACCESS_DENIED },
        { SAYS_BOTH, SD_BUS_ERROR_ACCESS_DENIED },
};

START_TEST(everything_but_yes_is_no_and_nothing_changes) {
        for (size_t i = 0; i < ELEMENTSOF(noes); i++) {
                _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), noes[i].says);
                _cleanup_free_ char *before = fixture_snapshot(scene->fixture), *after = NULL;
                sd_bus_message *m;

                begin(scene, &m, true, ASSIGN);
                await_answer(scene, &m);
                assert_fails(m, noes[i].error);
                ck_assert_uint_eq(scene->n_asked, 1);
                ck_assert_uint_eq(scene->asked[0].flags, 1); /* the caller lets somebody be asked for a password */
                after = fixture_snapshot(scene->fixture);
                ck_assert_str_eq(before, after);
        }
}
END_TEST

START_TEST(a_polkit_that_never_answers_is_a_no_and_is_told_to_forget_it) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_NO); /* a short time */
        _cleanup_free_ char *before = fixture_snapshot(scene->fixture), *after = NULL;
        sd_bus_message *m;

        scene->says = SAYS_LATER;
        begin(scene, &m, false, ASSIGN);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        while (scene->n_cancelled == 0)
                scene_run(scene);
        (void) answer(scene->held[0], true, false);
        ck_assert_int_ge(sd_bus_flush(scene->polkit), 0);
        fixture_settle(scene->fixture);
        after = fixture_snapshot(scene->fixture);
        ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(a_second_yes_does_nothing_more) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_YES_TWICE);
        _cleanup_free_ char *path = assign(scene);

        fixture_settle(scene->fixture);
        ck_assert_uint_eq(fixture_get_u32(scene->fixture, MANAGER, "Assignments"), 1);
}
END_TEST

START_TEST(a_caller_that_leaves_is_forgotten_by_both) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_LATER);
        _cleanup_free_ char *before = fixture_snapshot(scene->fixture), *after = NULL;
        sd_bus_message *m;

        begin(scene, &m, false, ASSIGN);
        await_asked(scene, 1);
        scene->nobody = sd_bus_flush_close_unref(scene->nobody);
        while (scene->n_cancelled == 0)
                scene_run(scene);
        (void) answer(scene->held[0], true, false);
        ck_assert_int_ge(sd_bus_flush(scene->polkit), 0);
        fixture_settle(scene->fixture);
        after = fixture_snapshot(scene->fixture);
        ck_assert_str_eq(before, after);
}
END_TEST

static void check_stale(Scene *scene, sd_bus_message **m) {
        fixture_settle(scene->fixture);
        scene->says = SAYS_YES; /* to the other devices of the group */
        ck_assert_int_ge(answer(scene->held[0], true, false), 0);
        await_answer(scene, m);
        assert_fails(*m, ASSIGND_ERROR_STALE_GENERATION);
        ck_assert_uint_eq(fixture_get_u32(scene->fixture, MANAGER, "Assignments"), 0);
}

START_TEST(a_label_that_changed_meanwhile_makes_the_answer_stale) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_LATER);
        sd_bus_message *m;

        begin(scene, &m, false, ASSIGN);
        await_asked(scene, 1);
        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "SetLabel", "ssa{sv}", "02:00.0", "tenant-a", 0));
        check_stale(scene, &m);
}
END_TEST

START_TEST(a_driver_that_changed_meanwhile_makes_the_answer_stale) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_LATER);
        const PciAddress address = { .bus = 2 };
        _cleanup_free_ char *driver = fixture_get_text(scene->fixture, ASSIGND_DEVICE_PREFIX "/0000_02_00_0", ASSIGND_DEVICE_INTERFACE, "Driver");
        sd_bus_message *m;

        begin(scene, &m, false, ASSIGN);
        await_asked(scene, 1);
        ck_assert_int_ge(simk_unbind(scene->fixture->tree->fd, &address, driver), 0);
        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "Rescan", ""));
        check_stale(scene, &m);
}
END_TEST

START_TEST(a_device_that_left_meanwhile_is_not_assigned) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_LATER);
        sd_bus_message *m;

        begin(scene, &m, false, ASSIGN);
        await_asked(scene, 1);
        ck_assert_int_ge(unlinkat(scene->fixture->tree->fd, "bus/pci/devices/0000:02:00.0", 0), 0);
        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "Rescan", ""));
        check_stale(scene, &m);
}
END_TEST

START_TEST(a_policy_that_changed_meanwhile_makes_the_answer_stale) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_LATER);
        sd_bus_message *m;

        begin(scene, &m, false, ASSIGN);
        await_asked(scene, 1);
        write_policy(scene->fixture, RULE("deny"));
        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "Reload", ""));
        check_stale(scene, &m);
}
END_TEST

START_TEST(one_connection_has_eight_calls_wait_and_root_is_served_meanwhile) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_LATER);
        sd_bus_message *answers[9];

        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                begin(scene, &answers[i], false, ASSIGN);
        await_answer(scene, &answers[8]);
        assert_fails(answers[8], ASSIGND_ERROR_LIMITS_EXCEEDED);
        await_asked(scene, 8);
        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "ListGroups", "a{sv}", 0));
        for (size_t i = 0; i < 8; i++)
                ck_assert_ptr_null(answers[i]);
}
END_TEST

START_TEST(one_user_has_thirty_two_calls_wait) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_LATER);
        sd_bus *connections[5], *own = scene->nobody;
        sd_bus_message *answers[5][8];

        for (size_t c = 0; c < ELEMENTSOF(connections); c++) {
                scene->nobody = connections[c] = c == 0 ? own : fixture_connect_as_nobody(scene->fixture);
                for (size_t i = 0; i < 8; i++)
                        begin(scene, &answers[c][i], false, ASSIGN);
                if (c < 4)
                        await_asked(scene, (unsigned) (c + 1) * 8);
        }
        await_answer(scene, &answers[4][0]);
        assert_fails(answers[4][0], ASSIGND_ERROR_LIMITS_EXCEEDED);
        ck_assert_uint_eq(scene->n_asked, 32);
        scene->nobody = own;
        for (size_t c = 1; c < ELEMENTSOF(connections); c++) {
                for (size_t i = c == 4; i < 8; i++)
                        if (c == 4 && answers[c][i])
                                sd_bus_message_unref(answers[c][i]);
                sd_bus_flush_close_unref(connections[c]);
        }
}
END_TEST

START_TEST(root_is_asked_nothing) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_NO);
        _cleanup_free_ char *path = fixture_assign(scene->fixture, "vm:web1", "02:00.0");

        ck_assert_uint_eq(scene->n_asked, 0);
}
END_TEST

START_TEST(who_the_policy_allows_is_asked_nothing) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("allow"), SAYS_NO);
        _cleanup_free_ char *path = assign(scene);

        ck_assert_uint_eq(scene->n_asked, 0);
}
END_TEST

START_TEST(who_the_policy_denies_has_nobody_to_ask_and_leaves_no_trace) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("deny"), SAYS_YES);
        _cleanup_free_ char *before = fixture_snapshot(scene->fixture), *after = NULL;
        sd_bus_message *m;

        begin(scene, &m, false, ASSIGN);
        await_answer(scene, &m);
        assert_fails(m, ASSIGND_ERROR_DENIED);
        ck_assert_uint_eq(scene->n_asked, 0);
        after = fixture_snapshot(scene->fixture);
        ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(a_holder_opens_and_releases_without_being_asked_again) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_YES);
        _cleanup_free_ char *path = assign(scene);
        unsigned n = scene->n_asked;
        sd_bus_message *m;

        scene->says = SAYS_NO;
        begin(scene, &m, false, path, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        await_answer(scene, &m);
        assert_done(m);
        sd_bus_message_unref(m);
        begin(scene, &m, false, path, ASSIGND_ASSIGNMENT_INTERFACE, "Release", "a{sv}", 0);
        await_answer(scene, &m);
        assert_done(m);
        sd_bus_message_unref(m);
        ck_assert_uint_eq(scene->n_asked, n);
}
END_TEST

START_TEST(what_another_user_holds_is_opened_released_and_extended_with_release_others) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_NO);
        _cleanup_free_ char *path = fixture_assign(scene->fixture, "vm:web1", "02:00.0");
        sd_bus_message *m;

        begin(scene, &m, false, path, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        begin(scene, &m, false, MANAGER, "Release", "sa{sv}", "vm:web1", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        ck_assert_uint_eq(scene->n_asked, 2);
        ck_assert_str_eq(scene->asked[0].action, "org.assignd1.release-others");
        assert_has(scene->asked[0].details, "verb=open\n");
        ck_assert_str_eq(scene->asked[1].action, "org.assignd1.release-others");
        assert_has(scene->asked[1].details, "uid=0\n");

        scene->says = SAYS_YES;
        scene->never_to = "owner=vm:web1\nlabel=\nassignment="; /* yes to the device, no to the owner's name */
        begin(scene, &m, false, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "01:00.0", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        ck_assert_str_eq(scene->asked[scene->n_asked - 1].action, "org.assignd1.release-others");

        scene->never_to = NULL;
        begin(scene, &m, false, MANAGER, "Release", "sa{sv}", "vm:web1", 0);
        await_answer(scene, &m);
        assert_done(m);
        sd_bus_message_unref(m);
        ck_assert_uint_eq(fixture_get_u32(scene->fixture, MANAGER, "Assignments"), 0);
}
END_TEST

START_TEST(what_another_user_holds_is_not_had_by_a_rule_alone) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("allow"), SAYS_NO);
        _cleanup_free_ char *path = fixture_assign(scene->fixture, "vm:web1", "02:00.0");
        sd_bus_message *m;

        begin(scene, &m, false, path, ASSIGND_ASSIGNMENT_INTERFACE, "OpenDevices", "a{sv}", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        begin(scene, &m, false, MANAGER, "Release", "sa{sv}", "vm:web1", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "Reserve", "asa{sv}", 1, "01:00.0", 0));
        begin(scene, &m, false, MANAGER, "Unreserve", "asa{sv}", 1, "01:00.0", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        ck_assert_uint_eq(scene->n_asked, 3);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_str_eq(scene->asked[i].action, "org.assignd1.release-others");
        assert_has(scene->asked[2].details, "reservation=1\n");
        ck_assert_uint_eq(fixture_get_u32(scene->fixture, MANAGER, "Assignments"), 1);
}
END_TEST

/* Nobody looks a device up that is not there; its reservation has its address. */
START_TEST(the_reservation_of_a_device_that_has_left_is_still_another_users) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_YES);
        sd_bus_message *m;

        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "Reserve", "asa{sv}", 1, "01:00.0", 0));
        ck_assert_int_ge(unlinkat(scene->fixture->tree->fd, "bus/pci/devices/0000:01:00.0", 0), 0);
        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "Rescan", ""));
        scene->never_to = "reservation=1\n";
        begin(scene, &m, false, MANAGER, "Unreserve", "asa{sv}", 1, "01:00.0", 0);
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        ck_assert_str_eq(scene->asked[0].action, "org.assignd1.release-others");
}
END_TEST

START_TEST(a_holder_is_told_what_it_holds_without_being_asked) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("allow"), SAYS_NO);
        _cleanup_free_ char *path = assign(scene), *roots = fixture_assign(scene->fixture, "vm:secret", "01:00.0");
        sd_bus_message *m;

        begin(scene, &m, false, path, "org.freedesktop.DBus.Properties", "Get", "ss", ASSIGND_ASSIGNMENT_INTERFACE, "Owner");
        await_answer(scene, &m);
        assert_done(m);
        sd_bus_message_unref(m);
        begin(scene, &m, false, ASSIGND_OPERATION_PREFIX "/1", "org.freedesktop.DBus.Properties", "GetAll", "s", ASSIGND_OPERATION_INTERFACE);
        await_answer(scene, &m);
        assert_done(m);
        sd_bus_message_unref(m);
        ck_assert_uint_eq(scene->n_asked, 0);

        begin(scene, &m, false, roots, "org.freedesktop.DBus.Properties", "Get", "ss", ASSIGND_ASSIGNMENT_INTERFACE, "Owner");
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
}
END_TEST

START_TEST(an_override_is_asked_about_beside_the_devices) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("allow"), SAYS_NO);
        sd_bus_message *m;

        begin(scene, &m, false, MANAGER, "Assign", "sasa{sv}", "vm:n", 1, "02:00.0", 1, "override", "as", 1, "no-reset");
        await_answer(scene, &m);
        assert_fails(m, SD_BUS_ERROR_ACCESS_DENIED);
        ck_assert_uint_eq(scene->n_asked, 1);
        ck_assert_str_eq(scene->asked[0].action, "org.assignd1.override-safety");
        assert_has(scene->asked[0].details, "override=no-reset\n");
        assert_has(scene->asked[0].details, "0000:02:00.0");
}
END_TEST

/* The answer to a method of nobody's as text. */
static char *seen(Scene *scene, const char *path, const char *interface, const char *member, const char *types, const char *argument) {
        sd_bus_message *m;
        char *text = NULL;
        size_t size;
        FILE *f;

        if (string_equal(types, "a{sv}"))
                begin(scene, &m, false, path, interface, member, types, 0);
        else if (string_equal(types, "sa{sv}"))
                begin(scene, &m, false, path, interface, member, types, argument, 0);
        else if (string_equal(types, "s"))
                begin(scene, &m, false, path, interface, member, types, argument);
        else
                begin(scene, &m, false, path, interface, member, "");
        await_answer(scene, &m);
        assert_done(m);
        f = open_memstream(&text, &size);
        ck_assert_int_ge(sd_bus_message_dump(m, f, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY), 0);
        ck_assert_int_eq(fclose(f), 0);
        sd_bus_message_unref(m);
        return text;
}

START_TEST(whose_the_others_devices_are_is_shown_only_to_whom_polkit_lets_see_it) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("ask"), SAYS_YES);
        _cleanup_free_ char *path = NULL, *operation = NULL;
        const char *const views[][5] = {
                { MANAGER, "ListGroups", "a{sv}", NULL },
                { MANAGER, "ListAssignments", "a{sv}", NULL },
                { MANAGER, "Explain", "sa{sv}", "02:00.0" },
                { MANAGER, "Explain", "sa{sv}", "group:14" },
                { ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", NULL },
                { ASSIGND_GROUP_PREFIX "/14", "org.freedesktop.DBus.Properties", "GetAll", "s", ASSIGND_GROUP_INTERFACE },
                { NULL, "org.freedesktop.DBus.Properties", "GetAll", "s", ASSIGND_ASSIGNMENT_INTERFACE },
                { ASSIGND_OPERATION_PREFIX "/1", "org.freedesktop.DBus.Properties", "GetAll", "s", ASSIGND_OPERATION_INTERFACE },
        };

        sd_bus_message_unref(fixture_call_well(scene->fixture, MANAGER, "SetLabel", "ssa{sv}", "group:14", "secret-label", 0));
        {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = fixture_call_well(
                                scene->fixture, MANAGER, "Assign", "sasa{sv}", "vm:secret", 1, "02:00.0", 1, "label", "s", "secret-label");
                const char *p;

                ck_assert_int_ge(sd_bus_message_read(m, "o", &p), 0);
                path = strdup(p);
        }

        for (unsigned hidden = 0; hidden < 2; hidden++) {
                scene->never_to = hidden ? "scope=others\n" : NULL;
                for (size_t i = 0; i < ELEMENTSOF(views); i++) {
                        _cleanup_free_ char *text = seen(scene, views[i][0] ?: path, views[i][1], views[i][2], views[i][3], views[i][4]);

                        ck_assert_msg(!hidden == !!strstr(text, "secret"), "%s %s:\n%.4000s", hidden ? "told by" : "not told by", views[i][2], text);
                        while (scene->n_asked > 0) {
                                scene->n_asked--;
                                free(scene->asked[scene->n_asked].action);
                                free(scene->asked[scene->n_asked].details);
                                free(scene->asked[scene->n_asked].sender);
                        }
                }
        }
}
END_TEST

START_TEST(a_refusal_does_not_tell_a_stranger_who_holds_it) {
        _cleanup_scene_ Scene *scene = scene_new(RULE("allow"), SAYS_NO);
        _cleanup_free_ char *path = fixture_assign(scene->fixture, "vm:secret", "02:00.0");
        sd_bus_message *m;

        begin(scene, &m, false, ASSIGN);
        await_answer(scene, &m);
        ck_assert_ptr_nonnull(sd_bus_message_get_error(m));
        ck_assert_ptr_null(strstr(sd_bus_message_get_error(m)->message, "secret"));
        assert_fails(m, ASSIGND_ERROR_OWNED);
}
END_TEST

BUS_SUITE("bus-authorize", yes_is_told_all_that_a_rule_can_match_on_and_lets_the_call_in, each_device_is_asked_about_and_one_no_is_enough,
          everything_but_yes_is_no_and_nothing_changes, a_polkit_that_never_answers_is_a_no_and_is_told_to_forget_it, a_second_yes_does_nothing_more,
          a_caller_that_leaves_is_forgotten_by_both, a_label_that_changed_meanwhile_makes_the_answer_stale,
          a_driver_that_changed_meanwhile_makes_the_answer_stale, a_device_that_left_meanwhile_is_not_assigned,
          a_policy_that_changed_meanwhile_makes_the_answer_stale, one_connection_has_eight_calls_wait_and_root_is_served_meanwhile,
          one_user_has_thirty_two_calls_wait, root_is_asked_nothing, who_the_policy_allows_is_asked_nothing,
          who_the_policy_denies_has_nobody_to_ask_and_leaves_no_trace, a_holder_opens_and_releases_without_being_asked_again,
          what_another_user_holds_is_opened_released_and_extended_with_release_others, an_override_is_asked_about_beside_the_devices,
          a_holder_is_told_what_it_holds_without_being_asked, what_another_user_holds_is_not_had_by_a_rule_alone, the_reservation_of_a_device_that_has_left_is_still_another_users,
          whose_the_others_devices_are_is_shown_only_to_whom_polkit_lets_see_it, a_refusal_does_not_tell_a_stranger_who_holds_it)
