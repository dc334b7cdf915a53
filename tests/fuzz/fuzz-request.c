/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A request is refused with a sentence, or its targets mean something. The input's lines: verb, owner, label, override, then targets; an empty line is
 * nothing. */

#include <string.h>

#include "base/strutil.h"
#include "fuzz.h"
#include "policy/request.h"

static void put(Request *request, unsigned line, const char *text) {
        switch (line) {
        case 0:
                request->verb = verb_from_string(text);
                return;
        case 1:
                FUZZ_CHECK(string_copy(*text ? text : NULL, &request->owner) == 0);
                return;
        case 2:
                FUZZ_CHECK(string_copy(*text ? text : NULL, &request->label) == 0);
                return;
        case 3:
                FUZZ_CHECK(!*text || strv_append(&request->overrides, text) == 0);
                return;
        default:
                FUZZ_CHECK(strv_append(&request->targets, text) == 0);
        }
}

static void check(const Request *request) {
        _cleanup_(refusal_done) Refusal refusal = {};
        int r;

        r = request_check(request, &refusal);
        FUZZ_CHECK(r == 0 || r == -EINVAL);
        FUZZ_CHECK(refusal.code == REFUSAL_NONE || string_is_printable(refusal.message, SIZE_MAX));
        for (size_t i = 0; r == 0 && refusal.code == REFUSAL_NONE && request->targets && request->targets[i]; i++) {
                Target target;

                FUZZ_CHECK(target_parse(request->targets[i], &target) == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(request_done) Request request = { .verb = VERB_ASSIGN };
        _cleanup_free_ char *text = fuzz_text(data, size);
        char *rest = text, *line;

        for (unsigned i = 0; i < 400 && (line = strsep(&rest, "\n")); i++)
                put(&request, i, line);
        check(&request);
        return 0;
}
