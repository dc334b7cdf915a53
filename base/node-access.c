/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/node-access.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"

NodeAccess node_access_initial(void) {
        return (NodeAccess){ .mode = 0600 };
}

bool node_access_equal(const NodeAccess *a, const NodeAccess *b) {
        bool have_contexts = a->context[0] != '\0' && b->context[0] != '\0';

        return a->uid == b->uid && a->gid == b->gid && a->mode == b->mode && (!have_contexts || string_equal(a->context, b->context));
}

static bool context_is_sane(const char *context) {
        return string_is_printable(context, NODE_CONTEXT_MAX - 1) && !strchr(context, ' ');
}

bool node_access_is_sane(const NodeAccess *access) {
        if (access->uid == UINT32_MAX || access->gid == UINT32_MAX || (access->mode & ~0777U) != 0)
                return false;
        if (strnlen(access->context, sizeof(access->context)) == sizeof(access->context))
                return false;
        return access->context[0] == '\0' || context_is_sane(access->context);
}

const char *node_access_format(const NodeAccess *access, char buffer[static NODE_ACCESS_TEXT_MAX]) {
        (void) snprintf(buffer, NODE_ACCESS_TEXT_MAX, "%" PRIu32 ":%" PRIu32 ":%04" PRIo32 "%s%s", access->uid, access->gid, access->mode,
                        access->context[0] != '\0' ? " " : "", access->context);
        return buffer;
}

/* The number up to `end`, which is taken off. */
static int take_number(const char **text, char end, unsigned base, uint32_t *ret) {
        char digits[sizeof("4294967295")];
        const char *at = strchrnul(*text, end);
        size_t length = (size_t) (at - *text);

        if ((end != ' ' && *at == '\0') || length >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, *text, length);
        digits[length] = '\0';
        if (parse_u32(digits, base, ret) < 0)
                return -EINVAL;
        *text = *at == '\0' ? at : at + 1;
        return 0;
}

int node_access_parse(const char *text, NodeAccess *ret) {
        NodeAccess access = {};
        bool has_context = strchr(text, ' ');

        if (take_number(&text, ':', 10, &access.uid) < 0 || take_number(&text, ':', 10, &access.gid) < 0 || take_number(&text, ' ', 8, &access.mode) < 0)
                return -EINVAL;
        if (has_context && node_context_set(&access, text) < 0)
                return -EINVAL;
        if (!node_access_is_sane(&access))
                return -EINVAL;
        *ret = access;
        return 0;
}

int node_context_set(NodeAccess *access, const char *context) {
        if (!context_is_sane(context))
                return -EINVAL;
        memset(access->context, 0, sizeof(access->context));
        memcpy(access->context, context, strlen(context));
        return 0;
}
