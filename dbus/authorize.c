/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/authorize.h"

#include <string.h>

#include "base/log.h"
#include "base/strutil.h"
#include "dbus/names.h"

/* Connections whose credentials are kept; the one that was silent for longest goes first. Each costs the bus a match rule, of
 * which it allows 512. */
#define SENDERS_MAX 256U

/* Messages of one sender that wait for its credentials. The system bus lets nobody have more than 128 calls pending. */
#define HELD_MAX 128U

#define UID_UNKNOWN ((uid_t) -1)

typedef struct Sender {
        struct Authorizer *authorizer;
        char *name;
        bool known; /* the bus has said who it is, or that it will not */
        Caller caller; /* without its name */
        uint64_t last_used;
        sd_bus_message **held; /* waiting for the credentials */
        size_t n_held;
        sd_bus_slot *match;
        sd_bus_slot *query;
} Sender;

struct Authorizer {
        sd_bus *bus;
        uid_t allowed_uid;
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

                if (sender->n_held == 0 && (!oldest || sender->last_used < oldest->last_used))
                        oldest = sender;
        }
        if (!oldest)
                return -EBUSY;

        authorizer_drop(authorizer, oldest);
        return 0;
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Sender *sender = userdata;
        Authorizer *authorizer = sender->authorizer;

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
        return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "Only root may speak to " ASSIGND_BUS_NAME ", and %s is %s", sender->name,
                                          sender->caller.uid == UID_UNKNOWN ? "somebody the bus knows nothing about" : "another user");
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
        return sender->caller.uid == authorizer->allowed_uid ? 0 : refuse(m, sender) ?: 1;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;

        r = authorizer_judge(userdata, m);
        if (r >= 0)
                return r;

        log_warning("A call of %s cannot be examined: %s", sd_bus_message_get_sender(m) ?: "nobody", strerrordesc_np(-r));
        (void) sd_bus_reply_method_errorf(m, ASSIGND_ERROR_LIMITS_EXCEEDED, "Too many calls wait to be examined; try again later");
        return 1;
}

int authorizer_new(sd_bus *bus, uid_t allowed_uid, sender_gone_t gone, void *userdata, Authorizer **ret) {
        _cleanup_(authorizer_freep) Authorizer *authorizer = calloc(1, sizeof(*authorizer));
        int r;

        if (!authorizer)
                return -ENOMEM;

        authorizer->bus = sd_bus_ref(bus);
        authorizer->allowed_uid = allowed_uid;
        authorizer->gone = gone;
        authorizer->userdata = userdata;
        r = sd_bus_add_filter(bus, &authorizer->filter, on_message, authorizer);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(authorizer);
        return 0;
}

Authorizer *authorizer_free(Authorizer *authorizer) {
        if (!authorizer)
                return NULL;

        for (size_t i = 0; i < authorizer->n_senders; i++)
                sender_free(authorizer->senders[i]);
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
        *ret = caller;
        caller = (Caller){};
        return 0;
}
