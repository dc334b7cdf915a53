/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/request.h"

#include <string.h>

#include "base/strutil.h"
#include "machine.h"
#include "suite.h"

/* A text of `n` times `c`; the caller frees it. */
static char *repeated(char c, size_t n) {
        char *s = malloc(n + 1);

        ck_assert_ptr_nonnull(s);
        memset(s, c, n);
        s[n] = '\0';
        return s;
}

static void assert_check(const Request *request, RefusalCode code, const char *said) {
        _cleanup_(refusal_done) Refusal refusal = {};

        ck_assert_int_eq(request_check(request, &refusal), 0);
        ck_assert_msg(refusal.code == code, "code %d, message %s", (int) refusal.code, refusal.message);
        if (code == REFUSAL_NONE)
                ck_assert_ptr_null(refusal.message);
        else {
                ck_assert_msg(strstr(refusal.message, said), "\"%s\" does not say \"%s\"", refusal.message, said);
                ck_assert_msg(string_is_printable(refusal.message, 400), "\"%s\" is not fit to print", refusal.message);
        }
}

static void assert_owner(const char *owner, RefusalCode code, const char *said) {
        Request request = { .verb = VERB_ASSIGN, .owner = (char *) owner, .targets = TARGETS("0000:02:00.0") };

        assert_check(&request, code, said);
}

static void assert_target(const char *target, RefusalCode code, const char *said) {
        Request request = { .verb = VERB_ASSIGN, .owner = (char *) "vm:web1", .targets = TARGETS("02:00.0", target) };

        assert_check(&request, code, said);
}

START_TEST(a_good_request_is_not_refused) {
        Request request = {
                .verb = VERB_ASSIGN,
                .owner = (char *) "vm:web1",
                .targets = TARGETS("0000:02:00.0", "02:00.1", "group:14", "0000:02:00.0"),
                .label = (char *) "tenant-a",
                .overrides = TARGETS("no-reset"),
        };

        assert_check(&request, REFUSAL_NONE, NULL);
}
END_TEST

START_TEST(owner_names_are_printable_and_bounded) {
        _cleanup_free_ char *most = repeated('x', OWNER_NAME_MAX), *more = repeated('x', OWNER_NAME_MAX + 1), *huge = repeated('x', 4096);

        assert_owner("a", REFUSAL_NONE, NULL);
        assert_owner("Büro, zweiter Rechner", REFUSAL_NONE, NULL);
        assert_owner(most, REFUSAL_NONE, NULL);
        assert_owner(more, REFUSAL_INVALID_ARGUMENT, "longer than 128 bytes");
        assert_owner(huge, REFUSAL_INVALID_ARGUMENT, "longer than 128 bytes");
        assert_owner("", REFUSAL_INVALID_ARGUMENT, "empty");
        assert_owner(" vm", REFUSAL_INVALID_ARGUMENT, "blank");
        assert_owner("vm ", REFUSAL_INVALID_ARGUMENT, "blank");
        assert_owner("vm\n", REFUSAL_INVALID_ARGUMENT, "vm\\x0a");
        assert_owner("vm\x1b[2J", REFUSAL_INVALID_ARGUMENT, "control characters");
        assert_owner("vm\x7f", REFUSAL_INVALID_ARGUMENT, "vm\\x7f");
        assert_owner("vm\xff", REFUSAL_INVALID_ARGUMENT, "vm\\xff");
        assert_owner("\xc3", REFUSAL_INVALID_ARGUMENT, "UTF-8");
}
END_TEST

START_TEST(owner_names_do_not_look_like_targets) {
        assert_owner("0000:02:00.0", REFUSAL_INVALID_ARGUMENT, "form of a target");
        assert_owner("02:00.0", REFUSAL_INVALID_ARGUMENT, "form of a target");
        assert_owner("group:14", REFUSAL_INVALID_ARGUMENT, "form of a target");
        assert_owner("group:web", REFUSAL_NONE, NULL);
}
END_TEST

START_TEST(malformed_targets_are_named_and_what_was_expected) {
        static const char *const bad[] = {
                "", " ", "0000:02:00", "0000:02:00.8", "zz:00.0", "group:", "group:-1", "group: 1", "group:1x", "group:4294967295",
                "group:4294967296", "group:99999999999999999999", "group:0x1", "Group:1", "../0000:02:00.0", "../../etc/passwd", "/sys",
                "0000:02:00.0/../0000:02:00.1", "0000:02:00.0 ", "eth0",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_target(bad[i], REFUSAL_INVALID_TARGET, bad[i]);
                assert_target(bad[i], REFUSAL_INVALID_TARGET, "0000:02:00.0 or 02:00.0");
        }
}
END_TEST

START_TEST(unprintable_and_huge_targets_are_shown_escaped_and_short) {
        _cleanup_free_ char *huge = repeated('a', 4096), *zeros = repeated('0', 100), *number = NULL;

        assert_target("0000:02:00.0\n", REFUSAL_INVALID_TARGET, "0000:02:00.0\\x0a");
        assert_target("\x01\xff", REFUSAL_INVALID_TARGET, "\\x01\\xff");
        assert_target(huge, REFUSAL_INVALID_TARGET, "aaa...\"");
        ck_assert_int_eq(string_format(&number, "group:%s1", zeros), 0);
        assert_target(number, REFUSAL_INVALID_TARGET, "000...\"");
}
END_TEST

START_TEST(too_many_targets_are_too_many) {
        char *targets[1001] = {};
        Request request = { .verb = VERB_RESERVE, .targets = targets };

        for (size_t i = 0; i < TARGETS_MAX; i++)
                targets[i] = (char *) "group:14";
        assert_check(&request, REFUSAL_NONE, NULL);

        targets[TARGETS_MAX] = (char *) "group:14";
        assert_check(&request, REFUSAL_LIMITS_EXCEEDED, "257 targets");

        for (size_t i = 0; i < 1000; i++)
                targets[i] = (char *) "not even a target";
        assert_check(&request, REFUSAL_LIMITS_EXCEEDED, "1000 targets");
}
END_TEST

START_TEST(each_verb_asks_for_what_it_needs) {
        static const struct {
                Verb verb;
                bool owner, targets;
                RefusalCode code;
                const char *said;
        } cases[] = {
                { VERB_ASSIGN, true, true, REFUSAL_NONE, NULL },
                { VERB_ASSIGN, false, true, REFUSAL_INVALID_ARGUMENT, "No owner" },
                { VERB_ASSIGN, true, false, REFUSAL_INVALID_TARGET, "No target" },
                { VERB_RELEASE, true, false, REFUSAL_NONE, NULL },
                { VERB_RELEASE, false, true, REFUSAL_NONE, NULL },
                { VERB_RELEASE, false, false, REFUSAL_INVALID_TARGET, "No target" },
                { VERB_RESERVE, false, true, REFUSAL_NONE, NULL },
                { VERB_RESERVE, false, false, REFUSAL_INVALID_TARGET, "No target" },
                { VERB_UNRESERVE, false, true, REFUSAL_NONE, NULL },
                { VERB_UNRESERVE, false, false, REFUSAL_INVALID_TARGET, "No target" },
                { VERB_OPEN, true, false, REFUSAL_NONE, NULL },
                { VERB_RECOVER, false, true, REFUSAL_NONE, NULL },
                { VERB_RECOVER, false, false, REFUSAL_INVALID_TARGET, "No target" },
                { VERB_GUARD, false, true, REFUSAL_NOT_SUPPORTED, "by assignd itself" },
                { VERB_GRANT, false, true, REFUSAL_NOT_SUPPORTED, "by assignd itself" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Request request = {
                        .verb = cases[i].verb,
                        .owner = cases[i].owner ? (char *) "vm:web1" : NULL,
                        .targets = cases[i].targets ? TARGETS("group:14") : NULL,
                };

                assert_check(&request, cases[i].code, cases[i].said);
                if (!cases[i].targets) {
                        request.targets = TARGETS(NULL);
                        assert_check(&request, cases[i].code, cases[i].said);
                }
        }
}
END_TEST

START_TEST(labels_are_printable_and_bounded) {
        _cleanup_free_ char *more = repeated('x', LABEL_MAX + 1);
        const char *bad[] = { "", "a\nb", "\xff", more };
        Request request = { .verb = VERB_ASSIGN, .owner = (char *) "vm:web1", .targets = TARGETS("group:14") };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                request.label = (char *) bad[i];
                assert_check(&request, REFUSAL_INVALID_ARGUMENT, "1 to 128 bytes");
        }
}
END_TEST

START_TEST(overrides_are_codes_of_blockers) {
        Request request = { .verb = VERB_ASSIGN, .owner = (char *) "vm:web1", .targets = TARGETS("group:14") };
        char *many[100] = {};

        request.overrides = TARGETS("no-reset", "everything");
        assert_check(&request, REFUSAL_INVALID_ARGUMENT, "\"everything\"");

        for (size_t i = 0; i < ELEMENTSOF(many) - 1; i++)
                many[i] = (char *) "no-reset";
        request.overrides = many;
        assert_check(&request, REFUSAL_LIMITS_EXCEEDED, "99 overrides");
}
END_TEST

START_TEST(a_verb_that_is_none_is_an_error_of_ours) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Request request = { .verb = _VERB_INVALID };

        ck_assert_int_eq(request_check(&request, &refusal), -EINVAL);
        ck_assert_int_eq(refusal.code, REFUSAL_NONE);
}
END_TEST

START_TEST(targets_are_devices_or_groups) {
        Target target;

        ck_assert_int_eq(target_parse("02:00.1", &target), 0);
        ck_assert(!target.is_group);
        ck_assert_uint_eq(target.group, GROUP_NONE);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&target.address), "0000:02:00.1");

        ck_assert_int_eq(target_parse("group:14", &target), 0);
        ck_assert(target.is_group);
        ck_assert_uint_eq(target.group, 14);

        ck_assert_int_eq(target_parse("14", &target), -EINVAL);
        ck_assert_uint_eq(target.group, 14);
}
END_TEST

START_TEST(verbs_and_backends_have_words_both_ways) {
        for (Verb verb = 0; verb < _VERB_MAX; verb++)
                ck_assert_int_eq(verb_from_string(verb_to_string(verb)), verb);
        for (Backend backend = 0; backend < _BACKEND_MAX; backend++)
                ck_assert_int_eq(backend_from_string(backend_to_string(backend)), backend);

        ck_assert_str_eq(verb_to_string(VERB_UNRESERVE), "unreserve");
        ck_assert_str_eq(backend_to_string(BACKEND_IOMMUFD), "iommufd");
        ck_assert_int_eq(verb_from_string("steal"), _VERB_INVALID);
        ck_assert_int_eq(backend_from_string(NULL), _BACKEND_INVALID);
        ck_assert_ptr_null(verb_to_string(_VERB_MAX));
        ck_assert_ptr_null(backend_to_string(_BACKEND_INVALID));
}
END_TEST

START_TEST(a_caller_is_copied_whole) {
        char name[] = ":1.42";
        Caller caller = { .uid = 1000, .pid = 77, .bus_name = name };
        _cleanup_(caller_done) Caller copy = {};

        ck_assert_int_eq(caller_copy(&caller, &copy), 0);
        name[1] = 'X';
        ck_assert_uint_eq(copy.uid, 1000);
        ck_assert_int_eq(copy.pid, 77);
        ck_assert_str_eq(copy.bus_name, ":1.42");
}
END_TEST

START_TEST(a_request_that_is_done_owns_nothing) {
        Request request = { .verb = VERB_ASSIGN };

        ck_assert_int_eq(string_copy("vm:web1", &request.owner), 0);
        ck_assert_int_eq(string_copy("tenant-a", &request.label), 0);
        ck_assert_int_eq(string_copy(":1.42", &request.caller.bus_name), 0);
        ck_assert_int_eq(strv_append(&request.targets, "group:14"), 0);
        ck_assert_int_eq(strv_append(&request.overrides, "no-reset"), 0);
        request_done(&request);
        ck_assert_ptr_null(request.owner);
        ck_assert_ptr_null(request.targets);
        request_done(&request);
}
END_TEST

static RefusalCode access_of(const Request *request, bool *wanted, NodeAccess *access) {
        _cleanup_(refusal_done) Refusal refusal = {};

        ck_assert_int_eq(request_get_node_access(request, 100, wanted, access, &refusal), 0);
        return refusal.code;
}

START_TEST(roots_nodes_are_left_alone_unless_it_asks) {
        Request request = { .verb = VERB_ASSIGN };
        NodeAccess access;
        bool wanted;

        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_NONE);
        ck_assert(!wanted);
        request.has_node_user = true;
        request.node_user = 1000;
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_NONE);
        ck_assert(wanted);
        ck_assert_str_eq(NODE_ACCESS_FORMAT(&access), "1000:100:0600");
        request.has_node_group = request.has_node_mode = true;
        request.node_group = 36;
        request.node_mode = 0660;
        request.node_context = (char *) "a:b:c";
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_NONE);
        ck_assert_str_eq(NODE_ACCESS_FORMAT(&access), "1000:36:0660 a:b:c");
}
END_TEST

START_TEST(others_get_their_own_nodes_and_nobody_elses) {
        gid_t groups[] = { 36, 37 };
        Request request = { .verb = VERB_ASSIGN, .caller = { .uid = 1000, .gids = groups, .n_gids = 2, .has_gids = true } };
        NodeAccess access;
        bool wanted = false;

        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_NONE);
        ck_assert(wanted);
        ck_assert_str_eq(NODE_ACCESS_FORMAT(&access), "1000:100:0600");
        request.has_node_group = true;
        request.node_group = 37;
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_NONE);
        ck_assert_uint_eq(access.gid, 37);
        request.node_group = 0;
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_DENIED);
        request.has_node_group = false;
        request.has_node_user = true;
        request.node_user = 0;
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_DENIED);
        request.node_user = 1000;
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_NONE);
}
END_TEST

START_TEST(nodes_are_never_for_everybody) {
        static const uint32_t bad[] = { 0666, 0604, 0700, 01600, 04600, UINT32_MAX };
        Request request = { .verb = VERB_ASSIGN, .has_node_mode = true };
        NodeAccess access;
        bool wanted;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                request.node_mode = bad[i];
                ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_INVALID_ARGUMENT);
        }
        request = (Request) { .verb = VERB_ASSIGN, .has_node_user = true, .node_user = UINT32_MAX };
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_INVALID_ARGUMENT);
        request = (Request) { .verb = VERB_ASSIGN, .node_context = (char *) "a b" };
        ck_assert_int_eq(access_of(&request, &wanted, &access), REFUSAL_INVALID_ARGUMENT);
}
END_TEST

SUITE("request",
      a_good_request_is_not_refused,
      owner_names_are_printable_and_bounded,
      owner_names_do_not_look_like_targets,
      malformed_targets_are_named_and_what_was_expected,
      unprintable_and_huge_targets_are_shown_escaped_and_short,
      too_many_targets_are_too_many,
      each_verb_asks_for_what_it_needs,
      labels_are_printable_and_bounded,
      overrides_are_codes_of_blockers,
      a_verb_that_is_none_is_an_error_of_ours,
      targets_are_devices_or_groups,
      verbs_and_backends_have_words_both_ways,
      a_caller_is_copied_whole,
      roots_nodes_are_left_alone_unless_it_asks,
      others_get_their_own_nodes_and_nobody_elses,
      nodes_are_never_for_everybody,
      a_request_that_is_done_owns_nothing)
