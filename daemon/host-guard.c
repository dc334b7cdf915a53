/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/host-guard.h"

#include <fcntl.h>

#include "daemon/permit.h"
#include "host/host-facts.h"
#include "host/in-use.h"
#include "policy/guard.h"
#include "policy/viability.h"

/* -EBADF: there is no such directory, or none was named. */
static int open_path(const char *path) {
        int fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

        return fd < 0 ? -EBADF : fd;
}

int host_guard_refresh(Manager *manager) {
        _cleanup_close_ int driverctl_fd = open_path(manager->config->driverctl_path), run_fd = open_path(manager->config->run_path);
        HostFacts facts = {};
        int r;

        r = host_facts_read(&(HostRoots) {
                .sysfs_fd = manager->sysfs_fd,
                .proc_fd = manager->proc_fd,
                .dev_fd = manager->dev_fd,
                .driverctl_fd = driverctl_fd,
                .run_fd = run_fd,
        }, &facts);
        if (r < 0)
                return r;
        host_facts_done(&manager->host);
        manager->host = facts;
        return 0;
}

int host_guard_check_group(const Manager *manager, const Group *group, BlockerList *blockers) {
        int r = viability_check(group, blockers);

        return r < 0 ? r : guard_check_exposure(group, &manager->host, blockers);
}

static int list_endpoints(Group *const *groups, size_t n_groups, PciAddress **ret, size_t *ret_n) {
        PciAddress *addresses;
        size_t n = 0;

        for (size_t i = 0; i < n_groups; i++)
                n += groups[i]->n_devices;
        addresses = calloc(n ?: 1, sizeof(PciAddress));
        if (!addresses)
                return -ENOMEM;
        n = 0;
        for (size_t i = 0; i < n_groups; i++)
                for (size_t k = 0; k < groups[i]->n_devices; k++)
                        if (groups[i]->devices[k]->role == ROLE_ENDPOINT)
                                addresses[n++] = groups[i]->devices[k]->address;
        *ret = addresses;
        *ret_n = n;
        return 0;
}

static int read_uses(const Manager *manager, const PciAddress *addresses, size_t n, UseList *ret) {
        _cleanup_close_ int run_fd = open_path(manager->config->run_path), udev_fd = -EBADF;

        if (run_fd >= 0)
                udev_fd = openat(run_fd, "udev/data", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return in_use_read(&(InUseRoots) { .sysfs_fd = manager->sysfs_fd, .proc_fd = manager->proc_fd, .udev_fd = udev_fd }, addresses, n, ret);
}

int host_guard_check_use(const Manager *manager, Group *const *groups, size_t n_groups, BlockerList *blockers) {
        _cleanup_(use_list_done) UseList uses = {};
        _cleanup_free_ PciAddress *addresses = NULL;
        size_t n;
        int r;

        r = list_endpoints(groups, n_groups, &addresses, &n);
        if (r >= 0)
                r = read_uses(manager, addresses, n, &uses);
        for (size_t i = 0; r >= 0 && i < n_groups; i++) {
                r = guard_check_uses(groups[i], &uses, blockers);
                if (r >= 0)
                        r = permit_unreset(manager, groups[i], blockers);
        }
        return r;
}
