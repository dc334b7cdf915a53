/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the kernel tells (lib/kobject_uevent.c, kobject_uevent_env(); drivers/pci/pci-driver.c, pci_uevent()). */

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"

typedef struct Message {
        char text[2048];
        size_t size;
} Message;

static void append(Message *message, const char *format, ...) _printf_(2, 3);

/* Each string with its NUL. */
static void append(Message *message, const char *format, ...) {
        size_t room = sizeof(message->text) - message->size;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(message->text + message->size, room, format, arguments);
        va_end(arguments);
        assert(n >= 0 && (size_t) n < room);
        message->size += (size_t) n + 1;
}

/* An attribute without its "0x", in upper case. */
static const char *read_hex(int root_fd, const PciAddress *address, const char *attribute, char buffer[static 16]) {
        if (attribute_read_at(root_fd, SIMK_DEVICE(address, attribute), buffer, 16) < 2)
                return "0";
        for (char *p = buffer; *p; p++)
                if (*p >= 'a' && *p <= 'f')
                        *p = (char) (*p - 'a' + 'A');
        return buffer + 2;
}

static uint64_t next_sequence_number(int root_fd) {
        _cleanup_close_ int lock = simk_lock(root_fd, "simk/sequence", LOCK_EX);
        char text[24] = "";
        uint64_t number = 0;

        if (lock < 0)
                return 0;
        if (pread(lock, text, sizeof(text) - 1, 0) > 0)
                (void) parse_u64(text, 10, &number);
        (void) snprintf(text, sizeof(text), "%" PRIu64, ++number);
        (void) !pwrite(lock, text, strlen(text), 0);
        return number;
}

static void append_pci(Message *message, int root_fd, const PciAddress *address) {
        char a[16], b[16];

        append(message, "PCI_CLASS=%s", read_hex(root_fd, address, "class", a));
        append(message, "PCI_ID=%s:%s", read_hex(root_fd, address, "vendor", a), read_hex(root_fd, address, "device", b));
        append(message, "PCI_SUBSYS_ID=%s:%s", read_hex(root_fd, address, "subsystem_vendor", a), read_hex(root_fd, address, "subsystem_device", b));
        append(message, "PCI_SLOT_NAME=%s", PCI_ADDRESS_FORMAT(address));
}

/* Blocks while the receiver's queue is full: a test would not see that messages were lost. */
static int send_message(int root_fd, const Message *message, int flags) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = RET_NERRNO(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ssize_t n;

        if (fd < 0)
                return fd;
        (void) snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/simk/uevents", root_fd);
        do
                n = sendto(fd, message->text, message->size, MSG_NOSIGNAL | flags, (const struct sockaddr *) &to, sizeof(to));
        while (n < 0 && errno == EINTR);
        return n < 0 && errno != ENOENT && errno != ECONNREFUSED ? -errno : 0;
}

static int emit(int root_fd, const char *action, const PciAddress *address, int flags) {
        _cleanup_free_ char *driver = NULL;
        Message message = {};
        char target[SIMK_PATH_MAX];
        const char *path = target;
        ssize_t n;

        if (exists_at(root_fd, "simk/uevents") <= 0)
                return 0;
        n = readlinkat(root_fd, SIMK_PATH("bus/pci/devices/%s", PCI_ADDRESS_FORMAT(address)), target, sizeof(target) - 1);
        if (n < 0 && errno != ENOENT)
                return -errno;
        if (n < 0) /* gone: its place in the tree is not known any more */
                n = snprintf(target, sizeof(target), "devices/pci0000:00/%s", PCI_ADDRESS_FORMAT(address));
        target[n] = '\0';
        while (strncmp(path, "../", 3) == 0)
                path += 3;

        append(&message, "%s@/%s", action, path);
        append(&message, "ACTION=%s", action);
        append(&message, "DEVPATH=/%s", path);
        append(&message, "SUBSYSTEM=pci");
        if (simk_read_driver(root_fd, address, &driver) >= 0 && driver)
                append(&message, "DRIVER=%s", driver);
        append_pci(&message, root_fd, address);
        append(&message, "SEQNUM=%" PRIu64, next_sequence_number(root_fd));
        return send_message(root_fd, &message, flags);
}

int simk_emit(int root_fd, const char *action, const PciAddress *address) {
        return emit(root_fd, action, address, 0);
}

int simk_try_emit(int root_fd, const char *action, const PciAddress *address) {
        return emit(root_fd, action, address, MSG_DONTWAIT);
}
