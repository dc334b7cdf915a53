/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/polkit.h"

#include "base/log.h"
#include "base/strutil.h"

#define POLKIT_BUS_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

/* CheckAuthorizationFlags of that interface. */
#define POLKIT_ALLOW_USER_INTERACTION 1U

#define CANCELLATION_ID_MAX sizeof("assignd-18446744073709551615")

struct Polkit {
        sd_bus *bus;
        uint64_t timeout_usec;
        uint64_t last_id;
};

struct PolkitCheck {
        Polkit *polkit;
        uint64_t id;
        sd_bus_slot *call;
        sd_event_source *deadline;
        polkit_answered_t answered;
        void *userdata;
};

static PolkitCheck *polkit_check_free(PolkitCheck *check) {
        if (!check)
                return NULL;

        sd_bus_slot_unref(check->call);
        sd_event_source_disable_unref(check->deadline);
        free(check);
        return NULL;
}
DEFINE_CLEANUP(PolkitCheck *, polkit_check_free)

static const char *cancellation_id(const PolkitCheck *check, char buffer[static CANCELLATION_ID_MAX]) {
        (void) snprintf(buffer, CANCELLATION_ID_MAX, "assignd-%" PRIu64, check->id);
        return buffer;
}

static void polkit_check_finish(PolkitCheck *check, PolkitAnswer answer) {
        polkit_answered_t answered = check->answered;
        void *userdata = check->userdata;

        polkit_check_free(check);
        answered(answer, userdata);
}

/* (is_authorized b, is_challenge b, details a{ss}) */
static PolkitAnswer answer_read(sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        int authorized, challenge, r;

        if (error) {
                log_warning("polkit cannot be asked: %s", error->message ?: error->name);
                return POLKIT_FAILED;
        }
        r = sd_bus_message_has_signature(m, "(bba{ss})");
        if (r > 0)
                r = sd_bus_message_enter_container(m, SD_BUS_TYPE_STRUCT, "bba{ss}");
        if (r > 0)
                r = sd_bus_message_read(m, "bb", &authorized, &challenge);
        if (r <= 0 || (authorized && challenge)) {
                log_warning("polkit gave an answer that is none");
                return POLKIT_FAILED;
        }
        return authorized ? POLKIT_YES : challenge ? POLKIT_CHALLENGE : POLKIT_NO;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        polkit_check_finish(userdata, answer_read(m));
        return 1;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        PolkitCheck *check = userdata;
        polkit_answered_t answered = check->answered;
        void *data = check->userdata;

        log_warning("polkit has not answered in time");
        polkit_check_cancel(check);
        answered(POLKIT_TIMEOUT, data);
        return 0;
}

static int append_details(sd_bus_message *m, char *const *details) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{ss}");
        for (size_t i = 0; r >= 0 && details && details[i]; i += 2)
                r = sd_bus_message_append(m, "{ss}", details[i], details[i + 1]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int call_new(const PolkitCheck *check, const char *sender, const char *action, char *const *details, bool interactive, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char buffer[CANCELLATION_ID_MAX];
        int r;

        r = sd_bus_message_new_method_call(check->polkit->bus, &m, POLKIT_BUS_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sender, action);
        if (r >= 0)
                r = append_details(m, details);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", interactive ? POLKIT_ALLOW_USER_INTERACTION : 0U, cancellation_id(check, buffer));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

static int start_deadline(PolkitCheck *check) {
        const uint64_t accuracy = check->polkit->timeout_usec / 10;

        return sd_event_add_time_relative(sd_bus_get_event(check->polkit->bus), &check->deadline, CLOCK_MONOTONIC, check->polkit->timeout_usec,
                                          accuracy, on_deadline, check);
}

int polkit_check(Polkit *polkit, const char *sender, const char *action, char *const *details, bool interactive, polkit_answered_t answered,
                 void *userdata, PolkitCheck **ret) {
        _cleanup_(polkit_check_freep) PolkitCheck *check = calloc(1, sizeof(*check));
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!check)
                return -ENOMEM;

        *check = (PolkitCheck) { .polkit = polkit, .id = ++polkit->last_id, .answered = answered, .userdata = userdata };
        r = call_new(check, sender, action, details, interactive, &m);
        if (r < 0)
                return r;
        r = start_deadline(check);
        if (r < 0)
                return r;
        r = sd_bus_call_async(polkit->bus, &check->call, m, on_answer, check, UINT64_MAX);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(check);
        return 0;
}

PolkitCheck *polkit_check_cancel(PolkitCheck *check) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char buffer[CANCELLATION_ID_MAX];
        int r;

        if (!check)
                return NULL;

        r = sd_bus_message_new_method_call(check->polkit->bus, &m, POLKIT_BUS_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CancelCheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', cancellation_id(check, buffer));
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                r = sd_bus_send(check->polkit->bus, m, NULL);
        if (r < 0)
                (void) log_warning_errno(r, "A question to polkit cannot be taken back: %m");
        return polkit_check_free(check);
}

int polkit_new(sd_bus *bus, uint64_t timeout_usec, Polkit **ret) {
        Polkit *polkit = calloc(1, sizeof(*polkit));

        if (!polkit)
                return -ENOMEM;

        *polkit = (Polkit) { .bus = sd_bus_ref(bus), .timeout_usec = timeout_usec };
        *ret = polkit;
        return 0;
}

Polkit *polkit_free(Polkit *polkit) {
        if (!polkit)
                return NULL;

        sd_bus_unref(polkit->bus);
        free(polkit);
        return NULL;
}
