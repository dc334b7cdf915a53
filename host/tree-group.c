/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/tree-internal.h"

#define REGIONS_MAX 4096 /* a sysfs attribute's limit: PAGE_SIZE where pages are smallest */

static void note_error(Group *group, int error) {
        if (group->read_error == 0)
                group->read_error = error;
}

static int judge_error(Group *group, int r) {
        if (r == -ENOENT || r == -ENODEV)
                return 0;
        if (tree_error_is_ours(r))
                return r;
        note_error(group, r);
        return 0;
}

static int read_domain_type(int fd, Group *group) {
        char text[TREE_NAME_MAX + 2];
        ssize_t n = tree_read_attribute(fd, "type", text, sizeof(text));
        int r;

        if (n < 0)
                return judge_error(group, (int) n);
        r = tree_copy_name(text, &group->domain_type);
        if (r > 0)
                note_error(group, -EBADMSG);
        return r < 0 ? r : 0;
}

/* "0x00000000fee00000 0x00000000feefffff msi" (drivers/iommu/iommu.c, iommu_group_show_resv_regions) */
static bool parse_region(char *line, ReservedRegion *ret) {
        char *end = strchr(line, ' '), *type = end ? strchr(end + 1, ' ') : NULL;

        if (!type)
                return false;
        *end++ = '\0';
        *type++ = '\0';
        if (strncmp(line, "0x", 2) != 0 || strncmp(end, "0x", 2) != 0 || parse_u64(line + 2, 16, &ret->start) < 0 ||
            parse_u64(end + 2, 16, &ret->end) < 0 || !string_is_printable(type, sizeof(ret->type) - 1))
                return false;
        strcpy(ret->type, type);
        return true;
}

static size_t count_lines(const char *text) {
        size_t n = *text != '\0';

        for (const char *newline = strchr(text, '\n'); newline; newline = strchr(newline + 1, '\n'))
                n++;
        return n;
}

static int read_regions(int fd, Group *group) {
        char text[REGIONS_MAX + 1], *rest = text, *line;
        ssize_t n = tree_read_attribute(fd, "reserved_regions", text, sizeof(text));

        if (n < 0)
                return judge_error(group, (int) n);
        if (n == 0)
                return 0;

        group->regions = reallocarray(NULL, count_lines(text), sizeof(ReservedRegion));
        if (!group->regions)
                return -ENOMEM;
        while ((line = strsep(&rest, "\n")))
                if (parse_region(line, &group->regions[group->n_regions]))
                        group->n_regions++;
                else
                        note_error(group, -EBADMSG);
        return 0;
}

/* What the kernel calls a group that VFIO made up: without an IOMMU, or for a mediated device, whose parent isolates it. */
static int read_fake(int fd, Group *group) {
        char name[sizeof("vfio-noiommu") + 2];
        ssize_t n = tree_read_attribute(fd, "name", name, sizeof(name));

        if (n < 0)
                return n == -E2BIG ? 0 : judge_error(group, (int) n);
        group->fake = strcmp(name, "vfio-noiommu") == 0;
        return 0;
}

/* The basename of a link of the member as a printable copy, or NULL if it has none. */
static int read_member_link(int devices_fd, const char *member, const char *link, Group *group, char **ret) {
        _cleanup_free_ char *name = NULL;
        char path[NAME_MAX + sizeof("/subsystem")];
        int r;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", member, link) >= sizeof(path))
                return -ENAMETOOLONG;
        r = link_basename_at(devices_fd, path, &name);
        if (r < 0)
                return judge_error(group, r);
        r = tree_copy_name(name, ret);
        if (r > 0)
                note_error(group, -EBADMSG);
        return r < 0 ? r : 0;
}

static void other_member_done(OtherMember *member) {
        free(member->name);
        free(member->subsystem);
        free(member->driver);
}

/* 1: not a PCI function, filled in; 0: a PCI function; -ENOENT: gone; or another negative errno. */
static int read_member(int devices_fd, const char *name, Group *group, OtherMember *ret) {
        _cleanup_(other_member_done) OtherMember member = {};
        int r;

        r = read_member_link(devices_fd, name, "subsystem", group, &member.subsystem);
        if (r < 0)
                return r;
        if (string_equal(member.subsystem, "pci"))
                return 0;
        r = read_member_link(devices_fd, name, "driver", group, &member.driver);
        if (r < 0)
                return r;
        r = tree_copy_name(name, &member.name);
        if (r < 0)
                return r;
        if (!member.subsystem && exists_at(devices_fd, name) == 0)
                return -ENOENT;

        *ret = member;
        member = (OtherMember){};
        return 1;
}

/* Whether `name` is known to be a PCI function of this group. Else only its subsystem tells: a member whose name another
 * member has already is called "NAME.0", "NAME.1", ... (drivers/iommu/iommu.c, iommu_group_alloc_device). */
static bool is_known(const Facts *facts, const char *name, const Group *group) {
        const Device *device = NULL;
        PciAddress address;

        if (facts && tree_parse_address(name, &address) >= 0)
                device = facts_find_device(facts, &address);
        return device && device->group == group->number;
}

static int add_other(Group *group, OtherMember *member) {
        OtherMember *grown = reallocarray(group->others, group->n_others + 1, sizeof(OtherMember));

        if (!grown)
                return -ENOMEM;
        group->others = grown;
        group->others[group->n_others++] = *member;
        *member = (OtherMember){};
        return 0;
}

static int compare_others(const void *a, const void *b) {
        const OtherMember *x = a, *y = b;

        return strcmp(x->name, y->name);
}

static int read_members(int fd, const Facts *facts, Group *group, size_t *ret_n_pci) {
        _cleanup_directory_ Directory directory = {.fd = -EBADF};
        size_t n_pci = 0;
        const char *name;
        int r;

        r = directory_open(&directory, fd, "devices");
        if (r < 0)
                return judge_error(group, r);
        while ((r = directory_next(&directory, &name)) > 0) {
                _cleanup_(other_member_done) OtherMember member = {};

                r = is_known(facts, name, group) ? 0 : read_member(directory.fd, name, group, &member);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                if (r == 0) {
                        n_pci++;
                        continue;
                }
                r = add_other(group, &member);
                if (r < 0)
                        return r;
        }
        if (group->n_others > 1)
                qsort(group->others, group->n_others, sizeof(OtherMember), compare_others);
        *ret_n_pci = n_pci;
        return r < 0 ? judge_error(group, r) : 0;
}

static bool all_mediated(const Group *group, size_t n_pci) {
        for (size_t i = 0; i < group->n_others; i++)
                if (!string_equal(group->others[i].subsystem, "mdev"))
                        return false;
        return n_pci == 0 && group->n_others > 0;
}

static int read_everything(int fd, const Facts *facts, Group *group) {
        size_t n_pci = 0;
        int r;

        r = read_domain_type(fd, group);
        if (r < 0)
                return r;
        r = read_regions(fd, group);
        if (r < 0)
                return r;
        r = read_fake(fd, group);
        if (r < 0)
                return r;
        r = read_members(fd, facts, group, &n_pci);
        if (r < 0)
                return r;
        if (all_mediated(group, n_pci))
                group->fake = false;
        return 0;
}

int tree_read_group_at(int groups_fd, uint32_t number, const Facts *facts, Group **ret) {
        _cleanup_(group_freep) Group *group = calloc(1, sizeof(Group));
        _cleanup_close_ int fd = -EBADF;
        char name[16];
        int r;

        if (!group)
                return -ENOMEM;
        group->number = number;
        (void) snprintf(name, sizeof(name), "%u", number);
        fd = openat(groups_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || tree_error_is_ours(-errno)))
                return -errno;

        if (fd < 0)
                note_error(group, -errno);
        else {
                r = read_everything(fd, facts, group);
                if (r >= 0 && !group->domain_type)
                        r = tree_check_presence(groups_fd, name, fd);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(group);
        return 0;
}
