/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"

#define LINK_MAX_SHOWN 256U

typedef struct Scan {
        int proc_fd;
        holder_match_t match;
        void *userdata;
        HolderList list;
        bool has_seen_init;
} Scan;

/* What one process was found to hold. */
typedef struct Finding {
        HolderList list;
        bool is_explained; /* why it has a device open whose identity the kernel does not tell */
} Finding;

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static int open_directory(int dir_fd, const char *path, DIR **ret) {
        _cleanup_close_ int fd = RET_NERRNO(openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        if (fd < 0)
                return fd;
        *ret = fdopendir(fd);
        if (!*ret)
                return -errno;
        TAKE_FD(fd);
        return 0;
}

int holder_file_read_info(const HolderFile *file, char **ret) {
        char path[sizeof("fdinfo/") + 3 * sizeof(unsigned)];

        (void) snprintf(path, sizeof(path), "fdinfo/%s", file->fd);
        return attribute_read_alloc_at(file->process_fd, path, ret);
}

bool holder_info_is_path(const char *info) {
        const char *flags = strstr(info, "flags:");

        return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & O_PATH);
}

int holder_file_stat(const HolderFile *file, struct statx *ret) {
        char path[sizeof("fd/") + 3 * sizeof(unsigned)];

        (void) snprintf(path, sizeof(path), "fd/%s", file->fd);
        return RET_NERRNO(statx(file->process_fd, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, ret));
}

static bool is_listed(const HolderList *list, HolderKind kind, const PciAddress *address) {
        for (size_t i = 0; i < list->n_items; i++)
                if (list->items[i].kind == (uint32_t) kind && list->items[i].domain == address->domain && list->items[i].bus == address->bus &&
                    list->items[i].slot == address->slot && list->items[i].function == address->function)
                        return true;
        return false;
}

static void list_add(HolderList *list, const WorkerHolder *holder) {
        if (list->n_items < WORKER_HOLDERS_MAX)
                list->items[list->n_items++] = *holder;
        else
                list->n_more++;
}

/* The last component of what the link says. */
static void name_node(const char *link, char node[static WORKER_NAME_MAX]) {
        const char *slash = strrchr(link, '/'), *name = slash ? slash + 1 : link;

        (void) string_escape_to(*name ? name : "?", /* escape_backslash= */ true, node, WORKER_NAME_MAX);
}

static void finding_add(Finding *finding, HolderKind kind, uint32_t fd, const char *link, const PciAddress *address) {
        WorkerHolder holder = {
                .kind = kind,
                .fd = fd,
                .domain = address->domain,
                .bus = address->bus,
                .slot = address->slot,
                .function = address->function,
        };


        if (kind != HOLDS_PERHAPS && kind != HOLDS_NODE)
                finding->is_explained = true;
        if (kind == HOLDS_OTHER_GROUP || is_listed(&finding->list, kind, address))
                return;
        if (kind == HOLDS_NODE)
                name_node(link, holder.node);
        list_add(&finding->list, &holder);
}

static int look_at_fd(Scan *scan, int process_fd, DIR *fds, const char *name, Finding *finding) {
        char link[LINK_MAX_SHOWN];
        PciAddress address = {};
        HolderKind kind;
        uint32_t number;
        ssize_t n;

        if (parse_u32(name, 10, &number) < 0)
                return 0;
        n = readlinkat(dirfd(fds), name, link, sizeof(link) - 1);
        if (n < 0)
                return -errno;
        link[n] = '\0';
        kind = scan->match(&(HolderFile) { .process_fd = process_fd, .fd = name, .link = link }, &address, scan->userdata);
        if (kind != HOLDS_NOTHING)
                finding_add(finding, kind, number, link, &address);
        return 0;
}

static bool is_ours_to_say(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int look_at_fds(Scan *scan, int process_fd, Finding *finding) {
        _cleanup_(closedirp) DIR *fds = NULL;
        struct dirent *entry;
        int r, denied = 0;

        r = open_directory(process_fd, "fd", &fds);
        if (r < 0)
                return r;
        while ((entry = readdir(fds))) {
                r = look_at_fd(scan, process_fd, fds, entry->d_name, finding);
                if (r == -EACCES || r == -EPERM)
                        denied = r;
                else if (is_ours_to_say(r))
                        return r;
        }
        return denied;
}

/* Whether it runs the same program as this process, under the same name. */
static bool is_worker(const Scan *scan, int process_fd, const char *comm) {
        char own[WORKER_NAME_MAX];
        struct stat a, b;

        return fstatat(scan->proc_fd, "self/exe", &a, 0) == 0 && fstatat(process_fd, "exe", &b, 0) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino && attribute_read_at(scan->proc_fd, "self/comm", own, sizeof(own)) >= 0 && string_equal(own, comm);
}

static void list_finding(Scan *scan, int process_fd, uint32_t pid, const Finding *finding) {
        char comm[WORKER_NAME_MAX] = "";

        if (attribute_read_at(process_fd, "comm", comm, sizeof(comm)) < 0)
                comm[0] = '\0';
        if (is_worker(scan, process_fd, comm))
                return;
        for (size_t i = 0; i < finding->list.n_items; i++) {
                WorkerHolder holder = finding->list.items[i];

                if (holder.kind == HOLDS_PERHAPS && finding->is_explained)
                        continue;
                holder.pid = pid;
                (void) string_escape_to(comm[0] ? comm : "?", /* escape_backslash= */ true, holder.comm, sizeof(holder.comm));
                list_add(&scan->list, &holder);
        }
        scan->list.n_more += finding->list.n_more;
}

static int look_at_process(Scan *scan, const char *name, uint32_t pid) {
        _cleanup_close_ int process_fd = RET_NERRNO(openat(scan->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC));
        Finding finding = {};
        int r;

        if (process_fd < 0)
                return is_ours_to_say(process_fd) ? process_fd : 0;
        r = look_at_fds(scan, process_fd, &finding);
        if (is_ours_to_say(r))
                return r;
        if (r == -EACCES || r == -EPERM)
                scan->list.n_hidden++;
        scan->has_seen_init = scan->has_seen_init || pid == 1;
        if (finding.list.n_items > 0)
                list_finding(scan, process_fd, pid, &finding);
        return 0;
}

int holders_scan(int proc_fd, holder_match_t match, void *userdata, HolderList *ret) {
        _cleanup_(closedirp) DIR *processes = NULL;
        Scan scan = { .proc_fd = proc_fd, .match = match, .userdata = userdata };
        struct dirent *entry;
        uint32_t pid;
        int r;

        assert(match && ret);

        r = open_directory(proc_fd, ".", &processes);
        if (r < 0)
                return r;
        for (errno = 0; (entry = readdir(processes)); errno = 0) {
                if (parse_u32(entry->d_name, 10, &pid) < 0)
                        continue;
                r = look_at_process(&scan, entry->d_name, pid);
                if (r < 0)
                        return r;
        }
        if (errno > 0)
                return -errno;
        if (!scan.has_seen_init)
                scan.list.n_hidden++;
        *ret = scan.list;
        return 0;
}
