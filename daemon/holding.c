/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/holding.h"

#include <inttypes.h>
#include <string.h>

#include "base/strutil.h"

void holding_list_done(HoldingList *list) {
        free(list->items);
        *list = (HoldingList) {};
}

int holding_list_add(HoldingList *list, uint32_t group, const HolderList *found) {
        Holding *items;

        items = reallocarray(list->items, (list->n_items + found->n_items) ?: 1, sizeof(Holding));
        if (!items)
                return -ENOMEM;
        list->items = items;
        for (size_t i = 0; i < found->n_items; i++)
                items[list->n_items++] = (Holding) { .group = group, .holder = found->items[i] };
        list->n_more += found->n_more;
        if (found->n_hidden > list->n_hidden)
                list->n_hidden = found->n_hidden;
        return 0;
}

static PciAddress address_of(const WorkerHolder *holder) {
        return (PciAddress) { .domain = holder->domain, .bus = holder->bus, .slot = holder->slot, .function = holder->function };
}

int holding_describe(const Holding *holding, char **ret) {
        const WorkerHolder *holder = &holding->holder;
        const PciAddress address = address_of(holder);

        switch ((HolderKind) holder->kind) {
        case HOLDS_GROUP:
                return string_format(ret, "pid %" PRIu32 " (%s) has group %" PRIu32 " open as fd %" PRIu32, holder->pid, holder->comm, holding->group,
                                     holder->fd);
        case HOLDS_DEVICE:
                return string_format(ret, "pid %" PRIu32 " (%s) has %s open as fd %" PRIu32, holder->pid, holder->comm, PCI_ADDRESS_FORMAT(&address),
                                     holder->fd);
        case HOLDS_NODE:
                return string_format(ret, "pid %" PRIu32 " (%s) has %s of %s open as fd %" PRIu32, holder->pid, holder->comm, holder->node,
                                     PCI_ADDRESS_FORMAT(&address), holder->fd);
        case HOLDS_NOTHING:
        case HOLDS_PERHAPS:
        case HOLDS_OTHER_GROUP:
        case _HOLDER_KIND_MAX:
                break;
        }
        return string_format(ret, "pid %" PRIu32 " (%s) has a VFIO device open as fd %" PRIu32 ", which can be one of group %" PRIu32, holder->pid,
                             holder->comm, holder->fd, holding->group);
}

static int write_list(const HoldingList *list, FILE *f) {
        for (size_t i = 0; i < list->n_items; i++) {
                _cleanup_free_ char *text = NULL;
                int r = holding_describe(&list->items[i], &text);

                if (r < 0)
                        return r;
                (void) fprintf(f, "%s%s", i > 0 ? "; " : "", text);
        }
        if (list->n_items == 0)
                (void) fputs("nobody was found who has it open", f);
        if (list->n_more > 0)
                (void) fprintf(f, "; and %" PRIu64 " more", list->n_more);
        if (list->n_hidden > 0)
                (void) fprintf(f, "; %" PRIu32 " processes could not be looked into", list->n_hidden);
        return 0;
}

int holding_list_describe(const HoldingList *list, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;
        int r;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        r = write_list(list, f);
        if (fclose(f) != 0 || r < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

static bool has_address(const WorkerHolder *holder) {
        return holder->kind == HOLDS_DEVICE || holder->kind == HOLDS_NODE;
}

static int add_blocker(const Holding *holding, bool overridable, BlockerList *blockers) {
        _cleanup_free_ char *detail = NULL;
        const PciAddress address = address_of(&holding->holder);
        int r;

        r = holding_describe(holding, &detail);
        if (r < 0)
                return r;
        return blocker_list_add(blockers, BLOCKER_IN_USE_OPEN, holding->group,
                                has_address(&holding->holder) ? PCI_ADDRESS_FORMAT(&address) : NULL, overridable, "%s", detail);
}

static int add_blockers(const HoldingList *list, bool overridable, BlockerList *blockers) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < list->n_items; i++)
                r = add_blocker(&list->items[i], overridable, blockers);
        return r;
}

int holding_list_override(HoldingList *list, BlockerList *blockers) {
        int r = add_blockers(list, /* overridable= */ true, blockers);

        if (r >= 0)
                holding_list_done(list);
        return r;
}

int holding_list_refuse(const HoldingList *list, Verb verb, Refusal *refusal) {
        bool gives_back = verb == VERB_RELEASE || verb == VERB_UNRESERVE;
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_free_ char *text = NULL;
        int r;

        if (refusal->code != REFUSAL_NONE)
                return 0;
        r = add_blockers(list, !gives_back, &blockers);
        if (r >= 0)
                r = holding_list_describe(list, &text);
        if (r >= 0)
                r = refusal_set(refusal, REFUSAL_BUSY, gives_back ? "Still open, so nothing was given back: %s" : "In use, so nothing was taken: %s", text);
        refusal->code = gives_back ? REFUSAL_BUSY : REFUSAL_NOT_VIABLE;
        if (r < 0)
                return r;
        refusal->blockers = blockers;
        blockers = (BlockerList) {};
        return 0;
}
