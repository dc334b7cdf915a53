/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who holds files of VFIO open, looked for among the fds of all processes. Only file descriptors are looked at: a mapping
 * that outlives its fd, an fd on its way through a socket, and what the kernel itself keeps are not seen. Reading links and
 * fdinfo asks no file system, but it is the worker that looks: nothing of this belongs into a process that must not block. */

#include <sys/types.h>

#include "host/worker-protocol.h"

/* An fd of a process. Borrowed for the call. */
typedef struct HolderFile {
        int process_fd;   /* O_PATH directory: /proc/PID */
        const char *fd;   /* its number, as it is named below `fd` and `fdinfo` */
        const char *link; /* what /proc/PID/fd/FD says, cut at its end if it is very long */
} HolderFile;

/* What the fd is to whoever asks; for HOLDS_DEVICE and HOLDS_NODE the address goes into *ret_address. */
typedef HolderKind (*holder_match_t)(const HolderFile *file, PciAddress *ret_address, void *userdata);

/* Shows every fd of every process below `proc_fd` (a /proc) to `match` and lists who holds something: each process once for
 * each device, the first WORKER_HOLDERS_MAX of them, the others counted. HOLDS_PERHAPS is dropped where the process has
 * something open that explains it (the group, a device, or another group). Other workers are passed over: their fds close
 * with them. Processes that cannot be looked into are counted (proc(5): PTRACE_MODE_READ_FSCREDS), as is process 1 where
 * it cannot be seen (hidepid). Returns 0 or a negative errno of ours (-EMFILE, -ENOMEM, ...). */
int holders_scan(int proc_fd, holder_match_t match, void *userdata, HolderList *ret);

/* /proc/PID/fdinfo/FD as text, for the caller to free. A negative errno: it has been closed, or cannot be read. */
int holder_file_read_info(const HolderFile *file, char **ret);

/* Whether the fdinfo text is that of an O_PATH fd, which holds nothing, and which anybody who sees a node can have. */
bool holder_info_is_path(const char *info);

/* fstat() of what the fd refers to, without asking a remote or user-space file system for it. Returns 0 or a negative errno. */
struct statx;
int holder_file_stat(const HolderFile *file, struct statx *ret);
