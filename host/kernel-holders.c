/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kernel-holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/io.h"
#include "base/strutil.h"
#include "host/children.h"
#include "host/holders.h"
#include "host/kernel-vfio.h"

#define ANONYMOUS_DEVICE "anon_inode:[vfio-device]"
#define SYSPATH "vfio-device-syspath:"
#define UDEV_PATIENCE_MSEC 2000U
#define UDEV_PAUSE_MSEC 50U
#define MEMBER_PATH_MAX (sizeof("bus/pci/devices/") + PCI_ADDRESS_STRING_MAX + sizeof("/driver"))

typedef struct Member {
        PciAddress address;
        dev_t node; /* 0: none */
} Member;

/* What a host driver made of a member. */
typedef struct Node {
        char *name;
        dev_t number;
        bool is_block;
        PciAddress address;
} Node;

typedef struct Question {
        int sysfs_fd;
        dev_t group_node; /* 0: none */
        Member *members;
        size_t n_members;
        Node *nodes;
        size_t n_nodes;
        const PciAddress *walked; /* the member whose nodes are being listed */
        bool is_enabled; /* a member counts an open */
        bool is_leaving; /* a member has no driver now */
} Question;

static void question_done(Question *question) {
        free(question->members);
        for (size_t i = 0; i < question->n_nodes; i++)
                free(question->nodes[i].name);
        free(question->nodes);
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static const char *member_path(const PciAddress *address, const char *name, char buffer[static MEMBER_PATH_MAX]) {
        (void) snprintf(buffer, MEMBER_PATH_MAX, "bus/pci/devices/%s/%s", PCI_ADDRESS_FORMAT(address), name);
        return buffer;
}

static bool parse_number(const char *text, dev_t *ret) {
        unsigned a, b;

        if (sscanf(text, "%u:%u", &a, &b) != 2)
                return false;
        *ret = makedev(a, b);
        return true;
}

static int add_node(const ChildDevice *child, void *userdata) {
        Question *question = userdata;
        Node node = { .is_block = string_equal(child->subsystem, "block"), .address = *question->walked };
        _cleanup_free_ char *head = NULL;
        char text[32];
        Node *grown;
        int r;

        r = node.is_block ? children_multipath_head(child->name, &head) : 0;
        if (r > 0)
                r = children_walk_block(question->sysfs_fd, head, add_node, question);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (!child->subsystem || string_equal(child->subsystem, "vfio-dev") || attribute_read_at(child->fd, "dev", text, sizeof(text)) < 0 ||
            !parse_number(text, &node.number))
                return 0;
        r = string_copy(child->name, &node.name);
        if (r < 0)
                return r;
        grown = reallocarray(question->nodes, question->n_nodes + 1, sizeof(Node));
        if (!grown) {
                free(node.name);
                return -ENOMEM;
        }
        grown[question->n_nodes++] = node;
        question->nodes = grown;
        return 0;
}

static int add_nodes(Question *question, const PciAddress *address) {
        int r;

        question->walked = address;
        r = children_walk(question->sysfs_fd, address, add_node, question);
        return r == -ENOENT || r == -ENODEV ? 0 : r;
}

static int add_member(Question *question, Kernel *kernel, const PciAddress *address) {
        char path[MEMBER_PATH_MAX], enabled[16];
        Member member = { .address = *address };
        Member *grown;
        int r;

        r = kernel_vfio_read_cdev_number(kernel, address, &member.node);
        if (r < 0 && r != -ENOENT)
                return r;
        if (attribute_read_at(kernel->sysfs_fd, member_path(address, "enable", path), enabled, sizeof(enabled)) > 0 && !string_equal(enabled, "0"))
                question->is_enabled = true;
        if (exists_at(kernel->sysfs_fd, member_path(address, "driver", path)) == 0)
                question->is_leaving = true;

        grown = reallocarray(question->members, question->n_members + 1, sizeof(Member));
        if (!grown)
                return -ENOMEM;
        grown[question->n_members++] = member;
        question->members = grown;
        return add_nodes(question, address);
}

static int add_members(Question *question, Kernel *kernel, uint32_t group) {
        char path[sizeof("kernel/iommu_groups/4294967295/devices")];
        _cleanup_(closedirp) DIR *dir = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct dirent *entry;
        PciAddress address;
        int r = 0;

        (void) snprintf(path, sizeof(path), "kernel/iommu_groups/%" PRIu32 "/devices", group);
        fd = RET_NERRNO(openat(kernel->sysfs_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        TAKE_FD(fd);
        while (r >= 0 && (entry = readdir(dir)))
                if (pci_address_parse(entry->d_name, &address) >= 0)
                        r = add_member(question, kernel, &address);
        return r;
}

static int question_make(Kernel *kernel, uint32_t group, Question *ret) {
        _cleanup_(question_done) Question question = { .sysfs_fd = kernel->sysfs_fd };
        char path[sizeof("vfio/4294967295")];
        struct stat st;
        int r;

        (void) snprintf(path, sizeof(path), "vfio/%" PRIu32, group);
        if (fstatat(kernel->dev_fd, path, &st, 0) == 0 && S_ISCHR(st.st_mode))
                question.group_node = st.st_rdev;
        r = add_members(&question, kernel, group);
        if (r < 0)
                return r;
        *ret = question;
        question = (Question) {};
        return 0;
}

/* The member that the fdinfo names: 1, or 0 for a device of another group, or -ENOENT where it names none. */
static int find_named_member(const Question *question, const char *info, PciAddress *ret) {
        const char *path = strstr(info, SYSPATH), *name;
        size_t length;

        if (!path)
                return -ENOENT;
        path += strlen(SYSPATH);
        length = strcspn(path, "\n");
        name = memrchr(path, '/', length);
        name = name ? name + 1 : path;
        for (size_t i = 0; i < question->n_members; i++) {
                const char *address = PCI_ADDRESS_FORMAT(&question->members[i].address);

                if (strncmp(name, address, strlen(address)) == 0 && name + strlen(address) == path + length) {
                        *ret = question->members[i].address;
                        return 1;
                }
        }
        return 0;
}

static bool has_vanished(const Question *question, dev_t node) {
        char path[sizeof("dev/char/4294967295:4294967295")];

        (void) snprintf(path, sizeof(path), "dev/char/%u:%u", major(node), minor(node));
        return exists_at(question->sysfs_fd, path) == 0;
}

static bool is_number(const char *s) {
        uint32_t number;

        return parse_u32(s, 10, &number) >= 0;
}

static const char *last_component(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static HolderKind match_node(const Question *question, const HolderFile *file, dev_t node, const char *info, PciAddress *ret_address) {
        int r;

        if (question->group_node != 0 && node == question->group_node)
                return HOLDS_GROUP;
        for (size_t i = 0; i < question->n_members; i++)
                if (question->members[i].node != 0 && node == question->members[i].node) {
                        *ret_address = question->members[i].address;
                        return HOLDS_DEVICE;
                }
        if (is_number(last_component(file->link)))
                return HOLDS_OTHER_GROUP;
        if (strncmp(last_component(file->link), "vfio", strlen("vfio")) != 0 || !strstr(file->link, "/devices/"))
                return HOLDS_NOTHING;
        r = find_named_member(question, info, ret_address);
        if (r >= 0)
                return r > 0 ? HOLDS_DEVICE : HOLDS_NOTHING;
        return question->is_leaving && has_vanished(question, node) ? HOLDS_PERHAPS : HOLDS_NOTHING;
}

static bool is_candidate(const Question *question, const char *link) {
        if (strstr(link, "vfio"))
                return true;
        if (question->n_nodes > 0 && strstr(link, "/dev/"))
                return true;
        for (size_t i = 0; i < question->n_nodes; i++)
                if (string_equal(last_component(link), question->nodes[i].name))
                        return true;
        return false;
}

static const Node *find_node(const Question *question, dev_t number, bool is_block) {
        for (size_t i = 0; i < question->n_nodes; i++)
                if (question->nodes[i].number == number && question->nodes[i].is_block == is_block)
                        return &question->nodes[i];
        return NULL;
}

static bool is_path_only(const HolderFile *file, char **ret_info) {
        return holder_file_read_info(file, ret_info) >= 0 && holder_info_is_path(*ret_info);
}

static HolderKind match(const HolderFile *file, PciAddress *ret_address, void *userdata) {
        const Question *question = userdata;
        _cleanup_free_ char *info = NULL;
        bool is_anonymous = string_equal(file->link, ANONYMOUS_DEVICE);
        const Node *node = NULL;
        struct statx st;
        int r;

        if (!is_anonymous && !is_candidate(question, file->link))
                return HOLDS_NOTHING;
        if (!is_anonymous && (holder_file_stat(file, &st) < 0 || (!S_ISCHR(st.stx_mode) && !S_ISBLK(st.stx_mode))))
                return HOLDS_NOTHING;
        if (!is_anonymous)
                node = find_node(question, makedev(st.stx_rdev_major, st.stx_rdev_minor), S_ISBLK(st.stx_mode));
        if (!is_anonymous && !node && (S_ISBLK(st.stx_mode) || !strstr(file->link, "vfio")))
                return HOLDS_NOTHING;
        if (is_path_only(file, &info))
                return HOLDS_NOTHING;
        if (node) {
                *ret_address = node->address;
                return HOLDS_NODE;
        }
        if (!is_anonymous)
                return match_node(question, file, makedev(st.stx_rdev_major, st.stx_rdev_minor), info ?: "", ret_address);

        r = find_named_member(question, info ?: "", ret_address);
        if (r >= 0)
                return r > 0 ? HOLDS_DEVICE : HOLDS_NOTHING;
        return question->is_enabled ? HOLDS_PERHAPS : HOLDS_NOTHING;
}

/* Whoever calls itself that is only waited for. */
static bool is_udev(const WorkerHolder *holder) {
        return holder->kind == HOLDS_NODE && (string_equal(holder->comm, "(udev-worker)") || string_equal(holder->comm, "systemd-udevd"));
}

static bool is_udevs(const HolderList *list) {
        for (uint32_t i = 0; i < list->n_items; i++)
                if (!is_udev(&list->items[i]))
                        return false;
        return list->n_items > 0 && list->n_more == 0;
}

static int look(Kernel *kernel, uint32_t group, HolderList *ret) {
        _cleanup_(question_done) Question question = {};
        int r;

        r = question_make(kernel, group, &question);
        if (r < 0)
                return r;
        return holders_scan(kernel->proc_fd, match, &question, ret);
}

int kernel_check_holders(Kernel *kernel, uint32_t group, HolderList *ret) {
        const struct timespec pause = { .tv_nsec = UDEV_PAUSE_MSEC * 1000 * 1000 };
        int r;

        assert(kernel && ret);

        for (unsigned waited = 0;; waited += UDEV_PAUSE_MSEC) {
                HolderList found = {};

                r = look(kernel, group, &found);
                if (r < 0)
                        return r;
                if (waited >= UDEV_PATIENCE_MSEC || !is_udevs(&found)) {
                        *ret = found;
                        return 0;
                }
                (void) nanosleep(&pause, NULL);
        }
}
