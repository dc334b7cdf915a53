/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/module-loader.h"

#include <string.h>

#include "base/log.h"
#include "base/strutil.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

#define MODULE_NAME_MAX 55U /* include/linux/moduleparam.h: MODULE_NAME_LEN is 64 minus the size of a long, NUL included */
#define LOAD_TIMEOUT_USEC (30 * USEC_PER_SEC)

typedef struct ModuleRequest {
        ModuleRequests *requests;
        struct ModuleRequest *next;
        char *module;
        char *systemd; /* systemd's unique name, from its answer: only it can say how the job ended */
        char *job;
        sd_bus_slot *start;
        sd_event_source *deadline;
        module_done_t done;
        void *userdata;
} ModuleRequest;

struct ModuleRequests {
        sd_bus *bus;
        ModuleRequest *first;
        sd_bus_slot *job_removed; /* with the subscription, from the first request on */
};

static ModuleRequest *module_request_free(ModuleRequest *request) {
        if (!request)
                return NULL;

        for (ModuleRequest **r = &request->requests->first; *r; r = &(*r)->next)
                if (*r == request) {
                        *r = request->next;
                        break;
                }
        sd_bus_slot_unref(request->start);
        sd_event_source_disable_unref(request->deadline);
        free(request->module);
        free(request->systemd);
        free(request->job);
        free(request);
        return NULL;
}
DEFINE_CLEANUP(ModuleRequest *, module_request_free)

static void module_request_finish(ModuleRequest *request, int error) {
        module_done_t done = request->done;
        void *userdata = request->userdata;

        module_request_free(request);
        done(error, userdata);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ModuleRequests *requests = userdata;
        const char *job, *unit, *result, *sender = sd_bus_message_get_sender(m);
        uint32_t id;
        int r;

        r = sd_bus_message_read(m, "uoss", &id, &job, &unit, &result);
        if (r < 0) {
                (void) log_warning_errno(r, "systemd told of a job's end in a way that cannot be read: %m");
                return 0;
        }

        for (ModuleRequest *request = requests->first; request; request = request->next)
                if (request->job && string_equal(request->job, job) && string_equal(request->systemd, sender)) {
                        if (!string_equal(result, "done"))
                                log_warning("%s ended with \"%s\"", unit, result);
                        module_request_finish(request, string_equal(result, "done") ? 0 : -EIO);
                        break;
                }
        return 0;
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ModuleRequest *request = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *job;
        int r;

        request->start = sd_bus_slot_unref(request->start);
        if (e) {
                log_notice("systemd was asked to load the module %s and says: %s", request->module, e->message ?: e->name);
                module_request_finish(request, -ENOENT);
                return 0;
        }

        r = sd_bus_message_read(m, "o", &job);
        if (r >= 0)
                r = string_copy(job, &request->job);
        if (r >= 0)
                r = string_copy(sd_bus_message_get_sender(m), &request->systemd);
        if (r < 0)
                module_request_finish(request, r);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        ModuleRequest *request = userdata;

        log_warning("systemd has not loaded the module %s in time", request->module);
        module_request_finish(request, -ETIMEDOUT);
        return 0;
}

/* Asks systemd to tell of jobs, once. Messages keep their order, so this is in force before the first job is begun. */
static int module_requests_subscribe(ModuleRequests *requests) {
        int r;

        if (requests->job_removed)
                return 0;

        r = sd_bus_match_signal_async(requests->bus, &requests->job_removed, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved", on_job_removed,
                                      NULL, requests);
        if (r < 0)
                return r;
        /* That systemd is not there is heard again, by who needs to know, in answer to StartUnit. */
        return sd_bus_call_method_async(requests->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe", NULL, NULL, NULL);
}

/* modprobe takes '-' for '_', and systemd takes '-' in an instance for '/'. */
static int module_unit_name(const char *module, char **ret) {
        char *unit;

        if (*module == '\0' || strlen(module) > MODULE_NAME_MAX ||
            module[strspn(module, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] != '\0')
                return -EINVAL;

        if (asprintf(&unit, "modprobe@%s.service", module) < 0)
                return -ENOMEM;
        for (char *c = unit; *c; c++)
                if (*c == '-')
                        *c = '_';
        *ret = unit;
        return 0;
}

int module_requests_load(void *userdata, const char *module, module_done_t done, void *done_userdata) {
        ModuleRequests *requests = userdata;
        _cleanup_(module_request_freep) ModuleRequest *request = NULL;
        _cleanup_free_ char *unit = NULL;
        int r;

        r = module_unit_name(module, &unit);
        if (r < 0)
                return r;
        r = module_requests_subscribe(requests);
        if (r < 0)
                return r;

        request = calloc(1, sizeof(*request));
        if (!request)
                return -ENOMEM;
        *request = (ModuleRequest){ .requests = requests, .next = requests->first, .done = done, .userdata = done_userdata };
        requests->first = request;

        r = string_copy(module, &request->module);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(sd_bus_get_event(requests->bus), &request->deadline, CLOCK_MONOTONIC, LOAD_TIMEOUT_USEC, 0, on_deadline, request);
        if (r < 0)
                return r;
        r = sd_bus_call_method_async(requests->bus, &request->start, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "StartUnit", on_started, request, "ss",
                                     unit, "replace");
        if (r < 0)
                return r;

        request = NULL; /* the list has it */
        return 0;
}

int module_requests_new(sd_bus *bus, ModuleRequests **ret) {
        ModuleRequests *requests = calloc(1, sizeof(*requests));

        if (!requests)
                return -ENOMEM;
        requests->bus = sd_bus_ref(bus);
        *ret = requests;
        return 0;
}

ModuleRequests *module_requests_free(ModuleRequests *requests) {
        if (!requests)
                return NULL;

        while (requests->first)
                module_request_free(requests->first);
        sd_bus_slot_unref(requests->job_removed);
        sd_bus_unref(requests->bus);
        free(requests);
        return NULL;
}
