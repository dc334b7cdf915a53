/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/meaning.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/strutil.h"
#include "daemon/label.h"
#include "daemon/permit.h"

static void write_device(FILE *f, const Manager *manager, const PolicyQuery *query, const Device *device) {
        const PolicyDevice seen = permit_see_device(manager, device);
        const PciIdentity *identity = &device->identity;

        fprintf(f, "%s %04x:%04x:%04x:%04x %06x %" PRIu32 " label '%s' driver '%s' verdict %d\n", seen.address, identity->vendor, identity->device,
                identity->subsystem_vendor, identity->subsystem_device, identity->class, device->group, seen.label ?: "", seen.driver ?: "",
                (int) policy_decide(query, &seen).verdict);
}

static int write_devices(FILE *f, const Manager *manager, const Request *request, const Selection *selection) {
        _cleanup_(policy_query_done) PolicyQuery query = {};
        const PolicyCaller caller = policy_caller_of(request);
        int r;

        r = policy_query(&manager->policy.set, &caller, request->verb, &query);
        if (r < 0)
                return r;
        for (size_t i = 0; i < selection->n_wanted; i++)
                write_device(f, manager, &query, selection->wanted[i]);
        for (size_t i = 0; i < selection->n_companions; i++)
                write_device(f, manager, &query, selection->companions[i]);
        return 0;
}

/* Who has the group that an assign waits for is another one at its turn; who has what is given back, or something under the owner's name, may not be. */
static bool is_meant(const Request *request, const Assignment *assignment, const Selection *selection) {
        if (request->verb == VERB_ASSIGN || selection->n_groups == 0)
                return string_equal(assignment->owner, request->owner);
        for (size_t i = 0; i < selection->n_groups; i++)
                if (assignment_has_group(assignment, selection->groups[i]->number))
                        return true;
        return false;
}

static bool is_reservation_meant(const Reservation *reservation, const Selection *selection) {
        for (size_t i = 0; i < selection->n_groups; i++)
                if (reservation_has_group(reservation, selection->groups[i]->number))
                        return true;
        return reservation->n_groups == 0; /* its devices have left, so that only their addresses can be meant */
}

static void write_holders(FILE *f, const Manager *manager, const Request *request, const Selection *selection) {
        for (size_t i = 0; i < manager->assignments.n_items; i++) {
                const Assignment *assignment = manager->assignments.items[i];

                if (assignment->uid != request->caller.uid && is_meant(request, assignment, selection))
                        fprintf(f, "assignment %" PRIu64 "\n", assignment->id);
        }
        for (size_t i = 0; request->verb == VERB_UNRESERVE && i < manager->reservations.n_items; i++) {
                const Reservation *reservation = manager->reservations.items[i];

                if (reservation->uid != request->caller.uid && is_reservation_meant(reservation, selection))
                        fprintf(f, "reservation %" PRIu64 "\n", reservation->id);
        }
}

static int write_meaning(FILE *f, const Manager *manager, const Request *request) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        int r = 0;

        if (strv_length(request->targets) > 0)
                r = selection_resolve(manager_facts(manager), request->targets, &selection, &blockers, &refusal);
        if (r >= 0)
                r = write_devices(f, manager, request, &selection);
        if (r < 0)
                return r;
        write_holders(f, manager, request, &selection);
        return 0;
}

int meaning_of_request(const Manager *manager, const Request *request, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;
        int r;

        if (request->caller.uid == 0) {
                *ret = NULL;
                return 0;
        }
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        r = write_meaning(f, manager, request);
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}
