/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which operation holds which groups: an operation takes all its groups at once or none, so two can never wait for each
 * other. */

#include "daemon/operation.h"

typedef struct Queue {
        Operation **operations; /* that run, ordered by begin; borrowed */
        size_t n_operations;
} Queue;

void queue_done(Queue *queue);

/* The operation that holds the group, or NULL. */
Operation *queue_find_group(const Queue *queue, uint32_t number);

/* Takes all groups of the operation: 0, -EBUSY if another operation holds one of them, -ENOMEM. */
int queue_push(Queue *queue, Operation *operation);
void queue_remove(Queue *queue, Operation *operation);
