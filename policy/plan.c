/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/plan.h"

#include "base/strutil.h"
#include "policy/viability.h"

void plan_done(Plan *plan) {
        for (size_t i = 0; i < plan->n_steps; i++) {
                free(plan->steps[i].value);
                free(plan->steps[i].prior);
        }
        free(plan->steps);
        *plan = (Plan){};
}

/* A plan as it is written down: steps are added to the current phase. */
typedef struct Draft {
        Plan plan;
        unsigned phase;
} Draft;

static void draft_done(Draft *draft) {
        plan_done(&draft->plan);
}

/* What is added from here on waits for all that was added before. A phase without steps does not come to be. */
static void draft_next_phase(Draft *draft) {
        if (draft->plan.n_steps > 0)
                draft->phase = draft->plan.steps[draft->plan.n_steps - 1].phase + 1;
}

static int draft_add(Draft *draft, StepKind kind, const PciAddress *address, uint32_t group, const char *value, const char *prior) {
        _cleanup_free_ char *value_copy = NULL, *prior_copy = NULL;
        Step *grown;
        int r;

        r = string_copy(value, &value_copy);
        if (r < 0)
                return r;
        r = string_copy(prior, &prior_copy);
        if (r < 0)
                return r;

        grown = reallocarray(draft->plan.steps, draft->plan.n_steps + 1, sizeof(Step));
        if (!grown)
                return -ENOMEM;

        grown[draft->plan.n_steps++] = (Step){
                .kind = kind,
                .phase = draft->phase,
                .address = address ? *address : (PciAddress){},
                .group = group,
                .value = TAKE_PTR(value_copy),
                .prior = TAKE_PTR(prior_copy),
        };
        draft->plan.steps = grown;
        return 0;
}

static int draft_add_for(Draft *draft, StepKind kind, const DeviceRecord *record, const char *value, const char *prior) {
        return draft_add(draft, kind, &record->address, record->group, value, prior);
}

static void draft_take(Draft *draft, Plan *ret) {
        *ret = draft->plan;
        draft->plan = (Plan){};
}

int plan_assign(const RecordList *records, const char *module, Plan *ret) {
        _cleanup_(draft_done) Draft draft = {};
        int r;

        if (module) {
                r = draft_add(&draft, STEP_LOAD_MODULE, NULL, GROUP_NONE, module, NULL);
                if (r < 0)
                        return r;
        }

        draft_next_phase(&draft);
        for (size_t i = 0; i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];

                r = draft_add_for(&draft, STEP_SET_OVERRIDE, record, record->vfio_driver, record->driver_override);
                if (r < 0)
                        return r;
        }

        draft_next_phase(&draft);
        for (size_t i = 0; i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];

                if (!record->driver || string_equal(record->driver, record->vfio_driver))
                        continue;
                r = draft_add_for(&draft, STEP_UNBIND, record, record->driver, NULL);
                if (r < 0)
                        return r;
        }

        draft_next_phase(&draft);
        for (size_t i = 0; i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];

                if (string_equal(record->driver, record->vfio_driver))
                        continue;
                r = draft_add_for(&draft, STEP_BIND, record, record->vfio_driver, NULL);
                if (r < 0)
                        return r;
        }

        draft_take(&draft, ret);
        return 0;
}

/* The way of one device back: what it is now, and what is to happen to it. */
typedef struct Return {
        const Device *device; /* NULL: it is left alone */
        bool unbind;
        bool bind;
} Return;

static Return return_of(const DeviceRecord *record, const Facts *facts) {
        const Device *device = facts_find_device(facts, &record->address);
        bool on_vfio, as_recorded;

        if (!device || !pci_identity_equal(&device->identity, &record->identity))
                return (Return){};

        on_vfio = string_equal(device->driver, record->vfio_driver);
        as_recorded = string_equal(device->driver, record->driver);
        if (device->driver && !on_vfio && !as_recorded)
                return (Return){};

        return (Return){
                .device = device,
                .unbind = on_vfio && !as_recorded,
                .bind = record->driver && !as_recorded,
        };
}

static bool group_gets_host_driver(const RecordList *records, const Return *returns, uint32_t group) {
        for (size_t i = 0; i < records->n_items; i++)
                if (records->items[i].group == group && returns[i].bind && !driver_is_exempt(records->items[i].driver))
                        return true;
        return false;
}

/* A device whose recorded driver is its VFIO driver may stay on it where nobody could use it yet, but not while another member
 * of its group goes to a host driver: only leaving it proves that no owner can use it any more. */
static void returns_leave_vfio(const RecordList *records, Return *returns, bool was_usable) {
        for (size_t i = 0; i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];
                bool stays = returns[i].device && string_equal(returns[i].device->driver, record->vfio_driver) && !returns[i].unbind;

                if (stays && (was_usable || group_gets_host_driver(records, returns, record->group)))
                        returns[i].unbind = returns[i].bind = true;
        }
}

/* The driver_override that a device has once it was bound to its recorded driver. */
static const char *override_when_bound(const DeviceRecord *record, const Return *ret) {
        return ret->bind ? record->driver : ret->device->driver_override;
}

static int draft_set_override(Draft *draft, const DeviceRecord *record, const char *value, const char *prior) {
        if (string_equal(value, prior))
                return 0;
        return draft_add_for(draft, STEP_SET_OVERRIDE, record, value, prior);
}

static int draft_unbinds(Draft *draft, const RecordList *records, const Return *returns) {
        for (size_t i = records->n_items; i > 0; i--) {
                const DeviceRecord *record = &records->items[i - 1];
                int r;

                if (!returns[i - 1].unbind)
                        continue;
                r = draft_add_for(draft, STEP_UNBIND, record, record->vfio_driver, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int draft_binds(Draft *draft, const RecordList *records, const Return *returns) {
        int r;

        for (size_t i = 0; i < records->n_items; i++) {
                if (!returns[i].bind)
                        continue;
                r = draft_set_override(draft, &records->items[i], records->items[i].driver, returns[i].device->driver_override);
                if (r < 0)
                        return r;
        }

        draft_next_phase(draft);
        for (size_t i = 0; i < records->n_items; i++) {
                if (!returns[i].bind)
                        continue;
                r = draft_add_for(draft, STEP_BIND, &records->items[i], records->items[i].driver, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int draft_recorded_overrides(Draft *draft, const RecordList *records, const Return *returns) {
        for (size_t i = 0; i < records->n_items; i++) {
                const DeviceRecord *record = &records->items[i];
                int r;

                if (!returns[i].device)
                        continue;
                r = draft_set_override(draft, record, record->driver_override, override_when_bound(record, &returns[i]));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int plan_return(const RecordList *records, const Facts *facts, bool was_usable, Plan *ret) {
        _cleanup_(draft_done) Draft draft = {};
        _cleanup_free_ Return *returns = NULL;
        int r;

        returns = calloc(records->n_items > 0 ? records->n_items : 1, sizeof(Return));
        if (!returns)
                return -ENOMEM;
        for (size_t i = 0; i < records->n_items; i++)
                returns[i] = return_of(&records->items[i], facts);
        returns_leave_vfio(records, returns, was_usable);

        r = draft_unbinds(&draft, records, returns);
        if (r < 0)
                return r;

        draft_next_phase(&draft);
        r = draft_binds(&draft, records, returns);
        if (r < 0)
                return r;

        draft_next_phase(&draft);
        r = draft_recorded_overrides(&draft, records, returns);
        if (r < 0)
                return r;

        draft_take(&draft, ret);
        return 0;
}

int plan_give_back(const RecordList *records, const Facts *facts, Plan *ret) {
        return plan_return(records, facts, /* was_usable= */ false, ret);
}

int plan_release(const RecordList *records, const Facts *facts, Plan *ret) {
        return plan_return(records, facts, /* was_usable= */ true, ret);
}

int plan_append(Plan *plan, Plan *more) {
        unsigned first_phase = plan->n_steps > 0 ? plan->steps[plan->n_steps - 1].phase + 1 : 0;
        Step *steps;

        steps = reallocarray(plan->steps, (plan->n_steps + more->n_steps) ?: 1, sizeof(Step));
        if (!steps)
                return -ENOMEM;
        plan->steps = steps;
        for (size_t i = 0; i < more->n_steps; i++) {
                steps[plan->n_steps] = more->steps[i];
                steps[plan->n_steps++].phase += first_phase;
        }
        free(more->steps);
        *more = (Plan){};
        return 0;
}

static int add_if_it_differs(RecordList *differing, const DeviceRecord *record, const Facts *facts) {
        _cleanup_(record_done) DeviceRecord now = {};
        const Device *device = facts_find_device(facts, &record->address);
        int r;

        if (!device || !pci_identity_equal(&device->identity, &record->identity) || device->group != record->group)
                return 0;
        if (string_equal(device->driver, record->vfio_driver) && string_equal(device->driver_override, record->vfio_driver))
                return 0;
        r = record_make(device, record->wanted, record->vfio_driver, &now);
        if (r < 0)
                return r;
        return record_list_add(differing, &now);
}

int plan_hold(const RecordList *records, const Facts *facts, Plan *ret) {
        _cleanup_(record_list_done) RecordList differing = {};
        int r;

        for (size_t i = 0; i < records->n_items; i++) {
                r = add_if_it_differs(&differing, &records->items[i], facts);
                if (r < 0)
                        return r;
        }
        return plan_assign(&differing, NULL, ret);
}

static bool draft_checks_group(const Draft *draft, uint32_t group) {
        for (size_t i = 0; i < draft->plan.n_steps; i++)
                if (draft->plan.steps[i].group == group)
                        return true;
        return false;
}

static int draft_check_group(Draft *draft, uint32_t group, const char *when_found) {
        return draft_checks_group(draft, group) ? 0 : draft_add(draft, STEP_CHECK_HOLDERS, NULL, group, when_found, NULL);
}

int plan_check_holders_first(Plan *plan, const uint32_t *groups, size_t n_groups, const char *when_found) {
        _cleanup_(draft_done) Draft draft = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n_groups; i++)
                r = draft_check_group(&draft, groups[i], when_found);
        for (size_t i = 0; r >= 0 && i < plan->n_steps; i++)
                if (plan->steps[i].kind == STEP_UNBIND)
                        r = draft_check_group(&draft, plan->steps[i].group, when_found);
        if (r < 0)
                return r;
        if (draft.plan.n_steps == 0)
                return 0;

        draft_next_phase(&draft);
        r = plan_append(&draft.plan, plan);
        if (r < 0)
                return r;
        draft_take(&draft, plan);
        return 0;
}

/* One step per device, all in one phase. */
static int draft_open_each(Draft *draft, StepKind kind, const RecordList *records) {
        for (size_t i = 0; i < records->n_items; i++) {
                int r = draft_add_for(draft, kind, &records->items[i], NULL, NULL);

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool group_is_in(const Plan *plan, uint32_t group) {
        for (size_t i = 0; i < plan->n_steps; i++)
                if (plan->steps[i].kind == STEP_OPEN_GROUP && plan->steps[i].group == group)
                        return true;
        return false;
}

/* The first group has a phase of its own, since it is the one that sets the IOMMU type. */
static int draft_open_groups(Draft *draft, const RecordList *records) {
        for (size_t i = 0; i < records->n_items; i++) {
                int r;

                if (group_is_in(&draft->plan, records->items[i].group))
                        continue;
                r = draft_add(draft, STEP_OPEN_GROUP, NULL, records->items[i].group, NULL, NULL);
                if (r < 0)
                        return r;
                if (i == 0)
                        draft_next_phase(draft);
        }
        return 0;
}

static int draft_open_container(Draft *draft, const RecordList *records) {
        int r;

        r = draft_add(draft, STEP_OPEN_CONTAINER, NULL, GROUP_NONE, NULL, NULL);
        if (r < 0)
                return r;
        draft_next_phase(draft);
        r = draft_open_groups(draft, records);
        if (r < 0)
                return r;
        draft_next_phase(draft);
        return draft_open_each(draft, STEP_OPEN_DEVICE, records);
}

static int draft_open_iommufd(Draft *draft, const RecordList *records) {
        int r;

        r = draft_add(draft, STEP_OPEN_IOMMUFD, NULL, GROUP_NONE, NULL, NULL);
        if (r < 0)
                return r;
        draft_next_phase(draft);
        return draft_open_each(draft, STEP_OPEN_CDEV, records);
}

int plan_open(const RecordList *records, Backend backend, Plan *ret) {
        _cleanup_(draft_done) Draft draft = {};
        int r;

        assert(backend == BACKEND_IOMMUFD || backend == BACKEND_GROUP);

        r = backend == BACKEND_IOMMUFD ? draft_open_iommufd(&draft, records) : draft_open_container(&draft, records);
        if (r < 0)
                return r;

        draft_take(&draft, ret);
        return 0;
}
