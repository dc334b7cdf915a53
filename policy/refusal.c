/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/refusal.h"

#include <stdarg.h>
#include <string.h>

#include "base/strutil.h"

static const char *const refusal_code_table[_REFUSAL_CODE_MAX] = {
        [REFUSAL_NOT_VIABLE] = "NotViable",
        [REFUSAL_BUSY] = "Busy",
        [REFUSAL_OWNED] = "Owned",
        [REFUSAL_LABEL_CONFLICT] = "LabelConflict",
        [REFUSAL_DENIED] = "Denied",
        [REFUSAL_NO_SUCH_DEVICE] = "NoSuchDevice",
        [REFUSAL_NO_SUCH_GROUP] = "NoSuchGroup",
        [REFUSAL_NO_SUCH_OWNER] = "NoSuchOwner",
        [REFUSAL_IDENTITY_CHANGED] = "IdentityChanged",
        [REFUSAL_TIMEOUT] = "Timeout",
        [REFUSAL_CANCELLED] = "Cancelled",
        [REFUSAL_STUCK] = "Stuck",
        [REFUSAL_STALE_GENERATION] = "StaleGeneration",
        [REFUSAL_QUARANTINED] = "Quarantined",
        [REFUSAL_LIMITS_EXCEEDED] = "LimitsExceeded",
        [REFUSAL_INVALID_TARGET] = "InvalidTarget",
        [REFUSAL_INVALID_ARGUMENT] = "InvalidArgs",
        [REFUSAL_NOT_SUPPORTED] = "NotSupported",
        [REFUSAL_DEGRADED] = "Degraded",
        [REFUSAL_FAILED] = "Failed",
};

const char *refusal_code_to_string(RefusalCode code) {
        return code >= 0 && code < _REFUSAL_CODE_MAX ? refusal_code_table[code] : NULL;
}

void refusal_done(Refusal *refusal) {
        free(refusal->message);
        blocker_list_done(&refusal->blockers);
        *refusal = (Refusal){};
}

int refusal_set(Refusal *refusal, RefusalCode code, const char *format, ...) {
        va_list ap;
        int r;

        refusal->code = code;
        va_start(ap, format);
        r = string_vformat(&refusal->message, format, ap);
        va_end(ap);
        return r;
}

static RefusalCode blocker_refusal(BlockerCode code) {
        switch (code) {
        case BLOCKER_POLICY_DENIED:
                return REFUSAL_DENIED;
        case BLOCKER_LABEL_CONFLICT:
        case BLOCKER_LABEL_MISMATCH:
                return REFUSAL_LABEL_CONFLICT;
        case BLOCKER_QUARANTINED:
                return REFUSAL_QUARANTINED;
        case BLOCKER_STUCK:
                return REFUSAL_STUCK;
        case BLOCKER_IDENTITY_CHANGED:
                return REFUSAL_IDENTITY_CHANGED;
        case BLOCKER_NO_IOMMU:
        case BLOCKER_IDENTITY_DOMAIN:
        case BLOCKER_UNSAFE_INTERRUPTS:
        case BLOCKER_DIRECT_MAPPING:
        case BLOCKER_NOT_ENDPOINT:
        case BLOCKER_HOST_DRIVER_STAYS:
        case BLOCKER_IN_USE_MOUNT:
        case BLOCKER_IN_USE_SWAP:
        case BLOCKER_IN_USE_BLOCK_HOLDER:
        case BLOCKER_IN_USE_NETWORK:
        case BLOCKER_IN_USE_CONSOLE:
        case BLOCKER_IN_USE_OPEN:
        case BLOCKER_HAS_VFS:
        case BLOCKER_VF_OF_LOCKED_PF:
        case BLOCKER_HAS_CHILDREN:
        case BLOCKER_COMPANION_NOT_NAMED:
        case BLOCKER_FOREIGN_MANAGER:
        case BLOCKER_NO_RESET:
                return REFUSAL_NOT_VIABLE;
        case BLOCKER_OWNED:
        case BLOCKER_RESERVED:
                return REFUSAL_OWNED;
        case BLOCKER_BUSY:
                return REFUSAL_BUSY;
        case _BLOCKER_CODE_MAX:
        case _BLOCKER_CODE_INVALID:
                break;
        }
        return REFUSAL_FAILED;
}

/* The refusal of the most lasting of the blockers. */
static RefusalCode blockers_refusal(const BlockerList *blockers) {
        static const RefusalCode most_lasting_first[] = {
                REFUSAL_DENIED, REFUSAL_LABEL_CONFLICT, REFUSAL_QUARANTINED, REFUSAL_STUCK, REFUSAL_IDENTITY_CHANGED,
                REFUSAL_NOT_VIABLE, REFUSAL_OWNED, REFUSAL_BUSY,
        };

        for (size_t i = 0; i < ELEMENTSOF(most_lasting_first); i++)
                for (size_t k = 0; k < blockers->n_items; k++)
                        if (blocker_refusal(blockers->items[k].code) == most_lasting_first[i])
                                return most_lasting_first[i];
        return REFUSAL_FAILED;
}

static int blockers_message(const BlockerList *blockers, char **ret) {
        _cleanup_free_ char *message = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&message, &size);
        if (!f)
                return -ENOMEM;

        for (size_t i = 0; i < blockers->n_items; i++) {
                const Blocker *b = &blockers->items[i];
                bool named = !b->device || strstr(b->detail, b->device);

                (void) fprintf(f, "%s%s%s%s", i > 0 ? "; " : "", named ? "" : b->device, named ? "" : ": ", b->detail);
        }
        if (fclose(f) != 0)
                return -ENOMEM;

        *ret = TAKE_PTR(message);
        return 0;
}

int refusal_from_blockers(Refusal *refusal, BlockerList *blockers) {
        if (blockers->n_items == 0)
                return 0;

        refusal->code = blockers_refusal(blockers);
        refusal->blockers = *blockers;
        *blockers = (BlockerList){};
        return blockers_message(&refusal->blockers, &refusal->message);
}

/* What is left of a blocker's sentence where it names owners, labels or processes; NULL: it names none. */
static const char *blocker_redacted(BlockerCode code) {
        static const char *const redacted[_BLOCKER_CODE_MAX] = {
                [BLOCKER_OWNED] = "It is assigned already",
                [BLOCKER_BUSY] = "An operation works on it, or waits for it",
                [BLOCKER_STUCK] = "An operation on it is stuck",
                [BLOCKER_QUARANTINED] = "It is quarantined until root recovers it",
                [BLOCKER_LABEL_CONFLICT] = "Its devices do not all have the same label",
                [BLOCKER_LABEL_MISMATCH] = "Its label is not the owner's",
                [BLOCKER_VF_OF_LOCKED_PF] = "It is a virtual function of a device that is given away or reserved",
                [BLOCKER_HAS_VFS] = "It has virtual functions",
                [BLOCKER_FOREIGN_MANAGER] = "Another manager has it",
                [BLOCKER_IN_USE_OPEN] = "A program has it open",
        };

        return code >= 0 && code < _BLOCKER_CODE_MAX ? redacted[code] : NULL;
}

int refusal_redact(const Refusal *refusal, Refusal *ret) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal redacted = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < refusal->blockers.n_items; i++) {
                const Blocker *b = &refusal->blockers.items[i];

                r = blocker_list_add(&blockers, b->code, b->group, b->device, b->overridable, "%s", blocker_redacted(b->code) ?: b->detail ?: "");
        }
        if (r >= 0 && blockers.n_items > 0)
                r = refusal_from_blockers(&redacted, &blockers);
        else if (r >= 0)
                r = refusal_set(&redacted, refusal->code, "%s", refusal->message ?: "");
        if (r < 0)
                return r;
        redacted.code = refusal->code;
        *ret = redacted;
        redacted = (Refusal) {};
        return 0;
}
