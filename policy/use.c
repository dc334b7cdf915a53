/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/use.h"

#include "base/strutil.h"

/* A path is longer than this only in tests of paths. */
#define USE_TEXT_MAX 256U

void use_list_done(UseList *list) {
        for (size_t i = 0; i < list->n_items; i++) {
                free(list->items[i].node);
                free(list->items[i].what);
        }
        free(list->items);
        *list = (UseList) {};
}

static int copy_text(const char *s, char **ret) {
        return s ? string_escape(s, USE_TEXT_MAX, ret) : 0;
}

/* 1: it is there already, or only counted. */
static int is_listed(UseList *list, const Use *use) {
        Use *last = NULL;
        size_t n = 0;

        for (size_t i = 0; i < list->n_items; i++) {
                Use *other = &list->items[i];

                if (other->kind != use->kind || pci_address_compare(&other->device, &use->device) != 0)
                        continue;
                if (other->error == use->error && string_equal(other->node, use->node) && string_equal(other->what, use->what))
                        return 1;
                last = other;
                n++;
        }
        if (n < USES_LISTED_MAX)
                return 0;
        last->n_more++;
        return 1;
}

static int append(UseList *list, const Use *use) {
        Use *grown;

        grown = reallocarray(list->items, list->n_items + 1, sizeof(Use));
        if (!grown)
                return -ENOMEM;
        grown[list->n_items++] = *use;
        list->items = grown;
        return 0;
}

int use_list_add(UseList *list, UseKind kind, const PciAddress *device, const char *node, const char *what) {
        _cleanup_free_ char *node_copy = NULL, *what_copy = NULL;
        Use use = { .kind = kind, .device = *device };
        int r;

        r = copy_text(node, &node_copy);
        if (r >= 0)
                r = copy_text(what, &what_copy);
        if (r < 0)
                return r;
        use.node = node_copy;
        use.what = what_copy;
        if (is_listed(list, &use))
                return 0;
        r = append(list, &use);
        if (r < 0)
                return r;
        TAKE_PTR(node_copy);
        TAKE_PTR(what_copy);
        return 0;
}

int use_list_add_unknown(UseList *list, UseKind kind, const PciAddress *device, int error) {
        const Use use = { .kind = kind, .device = *device, .error = error };

        return is_listed(list, &use) ? 0 : append(list, &use);
}
