/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A VFIO driver whose module is not loaded: systemd is asked for it, here by a systemd of the test's own. */

#include <string.h>

#include "base/strutil.h"
#include "tests/bus/fixture.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE
#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define JOB SYSTEMD_PATH "/job/7"

typedef struct Systemd {
        Fixture *fixture;
        const char *result; /* how the job ends; NULL: StartUnit is refused */
        bool forged_first;  /* somebody else says before that it failed */
        char unit[64];      /* what was asked for */
        bool subscribed;
} Systemd;

/* Tells the daemon alone, as only a forger would. */
static void forge_job_removed(const Fixture *fixture) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *forger = fixture_connect(fixture);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        ck_assert_int_ge(sd_bus_message_new_signal(forger, &m, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "uoss", 7, JOB, "modprobe@vfio_pci.service", "failed"), 0);
        ck_assert_int_ge(sd_bus_message_set_destination(m, ASSIGND_BUS_NAME), 0);
        ck_assert_int_ge(sd_bus_send(forger, m, NULL), 0);
        /* The bus has passed it on before it answers this. */
        ck_assert_int_ge(sd_bus_call_method(forger, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL, ""), 0);
}

static int method_start_unit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Systemd *systemd = userdata;
        const char *unit, *mode;

        ck_assert_int_ge(sd_bus_message_read(m, "ss", &unit, &mode), 0);
        ck_assert_str_eq(mode, "replace");
        (void) snprintf(systemd->unit, sizeof(systemd->unit), "%s", unit);
        if (!systemd->result)
                return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "Unit modprobe@vfio_pci.service not found.");

        ck_assert_int_ge(simk_add_driver(systemd->fixture->tree->fd, "vfio-pci", SIMK_DRIVER_VFIO), 0);
        ck_assert_int_ge(sd_bus_reply_method_return(m, "o", JOB), 0);
        if (systemd->forged_first)
                forge_job_removed(systemd->fixture);
        ck_assert_int_ge(sd_bus_emit_signal(systemd->fixture->bus, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved", "uoss", 8, SYSTEMD_PATH "/job/8", unit,
                                            "failed"), 0); /* another one */
        ck_assert_int_ge(sd_bus_emit_signal(systemd->fixture->bus, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved", "uoss", 7, JOB, unit, systemd->result), 0);
        return 1;
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ((Systemd *) userdata)->subscribed = true;
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable systemd_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("StartUnit", "ss", "o", method_start_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Subscribe", NULL, NULL, method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

/* A host whose vfio-pci is not loaded. */
static Fixture *fixture_without_driver(void) {
        Fixture *fixture = fixture_new(&(FixtureSetup){ .no_daemon = true });

        ck_assert_int_ge(treegen_remove_path(fixture->tree->fd, "bus/pci/drivers/vfio-pci"), 0);
        ck_assert_int_ge(treegen_remove_path(fixture->tree->fd, "simk/drivers/vfio-pci"), 0);
        fixture_start_daemon(fixture);
        return fixture;
}

static void start_systemd(Systemd *systemd) {
        ck_assert_int_ge(sd_bus_add_object_vtable(systemd->fixture->bus, NULL, SYSTEMD_PATH, SYSTEMD_MANAGER, systemd_vtable, systemd), 0);
        ck_assert_int_ge(sd_bus_request_name(systemd->fixture->bus, SYSTEMD_NAME, 0), 0);
}

START_TEST(systemd_loads_the_module_of_the_driver) {
        _cleanup_fixture_ Fixture *fixture = fixture_without_driver();
        Systemd systemd = { .fixture = fixture, .result = "done" };
        _cleanup_free_ char *assignment = NULL, *driver = NULL;

        start_systemd(&systemd);
        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        ck_assert_str_eq(systemd.unit, "modprobe@vfio_pci.service");
        ck_assert(systemd.subscribed);
        driver = fixture_get_text(fixture, ASSIGND_DEVICE_PREFIX "/0000_02_00_1", ASSIGND_DEVICE_INTERFACE, "Driver");
        ck_assert_str_eq(driver, "vfio-pci");
}
END_TEST

START_TEST(only_systemd_itself_is_believed) {
        _cleanup_fixture_ Fixture *fixture = fixture_without_driver();
        Systemd systemd = { .fixture = fixture, .result = "done", .forged_first = true };
        _cleanup_free_ char *assignment = NULL;

        start_systemd(&systemd);
        assignment = fixture_assign(fixture, "vm:web1", "02:00.0");
        ck_assert_str_eq(systemd.unit, "modprobe@vfio_pci.service");
}
END_TEST

/* The assignment fails, and everything is as it was. */
static void check_assign_fails(Fixture *fixture) {
        _cleanup_free_ char *driver = NULL, *state = NULL;

        sd_bus_message_unref(fixture_call_in_vain(fixture, SD_BUS_ERROR_FAILED, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 0));
        driver = fixture_get_text(fixture, ASSIGND_DEVICE_PREFIX "/0000_02_00_1", ASSIGND_DEVICE_INTERFACE, "Driver");
        ck_assert_str_eq(driver, "e1000e");
        state = fixture_get_text(fixture, ASSIGND_GROUP_PREFIX "/14", ASSIGND_GROUP_INTERFACE, "State");
        ck_assert_str_eq(state, "host");
}

START_TEST(a_job_that_fails_fails_the_assignment) {
        _cleanup_fixture_ Fixture *fixture = fixture_without_driver();
        Systemd systemd = { .fixture = fixture, .result = "failed" };

        start_systemd(&systemd);
        check_assign_fails(fixture);
        ck_assert_str_eq(systemd.unit, "modprobe@vfio_pci.service");
}
END_TEST

START_TEST(a_systemd_without_the_unit_fails_the_assignment) {
        _cleanup_fixture_ Fixture *fixture = fixture_without_driver();
        Systemd systemd = { .fixture = fixture };

        start_systemd(&systemd);
        check_assign_fails(fixture);
        ck_assert_str_eq(systemd.unit, "modprobe@vfio_pci.service");
}
END_TEST

START_TEST(without_systemd_the_assignment_fails) {
        _cleanup_fixture_ Fixture *fixture = fixture_without_driver();

        check_assign_fails(fixture);
}
END_TEST

BUS_SUITE("bus-module", systemd_loads_the_module_of_the_driver, only_systemd_itself_is_believed, a_job_that_fails_fails_the_assignment,
          a_systemd_without_the_unit_fails_the_assignment, without_systemd_the_assignment_fails)
