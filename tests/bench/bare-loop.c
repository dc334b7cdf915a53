/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/bare-loop.h"

#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/macro.h"

#define DEVICES "/sys/bus/pci/devices/"
#define DRIVERS "/sys/bus/pci/drivers/"
#define VFIO "vfio-pci"

static _printf_(2, 3) void put(const char *text, const char *format, ...) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(path, sizeof(path), format, ap);
        va_end(ap);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                err(EXIT_FAILURE, "%s", path);
}

static void set_overrides(char *const *addresses, size_t n, const char *driver) {
        for (size_t i = 0; i < n; i++)
                put(driver, DEVICES "%s/driver_override", addresses[i]);
}

static void unbind_all(char *const *addresses, size_t n, const char *driver) {
        for (size_t i = 0; i < n; i++)
                put(addresses[i], DRIVERS "%s/unbind", driver);
}

static void bind_all(char *const *addresses, size_t n, const char *driver) {
        for (size_t i = 0; i < n; i++)
                put(addresses[i], DRIVERS "%s/bind", driver);
}

void bare_assign_and_release(char *const *addresses, size_t n_addresses, const char *driver) {
        set_overrides(addresses, n_addresses, VFIO);
        unbind_all(addresses, n_addresses, driver);
        bind_all(addresses, n_addresses, VFIO);

        unbind_all(addresses, n_addresses, VFIO);
        set_overrides(addresses, n_addresses, driver);
        bind_all(addresses, n_addresses, driver);
        set_overrides(addresses, n_addresses, "\n");
}
