/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who holds what: the fds of real processes, by the locks that they carry (simk-vfio.c). */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "host/holders.h"
#include "tests/simk/simk-internal.h"

#define MEMBERS_MAX 256U

typedef struct FileId {
        dev_t device;
        ino_t inode; /* 0: no such file */
} FileId;

typedef struct Member {
        PciAddress address;
        bool has_cdev;
        FileId cdev, opened;
} Member;

typedef struct Question {
        FileId node;
        Member members[MEMBERS_MAX];
        size_t n_members;
} Question;

static FileId file_id(int root_fd, const char *path) {
        struct stat st;

        return fstatat(root_fd, path, &st, 0) < 0 ? (FileId) {} : (FileId) { .device = st.st_dev, .inode = st.st_ino };
}

static int add_member(int root_fd, const PciAddress *address, void *userdata) {
        Question *question = userdata;

        if (question->n_members == MEMBERS_MAX)
                return -E2BIG;
        question->members[question->n_members++] = (Member) {
                .address = *address,
                .has_cdev = exists_at(root_fd, SIMK_DEVICE(address, "vfio-dev")) > 0,
                .cdev = file_id(root_fd, SIMK_CDEV_OPEN(address)),
                .opened = file_id(root_fd, SIMK_GROUP_OPEN(address)),
        };
        return 0;
}

static bool is_file(const FileId *id, const struct stat *st) {
        return id->inode != 0 && id->device == st->st_dev && id->inode == st->st_ino;
}

/* As Linux 6.12 tells: a node by its number while it is there, an fd out of a group by nothing. */
static HolderKind kind_of(const Question *question, const struct stat *st, PciAddress *ret_address) {
        if (is_file(&question->node, st))
                return HOLDS_GROUP;
        for (size_t i = 0; i < question->n_members; i++) {
                const Member *member = &question->members[i];

                if (is_file(&member->opened, st) || (is_file(&member->cdev, st) && !member->has_cdev))
                        return HOLDS_PERHAPS;
                if (is_file(&member->cdev, st)) {
                        *ret_address = member->address;
                        return HOLDS_DEVICE;
                }
        }
        return HOLDS_NOTHING;
}

/* An fd refers to the file if it carries a lock of it: who waits for one, or only looks, does not hold it. */
static bool has_lock(const HolderFile *file) {
        _cleanup_free_ char *info = NULL;

        return holder_file_read_info(file, &info) >= 0 && strstr(info, "FLOCK");
}

static HolderKind match(const HolderFile *file, PciAddress *ret_address, void *userdata) {
        char path[32];
        HolderKind kind;
        struct stat st;

        (void) snprintf(path, sizeof(path), "fd/%s", file->fd);
        if (file->link[0] != '/' || fstatat(file->process_fd, path, &st, 0) < 0)
                return HOLDS_NOTHING;
        kind = kind_of(userdata, &st, ret_address);
        return kind == HOLDS_NOTHING || has_lock(file) ? kind : HOLDS_NOTHING;
}

int simk_check_holders(Kernel *kernel, uint32_t group, HolderList *ret) {
        _cleanup_close_ int proc_fd = RET_NERRNO(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
        Question question = {};
        int r;

        if (proc_fd < 0)
                return proc_fd;
        question.node = file_id(kernel->sysfs_fd, SIMK_GROUP_NODE(group));
        r = simk_each_member(kernel->sysfs_fd, group, add_member, &question);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return holders_scan(proc_fd, match, &question, ret);
}
