/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/uevent.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "suite.h"

#define BIND \
        "bind@/devices/pci0000:00/0000:00:03.0/0000:02:00.0\0ACTION=bind\0DEVPATH=/devices/pci0000:00/0000:00:03.0/0000:02:00.0\0" \
        "SUBSYSTEM=pci\0DRIVER=vfio-pci\0PCI_CLASS=20000\0PCI_ID=8086:10D3\0PCI_SLOT_NAME=0000:02:00.0\0SEQNUM=2513"

static int parse(const char *message, size_t size, Uevent *ret) {
        return uevent_parse(message, size, ret);
}

#define PARSE(literal, ret) parse(literal, sizeof(literal), ret)

START_TEST(a_binding_is_taken_apart) {
        Uevent uevent;

        ck_assert_int_eq(PARSE(BIND, &uevent), 0);
        ck_assert_int_eq(uevent.action, UEVENT_BIND);
        ck_assert_str_eq(uevent.devpath, "/devices/pci0000:00/0000:00:03.0/0000:02:00.0");
        ck_assert_str_eq(uevent.subsystem, "pci");
        ck_assert_str_eq(uevent.driver, "vfio-pci");
        ck_assert(uevent.has_address);
        ck_assert_str_eq(PCI_ADDRESS_FORMAT(&uevent.address), "0000:02:00.0");
}
END_TEST

START_TEST(every_action_has_its_own_value) {
        static const struct {
                const char *name;
                UeventAction action;
        } rows[] = {
                {"add", UEVENT_ADD}, {"remove", UEVENT_REMOVE}, {"change", UEVENT_CHANGE}, {"move", UEVENT_MOVE}, {"bind", UEVENT_BIND},
                {"unbind", UEVENT_UNBIND}, {"online", UEVENT_OTHER}, {"offline", UEVENT_OTHER}, {"addx", UEVENT_OTHER}, {"ad", UEVENT_OTHER},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char message[64];
                int n = snprintf(message, sizeof(message), "%s@/devices/x", rows[i].name);
                Uevent uevent;

                ck_assert_int_eq(uevent_parse(message, (size_t) n + 1, &uevent), 0);
                ck_assert_int_eq(uevent.action, rows[i].action);
        }
}
END_TEST

START_TEST(what_a_message_lacks_is_absent) {
        Uevent uevent;

        ck_assert_int_eq(PARSE("remove@/kernel/slab/x\0ACTION=remove\0SEQNUM=1", &uevent), 0);
        ck_assert_str_eq(uevent.subsystem, "");
        ck_assert_ptr_null(uevent.driver);
        ck_assert(!uevent.has_address);
}
END_TEST

START_TEST(an_address_that_is_none_is_absent) {
        Uevent uevent;

        ck_assert_int_eq(PARSE("add@/devices/x\0SUBSYSTEM=pci\0PCI_SLOT_NAME=../../etc\0SEQNUM=1", &uevent), 0);
        ck_assert(!uevent.has_address);
        ck_assert_str_eq(uevent.subsystem, "pci");
}
END_TEST

START_TEST(other_forms_are_refused_and_nothing_is_written) {
        Uevent uevent = {.devpath = "untouched"};

        ck_assert_int_eq(uevent_parse("", 0, &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("libudev\0\xfe\xed\xca\xfe", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("add", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("@/devices/x", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("add@devices/x", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("add@", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("add@/devices/x\0SUBSYSTEM", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("add@/devices/x\0=pci", &uevent), -EBADMSG);
        ck_assert_int_eq(PARSE("add@/devices/x\0\0SUBSYSTEM=pci", &uevent), -EBADMSG);
        ck_assert_str_eq(uevent.devpath, "untouched");
}
END_TEST

START_TEST(a_message_without_its_last_byte_is_refused) {
        Uevent uevent;

        ck_assert_int_eq(uevent_parse(BIND, sizeof(BIND) - 1, &uevent), -EBADMSG);
}
END_TEST

/* Every message lives in an allocation of exactly its size, so that a sanitizer sees the first byte read too many. */
static void parse_exact(const char *bytes, size_t size) {
        _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);
        Uevent uevent;

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes, size);
        if (uevent_parse(copy, size, &uevent) < 0)
                return;
        ck_assert(uevent.devpath > copy);
        ck_assert_uint_lt((size_t) (uevent.devpath - copy) + strlen(uevent.devpath), size);
        ck_assert_uint_lt(strlen(uevent.subsystem), size);
        ck_assert(!uevent.driver || strlen(uevent.driver) < size);
}

START_TEST(random_messages_are_survived) {
        unsigned seed = (unsigned) getpid();

        printf("seed %u\n", seed);
        srandom(seed);
        for (unsigned round = 0; round < 50000; round++) {
                char message[sizeof(BIND)] = BIND;
                size_t size = sizeof(message);

                if (round % 4 == 0)
                        for (size_t i = 0; i < size; i++)
                                message[i] = (char) random();
                for (long n = random() % 4; n > 0; n--)
                        message[(size_t) random() % size] = "\0@=/a\xff"[random() % 6];
                if (round % 3 == 0)
                        size = (size_t) random() % (size + 1);
                parse_exact(message, size);
        }
}
END_TEST

/* What a monitor told. */
typedef struct Heard {
        unsigned n_events;
        unsigned n_losses;
        UeventAction action;
        char devpath[256];
        char address[PCI_ADDRESS_STRING_MAX];
} Heard;

static void hear(const Uevent *uevent, void *userdata) {
        Heard *heard = userdata;

        if (!uevent) {
                heard->n_losses++;
                return;
        }
        heard->n_events++;
        heard->action = uevent->action;
        (void) snprintf(heard->devpath, sizeof(heard->devpath), "%s", uevent->devpath);
        if (uevent->has_address)
                (void) pci_address_format(&uevent->address, heard->address);
}

/* Lets the loop run until there is nothing to do. */
static void run(sd_event *event) {
        int r;

        while ((r = sd_event_run(event, 0)) > 0)
                ;
        ck_assert_int_eq(r, 0);
}

typedef struct Listener {
        sd_event *event;
        UeventMonitor *monitor;
        Heard heard;
        int fd; /* the other side of the socket */
} Listener;

static void listener_done(Listener *listener) {
        uevent_monitor_free(listener->monitor);
        sd_event_unref(listener->event);
        safe_close(listener->fd);
}

#define _cleanup_listener_ _cleanup_(listener_done)

/* With `type` 0 on the kernel's own socket. */
static int listen_on(Listener *listener, int type) {
        int fds[2] = {-EBADF, -EBADF};

        *listener = (Listener){.fd = -EBADF};
        ck_assert_int_ge(sd_event_new(&listener->event), 0);
        if (type != 0)
                ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
        listener->fd = fds[1];
        return uevent_monitor_new(listener->event, fds[0], hear, &listener->heard, &listener->monitor);
}

START_TEST(messages_arrive_in_order_and_whole) {
        _cleanup_listener_ Listener listener;

        ck_assert_int_eq(listen_on(&listener, SOCK_DGRAM), 0);
        ck_assert_int_eq(send(listener.fd, "add@/devices/a", 15, 0), 15);
        ck_assert_int_eq(send(listener.fd, BIND, sizeof(BIND), 0), sizeof(BIND));
        run(listener.event);
        ck_assert_uint_eq(listener.heard.n_events, 2);
        ck_assert_uint_eq(listener.heard.n_losses, 0);
        ck_assert_int_eq(listener.heard.action, UEVENT_BIND);
        ck_assert_str_eq(listener.heard.address, "0000:02:00.0");
}
END_TEST

START_TEST(more_messages_than_one_wakeup_takes_all_arrive) {
        _cleanup_listener_ Listener listener;
        unsigned n_sent = 0;

        ck_assert_int_eq(listen_on(&listener, SOCK_SEQPACKET), 0);
        for (unsigned round = 0; round < 10; round++) {
                while (send(listener.fd, "add@/devices/a", 15, MSG_DONTWAIT) == 15)
                        n_sent++;
                run(listener.event);
        }
        ck_assert_uint_gt(n_sent, 1000);
        ck_assert_uint_eq(listener.heard.n_events, n_sent);
}
END_TEST

START_TEST(malformed_and_empty_messages_are_passed_over) {
        _cleanup_listener_ Listener listener;

        ck_assert_int_eq(listen_on(&listener, SOCK_DGRAM), 0);
        ck_assert_int_eq(send(listener.fd, "garbage", 7, 0), 7);
        ck_assert_int_eq(send(listener.fd, "", 0, 0), 0);
        ck_assert_int_eq(send(listener.fd, "add@/devices/a", 15, 0), 15);
        run(listener.event);
        ck_assert_uint_eq(listener.heard.n_events, 1);
        ck_assert_uint_eq(listener.heard.n_losses, 0);
}
END_TEST

START_TEST(a_message_too_large_to_receive_counts_as_lost) {
        _cleanup_listener_ Listener listener;
        char message[16384] = "add@/devices/a";

        ck_assert_int_eq(listen_on(&listener, SOCK_DGRAM), 0);
        ck_assert_int_eq(send(listener.fd, message, sizeof(message), 0), sizeof(message));
        ck_assert_int_eq(send(listener.fd, BIND, sizeof(BIND), 0), sizeof(BIND));
        run(listener.event);
        ck_assert_uint_eq(listener.heard.n_losses, 1);
        ck_assert_uint_eq(listener.heard.n_events, 1);
}
END_TEST

START_TEST(a_closed_socket_does_not_keep_the_loop_busy) {
        _cleanup_listener_ Listener listener;

        ck_assert_int_eq(listen_on(&listener, SOCK_SEQPACKET), 0);
        ck_assert_int_eq(send(listener.fd, BIND, sizeof(BIND), 0), sizeof(BIND));
        listener.fd = safe_close(listener.fd);
        run(listener.event);
        ck_assert_uint_eq(listener.heard.n_events, 1);
}
END_TEST

START_TEST(an_fd_that_is_no_socket_is_refused_and_stays_the_callers) {
        _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        UeventMonitor *monitor = NULL;

        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(uevent_monitor_new(event, fd, hear, NULL, &monitor), -ENOTSOCK);
        ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
}
END_TEST

static bool write_file(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);
}

/* A network namespace of our own is a small kernel of our own: it has a "lo" to rename, which makes a uevent that nobody else
 * sees. In a user namespace it needs no privilege. */
static bool enter_namespace(void) {
        char map[32];
        uid_t uid = getuid();

        if (uid == 0 && unshare(CLONE_NEWNET) == 0)
                return true;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
                printf("not run: no network namespace allowed here: %m\n");
                return false;
        }
        (void) snprintf(map, sizeof(map), "0 %u 1", (unsigned) uid);
        return write_file("/proc/self/uid_map", map);
}

static void rename_interface(const char *from, const char *to) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = {};

        ck_assert_int_ge(fd, 0);
        (void) snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", from);
        (void) snprintf(request.ifr_newname, sizeof(request.ifr_newname), "%s", to);
        ck_assert_int_eq(ioctl(fd, SIOCSIFNAME, &request), 0);
}

START_TEST(the_kernels_own_messages_arrive) {
        _cleanup_listener_ Listener listener = {.fd = -EBADF};

        if (!enter_namespace())
                return;
        ck_assert_int_eq(listen_on(&listener, 0), 0);
        rename_interface("lo", "renamed0");
        run(listener.event);
        ck_assert_uint_eq(listener.heard.n_events, 1);
        ck_assert_int_eq(listener.heard.action, UEVENT_MOVE);
        ck_assert_str_eq(listener.heard.devpath, "/devices/virtual/net/renamed0");
}
END_TEST

START_TEST(messages_of_another_sender_are_dropped) {
        _cleanup_listener_ Listener listener = {.fd = -EBADF};
        const struct sockaddr_nl everybody = {.nl_family = AF_NETLINK, .nl_groups = 1};
        _cleanup_close_ int forger = -EBADF, witness = -EBADF;
        char seen[sizeof(BIND)];

        if (!enter_namespace())
                return;
        ck_assert_int_eq(listen_on(&listener, 0), 0);
        witness = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        ck_assert_int_eq(bind(witness, (const struct sockaddr *) &everybody, sizeof(everybody)), 0);
        forger = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        ck_assert_int_ge(sendto(forger, BIND, sizeof(BIND), 0, (const struct sockaddr *) &everybody, sizeof(everybody)), 0);

        ck_assert_int_eq(recv(witness, seen, sizeof(seen), MSG_DONTWAIT), sizeof(seen));
        run(listener.event);
        ck_assert_uint_eq(listener.heard.n_events, 0);
        ck_assert_uint_eq(listener.heard.n_losses, 0);
}
END_TEST

START_TEST(an_overrun_is_told_and_later_messages_arrive) {
        const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(uevent_monitor_freep) UeventMonitor *monitor = NULL;
        _cleanup_close_ int fd = -EBADF;
        const int size = 1;
        Heard heard = {};

        if (!enter_namespace())
                return;
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(uevent_monitor_new(event, fd, hear, &heard, &monitor), 0);
        TAKE_FD(fd);

        for (unsigned i = 0; i < 50; i++) {
                rename_interface("lo", "renamed0");
                rename_interface("renamed0", "lo");
        }
        run(event);
        ck_assert_uint_ge(heard.n_losses, 1);
        ck_assert_uint_lt(heard.n_events, 100);

        heard = (Heard){};
        rename_interface("lo", "renamed0");
        run(event);
        ck_assert_uint_eq(heard.n_losses, 0);
        ck_assert_uint_eq(heard.n_events, 1);
}
END_TEST

SUITE("uevent",
      a_binding_is_taken_apart,
      every_action_has_its_own_value,
      what_a_message_lacks_is_absent,
      an_address_that_is_none_is_absent,
      other_forms_are_refused_and_nothing_is_written,
      a_message_without_its_last_byte_is_refused,
      random_messages_are_survived,
      messages_arrive_in_order_and_whole,
      more_messages_than_one_wakeup_takes_all_arrive,
      malformed_and_empty_messages_are_passed_over,
      a_message_too_large_to_receive_counts_as_lost,
      a_closed_socket_does_not_keep_the_loop_busy,
      an_fd_that_is_no_socket_is_refused_and_stays_the_callers,
      the_kernels_own_messages_arrive,
      messages_of_another_sender_are_dropped,
      an_overrun_is_told_and_later_messages_arrive)
