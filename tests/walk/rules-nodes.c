/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/walk/rules-nodes.h"

#include "base/strutil.h"
#include "tests/simk/simk.h"

/* One row's first column into `ret`; false: no row. */
static bool ask_text(Rules *rules, const char *sql, const char *text, int64_t a, int64_t b, char ret[static NODE_ACCESS_TEXT_MAX]) {
        sqlite3_stmt *s = NULL;
        bool is_there;

        if (sqlite3_prepare_v2(rules->reader, sql, -1, &s, NULL) != SQLITE_OK)
                abort();
        (void) sqlite3_bind_text(s, 1, text, -1, SQLITE_STATIC);
        (void) sqlite3_bind_int64(s, 2, a);
        (void) sqlite3_bind_int64(s, 3, b);
        is_there = sqlite3_step(s) == SQLITE_ROW;
        if (is_there)
                (void) snprintf(ret, NODE_ACCESS_TEXT_MAX, "%s", (const char *) sqlite3_column_text(s, 0) ?: "");
        (void) sqlite3_finalize(s);
        return is_there;
}

/* To whom an assignment that has not ended gives the device's node (`address`), or the group's ("" is any). */
static bool is_given(Rules *rules, const char *address, uint32_t group, bool only_active, char access[static NODE_ACCESS_TEXT_MAX]) {
        static const char sql[] = "SELECT a.node_access FROM assignments a JOIN assignment_devices d ON d.assignment = a.id WHERE a.ended_usec IS NULL"
                                  " AND a.node_access IS NOT NULL AND (?1 = '' OR d.address = ?1) AND d.group_number = ?2 AND (NOT ?3 OR a.state = 'active')";

        return ask_text(rules, sql, address, group, only_active, access);
}

void rules_check_node_write(Rules *rules, const WorldWorker *worker, const WorkerRequest *request) {
        static const char sql[] = "SELECT s.value FROM operations o JOIN steps s ON s.operation = o.id WHERE o.finished_usec IS NULL AND s.state = 'issued'"
                                  " AND s.kind = ?1 AND o.worker_pid = ?2 AND s.sequence = ?3";
        bool is_group = request->action == WORKER_SET_GROUP_NODE;
        const PciAddress address = { .domain = request->domain, .bus = request->bus, .slot = request->slot, .function = request->function };
        const char *device = is_group ? "" : PCI_ADDRESS_FORMAT(&address);
        char row[NODE_ACCESS_TEXT_MAX] = "", given[NODE_ACCESS_TEXT_MAX];

        world_tell(rules->world, "  %d: node of %s, group %u, to %s", (int) worker->pid, device, request->group, NODE_ACCESS_FORMAT(&request->node));
        if (!ask_text(rules, sql, is_group ? "set-group-node" : "set-device-node", worker->pid, (int64_t) request->sequence, row) ||
            !string_equal(row, NODE_ACCESS_FORMAT(&request->node)))
                world_wrong(rules->world, "rule 4: the node of %s in group %u goes to %s, and its row says '%s'", device, request->group,
                            NODE_ACCESS_FORMAT(&request->node), row);
        if (!is_given(rules, device, request->group, false, given) && !rules_group_is_closed(rules, request->group))
                world_wrong(rules->world, "rule 7: the node of %s in group %u is given to %s, and nobody has it", device, request->group, row);
}

static void check_node(Rules *rules, const WorldDevice *device, bool is_group, bool at_rest) {
        char given[NODE_ACCESS_TEXT_MAX] = "";
        NodeAccess now, access = node_access_initial();
        const char *name = is_group ? "" : device->shape.address;

        if (simk_read_node(rules->world->root, is_group ? NULL : &device->address, device->shape.group, &now) < 0 || (now.uid == 0 && !at_rest))
                return;
        at_rest = at_rest && !rules_group_is_closed(rules, device->shape.group) && !rules_group_is_busy(rules, device->shape.group);
        if (is_given(rules, name, device->shape.group, at_rest, given) && node_access_parse(given, &access) < 0)
                world_wrong(rules->world, "rule 9: a row gives nodes to '%s'", given);
        if (now.uid != 0 && now.uid != access.uid && !rules_group_is_closed(rules, device->shape.group))
                world_wrong(rules->world, "rule 9: the node of %s %s belongs to %s and should to '%s'", is_group ? "the group of" : "", device->shape.address,
                            NODE_ACCESS_FORMAT(&now), given);
        else if (at_rest && given[0] != '\0' && !node_access_equal(&now, &access))
                world_wrong(rules->world, "rule 9: the node of %s %s is given to %s, and has %s", is_group ? "the group of" : "", device->shape.address, given,
                            NODE_ACCESS_FORMAT(&now));
}

void rules_check_nodes(Rules *rules, bool at_rest) {
        const World *world = rules->world;

        for (size_t i = 0; i < world->n_devices; i++) {
                const WorldDevice *device = &world->devices[i];

                if (!device->present || !device_is_endpoint(device))
                        continue;
                check_node(rules, device, /* is_group= */ false, at_rest);
                check_node(rules, device, /* is_group= */ true, at_rest);
        }
}
