/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a test wants to go wrong, and what it wants to know. A fault is a file simk/faults/ID: "CALL ADDRESS COUNTDOWN WHAT
 * ERRNO"; one that is due is removed, but for a hang, whose file is what is waited on. */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <time.h>

#include "base/strutil.h"
#include "tests/simk/simk-internal.h"

#define ANY_ADDRESS "*"
#define AWAIT_USEC (30 * USEC_PER_SEC)
#define FAULT_LINE_MAX 128

/* What a crashed worker exits with. */
#define CRASH_STATUS 70

enum {
        WHAT_FAIL = 'f',
        WHAT_HANG = 'h',
        WHAT_CRASH_BEFORE = 'b',
        WHAT_CRASH_DONE = 'd',
};

static const char *const call_names[] = {
        [SIMK_SET_OVERRIDE] = "set-override",
        [SIMK_UNBIND] = "unbind",
        [SIMK_BIND] = "bind",
        [SIMK_OPEN_IOMMUFD] = "open-iommufd",
        [SIMK_OPEN_CDEV] = "open-cdev",
        [SIMK_OPEN_CONTAINER] = "open-container",
        [SIMK_OPEN_GROUP] = "open-group",
        [SIMK_OPEN_DEVICE] = "open-device",
        [SIMK_CHECK_HOLDERS] = "check-holders",
        [SIMK_SET_DEVICE_NODE] = "set-device-node",
        [SIMK_SET_GROUP_NODE] = "set-group-node",
        [SIMK_ANY] = "any",
};

const char *simk_call_to_string(SimkCall call) {
        return call_names[call];
}

typedef struct Fault {
        char call[16];
        char address[PCI_ADDRESS_STRING_MAX];
        unsigned countdown;
        char what;
        int error;
} Fault;

static int write_fault(int root_fd, const char *path, int flags, const Fault *fault) {
        _cleanup_close_ int fd = RET_NERRNO(openat(root_fd, path, O_WRONLY | O_CLOEXEC | flags, 0600));

        if (fd < 0)
                return fd;
        return dprintf(fd, "%s %s %u %c %d\n", fault->call, fault->address, fault->countdown, fault->what, fault->error) < 0 ? -errno : 0;
}

static int read_fault(int root_fd, const char *path, Fault *ret) {
        char line[FAULT_LINE_MAX];
        int r = (int) attribute_read_at(root_fd, path, line, sizeof(line));

        if (r < 0)
                return r;
        return sscanf(line, "%15s %17s %u %c %d", ret->call, ret->address, &ret->countdown, &ret->what, &ret->error) == 5 ? 0 : -EBADMSG;
}

/* Makes a fault. Returns 0, or the fd whose closing ends a hang. */
static int add_fault(int root_fd, SimkCall call, const PciAddress *address, unsigned n, char what, int error) {
        _cleanup_close_ int state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);
        Fault fault = { .countdown = n, .what = what, .error = error };
        char path[SIMK_PATH_MAX];
        int r = -EEXIST;

        if (state < 0)
                return state;
        if (n == 0)
                return -EINVAL;
        (void) snprintf(fault.call, sizeof(fault.call), "%s", call_names[call]);
        (void) snprintf(fault.address, sizeof(fault.address), "%s", address ? PCI_ADDRESS_FORMAT(address) : ANY_ADDRESS);
        for (unsigned i = 0; r == -EEXIST; i++)
                r = write_fault(root_fd, simk_format(path, "simk/faults/%04u", i), O_CREAT | O_EXCL, &fault);
        return r < 0 || what != WHAT_HANG ? r : simk_lock(root_fd, path, LOCK_EX | LOCK_NB);
}

int simk_fail(int root_fd, SimkCall call, const PciAddress *address, unsigned n, int error) {
        return add_fault(root_fd, call, address, n, WHAT_FAIL, error);
}

int simk_crash(int root_fd, SimkCall call, const PciAddress *address, unsigned n, bool when_done) {
        return add_fault(root_fd, call, address, n, when_done ? WHAT_CRASH_DONE : WHAT_CRASH_BEFORE, 0);
}

int simk_hang(int root_fd, SimkCall call, const PciAddress *address, unsigned n) {
        return add_fault(root_fd, call, address, n, WHAT_HANG, 0);
}

void simk_wait_hang(int hang_fd) {
        while (hang_fd >= 0 && flock(hang_fd, LOCK_SH) < 0 && errno == EINTR)
                ;
}

static int append_trace(int root_fd, const char *when, SimkCall call, const PciAddress *address, const char *what, const char *result) {
        _cleanup_close_ int fd = RET_NERRNO(openat(root_fd, "simk/trace", O_WRONLY | O_APPEND | O_CLOEXEC));
        char line[FAULT_LINE_MAX * 2];
        int n;

        if (fd < 0)
                return fd;
        n = snprintf(line, sizeof(line), "%s %s %s %s%s%s\n", when, call_names[call], address ? PCI_ADDRESS_FORMAT(address) : "-", what ?: "-",
                     result[0] ? " " : "", result);
        return write(fd, line, (size_t) n) == n ? 0 : -errno;
}

/* Counts the fault down if it is for this call. Returns whether it is due now. */
static bool count_down(int root_fd, const char *path, SimkCall call, const PciAddress *address, Fault *fault) {
        if (read_fault(root_fd, path, fault) < 0 || fault->countdown == 0)
                return false;
        if (!string_equal(fault->call, call_names[call]) && !string_equal(fault->call, call_names[SIMK_ANY]))
                return false;
        if (!string_equal(fault->address, ANY_ADDRESS) && (!address || !string_equal(fault->address, PCI_ADDRESS_FORMAT(address))))
                return false;

        fault->countdown--;
        (void) write_fault(root_fd, path, O_TRUNC, fault);
        return fault->countdown == 0;
}

#define INSIDE SIMK_PATH("simk/inside-%d", (int) getpid())

/* A process that is killed does not end before each of its threads has come back from the kernel. */
static void crash(int root_fd) {
        (void) simk_lock(root_fd, INSIDE, LOCK_EX);
        _exit(CRASH_STATUS);
}

static void suffer(int root_fd, const char *path, const Fault *fault, SimkFault *effect) {
        if (fault->what == WHAT_FAIL)
                effect->error = -fault->error;
        else if (fault->what == WHAT_CRASH_BEFORE)
                effect->crash_before = true;
        else if (fault->what == WHAT_CRASH_DONE)
                effect->crash = true;
        else
                effect->hang_fd = RET_NERRNO(openat(root_fd, path, O_RDONLY | O_CLOEXEC));
        (void) unlinkat(root_fd, path, 0);
}

static int is_fault_name(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

int simk_begin(int root_fd, SimkCall call, const PciAddress *address, const char *what, SimkFault *ret) {
        _cleanup_close_ int state = simk_lock(root_fd, SIMK_STATE_LOCK, LOCK_EX);
        SimkFault effect = { .hang_fd = -EBADF, .inside_fd = -EBADF };
        struct dirent **names = NULL;
        Fault fault;
        int r, n;

        if (state < 0)
                return state;
        r = append_trace(root_fd, "begin", call, address, what, "");
        if (r < 0)
                return r;

        n = RET_NERRNO(scandirat(root_fd, "simk/faults", &names, is_fault_name, alphasort));
        for (int i = 0; i < n; i++) {
                const char *path = SIMK_PATH("simk/faults/%s", names[i]->d_name);

                if (count_down(root_fd, path, call, address, &fault))
                        suffer(root_fd, path, &fault, &effect);
                free(names[i]);
        }
        free(names);
        if (n < 0)
                return n;
        if (effect.crash_before) {
                state = safe_close(state);
                crash(root_fd);
        }
        effect.inside_fd = simk_lock(root_fd, INSIDE, LOCK_SH);
        if (effect.inside_fd < 0)
                return effect.inside_fd;

        *ret = effect;
        return 0;
}

int simk_end(int root_fd, SimkCall call, const PciAddress *address, const char *what, SimkFault *fault, int result) {
        char text[16];

        (void) snprintf(text, sizeof(text), "%d", result < 0 ? result : 0);
        (void) append_trace(root_fd, "end", call, address, what, text);
        fault->inside_fd = safe_close(fault->inside_fd);
        if (fault->crash)
                crash(root_fd);
        fault->hang_fd = safe_close(fault->hang_fd);
        return result;
}

int simk_read_trace(int root_fd, char **ret) {
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_close_ int fd = RET_NERRNO(openat(root_fd, "simk/trace", O_RDONLY | O_CLOEXEC));
        char *text = NULL;
        size_t size = 0;

        if (fd < 0)
                return fd;
        file = fdopen(fd, "re");
        if (!file)
                return -ENOMEM;
        TAKE_FD(fd);
        if (getdelim(&text, &size, '\0', file) < 0) {
                free(text);
                text = strdup("");
        }
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static bool has_line(const char *text, const char *line) {
        for (const char *at = text; at; at = strchr(at, '\n')) {
                at += at[0] == '\n';
                if (strncmp(at, line, strlen(line)) == 0)
                        return true;
        }
        return false;
}

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

int simk_await(int root_fd, const char *line) {
        _cleanup_close_ int watch = RET_NERRNO(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        uint64_t deadline = now_usec() + AWAIT_USEC;
        char events[4096];

        if (watch < 0)
                return watch;
        if (inotify_add_watch(watch, SIMK_PATH("/proc/self/fd/%d/simk/trace", root_fd), IN_MODIFY) < 0)
                return -errno;

        for (;;) {
                _cleanup_free_ char *text = NULL;
                struct pollfd p = { .fd = watch, .events = POLLIN };
                uint64_t now = now_usec();
                int r = simk_read_trace(root_fd, &text);

                if (r < 0)
                        return r;
                if (has_line(text, line))
                        return 0;
                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int) ((deadline - now) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                        return -errno;
                (void) !read(watch, events, sizeof(events));
        }
}
