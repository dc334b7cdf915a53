/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/errors.h"

#include <stdarg.h>
#include <string.h>

#include "dbus/encode.h"
#include "dbus/names.h"

static const char *const error_names[_REFUSAL_CODE_MAX] = {
        [REFUSAL_NOT_VIABLE] = ASSIGND_ERROR_NOT_VIABLE,
        [REFUSAL_BUSY] = ASSIGND_ERROR_BUSY,
        [REFUSAL_OWNED] = ASSIGND_ERROR_OWNED,
        [REFUSAL_LABEL_CONFLICT] = ASSIGND_ERROR_LABEL_CONFLICT,
        [REFUSAL_DENIED] = ASSIGND_ERROR_DENIED,
        [REFUSAL_NO_SUCH_DEVICE] = ASSIGND_ERROR_NO_SUCH_DEVICE,
        [REFUSAL_NO_SUCH_GROUP] = ASSIGND_ERROR_NO_SUCH_GROUP,
        [REFUSAL_NO_SUCH_OWNER] = ASSIGND_ERROR_NO_SUCH_OWNER,
        [REFUSAL_IDENTITY_CHANGED] = ASSIGND_ERROR_IDENTITY_CHANGED,
        [REFUSAL_TIMEOUT] = ASSIGND_ERROR_TIMEOUT,
        [REFUSAL_CANCELLED] = ASSIGND_ERROR_CANCELLED,
        [REFUSAL_STUCK] = ASSIGND_ERROR_STUCK,
        [REFUSAL_STALE_GENERATION] = ASSIGND_ERROR_STALE_GENERATION,
        [REFUSAL_QUARANTINED] = ASSIGND_ERROR_QUARANTINED,
        [REFUSAL_LIMITS_EXCEEDED] = ASSIGND_ERROR_LIMITS_EXCEEDED,
        [REFUSAL_INVALID_TARGET] = ASSIGND_ERROR_INVALID_TARGET,
        [REFUSAL_INVALID_ARGUMENT] = SD_BUS_ERROR_INVALID_ARGS,
        [REFUSAL_NOT_SUPPORTED] = SD_BUS_ERROR_NOT_SUPPORTED,
        [REFUSAL_DEGRADED] = ASSIGND_ERROR_DEGRADED,
        [REFUSAL_FAILED] = SD_BUS_ERROR_FAILED,
};

const char *error_name_of(RefusalCode code) {
        return code > REFUSAL_NONE && code < _REFUSAL_CODE_MAX ? error_names[code] : NULL;
}

int error_reply_refusal(sd_bus_message *call, const Refusal *refusal) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(error_name_of(refusal->code), NULL);
        int r;

        assert(error.name);

        r = sd_bus_message_new_method_error(call, &reply, &error);
        if (r < 0)
                return r;
        r = encode_text(reply, refusal->message ? refusal->message : "Out of memory");
        if (r < 0)
                return r;
        r = encode_blockers(reply, &refusal->blockers);
        if (r < 0)
                return r;
        r = sd_bus_message_send(reply);
        return r < 0 ? r : 1;
}

int error_reply(sd_bus_message *call, RefusalCode code, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&message, format, ap);
        va_end(ap);
        if (r < 0) {
                message = NULL;
                return -ENOMEM;
        }
        return error_reply_refusal(call, &(Refusal){ .code = code, .message = message });
}

int error_reply_errno(sd_bus_message *call, int error, const char *what) {
        return error_reply(call, REFUSAL_FAILED, "%s: %s", what, strerrordesc_np(-error) ?: "unknown error");
}
