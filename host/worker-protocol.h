/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What assignd and assignd-worker say to each other over a SOCK_SEQPACKET pair: one fixed-size message a step, one answer a
 * message, the fd that a step opened attached to its answer. Both are built from one tree, `version` guards against an
 * upgrade between spawn and exec. The worker trusts nothing it receives: numbers are range-checked, strings must end
 * within their field and be plain names without '/'. */

#include "base/node-access.h"
#include "base/pci-address.h"

#define WORKER_PROTOCOL_VERSION 4U
#define WORKER_NAME_MAX 64U

typedef enum WorkerAction {
        WORKER_SET_OVERRIDE,   /* name: the driver, "" clears. Reads it back: -EPROTO if it is not what was written */
        WORKER_UNBIND,         /* name: the driver to leave */
        WORKER_BIND,           /* name: the driver to bind; reads `driver` back: -EPROTO if another one is there */
        WORKER_OPEN_IOMMUFD,   /* answers with the fd; RLIMIT_MODE is set to per-process accounting first */
        WORKER_OPEN_CDEV,      /* answers with the unbound fd; its st_rdev was compared with sysfs */
        WORKER_OPEN_CONTAINER, /* answers with the fd, which the worker also keeps for the next two */
        WORKER_OPEN_GROUP,     /* opens GROUP, sets the container (and type1v2 after the first); answers with the fd */
        WORKER_OPEN_DEVICE,    /* answers with VFIO_GROUP_GET_DEVICE_FD of `group` */
        WORKER_CHECK_HOLDERS,  /* answers with who has GROUP or a device of it open: -EBUSY if anybody has */
        WORKER_SET_DEVICE_NODE, /* the device's node below /dev/vfio/devices gets `node`. A node that the kernel does not have is set: */
        WORKER_SET_GROUP_NODE,  /* the same of GROUP's node;   `found` is "none" then, and "" else */
        _WORKER_ACTION_MAX,
} WorkerAction;

typedef struct WorkerRequest {
        uint32_t version;
        uint32_t action;
        uint64_t sequence; /* chosen by the daemon, comes back in the answer */
        uint32_t domain;
        uint8_t bus, slot, function, reserved;
        uint32_t group;
        uint32_t padding;
        char name[WORKER_NAME_MAX];
        NodeAccess node; /* of the two that set one, else all zero */
} WorkerRequest;

/* What somebody has open. */
typedef enum HolderKind {
        HOLDS_NOTHING,
        HOLDS_GROUP,       /* the group's node */
        HOLDS_DEVICE,      /* that device */
        HOLDS_NODE,        /* a node that a host driver made of that device: a disk's, a display's, ... */
        HOLDS_PERHAPS,     /* a VFIO device that the kernel does not tell from others, and that can be of this group */
        HOLDS_OTHER_GROUP, /* another group's node; never in an answer */
        _HOLDER_KIND_MAX,
} HolderKind;

typedef struct WorkerHolder {
        uint32_t kind; /* HolderKind */
        uint32_t pid;
        uint32_t fd;
        uint32_t domain; /* of HOLDS_DEVICE and HOLDS_NODE, else 0, as the next three */
        uint8_t bus, slot, function, reserved;
        char node[WORKER_NAME_MAX]; /* of HOLDS_NODE: the name of the node, escaped; else empty */
        char comm[WORKER_NAME_MAX]; /* what the process calls itself, escaped: printable, not empty */
} WorkerHolder;

#define WORKER_HOLDERS_MAX 8U

typedef struct HolderList {
        uint32_t n_items;
        uint32_t n_more;   /* further ones that are not listed */
        uint32_t n_hidden; /* processes that could not be looked into */
        WorkerHolder items[WORKER_HOLDERS_MAX];
} HolderList;

typedef struct WorkerAnswer {
        uint32_t version;
        int32_t error; /* 0 or a negative errno, the kernel's own where it gave one */
        uint64_t sequence;
        char found[WORKER_NAME_MAX]; /* what was read back: the driver ("" none) or the override */
        HolderList holders; /* empty but for WORKER_CHECK_HOLDERS */
        uint32_t padding;
} WorkerAnswer;

/* Fills a request; -EINVAL where `name` (NULL is "") does not fit or holds '/', a newline or control characters. */
int worker_request_make(WorkerAction action, uint64_t sequence, const PciAddress *address, uint32_t group, const char *name, WorkerRequest *ret);

/* The same of WORKER_SET_DEVICE_NODE or WORKER_SET_GROUP_NODE. -EINVAL for an access that is not sane. */
int worker_request_make_node(WorkerAction action, uint64_t sequence, const PciAddress *address, uint32_t group, const NodeAccess *node, WorkerRequest *ret);

/* Checks what came in against everything said above. 0 or -EBADMSG. */
int worker_request_check(const WorkerRequest *request);

#define WORKER_FOUND_NO_NODE "none"

/* One message with at most one fd (-EBADF: none). The receiver owns *ret_fd. send: 0 or errno. receive: 1 a message, 0 the
 * other side closed, -EAGAIN, -EBADMSG for a wrong size, or an errno. Never blocks longer than the socket's own mode. */
int worker_answer_send(int socket_fd, const WorkerAnswer *answer, int fd);
int worker_answer_receive(int socket_fd, WorkerAnswer *ret, int *ret_fd);
