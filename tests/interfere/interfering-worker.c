/* SPDX-License-Identifier: GPL-2.0-or-later */

/* assignd-worker on the real kernel, beside which somebody else writes to sysfs at a chosen step: the file "interfere" in the runtime
 * directory says when ("before" or "after"), at which call ("set-override", "unbind", "bind") of which device, and what is written where:
 *
 *   before bind 0000:02:00.0
 *   bus/pci/drivers_probe
 *   0000:02:00.1
 *
 * It is done once: the file is renamed to "interfered", with the result of the write as its fourth line. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "host/kernel.h"

#define PLAN RUNTIME_DIRECTORY "/interfere"
#define UNDER_WAY RUNTIME_DIRECTORY "/interfering"
#define RESULT RUNTIME_DIRECTORY "/interfered"

typedef struct Interference {
        char when[8], call[16], address[PCI_ADDRESS_STRING_MAX], path[256], value[64];
} Interference;

static bool read_plan(Interference *ret) {
        FILE *f = fopen(PLAN, "re");
        bool whole;

        if (!f)
                return false;
        whole = fscanf(f, "%7s %15s %15s %255s %63s", ret->when, ret->call, ret->address, ret->path, ret->value) == 5;
        (void) fclose(f);
        return whole;
}

static void tell(int result) {
        FILE *f = fopen(UNDER_WAY, "ae");

        if (f) {
                (void) fprintf(f, "%s\n", result < 0 ? strerrorname_np(-result) : "done");
                (void) fclose(f);
        }
}

static void interfere(Kernel *kernel, const char *when, const char *call, const PciAddress *address) {
        Interference plan;
        int r;

        if (!read_plan(&plan) || strcmp(plan.when, when) != 0 || strcmp(plan.call, call) != 0 ||
            strcmp(plan.address, PCI_ADDRESS_FORMAT(address)) != 0)
                return;
        if (rename(PLAN, UNDER_WAY) < 0) /* another thread of the same phase was faster */
                return;
        r = attribute_write_at(kernel->sysfs_fd, plan.path, strcmp(plan.value, "-") == 0 ? "\n" : plan.value);
        tell(r);
        (void) rename(UNDER_WAY, RESULT);
}

static int set_override(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        int r;

        interfere(kernel, "before", "set-override", address);
        r = kernel_ops.set_override(kernel, address, driver, found);
        interfere(kernel, "after", "set-override", address);
        return r;
}

static int unbind(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        int r;

        interfere(kernel, "before", "unbind", address);
        r = kernel_ops.unbind(kernel, address, driver, found);
        interfere(kernel, "after", "unbind", address);
        return r;
}

static int bind_driver(Kernel *kernel, const PciAddress *address, const char *driver, char found[static WORKER_NAME_MAX]) {
        int r;

        interfere(kernel, "before", "bind", address);
        r = kernel_ops.bind(kernel, address, driver, found);
        interfere(kernel, "after", "bind", address);
        return r;
}

int main(int argc, char *argv[]) {
        KernelOps ops = kernel_ops;

        ops.set_override = set_override;
        ops.unbind = unbind;
        ops.bind = bind_driver;
        return worker_main(argc, argv, &ops);
}
