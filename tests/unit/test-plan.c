/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/plan.h"

#include "base/strutil.h"
#include "machine.h"
#include "suite.h"

#define NIC0 "0000:02:00.0"
#define NIC1 "0000:02:00.1"

/* A NIC of two functions behind a root port, all in group 14. */
static void add_nic(Facts *facts) {
        machine_add(facts, "0000:00:1c.0", 0x060400, 14, "pcieport", NULL);
        machine_add(facts, NIC0, 0x020000, 14, "e1000e", NULL);
        machine_add(facts, NIC1, 0x020000, 14, "e1000e", NULL);
        machine_link(facts);
}

static void assert_plan(const Plan *plan, const char *expected) {
        _cleanup_free_ char *text = machine_plan_text(plan);

        ck_assert_str_eq(text, expected);
}

static void assert_give_back(const RecordList *records, const Facts *facts, const char *expected) {
        _cleanup_(plan_done) Plan plan = {};

        ck_assert_int_eq(plan_give_back(records, facts, &plan), 0);
        assert_plan(&plan, expected);
}

static void assert_assign(const RecordList *records, const char *module, const char *expected) {
        _cleanup_(plan_done) Plan plan = {};

        ck_assert_int_eq(plan_assign(records, module, &plan), 0);
        assert_plan(&plan, expected);
}

START_TEST(assign_overrides_all_then_unbinds_then_binds) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        assert_assign(&records, "vfio-pci",
                      "load-module vfio-pci\n"
                      "--\n"
                      "set-override 0000:02:00.0 vfio-pci\n"
                      "set-override 0000:02:00.1 vfio-pci\n"
                      "--\n"
                      "unbind 0000:02:00.0 e1000e\n"
                      "unbind 0000:02:00.1 e1000e\n"
                      "--\n"
                      "bind 0000:02:00.0 vfio-pci\n"
                      "bind 0000:02:00.1 vfio-pci\n");
}
END_TEST

START_TEST(assign_without_a_module_begins_with_overrides_in_phase_zero) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        ck_assert_int_eq(plan_assign(&records, NULL, &plan), 0);
        ck_assert_uint_eq(plan.n_steps, 6);
        ck_assert_int_eq(plan.steps[0].kind, STEP_SET_OVERRIDE);
        for (size_t i = 0; i < 6; i++) {
                ck_assert_uint_eq(plan.steps[i].phase, i / 2);
                ck_assert_uint_eq(plan.steps[i].group, 14);
        }
}
END_TEST

START_TEST(assign_neither_unbinds_nor_binds_what_is_on_its_vfio_driver) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        machine_set_driver(&facts, NIC0, "vfio-pci");
        records = machine_record(&facts, TARGETS(NIC0));
        assert_assign(&records, NULL,
                      "set-override 0000:02:00.0 vfio-pci\n"
                      "set-override 0000:02:00.1 vfio-pci\n"
                      "--\n"
                      "unbind 0000:02:00.1 e1000e\n"
                      "--\n"
                      "bind 0000:02:00.1 vfio-pci\n");
}
END_TEST

START_TEST(assign_of_driverless_devices_has_no_unbind_phase) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_nic(&facts);
        machine_set_driver(&facts, NIC0, NULL);
        machine_set_driver(&facts, NIC1, NULL);
        records = machine_record(&facts, TARGETS(NIC0));
        ck_assert_int_eq(plan_assign(&records, NULL, &plan), 0);
        assert_plan(&plan,
                    "set-override 0000:02:00.0 vfio-pci\n"
                    "set-override 0000:02:00.1 vfio-pci\n"
                    "--\n"
                    "bind 0000:02:00.0 vfio-pci\n"
                    "bind 0000:02:00.1 vfio-pci\n");
        ck_assert_uint_eq(plan.steps[3].phase, 1);
}
END_TEST

START_TEST(override_step_says_what_was_there) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_nic(&facts);
        machine_set_override(&facts, NIC1, "e1000e");
        records = machine_record(&facts, TARGETS(NIC0));
        ck_assert_int_eq(plan_assign(&records, NULL, &plan), 0);
        ck_assert_ptr_null(plan.steps[0].prior);
        ck_assert_str_eq(plan.steps[1].prior, "e1000e");
}
END_TEST

START_TEST(two_groups_of_four_devices_go_phase_by_phase) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        machine_add(&facts, "0000:03:00.0", 0x010802, 15, "nvme", NULL);
        machine_add(&facts, "0000:03:00.1", 0x0c0330, 15, NULL, NULL);
        machine_link(&facts);
        records = machine_record(&facts, TARGETS("group:15", NIC1));
        assert_assign(&records, NULL,
                      "set-override 0000:02:00.0 vfio-pci\n"
                      "set-override 0000:02:00.1 vfio-pci\n"
                      "set-override 0000:03:00.0 vfio-pci\n"
                      "set-override 0000:03:00.1 vfio-pci\n"
                      "--\n"
                      "unbind 0000:02:00.0 e1000e\n"
                      "unbind 0000:02:00.1 e1000e\n"
                      "unbind 0000:03:00.0 nvme\n"
                      "--\n"
                      "bind 0000:02:00.0 vfio-pci\n"
                      "bind 0000:02:00.1 vfio-pci\n"
                      "bind 0000:03:00.0 vfio-pci\n"
                      "bind 0000:03:00.1 vfio-pci\n");

        for (size_t i = 0; i < records.n_items; i++) {
                char *address = (char *) PCI_ADDRESS_FORMAT(&records.items[i].address);

                machine_set_driver(&facts, address, "vfio-pci");
                machine_set_override(&facts, address, "vfio-pci");
        }
        assert_give_back(&records, &facts,
                         "unbind 0000:03:00.1 vfio-pci\n"
                         "unbind 0000:03:00.0 vfio-pci\n"
                         "unbind 0000:02:00.1 vfio-pci\n"
                         "unbind 0000:02:00.0 vfio-pci\n"
                         "--\n"
                         "set-override 0000:02:00.0 e1000e\n"
                         "set-override 0000:02:00.1 e1000e\n"
                         "set-override 0000:03:00.0 nvme\n"
                         "--\n"
                         "bind 0000:02:00.0 e1000e\n"
                         "bind 0000:02:00.1 e1000e\n"
                         "bind 0000:03:00.0 nvme\n"
                         "--\n"
                         "set-override 0000:02:00.0 -\n"
                         "set-override 0000:02:00.1 -\n"
                         "set-override 0000:03:00.0 -\n"
                         "set-override 0000:03:00.1 -\n");
}
END_TEST

/* How the devices of a NIC stand, and what giving them back takes. NULL of `driver` and `override` is none. */
typedef struct GiveBackCase {
        const char *what;
        const char *recorded_driver, *recorded_override;
        const char *driver[2], *override[2];
        const char *expected;
} GiveBackCase;

static const GiveBackCase give_back_cases[] = {
        {
                "nothing was done",
                "e1000e", NULL, { "e1000e", "e1000e" }, { NULL, NULL },
                "",
        },
        {
                "it failed after the overrides",
                "e1000e", NULL, { "e1000e", "e1000e" }, { "vfio-pci", "vfio-pci" },
                "set-override 0000:02:00.0 -\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "it failed after one override",
                "e1000e", NULL, { "e1000e", "e1000e" }, { "vfio-pci", NULL },
                "set-override 0000:02:00.0 -\n",
        },
        {
                "one is unbound",
                "e1000e", NULL, { NULL, "e1000e" }, { "vfio-pci", "vfio-pci" },
                "set-override 0000:02:00.0 e1000e\n"
                "--\n"
                "bind 0000:02:00.0 e1000e\n"
                "--\n"
                "set-override 0000:02:00.0 -\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "one is bound to the VFIO driver, the other unbound",
                "e1000e", NULL, { "vfio-pci", NULL }, { "vfio-pci", "vfio-pci" },
                "unbind 0000:02:00.0 vfio-pci\n"
                "--\n"
                "set-override 0000:02:00.0 e1000e\n"
                "set-override 0000:02:00.1 e1000e\n"
                "--\n"
                "bind 0000:02:00.0 e1000e\n"
                "bind 0000:02:00.1 e1000e\n"
                "--\n"
                "set-override 0000:02:00.0 -\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "both are assigned",
                "e1000e", NULL, { "vfio-pci", "vfio-pci" }, { "vfio-pci", "vfio-pci" },
                "unbind 0000:02:00.1 vfio-pci\n"
                "unbind 0000:02:00.0 vfio-pci\n"
                "--\n"
                "set-override 0000:02:00.0 e1000e\n"
                "set-override 0000:02:00.1 e1000e\n"
                "--\n"
                "bind 0000:02:00.0 e1000e\n"
                "bind 0000:02:00.1 e1000e\n"
                "--\n"
                "set-override 0000:02:00.0 -\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "giving back was interrupted between bind and the last override",
                "e1000e", NULL, { "e1000e", NULL }, { "e1000e", "e1000e" },
                "bind 0000:02:00.1 e1000e\n"
                "--\n"
                "set-override 0000:02:00.0 -\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "both had no driver",
                NULL, NULL, { "vfio-pci", "vfio-pci" }, { "vfio-pci", "vfio-pci" },
                "unbind 0000:02:00.1 vfio-pci\n"
                "unbind 0000:02:00.0 vfio-pci\n"
                "--\n"
                "set-override 0000:02:00.0 -\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "both were kept driverless by an override",
                NULL, "none", { "vfio-pci", NULL }, { "vfio-pci", "vfio-pci" },
                "unbind 0000:02:00.0 vfio-pci\n"
                "--\n"
                "set-override 0000:02:00.0 none\n"
                "set-override 0000:02:00.1 none\n",
        },
        {
                "the recorded override names the recorded driver",
                "e1000e", "e1000e", { "vfio-pci", "vfio-pci" }, { "vfio-pci", "vfio-pci" },
                "unbind 0000:02:00.1 vfio-pci\n"
                "unbind 0000:02:00.0 vfio-pci\n"
                "--\n"
                "set-override 0000:02:00.0 e1000e\n"
                "set-override 0000:02:00.1 e1000e\n"
                "--\n"
                "bind 0000:02:00.0 e1000e\n"
                "bind 0000:02:00.1 e1000e\n",
        },
        {
                "they were on the VFIO driver before, by an override",
                "vfio-pci", "vfio-pci", { "vfio-pci", "vfio-pci" }, { "vfio-pci", "vfio-pci" },
                "",
        },
        {
                "they were on the VFIO driver before, without an override",
                "vfio-pci", NULL, { "vfio-pci", "vfio-pci" }, { "vfio-pci", "vfio-pci" },
                "set-override 0000:02:00.0 -\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "one sits on a driver that is neither",
                "e1000e", NULL, { "igb_uio", "vfio-pci" }, { "igb_uio", "vfio-pci" },
                "unbind 0000:02:00.1 vfio-pci\n"
                "--\n"
                "set-override 0000:02:00.1 e1000e\n"
                "--\n"
                "bind 0000:02:00.1 e1000e\n"
                "--\n"
                "set-override 0000:02:00.1 -\n",
        },
        {
                "one had no driver and got one from somebody else",
                NULL, NULL, { "e1000e", "vfio-pci" }, { "vfio-pci", "vfio-pci" },
                "unbind 0000:02:00.1 vfio-pci\n"
                "--\n"
                "set-override 0000:02:00.1 -\n",
        },
};

START_TEST(give_back_takes_exactly_the_steps_that_are_missing) {
        static const char *const addresses[] = { NIC0, NIC1 };

        for (size_t i = 0; i < ELEMENTSOF(give_back_cases); i++) {
                const GiveBackCase *c = &give_back_cases[i];
                _cleanup_(facts_done) Facts facts = {};
                _cleanup_(record_list_done) RecordList records = {};
                _cleanup_(plan_done) Plan plan = {};
                _cleanup_free_ char *text = NULL;

                add_nic(&facts);
                for (size_t k = 0; k < 2; k++) {
                        machine_set_driver(&facts, addresses[k], c->recorded_driver);
                        machine_set_override(&facts, addresses[k], c->recorded_override);
                }
                records = machine_record(&facts, TARGETS(NIC0));
                for (size_t k = 0; k < 2; k++) {
                        machine_set_driver(&facts, addresses[k], c->driver[k]);
                        machine_set_override(&facts, addresses[k], c->override[k]);
                }

                ck_assert_int_eq(plan_give_back(&records, &facts, &plan), 0);
                text = machine_plan_text(&plan);
                ck_assert_msg(string_equal(text, c->expected), "%s:\n%s--- expected:\n%s", c->what, text, c->expected);
        }
}
END_TEST

START_TEST(give_back_leaves_a_device_that_is_gone) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        PciAddress gone;

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        ck_assert_int_eq(pci_address_parse(NIC0, &gone), 0);
        facts_drop_device(&facts, &gone);
        machine_set_override(&facts, NIC1, "vfio-pci");
        assert_give_back(&records, &facts, "set-override 0000:02:00.1 -\n");
}
END_TEST

START_TEST(give_back_leaves_another_device_at_the_same_address) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        machine_set_driver(&facts, NIC0, "vfio-pci");
        machine_set_override(&facts, NIC0, "vfio-pci");
        machine_device(&facts, NIC0)->identity.subsystem_device = 0x1234;
        assert_give_back(&records, &facts, "");
}
END_TEST

/* NIC0 was on vfio-pci before, NIC1 was not: NIC1 must not meet its host driver while the owner can still use NIC0. */
START_TEST(a_device_recorded_on_its_vfio_driver_leaves_it_while_a_companion_goes_to_the_host) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        machine_set_driver(&facts, NIC0, "vfio-pci");
        records = machine_record(&facts, TARGETS(NIC0));
        machine_set_driver(&facts, NIC1, "vfio-pci");
        machine_set_override(&facts, NIC0, "vfio-pci");
        machine_set_override(&facts, NIC1, "vfio-pci");
        assert_give_back(&records, &facts,
                         "unbind 0000:02:00.1 vfio-pci\n"
                         "unbind 0000:02:00.0 vfio-pci\n"
                         "--\n"
                         "set-override 0000:02:00.1 e1000e\n"
                         "--\n"
                         "bind 0000:02:00.0 vfio-pci\n"
                         "bind 0000:02:00.1 e1000e\n"
                         "--\n"
                         "set-override 0000:02:00.0 -\n"
                         "set-override 0000:02:00.1 -\n");

        machine_set_driver(&facts, NIC1, "e1000e");
        assert_give_back(&records, &facts,
                         "set-override 0000:02:00.0 -\n"
                         "set-override 0000:02:00.1 -\n");
}
END_TEST

START_TEST(a_device_on_its_vfio_driver_stays_when_only_another_group_goes_to_the_host) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        machine_add(&facts, NIC0, 0x020000, 14, "vfio-pci", "vfio-pci");
        machine_add(&facts, "0000:03:00.0", 0x020000, 15, "e1000e", "e1000e");
        machine_link(&facts);
        records = machine_record(&facts, TARGETS(NIC0, "0000:03:00.0"));
        machine_set_driver(&facts, "0000:03:00.0", NULL);
        assert_give_back(&records, &facts, "bind 0000:03:00.0 e1000e\n");
}
END_TEST

START_TEST(a_device_on_its_vfio_driver_stays_when_a_companion_goes_to_pci_stub) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};

        add_nic(&facts);
        machine_set_driver(&facts, NIC0, "vfio-pci");
        machine_set_driver(&facts, NIC1, "pci-stub");
        machine_set_override(&facts, NIC1, "pci-stub");
        records = machine_record(&facts, TARGETS(NIC0));
        machine_set_driver(&facts, NIC1, NULL);
        assert_give_back(&records, &facts, "bind 0000:02:00.1 pci-stub\n");
}
END_TEST

START_TEST(release_takes_even_what_was_on_its_vfio_driver_off_it_and_puts_it_back) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_nic(&facts);
        machine_set_driver(&facts, NIC0, "vfio-pci");
        machine_set_driver(&facts, NIC1, NULL);
        records = machine_record(&facts, TARGETS(NIC0));
        machine_set_override(&facts, NIC0, "vfio-pci");
        assert_give_back(&records, &facts, "set-override 0000:02:00.0 -\n");
        ck_assert_int_eq(plan_release(&records, &facts, &plan), 0);
        assert_plan(&plan,
                    "unbind 0000:02:00.0 vfio-pci\n"
                    "--\n"
                    "bind 0000:02:00.0 vfio-pci\n"
                    "--\n"
                    "set-override 0000:02:00.0 -\n");
}
END_TEST

static void release_two_groups(Facts *facts, RecordList *records, Plan *plan) {
        machine_add(facts, NIC0, 0x020000, 14, "e1000e", NULL);
        machine_add(facts, NIC1, 0x020000, 14, "e1000e", NULL);
        machine_add(facts, "0000:03:00.0", 0x020000, 9, "igb", NULL);
        machine_link(facts);
        *records = machine_record(facts, TARGETS("group:14", "group:9"));
        machine_set_driver(facts, NIC0, "vfio-pci");
        machine_set_driver(facts, NIC1, "vfio-pci");
        machine_set_driver(facts, "0000:03:00.0", "vfio-pci");
        ck_assert_int_eq(plan_release(records, facts, plan), 0);
}

START_TEST(holders_are_looked_for_once_a_group_before_anything_is_given_back) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        release_two_groups(&facts, &records, &plan);
        ck_assert_int_eq(plan_check_holders_first(&plan, NULL, 0, NULL), 0);
        assert_plan(&plan,
                    "check-holders group:9\n"
                    "check-holders group:14\n"
                    "--\n"
                    "unbind 0000:03:00.0 vfio-pci\n"
                    "unbind 0000:02:00.1 vfio-pci\n"
                    "unbind 0000:02:00.0 vfio-pci\n"
                    "--\n"
                    "set-override 0000:02:00.0 e1000e\n"
                    "set-override 0000:02:00.1 e1000e\n"
                    "set-override 0000:03:00.0 igb\n"
                    "--\n"
                    "bind 0000:02:00.0 e1000e\n"
                    "bind 0000:02:00.1 e1000e\n"
                    "bind 0000:03:00.0 igb\n"
                    "--\n"
                    "set-override 0000:02:00.0 -\n"
                    "set-override 0000:02:00.1 -\n"
                    "set-override 0000:03:00.0 -\n");
        for (size_t i = 0; i < plan.n_steps; i++)
                ck_assert_uint_le(plan.steps[i].phase, i > 0 ? plan.steps[i - 1].phase + 1 : 0);
}
END_TEST

START_TEST(a_look_that_waits_for_the_holders_says_so) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        release_two_groups(&facts, &records, &plan);
        ck_assert_int_eq(plan_check_holders_first(&plan, NULL, 0, PLAN_WAIT), 0);
        ck_assert_int_eq(plan.steps[0].kind, STEP_CHECK_HOLDERS);
        ck_assert_str_eq(plan.steps[0].value, PLAN_WAIT);
        ck_assert_int_eq(plan.steps[1].kind, STEP_CHECK_HOLDERS);
        ck_assert_int_eq(plan.steps[2].kind, STEP_UNBIND);
}
END_TEST

START_TEST(where_no_device_leaves_its_driver_nobody_is_looked_for) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        machine_set_override(&facts, NIC0, "vfio-pci");
        ck_assert_int_eq(plan_release(&records, &facts, &plan), 0);
        ck_assert_int_eq(plan_check_holders_first(&plan, NULL, 0, NULL), 0);
        assert_plan(&plan, "set-override 0000:02:00.0 -\n");
}
END_TEST

static const NodeAccess user_access = { .uid = 1000, .gid = 36, .mode = 0660 };

static void set_group_node(RecordList *records, const char *access) {
        for (size_t i = 0; i < records->n_items; i++)
                ck_assert_int_ge(string_replace(&records->items[i].group_node, access), 0);
}

START_TEST(nodes_are_given_when_everything_is_bound) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_nic(&facts);
        records = machine_record(&facts, TARGETS(NIC0));
        set_group_node(&records, "0:0:0640");
        ck_assert_int_eq(plan_assign(&records, NULL, &plan), 0);
        ck_assert_int_eq(plan_add_nodes(&plan, &records, &user_access), 0);
        assert_plan(&plan,
                    "set-override 0000:02:00.0 vfio-pci\n"
                    "set-override 0000:02:00.1 vfio-pci\n"
                    "--\n"
                    "unbind 0000:02:00.0 e1000e\n"
                    "unbind 0000:02:00.1 e1000e\n"
                    "--\n"
                    "bind 0000:02:00.0 vfio-pci\n"
                    "bind 0000:02:00.1 vfio-pci\n"
                    "--\n"
                    "set-group-node group:14 1000:36:0660\n"
                    "set-device-node 0000:02:00.0 1000:36:0660\n"
                    "set-device-node 0000:02:00.1 1000:36:0660\n");
        ck_assert_str_eq(plan.steps[plan.n_steps - 3].prior, "0:0:0640");
        ck_assert_ptr_null(plan.steps[plan.n_steps - 1].prior);
}
END_TEST

START_TEST(nodes_are_roots_again_before_anything_is_unbound) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        release_two_groups(&facts, &records, &plan);
        for (size_t i = 0; i < records.n_items; i++)
                if (records.items[i].group == 14)
                        ck_assert_int_ge(string_replace(&records.items[i].group_node, "7:7:0640 a:b:c"), 0);
        ck_assert_int_eq(plan_take_nodes_first(&plan, &records, &facts, &user_access), 0);
        ck_assert_int_eq(plan_check_holders_first(&plan, NULL, 0, NULL), 0);
        ck_assert_int_eq(plan.steps[0].kind, STEP_CHECK_HOLDERS);
        ck_assert_int_eq(plan.steps[2].kind, STEP_SET_GROUP_NODE);
        ck_assert_str_eq(plan.steps[2].value, "0:0:0640 a:b:c");
        ck_assert_str_eq(plan.steps[2].prior, "1000:36:0660");
        for (size_t i = 3; i < 7; i++)
                ck_assert_str_eq(plan.steps[i].value, "0:0:0600");
        ck_assert_int_eq(plan.steps[7].kind, STEP_UNBIND);
        ck_assert_uint_lt(plan.steps[6].phase, plan.steps[7].phase);
}
END_TEST

START_TEST(nodes_of_what_is_gone_are_nobodys_to_take_and_of_what_came_instead_they_are) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        release_two_groups(&facts, &records, &plan);
        plan_done(&plan);
        facts_drop_device(&facts, &records.items[0].address);
        facts_find_device(&facts, &records.items[1].address)->identity.revision++;
        ck_assert_int_eq(plan_take_nodes_first(&plan, &records, &facts, &user_access), 0);
        assert_plan(&plan,
                    "set-group-node group:14 0:0:0600\n"
                    "set-device-node 0000:02:00.1 0:0:0600\n"
                    "set-group-node group:9 0:0:0600\n"
                    "set-device-node 0000:03:00.0 0:0:0600\n");
}
END_TEST

START_TEST(nothing_recorded_is_nothing_to_do) {
        static const RecordList records = {};
        static const Facts facts = {};

        assert_assign(&records, NULL, "");
        assert_give_back(&records, &facts, "");
}
END_TEST

static void add_two_groups(Facts *facts) {
        machine_add(facts, NIC0, 0x020000, 14, NULL, NULL);
        machine_add(facts, NIC1, 0x020000, 14, NULL, NULL);
        machine_add(facts, "0000:03:00.0", 0x020000, 9, NULL, NULL);
        machine_link(facts);
}

START_TEST(open_by_iommufd_takes_one_iommufd_and_each_device) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_two_groups(&facts);
        records = machine_record(&facts, TARGETS("group:14", "group:9"));
        ck_assert_int_eq(plan_open(&records, BACKEND_IOMMUFD, &plan), 0);
        assert_plan(&plan,
                    "open-iommufd\n"
                    "--\n"
                    "open-cdev 0000:02:00.0\n"
                    "open-cdev 0000:02:00.1\n"
                    "open-cdev 0000:03:00.0\n");
        ck_assert_uint_eq(plan.steps[0].group, GROUP_NONE);
        ck_assert_uint_eq(plan.steps[3].group, 9);
}
END_TEST

START_TEST(open_by_group_sets_the_type_with_the_first_group_alone) {
        _cleanup_(facts_done) Facts facts = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(plan_done) Plan plan = {};

        add_two_groups(&facts);
        records = machine_record(&facts, TARGETS("group:14", "group:9"));
        ck_assert_int_eq(plan_open(&records, BACKEND_GROUP, &plan), 0);
        assert_plan(&plan,
                    "open-container\n"
                    "--\n"
                    "open-group group:14\n"
                    "--\n"
                    "open-group group:9\n"
                    "--\n"
                    "open-device 0000:02:00.0\n"
                    "open-device 0000:02:00.1\n"
                    "open-device 0000:03:00.0\n");
}
END_TEST

START_TEST(step_kinds_have_words_both_ways) {
        for (StepKind kind = 0; kind < _STEP_KIND_MAX; kind++) {
                ck_assert_ptr_nonnull(step_kind_to_string(kind));
                ck_assert_int_eq(step_kind_from_string(step_kind_to_string(kind)), kind);
        }
        ck_assert_int_eq(step_kind_from_string("format-disk"), _STEP_KIND_INVALID);
        ck_assert_int_eq(step_kind_from_string(NULL), _STEP_KIND_INVALID);
        ck_assert_ptr_null(step_kind_to_string(_STEP_KIND_INVALID));
        ck_assert_ptr_null(step_kind_to_string(_STEP_KIND_MAX));
}
END_TEST

SUITE("plan",
      assign_overrides_all_then_unbinds_then_binds,
      assign_without_a_module_begins_with_overrides_in_phase_zero,
      assign_neither_unbinds_nor_binds_what_is_on_its_vfio_driver,
      assign_of_driverless_devices_has_no_unbind_phase,
      override_step_says_what_was_there,
      two_groups_of_four_devices_go_phase_by_phase,
      give_back_takes_exactly_the_steps_that_are_missing,
      give_back_leaves_a_device_that_is_gone,
      give_back_leaves_another_device_at_the_same_address,
      a_device_recorded_on_its_vfio_driver_leaves_it_while_a_companion_goes_to_the_host,
      a_device_on_its_vfio_driver_stays_when_only_another_group_goes_to_the_host,
      a_device_on_its_vfio_driver_stays_when_a_companion_goes_to_pci_stub,
      release_takes_even_what_was_on_its_vfio_driver_off_it_and_puts_it_back,
      holders_are_looked_for_once_a_group_before_anything_is_given_back,
      a_look_that_waits_for_the_holders_says_so,
      where_no_device_leaves_its_driver_nobody_is_looked_for,
      nodes_are_given_when_everything_is_bound,
      nodes_are_roots_again_before_anything_is_unbound,
      nodes_of_what_is_gone_are_nobodys_to_take_and_of_what_came_instead_they_are,
      nothing_recorded_is_nothing_to_do,
      open_by_iommufd_takes_one_iommufd_and_each_device,
      open_by_group_sets_the_type_with_the_first_group_alone,
      step_kinds_have_words_both_ways)
