/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What is shown: list, show, why. */

#include <string.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "tests/cli/harness.h"
#include "tests/cli/suite.h"

#define HOSTILE "evil\x1b]0;x\x07\n\xc2\x9b name"
#define HOSTILE_ESCAPED "evil\\x1b]0;x\\x07\\x0a\\xc2\\x9b name"

static const FakeScript ordinary = { .audit_entries = 3 };

START_TEST(list_shows_groups_with_their_members) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "list");

        ck_assert_str_eq(result.out,
                         "GROUP  STATE  VIABLE  OWNER  LABEL  DEVICE        ROLE      DRIVER  NAME\n"
                         "   14  host   yes     -      -      0000:02:00.0  endpoint  e1000e  82574L Gigabit Network Connection\n"
                         "                                    0000:02:00.1  endpoint  e1000e  82574L Gigabit Network Connection\n");
        ck_assert_str_eq(result.err, "");
        ck_assert_int_eq(result.status, 0);
} END_TEST

START_TEST(list_is_what_happens_without_a_verb) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result bare = ctl(stage), list = ctl(stage, "list"), option = ctl(stage, "--no-legend", "--all");

        ck_assert_str_eq(bare.out, list.out);
        ck_assert_int_eq(option.status, 0);
        ck_assert_ptr_nonnull(strstr(option.out, "pcieport"));
        ck_assert_ptr_null(strstr(option.out, "GROUP"));
} END_TEST

START_TEST(owners_of_any_script_keep_the_columns_straight) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result assign = ctl(stage, "assign", "--owner", "vm:日本", "02:00.0"), result = ctl(stage, "list");

        ck_assert_int_eq(assign.status, 0);
        ck_assert_str_eq(result.out,
                         "GROUP  STATE     VIABLE  OWNER    LABEL  DEVICE        ROLE      DRIVER    NAME\n"
                         "   14  assigned  yes     vm:日本  -      0000:02:00.0  endpoint  vfio-pci  82574L Gigabit Network Connection\n"
                         "                                         0000:02:00.1  endpoint  vfio-pci  82574L Gigabit Network Connection\n");
} END_TEST

START_TEST(list_makes_a_single_call) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result first = ctl(stage, "list"), second = ctl(stage, "show", "group:99");
        _cleanup_free_ char *list = stage_await(stage, ""), *next = stage_await(stage, "");

        ck_assert_str_eq(list, "ListGroups [{}]");
        ck_assert_str_eq(next, "GetGroup [99]");
} END_TEST

START_TEST(list_all_shows_why_a_group_is_not_viable) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "list", "--all");

        ck_assert_str_eq(result.out,
                         "GROUP  STATE  VIABLE                                 OWNER  LABEL  DEVICE        ROLE      DRIVER    NAME\n"
                         "    3  host   no: direct-mapping, host-driver-stays  -      -      0000:00:1c.0  bridge    pcieport  PCI Express Root Port\n"
                         "   14  host   yes                                    -      -      0000:02:00.0  endpoint  e1000e    82574L Gigabit Network Connection\n"
                         "                                                                   0000:02:00.1  endpoint  e1000e    82574L Gigabit Network Connection\n");
} END_TEST

START_TEST(list_as_json_has_the_keys_of_the_contract) {
        static const char *const group_keys[] = { "group", "state", "viable", "owner", "label", "node_access", "blockers", "devices" };
        static const char *const device_keys[] = { "address", "role", "vendor", "device", "class", "name", "driver", "driver_override" };
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "--json", "list");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *groups = json_object_get(json, "groups"), *group = json_array_get(groups, 0);
        const json_t *devices = json_object_get(group, "devices"), *device = json_array_get(devices, 1);

        ck_assert_uint_eq(json_array_size(groups), 1);
        ck_assert_uint_eq(json_object_size(group), ELEMENTSOF(group_keys));
        for (size_t i = 0; i < ELEMENTSOF(group_keys); i++)
                ck_assert_msg(json_object_get(group, group_keys[i]), "%s", group_keys[i]);
        ck_assert(json_is_null(json_object_get(group, "owner")) && json_is_null(json_object_get(group, "label")));
        ck_assert(json_is_true(json_object_get(group, "viable")));
        ck_assert_int_eq(json_integer_value(json_object_get(group, "group")), 14);

        ck_assert_uint_eq(json_object_size(device), ELEMENTSOF(device_keys));
        for (size_t i = 0; i < ELEMENTSOF(device_keys); i++)
                ck_assert_msg(json_object_get(device, device_keys[i]), "%s", device_keys[i]);
        ck_assert_str_eq(json_text(json_array_get(devices, 0), "address"), "0000:02:00.0");
        ck_assert(json_is_null(json_object_get(json_array_get(devices, 0), "driver_override")));
        ck_assert_str_eq(json_text(device, "driver_override"), "mine");
} END_TEST

START_TEST(list_devices_has_one_line_a_device) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "list", "--devices");

        ck_assert_str_eq(result.out,
                         "DEVICE        GROUP  STATE  OWNER  ROLE      ID         DRIVER    OVERRIDE  NAME\n"
                         "0000:00:1c.0      3  host   -      bridge    8086:a110  pcieport  -         PCI Express Root Port\n"
                         "0000:00:1f.0      -  -      -      endpoint  8086:a145  -         -         Something\n"
                         "0000:02:00.0     14  host   -      endpoint  8086:10d3  e1000e    -         82574L Gigabit Network Connection\n"
                         "0000:02:00.1     14  host   -      endpoint  8086:10d3  e1000e    mine      Something\n");
} END_TEST

START_TEST(list_devices_as_json_says_null_for_no_group) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "list", "--devices", "--json");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *loner = json_array_get(json_object_get(json, "devices"), 1);

        ck_assert_str_eq(json_text(loner, "address"), "0000:00:1f.0");
        ck_assert(json_is_null(json_object_get(loner, "group")));
        ck_assert(json_is_null(json_object_get(loner, "state")));
        ck_assert(json_is_null(json_object_get(loner, "driver")));
        ck_assert(json_is_null(json_object_get(loner, "numa_node")));
} END_TEST

START_TEST(a_host_without_groups_is_said_in_words) {
        static const FakeScript nothing = { .nothing = true };
        _cleanup_stage_ Stage *stage = stage_new(&nothing);
        _cleanup_result_ Result list = ctl(stage), all = ctl(stage, "--all"), json = ctl(stage, "--json");

        ck_assert_str_eq(list.out, "");
        ck_assert_ptr_nonnull(strstr(list.err, "no IOMMU group with an endpoint"));
        ck_assert_int_eq(list.status, 0);
        ck_assert_ptr_nonnull(strstr(all.err, "has no IOMMU"));
        ck_assert_str_eq(json.out, "{\"groups\": []}\n");
        ck_assert_str_eq(json.err, "");
} END_TEST

START_TEST(hostile_names_never_reach_the_terminal) {
        static const FakeScript hostile = { .device_name = HOSTILE };
        static const char *const verbs[][3] = { { "list" }, { "list", "--devices" }, { "show", "02:00.0" }, { "show", "group:14" } };
        _cleanup_stage_ Stage *stage = stage_new(&hostile);

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                _cleanup_result_ Result result = stage_run(stage, verbs[i]);

                ck_assert_ptr_nonnull(strstr(result.out, HOSTILE_ESCAPED));
                ck_assert_ptr_null(strpbrk(result.out, "\x1b\x07"));
                ck_assert_ptr_null(strstr(result.out, "\xc2\x9b"));
        }
} END_TEST

START_TEST(hostile_names_survive_in_json) {
        static const FakeScript hostile = { .device_name = HOSTILE };
        _cleanup_stage_ Stage *stage = stage_new(&hostile);
        _cleanup_result_ Result result = ctl(stage, "--json");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *group = json_array_get(json_object_get(json, "groups"), 0);

        ck_assert_str_eq(json_text(json_array_get(json_object_get(group, "devices"), 0), "name"), HOSTILE);
        for (const char *c = result.out; *c; c++)
                ck_assert_msg((*c >= 0x20 && *c < 0x7f) || *c == '\n', "byte %02x", (unsigned char) *c);
} END_TEST

START_TEST(show_a_device_with_its_group) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "show", "02:00.1");

        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.out, "            Device: 0000:02:00.1\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "   Driver override: mine\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "     Reset methods: flr, bus\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "             Group: 14\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "       Domain type: DMA\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "  Reserved regions: 0xfee00000 - 0xfeefffff msi\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "Reserved: yes\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "0x0 - 0xffffffffffffffff direct\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "Not \\x1b[1mviable.")); /* its history */
} END_TEST

START_TEST(show_a_device_as_json) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "show", "0000:02:00.1", "--json");
        _cleanup_json_ json_t *json = result_json(&result);

        ck_assert_str_eq(json_text(json, "address"), "0000:02:00.1");
        ck_assert_int_eq(json_integer_value(json_object_get(json, "group")), 14);
        ck_assert_str_eq(json_text(json, "state"), "host");
        ck_assert(json_is_null(json_object_get(json, "physical_function")));
        ck_assert_uint_eq(json_array_size(json_object_get(json, "history")), 3);
        ck_assert_uint_eq(json_array_size(json_object_get(json, "reset_methods")), 2);
} END_TEST

START_TEST(show_a_device_without_a_group) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result text = ctl(stage, "show", "00:1f.0"), result = ctl(stage, "show", "00:1f.0", "--json");
        _cleanup_json_ json_t *json = result_json(&result);

        ck_assert_int_eq(text.status, 0);
        ck_assert_ptr_nonnull(strstr(text.out, "             Group: -\n"));
        ck_assert(json_is_null(json_object_get(json, "group")));
        ck_assert(json_is_null(json_object_get(json, "state")));
} END_TEST

START_TEST(show_a_group_with_its_members_in_full) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "show", "group:14", "--json");
        _cleanup_json_ json_t *json = result_json(&result);
        const json_t *devices = json_object_get(json, "devices");
        const json_t *regions = json_object_get(json, "reserved_regions");

        ck_assert_uint_eq(json_array_size(devices), 2);
        ck_assert_str_eq(json_text(json_array_get(devices, 0), "address"), "0000:02:00.0");
        ck_assert_str_eq(json_text(json_array_get(devices, 0), "subsystem_vendor"), "1af4");
        ck_assert_str_eq(json_text(json, "domain_type"), "DMA");
        ck_assert(json_is_null(json_object_get(json, "assignment")));
        ck_assert_str_eq(json_text(json_array_get(regions, 1), "end"), "0xffffffffffffffff");
        ck_assert_uint_eq(json_array_size(json_object_get(json, "history")), 3);
} END_TEST

START_TEST(show_a_group_that_is_not_viable) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result result = ctl(stage, "show", "group:3");

        ck_assert_int_eq(result.status, 0);
        ck_assert_ptr_nonnull(strstr(result.out, "            Viable: no\n  direct-mapping: Firmware maps memory.\n"
                                                 "  host-driver-stays 0000:02:00.1: It stays. (--override host-driver-stays goes past it)\n"));
        ck_assert_ptr_nonnull(strstr(result.out, "         Operation: 9\n"));
} END_TEST

START_TEST(what_does_not_exist_is_seven) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result device = ctl(stage, "show", "7f:00.0"), group = ctl(stage, "show", "group:99", "--json");
        _cleanup_json_ json_t *json = result_json(&group);

        ck_assert_int_eq(device.status, 7);
        ck_assert_str_eq(device.err, "assign-ctl: There is no device 7f:00.0.\n");
        ck_assert_str_eq(device.out, "");
        ck_assert_int_eq(group.status, 7);
        ck_assert_str_eq(json_text(json_object_get(json, "error"), "name"), "org.assignd1.Error.NoSuchGroup");
        ck_assert_str_eq(group.err, "");
} END_TEST

START_TEST(why_prints_the_sentences_of_the_daemon) {
        _cleanup_stage_ Stage *stage = stage_new(&ordinary);
        _cleanup_result_ Result text = ctl(stage, "why", "02:00.0"), result = ctl(stage, "why", "02:00.0", "--json");
        _cleanup_json_ json_t *json = result_json(&result);

        ck_assert_int_eq(text.status, 0);
        ck_assert_str_eq(text.out, "Group 14 is viable.\nIts members are \\x1b[31mtwo.\n"); /* which tell of the blockers too */
        ck_assert_str_eq(json_text(json, "target"), "02:00.0");
        ck_assert_uint_eq(json_array_size(json_object_get(json, "blockers")), 2);
} END_TEST

int main(void) {
        const SuiteTest tests[] = {
                list_shows_groups_with_their_members,
                list_is_what_happens_without_a_verb,
                owners_of_any_script_keep_the_columns_straight,
                list_makes_a_single_call,
                list_all_shows_why_a_group_is_not_viable,
                list_as_json_has_the_keys_of_the_contract,
                list_devices_has_one_line_a_device,
                list_devices_as_json_says_null_for_no_group,
                a_host_without_groups_is_said_in_words,
                hostile_names_never_reach_the_terminal,
                hostile_names_survive_in_json,
                show_a_device_with_its_group,
                show_a_device_as_json,
                show_a_device_without_a_group,
                show_a_group_with_its_members_in_full,
                show_a_group_that_is_not_viable,
                what_does_not_exist_is_seven,
                why_prints_the_sentences_of_the_daemon,
        };

        return suite_run("list", tests, ELEMENTSOF(tests));
}
