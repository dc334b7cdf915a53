/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "host/worker-protocol.h"

#include <string.h>
#include <sys/socket.h>

#include "base/strutil.h"

/* include/linux/err.h: the range of errnos that the kernel can return. */
#define ERRNO_MAX 4095

/* SCM_RIGHTS data is padded to the alignment of size_t, so a control buffer for one fd has room for a second. */
#define FDS_MAX 2

_Static_assert(sizeof(WorkerRequest) == 32 + WORKER_NAME_MAX + sizeof(NodeAccess) && sizeof(NodeAccess) == 12 + NODE_CONTEXT_MAX, "the request has no hidden padding");
_Static_assert(sizeof(WorkerHolder) == 20 + 2 * WORKER_NAME_MAX, "a holder has no hidden padding");
_Static_assert(sizeof(WorkerAnswer) == 16 + WORKER_NAME_MAX + 12 + WORKER_HOLDERS_MAX * sizeof(WorkerHolder) + 4, "the answer has no hidden padding");

static bool name_is_plain(const char *name) {
        return string_is_printable(name, WORKER_NAME_MAX - 1) && !strchr(name, '/') && !string_equal(name, ".") && !string_equal(name, "..");
}

static bool name_fits_action(uint32_t action, const char *name) {
        switch ((WorkerAction) action) {

        case WORKER_SET_OVERRIDE:
                return name[0] == '\0' || name_is_plain(name);

        case WORKER_UNBIND:
        case WORKER_BIND:
                return name_is_plain(name);

        case WORKER_OPEN_IOMMUFD:
        case WORKER_OPEN_CDEV:
        case WORKER_OPEN_CONTAINER:
        case WORKER_OPEN_GROUP:
        case WORKER_OPEN_DEVICE:
        case WORKER_CHECK_HOLDERS:
        case WORKER_SET_DEVICE_NODE:
        case WORKER_SET_GROUP_NODE:
                return name[0] == '\0';

        case _WORKER_ACTION_MAX:
                return false;
        }

        return false;
}

static bool sets_node(uint32_t action) {
        return action == WORKER_SET_DEVICE_NODE || action == WORKER_SET_GROUP_NODE;
}

static bool node_fits_action(uint32_t action, const NodeAccess *node) {
        static const NodeAccess none = {};

        return sets_node(action) ? node_access_is_sane(node) : memcmp(node, &none, sizeof(none)) == 0;
}

int worker_request_make_node(WorkerAction action, uint64_t sequence, const PciAddress *address, uint32_t group, const NodeAccess *node, WorkerRequest *ret) {
        WorkerRequest request;
        int r;

        assert(sets_node(action));

        r = worker_request_make(action, sequence, address, group, NULL, &request);
        if (r < 0)
                return r;
        request.node = *node;
        if (worker_request_check(&request) < 0)
                return -EINVAL;
        *ret = request;
        return 0;
}

int worker_request_make(WorkerAction action, uint64_t sequence, const PciAddress *address, uint32_t group, const char *name, WorkerRequest *ret) {
        WorkerRequest request = {
                .version = WORKER_PROTOCOL_VERSION,
                .action = action,
                .sequence = sequence,
                .group = group,
        };

        assert(ret);

        if (name && strlen(name) >= WORKER_NAME_MAX)
                return -EINVAL;
        if (name)
                memcpy(request.name, name, strlen(name));
        if (address) {
                request.domain = address->domain;
                request.bus = address->bus;
                request.slot = address->slot;
                request.function = address->function;
        }

        if (worker_request_check(&request) < 0)
                return -EINVAL;

        *ret = request;
        return 0;
}

int worker_request_check(const WorkerRequest *request) {
        size_t length;

        assert(request);

        if (request->version != WORKER_PROTOCOL_VERSION || request->action >= _WORKER_ACTION_MAX)
                return -EBADMSG;
        if (request->slot > 0x1f || request->function > 7 || request->reserved != 0 || request->padding != 0)
                return -EBADMSG;

        length = strnlen(request->name, sizeof(request->name));
        if (length == sizeof(request->name) || !name_fits_action(request->action, request->name))
                return -EBADMSG;
        if (!node_fits_action(request->action, &request->node))
                return -EBADMSG;

        return 0;
}

static bool holder_is_sane(const WorkerHolder *holder) {
        if (holder->kind != HOLDS_GROUP && holder->kind != HOLDS_DEVICE && holder->kind != HOLDS_NODE && holder->kind != HOLDS_PERHAPS)
                return false;
        if (holder->pid == 0 || holder->pid > INT32_MAX || holder->fd > INT32_MAX)
                return false;
        if (holder->slot > 0x1f || holder->function > 7 || holder->reserved != 0)
                return false;
        if (strnlen(holder->node, sizeof(holder->node)) == sizeof(holder->node) ||
            (holder->kind == HOLDS_NODE) != string_is_printable(holder->node, sizeof(holder->node) - 1))
                return false;
        return strnlen(holder->comm, sizeof(holder->comm)) < sizeof(holder->comm) && string_is_printable(holder->comm, sizeof(holder->comm) - 1);
}

static bool holders_are_sane(const HolderList *list) {
        if (list->n_items > WORKER_HOLDERS_MAX || (list->n_more > 0 && list->n_items < WORKER_HOLDERS_MAX))
                return false;
        for (size_t i = 0; i < list->n_items; i++)
                if (!holder_is_sane(&list->items[i]))
                        return false;
        return true;
}

static int answer_check(const WorkerAnswer *answer) {
        if (answer->version != WORKER_PROTOCOL_VERSION || answer->error > 0 || answer->error < -ERRNO_MAX)
                return -EBADMSG;
        if (strnlen(answer->found, sizeof(answer->found)) == sizeof(answer->found))
                return -EBADMSG;
        if (!holders_are_sane(&answer->holders) || answer->padding != 0)
                return -EBADMSG;

        return 0;
}

int worker_answer_send(int socket_fd, const WorkerAnswer *answer, int fd) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (void *) answer, .iov_len = sizeof(*answer) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        assert(answer);

        if (fd >= 0) {
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
        }

        do
                n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : 0;
}

static size_t take_fds(struct msghdr *message, int ret[static FDS_MAX]) {
        size_t n_fds = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;

                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                assert(n_fds + n <= FDS_MAX);
                memcpy(ret + n_fds, CMSG_DATA(c), n * sizeof(int));
                n_fds += n;
        }

        return n_fds;
}

int worker_answer_receive(int socket_fd, WorkerAnswer *ret, int *ret_fd) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int))];
        } control = {};
        WorkerAnswer answer;
        struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        int fds[FDS_MAX] = { -EBADF, -EBADF };
        _cleanup_close_ int first = -EBADF, second = -EBADF;
        size_t n_fds;
        ssize_t n;

        assert(ret && ret_fd);

        do
                n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        n_fds = take_fds(&message, fds);
        first = fds[0];
        second = fds[1];
        if (n == 0 && n_fds == 0)
                return 0;
        if ((size_t) n != sizeof(answer) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || answer_check(&answer) < 0)
                return -EBADMSG;
        if (n_fds > 1 || (n_fds == 1 && answer.error < 0))
                return -EBADMSG;

        *ret = answer;
        *ret_fd = TAKE_FD(first);
        return 1;
}
