/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/udev-events.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/strutil.h"

#define UDEV_GROUP 2U
#define UDEV_MAGIC 0xfeedcafeU
#define MESSAGE_MAX 16384 /* a longer one is taken for one about a node */
#define MESSAGES_PER_WAKEUP 256

typedef struct UdevHeader {
        char prefix[8]; /* "libudev" */
        uint32_t magic; /* in network byte order */
        uint32_t header_size;
        uint32_t properties_offset;
        uint32_t properties_length;
} UdevHeader;

struct UdevMonitor {
        int fd;
        bool is_netlink;
        sd_event_source *source;
        udev_handler_t handler;
        void *userdata;
};

static bool is_of_vfio(const char *property) {
        return string_equal(property, "SUBSYSTEM=vfio") || string_equal(property, "SUBSYSTEM=vfio-dev");
}

bool udev_message_is_of_vfio(const void *message, size_t size) {
        const char *bytes = message, *end;
        UdevHeader header;

        if (size < sizeof(header))
                return false;
        memcpy(&header, message, sizeof(header));
        if (memcmp(header.prefix, "libudev", sizeof(header.prefix)) != 0 || ntohl(header.magic) != UDEV_MAGIC)
                return false;
        if (header.properties_offset < sizeof(header) || header.properties_offset > size || header.properties_length == 0 ||
            header.properties_length > size - header.properties_offset)
                return false;
        bytes += header.properties_offset;
        end = bytes + header.properties_length;
        if (end[-1] != '\0') /* with a NUL at the very end, every string that starts before it ends inside */
                return false;
        for (const char *property = bytes; property < end; property = strchr(property, '\0') + 1)
                if (is_of_vfio(property))
                        return true;
        return false;
}

static bool is_from_root(struct msghdr *message) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                struct ucred credentials;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len != CMSG_LEN(sizeof(credentials)))
                        continue;
                memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
                return credentials.uid == 0;
        }
        return false;
}

/* 1: there was one, which *ret_told says should be told; 0: there is none; else a negative errno. */
static int receive_one(UdevMonitor *monitor, bool *ret_told) {
        char buffer[MESSAGE_MAX];
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec data = { .iov_base = buffer, .iov_len = sizeof(buffer) };
        struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        ssize_t n;

        n = recvmsg(monitor->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
        if (monitor->is_netlink && !is_from_root(&message))
                return 1;
        if ((message.msg_flags & MSG_TRUNC) || udev_message_is_of_vfio(buffer, (size_t) n))
                *ret_told = true;
        return n > 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        UdevMonitor *monitor = userdata;
        bool told = false;
        int r = 1;

        for (unsigned i = 0; i < MESSAGES_PER_WAKEUP && r > 0; i++)
                r = receive_one(monitor, &told);
        if (told || r < 0)
                monitor->handler(monitor->userdata);
        if (r == 0 && (revents & EPOLLHUP))
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int open_netlink(void) {
        const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = UDEV_GROUP };
        _cleanup_close_ int fd = -EBADF;
        const int on = 1;

        fd = RET_NERRNO(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int udev_monitor_new(sd_event *event, int fd, udev_handler_t handler, void *userdata, UdevMonitor **ret) {
        _cleanup_(udev_monitor_freep) UdevMonitor *monitor = calloc(1, sizeof(UdevMonitor));
        _cleanup_close_ int own_fd = -EBADF;
        int r;

        if (!monitor)
                return -ENOMEM;
        *monitor = (UdevMonitor) { .fd = -EBADF, .is_netlink = fd < 0, .handler = handler, .userdata = userdata };
        if (fd < 0) {
                fd = own_fd = open_netlink();
                if (fd < 0)
                        return fd;
        }
        r = sd_event_add_io(event, &monitor->source, fd, EPOLLIN, on_readable, monitor);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(monitor->source, "udev");
        TAKE_FD(own_fd);
        monitor->fd = fd;
        *ret = TAKE_PTR(monitor);
        return 0;
}

UdevMonitor *udev_monitor_free(UdevMonitor *monitor) {
        if (!monitor)
                return NULL;
        sd_event_source_disable_unref(monitor->source);
        safe_close(monitor->fd);
        free(monitor);
        return NULL;
}
