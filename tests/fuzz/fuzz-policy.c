/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A policy of any bytes is good, or refused with places that lie within it; a good one is formatted as one that is read as the same. */

#include <string.h>

#include "fuzz.h"
#include "policy/rules-format.h"
#include "policy/rules-parse.h"

/* Every name is a user's and a group's. */
static int find_name(const char *name, uint32_t *ret) {
        *ret = (uint32_t) strlen(name);
        return 0;
}

static const PolicyNames names = { find_name, find_name };

static void check_errors(const PolicyErrorList *errors, size_t size) {
        for (size_t i = 0; i < errors->n_items; i++) {
                FUZZ_CHECK(errors->items[i].found && errors->items[i].expected);
                FUZZ_CHECK(errors->items[i].line <= size + 1 && errors->items[i].column <= size + 1);
        }
}

static void check_round_trip(const PolicySet *set) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet again = {};
        _cleanup_free_ char *once = NULL, *twice = NULL;

        FUZZ_CHECK(policy_set_format(set, &once) == 0);
        FUZZ_CHECK(policy_parse("again", once, strlen(once), &names, &again, &errors) == 0);
        FUZZ_CHECK(errors.n_items == 0);
        FUZZ_CHECK(policy_set_equal(set, &again));
        FUZZ_CHECK(policy_set_format(&again, &twice) == 0);
        FUZZ_CHECK(strcmp(once, twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet set = {};

        FUZZ_CHECK(policy_parse("input", (const char *) data, size, &names, &set, &errors) == 0);
        check_errors(&errors, size);
        if (errors.n_items == 0)
                check_round_trip(&set);
        return 0;
}
