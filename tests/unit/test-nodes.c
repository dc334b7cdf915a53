/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The VFIO nodes of what is assigned belong to whom they are given to, for as long as it is assigned. Giving them to anybody takes root. */

#include <sys/stat.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/drift.h"
#include "daemon/nodes.h"

#define USER 65534U
#define OTHER 1000U

static Request for_user(const char *owner, const char *target, uint32_t user) {
        Request request = make_request(VERB_ASSIGN, owner, target, NULL);

        request.has_node_user = true;
        request.node_user = user;
        return request;
}

static uint64_t assign_to(const char *owner, const char *target, uint32_t user) {
        Operation *operation = begin_request(for_user(owner, target, user));

        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s", operation->outcome.message);
        return operation->assignment;
}

/* "65534:0:0600", or "none". */
static const char *node_of(const PciAddress *address, uint32_t group) {
        static char text[NODE_ACCESS_TEXT_MAX];
        NodeAccess access;
        int r = simk_read_node(daemon_scene.root, address, group, &access);

        if (r == -ENXIO)
                return "none";
        ck_assert_int_eq(r, 0);
        return node_access_format(&access, text);
}

#define assert_device_node(address, expected) ck_assert_str_eq(node_of(address, 0), expected)
#define assert_group_node(group, expected) ck_assert_str_eq(node_of(NULL, group), expected)

static void hostile_change(const PciAddress *address, uint32_t group) {
        ck_assert_int_eq(simk_set_node(daemon_scene.root, address, group, &(NodeAccess) { .mode = 0666 }), 0);
        drift_watch_nodes(daemon_scene.manager->drift);
}

static unsigned count_grants(void) {
        _cleanup_free_ char *n = answer("SELECT count(*) FROM operations WHERE verb = 'grant' AND finished_usec IS NOT NULL");

        return (unsigned) atoi(n);
}

START_TEST(the_nodes_belong_to_the_user_until_they_are_given_back) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        assert_device_node(&nic, "65534:0:0600");
        assert_device_node(&mate, "65534:0:0600");
        assert_group_node(NIC_GROUP, "65534:0:0600");
        release("vm:a");
        assert_device_node(&nic, "none");
        assert_group_node(NIC_GROUP, "none");
}
END_TEST

START_TEST(for_nobody_nothing_is_done_about_nodes) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        assert_group_node(NIC_GROUP, "0:0:0600");
        assert_rows("SELECT count(*) FROM steps WHERE kind LIKE 'set-%-node'", "0\n");
        release("vm:a");
        assert_rows("SELECT count(*) FROM steps WHERE kind LIKE 'set-%-node'", "0\n");
}
END_TEST

START_TEST(a_caller_that_is_not_root_gets_its_own) {
        Request request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);
        Operation *operation;

        scene_write_policy("10-all.json", "{'version': 1, 'rules': [{'name': 'all', 'match': {}, 'verbs': ['assign'], 'verdict': 'allow'}]}");
        scene_start();
        request.caller.uid = 54321;
        operation = begin_request(request);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        assert_group_node(NIC_GROUP, "54321:0:0600");
}
END_TEST

START_TEST(a_caller_that_is_not_root_gets_nobody_elses) {
        Request request = for_user("vm:a", "0000:02:00.0", USER);

        scene_write_policy("10-all.json", "{'version': 1, 'rules': [{'name': 'all', 'match': {}, 'verbs': ['assign'], 'verdict': 'allow'}]}");
        scene_start();
        request.caller.uid = 54321;
        request_refused(request, REFUSAL_DENIED, "only root gives them to others");
        assert_device_node(&nic, "none");
}
END_TEST

START_TEST(a_context_where_there_is_no_selinux_is_refused) {
        Request request = for_user("vm:a", "0000:02:00.0", USER);

        scene_start();
        ck_assert_int_eq(string_copy("system_u:object_r:svirt_image_t:s0:c1,c2", &request.node_context), 0);
        request_refused(request, REFUSAL_NOT_SUPPORTED, "SELinux is not on");
}
END_TEST

static void turn_selinux_on(void) {
        ck_assert_int_eq(mkdirat(daemon_scene.root, "fs", 0755), 0);
        ck_assert_int_eq(mkdirat(daemon_scene.root, "fs/selinux", 0755), 0);
        ck_assert_int_eq(mknodat(daemon_scene.root, "fs/selinux/enforce", S_IFREG | 0644, 0), 0);
}

START_TEST(where_there_is_selinux_the_nodes_get_the_context) {
        Request request = for_user("vm:a", "0000:02:00.0", USER);

        turn_selinux_on();
        scene_start();
        ck_assert_int_eq(string_copy("system_u:object_r:svirt_image_t:s0:c1,c2", &request.node_context), 0);
        await_end(begin_request(request));
        assert_device_node(&nic, "65534:0:0600 system_u:object_r:svirt_image_t:s0:c1,c2");
        assert_group_node(NIC_GROUP, "65534:0:0600 system_u:object_r:svirt_image_t:s0:c1,c2");
}
END_TEST

START_TEST(each_write_has_its_row_with_what_was_before) {
        scene_start();
        await_end(begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", NULL)));
        ck_assert_int_eq(simk_set_node(daemon_scene.root, NULL, NIC_GROUP, &(NodeAccess) { .gid = 7, .mode = 0640 }), 0);
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        assert_rows("SELECT kind, address, group_number, value, prior, state FROM steps WHERE kind LIKE 'set-%-node' ORDER BY sequence",
                    "set-group-node||14|65534:0:0600|0:7:0640|done\n"
                    "set-device-node|0000:02:00.0|14|65534:0:0600|0:0:0600|done\n"
                    "set-device-node|0000:02:00.1|14|65534:0:0600|0:0:0600|done\n");
        assert_rows("SELECT DISTINCT node_access FROM current_assignments", "65534:0:0600\n");
        assert_rows("SELECT message FROM audit_log WHERE verb = 'assign'", "The VFIO nodes belong to uid 65534, gid 0, mode 0600\n");
}
END_TEST

START_TEST(they_are_taken_back_before_the_first_unbind) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        release("vm:a");
        assert_rows("SELECT max(phase) FILTER (WHERE kind LIKE 'set-%-node') < min(phase) FILTER (WHERE kind = 'unbind'), count(DISTINCT value) FILTER (WHERE kind LIKE 'set-%-node'),"
                    " max(value) FILTER (WHERE kind LIKE 'set-%-node') FROM steps WHERE operation = (SELECT max(id) FROM operations)", "1|1|0:0:0600\n");
}
END_TEST

START_TEST(back_on_the_reservation_they_are_roots) {
        scene_start();
        await_end(begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", NULL)));
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        release("vm:a");
        assert_driver(&nic, "vfio-pci");
        assert_device_node(&nic, "0:0:0600");
        assert_group_node(NIC_GROUP, "0:0:0600");
        (void) assign_to("vm:b", "0000:02:00.0", OTHER);
        assert_group_node(NIC_GROUP, "1000:0:0600");
}
END_TEST

START_TEST(when_one_cannot_be_given_all_is_undone) {
        Operation *operation;

        scene_start();
        await_end(begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", NULL)));
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_SET_DEVICE_NODE, &mate, 1, EIO), 0);
        operation = begin_request(for_user("vm:a", "0000:02:00.0", USER));
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_FAILED);
        ck_assert_msg(strstr(operation->outcome.message, "The VFIO character device of 0000:02:00.1 could not be given to 65534:0:0600"), "%s",
                      operation->outcome.message);
        assert_device_node(&nic, "0:0:0600");
        assert_group_node(NIC_GROUP, "0:0:0600");
        ck_assert_int_eq(manager_group_state(daemon_scene.manager, NIC_GROUP), GROUP_STATE_RESERVED);
}
END_TEST

START_TEST(what_cannot_be_taken_back_closes_the_group) {
        scene_start();
        await_end(begin_request(make_request(VERB_RESERVE, NULL, "0000:02:00.0", NULL)));
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_SET_DEVICE_NODE, &mate, 1, EIO), 0);
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_SET_GROUP_NODE, NULL, 2, EIO), 0);
        await_end(begin_request(for_user("vm:a", "0000:02:00.0", USER)));
        assert_group_node(NIC_GROUP, "65534:0:0600");
        ck_assert_int_eq(manager_group_state(daemon_scene.manager, NIC_GROUP), GROUP_STATE_QUARANTINED);
}
END_TEST

START_TEST(a_release_that_is_not_proven_leaves_them_with_the_owner) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        await_end(begin_release("vm:a"));
        AWAIT(count_grants() == 1);
        assert_device_node(&nic, "65534:0:0600");
        assert_group_node(NIC_GROUP, "65534:0:0600");
}
END_TEST

START_TEST(what_udev_changes_is_said_and_given_again) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        loop_drain();
        hostile_change(NULL, NIC_GROUP);
        AWAIT(count_grants() == 1);
        assert_group_node(NIC_GROUP, "65534:0:0600");
        assert_rows("SELECT kind, value, prior FROM steps WHERE operation = (SELECT max(id) FROM operations) AND kind = 'set-group-node'",
                    "set-group-node|65534:0:0600|0:0:0666\n");
        assert_rows("SELECT code, detail FROM drifts", "node-changed|/dev/vfio/14 has the access 0:0:0666 instead of 65534:0:0600\n");
        assert_rows("SELECT verb, outcome FROM audit_log ORDER BY id DESC LIMIT 1", "grant|done\n");
}
END_TEST

START_TEST(what_is_as_it_should_be_is_left_alone) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        drift_watch_nodes(daemon_scene.manager->drift);
        loop_drain();
        ck_assert_uint_eq(count_grants(), 0);
        assert_rows("SELECT count(*) FROM drifts", "0\n");
}
END_TEST

START_TEST(who_insists_is_left_with_it) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        for (unsigned i = 1; i <= 5; i++) {
                hostile_change(&nic, 0);
                AWAIT(count_grants() == i);
                assert_device_node(&nic, "65534:0:0600");
        }
        hostile_change(&nic, 0);
        loop_drain();
        ck_assert_uint_eq(count_grants(), 5);
        assert_device_node(&nic, "0:0:0666");
        release("vm:a");
}
END_TEST

START_TEST(the_node_of_a_group_is_looked_after_though_its_first_member_is_gone) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, PCI_ADDRESS_FORMAT(&nic)), 0);
        ck_assert_int_eq(simk_emit(daemon_scene.root, "remove", &nic), 0);
        AWAIT(!facts_find_device(manager_facts(daemon_scene.manager), &nic));
        hostile_change(NULL, NIC_GROUP);
        AWAIT(count_grants() == 1);
        assert_group_node(NIC_GROUP, "65534:0:0600");
        release("vm:a");
        assert_group_node(NIC_GROUP, "none");
}
END_TEST

START_TEST(the_next_daemon_knows_whose_they_are) {
        scene_start();
        (void) assign_to("vm:a", "0000:02:00.0", USER);
        scene_stop();
        ck_assert_int_eq(simk_set_node(daemon_scene.root, NULL, NIC_GROUP, &(NodeAccess) { .mode = 0666 }), 0);
        scene_start();
        AWAIT(count_grants() == 1);
        assert_group_node(NIC_GROUP, "65534:0:0600");
        release("vm:a");
        assert_group_node(NIC_GROUP, "none");
}
END_TEST

DAEMON_SUITE("nodes", the_nodes_belong_to_the_user_until_they_are_given_back, for_nobody_nothing_is_done_about_nodes,
             a_caller_that_is_not_root_gets_its_own, a_caller_that_is_not_root_gets_nobody_elses, a_context_where_there_is_no_selinux_is_refused,
             where_there_is_selinux_the_nodes_get_the_context, each_write_has_its_row_with_what_was_before, they_are_taken_back_before_the_first_unbind,
             back_on_the_reservation_they_are_roots, when_one_cannot_be_given_all_is_undone, what_cannot_be_taken_back_closes_the_group,
             a_release_that_is_not_proven_leaves_them_with_the_owner, what_udev_changes_is_said_and_given_again, what_is_as_it_should_be_is_left_alone,
             who_insists_is_left_with_it, the_node_of_a_group_is_looked_after_though_its_first_member_is_gone,
             the_next_daemon_knows_whose_they_are)
