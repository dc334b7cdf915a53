/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/host-check.h"

#include "base/strutil.h"
#include "daemon/claim.h"
#include "daemon/host-guard.h"
#include "daemon/label.h"
#include "daemon/permit.h"

#define SHAPE_CHANGES_MAX 20U

static int read_shape_changes(const Manager *manager, char ***ret) {
        DbHistory *history = NULL;
        size_t n = 0;
        int r;

        r = db_shape_changes_read(manager->db, SHAPE_CHANGES_MAX, &history, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                _cleanup_free_ char *text = NULL;

                r = string_format(&text, "%s: %s", history[i].event, history[i].detail);
                if (r >= 0)
                        r = strv_append(ret, text);
        }
        db_history_free(history, n);
        return r;
}

/* What root would be told who asked for the group, with the label that it has. */
static int check_group(const Manager *manager, Group *group, BlockerList *blockers) {
        const Request request = { .verb = VERB_ASSIGN, .caller = { .bus_name = (char *) "check", .has_gids = true } };
        const char *label;
        int r;

        r = claim_check_group(manager, group, blockers);
        if (r >= 0 && blockers->n_items == 0)
                r = permit_groups(manager, &request, &group, 1, blockers);
        if (r >= 0 && blockers->n_items == 0)
                r = manager_group_label(manager, group, &label, blockers);
        if (r >= 0 && blockers->n_items == 0)
                r = host_guard_check_use(manager, &group, 1, blockers);
        return r < 0 ? r : 0;
}

/* 1: nothing stands in the way of it, 0: something does. */
static int is_assignable(const Manager *manager, Group *group) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        int r;

        if (group->n_devices == 0 || manager_group_state(manager, group->number) != GROUP_STATE_HOST)
                return 0;
        r = check_group(manager, group, &blockers);
        return r < 0 ? r : blockers.n_items == 0;
}

/* An assigned group shows that one can be, too, if nothing has changed for all of them. */
static int find_assignable(const Manager *manager, bool *ret) {
        const Facts *facts = manager_facts(manager);
        bool is_possible = db_is_healthy(manager->db) && manager->policy.was_good;
        int r = is_possible && manager->assignments.n_items > 0;

        for (size_t i = 0; is_possible && r == 0 && i < facts->n_groups; i++)
                r = is_assignable(manager, facts->groups[i]);
        if (r < 0)
                return r;
        *ret = r > 0;
        return 0;
}

static size_t count_closed(const Manager *manager) {
        const Facts *facts = manager_facts(manager);
        size_t n = 0;

        for (size_t i = 0; i < facts->n_groups; i++) {
                GroupState state = manager_group_state(manager, facts->groups[i]->number);

                n += state == GROUP_STATE_STUCK || state == GROUP_STATE_QUARANTINED;
        }
        return n;
}

int host_check(Manager *manager, FindingList *ret) {
        _cleanup_strv_free_ char **changes = NULL;
        Fitness fitness = { .host = &manager->host, .facts = manager_facts(manager), .policy_problem = manager->policy.problem,
                            .n_rules = manager->policy.set.n_rules };
        int r;

        manager_probe_database(manager);
        r = host_guard_refresh(manager);
        if (r >= 0)
                r = read_shape_changes(manager, &changes);
        if (r >= 0)
                r = find_assignable(manager, &fitness.is_assignable);
        if (r < 0)
                return r;
        fitness.shape_changes = changes;
        fitness.health = db_is_healthy(manager->db) ? "ok" : "the database cannot be written";
        fitness.n_closed = count_closed(manager);
        return fitness_check(&fitness, ret);
}
