/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Requests from end to end: what a manager of devices asks for, what the host is afterwards, and what is written down. */

#include <fcntl.h>
#include <string.h>

#include "base/strutil.h"
#include "daemon-scene.h"

START_TEST(a_whole_group_goes_and_comes_back_exactly) {
        _cleanup_free_ char *before = scene_snapshot();

        scene_start();
        ck_assert_uint_eq(manager_group_state(daemon_scene.manager, NIC_GROUP), GROUP_STATE_HOST);
        (void) assign("vm:web1", "0000:02:00.0");
        assert_driver(&nic, "vfio-pci");
        assert_driver(&mate, "vfio-pci");
        assert_override(&nic, "vfio-pci");
        ck_assert_uint_eq(manager_group_state(daemon_scene.manager, NIC_GROUP), GROUP_STATE_ASSIGNED);
        assert_rows("SELECT owner, address, role, driver_before, state FROM current_assignments ORDER BY address",
                    "vm:web1|0000:02:00.0|wanted|e1000e|active\nvm:web1|0000:02:00.1|companion|e1000e|active\n");

        release("vm:web1");
        assert_snapshot(before);
        ck_assert_uint_eq(manager_group_state(daemon_scene.manager, NIC_GROUP), GROUP_STATE_HOST);
        assert_rows("SELECT verb, owner, outcome, devices, groups FROM audit_log ORDER BY id",
                    "assign|vm:web1|done|0000:02:00.0 0000:02:00.1|14\nrelease|vm:web1|done|0000:02:00.0 0000:02:00.1|14\n");
        assert_rows("SELECT count(*) FROM current_assignments", "0\n");
}
END_TEST

DAEMON_SUITE("manager", a_whole_group_goes_and_comes_back_exactly)
