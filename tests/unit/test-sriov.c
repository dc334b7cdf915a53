/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A PF and its VFs lock each other, and what an event says of one is looked up at the others. */

#include "daemon-scene.h"

#define PF_GROUP 16U

static const PciAddress second_vf = { .bus = 5, .function = 2 };

static const Device *device_at(const PciAddress *address) {
        return facts_find_device(manager_facts(daemon_scene.manager), address);
}

static void turn_off(const PciAddress *address) {
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, PCI_ADDRESS_FORMAT(address)), 0);
        ck_assert_int_eq(simk_emit(daemon_scene.root, "remove", address), 0);
}

static void turn_on(void) {
        const TreeDevice device = { "0000:05:00.1", "0000:00:05.0", 0x1b36, 0x0010, 0x1af4, 0x1100, 0x010802, 2, 22, NULL, NULL, "flr", -1,
                                    .physfn = "0000:05:00.0" };

        ck_assert_int_eq(treegen_add_device(daemon_scene.root, &device), 0);
        ck_assert_int_eq(simk_emit(daemon_scene.root, "add", &vf), 0);
}

START_TEST(a_pf_with_vfs_is_refused_and_left_alone) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        (void) assign("vm:vf", "0000:05:00.1");
        request_refused(make_request(VERB_ASSIGN, "vm:pf", "0000:05:00.0", NULL), REFUSAL_NOT_VIABLE, "0000:05:00.0 has 2 virtual functions enabled");
        release("vm:vf");
        request_refused(make_request(VERB_ASSIGN, "vm:pf", "0000:05:00.0", NULL), REFUSAL_NOT_VIABLE, "2 virtual functions");
        assert_snapshot(before);
        assert_rows("SELECT blockers FROM audit_log WHERE outcome = 'refused' ORDER BY id LIMIT 1",
                    "has-vfs 0000:05:00.0: 0000:05:00.0 has 2 virtual functions enabled (the first is 0000:05:00.1): it can go to nobody before "
                    "they are turned off\n");
}
END_TEST

START_TEST(the_end_of_a_vf_is_news_of_its_pf) {
        scene_start();
        turn_off(&second_vf);
        AWAIT(device_at(&pf)->n_vfs == 1);
        turn_off(&vf);
        AWAIT(device_at(&pf)->n_vfs == 0);
        (void) assign("vm:pf", "0000:05:00.0");
        release("vm:pf");
}
END_TEST

START_TEST(an_event_of_a_pf_is_news_of_its_vfs) {
        scene_start();
        ck_assert_int_eq(treegen_remove_device(daemon_scene.root, "0000:05:00.1"), 0); /* its own events are lost */
        ck_assert_int_eq(simk_emit(daemon_scene.root, "change", &pf), 0);
        AWAIT(!device_at(&vf));
        ck_assert_uint_eq(device_at(&pf)->n_vfs, 1);
}
END_TEST

START_TEST(a_vf_of_an_assigned_pf_is_locked) {
        scene_start();
        turn_off(&vf);
        turn_off(&second_vf);
        AWAIT(device_at(&pf)->n_vfs == 0);
        (void) assign("vm:pf", "0000:05:00.0");
        turn_on();
        AWAIT(device_at(&vf) && device_at(&pf)->n_vfs == 1);
        request_refused(make_request(VERB_ASSIGN, "vm:vf", "0000:05:00.1", NULL), REFUSAL_NOT_VIABLE,
                        "0000:05:00.1 is a virtual function of 0000:05:00.0, which is assigned to vm:pf");
        assert_rows("SELECT blockers FROM audit_log WHERE outcome = 'refused'",
                    "vf-of-locked-pf 0000:05:00.1: 0000:05:00.1 is a virtual function of 0000:05:00.0, which is assigned to vm:pf and decides what becomes of it\n");
        assert_driver(&vf, NULL);
        assert_override(&vf, NULL);
}
END_TEST

START_TEST(an_assigned_pf_stays_while_somebody_may_use_its_vfs) {
        scene_start();
        turn_off(&vf);
        turn_off(&second_vf);
        AWAIT(device_at(&pf)->n_vfs == 0);
        (void) assign("vm:pf", "0000:05:00.0");
        turn_on(); /* as its owner can, by vfio-pci's enable_sriov */
        AWAIT(count_heard("drift numvfs-changed 0000:05:00.0") > 0);
        ck_assert_int_eq(simk_set_override(daemon_scene.root, &vf, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(daemon_scene.root, &vf, "vfio-pci"), 0);
        AWAIT(device_at(&vf)->driver);
        request_refused(make_request(VERB_RELEASE, "vm:pf", NULL), REFUSAL_NOT_VIABLE, "would turn off the virtual function 0000:05:00.1");
        assert_driver(&pf, "vfio-pci");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &vf, "vfio-pci"), 0);
        AWAIT(!device_at(&vf)->driver);
        release("vm:pf");
}
END_TEST

START_TEST(a_vf_of_a_reserved_pf_is_locked) {
        scene_start();
        turn_off(&vf);
        turn_off(&second_vf);
        AWAIT(device_at(&pf)->n_vfs == 0);
        await_end(begin_request(make_request(VERB_RESERVE, NULL, "0000:05:00.0", NULL)));
        turn_on();
        AWAIT(device_at(&vf) && device_at(&pf)->n_vfs == 1);
        request_refused(make_request(VERB_ASSIGN, "vm:vf", "0000:05:00.1", NULL), REFUSAL_NOT_VIABLE,
                        "0000:05:00.1 is a virtual function of 0000:05:00.0, which is reserved");
        request_refused(make_request(VERB_RESERVE, NULL, "0000:05:00.1", NULL), REFUSAL_NOT_VIABLE, "which is reserved");
}
END_TEST

DAEMON_SUITE("sriov",
             a_pf_with_vfs_is_refused_and_left_alone,
             the_end_of_a_vf_is_news_of_its_pf,
             an_event_of_a_pf_is_news_of_its_vfs,
             a_vf_of_an_assigned_pf_is_locked,
             an_assigned_pf_stays_while_somebody_may_use_its_vfs,
             a_vf_of_a_reserved_pf_is_locked)
