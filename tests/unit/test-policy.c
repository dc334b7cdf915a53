/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Policy in a daemon: what its files let whom do, and what happens to files that cannot be used. */

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "daemon-scene.h"

#define ALICE 1000U
#define BOB 1001U

static Manager *manager(void) {
        return daemon_scene.manager;
}

static Request by(uid_t uid, Request request) {
        request.caller.uid = uid;
        request.caller.has_gids = true;
        ck_assert_int_eq(string_copy(":1.7", &request.caller.bus_name), 0);
        return request;
}

static Request asked(Request request) {
        request.caller.asked = true;
        return request;
}

static Request overriding(const char *code, Request request) {
        ck_assert_int_eq(strv_append(&request.overrides, code), 0);
        return request;
}

static void assign_well(Request request) {
        Operation *operation = begin_request(request);

        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
}

static RefusalCode open_asked(uid_t uid, uint64_t assignment, bool asked) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;
        Caller caller = { .uid = uid, .has_gids = true, .asked = asked };

        ck_assert_int_eq(string_copy(":1.7", &caller.bus_name), 0);
        ck_assert_int_eq(manager_open(manager(), assignment, NULL, &caller, &refusal, &operation), 0);
        if (operation)
                await_end(operation);
        return refusal.code;
}

static RefusalCode open_as(uid_t uid, uint64_t assignment) {
        return open_asked(uid, assignment, /* asked= */ false);
}

static void reload(void) {
        ck_assert_int_eq(manager_reload(manager(), &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        loop_drain();
}

static void assert_health(const char *expected) {
        const char *health = manager_health(manager());

        ck_assert_msg(strstr(health, expected), "%s", health);
}

START_TEST(without_files_root_may_everything_and_nobody_else_anything) {
        scene_start();
        ck_assert_str_eq(manager_health(manager()), "ok");
        request_refused(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED,
                        "No rule of the policy lets uid 1000 assign 0000:02:00.0");
        assign_well(by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        assert_rows("SELECT blockers FROM audit_log WHERE outcome = 'refused'",
                    "policy-denied 0000:02:00.0: No rule of the policy lets uid 1000 assign 0000:02:00.0; "
                    "policy-denied 0000:02:00.1: No rule of the policy lets uid 1000 assign 0000:02:00.1\n");
}
END_TEST

START_TEST(directory_need_not_exist) {
        ck_assert_int_eq(rmdir(daemon_scene.policy_path), 0);
        scene_start();
        ck_assert_str_eq(manager_health(manager()), "ok");
}
END_TEST

START_TEST(a_rule_lets_a_user_have_what_it_is_about) {
        scene_write_policy("50-alice.json", "{'version':1,'rules':[{'name':'cards','match':{'address':'0000:02:*'},'caller':{'users':[1000],'owner':'vm:*'},"
                                            "'verbs':['assign','open'],'verdict':'allow'}]}");
        scene_start();
        request_refused(by(BOB, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "uid 1001");
        request_refused(by(ALICE, make_request(VERB_ASSIGN, "ct:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "uid 1000");
        request_refused(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", NULL)), REFUSAL_DENIED, "0000:01:00.0");
        assign_well(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        /* what is one's own needs no rule */
        ck_assert_int_eq(open_as(ALICE, manager()->assignments.items[0]->id), REFUSAL_NONE);
        request_refused(by(BOB, make_request(VERB_RELEASE, "vm:a", NULL)), REFUSAL_DENIED, "belongs to another user");
        assign_well(by(ALICE, make_request(VERB_RELEASE, "vm:a", NULL)));
}
END_TEST

START_TEST(companions_have_to_be_allowed_as_well) {
        scene_write_policy("a.json", "{'version':1,'rules':[{'match':{'address':'0000:02:00.0'},'verdict':'allow'}]}");
        scene_start();
        request_refused(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "0000:02:00.1");
        assert_rows("SELECT blockers FROM audit_log", "policy-denied 0000:02:00.1: No rule of the policy lets uid 1000 assign 0000:02:00.1\n");
}
END_TEST

START_TEST(who_may_have_a_device_may_not_take_it_from_somebody) {
        uint64_t id;

        scene_write_policy("a.json", "{'version':1,'rules':[{'caller':{'users':[1001]},'verdict':'allow'}]}");
        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(open_as(BOB, id), REFUSAL_DENIED);
        request_refused(by(BOB, make_request(VERB_RELEASE, "vm:a", NULL)), REFUSAL_DENIED, "polkit has to allow it as well as the rule a.json:1");
        release("vm:a");
        assign_well(by(0, make_request(VERB_RESERVE, NULL, "0000:02:00.0", NULL)));
        request_refused(by(BOB, make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", NULL)), REFUSAL_DENIED, "Reservation 1 belongs to another user");
        assign_well(asked(by(BOB, make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", NULL))));
}
END_TEST

START_TEST(a_rule_for_open_and_release_is_about_what_others_hold) {
        uint64_t id;

        scene_write_policy("a.json", "{'version':1,'rules':[{'caller':{'users':[1001],'owner':'vm:a'},'verbs':['open','release'],'verdict':'allow'}]}");
        scene_start();
        id = assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(open_asked(ALICE, id, true), REFUSAL_DENIED);
        ck_assert_int_eq(open_asked(BOB, id, true), REFUSAL_NONE);
        assign_well(asked(by(BOB, make_request(VERB_RELEASE, "vm:a", NULL))));
        (void) assign("vm:b", "0000:02:00.0");
        request_refused(asked(by(BOB, make_request(VERB_RELEASE, "vm:b", NULL))), REFUSAL_DENIED, "uid 1001");
}
END_TEST

/* Rules about a driver mean the host's, whatever the device is on at the moment. */
START_TEST(driver_of_a_rule_is_the_hosts) {
        scene_write_policy("a.json", "{'version':1,'rules':[{'match':{'driver':'e1000e'},'caller':{'users':[1001]},'verbs':['release'],'verdict':'allow'}]}");
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        assert_driver(&nic, "vfio-pci");
        assign_well(asked(by(BOB, make_request(VERB_RELEASE, "vm:a", NULL))));
}
END_TEST

START_TEST(denial_names_its_rule_and_may_be_of_root) {
        scene_write_policy("10-first.json", "{'version':1,'rules':[\n{'name':'no cards','match':{'class':'02*'},'verdict':'deny'}]}");
        scene_write_policy("20-second.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        scene_start();
        request_refused(by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED,
                        "The rule 10-first.json:2 (no cards) does not let uid 0 assign 0000:02:00.0");
        request_refused(overriding("policy-denied", by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL))), REFUSAL_DENIED, "10-first.json:2");
        assign_well(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:05:00.1", NULL)));
}
END_TEST

START_TEST(what_a_rule_wants_to_ask_is_denied_to_all_but_root) {
        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'ask'}]}");
        scene_start();
        request_refused(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "leaves it to polkit");
        assign_well(by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
}
END_TEST

START_TEST(protected_devices_go_only_past_an_override) {
        scene_write_policy("a.json", "{'version':1,'protect':[{'match':{'address':'0000:02:00.1'},'reason':'the management network'}]}");
        scene_start();
        request_refused(by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED,
                        "0000:02:00.1 is protected by a.json:1: the management network");
        assign_well(overriding("policy-denied", by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL))));
}
END_TEST

START_TEST(reload_puts_new_rules_in_force) {
        scene_start();
        request_refused(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "uid 1000");
        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        request_refused(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "uid 1000"); /* not before */
        reload();
        assign_well(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
}
END_TEST

START_TEST(one_bad_file_leaves_all_of_the_last_good_set_in_force) {
        scene_write_policy("10-good.json", "{'version':1,'rules':[{'caller':{'users':[1000]},'verdict':'allow'}]}");
        scene_start();
        scene_write_policy("10-good.json", "{'version':1,'rules':[{'caller':{'users':[1001]},'verdict':'allow'}]}");
        scene_write_policy("20-bad.json", "{'version':1,\n 'rules':[{'verdict':'alow'}]}");
        reload();
        assert_health("has an error, and the one before stays in force: 20-bad.json:2:22: found \"alow\", expected \"allow\", \"deny\" or \"ask\"");
        request_refused(by(BOB, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "uid 1001");
        assign_well(by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        scene_write_policy("20-bad.json", NULL);
        reload();
        ck_assert_str_eq(manager_health(manager()), "ok");
        assign_well(by(BOB, make_request(VERB_ASSIGN, "vm:b", "0000:01:00.0", NULL)));
}
END_TEST

START_TEST(a_daemon_that_starts_with_a_bad_file_gives_nothing_away) {
        scene_write_policy("a.json", "{'version':1,'rules':[}");
        scene_start();
        assert_health("nothing is assigned until it is mended: a.json:1:23: found unexpected token near '}', expected valid JSON");
        request_refused(by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_DENIED, "Who may have what is not known");
        assign_well(overriding("policy-denied", by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL))));
        assign_well(by(0, make_request(VERB_RELEASE, "vm:a", NULL)));
        scene_write_policy("a.json", "{'version':1}");
        reload();
        ck_assert_str_eq(manager_health(manager()), "ok");
        assign_well(by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
}
END_TEST

START_TEST(only_json_files_that_are_not_hidden_are_read) {
        scene_write_policy("a.json~", "{");
        scene_write_policy(".a.json", "{");
        scene_write_policy("README", "{");
        scene_write_policy(".json", "{");
        scene_start();
        ck_assert_str_eq(manager_health(manager()), "ok");
        ck_assert_uint_eq(strv_length(manager()->policy.set.files), 0);
}
END_TEST

#define RELOADS "SELECT verb, uid, pid, caller, outcome, error, message FROM audit_log WHERE verb = 'reload'"

START_TEST(reload_that_changes_the_policy_is_a_row) {
        const Caller caller = { .uid = 7, .pid = 4711, .bus_name = (char *) ":1.3" };

        scene_start();
        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        scene_write_policy("b.json", "{'version':1}");
        ck_assert_int_eq(manager_reload(manager(), &caller), 0);
        assert_rows(RELOADS, "reload|7|4711|:1.3|done||The policy in force is 1 rules, 0 labels, 0 claims, 0 protections and 0 resets, from a.json b.json\n");
}
END_TEST

/* Another place of the same is no other policy. */
START_TEST(reload_that_changes_nothing_leaves_no_row) {
        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        scene_start();
        reload();
        scene_write_policy("a.json", NULL);
        scene_write_policy("b.json", "{'version':1,\n'rules':[\n{'verdict':'allow'}]}");
        reload();
        assert_rows(RELOADS, "");
        ck_assert_str_eq(manager()->policy.set.rules[0].origin.file, "b.json");
}
END_TEST

START_TEST(reload_that_is_refused_is_a_row_and_so_is_its_mending) {
        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        scene_start();
        scene_write_policy("b.json", "{'version':1,\n'rules':[{'verdict':'alow'}]}");
        reload();
        assert_rows("SELECT outcome, error, caller FROM audit_log", "refused|Failed|:1.9\n");
        assert_rows("SELECT count(*) FROM audit_log WHERE message LIKE '%has an error, and the one before stays in force: b.json:2:21: found \"alow\", expected%'", "1\n");
        scene_write_policy("b.json", NULL);
        reload();
        assert_rows("SELECT outcome, message FROM audit_log WHERE id = 2",
                    "done|The policy in force is 1 rules, 0 labels, 0 claims, 0 protections and 0 resets, from a.json\n");
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

START_TEST(a_policy_whose_row_cannot_be_written_is_not_in_force) {
        scene_start();
        scene_write_policy("a.json", "{'version':1,'rules':[{'verdict':'allow'}]}");
        limit_files(4096);
        reload();
        assert_health("degraded");
        limit_files(RLIM_INFINITY);
        assign_well(by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        assert_health("the policy was not reloaded, as that could not be recorded in the audit trail (No space left on device)");
        ck_assert_uint_eq(manager()->policy.set.n_rules, 0);
        reload();
        ck_assert_str_eq(manager_health(manager()), "ok");
        ck_assert_uint_eq(manager()->policy.set.n_rules, 1);
        assert_rows("SELECT count(*) FROM audit_log WHERE verb = 'reload'", "1\n");
}
END_TEST

START_TEST(files_whose_names_cannot_be_printed_are_refused) {
        scene_write_policy("a\nb.json", "{'version':1}");
        scene_start();
        assert_health("a\\x0ab.json: found a name that cannot be printed");
}
END_TEST

static char *file_path(const char *name) {
        char *path;

        ck_assert_int_ge(asprintf(&path, "%s/%s", daemon_scene.policy_path, name), 0);
        return path;
}

START_TEST(files_that_others_could_have_written_are_refused) {
        _cleanup_free_ char *path = file_path("a.json"), *fifo = file_path("b.json"), *link = file_path("c.json");

        scene_write_policy("a.json", "{'version':1}");
        scene_start();
        ck_assert_int_eq(chmod(path, 0664), 0);
        reload();
        assert_health("a.json: found a file that others than its owner can write, expected a policy that only root can write");
        ck_assert_int_eq(chmod(path, 0644), 0);
        if (geteuid() == 0) {
                ck_assert_int_eq(chown(path, 1000, 0), 0);
                reload();
                assert_health("a.json: found a file of another user than root");
                ck_assert_int_eq(chown(path, 0, 0), 0);
        }
        ck_assert_int_eq(mkfifo(fifo, 0600), 0);
        reload();
        assert_health("b.json: found something that is not a file");
        ck_assert_int_eq(unlink(fifo), 0);
        ck_assert_int_eq(symlink("nowhere", link), 0);
        reload();
        assert_health("c.json: found No such file or directory, expected a file that can be opened");
        ck_assert_int_eq(unlink(link), 0);
        reload();
        ck_assert_str_eq(manager_health(manager()), "ok");
}
END_TEST

START_TEST(all_errors_of_all_files_are_counted) {
        scene_write_policy("a.json", "{'version':1,'rules':[{},{}]}");
        scene_write_policy("b.json", "{}");
        scene_start();
        ck_assert_uint_eq(manager()->policy.errors.n_items, 3);
        assert_health("has 3 errors");
        assert_health("The first: a.json:1:23:");
}
END_TEST

START_TEST(reservations_are_asked_for_too) {
        Request request;

        scene_write_policy("a.json", "{'version':1,'labels':[{'match':{'driver':'e1000e'},'label':'a'}],'rules':["
                                     "{'match':{'driver':'e1000e'},'caller':{'users':[1000]},'verbs':['reserve'],'verdict':'allow'},"
                                     "{'match':{'driver':'e1000e'},'caller':{'users':[1001]},'verbs':['unreserve'],'verdict':'allow'}]}");
        scene_start();
        request_refused(by(BOB, make_request(VERB_RESERVE, NULL, "0000:02:00.0", NULL)), REFUSAL_DENIED, "uid 1001 reserve 0000:02:00.0");
        assign_well(by(ALICE, make_request(VERB_RESERVE, NULL, "0000:02:00.0", NULL)));
        /* on top of it: the host's driver is still e1000e */
        request = by(0, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL));
        ck_assert_int_eq(string_copy("a", &request.label), 0);
        assign_well(request);
        release("vm:a");
        request_refused(by(1002, make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", NULL)), REFUSAL_DENIED, "belongs to another user");
        assign_well(asked(by(BOB, make_request(VERB_UNRESERVE, NULL, "0000:02:00.0", NULL))));
        assert_driver(&nic, "e1000e");
}
END_TEST

START_TEST(plan_says_what_policy_would_say) {
        _cleanup_(request_done) Request request = by(ALICE, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL));
        _cleanup_(plan_result_done) PlanResult result = {};

        scene_start();
        ck_assert_int_eq(manager_plan(manager(), &request, &result), 0);
        ck_assert_int_eq(result.refusal.code, REFUSAL_DENIED);
        ck_assert_uint_eq(result.refusal.blockers.n_items, 2);
}
END_TEST

DAEMON_SUITE("policy", without_files_root_may_everything_and_nobody_else_anything, directory_need_not_exist,
             a_rule_lets_a_user_have_what_it_is_about, companions_have_to_be_allowed_as_well,
             who_may_have_a_device_may_not_take_it_from_somebody, a_rule_for_open_and_release_is_about_what_others_hold,
             driver_of_a_rule_is_the_hosts, denial_names_its_rule_and_may_be_of_root, what_a_rule_wants_to_ask_is_denied_to_all_but_root,
             protected_devices_go_only_past_an_override, reload_puts_new_rules_in_force, one_bad_file_leaves_all_of_the_last_good_set_in_force,
             a_daemon_that_starts_with_a_bad_file_gives_nothing_away, only_json_files_that_are_not_hidden_are_read,
             files_that_others_could_have_written_are_refused, all_errors_of_all_files_are_counted, reservations_are_asked_for_too, plan_says_what_policy_would_say,
             reload_that_changes_the_policy_is_a_row, reload_that_changes_nothing_leaves_no_row, reload_that_is_refused_is_a_row_and_so_is_its_mending,
             a_policy_whose_row_cannot_be_written_is_not_in_force, files_whose_names_cannot_be_printed_are_refused)
