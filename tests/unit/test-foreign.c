/* SPDX-License-Identifier: GPL-2.0-or-later */

/* driverctl's files and a libvirt that runs are known, in blockers and in what is said of drift. */

#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "db-scene.h"

static void write_text(const char *directory, const char *name, const char *text) {
        _cleanup_free_ char *path = NULL;

        ck_assert_int_ge(asprintf(&path, "%s/%s", directory, name), 0);
        file_write(path, text, strlen(text));
}

/* A process of that name, and the pid file that says so. */
static void run_daemon(const char *pid_file, const char *comm) {
        _cleanup_free_ char *directory = NULL;

        ck_assert_int_ge(asprintf(&directory, "%s/4711", daemon_scene.proc_path), 0);
        ck_assert(mkdir(directory, 0700) >= 0 || errno == EEXIST);
        write_text(directory, "comm", comm);
        write_text(daemon_scene.run_path, pid_file, "4711\n");
}

static void put_on_vfio(const PciAddress *address) {
        ck_assert_int_eq(simk_set_override(daemon_scene.root, address, "vfio-pci"), 0);
        ck_assert_int_eq(simk_unbind(daemon_scene.root, address, "e1000e"), 0);
        ck_assert_int_eq(simk_bind(daemon_scene.root, address, "vfio-pci"), 0);
}

START_TEST(what_driverctl_has_a_file_for_goes_only_with_an_override) {
        Request overriding = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);

        write_text(daemon_scene.driverctl_path, "pci-0000:02:00.1", "pci-stub\n");
        scene_start();
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_NOT_VIABLE,
                        "driverctl keeps 0000:02:00.1 on the driver 'pci-stub'");
        ck_assert_int_eq(strv_append(&overriding.overrides, "foreign-manager"), 0);
        await_end(begin_request(overriding));
        assert_driver(&mate, "vfio-pci");
        release("vm:a");
}
END_TEST

START_TEST(text_in_a_file_of_driverctl_is_shown_escaped_and_bounded) {
        char text[300];

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        write_text(daemon_scene.driverctl_path, "pci-0000:02:00.0", "a\x1b[31mb\n");
        write_text(daemon_scene.driverctl_path, "pci-0000:02:00.1", text);
        scene_start();
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_NOT_VIABLE, "driver 'a\\x1b[31mb'");
}
END_TEST

START_TEST(what_driverctl_does_to_an_assigned_device_is_said_to_be_its_doing) {
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        write_text(daemon_scene.driverctl_path, "pci-0000:02:00.0", "e1000e\n");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &nic, "vfio-pci"), 0);
        AWAIT(count_heard("drift driver-changed 0000:02:00.0 by driverctl") == 1);
        assert_rows("SELECT manager FROM drifts", "driverctl\n");
}
END_TEST

START_TEST(a_device_on_its_vfio_driver_is_libvirts_while_libvirt_runs) {
        put_on_vfio(&single);
        run_daemon("virtqemud.pid", "virtqemud\n");
        scene_start();
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:01:00.0", NULL), REFUSAL_NOT_VIABLE, "libvirt runs on this host");
        (void) assign("vm:b", "0000:02:00.0"); /* on its host driver: nobody has it */
        release("vm:b");
}
END_TEST

START_TEST(a_pid_file_that_was_left_behind_is_no_libvirt) {
        put_on_vfio(&single);
        run_daemon("libvirtd.pid", "sleep\n");
        scene_start();
        (void) assign("vm:a", "0000:01:00.0");
        release("vm:a");
}
END_TEST

START_TEST(what_happens_to_an_assigned_device_while_libvirt_runs_may_be_its_doing) {
        run_daemon("libvirtd.pid", "libvirtd\n");
        scene_start();
        (void) assign("vm:a", "0000:02:00.0");
        ck_assert_int_eq(simk_unbind(daemon_scene.root, &nic, "vfio-pci"), 0);
        AWAIT(count_heard("drift driver-changed 0000:02:00.0 by libvirt") == 1);
        assert_rows("SELECT message FROM audit_log WHERE verb = 'drift'",
                    "driver-changed: 0000:02:00.0 has left vfio-pci and is on no driver; this may be the doing of libvirt\n");
}
END_TEST

DAEMON_SUITE("foreign",
             what_driverctl_has_a_file_for_goes_only_with_an_override,
             text_in_a_file_of_driverctl_is_shown_escaped_and_bounded,
             what_driverctl_does_to_an_assigned_device_is_said_to_be_its_doing,
             a_device_on_its_vfio_driver_is_libvirts_while_libvirt_runs,
             a_pid_file_that_was_left_behind_is_no_libvirt,
             what_happens_to_an_assigned_device_while_libvirt_runs_may_be_its_doing)
