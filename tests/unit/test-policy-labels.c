/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Labels in a daemon: who gets a labelled group, and who changes its label. */

#include <string.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/label.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static Request labelled(const char *label, Request request) {
        ck_assert_int_eq(string_copy(label, &request.label), 0);
        ck_assert_int_eq(string_copy(":1.7", &request.caller.bus_name), 0);
        request.caller.has_gids = true;
        return request;
}

/* Sets it, as root; NULL takes it away. */
static RefusalCode set_label(const char *target, const char *label) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Request request = labelled(label, make_request(VERB_LABEL, NULL, target, NULL));

        ck_assert_int_eq(manager_set_label(manager(), &request, &refusal), 0);
        loop_drain();
        return refusal.code;
}

static const char *label_of(const PciAddress *address) {
        return manager_device_label(manager(), facts_find_device(manager_facts(manager()), address)).label;
}

static void done(Request request) {
        Operation *operation = begin_request(request);

        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
}

#define TENANT_A "{'version':1,'labels':[\n{'match':{'address':'0000:02:*'},'label':'tenant-a'}]}"

START_TEST(labelled_group_goes_only_to_an_owner_of_the_same_label) {
        scene_write_policy("a.json", TENANT_A);
        scene_start();
        request_refused(labelled(NULL, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_LABEL_CONFLICT,
                        "Group 14 has the label tenant-a, and the owner has none");
        request_refused(labelled("tenant-b", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_LABEL_CONFLICT,
                        "The owner has the label tenant-b, and group 14 has tenant-a");
        request_refused(labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", NULL)), REFUSAL_LABEL_CONFLICT,
                        "The owner has the label tenant-a, and group 13 has none");
        done(labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        assert_rows("SELECT DISTINCT label FROM current_assignments", "tenant-a\n");
}
END_TEST

START_TEST(group_whose_members_differ_goes_to_nobody) {
        scene_write_policy("a.json", "{'version':1,'labels':[\n{'match':{'address':'0000:02:00.0'},'label':'tenant-a'}]}");
        scene_start();
        request_refused(labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)), REFUSAL_LABEL_CONFLICT, "0000:02:00.1 has no label");
        assert_rows("SELECT blockers FROM audit_log",
                    "label-conflict 0000:02:00.0: 0000:02:00.0 has the label tenant-a, by a.json:2, and the devices of group 14 must all have the same label, "
                    "or none; label-conflict 0000:02:00.1: 0000:02:00.1 has no label, and the devices of group 14 must all have the same label, or none\n");
        ck_assert_int_eq(set_label("0000:02:00.1", "tenant-a"), REFUSAL_NONE);
        done(labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
}
END_TEST

START_TEST(several_groups_are_checked_together) {
        scene_write_policy("a.json", TENANT_A);
        scene_start();
        request_refused(labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", "0000:02:00.0", NULL)), REFUSAL_LABEL_CONFLICT, "group 13 has none");
        assert_driver(&nic, "e1000e");
        ck_assert_int_eq(set_label("0000:01:00.0", "tenant-a"), REFUSAL_NONE);
        done(labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", "0000:02:00.0", NULL)));
}
END_TEST

START_TEST(owner_that_claims_no_label_has_the_one_of_its_callers_context) {
        Request request = labelled(NULL, make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL));

        scene_write_policy("a.json", "{'version':1,'labels':[{'match':{'address':'0000:02:*'},'label':'tenant-a'}],"
                                     "'claims':[{'caller':{'selinux':['*:tenant_a_t:*']},'label':'tenant-a'}]}");
        scene_start();
        ck_assert_int_eq(string_copy("u:r:tenant_a_t:s0", &request.caller.selinux), 0);
        done(request);
        assert_rows("SELECT DISTINCT label FROM current_assignments", "tenant-a\n");
}
END_TEST

START_TEST(label_is_claimed_only_where_the_policy_lets_it) {
        Request request = labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL));

        scene_write_policy("a.json", "{'version':1,'labels':[{'match':{'address':'0000:02:*'},'label':'tenant-a'}],'rules':[{'verdict':'allow'}]}");
        scene_start();
        request.caller.uid = 1000;
        request_refused(request, REFUSAL_DENIED, "No claim of the policy lets uid 1000 claim the label tenant-a");
        scene_write_policy("b.json", "{'version':1,'claims':[{'caller':{'users':[1000]},'labels':['tenant-a']}]}");
        ck_assert_int_eq(manager_reload(manager(), &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        request = labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL));
        request.caller.uid = 1000;
        done(request);
}
END_TEST

START_TEST(administrators_label_is_a_row_and_stays_over_a_restart) {
        scene_start();
        ck_assert_int_eq(set_label("group:14", "mine"), REFUSAL_NONE);
        ck_assert_pstr_eq(label_of(&nic), "mine");
        ck_assert_pstr_eq(label_of(&mate), "mine");
        assert_rows("SELECT address, label FROM labels ORDER BY address", "0000:02:00.0|mine\n0000:02:00.1|mine\n");
        assert_rows("SELECT verb, targets, devices, groups, outcome, message FROM audit_log",
                    "label|group:14|0000:02:00.0 0000:02:00.1|14|done|The label is mine\n");
        scene_stop();
        scene_start();
        ck_assert_pstr_eq(label_of(&mate), "mine");
        ck_assert_int_eq(set_label("0000:02:00.1", NULL), REFUSAL_NONE);
        ck_assert_pstr_eq(label_of(&mate), NULL);
        ck_assert_pstr_eq(label_of(&nic), "mine");
        assert_rows("SELECT message FROM audit_log ORDER BY id DESC LIMIT 1", "The label is taken away\n");
}
END_TEST

START_TEST(label_is_not_changed_under_an_assignment) {
        scene_start();
        ck_assert_int_eq(set_label("group:14", "a"), REFUSAL_NONE);
        done(labelled("a", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        ck_assert_int_eq(set_label("0000:02:00.1", "b"), REFUSAL_OWNED);
        ck_assert_int_eq(set_label("0000:02:00.1", NULL), REFUSAL_OWNED);
        ck_assert_pstr_eq(label_of(&mate), "a");
        assert_rows("SELECT verb, error FROM audit_log WHERE outcome = 'refused' LIMIT 1", "label|Owned\n");
        release("vm:a");
        ck_assert_int_eq(set_label("group:14", "b"), REFUSAL_NONE);
}
END_TEST

START_TEST(label_is_not_changed_while_an_operation_works_on_the_group) {
        Operation *operation;

        scene_start();
        operation = begin_assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(set_label("0000:02:00.0", "b"), REFUSAL_BUSY);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
}
END_TEST

START_TEST(policy_that_would_change_a_label_under_an_assignment_is_not_taken) {
        scene_write_policy("a.json", TENANT_A);
        scene_start();
        done(labelled("tenant-a", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        scene_write_policy("a.json", "{'version':1,'labels':[\n\n{'match':{'address':'0000:02:*'},'label':'tenant-b'}]}");
        ck_assert_int_eq(manager_reload(manager(), &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        ck_assert_pstr_eq(label_of(&nic), "tenant-a");
        ck_assert_msg(strstr(manager_health(manager()),
                             "a.json:3:1: found tenant-b for 0000:02:00.0, which is assigned to vm:a, expected tenant-a until it is released"),
                      "%s", manager_health(manager()));
        release("vm:a");
        ck_assert_int_eq(manager_reload(manager(), &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        ck_assert_pstr_eq(label_of(&nic), "tenant-b");
}
END_TEST

/* A label by the driver is one by the host's driver: taking the device away must not take its label away. */
START_TEST(label_by_driver_does_not_change_with_the_assignment) {
        scene_write_policy("a.json", "{'version':1,'labels':[{'match':{'driver':'e1000e'},'label':'cards'}]}");
        scene_start();
        done(labelled("cards", make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL)));
        assert_driver(&nic, "vfio-pci");
        ck_assert_pstr_eq(label_of(&nic), "cards");
        ck_assert_int_eq(manager_reload(manager(), &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        ck_assert_str_eq(manager_health(manager()), "ok");
}
END_TEST

START_TEST(what_cannot_be_given_away_has_no_label) {
        scene_start();
        ck_assert_int_eq(set_label("0000:00:00.0", "a"), REFUSAL_NOT_VIABLE);
        ck_assert_int_eq(set_label("0000:7f:00.0", "a"), REFUSAL_NO_SUCH_DEVICE);
        ck_assert_int_eq(set_label("group:999", "a"), REFUSAL_NO_SUCH_GROUP);
        ck_assert_int_eq(set_label("nonsense", "a"), REFUSAL_INVALID_TARGET);
        ck_assert_int_eq(set_label("0000:02:00.0", "a\nb"), REFUSAL_INVALID_ARGUMENT);
        ck_assert_int_eq(set_label("0000:02:00.0", ""), REFUSAL_INVALID_ARGUMENT);
        assert_rows("SELECT count(*) FROM labels", "0\n");
}
END_TEST

DAEMON_SUITE("policy-labels", labelled_group_goes_only_to_an_owner_of_the_same_label, group_whose_members_differ_goes_to_nobody,
             several_groups_are_checked_together, owner_that_claims_no_label_has_the_one_of_its_callers_context,
             label_is_claimed_only_where_the_policy_lets_it, administrators_label_is_a_row_and_stays_over_a_restart,
             label_is_not_changed_under_an_assignment, label_is_not_changed_while_an_operation_works_on_the_group,
             policy_that_would_change_a_label_under_an_assignment_is_not_taken, label_by_driver_does_not_change_with_the_assignment,
             what_cannot_be_given_away_has_no_label)
