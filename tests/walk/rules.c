/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/walk/rules.h"

#include <string.h>

#include "base/strutil.h"
#include "db/internal.h"
#include "tests/walk/rules-nodes.h"

#define OPEN_MAX 64U

/* --- Rows, as a reader beside the daemon sees them: what is committed. */

enum {
        ISSUED_STEP,
        OPEN_ASSIGNMENTS,
        OPEN_RESERVATIONS,
        RESERVATION,
        RESERVATION_DEVICES,
        RESERVATION_END_REASONS,
        ASSIGNMENT,
        ASSIGNMENT_DEVICES,
        OPERATION_END,
        END_REASONS,
        OPEN_OPERATIONS,
        GROUP_OPERATION,
        GROUP_QUARANTINE,
        N_HELD,
        WORKER_DEVICES,
        NOT_ENDED,
        TRAIL,
        _STATEMENT_MAX,
};

static const char *const sql[_STATEMENT_MAX] = {
        [ISSUED_STEP] = "SELECT s.kind, s.address, coalesce(s.value, ''), o.finished_usec, o.verb FROM operations o JOIN steps s ON s.operation = o.id"
                        " WHERE o.worker_pid = ? AND s.sequence = ? AND s.state = 'issued'",
        [OPEN_ASSIGNMENTS] = "SELECT id, state, boot FROM assignments WHERE ended_usec IS NULL ORDER BY id",
        [OPEN_RESERVATIONS] = "SELECT id, state, boot FROM reservations WHERE ended_usec IS NULL ORDER BY id",
        [RESERVATION] = "SELECT '', caller_uid, 0, boot FROM reservations WHERE id = ?",
        [RESERVATION_DEVICES] = "SELECT address, coalesce(driver, ''), coalesce(driver_override, ''), group_number FROM reservation_devices"
                                " WHERE reservation = ?",
        [RESERVATION_END_REASONS] = "SELECT coalesce(end_reason, '') FROM reservations WHERE id = ?",
        [ASSIGNMENT] = "SELECT owner, caller_uid, lease, boot FROM assignments WHERE id = ?",
        [ASSIGNMENT_DEVICES] = "SELECT address, coalesce(driver, ''), coalesce(driver_override, ''), group_number FROM assignment_devices"
                               " WHERE assignment = ?",
        [OPERATION_END] = "SELECT state, finished_usec, (SELECT count(*) FROM audit a WHERE a.operation = o.id AND a.outcome = o.state)"
                          " FROM operations o WHERE id = ?",
        [END_REASONS] = "SELECT coalesce((SELECT end_reason FROM assignments WHERE id = ?1), '') ||"
                        " coalesce((SELECT group_concat(reason) FROM operations WHERE assignment = ?1), '')",
        [OPEN_OPERATIONS] = "SELECT id, worker_pid FROM operations WHERE finished_usec IS NULL",
        [GROUP_OPERATION] = "SELECT o.id FROM operation_groups g JOIN operations o ON o.id = g.operation"
                            " WHERE o.finished_usec IS NULL AND g.group_number = ?",
        [GROUP_QUARANTINE] = "SELECT 1 FROM quarantines q JOIN quarantine_devices d ON d.quarantine = q.id"
                             " WHERE q.ended_usec IS NULL AND d.group_number = ?",
        [N_HELD] = "SELECT (SELECT count(*) FROM assignment_devices WHERE held = 1) + (SELECT count(*) FROM reservation_devices WHERE held = 1)",
        [WORKER_DEVICES] = "SELECT s.address FROM operations o JOIN steps s ON s.operation = o.id WHERE o.worker_pid = ?",
        [NOT_ENDED] = "SELECT (SELECT count(*) FROM operations WHERE finished_usec IS NULL), (SELECT count(*) FROM assignments WHERE ended_usec IS NULL),"
                      " (SELECT count(*) FROM reservations WHERE ended_usec IS NULL)",
        [TRAIL] = "SELECT o.id, count(a.id) FROM operations o LEFT JOIN audit a ON a.operation = o.id GROUP BY o.id HAVING count(a.id) <> 1",
};

static sqlite3_stmt *ask(Rules *rules, unsigned statement, int64_t a, int64_t b) {
        sqlite3_stmt *s = rules->statements[statement];

        (void) sqlite3_reset(s);
        if (sqlite3_bind_parameter_count(s) >= 1)
                (void) sqlite3_bind_int64(s, 1, a);
        if (sqlite3_bind_parameter_count(s) >= 2)
                (void) sqlite3_bind_int64(s, 2, b);
        return s;
}

static bool next(sqlite3_stmt *s) {
        int code = sqlite3_step(s);

        if (code != SQLITE_ROW)
                (void) sqlite3_reset(s);
        return code == SQLITE_ROW;
}

static const char *text(sqlite3_stmt *s, int column) {
        return (const char *) sqlite3_column_text(s, column) ?: "";
}

static WorldDevice *device_named(Rules *rules, const char *address) {
        PciAddress parsed;

        return pci_address_parse(address, &parsed) < 0 ? NULL : world_find_device(rules->world, &parsed);
}

static size_t index_of(const Rules *rules, const WorldDevice *device) {
        return (size_t) (device - rules->world->devices);
}

static uint32_t bit_of(const Rules *rules, const WorldDevice *device) {
        return UINT32_C(1) << index_of(rules, device);
}

/* --- Holds. */

static Hold *find_hold(Rules *rules, bool is_reservation, int64_t id) {
        for (size_t i = 0; i < rules->n_holds; i++)
                if (rules->holds[i].id == id && rules->holds[i].is_reservation == is_reservation)
                        return &rules->holds[i];
        return NULL;
}

Hold *rules_find_hold(Rules *rules, int64_t id) {
        return find_hold(rules, /* is_reservation= */ false, id);
}

static size_t count_open(const Rules *rules, bool is_reservation) {
        size_t n = 0;

        for (size_t i = 0; i < rules->n_holds; i++)
                n += !rules->holds[i].is_over && rules->holds[i].is_reservation == is_reservation;
        return n;
}

static Hold *pick_open(Rules *rules, bool is_reservation, uint64_t n) {
        size_t open = count_open(rules, is_reservation);

        if (open == 0)
                return NULL;
        n %= open;
        for (size_t i = 0;; i++)
                if (!rules->holds[i].is_over && rules->holds[i].is_reservation == is_reservation && n-- == 0)
                        return &rules->holds[i];
}

size_t rules_n_open(const Rules *rules) {
        return count_open(rules, /* is_reservation= */ false);
}

Hold *rules_pick_hold(Rules *rules, uint64_t n) {
        return pick_open(rules, /* is_reservation= */ false, n);
}

WorldDevice *rules_pick_reserved(Rules *rules, uint64_t n) {
        const Hold *hold = pick_open(rules, /* is_reservation= */ true, n);

        for (size_t i = 0; hold && i < rules->world->n_devices; i++)
                if (hold->devices & (UINT32_C(1) << i))
                        return &rules->world->devices[i];
        return NULL;
}

static Hold *hold_of_kind(Rules *rules, const WorldDevice *device, bool is_reservation) {
        for (size_t i = 0; i < rules->n_holds; i++)
                if (!rules->holds[i].is_over && rules->holds[i].is_reservation == is_reservation && (rules->holds[i].devices & bit_of(rules, device)))
                        return &rules->holds[i];
        return NULL;
}

/* What lies on top. */
static Hold *hold_of(Rules *rules, const WorldDevice *device) {
        return hold_of_kind(rules, device, /* is_reservation= */ false) ?: hold_of_kind(rules, device, /* is_reservation= */ true);
}

static const char *kind_name(const Hold *hold) {
        return hold->is_reservation ? "reservation" : "assignment";
}

void hold_close_fds(Hold *hold) {
        for (size_t i = 0; i < hold->n_fds; i++)
                safe_close(hold->fds[i]);
        free(TAKE_PTR(hold->fds));
        hold->n_fds = 0;
}

void rules_note_foreign(Rules *rules, const WorldDevice *device) {
        for (size_t i = 0; i < rules->n_holds; i++)
                if (!rules->holds[i].is_over && (rules->holds[i].devices & bit_of(rules, device)))
                        rules->holds[i].foreign |= bit_of(rules, device);
}

static bool operation_gives_back(Rules *rules, const Operation *operation, const Hold *hold) {
        for (size_t i = 0; i < rules->world->n_devices; i++)
                if ((hold->devices & (UINT32_C(1) << i)) && operation_has_group(operation, rules->world->devices[i].shape.group))
                        return true;
        return false;
}

void rules_forget_spoiled(Rules *rules, const Operation *operation) {
        for (size_t i = 0; i < rules->n_holds; i++)
                if (!operation || (operation->state != OPERATION_WAITING && operation_gives_back(rules, operation, &rules->holds[i])))
                        rules->holds[i].spoiled = 0;
}

/* With what is in the same group: no member may go to its host driver while another is still usable. */
static void spoil(Rules *rules, const WorldDevice *device) {
        for (size_t k = 0; k < rules->n_holds; k++) {
                Hold *hold = &rules->holds[k];

                for (size_t i = 0; !hold->is_over && (hold->devices & bit_of(rules, device)) && i < rules->world->n_devices; i++)
                        if (rules->world->devices[i].shape.group == device->shape.group)
                                hold->spoiled |= UINT32_C(1) << i;
        }
}

static void note_incomplete(Rules *rules, const WorldWorker *worker, bool spoils) {
        sqlite3_stmt *s = ask(rules, WORKER_DEVICES, worker->pid, 0);

        while (next(s)) {
                const WorldDevice *device = device_named(rules, text(s, 0));

                for (size_t i = 0; device && i < rules->n_holds; i++)
                        if (!rules->holds[i].is_over && (rules->holds[i].devices & bit_of(rules, device)))
                                rules->holds[i].is_incomplete = true;
                if (device && spoils)
                        spoil(rules, device);
        }
}

void rules_note_spoiled(Rules *rules, const WorldWorker *worker) {
        note_incomplete(rules, worker, /* spoils= */ true);
}

static bool group_has_hold(Rules *rules, uint32_t group, bool is_reservation) {
        for (size_t i = 0; i < rules->world->n_devices; i++)
                if (rules->world->devices[i].shape.group == group && hold_of_kind(rules, &rules->world->devices[i], is_reservation))
                        return true;
        return false;
}

bool rules_group_is_held(Rules *rules, uint32_t group) {
        return group_has_hold(rules, group, /* is_reservation= */ false);
}

bool rules_group_is_reserved(Rules *rules, uint32_t group) {
        return group_has_hold(rules, group, /* is_reservation= */ true);
}

bool rules_reservation_is_whole(Rules *rules, uint32_t group) {
        for (size_t i = 0; i < rules->world->n_devices; i++) {
                const WorldDevice *device = &rules->world->devices[i];
                const Hold *hold = hold_of_kind(rules, device, /* is_reservation= */ true);

                if (device->shape.group == group && device_is_endpoint(device) && hold &&
                    (!device->present || device->generation != hold->generations[i]))
                        return false;
        }
        return true;
}

static bool has_row(Rules *rules, unsigned statement, int64_t a) {
        sqlite3_stmt *s = ask(rules, statement, a, 0);
        bool is_there = next(s);

        (void) sqlite3_reset(s);
        return is_there;
}

bool rules_group_is_busy(Rules *rules, uint32_t group) {
        return has_row(rules, GROUP_OPERATION, group);
}

bool rules_group_is_closed(Rules *rules, uint32_t group) {
        return has_row(rules, GROUP_QUARANTINE, group);
}

/* What is recorded must be what is there in this moment. */
static void begin_device(Rules *rules, Hold *hold, WorldDevice *device, const char *driver, const char *override) {
        World *world = rules->world;
        WorldPlace place = world_place(world, device);

        if (device->present && (!string_equal(place.driver, driver) || !string_equal(place.override, override)))
                world_wrong(world, "rule 5: %s is recorded as on '%s', override '%s', and is on '%s', '%s'", device->shape.address, driver, override,
                            place.driver, place.override);
        hold->before[index_of(rules, device)] = place;
        hold->generations[index_of(rules, device)] = device->generation;
}

/* A group can be assigned where it is reserved, but not the other way round. */
static bool is_somebodys(Rules *rules, const WorldDevice *device, bool is_reservation) {
        return is_reservation ? hold_of(rules, device) : hold_of_kind(rules, device, false);
}

static void begin_hold(Rules *rules, bool is_reservation, int64_t id) {
        World *world = rules->world;
        Hold *holds = reallocarray(rules->holds, rules->n_holds + 1, sizeof(Hold)), *hold;
        uint32_t devices = 0;
        sqlite3_stmt *s;

        if (!holds)
                abort();
        rules->holds = holds;
        hold = &holds[rules->n_holds++];
        *hold = (Hold) { .is_reservation = is_reservation, .id = id, .boot = world->boot };
        s = ask(rules, is_reservation ? RESERVATION : ASSIGNMENT, id, 0);
        if (next(s)) {
                (void) snprintf(hold->owner, sizeof(hold->owner), "%s", text(s, 0));
                hold->uid = (uid_t) sqlite3_column_int64(s, 1);
                hold->has_lease = sqlite3_column_int(s, 2);
                hold->boot_row = sqlite3_column_int64(s, 3);
        }
        (void) sqlite3_reset(s);
        s = ask(rules, is_reservation ? RESERVATION_DEVICES : ASSIGNMENT_DEVICES, id, 0);
        while (next(s)) {
                WorldDevice *device = device_named(rules, text(s, 0));

                if (!device || is_somebodys(rules, device, is_reservation)) {
                        world_wrong(world, "rule 1: %s %" PRIi64 " is of %s, which is nobody's to give", kind_name(hold), id, text(s, 0));
                        continue;
                }
                begin_device(rules, hold, device, text(s, 1), text(s, 2));
                devices |= bit_of(rules, device);
        }
        hold->devices = devices;
}

/* In another boot: what a driver of the host has is recorded anew, and what no driver or the VFIO driver has stays recorded. */
static void renew_device(Rules *rules, Hold *hold, WorldDevice *device, const char *driver, const char *override) {
        World *world = rules->world;
        WorldPlace place = world_place(world, device), recorded = {};
        size_t i = index_of(rules, device);

        (void) snprintf(recorded.driver, sizeof(recorded.driver), "%s", driver);
        (void) snprintf(recorded.override, sizeof(recorded.override), "%s", override);
        if (place.driver[0] != '\0' && !string_equal(place.driver, VFIO) && !string_equal(driver, place.driver))
                world_wrong(world, "rule 5: reservation %" PRIi64 " is renewed with %s on '%s', and it is on '%s'", hold->id, device->shape.address, driver,
                            place.driver);
        if (!string_equal(place.override, VFIO) && !string_equal(override, place.override))
                world_wrong(world, "rule 5: reservation %" PRIi64 " is renewed with the override of %s '%s', and it is '%s'", hold->id,
                            device->shape.address, override, place.override);
        hold->before[i] = recorded;
        hold->generations[i] = device->generation;
        hold->devices |= UINT32_C(1) << i;
        hold->foreign &= ~(UINT32_C(1) << i);
}

static bool any_group(Rules *rules, const Hold *hold, bool (*is)(Rules *rules, uint32_t group)) {
        for (size_t i = 0; i < rules->world->n_devices; i++)
                if ((hold->devices & (UINT32_C(1) << i)) && is(rules, rules->world->devices[i].shape.group))
                        return true;
        return false;
}

static void renew_hold(Rules *rules, Hold *hold, int64_t boot_row) {
        sqlite3_stmt *s = ask(rules, RESERVATION_DEVICES, hold->id, 0);

        hold->boot = rules->world->boot;
        hold->boot_row = boot_row;
        hold->is_incomplete = false;
        hold->is_recovered = any_group(rules, hold, rules_group_is_closed);
        hold->spoiled = 0;
        while (next(s)) {
                WorldDevice *device = device_named(rules, text(s, 0));

                if (device && device->present && sqlite3_column_type(s, 3) != SQLITE_NULL)
                        renew_device(rules, hold, device, text(s, 1), text(s, 2));
        }
}

/* A device that joined a group that is held, or reserved, goes with it. */
static void extend_holds(Rules *rules) {
        size_t n = 0;
        sqlite3_stmt *s;

        for (size_t i = 0; i < rules->n_holds; i++)
                if (!rules->holds[i].is_over)
                        n += (size_t) __builtin_popcount(rules->holds[i].devices);
        s = ask(rules, N_HELD, 0, 0);
        if (next(s) && (size_t) sqlite3_column_int64(s, 0) == n) {
                (void) sqlite3_reset(s);
                return;
        }
        (void) sqlite3_reset(s);
        for (size_t i = 0; i < rules->n_holds; i++) {
                Hold *hold = &rules->holds[i];

                s = ask(rules, hold->is_reservation ? RESERVATION_DEVICES : ASSIGNMENT_DEVICES, hold->id, 0);
                while (!hold->is_over && next(s)) {
                        WorldDevice *device = device_named(rules, text(s, 0));

                        if (!device || (hold->devices & bit_of(rules, device)))
                                continue;
                        hold->devices |= bit_of(rules, device);
                        hold->foreign |= bit_of(rules, device);
                        begin_device(rules, hold, device, text(s, 1), text(s, 2));
                }
                (void) sqlite3_reset(s);
        }
}

static bool is_reported(Rules *rules, const Hold *hold, const char *address) {
        sqlite3_stmt *s = ask(rules, hold->is_reservation ? RESERVATION_END_REASONS : END_REASONS, hold->id, 0);
        bool is_there = next(s) && strstr(text(s, 0), address);

        (void) sqlite3_reset(s);
        return is_there;
}

/* Rules 2 and 5, in the moment after the commit that ends it. */
static void end_hold(Rules *rules, Hold *hold) {
        World *world = rules->world;

        hold->is_over = true;
        for (size_t i = 0; hold->boot == world->boot && i < world->n_devices; i++) {
                const WorldDevice *device = &world->devices[i];
                WorldPlace now;

                if (!(hold->devices & (UINT32_C(1) << i)) || !device->present || device->generation != hold->generations[i])
                        continue;
                now = world_place(world, device);
                if (place_equal(&now, &hold->before[i]))
                        continue;
                if (!((hold->foreign | hold->spoiled) & (UINT32_C(1) << i)))
                        world_wrong(world, "rule 5: %s %" PRIi64 " is over, %s was on '%s', override '%s', and is on '%s', '%s'", kind_name(hold), hold->id,
                                    device->shape.address, hold->before[i].driver, hold->before[i].override, now.driver, now.override);
                else if (!is_reported(rules, hold, device->shape.address))
                        world_wrong(world, "rule 5: %s %" PRIi64 " is over, and nobody says that %s differs", kind_name(hold), hold->id, device->shape.address);
        }
}

typedef struct OpenRow {
        int64_t id, boot_row;
} OpenRow;

static size_t read_open(Rules *rules, bool is_reservation, OpenRow rows[static OPEN_MAX]) {
        sqlite3_stmt *s = ask(rules, is_reservation ? OPEN_RESERVATIONS : OPEN_ASSIGNMENTS, 0, 0);
        size_t n = 0;

        while (next(s))
                if (n < OPEN_MAX)
                        rows[n++] = (OpenRow) { .id = sqlite3_column_int64(s, 0), .boot_row = sqlite3_column_int64(s, 2) };
        return n;
}

static void follow_rows(Rules *rules, bool is_reservation) {
        OpenRow rows[OPEN_MAX];
        size_t n = read_open(rules, is_reservation, rows);

        for (size_t i = 0; i < rules->n_holds; i++) {
                Hold *hold = &rules->holds[i];
                const OpenRow *row = NULL;

                for (size_t k = 0; k < n && !row; k++)
                        row = rows[k].id == hold->id ? &rows[k] : NULL;
                if (hold->is_reservation != is_reservation || hold->is_over)
                        continue;
                if (!row)
                        end_hold(rules, hold);
                else if (row->boot_row != hold->boot_row)
                        renew_hold(rules, hold, row->boot_row);
        }
        for (size_t k = 0; k < n; k++)
                if (!find_hold(rules, is_reservation, rows[k].id))
                        begin_hold(rules, is_reservation, rows[k].id);
}

static void after_commit(void *userdata) {
        Rules *rules = userdata;

        follow_rows(rules, /* is_reservation= */ false);
        follow_rows(rules, /* is_reservation= */ true);
        extend_holds(rules);
        rules_check_nodes(rules, /* at_rest= */ false);
}

/* --- Writes. */

static bool gives_node(const WorldStep *step) {
        return step->request.action == WORKER_SET_DEVICE_NODE || step->request.action == WORKER_SET_GROUP_NODE;
}

static void check_row(Rules *rules, const WorldWorker *worker, const WorkerRequest *request, const WorldDevice *device) {
        static const char *const kinds[_WORKER_ACTION_MAX] = {
                [WORKER_SET_OVERRIDE] = "set-override",
                [WORKER_UNBIND] = "unbind",
                [WORKER_BIND] = "bind",
        };
        sqlite3_stmt *s = ask(rules, ISSUED_STEP, worker->pid, (int64_t) request->sequence);

        if (!next(s)) {
                world_wrong(rules->world, "rule 4: %s of %s has no row", kinds[request->action], device->shape.address);
                return;
        }
        if (!string_equal(text(s, 0), kinds[request->action]) || !string_equal(text(s, 1), device->shape.address) ||
            !string_equal(text(s, 2), request->name))
                world_wrong(rules->world, "rule 4: %s of %s (%s) is not what its row says: %s of %s (%s)", kinds[request->action],
                            device->shape.address, request->name, text(s, 0), text(s, 1), text(s, 2));
        if (sqlite3_column_type(s, 3) != SQLITE_NULL)
                world_wrong(rules->world, "rule 4: %s of %s, and its operation (%s) has ended", kinds[request->action], device->shape.address, text(s, 4));
        (void) sqlite3_reset(s);
}

static bool is_foreign(Rules *rules, const WorldDevice *device) {
        const Hold *hold = hold_of(rules, device);

        return !hold || (hold->foreign & bit_of(rules, device)) || device->generation != hold->generations[index_of(rules, device)];
}

static void check_overrides(Rules *rules, const WorldDevice *device) {
        World *world = rules->world;

        for (size_t i = 0; i < world->n_devices; i++) {
                const WorldDevice *member = &world->devices[i];
                WorldPlace place;

                if (member->shape.group != device->shape.group || !device_is_endpoint(member) || !member->present || is_foreign(rules, member))
                        continue;
                place = world_place(world, member);
                if (!string_equal(place.override, VFIO))
                        world_wrong(world, "rule 3: %s leaves its driver, and the override of %s is '%s'", device->shape.address,
                                    member->shape.address, place.override);
        }
}

static void check_nobody_can_use(Rules *rules, const WorldDevice *device, const char *driver) {
        World *world = rules->world;

        for (size_t i = 0; i < world->n_devices; i++) {
                const WorldDevice *member = &world->devices[i];
                const Hold *hold;
                bool was_there;

                if (member == device || member->shape.group != device->shape.group || !member->present || is_foreign(rules, member))
                        continue;
                hold = hold_of(rules, member);
                was_there = string_equal(hold->before[i].driver, VFIO);
                if (world_is_open(world, member) || (string_equal(world_place(world, member).driver, VFIO) && !was_there))
                        world_wrong(world, "rule 1: %s goes to %s while somebody could use %s", device->shape.address, driver, member->shape.address);
        }
}

static void before_write(void *userdata, const WorldWorker *worker, const WorldStep *step) {
        Rules *rules = userdata;
        const WorkerRequest *request = &step->request;
        const WorldDevice *device = world_find_device(rules->world, &(PciAddress) { .domain = request->domain, .bus = request->bus,
                                                                                    .slot = request->slot, .function = request->function });

        if (gives_node(step)) {
                rules_check_node_write(rules, worker, request);
                return;
        }
        if (!device) {
                world_wrong(rules->world, "rule 7: a write to a device that is none");
                return;
        }
        world_tell(rules->world, "  %d: %s %s '%s'", (int) worker->pid, request->action == WORKER_BIND ? "bind" : request->action == WORKER_UNBIND ? "unbind" : "override",
                   device->shape.address, request->name);
        check_row(rules, worker, request, device);
        if (!hold_of(rules, device) && !rules_group_is_closed(rules, device->shape.group))
                world_wrong(rules->world, "rule 7: a write to %s, which nobody has or had", device->shape.address);
        if (request->action == WORKER_UNBIND && !string_equal(request->name, VFIO))
                check_overrides(rules, device);
        if (request->action == WORKER_BIND && driver_is_host(request->name))
                check_nobody_can_use(rules, device, request->name);
}

static void after_write(void *userdata, const WorldWorker *worker, const WorldStep *step, int error) {
        Rules *rules = userdata;
        const WorldDevice *device = world_find_device(rules->world, &(PciAddress) { .domain = step->request.domain, .bus = step->request.bus,
                                                                                    .slot = step->request.slot, .function = step->request.function });

        world_tell(rules->world, "  %d: %s answers %d", (int) worker->pid, device ? device->shape.address : "?", error);
        if (!device || !step->is_injected || worker->fd < 0 || gives_node(step))
                return;
        spoil(rules, device);
        /* Of a release that no owner is left of (the device is gone by then), nothing goes on. */
        note_incomplete(rules, worker, /* spoils= */ step->request.action == WORKER_UNBIND);
}

/* Rule 4: before anybody hears of the end. */
static void operation_ended(void *userdata, const Operation *operation) {
        Rules *rules = userdata;
        sqlite3_stmt *s = ask(rules, OPERATION_END, (int64_t) operation->id, 0);

        rules->n_operations++;
        rules->n_recovered += operation->request.verb == VERB_RECOVER;
        world_tell(rules->world, "  operation %" PRIu64 " %s: %s %s", operation->id, verb_to_string(operation->request.verb), operation_state_word(operation),
                   operation->outcome.message ?: "");
        if (!next(s) || !string_equal(text(s, 0), operation_state_to_string(operation->state)) || sqlite3_column_type(s, 1) == SQLITE_NULL ||
            sqlite3_column_int(s, 2) != 1)
                world_wrong(rules->world, "rule 4: operation %" PRIu64 " is told to be %s, its row is %s, with %d lines in the trail", operation->id,
                            operation_state_to_string(operation->state), text(s, 0), sqlite3_column_int(s, 2));
        (void) sqlite3_reset(s);
}

/* --- Between actions. */

static void check_table(Rules *rules) {
        const AssignmentTable *table = &rules->world->manager->assignments;
        sqlite3_stmt *s = ask(rules, OPEN_ASSIGNMENTS, 0, 0);
        size_t n = 0;

        while (next(s)) {
                const Assignment *assignment = assignment_table_find(table, (uint64_t) sqlite3_column_int64(s, 0));

                n++;
                if (!assignment || !string_equal(assignment_state_to_string(assignment->state), text(s, 1)))
                        world_wrong(rules->world, "rule 4: assignment %lld is %s by its row, and %s in memory", sqlite3_column_int64(s, 0), text(s, 1),
                                    assignment ? assignment_state_to_string(assignment->state) : "not there");
        }
        if (n != table->n_items)
                world_wrong(rules->world, "rule 4: %zu assignments in memory, %zu in the rows", table->n_items, n);
}

static void check_reservation_table(Rules *rules) {
        const ReservationTable *table = &rules->world->manager->reservations;
        sqlite3_stmt *s = ask(rules, OPEN_RESERVATIONS, 0, 0);
        size_t n = 0;

        while (next(s)) {
                const Reservation *reservation = reservation_table_find(table, (uint64_t) sqlite3_column_int64(s, 0));

                n++;
                if (!reservation || !string_equal(reservation_state_to_string(reservation->state), text(s, 1)))
                        world_wrong(rules->world, "rule 4: reservation %lld is %s by its row, and %s in memory", sqlite3_column_int64(s, 0), text(s, 1),
                                    reservation ? reservation_state_to_string(reservation->state) : "not there");
        }
        if (n != table->n_items)
                world_wrong(rules->world, "rule 4: %zu reservations in memory, %zu in the rows", table->n_items, n);
}

/* A device that is the same as when it was taken, or taken anew, and that nobody else has acted on. */
static bool is_as_taken(const World *world, const Hold *hold, size_t i) {
        const WorldDevice *device = &world->devices[i];

        return (hold->devices & ~hold->foreign & (UINT32_C(1) << i)) && device->present && device->generation == hold->generations[i];
}

/* Rule 8. Of one that has not been renewed yet it must be known why: it is busy, closed, or none of its devices is the same. */
static bool reservation_is_in_kernel(Rules *rules, const Hold *hold, const Reservation *reservation, bool at_rest) {
        bool any = false;

        for (size_t i = 0; i < rules->world->n_devices; i++)
                any = any || is_as_taken(rules->world, hold, i);
        if (at_rest && any && hold->boot != rules->world->boot && !any_group(rules, hold, rules_group_is_closed))
                world_wrong(rules->world, "rule 8: reservation %" PRIi64 " is not renewed in this boot", hold->id);
        return reservation->of_this_boot && !reservation->to_renew;
}

static void check_reservation(Rules *rules, const Hold *hold, bool at_rest) {
        World *world = rules->world;
        const Reservation *reservation = reservation_table_find(&world->manager->reservations, (uint64_t) hold->id);

        if (!world->is_ready || !reservation || reservation->state != RESERVATION_ACTIVE || hold->is_incomplete ||
            any_group(rules, hold, rules_group_is_busy) || (hold->is_recovered && any_group(rules, hold, rules_group_is_closed)) ||
            !reservation_is_in_kernel(rules, hold, reservation, at_rest))
                return;
        for (size_t i = 0; i < world->n_devices; i++) {
                const WorldDevice *device = &world->devices[i];
                WorldPlace place = is_as_taken(world, hold, i) ? world_place(world, device) : (WorldPlace) { VFIO, VFIO };

                if (!string_equal(place.driver, VFIO) || !string_equal(place.override, VFIO))
                        world_wrong(world, "rule 8: reservation %" PRIi64 " has %s, which is on '%s', override '%s'", hold->id, device->shape.address,
                                    place.driver, place.override);
        }
}

/* Rule 2. A release that the kernel refused in the middle leaves its owner what had not left before: it must be released again. */
static void check_assignment(Rules *rules, const Hold *hold) {
        World *world = rules->world;
        const Assignment *assignment = manager_find_assignment(world->manager, (uint64_t) hold->id);

        if (!assignment || assignment->state != ASSIGNMENT_ACTIVE || hold->is_incomplete)
                return;
        for (size_t i = 0; i < world->n_devices; i++) {
                const WorldDevice *device = &world->devices[i];
                WorldPlace place;

                if (!is_as_taken(world, hold, i))
                        continue;
                place = world_place(world, device);
                if (!string_equal(place.driver, VFIO) || !string_equal(place.override, VFIO))
                        world_wrong(world, "rule 2: %s has assignment %" PRIi64 ", and %s is on '%s', override '%s'", hold->owner, hold->id,
                                    device->shape.address, place.driver, place.override);
        }
}

static bool is_at_work(const Operation *operation) {
        return !operation_has_ended(operation) && operation->state != OPERATION_WAITING;
}

static bool shares_group(const Operation *a, const Operation *b) {
        for (size_t i = 0; i < a->n_groups; i++)
                if (operation_has_group(b, a->groups[i]))
                        return true;
        return false;
}

static void check_pairs(Rules *rules) {
        const Manager *manager = rules->world->manager;

        for (size_t i = 0; i < manager->n_operations; i++)
                for (size_t k = 0; k < i; k++)
                        if (is_at_work(manager->operations[i]) && is_at_work(manager->operations[k]) &&
                            shares_group(manager->operations[i], manager->operations[k]))
                                world_wrong(rules->world, "rule 1: operations %" PRIu64 " and %" PRIu64 " work on one group",
                                            manager->operations[k]->id, manager->operations[i]->id);
}

/* Somebody is at work on what it waits for, or came before it. */
static bool waits_for_somebody(const Manager *manager, const Operation *operation) {
        for (size_t i = 0; i < manager->n_operations; i++) {
                const Operation *other = manager->operations[i];

                if (other != operation && shares_group(other, operation) &&
                    (is_at_work(other) || (!operation_has_ended(other) && other->id < operation->id)))
                        return true;
        }
        return false;
}

/* Rule 6, at rest. */
static void check_progress(Rules *rules) {
        World *world = rules->world;
        sqlite3_stmt *s = ask(rules, OPEN_OPERATIONS, 0, 0);

        while (next(s)) {
                const Operation *operation = manager_find_operation(world->manager, (uint64_t) sqlite3_column_int64(s, 0));
                const WorldWorker *worker = world_find_worker(world, (pid_t) sqlite3_column_int64(s, 1));

                if (operation && operation->state == OPERATION_WAITING ? !waits_for_somebody(world->manager, operation)
                                                                       : !worker || !worker_is_blocked(worker))
                        world_wrong(world, "rule 6: operation %lld waits for nobody", sqlite3_column_int64(s, 0));
        }
}

void rules_check(Rules *rules, bool at_rest) {
        World *world = rules->world;

        if (!world->manager || world->is_dead)
                return;
        check_table(rules);
        check_reservation_table(rules);
        check_pairs(rules);
        rules_check_nodes(rules, at_rest && rules->world->is_ready); /* until then nobody is given anything again */
        if (at_rest)
                check_progress(rules);
        for (size_t i = 0; i < rules->n_holds; i++)
                if (rules->holds[i].is_over)
                        continue;
                else if (rules->holds[i].is_reservation)
                        check_reservation(rules, &rules->holds[i], at_rest);
                else
                        check_assignment(rules, &rules->holds[i]);
}

void rules_check_end(Rules *rules) {
        sqlite3_stmt *s = ask(rules, NOT_ENDED, 0, 0);

        if (!next(s) || sqlite3_column_int(s, 0) != 0 || sqlite3_column_int(s, 1) != 0 || sqlite3_column_int(s, 2) != 0)
                world_wrong(rules->world, "rule 2: in the end %d operations, %d assignments and %d reservations have not ended",
                            sqlite3_column_int(s, 0), sqlite3_column_int(s, 1), sqlite3_column_int(s, 2));
        (void) sqlite3_reset(s);
        s = ask(rules, TRAIL, 0, 0);
        if (next(s))
                world_wrong(rules->world, "rule 4: operation %lld has %d lines in the trail", sqlite3_column_int64(s, 0), sqlite3_column_int(s, 1));
        (void) sqlite3_reset(s);
}

/* --- A life. */

void rules_init(Rules *rules, World *world) {
        *rules = (Rules) { .world = world };
        if (sqlite3_open_v2(world->database_path, &rules->reader, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
                abort();
        for (unsigned i = 0; i < _STATEMENT_MAX; i++) {
                if (sqlite3_prepare_v3(rules->reader, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &rules->statements[i], NULL) != SQLITE_OK) {
                        (void) fprintf(stderr, "%s: %s\n", sql[i], sqlite3_errmsg(rules->reader));
                        abort();
                }
                rules->n_statements++;
        }
        world->observer.before_write = before_write;
        world->observer.after_write = after_write;
        world->observer.after_commit = after_commit;
        world->observer.operation_ended = operation_ended;
        world->observer.userdata = rules;
}

void rules_done(Rules *rules) {
        rules->world->observer.userdata = NULL;
        rules->world->observer.before_write = NULL;
        rules->world->observer.after_write = NULL;
        rules->world->observer.after_commit = NULL;
        rules->world->observer.operation_ended = NULL;
        for (size_t i = 0; i < rules->n_statements; i++)
                (void) sqlite3_finalize(rules->statements[i]);
        (void) sqlite3_close(rules->reader);
        for (size_t i = 0; i < rules->n_holds; i++)
                hold_close_fds(&rules->holds[i]);
        free(rules->holds);
        *rules = (Rules) {};
}
