/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* An operation runs the steps of a plan through a worker of its own and journals every one of them:
 *
 *   waiting ── its turn ──> running ──(all phases well)──────> done
 *      │                      │ a step failed, or cancelled
 *      │                      v
 *      │                    undoing ────────────────────────> failed
 *      └── refused at its turn, or cancelled ───────────────> failed
 *
 * It waits while another works on one of its groups (daemon/turn.h); nothing but its row exists then. running and undoing are also `stuck` while a step (or the database) has not answered for stuck_usec; nothing is done about
 * it but to say so: the step's worker is never signalled, and the operation goes on when it answers. What an operation means
 * (its assignment, its audit row) is its owner's business: see OperationOwner. */

#include <systemd/sd-event.h>

#include "daemon/holding.h"
#include "daemon/look.h"
#include "db/db.h"
#include "host/worker.h"
#include "policy/plan.h"

typedef enum OperationState {
        OPERATION_WAITING,
        OPERATION_RUNNING,
        OPERATION_UNDOING,
        OPERATION_DONE,
        OPERATION_FAILED,
        OPERATION_INTERRUPTED, /* its daemon died; another operation recovered its groups */
        _OPERATION_STATE_MAX,
} OperationState;

const char *operation_state_to_string(OperationState state);

typedef enum StepState {
        STEP_PLANNED,
        STEP_ISSUED,
        STEP_DONE,
        STEP_FAILED,
        STEP_SKIPPED,
        STEP_UNKNOWN,
        _STEP_STATE_MAX,
} StepState;

typedef struct StepProgress {
        StepState state;
        int error; /* 0 or negative errno */
        bool undo;
        bool sent;       /* its worker, or the module loader, was asked */
        bool journalled; /* has a row */
        bool dirty;      /* changed since its row was written */
} StepProgress;

/* An fd that a step opened, owned by the operation until taken. */
typedef struct OpenedFd {
        StepKind kind;
        PciAddress address; /* of STEP_OPEN_CDEV and STEP_OPEN_DEVICE */
        uint32_t group;     /* of STEP_OPEN_GROUP */
        int fd;
} OpenedFd;

/* Asks for a kernel module without blocking, and calls `done` once, later or at once, with 0 or a negative errno; not at all
 * where load() itself fails. A loader that outlives the operations must have answered, or never answer, by then. */
typedef void (*module_done_t)(int error, void *userdata);
typedef struct ModuleLoader {
        int (*load)(void *userdata, const char *module, module_done_t done, void *done_userdata);
        void *userdata;
} ModuleLoader;

/* What every operation of a daemon shares; borrowed, outlives the operations. */
typedef struct OperationContext {
        sd_event *event;
        Db *db;
        WorkerLauncher launcher;
        ModuleLoader module_loader; /* load NULL: a needed module is a failed step (-ENOENT) */
        uint64_t slow_usec;         /* a step that takes longer is logged */
        uint64_t stuck_usec;        /* a step that takes longer makes the operation stuck */
        uint64_t retry_usec;        /* until what failed in the middle (the database, memory) is tried again */
} OperationContext;

typedef struct Operation Operation;
typedef struct PlanResult PlanResult;

/* What the operation's owner (the manager) decides. All are called from the event loop, and none may free the operation. */
typedef struct OperationOwner {
        /* Its turn has come (the first time: when it is submitted): plans it on the facts of now and begins it with manager_begin(), or
         * says in `result` why not, and which groups and devices it is about. Blockers that another operation's end may take away
         * (turn_may_come()) make it wait and be asked again. NULL: it was planned before. */
        int (*start)(Operation *operation, void *userdata, PlanResult *result);
        /* Adds the owner's own rows to the transaction that journals the begin, before the operation's row (an assign sets
         * `assignment` here). */
        int (*journal_begin)(Operation *operation, void *userdata);
        /* After a failed step: the plan that undoes what was done (empty: nothing to undo). Called again later if it fails. */
        int (*plan_undo)(Operation *operation, void *userdata, Plan *ret);
        /* Every step is over and `state` says how: the owner looks at the host once more and completes `outcome`. A message
         * without a code is a remark on an operation that is done; a code makes it failed. */
        void (*settled)(Operation *operation, void *userdata);
        /* Adds the owner's rows to the transaction that ends the operation. Called again if that transaction failed. */
        int (*journal_end)(Operation *operation, void *userdata);
        /* After that commit, before the watchers hear of it. */
        void (*ended)(Operation *operation, void *userdata);
        /* State or progress changed, or, with `stuck_changed`, stuck. */
        void (*changed)(Operation *operation, bool stuck_changed, void *userdata);
} OperationOwner;

typedef void (*operation_watch_t)(Operation *operation, void *userdata);
typedef struct OperationWatch {
        operation_watch_t handler;
        void *userdata;
} OperationWatch;

struct Operation {
        uint64_t id; /* never reused; 0 until begun */
        Request request;    /* as asked for; daemon/ completes the owner */
        char *meaning;      /* what it came to when it was let in, if it has to wait; see meaning_of_request(). NULL: nobody was asked */
        OperationState state;
        bool stuck;
        bool cancelled;     /* to be undone, or not to go on, as soon as the steps under way are answered */
        bool keep_going; /* giving back: a failed step spoils its own device, not the others, and is not undone */
        bool let_go;        /* all had left their VFIO drivers before: what happens now gives nobody anything back */
        bool owner_may_hold; /* giving back what an owner could use: a failed unbind spoils everything, so that all or nothing goes back */
        uint64_t assignment; /* 0: none */
        uint64_t reservation; /* that is recovered or renewed; 0: none */
        int lease_fd;       /* of an assign that has not begun; else -EBADF */
        uint32_t *groups;   /* ordered */
        size_t n_groups;
        Plan plan;          /* with the undo's steps behind the others once undoing */
        StepProgress *progress; /* one a step of `plan` */
        HoldingList holdings; /* who was found to have open what it gives back */
        Look *look;         /* for holders, while it is stuck */
        Refusal outcome;    /* REFUSAL_NONE while all is well, then with or without a remark as its message */
        BlockerList overridden; /* what it went past because the request said so */
        uint64_t created_usec;  /* realtime */
        uint64_t finished_usec; /* 0: not yet */
        OpenedFd *fds;
        size_t n_fds;

        const OperationContext *context;
        const OperationOwner *owner;
        void *userdata;
        Worker *worker;
        bool worker_is_new; /* not journalled yet */
        size_t n_unanswered;    /* steps that were sent and have no answer */
        bool begun;             /* its row is committed */
        bool unsent;            /* steps are committed as issued and have not been sent yet */
        bool trying_again;      /* the timer is for the next attempt at what failed */
        bool undo_planned;
        bool settled;
        bool ended;             /* its last rows are committed */
        bool told;              /* and everybody has heard of it: it may be freed */
        struct ModuleStep *module_steps; /* that the module loader has not answered */
        sd_event_source *timer;   /* slow, then stuck; or trying_again */
        sd_event_source *advance; /* sends, or goes on once all steps of a phase are answered */
        bool slow;
        OperationWatch *watches;
        size_t n_watches;
};

/* Takes the request over in any case (it is left empty). */
int operation_new(const OperationContext *context, const OperationOwner *owner, void *userdata, Request *request, Operation **ret);
Operation *operation_free(Operation *operation);
DEFINE_CLEANUP(Operation *, operation_free)

/* Which groups it is about; to be said before it waits or begins, and anew at its turn if they are others. */
int operation_set_groups(Operation *operation, const uint32_t *groups, size_t n_groups);

/* What it will do, before it begins. Takes the plan over when it returns 0 (it is left empty). */
int operation_set_plan(Operation *operation, Plan *plan);

/* Journals that it waits; it gets its id. A negative errno: nothing was journalled. */
int operation_wait(Operation *operation);

/* Ends one that waits with the refusal (taken over); its owner's journal_end and ended are called for it as for any other. Where
 * its row cannot be written this is tried again until it can: it is `settled` meanwhile. */
void operation_refuse(Operation *operation, Refusal *refusal);

/* Marks one that runs as cancelled (`refusal` becomes its outcome): once the steps under way are answered, what was done is undone.
 * Giving back is cancelled only where nothing has been given back yet. False: it is too late, and nothing happens. */
bool operation_cancel(Operation *operation, Refusal *refusal);

/* Goes on, from the event loop, with what can be done now. */
void operation_schedule_advance(Operation *operation);

/* Tells the owner that its state or progress changed. */
void operation_say_changed(Operation *operation, bool stuck_changed);

/* Journals the operation and starts it; everything else, the first callback included, happens on the event loop. A negative
 * errno: nothing was journalled and nothing happens (-ENOSPC, -EROFS, ... from the database). */
int operation_begin(Operation *operation);

/* Calls `handler` once when the operation has ended. Watching an ended operation is a caller's bug. */
int operation_watch(Operation *operation, operation_watch_t handler, void *userdata);
void operation_unwatch(Operation *operation, operation_watch_t handler, void *userdata);

/* Whether its last rows are committed: then `state` says how it ended. */
static inline bool operation_has_ended(const Operation *operation) {
        return operation->ended;
}

bool operation_has_group(const Operation *operation, uint32_t number);

/* "waiting", "running", "undoing", "stuck", "done", "failed", "interrupted" */
const char *operation_state_word(const Operation *operation);

/* Steps that were answered, of all that are planned. */
void operation_get_progress(const Operation *operation, unsigned *ret_done, unsigned *ret_total);
