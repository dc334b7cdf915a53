/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verbs.h"

#include <string.h>

#include "base/strutil.h"

#define NAME_MAX_COMPARED 32U
#define DISTANCE_MAX 2U

const Verb *const verbs[] = {
        &verb_list, &verb_show, &verb_why, &verb_plan, &verb_assign, &verb_release, &verb_reserve, &verb_unreserve, &verb_recover,
        &verb_run, &verb_label, &verb_policy, &verb_audit, &verb_monitor, &verb_check,
};
const size_t verbs_n = ELEMENTSOF(verbs);

const Verb *verb_find(const char *name) {
        for (size_t i = 0; i < verbs_n; i++)
                if (string_equal(name, verbs[i]->name))
                        return verbs[i];
        return NULL;
}

static size_t smallest(size_t a, size_t b, size_t c) {
        size_t ab = a < b ? a : b;

        return ab < c ? ab : c;
}

/* Letters to insert, delete or replace to make `b` of `a`; both shorter than NAME_MAX_COMPARED. */
static size_t edit_distance(const char *a, const char *b) {
        size_t row[NAME_MAX_COMPARED + 1], n = strlen(b);

        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 0; a[i]; i++) {
                size_t diagonal = row[0];

                row[0] = i + 1;
                for (size_t j = 0; j < n; j++) {
                        size_t above = row[j + 1];

                        row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
                        diagonal = above;
                }
        }
        return row[n];
}

const Verb *verb_suggest(const char *name) {
        const Verb *best = NULL;
        size_t length = strlen(name), best_distance = DISTANCE_MAX + 1;

        if (length == 0 || length >= NAME_MAX_COMPARED)
                return NULL;

        for (size_t i = 0; i < verbs_n; i++) {
                size_t distance;

                if (strncmp(name, verbs[i]->name, length) == 0)
                        return verbs[i];
                distance = edit_distance(name, verbs[i]->name);
                if (distance < best_distance && distance < strlen(verbs[i]->name)) {
                        best = verbs[i];
                        best_distance = distance;
                }
        }
        return best;
}

void verbs_print_overview(FILE *f) {
        (void) fputs("assign-ctl [OPTION...] [VERB [ARGUMENT...]]\n"
                     "\n"
                     "Who holds which PCI device of this host, and taking and giving back whole IOMMU groups.\n"
                     "\n"
                     "Verbs:\n", f);
        for (size_t i = 0; i < verbs_n; i++) {
                char head[64];

                (void) snprintf(head, sizeof(head), "%s%s%s", verbs[i]->name, *verbs[i]->arguments ? " " : "", verbs[i]->arguments);
                (void) fprintf(f, "  %-41s %s\n", head, verbs[i]->summary);
        }
        (void) fputs("\n"
                     "A TARGET is a PCI address (0000:02:00.0, or 02:00.0) or group:NUMBER. 'assign-ctl VERB --help' tells more.\n"
                     OPTIONS_COMMON_HELP
                     "\n"
                     "Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 busy or owned by another, 5 stuck or timed out,\n"
                     "6 not viable, 7 no such device or group, 8 daemon not reachable.\n", f);
}
