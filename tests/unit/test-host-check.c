/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Whether a host is called fit for giving devices away is what an administrator would find who tried. */

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/host-check.h"

/* The finding's level; there must be exactly one. */
static FindingLevel level_of(const char *code) {
        _cleanup_(finding_list_done) FindingList list = {};
        FindingLevel level = _FINDING_LEVEL_MAX;

        ck_assert_int_eq(host_check(daemon_scene.manager, &list), 0);
        for (size_t i = 0; i < list.n_items; i++)
                if (string_equal(list.items[i].code, code)) {
                        ck_assert_int_eq(level, _FINDING_LEVEL_MAX);
                        level = list.items[i].level;
                }
        return level;
}

static void reload(void) {
        ck_assert_int_eq(manager_reload(daemon_scene.manager, &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        loop_drain();
}

START_TEST(a_host_with_a_group_to_give_away_is_fit) {
        scene_start();
        ck_assert_int_eq(level_of("assignable"), FINDING_OK);
        ck_assert_int_eq(level_of("iommu"), FINDING_OK);
        ck_assert_int_eq(level_of("policy"), FINDING_OK);
        ck_assert_int_eq(level_of("daemon"), FINDING_OK);
}
END_TEST

START_TEST(a_policy_that_gives_root_nothing_leaves_nothing_to_assign) {
        scene_write_policy("a.json", "{'version':1,'rules':[{'caller':{'users':[0]},'verdict':'deny'}]}");
        scene_start();
        ck_assert_int_eq(level_of("assignable"), FINDING_PROBLEM);
        scene_write_policy("a.json", "{'version':1,'rules':[{'caller':{'users':[0]},'match':{'address':'0000:02:*'},'verdict':'allow'},"
                                     "{'caller':{'users':[0]},'verdict':'deny'}]}");
        reload();
        ck_assert_int_eq(level_of("assignable"), FINDING_OK);
}
END_TEST

START_TEST(what_is_protected_counts_as_not_assignable) {
        scene_write_policy("a.json", "{'version':1,'protect':[{'match':{},'reason':'all of it'}]}");
        scene_start();
        ck_assert_int_eq(level_of("assignable"), FINDING_PROBLEM);
}
END_TEST

START_TEST(labels_alone_do_not_keep_a_group_unless_they_differ_within_it) {
        scene_write_policy("a.json", "{'version':1,'labels':[{'match':{},'label':'a'}]}");
        scene_start();
        ck_assert_int_eq(level_of("assignable"), FINDING_OK);
        scene_write_policy("a.json", "{'version':1,'labels':[{'match':{'address':'0000:02:00.0'},'label':'a'}],'rules':[{'match':{'address':'0000:02:*'},"
                                     "'verdict':'allow'},{'verdict':'deny'}]}");
        reload();
        ck_assert_int_eq(level_of("assignable"), FINDING_PROBLEM);
}
END_TEST

START_TEST(a_daemon_without_a_usable_policy_assigns_nothing_whatever_is_assigned) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(level_of("assignable"), FINDING_OK);
        scene_write_policy("a.json", "{");
        reload(); /* the one before stays in force */
        ck_assert_int_eq(level_of("policy"), FINDING_PROBLEM);
        ck_assert_int_eq(level_of("assignable"), FINDING_OK);
        scene_stop();
        scene_start();
        ck_assert_int_eq(level_of("policy"), FINDING_PROBLEM);
        ck_assert_int_eq(level_of("assignable"), FINDING_PROBLEM);
}
END_TEST

/* A disk that is full for every file that is longer than this. */
static void limit_files(rlim_t bytes) {
        struct rlimit limit;

        ck_assert_ptr_ne(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = bytes;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_database_that_cannot_be_written_lets_nothing_be_assigned) {
        scene_start();
        limit_files(4096);
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_DEGRADED, "No space left");
        ck_assert_int_eq(level_of("daemon"), FINDING_PROBLEM);
        ck_assert_int_eq(level_of("assignable"), FINDING_PROBLEM);
        limit_files(RLIM_INFINITY);
        ck_assert_int_eq(level_of("daemon"), FINDING_OK); /* whoever asks looks again */
        ck_assert_int_eq(level_of("assignable"), FINDING_OK);
}
END_TEST

DAEMON_SUITE("host-check", a_host_with_a_group_to_give_away_is_fit, a_policy_that_gives_root_nothing_leaves_nothing_to_assign,
             what_is_protected_counts_as_not_assignable, labels_alone_do_not_keep_a_group_unless_they_differ_within_it,
             a_daemon_without_a_usable_policy_assigns_nothing_whatever_is_assigned, a_database_that_cannot_be_written_lets_nothing_be_assigned)
