/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "host/udev-events.h"
#include "suite.h"

#define HEADER_SIZE 40U

/* A message with these properties, each ended by '|'. */
typedef struct Message {
        char bytes[1024];
        size_t size;
} Message;

static void put_number(Message *message, size_t at, uint32_t number) {
        memcpy(message->bytes + at, &number, sizeof(number));
}

static Message make_message(const char *properties) {
        Message message = { .size = HEADER_SIZE + strlen(properties) };

        memcpy(message.bytes, "libudev", 8);
        put_number(&message, 8, htonl(0xfeedcafeU));
        put_number(&message, 12, HEADER_SIZE);
        put_number(&message, 16, HEADER_SIZE);
        put_number(&message, 20, (uint32_t) strlen(properties));
        memcpy(message.bytes + HEADER_SIZE, properties, strlen(properties));
        for (char *bar; (bar = memchr(message.bytes + HEADER_SIZE, '|', message.size - HEADER_SIZE));)
                *bar = '\0';
        return message;
}

static bool is_of_vfio(const Message *message) {
        return udev_message_is_of_vfio(message->bytes, message->size);
}

START_TEST(groups_and_devices_nodes_are_known_by_their_subsystem) {
        const Message group = make_message("ACTION=add|DEVPATH=/devices/virtual/vfio/14|SUBSYSTEM=vfio|SEQNUM=7|");
        const Message device = make_message("SUBSYSTEM=vfio-dev|ACTION=change|");

        ck_assert(is_of_vfio(&group));
        ck_assert(is_of_vfio(&device));
}
END_TEST

START_TEST(what_is_about_others_is_not_told) {
        static const char *const others[] = { "SUBSYSTEM=pci|", "SUBSYSTEM=vfio-|", "XSUBSYSTEM=vfio|", "ACTION=add|", "|", "NAME=SUBSYSTEM=vfio|" };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                const Message message = make_message(others[i]);

                ck_assert_msg(!is_of_vfio(&message), "%s", others[i]);
        }
}
END_TEST

START_TEST(what_is_not_udevs_or_lies_about_its_length_is_nothing) {
        const Message good = make_message("SUBSYSTEM=vfio|");
        Message bad = good;

        for (size_t size = 0; size < good.size; size++)
                ck_assert(!udev_message_is_of_vfio(good.bytes, size));
        bad.bytes[0] = 'k';
        ck_assert(!is_of_vfio(&bad));
        bad = good;
        put_number(&bad, 8, 0xfeedcafeU);
        ck_assert(!is_of_vfio(&bad) || htonl(1) == 1);
        bad = good;
        put_number(&bad, 16, UINT32_MAX);
        ck_assert(!is_of_vfio(&bad));
        bad = good;
        put_number(&bad, 20, UINT32_MAX);
        ck_assert(!is_of_vfio(&bad));
        bad = good;
        put_number(&bad, 16, 3);
        ck_assert(!is_of_vfio(&bad));
        bad = make_message("SUBSYSTEM=vfio");
        ck_assert(!is_of_vfio(&bad));
}
END_TEST

static void on_told(void *userdata) {
        ++*(unsigned *) userdata;
}

START_TEST(whoever_listens_is_told_once_for_what_came_together) {
        const Message about_vfio = make_message("SUBSYSTEM=vfio|"), other = make_message("SUBSYSTEM=pci|");
        _cleanup_(udev_monitor_freep) UdevMonitor *monitor = NULL;
        sd_event *event = NULL;
        unsigned n_told = 0;
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(udev_monitor_new(event, pair[0], on_told, &n_told, &monitor), 0);
        ck_assert_int_gt(send(pair[1], other.bytes, other.size, 0), 0);
        ck_assert_int_gt(sd_event_run(event, 0), 0);
        ck_assert_uint_eq(n_told, 0);
        ck_assert_int_gt(send(pair[1], about_vfio.bytes, about_vfio.size, 0), 0);
        ck_assert_int_gt(send(pair[1], other.bytes, other.size, 0), 0);
        ck_assert_int_gt(send(pair[1], about_vfio.bytes, about_vfio.size, 0), 0);
        ck_assert_int_gt(sd_event_run(event, 0), 0);
        ck_assert_uint_eq(n_told, 1);
        safe_close(pair[1]);
        sd_event_unref(event);
}
END_TEST

SUITE("udev-events", groups_and_devices_nodes_are_known_by_their_subsystem, what_is_about_others_is_not_told,
      what_is_not_udevs_or_lies_about_its_length_is_nothing, whoever_listens_is_told_once_for_what_came_together)
