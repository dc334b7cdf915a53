/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A lease is an fd: when its last copy is closed, however that came about, the assignment ends.
 *
 * It is the write end of a FIFO in the directory "leases" beside the database; the daemon has the read end. The FIFO has a name,
 * so that a daemon that comes after (restarted, replaced, killed, stopped for an hour) opens its end again and sees whether
 * somebody still has the other: without a writer a read gives 0, with one EAGAIN (fs/pipe.c, pipe_read), and whoever opened it
 * while there was a writer is told of the last one's end by EPOLLHUP (fs/pipe.c, fifo_open and pipe_poll).
 *
 * Not systemd's store of fds: it is emptied when the unit is stopped, and one that does not fit is dropped in silence. What is
 * missing there is not known to be gone, and devices are not taken from an owner on a guess. */

#include "daemon/manager.h"

typedef struct Lease Lease;

/* Makes both ends of a lease that belongs to no assignment yet. Returns 0 or a negative errno. */
int lease_open_ends(const Manager *manager, int *ret_our_end, int *ret_their_end);

/* Closes our end of such a lease, which came to nothing (-EBADF: does nothing), and removes its FIFO. */
void lease_discard_end(const Manager *manager, int *our_end);

/* A lease of this assignment is one whose assignment has not begun. */
#define LEASE_OF_NONE UINT64_MAX

/* Watches our end (a copy of `fd`), for no assignment yet: what can fail for want of memory does so before anything is begun. Returns 0
 * or a negative errno. */
int lease_new(Manager *manager, int fd, Lease **ret);

/* The assignment has begun: the FIFO is named after it. One that cannot be renamed is a lease that a later daemon does not know; that is
 * logged, and no error. */
void lease_set_assignment(Lease *lease, uint64_t assignment);

/* Ends the watching; the FIFO stays for a daemon that comes after. */
Lease *lease_free(Lease *lease);
DEFINE_CLEANUP(Lease *, lease_free)

/* The assignment has ended: the same, and removes the FIFO (not that of LEASE_OF_NONE, which is its operation's still). */
Lease *lease_remove(Lease *lease);

/* Takes up the leases of all assignments that an earlier daemon left, and removes what is in the directory besides. One whose client
 * is gone ends its assignment as soon as the event loop runs. Logs what cannot be taken up: such an assignment stays until somebody
 * releases it. */
void lease_restore_all(Manager *manager);

uint64_t lease_assignment(const Lease *lease);

/* The other end was closed, and the release that follows from it has not begun yet. */
bool lease_has_ended(const Lease *lease);

/* Releases the assignment if the lease has ended and nothing else works on its groups; to be called again when an operation
 * ends. */
void lease_settle(Lease *lease);
