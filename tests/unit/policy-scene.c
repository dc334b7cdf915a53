/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy-scene.h"

#include <string.h>

#include "base/strutil.h"
#include "suite.h"

static int find_user(const char *name, uint32_t *ret) {
        if (string_equal(name, "alice"))
                *ret = 1000;
        else if (string_equal(name, "bob"))
                *ret = 1001;
        else
                return -ENOENT;
        return 0;
}

static int find_group(const char *name, uint32_t *ret) {
        if (!string_equal(name, "kvm"))
                return -ENOENT;
        *ret = 36;
        return 0;
}

const PolicyNames policy_names = { find_user, find_group };

char *policy_text(const char *quoted) {
        char *text = strdup(quoted);

        ck_assert_ptr_nonnull(text);
        for (char *p = text; *p; p++)
                if (*p == '\'')
                        *p = '"';
        return text;
}

static char *parse(const char *quoted, PolicySet *set) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_free_ char *text = policy_text(quoted);
        char *told = strdup("");

        ck_assert_int_eq(policy_parse("test.json", text, strlen(text), &policy_names, set, &errors), 0);
        for (size_t i = 0; i < errors.n_items; i++) {
                _cleanup_free_ char *line = NULL, *before = told;

                ck_assert_int_eq(policy_error_format(&errors.items[i], &line), 0);
                ck_assert_int_ge(asprintf(&told, "%s%s%s", before, i > 0 ? "\n" : "", line), 0);
        }
        return told;
}

PolicySet policy_of(const char *quoted) {
        PolicySet set = {};
        _cleanup_free_ char *errors = parse(quoted, &set);

        ck_assert_str_eq(errors, "");
        return set;
}

char *policy_errors(const char *quoted) {
        _cleanup_(policy_set_done) PolicySet set = {};

        return parse(quoted, &set);
}
