/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who may open a VFIO node: its owner, group, mode and SELinux context, and the text they have in rows and plans. */

#include "base/macro.h"

#define NODE_CONTEXT_MAX 252U       /* bytes of a context, with its NUL */
#define NODE_ACCESS_TEXT_MAX 300U   /* of node_access_format(), with its NUL */
#define NODE_MODE_ALLOWED 0660U     /* what a request may ask for: reading and writing, and never for others */

typedef struct NodeAccess {
        uint32_t uid;
        uint32_t gid;
        uint32_t mode;                  /* permission bits only */
        char context[NODE_CONTEXT_MAX]; /* SELinux; "": the node keeps the one it has */
} NodeAccess;

/* A node as the kernel makes it: devtmpfs gives mode 0600 and root to what its class says nothing of (drivers/base/devtmpfs.c,
 * devtmpfs_create_node). */
NodeAccess node_access_initial(void);

/* Owner, group and mode; the context where both have one. */
bool node_access_equal(const NodeAccess *a, const NodeAccess *b);

/* Neither id is the one that means nobody, no bit beyond the permissions, the context ends within its field and is printable without
 * blanks. */
bool node_access_is_sane(const NodeAccess *access);

/* "1000:36:0660", or "1000:36:0660 system_u:object_r:...". Returns `buffer`. */
const char *node_access_format(const NodeAccess *access, char buffer[static NODE_ACCESS_TEXT_MAX]);
#define NODE_ACCESS_FORMAT(access) node_access_format(access, (char[NODE_ACCESS_TEXT_MAX]){})

/* That text, nothing else. 0 or -EINVAL. */
int node_access_parse(const char *text, NodeAccess *ret);

/* Copies a context. -EINVAL: empty, too long, or not printable without blanks. */
int node_context_set(NodeAccess *access, const char *context);
