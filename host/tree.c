/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/tree-internal.h"

bool tree_error_is_ours(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

int tree_parse_address(const char *name, PciAddress *ret) {
        PciAddress address;

        if (pci_address_parse(name, &address) < 0 || strcmp(PCI_ADDRESS_FORMAT(&address), name) != 0)
                return -EINVAL;
        *ret = address;
        return 0;
}

int tree_copy_name(const char *name, char **ret) {
        char *copy;

        if (!string_is_printable(name, TREE_NAME_MAX))
                return string_escape(name, TREE_NAME_MAX, ret) < 0 ? -ENOMEM : 1;

        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int tree_open(const char *path) {
        return RET_NERRNO(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* What is asked about each device of before. */
typedef struct Before {
        const Facts *known;
        tree_is_changing_t is_changing;
        void *userdata;
} Before;

static int read_one_device(int devices_fd, const char *name, const Before *before, Facts *facts) {
        _cleanup_(device_freep) Device *device = NULL;
        const Device *known = NULL;
        PciAddress address;
        bool changing;
        int r;

        if (tree_parse_address(name, &address) < 0)
                return 0;
        if (before->known)
                known = facts_find_device(before->known, &address);
        changing = before->is_changing && before->is_changing(&address, before->userdata);

        r = tree_read_device_at(devices_fd, &address, known, changing, &device);
        if (r == -ENOENT || r == -ENODEV)
                return 0;
        if (r < 0)
                return r;
        r = facts_append_device(facts, device);
        if (r < 0)
                return r;
        device = NULL;
        return 0;
}

static int read_devices(int root_fd, const Before *before, Facts *facts) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        const char *name;
        int r;

        r = directory_open(&directory, root_fd, TREE_DEVICES);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((r = directory_next(&directory, &name)) > 0) {
                r = read_one_device(directory.fd, name, before, facts);
                if (r < 0)
                        return r;
        }
        return r;
}

static bool parse_group_number(const char *name, uint32_t *ret) {
        char canonical[16];

        if (parse_u32(name, 10, ret) < 0 || *ret == GROUP_NONE)
                return false;
        (void) snprintf(canonical, sizeof(canonical), "%u", *ret);
        return strcmp(name, canonical) == 0;
}

/* The devices of `facts` are there and sorted. */
static int read_one_group(int groups_fd, const char *name, Facts *facts) {
        _cleanup_(group_freep) Group *group = NULL;
        uint32_t number;
        int r;

        if (!parse_group_number(name, &number))
                return 0;
        r = tree_read_group_at(groups_fd, number, facts, &group);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        r = facts_append_group(facts, group);
        if (r < 0)
                return r;
        group = NULL;
        return 0;
}

static int read_groups(int root_fd, Facts *facts) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        const char *name;
        int r;

        r = directory_open(&directory, root_fd, TREE_GROUPS);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((r = directory_next(&directory, &name)) > 0) {
                r = read_one_group(directory.fd, name, facts);
                if (r < 0)
                        return r;
        }
        return r;
}

int tree_read(int root_fd, const Facts *known, tree_is_changing_t is_changing, void *userdata, Facts *ret) {
        const Before before = {known, is_changing, userdata};
        _cleanup_(facts_done) Facts facts = {};
        int r;

        r = read_devices(root_fd, &before, &facts);
        if (r < 0)
                return r;
        facts_sort(&facts);
        r = read_groups(root_fd, &facts);
        if (r < 0)
                return r;
        facts_sort(&facts);
        r = facts_link(&facts);
        if (r < 0)
                return r;

        *ret = facts;
        facts = (Facts){};
        return 0;
}

static int open_directory(int root_fd, const char *path) {
        return RET_NERRNO(openat(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int tree_read_device(int root_fd, const PciAddress *address, const Device *known, bool changing, Device **ret) {
        _cleanup_close_ int fd = open_directory(root_fd, TREE_DEVICES);

        return fd < 0 ? fd : tree_read_device_at(fd, address, known, changing, ret);
}

int tree_read_group(int root_fd, uint32_t number, Group **ret) {
        _cleanup_close_ int fd = open_directory(root_fd, TREE_GROUPS);

        return fd < 0 ? fd : tree_read_group_at(fd, number, NULL, ret);
}

int tree_has_driver(int root_fd, const char *driver) {
        char path[sizeof(TREE_DRIVERS "/") + NAME_MAX];

        if (*driver == '\0' || strlen(driver) > NAME_MAX || strchr(driver, '/') || strcmp(driver, ".") == 0 || strcmp(driver, "..") == 0)
                return 0;
        (void) snprintf(path, sizeof(path), TREE_DRIVERS "/%s", driver);
        return exists_at(root_fd, path);
}

int tree_count_iommus(int root_fd) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        const char *name;
        int r, n = 0;

        r = directory_open(&directory, root_fd, TREE_IOMMUS);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((r = directory_next(&directory, &name)) > 0)
                n++;
        return r < 0 ? r : n;
}

int tree_device_has_cdev(int root_fd, const PciAddress *address) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        char path[sizeof(TREE_DEVICES "/" "/vfio-dev") + PCI_ADDRESS_STRING_MAX];
        const char *name;
        int r;

        (void) snprintf(path, sizeof(path), TREE_DEVICES "/%s/vfio-dev", PCI_ADDRESS_FORMAT(address));
        r = directory_open(&directory, root_fd, path);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((r = directory_next(&directory, &name)) > 0) {
                char attribute[NAME_MAX + sizeof("/dev")];

                if ((size_t) snprintf(attribute, sizeof(attribute), "%s/dev", name) >= sizeof(attribute))
                        continue;
                r = exists_at(directory.fd, attribute);
                if (r != 0)
                        return r;
        }
        return r;
}
