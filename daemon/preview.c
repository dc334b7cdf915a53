/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "daemon/claim.h"
#include "daemon/recover-group.h"
#include "daemon/release.h"
#include "daemon/reserve.h"

/* Nobody has to be named to see what an assignment would do. */
static Request for_somebody(const Request *request) {
        Request named = *request;

        if (named.verb == VERB_ASSIGN && !named.owner)
                named.owner = (char *) "somebody";
        return named;
}

int manager_plan(Manager *manager, const Request *request, PlanResult *ret) {
        _cleanup_(plan_result_done) PlanResult result = {};
        _cleanup_(record_list_done) RecordList records = {};
        _cleanup_(release_set_done) ReleaseSet set = {};
        _cleanup_(record_list_done) RecordList joined = {};
        _cleanup_(unreserve_set_done) UnreserveSet reservations = {};
        const Request named = for_somebody(request);
        int r;

        r = request_check(&named, &result.refusal);
        if (r >= 0 && result.refusal.code == REFUSAL_NONE) {
                if (request->verb == VERB_ASSIGN || request->verb == VERB_RESERVE)
                        r = claim_plan(manager, &named, &records, &result);
                else if (request->verb == VERB_RELEASE)
                        r = release_plan(manager, request, &set, &result);
                else if (request->verb == VERB_UNRESERVE)
                        r = unreserve_plan(manager, request, &reservations, &result);
                else if (request->verb == VERB_RECOVER)
                        r = recover_group_plan(manager, request, &joined, &result);
                else
                        r = refusal_set(&result.refusal, REFUSAL_NOT_SUPPORTED, "Only assign, release, reserve, unreserve and recover can be planned");
        }
        if (r < 0)
                return r;
        *ret = result;
        result = (PlanResult) {};
        return 0;
}

static bool is_decisive_look(const Step *step) {
        return step->kind == STEP_CHECK_HOLDERS && !step->value;
}

int plan_result_list_looks(const PlanResult *result, uint32_t **ret, size_t *ret_n) {
        _cleanup_free_ uint32_t *groups = calloc(result->plan.n_steps ?: 1, sizeof(uint32_t));
        size_t n = 0;

        if (!groups)
                return -ENOMEM;
        for (size_t i = 0; i < result->plan.n_steps; i++)
                if (is_decisive_look(&result->plan.steps[i]))
                        groups[n++] = result->plan.steps[i].group;
        *ret = TAKE_PTR(groups);
        *ret_n = n;
        return 0;
}

int plan_result_add_holders(PlanResult *result, Verb verb, const HoldingList *found, int error) {
        int r;

        if (error == -ETIMEDOUT)
                r = refusal_set(&result->refusal, REFUSAL_TIMEOUT, "Who has the devices open could not be found out in time");
        else if (error < 0)
                r = refusal_set(&result->refusal, REFUSAL_FAILED, "Who has the devices open could not be found out: %s", strerrordesc_np(-error));
        else if (found && found->n_items > 0)
                r = holding_list_refuse(found, verb, &result->refusal);
        else
                return 0;
        plan_done(&result->plan);
        return r;
}
