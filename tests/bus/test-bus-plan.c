/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A plan tells who has the devices open, as its verb would, and nothing waits for a look but the plan. */

#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/strutil.h"
#include "tests/bus/fixture.h"
#include "tests/bus/message.h"

#define MANAGER ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE

static const PciAddress nic = { .bus = 2 }, mate = { .bus = 2, .function = 1 };

static sd_bus_message *plan_release(Fixture *fixture) {
        return fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "release", 0, 1, "owner", "s", "vm:web1");
}

static sd_bus_message *plan_assign(Fixture *fixture, const char *override) {
        return fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 1, "override", "as", override ? 1 : 0, override);
}

/* The devices are on vfio-pci already, by somebody else's doing. */
static void put_on_vfio(const Fixture *fixture, const PciAddress *address) {
        int root = fixture->tree->fd;

        ck_assert_int_eq(simk_unbind(root, address, "e1000e"), 0);
        ck_assert_int_eq(simk_set_override(root, address, "vfio-pci"), 0);
        ck_assert_int_eq(simk_bind(root, address, "vfio-pci"), 0);
}

START_TEST(plan_of_a_release_names_who_has_it_open) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_free_ char *assignment = fixture_assign(fixture, "vm:web1", "02:00.0"), *told = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *held = NULL, *open = NULL, *after = NULL;
        _cleanup_close_ int holder = simk_hold(fixture->tree->fd, &nic);

        ck_assert_int_ge(holder, 0);
        held = plan_release(fixture);
        ck_assert(!message_get_bool(held, "possible"));
        ck_assert_str_eq(message_get_text(held, "error"), ASSIGND_ERROR_BUSY);
        ck_assert_uint_eq(message_count(held, "blockers", "code", "in-use-open"), 1);
        ck_assert_uint_eq(message_count(held, "steps", "action", NULL), 0);
        ck_assert_int_ge(asprintf(&told, "pid %d (test-bus-plan) has 0000:02:00.0 open as fd %d", (int) getpid(), holder), 0);
        ck_assert_msg(strstr(message_get_text(held, "message"), told), "%s", message_get_text(held, "message"));
        open = fixture_call_well(fixture, MANAGER, "Plan", "sasa{sv}", "release", 0, 2, "owner", "s", "vm:web1", "wait", "b", 1);
        ck_assert(message_get_bool(open, "possible")); /* it would wait */

        holder = safe_close(holder);
        after = plan_release(fixture);
        ck_assert(message_get_bool(after, "possible"));
        ck_assert_uint_eq(message_count(after, "steps", "action", "check-holders"), 1);
}
END_TEST

START_TEST(plan_of_an_assign_names_who_has_it_open_unless_that_is_overridden) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *held = NULL, *overridden = NULL, *refused = NULL;
        _cleanup_close_ int holder = -EBADF;

        put_on_vfio(fixture, &nic);
        put_on_vfio(fixture, &mate);
        holder = simk_hold(fixture->tree->fd, &mate);
        ck_assert_int_ge(holder, 0);
        held = plan_assign(fixture, NULL);
        ck_assert(!message_get_bool(held, "possible"));
        ck_assert_str_eq(message_get_text(held, "error"), ASSIGND_ERROR_NOT_VIABLE);
        ck_assert_uint_eq(message_count(held, "blockers", "code", "in-use-open"), 1);
        ck_assert_uint_eq(message_count(held, "blockers", "device", "0000:02:00.1"), 1);
        /* the verb itself says the same */
        refused = fixture_call_in_vain(fixture, ASSIGND_ERROR_NOT_VIABLE, MANAGER, "Assign", "sasa{sv}", "vm:web1", 1, "02:00.0", 0);
        ck_assert_uint_eq(message_count_blockers(refused, "in-use-open"), 1);
        overridden = plan_assign(fixture, "in-use-open");
        ck_assert(message_get_bool(overridden, "possible"));
}
END_TEST

START_TEST(look_that_fails_is_no_plan_without_it) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = NULL;

        ck_assert_int_eq(simk_fail(fixture->tree->fd, SIMK_CHECK_HOLDERS, NULL, 1, EMFILE), 0);
        plan = plan_assign(fixture, NULL);
        ck_assert(!message_get_bool(plan, "possible"));
        ck_assert_str_eq(message_get_text(plan, "error"), SD_BUS_ERROR_FAILED);
        ck_assert_str_eq(message_get_text(plan, "message"), "Who has the devices open could not be found out: Too many open files");
}
END_TEST

START_TEST(look_that_never_answers_holds_up_nobody_and_its_plan_not_for_ever) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) { .stuck_msec = 300 });
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = NULL, *after = NULL;
        _cleanup_close_ int hang = simk_hang(fixture->tree->fd, SIMK_CHECK_HOLDERS, NULL, 1);
        FixtureCall call = {};

        ck_assert_int_ge(hang, 0);
        fixture_call_begin(fixture, &call, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 0);
        free(fixture_get_text(fixture, MANAGER, "Health"));
        ck_assert_int_eq(simk_await(fixture->tree->fd, "begin check-holders"), 0);
        free(fixture_assign(fixture, "vm:web1", "02:00.0"));
        plan = fixture_call_end(&call);
        ck_assert(!message_get_bool(plan, "possible"));
        ck_assert_str_eq(message_get_text(plan, "error"), ASSIGND_ERROR_TIMEOUT);
        hang = safe_close(hang);
        after = plan_release(fixture);
        ck_assert(message_get_bool(after, "possible"));
}
END_TEST

/* Waits until so many looks have begun. */
static void await_looks(Fixture *fixture, unsigned n) {
        for (;;) {
                _cleanup_free_ char *trace = NULL;
                unsigned found = 0;

                ck_assert_int_eq(simk_read_trace(fixture->tree->fd, &trace), 0);
                for (const char *p = trace; (p = strstr(p, "begin check-holders")); p++)
                        found++;
                if (found >= n)
                        return;
                fixture_settle(fixture);
        }
}

/* Each is a process that nobody can end. */
START_TEST(looks_that_never_answer_are_few) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) { .stuck_msec = 500 });
        FixtureCall calls[16] = {};
        int hangs[16];

        for (unsigned i = 0; i < ELEMENTSOF(hangs); i++) {
                hangs[i] = simk_hang(fixture->tree->fd, SIMK_CHECK_HOLDERS, NULL, 1);
                ck_assert_int_ge(hangs[i], 0);
                fixture_call_begin(fixture, &calls[i], MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 0);
                fixture_settle(fixture);
                await_looks(fixture, i + 1);
        }
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = fixture_call_end(&calls[i]);

                ck_assert_str_eq(message_get_text(plan, "error"), ASSIGND_ERROR_TIMEOUT);
        }
        sd_bus_message_unref(fixture_call_in_vain(fixture, ASSIGND_ERROR_LIMITS_EXCEEDED, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 0));
        for (size_t i = 0; i < ELEMENTSOF(hangs); i++)
                (void) close(hangs[i]);
        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = fixture_call(fixture, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 0);

                if (!sd_bus_message_is_method_error(answer, NULL))
                        break;
        }
}
END_TEST

START_TEST(caller_that_leaves_while_its_plan_is_looked_for_harms_nothing) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_close_ int hang = simk_hang(fixture->tree->fd, SIMK_CHECK_HOLDERS, NULL, 1);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *after = NULL;
        sd_bus *other = fixture_connect(fixture);

        ck_assert_int_ge(sd_bus_message_new_method_call(other, &call, ASSIGND_BUS_NAME, MANAGER, "Plan"), 0);
        ck_assert_int_ge(sd_bus_message_append(call, "sasa{sv}", "assign", 1, "02:00.0", 0), 0);
        ck_assert_int_ge(sd_bus_send(other, call, NULL), 0);
        ck_assert_int_ge(sd_bus_flush(other), 0);
        ck_assert_int_eq(simk_await(fixture->tree->fd, "begin check-holders"), 0);
        call = sd_bus_message_unref(call);
        sd_bus_flush_close_unref(other);
        fixture_settle(fixture);
        hang = safe_close(hang);
        after = plan_assign(fixture, NULL);
        ck_assert(message_get_bool(after, "possible"));
        ck_assert_int_eq(fixture_end_daemon(fixture, SIGTERM), 0);
}
END_TEST

START_TEST(daemon_ends_while_a_plan_is_looked_for) {
        _cleanup_fixture_ Fixture *fixture = fixture_new(&(FixtureSetup) {});
        _cleanup_close_ int hang = simk_hang(fixture->tree->fd, SIMK_CHECK_HOLDERS, NULL, 1);
        FixtureCall call = {};

        fixture_call_begin(fixture, &call, MANAGER, "Plan", "sasa{sv}", "assign", 1, "02:00.0", 0);
        fixture_settle(fixture);
        ck_assert_int_eq(simk_await(fixture->tree->fd, "begin check-holders"), 0);
        ck_assert_int_eq(fixture_end_daemon(fixture, SIGTERM), 0);
        sd_bus_slot_unref(call.slot);
}
END_TEST

BUS_SUITE("bus-plan", plan_of_a_release_names_who_has_it_open, plan_of_an_assign_names_who_has_it_open_unless_that_is_overridden,
          look_that_fails_is_no_plan_without_it, look_that_never_answers_holds_up_nobody_and_its_plan_not_for_ever, looks_that_never_answer_are_few,
          caller_that_leaves_while_its_plan_is_looked_for_harms_nothing, daemon_ends_while_a_plan_is_looked_for)
