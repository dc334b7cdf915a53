/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/failure.h"

#include <stdarg.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/strutil.h"
#include "cli/output.h"
#include "cli/shape.h"
#include "dbus/names.h"

/* What activation answers when there is nothing to start: by the bus itself, and by systemd (masked, no such unit). */
static const char *const activation_errors[] = { "org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1." };

static const struct {
        const char *name;
        ExitCode code;
} exit_codes[] = {
        { ASSIGND_ERROR_INVALID_TARGET,                       EXIT_CODE_USAGE },
        { SD_BUS_ERROR_INVALID_ARGS,                          EXIT_CODE_USAGE },
        { SD_BUS_ERROR_UNKNOWN_METHOD,                        EXIT_CODE_USAGE },
        { SD_BUS_ERROR_ACCESS_DENIED,                         EXIT_CODE_DENIED },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,    EXIT_CODE_DENIED },
        { ASSIGND_ERROR_DENIED,                               EXIT_CODE_DENIED },
        { ASSIGND_ERROR_LABEL_CONFLICT,                       EXIT_CODE_DENIED },
        { ASSIGND_ERROR_BUSY,                                 EXIT_CODE_BUSY },
        { ASSIGND_ERROR_OWNED,                                EXIT_CODE_BUSY },
        { ASSIGND_ERROR_STALE_GENERATION,                     EXIT_CODE_BUSY }, /* ask again */
        { ASSIGND_ERROR_STUCK,                                EXIT_CODE_STUCK },
        { ASSIGND_ERROR_TIMEOUT,                              EXIT_CODE_STUCK },
        { ASSIGND_ERROR_QUARANTINED,                          EXIT_CODE_STUCK },
        { ASSIGND_ERROR_NOT_VIABLE,                           EXIT_CODE_NOT_VIABLE },
        { ASSIGND_ERROR_IDENTITY_CHANGED,                     EXIT_CODE_NOT_VIABLE },
        { ASSIGND_ERROR_NO_SUCH_DEVICE,                       EXIT_CODE_NO_SUCH },
        { ASSIGND_ERROR_NO_SUCH_GROUP,                        EXIT_CODE_NO_SUCH },
        { ASSIGND_ERROR_NO_SUCH_OWNER,                        EXIT_CODE_NO_SUCH },
        { SD_BUS_ERROR_UNKNOWN_OBJECT,                        EXIT_CODE_NO_SUCH }, /* went away between two calls */
        { SD_BUS_ERROR_NO_SERVER,                             EXIT_CODE_NO_DAEMON },
        { SD_BUS_ERROR_SERVICE_UNKNOWN,                       EXIT_CODE_NO_DAEMON },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER,                     EXIT_CODE_NO_DAEMON },
        { SD_BUS_ERROR_NO_REPLY,                              EXIT_CODE_NO_DAEMON },
        { SD_BUS_ERROR_DISCONNECTED,                          EXIT_CODE_NO_DAEMON },
        { SD_BUS_ERROR_TIMEOUT,                               EXIT_CODE_NO_DAEMON }, /* the bus's own: activation took too long */
        { "org.freedesktop.DBus.Error.TimedOut",              EXIT_CODE_NO_DAEMON },
};

void failure_done(Failure *failure) {
        free(failure->name);
        free(failure->message);
        json_decref(failure->blockers);
        *failure = (Failure) {};
}

int failure_set(Failure *failure, const char *name, json_t *blockers, const char *format, ...) {
        Failure now = { .name = strdup(name), .blockers = blockers };
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&now.message, format, ap) < 0)
                now.message = NULL;
        va_end(ap);

        failure_done(failure);
        *failure = now;
        return -ECANCELED;
}

ExitCode failure_exit_code(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(exit_codes); i++)
                if (string_equal(name, exit_codes[i].name))
                        return exit_codes[i].code;

        for (size_t i = 0; name && i < ELEMENTSOF(activation_errors); i++)
                if (strncmp(name, activation_errors[i], strlen(activation_errors[i])) == 0)
                        return EXIT_CODE_NO_DAEMON;
        return EXIT_CODE_FAILED;
}

void failure_print(const Failure *failure, FILE *f) {
        output_refusal(f, "assign-ctl:", "assign-ctl: It cannot be done:", failure->message ?: failure->name ?: "Out of memory",
                       failure->blockers);
}

json_t *failure_to_json(const Failure *failure) {
        return json_pack("{s:s, s:s, s:o}",
                         "name", failure->name ?: SD_BUS_ERROR_NO_MEMORY,
                         "message", failure->message ?: "Out of memory",
                         "blockers", failure->blockers ? json_incref(failure->blockers) : json_array());
}
