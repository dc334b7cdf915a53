/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/authorize.h"

#include <string.h>

#include "base/log.h"
#include "base/strutil.h"
#include "dbus/access.h"
#include "dbus/errors.h"
#include "dbus/names.h"
#include "dbus/polkit.h"
#include "dbus/question.h"

/* Connections whose credentials are kept; the one that was silent for longest goes first. The system bus allows a user 256 connections, so that one
 * user alone cannot take all the room, and us 512 match rules, of which each takes one. */
#define SENDERS_MAX 400U

/* Messages of one sender that wait for its credentials. The system bus lets nobody have more than 128 calls pending. */
#define HELD_MAX 128U

#define UID_UNKNOWN ((uid_t) -1)

/* Calls that wait for polkit at the same time: of one connection, of one user, of all. */
#define PENDING_MAX_SENDER 8U
#define PENDING_MAX_USER 32U
#define PENDING_MAX 256U

typedef struct Sender {
        struct Authorizer *authorizer;
        char *name;
        bool known; /* the bus has said who it is, or that it will not */
        Caller caller; /* without its name */
        uint64_t last_used;
        sd_bus_message **held; /* waiting for the credentials */
        size_t n_held;
        size_t n_pending; /* waiting for polkit */
        sd_bus_slot *match;
        sd_bus_slot *query;
} Sender;

/* A call that polkit is being asked about. */
typedef struct Pending {
        struct Authorizer *authorizer;
        struct Pending *next;
        Sender *sender;
        sd_bus_message *call;
        Question question;
        size_t n_answered;
        bool answered; /* all yes: it comes round again */
        bool sees_others;
        PolkitCheck *check;
} Pending;

/* The call that is being handled. */
typedef struct Pass {
        sd_bus_message *call; /* borrowed, for comparing */
        uid_t uid;
        bool asked;
        bool sees_others;
} Pass;

struct Authorizer {
        sd_bus *bus;
        const Manager *manager;
        Polkit *polkit;
        Pending *pending;
        size_t n_pending;
        Pass pass;
        sender_gone_t gone;
        void *userdata;
        sd_bus_slot *filter;
        Sender *senders[SENDERS_MAX];
        size_t n_senders;
        uint64_t clock; /* counts uses */
};

static Sender *sender_free(Sender *sender) {
        if (!sender)
                return NULL;

        for (size_t i = 0; i < sender->n_held; i++)
                sd_bus_message_unref(sender->held[i]);
        free(sender->held);
        caller_done(&sender->caller);
        sd_bus_slot_unref(sender->match);
        sd_bus_slot_unref(sender->query);
        free(sender->name);
        free(sender);
        return NULL;
}
DEFINE_CLEANUP(Sender *, sender_free)

static Sender *authorizer_find(const Authorizer *authorizer, const char *name) {
        for (size_t i = 0; i < authorizer->n_senders; i++)
                if (string_equal(authorizer->senders[i]->name, name))
                        return authorizer->senders[i];
        return NULL;
}

static void authorizer_drop(Authorizer *authorizer, Sender *sender) {
        for (size_t i = 0; i < authorizer->n_senders; i++)
                if (authorizer->senders[i] == sender) {
                        authorizer->senders[i] = authorizer->senders[--authorizer->n_senders];
                        break;
                }
        sender_free(sender);
}

/* Makes room by forgetting a sender that nothing waits for. -EBUSY: something waits for every one of them. */
static int authorizer_make_room(Authorizer *authorizer) {
        Sender *oldest = NULL;

        if (authorizer->n_senders < SENDERS_MAX)
                return 0;

        for (size_t i = 0; i < authorizer->n_senders; i++) {
                Sender *sender = authorizer->senders[i];

                if (sender->n_held == 0 && sender->n_pending == 0 && (!oldest || sender->last_used < oldest->last_used))
                        oldest = sender;
        }
        if (!oldest)
                return -EBUSY;

        authorizer_drop(authorizer, oldest);
        return 0;
}

static Pending *pending_free(Pending *pending) {
        if (!pending)
                return NULL;

        for (Pending **p = &pending->authorizer->pending; *p; p = &(*p)->next)
                if (*p == pending) {
                        *p = pending->next;
                        pending->authorizer->n_pending--;
                        pending->sender->n_pending--;
                        break;
                }
        polkit_check_cancel(pending->check);
        sd_bus_message_unref(pending->call);
        question_done(&pending->question);
        free(pending);
        return NULL;
}
DEFINE_CLEANUP(Pending *, pending_free)

static void pending_drop_sender(const Sender *sender) {
        Pending *next;

        for (Pending *pending = sender->authorizer->pending; pending; pending = next) {
                next = pending->next;
                if (pending->sender == sender)
                        pending_free(pending);
        }
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Sender *sender = userdata;
        Authorizer *authorizer = sender->authorizer;

        pending_drop_sender(sender);
        if (authorizer->gone)
                authorizer->gone(sender->name, authorizer->userdata);
        authorizer_drop(authorizer, sender);
        return 0;
}

static int read_groups(sd_bus_message *m, Caller *caller) {
        const void *gids;
        size_t size;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, "au");
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'u', &gids, &size);
        if (r < 0)
                return r;
        if (size > 0 && !caller->gids) {
                caller->gids = malloc(size);
                if (!caller->gids)
                        return -ENOMEM;
                memcpy(caller->gids, gids, size);
                caller->n_gids = size / sizeof(gid_t);
        }
        caller->has_gids = true;
        return sd_bus_message_exit_container(m);
}

/* Bytes, with a NUL at the end or without. */
static int read_context(sd_bus_message *m, Caller *caller) {
        const void *bytes;
        size_t size;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &bytes, &size);
        if (r < 0)
                return r;
        if (size > 0 && !caller->selinux) {
                caller->selinux = strndup(bytes, size);
                if (!caller->selinux)
                        return -ENOMEM;
        }
        return sd_bus_message_exit_container(m);
}

static int credential_read(sd_bus_message *m, const char *name, Caller *caller) {
        uint32_t number;
        int r;

        if (string_equal(name, "UnixGroupIDs"))
                return read_groups(m, caller);
        if (string_equal(name, "LinuxSecurityLabel"))
                return read_context(m, caller);
        if (!string_equal(name, "UnixUserID") && !string_equal(name, "ProcessID"))
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "u", &number);
        if (r < 0)
                return r;
        if (string_equal(name, "UnixUserID"))
                caller->uid = number;
        else
                caller->pid = (pid_t) number;
        return 0;
}

static int credentials_read(sd_bus_message *m, Sender *sender) {
        _cleanup_(caller_done) Caller caller = { .uid = UID_UNKNOWN };
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;
                r = credential_read(m, name, &caller);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        sender->caller = caller;
        caller = (Caller){};
        return 0;
}

/* What was held comes round again. It keeps its place before whatever the sender sent since: sd-bus takes nothing from the
 * socket as long as there is something in its queue. */
static int sender_resume(Sender *sender) {
        int r = 0;

        for (size_t i = 0; i < sender->n_held; i++) {
                if (r >= 0)
                        r = sd_bus_enqueue_for_read(sender->authorizer->bus, sender->held[i]);
                sd_bus_message_unref(sender->held[i]);
        }
        sender->n_held = 0;
        return r;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Sender *sender = userdata;
        int r;

        sender->query = sd_bus_slot_unref(sender->query);
        sender->known = true;

        if (!sd_bus_message_is_method_error(m, NULL)) {
                r = credentials_read(m, sender);
                if (r < 0)
                        (void) log_warning_errno(r, "The bus sent credentials of %s that cannot be read: %m", sender->name);
        }
        return sender_resume(sender);
}

static int sender_new(Authorizer *authorizer, const char *name, Sender **ret) {
        _cleanup_(sender_freep) Sender *sender = calloc(1, sizeof(*sender));
        _cleanup_free_ char *rule = NULL;
        int r;

        if (!sender)
                return -ENOMEM;

        *sender = (Sender){ .authorizer = authorizer, .caller.uid = UID_UNKNOWN };
        r = string_copy(name, &sender->name);
        if (r < 0)
                return r;

        /* First listen for its end, then ask: a sender that leaves in between is told by the one or the other. */
        if (asprintf(&rule,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                     "member='NameOwnerChanged',arg0='%s',arg2=''",
                     name) < 0)
                return -ENOMEM;
        r = sd_bus_add_match_async(authorizer->bus, &sender->match, rule, on_name_lost, NULL, sender);
        if (r < 0)
                return r;
        r = sd_bus_call_method_async(authorizer->bus, &sender->query, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "GetConnectionCredentials", on_credentials, sender, "s", name);
        if (r < 0)
                return r;

        authorizer->senders[authorizer->n_senders++] = sender;
        *ret = TAKE_PTR(sender);
        return 0;
}

static int sender_hold(Sender *sender, sd_bus_message *m) {
        sd_bus_message **grown;

        if (sender->n_held >= HELD_MAX)
                return -ENOBUFS;

        grown = reallocarray(sender->held, sender->n_held + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        sender->held = grown;
        sender->held[sender->n_held++] = sd_bus_message_ref(m);
        return 0;
}

static int refuse(sd_bus_message *m, const Sender *sender) {
        if (sender->caller.uid == UID_UNKNOWN)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "The bus knows nothing about %s", sender->name);
        return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "User %u may not call %s", (unsigned) sender->caller.uid,
                                          sd_bus_message_get_member(m));
}

/* What it is about, where it is about one thing. */
static const char *check_object(const Check *check) {
        for (size_t i = 0; check->details && check->details[i]; i += 2)
                if (string_equal(check->details[i], check->action == ACTION_OVERRIDE_SAFETY ? "override" : "address"))
                        return check->details[i + 1];
        return NULL;
}

static int refuse_check(sd_bus_message *m, const Sender *sender, const Check *check, PolkitAnswer answer) {
        const char *object = check_object(check), *why = "polkit says no";

        switch (answer) {
        case POLKIT_CHALLENGE:
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                                  "User %u may not %s%s%s%s: polkit wants an administrator's password for %s, and has nobody to ask for it",
                                                  (unsigned) sender->caller.uid, action_to_phrase(check->action), object ? " (" : "", object ?: "",
                                                  object ? ")" : "", action_to_id(check->action));
        case POLKIT_FAILED:
                why = "polkit, who decides this, cannot be asked";
                break;
        case POLKIT_TIMEOUT:
                why = "polkit has not answered in time";
                break;
        case POLKIT_NO:
        case POLKIT_YES:
                break;
        }
        return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "User %u may not %s%s%s%s: %s (%s)", (unsigned) sender->caller.uid,
                                          action_to_phrase(check->action), object ? " (" : "", object ?: "", object ? ")" : "", why,
                                          action_to_id(check->action));
}

static int pending_go_on(Pending *pending);

static void on_answered(PolkitAnswer answer, void *userdata) {
        _cleanup_(pending_freep) Pending *pending = userdata;
        const Check *check = &pending->question.checks[pending->n_answered];
        int r;

        pending->check = NULL;
        if (answer != POLKIT_YES && check->grants != GRANT_SEE_OTHERS) {
                r = refuse_check(pending->call, pending->sender, check, answer);
                if (r < 0)
                        (void) log_warning_errno(r, "The refusal to %s cannot be sent: %m", pending->sender->name);
                return;
        }
        pending->sees_others = pending->sees_others || (answer == POLKIT_YES && check->grants == GRANT_SEE_OTHERS);
        pending->n_answered++;
        r = pending_go_on(pending);
        if (r >= 0) {
                (void) TAKE_PTR(pending);
                return;
        }
        (void) log_warning_errno(r, "A call of %s cannot be examined to its end: %m", pending->sender->name);
        (void) sd_bus_reply_method_errorf(pending->call, SD_BUS_ERROR_ACCESS_DENIED, "The call cannot be examined");
}

/* Asks what comes next, or lets the call come round again. Without a dialogue where the call does without it. */
static int pending_go_on(Pending *pending) {
        const Check *check = &pending->question.checks[pending->n_answered];
        bool interactive;

        if (pending->n_answered == pending->question.n_checks) {
                pending->answered = true;
                return sd_bus_enqueue_for_read(pending->authorizer->bus, pending->call);
        }
        interactive = check->grants == GRANT_PASS && sd_bus_message_get_allow_interactive_authorization(pending->call) > 0;
        return polkit_check(pending->authorizer->polkit, pending->sender->name, action_to_id(check->action), check->details, interactive, on_answered,
                            pending, &pending->check);
}

static bool may_wait(const Authorizer *authorizer, const Sender *sender) {
        size_t of_user = 0;

        for (const Pending *pending = authorizer->pending; pending; pending = pending->next)
                of_user += pending->sender->caller.uid == sender->caller.uid;
        return sender->n_pending < PENDING_MAX_SENDER && of_user < PENDING_MAX_USER && authorizer->n_pending < PENDING_MAX;
}

/* The question is taken over. Returns 1, or a negative errno. */
static int pending_begin(Authorizer *authorizer, Sender *sender, sd_bus_message *m, Question *question) {
        _cleanup_(pending_freep) Pending *pending = NULL;
        int r;

        if (!may_wait(authorizer, sender)) {
                r = sd_bus_reply_method_errorf(m, ASSIGND_ERROR_LIMITS_EXCEEDED, "Too many calls of user %u wait for an authorization",
                                               (unsigned) sender->caller.uid);
                return r < 0 ? r : 1;
        }

        pending = calloc(1, sizeof(*pending));
        if (!pending)
                return -ENOMEM;
        *pending = (Pending) { .authorizer = authorizer, .next = authorizer->pending, .sender = sender, .call = sd_bus_message_ref(m), .question = *question };
        *question = (Question) {};
        authorizer->pending = pending;
        authorizer->n_pending++;
        sender->n_pending++;

        r = pending_go_on(pending);
        if (r < 0)
                return r;
        (void) TAKE_PTR(pending);
        return 1;
}

static Pending *pending_find(const Authorizer *authorizer, const sd_bus_message *m) {
        for (Pending *pending = authorizer->pending; pending; pending = pending->next)
                if (pending->call == m && pending->answered)
                        return pending;
        return NULL;
}

/* A call that comes round again with every answer: what was asked about has to be so still. */
static int pending_finish(Authorizer *authorizer, const Pending *pending, const Question *now) {
        int r;

        if (question_equal(&pending->question, now)) {
                authorizer->pass.asked = true;
                authorizer->pass.sees_others = pending->sees_others;
                return 0;
        }
        r = sd_bus_reply_method_errorf(pending->call, ASSIGND_ERROR_STALE_GENERATION,
                                       "What %s is about has changed while polkit was asked; look at it again and repeat the call",
                                       sd_bus_message_get_member(pending->call));
        return r < 0 ? r : 1;
}

/* Of a sender that is known and is not root. 0: the call goes on to whom it is for. 1: it was answered or waits. */
static int judge_other(Authorizer *authorizer, Sender *sender, sd_bus_message *m) {
        _cleanup_(pending_freep) Pending *pending = pending_find(authorizer, m); /* it waits no more, whatever becomes of it */
        _cleanup_(question_done) Question question = {};
        const Access *access = access_find_call(m);
        int r;

        if (sender->caller.uid == UID_UNKNOWN || !access)
                return refuse(m, sender) ?: 1;
        r = question_new(authorizer->manager, access, m, &sender->caller, &question);
        if (r < 0)
                return r;
        if (pending)
                return pending_finish(authorizer, pending, &question);
        if (question.refusal.code != REFUSAL_NONE) {
                log_info("The policy does not let user %u call %s: %s", (unsigned) sender->caller.uid, access->member, question.refusal.message ?: "");
                return error_reply_refusal(m, &question.refusal);
        }
        return question.n_checks > 0 ? pending_begin(authorizer, sender, m, &question) : 0;
}

/* 0: the call goes on to whom it is for. 1: it was answered or waits. */
static int authorizer_judge(Authorizer *authorizer, sd_bus_message *m) {
        const char *name = sd_bus_message_get_sender(m);
        Sender *sender;
        int r;

        if (!name)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "The message has no sender");

        sender = authorizer_find(authorizer, name);
        if (!sender) {
                r = authorizer_make_room(authorizer);
                if (r < 0)
                        return r;
                r = sender_new(authorizer, name, &sender);
                if (r < 0)
                        return r;
        }
        sender->last_used = ++authorizer->clock;

        if (!sender->known) {
                r = sender_hold(sender, m);
                return r < 0 ? r : 1;
        }
        authorizer->pass = (Pass) { .call = m, .uid = sender->caller.uid, .sees_others = sender->caller.uid == 0 };
        return sender->caller.uid == 0 ? 0 : judge_other(authorizer, sender, m);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Authorizer *authorizer = userdata;
        int r;

        authorizer->pass = (Pass) {};
        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;

        r = authorizer_judge(authorizer, m);
        if (r >= 0)
                return r;

        log_warning("A call of %s cannot be examined: %s", sd_bus_message_get_sender(m) ?: "nobody", strerrordesc_np(-r));
        (void) sd_bus_reply_method_errorf(m, ASSIGND_ERROR_LIMITS_EXCEEDED, "Too many calls wait to be examined; try again later");
        return 1;
}

int authorizer_new(sd_bus *bus, const Manager *manager, sender_gone_t gone, void *userdata, Authorizer **ret) {
        _cleanup_(authorizer_freep) Authorizer *authorizer = calloc(1, sizeof(*authorizer));
        int r;

        if (!authorizer)
                return -ENOMEM;

        authorizer->bus = sd_bus_ref(bus);
        authorizer->manager = manager;
        authorizer->gone = gone;
        authorizer->userdata = userdata;
        r = polkit_new(bus, manager->config->authorize_usec, &authorizer->polkit);
        if (r < 0)
                return r;
        r = sd_bus_add_filter(bus, &authorizer->filter, on_message, authorizer);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(authorizer);
        return 0;
}

Authorizer *authorizer_free(Authorizer *authorizer) {
        if (!authorizer)
                return NULL;

        while (authorizer->pending)
                pending_free(authorizer->pending);
        for (size_t i = 0; i < authorizer->n_senders; i++)
                sender_free(authorizer->senders[i]);
        polkit_free(authorizer->polkit);
        sd_bus_slot_unref(authorizer->filter);
        sd_bus_unref(authorizer->bus);
        free(authorizer);
        return NULL;
}

int authorizer_get_caller(const Authorizer *authorizer, sd_bus_message *call, Caller *ret) {
        const Sender *sender = authorizer_find(authorizer, sd_bus_message_get_sender(call));
        _cleanup_(caller_done) Caller caller = {};
        int r;

        assert(sender && sender->known);

        r = caller_copy(&sender->caller, &caller);
        if (r >= 0)
                r = string_copy(sender->name, &caller.bus_name);
        if (r < 0)
                return r;
        caller.asked = authorizer->pass.call == call && authorizer->pass.asked;
        caller.sees_others = authorizer->pass.call == call && authorizer->pass.sees_others;
        *ret = caller;
        caller = (Caller){};
        return 0;
}

bool authorizer_caller_is_root(const Authorizer *authorizer, sd_bus_message *call) {
        const Sender *sender = authorizer_find(authorizer, sd_bus_message_get_sender(call));

        return sender && sender->known && sender->caller.uid == 0;
}

bool authorizer_may_see(const Authorizer *authorizer, uid_t uid) {
        const Pass *pass = &authorizer->pass;

        if (!pass->call || sd_bus_get_current_message(authorizer->bus) != pass->call)
                return false;
        return pass->sees_others || (uid != 0 && uid == pass->uid);
}
