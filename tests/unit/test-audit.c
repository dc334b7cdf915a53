/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What people and devices are called must not break the trail: every row is valid JSON where it should be, whatever was in it. */

#include <jansson.h>
#include <string.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/audit.h"
#include "daemon/records.h"

static const char *const hostile[] = {
        "\"}],[{", "\\", "\x1b[31mred\x1b[0m", "\n\r\t", "\xff\xfe\xc0\x80", "'; DROP TABLE audit; --", "\xf0\x9f\x92\xa3", "",
};

/* The one row's text in `column`, as JSON. */
static json_t *column(const char *name) {
        _cleanup_free_ char *sql = NULL, *text = NULL;
        json_t *value;

        ck_assert_int_ge(asprintf(&sql, "SELECT %s FROM audit", name), 0);
        text = answer(sql);
        value = json_loads(text, 0, NULL);
        ck_assert_msg(value, "not JSON: %s", text);
        return value;
}

static void refuse(Request *request, char *const *devices, Refusal *refusal) {
        const uint32_t groups[] = { 14, UINT32_MAX - 1 };

        ck_assert_int_eq(audit_refusal(daemon_scene.manager->db, request, devices, groups, ELEMENTSOF(groups), refusal), 0);
}

START_TEST(hostile_targets_are_escaped_and_kept_apart) {
        _cleanup_(request_done) Request request = { .verb = VERB_ASSIGN };
        _cleanup_(refusal_done) Refusal refusal = {};
        json_auto_t *targets = NULL;

        scene_start();
        for (size_t i = 0; i < ELEMENTSOF(hostile); i++)
                ck_assert_int_eq(strv_append(&request.targets, hostile[i]), 0);
        ck_assert_int_eq(refusal_set(&refusal, REFUSAL_BUSY, "busy"), 0);
        refuse(&request, NULL, &refusal);
        targets = column("targets");
        ck_assert_uint_eq(json_array_size(targets), ELEMENTSOF(hostile));
        ck_assert_str_eq(json_string_value(json_array_get(targets, 0)), "\"}],[{");
        ck_assert_str_eq(json_string_value(json_array_get(targets, 2)), "\\x1b[31mred\\x1b[0m");
        ck_assert_str_eq(json_string_value(json_array_get(targets, 4)), "\\xff\\xfe\\xc0\\x80");
        ck_assert_str_eq(json_string_value(json_array_get(targets, 6)), "\xf0\x9f\x92\xa3");
        assert_rows("SELECT groups, devices FROM audit", "[14,4294967294]|[]\n");
}
END_TEST

START_TEST(a_target_without_end_is_cut) {
        _cleanup_(request_done) Request request = { .verb = VERB_ASSIGN };
        _cleanup_(refusal_done) Refusal refusal = {};
        json_auto_t *targets = NULL;
        char text[4097];

        scene_start();
        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        ck_assert_int_eq(strv_append(&request.targets, text), 0);
        ck_assert_int_eq(refusal_set(&refusal, REFUSAL_BUSY, "busy"), 0);
        refuse(&request, NULL, &refusal);
        targets = column("targets");
        ck_assert_uint_le(strlen(json_string_value(json_array_get(targets, 0))), 2 * TARGET_TEXT_MAX);
}
END_TEST

START_TEST(hostile_blockers_lose_no_row) {
        _cleanup_(request_done) Request request = { .verb = VERB_ASSIGN };
        _cleanup_(refusal_done) Refusal refusal = { .code = REFUSAL_NOT_VIABLE };
        json_auto_t *blockers = NULL;

        scene_start();
        for (size_t i = 0; i < ELEMENTSOF(hostile); i++)
                ck_assert_int_eq(blocker_list_add(&refusal.blockers, BLOCKER_HOST_DRIVER_STAYS, (uint32_t) i, hostile[i], false, "%s", hostile[i]), 0);
        ck_assert_int_eq(blocker_list_add(&refusal.blockers, BLOCKER_NO_IOMMU, GROUP_NONE, NULL, false, "none"), 0);
        refuse(&request, (char *[]) { (char *) "0000:02:00.0", NULL }, &refusal);
        blockers = column("blockers");
        ck_assert_uint_eq(json_array_size(blockers), ELEMENTSOF(hostile) + 1);
        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                const json_t *blocker = json_array_get(blockers, i);

                ck_assert_str_eq(json_string_value(json_object_get(blocker, "code")), "host-driver-stays");
                ck_assert_int_eq(json_integer_value(json_object_get(blocker, "group")), (json_int_t) i);
                ck_assert_ptr_nonnull(json_string_value(json_object_get(blocker, "detail")));
        }
        ck_assert(json_is_null(json_object_get(json_array_get(blockers, ELEMENTSOF(hostile)), "group")));
        ck_assert(json_is_null(json_object_get(json_array_get(blockers, ELEMENTSOF(hostile)), "device")));
        assert_rows("SELECT devices, error FROM audit_log", "0000:02:00.0|NotViable\n");
}
END_TEST

START_TEST(a_hostile_owner_is_kept_as_it_is_named) {
        _cleanup_(request_done) Request request = make_request(VERB_ASSIGN, "vm:'\"; --", "0000:02:00.0", NULL);
        _cleanup_(refusal_done) Refusal refusal = {};

        scene_start();
        request.caller = (Caller) { .uid = 1000, .pid = 4711, .bus_name = strdup(":1.42") };
        ck_assert_int_eq(refusal_set(&refusal, REFUSAL_DENIED, "no"), 0);
        refuse(&request, NULL, &refusal);
        assert_rows("SELECT owner, uid, pid, caller, outcome, error, message FROM audit_log", "vm:'\"; --|1000|4711|:1.42|refused|Denied|no\n");
}
END_TEST

/* Records between memory, rows and people. */

START_TEST(records_come_back_from_the_database_as_they_were) {
        const DeviceRecord *record;

        scene_start();
        ck_assert_int_eq(treegen_set_override(daemon_scene.root, "0000:02:00.1", "e1000e"), 0);
        (void) assign("vm:a", "0000:02:00.0");
        scene_stop();
        scene_start();
        ck_assert_uint_eq(daemon_scene.manager->assignments.items[0]->records.n_items, 2);
        record = &daemon_scene.manager->assignments.items[0]->records.items[1];
        ck_assert_int_eq(pci_address_compare(&record->address, &mate), 0);
        ck_assert(pci_identity_equal(&record->identity, &facts_find_device(manager_facts(daemon_scene.manager), &mate)->identity));
        ck_assert_uint_eq(record->group, NIC_GROUP);
        ck_assert(!record->wanted);
        ck_assert_str_eq(record->driver, "e1000e");
        ck_assert_str_eq(record->driver_override, "e1000e");
        ck_assert_str_eq(record->vfio_driver, "vfio-pci");
}
END_TEST

START_TEST(merged_records_are_those_of_all_assignments_in_turn) {
        _cleanup_free_ DeviceRecord *items = NULL;
        _cleanup_strv_free_ char **addresses = NULL;
        RecordList records;

        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        (void) assign("vm:a", "0000:01:00.0");
        ck_assert_int_eq(records_merge(daemon_scene.manager->assignments.items, 2, &records), 0);
        items = records.items;
        ck_assert_int_eq(records_addresses(&records, &addresses), 0);
        ck_assert_uint_eq(strv_length(addresses), 3);
        ck_assert_str_eq(addresses[0], "0000:02:00.0");
        ck_assert_str_eq(addresses[2], "0000:01:00.0");
        release("vm:a");
}
END_TEST

DAEMON_SUITE("audit", hostile_targets_are_escaped_and_kept_apart, a_target_without_end_is_cut, hostile_blockers_lose_no_row,
             a_hostile_owner_is_kept_as_it_is_named, records_come_back_from_the_database_as_they_were,
             merged_records_are_those_of_all_assignments_in_turn)
