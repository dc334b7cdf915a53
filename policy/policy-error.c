/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/policy-error.h"

#include "base/strutil.h"

static void policy_error_done(PolicyError *error) {
        free(error->file);
        free(error->found);
        free(error->expected);
}

void policy_error_list_done(PolicyErrorList *list) {
        for (size_t i = 0; i < list->n_items; i++)
                policy_error_done(&list->items[i]);
        free(list->items);
        *list = (PolicyErrorList) {};
}

int policy_error_list_add(PolicyErrorList *list, const char *file, unsigned line, unsigned column, const char *found, const char *expected) {
        _cleanup_(policy_error_done) PolicyError error = { .line = line, .column = column };
        PolicyError *items;
        int r;

        if (list->n_items >= POLICY_ERRORS_MAX)
                return 0;
        r = string_copy(file, &error.file);
        if (r >= 0)
                r = string_copy(found, &error.found);
        if (r >= 0)
                r = string_copy(expected, &error.expected);
        if (r < 0)
                return r;
        items = reallocarray(list->items, list->n_items + 1, sizeof(PolicyError));
        if (!items)
                return -ENOMEM;
        list->items = items;
        items[list->n_items++] = error;
        error = (PolicyError) {};
        return 0;
}

int policy_error_format(const PolicyError *error, char **ret) {
        if (error->line == 0)
                return string_format(ret, "%s: found %s, expected %s", error->file, error->found, error->expected);
        return string_format(ret, "%s:%u:%u: found %s, expected %s", error->file, error->line, error->column, error->found, error->expected);
}
