/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which operation works on which groups, and which ones wait for theirs. An operation takes all its groups at once or none, so two
 * can never wait for each other; who came first goes first wherever two want the same group, so nobody waits for ever. */

#include "daemon/operation.h"

typedef struct Queue {
        Operation **running; /* ordered by begin; borrowed */
        size_t n_running;
        Operation **waiting; /* ordered by arrival; borrowed */
        size_t n_waiting;
} Queue;

void queue_done(Queue *queue);

/* The operation that works on the group, or NULL. */
Operation *queue_find_group(const Queue *queue, uint32_t number);

/* The first operation that waits for the group, or NULL; with `before` (which waits) only one that came before it. */
Operation *queue_find_waiting(const Queue *queue, uint32_t number, const Operation *before);

/* Takes all groups of the operation, which waits no more: 0, -EBUSY if another operation holds one of them or came before it, -ENOMEM. */
int queue_push(Queue *queue, Operation *operation);

/* Puts it behind all others that wait; one that waits already keeps its place. 0 or -ENOMEM. */
int queue_wait(Queue *queue, Operation *operation);

/* It neither works nor waits any more. */
void queue_remove(Queue *queue, Operation *operation);
