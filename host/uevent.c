/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/uevent.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/strutil.h"

#define MESSAGE_MAX 8192 /* the kernel's own are at most 2048 bytes and their first line (include/linux/kobject.h) */
#define MESSAGES_PER_WAKEUP 256
#define RECEIVE_BUFFER (64 * 1024 * 1024) /* room for all devices of a large host coming at once; only what waits takes memory */

struct UeventMonitor {
        int fd;
        bool is_netlink;
        sd_event_source *source;
        uevent_handler_t handler;
        void *userdata;
};

static const struct {
        const char *name;
        UeventAction action;
} actions[] = {
        {"add", UEVENT_ADD}, {"remove", UEVENT_REMOVE}, {"change", UEVENT_CHANGE},
        {"move", UEVENT_MOVE}, {"bind", UEVENT_BIND}, {"unbind", UEVENT_UNBIND},
};

/* What follows `key` in `line`, if it does. */
static const char *after(const char *line, const char *key) {
        size_t n = strlen(key);

        return strncmp(line, key, n) == 0 ? line + n : NULL;
}

static UeventAction parse_action(const char *name, size_t length) {
        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (strlen(actions[i].name) == length && memcmp(actions[i].name, name, length) == 0)
                        return actions[i].action;
        return UEVENT_OTHER;
}

static void take_property(const char *line, Uevent *uevent) {
        const char *value;

        if ((value = after(line, "SUBSYSTEM=")))
                uevent->subsystem = value;
        else if ((value = after(line, "DRIVER=")))
                uevent->driver = value;
        else if ((value = after(line, "PCI_SLOT_NAME=")))
                uevent->has_address = pci_address_parse(value, &uevent->address) >= 0;
}

int uevent_parse(const char *message, size_t size, Uevent *ret) {
        Uevent uevent = {.subsystem = ""};
        const char *at;

        /* With a NUL at the very end, every string that starts before it ends inside. */
        if (size == 0 || message[size - 1] != '\0')
                return -EBADMSG;
        at = strchr(message, '@');
        if (!at || at == message || at[1] != '/')
                return -EBADMSG;

        uevent.action = parse_action(message, (size_t) (at - message));
        uevent.devpath = at + 1;
        for (const char *line = strchr(message, '\0') + 1; line < message + size; line = strchr(line, '\0') + 1) {
                const char *equals = strchr(line, '=');

                if (!equals || equals == line)
                        return -EBADMSG;
                take_property(line, &uevent);
        }

        *ret = uevent;
        return 0;
}

/* Only the kernel has port 0 (net/netlink/af_netlink.c, netlink_autobind), and its messages carry the credentials of nobody. */
static bool is_from_kernel(struct msghdr *message) {
        const struct sockaddr_nl *sender = message->msg_name;

        if (message->msg_namelen < sizeof(*sender) || sender->nl_family != AF_NETLINK || sender->nl_pid != 0)
                return false;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                struct ucred credentials;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len != CMSG_LEN(sizeof(credentials)))
                        continue;
                memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
                return credentials.pid == 0 && credentials.uid == 0;
        }
        return false;
}

/* Handles one message: 1, 0 if there is none; negative if some are lost, which after an overrun is -ENOBUFS. */
static int receive_one(UeventMonitor *monitor) {
        char buffer[MESSAGE_MAX];
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct sockaddr_nl sender;
        struct iovec data = {.iov_base = buffer, .iov_len = sizeof(buffer)};
        struct msghdr message = {
                .msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &data, .msg_iovlen = 1,
                .msg_control = &control, .msg_controllen = sizeof(control),
        };
        Uevent uevent;
        ssize_t n;

        n = recvmsg(monitor->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
        if (monitor->is_netlink && !is_from_kernel(&message))
                return 1;
        if (message.msg_flags & MSG_TRUNC)
                return -ENOBUFS;

        if (uevent_parse(buffer, (size_t) n, &uevent) >= 0)
                monitor->handler(&uevent, monitor->userdata);
        return n > 0; /* nothing from a socket whose other side is closed */
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        UeventMonitor *monitor = userdata;
        int r = 1;

        for (unsigned i = 0; i < MESSAGES_PER_WAKEUP && r > 0; i++)
                r = receive_one(monitor);
        if (r < 0)
                monitor->handler(NULL, monitor->userdata);
        if (r == 0 && (revents & EPOLLHUP))
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int open_netlink(void) {
        _cleanup_close_ int fd = -EBADF;
        const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
        const int size = RECEIVE_BUFFER;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
        if (fd < 0)
                return -errno;
        /* Without the privilege to go beyond net.core.rmem_max, what that allows. */
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Whether `fd` is a netlink socket, whose senders have to be looked at: 1, 0, or a negative errno. */
static int prepare_netlink(int fd) {
        const int on = 1;
        socklen_t size = sizeof(int);
        int domain;

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
                return -errno;
        if (domain != AF_NETLINK)
                return 0;
        return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 1;
}

int uevent_monitor_new(sd_event *event, int fd, uevent_handler_t handler, void *userdata, UeventMonitor **ret) {
        _cleanup_(uevent_monitor_freep) UeventMonitor *monitor = calloc(1, sizeof(UeventMonitor));
        _cleanup_close_ int own_fd = -EBADF;
        int r;

        if (!monitor)
                return -ENOMEM;
        *monitor = (UeventMonitor){.fd = -EBADF, .handler = handler, .userdata = userdata};

        if (fd < 0) {
                fd = own_fd = open_netlink();
                if (fd < 0)
                        return fd;
        }
        r = prepare_netlink(fd);
        if (r < 0)
                return r;
        monitor->is_netlink = r > 0;

        r = sd_event_add_io(event, &monitor->source, fd, EPOLLIN, on_readable, monitor);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(monitor->source, "uevents");

        TAKE_FD(own_fd);
        monitor->fd = fd;
        *ret = TAKE_PTR(monitor);
        return 0;
}

UeventMonitor *uevent_monitor_free(UeventMonitor *monitor) {
        if (!monitor)
                return NULL;
        sd_event_source_disable_unref(monitor->source);
        safe_close(monitor->fd);
        free(monitor);
        return NULL;
}
