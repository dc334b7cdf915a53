/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/request.h"

#include <inttypes.h>

#include "base/strutil.h"

void selection_done(Selection *selection) {
        free(selection->groups);
        free(selection->wanted);
        free(selection->companions);
        *selection = (Selection){};
}

static int compare_groups(const void *a, const void *b) {
        const Group *const *x = a, *const *y = b;

        return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static int compare_devices(const void *a, const void *b) {
        const Device *const *x = a, *const *y = b;

        return pci_address_compare(&(*x)->address, &(*y)->address);
}

/* Sorts `n` pointers and takes out repeated ones; returns how many are left. */
static size_t sort_unique(void *array, size_t n, int (*compare)(const void *, const void *)) {
        void **a = array;
        size_t kept = 0;

        if (n > 1)
                qsort(a, n, sizeof(void *), compare);
        for (size_t i = 0; i < n; i++)
                if (kept == 0 || a[kept - 1] != a[i])
                        a[kept++] = a[i];
        return kept;
}

static int add_group(Selection *s, Group *group) {
        Group **grown = reallocarray(s->groups, s->n_groups + 1, sizeof(Group *));

        if (!grown)
                return -ENOMEM;

        grown[s->n_groups++] = group;
        s->groups = grown;
        return 0;
}

static int add_device(Device ***devices, size_t *n, Device *device) {
        Device **grown = reallocarray(*devices, *n + 1, sizeof(Device *));

        if (!grown)
                return -ENOMEM;

        grown[(*n)++] = device;
        *devices = grown;
        return 0;
}

/* Names one more target that does not exist; the code is that of the first one. */
static int refuse_missing(Refusal *refusal, const Target *target) {
        _cleanup_(refusal_done) Refusal before = *refusal;
        const char *joint = before.message ? ". " : "", *text = before.message ? before.message : "";
        RefusalCode code = target->is_group ? REFUSAL_NO_SUCH_GROUP : REFUSAL_NO_SUCH_DEVICE;

        *refusal = (Refusal){};
        if (before.code != REFUSAL_NONE)
                code = before.code;
        if (target->is_group)
                return refusal_set(refusal, code, "%s%sThere is no IOMMU group %" PRIu32, text, joint, target->group);
        return refusal_set(refusal, code, "%s%sThere is no PCI device %s", text, joint, PCI_ADDRESS_FORMAT(&target->address));
}

static int take_group(Selection *s, Group *group) {
        for (size_t i = 0; i < group->n_devices; i++) {
                int r;

                if (group->devices[i]->role != ROLE_ENDPOINT)
                        continue;
                r = add_device(&s->wanted, &s->n_wanted, group->devices[i]);
                if (r < 0)
                        return r;
        }
        return add_group(s, group);
}

static int take_device(const Facts *facts, Selection *s, Device *device, BlockerList *blockers) {
        const char *name = PCI_ADDRESS_FORMAT(&device->address);
        Group *group = device->group == GROUP_NONE ? NULL : facts_find_group(facts, device->group);
        int r = 0;

        if (device->role == ROLE_ENDPOINT && group)
                r = add_device(&s->wanted, &s->n_wanted, device);
        else if (device->role != ROLE_ENDPOINT)
                r = blocker_list_add(blockers, BLOCKER_NOT_ENDPOINT, device->group, name, false,
                                     "%s is %s, which no VFIO driver can bind: name an endpoint or a whole group instead",
                                     name, device->role == ROLE_BRIDGE ? "a bridge" : "not a readable PCI function");
        if (r < 0)
                return r;

        if (group)
                return add_group(s, group);
        return blocker_list_add(blockers, BLOCKER_NO_IOMMU, GROUP_NONE, name, false,
                                "%s is in no IOMMU group: the IOMMU is off or does not cover it; switch it on in the firmware and on the "
                                "kernel's command line", name);
}

static int take_target(const Facts *facts, const Target *target, Selection *s, BlockerList *blockers, Refusal *refusal) {
        Device *device;
        Group *group;

        if (target->is_group) {
                group = facts_find_group(facts, target->group);
                return group ? take_group(s, group) : refuse_missing(refusal, target);
        }
        device = facts_find_device(facts, &target->address);
        return device ? take_device(facts, s, device, blockers) : refuse_missing(refusal, target);
}

static bool is_wanted(const Selection *s, const Device *device) {
        return s->n_wanted > 0 && bsearch(&device, s->wanted, s->n_wanted, sizeof(Device *), compare_devices);
}

static int add_companions(Selection *s) {
        for (size_t i = 0; i < s->n_groups; i++)
                for (size_t k = 0; k < s->groups[i]->n_devices; k++) {
                        Device *device = s->groups[i]->devices[k];
                        int r;

                        if (device->role != ROLE_ENDPOINT || is_wanted(s, device))
                                continue;
                        r = add_device(&s->companions, &s->n_companions, device);
                        if (r < 0)
                                return r;
                }
        (void) sort_unique(s->companions, s->n_companions, compare_devices);
        return 0;
}

static int compare_targets(const void *a, const void *b) {
        const Target *x = a, *y = b;

        if (x->is_group != y->is_group)
                return x->is_group ? 1 : -1;
        if (x->group != y->group)
                return x->group < y->group ? -1 : 1;
        return pci_address_compare(&x->address, &y->address);
}

/* The targets, ordered (devices, then groups), each once. A text that is no target is refused. */
static int parse_targets(char *const *texts, Target **ret, size_t *ret_n, Refusal *refusal) {
        _cleanup_free_ Target *targets = NULL;
        size_t n = strv_length(texts), kept = 0;

        targets = calloc(n > 0 ? n : 1, sizeof(Target));
        if (!targets)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++)
                if (target_parse(texts[i], &targets[i]) < 0)
                        return target_refuse(texts[i], refusal);

        qsort(targets, n, sizeof(Target), compare_targets);
        for (size_t i = 0; i < n; i++)
                if (kept == 0 || compare_targets(&targets[kept - 1], &targets[i]) != 0)
                        targets[kept++] = targets[i];

        *ret = TAKE_PTR(targets);
        *ret_n = kept;
        return 0;
}

static int take_targets(const Facts *facts, const Target *targets, size_t n, Selection *s, BlockerList *blockers, Refusal *refusal) {
        for (size_t i = 0; i < n; i++) {
                int r = take_target(facts, &targets[i], s, blockers, refusal);

                if (r < 0)
                        return r;
        }

        s->n_groups = sort_unique(s->groups, s->n_groups, compare_groups);
        s->n_wanted = sort_unique(s->wanted, s->n_wanted, compare_devices);
        return add_companions(s);
}

int selection_resolve(const Facts *facts, char *const *targets, Selection *ret, BlockerList *ret_blockers, Refusal *ret_refusal) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_free_ Target *parsed = NULL;
        size_t n = 0;
        int r;

        r = parse_targets(targets, &parsed, &n, &refusal);
        if (r >= 0)
                r = take_targets(facts, parsed, n, &selection, ret_blockers, &refusal);
        if (r < 0)
                return r;

        if (refusal.code == REFUSAL_NONE) {
                *ret = selection;
                selection = (Selection){};
        }
        *ret_refusal = refusal;
        refusal = (Refusal){};
        return 0;
}
