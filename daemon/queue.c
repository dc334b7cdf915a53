/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/queue.h"

#include <string.h>

void queue_done(Queue *queue) {
        free(queue->operations);
        *queue = (Queue) {};
}

Operation *queue_find_group(const Queue *queue, uint32_t number) {
        for (size_t i = 0; i < queue->n_operations; i++)
                if (operation_has_group(queue->operations[i], number))
                        return queue->operations[i];
        return NULL;
}

int queue_push(Queue *queue, Operation *operation) {
        Operation **operations;

        for (size_t i = 0; i < operation->n_groups; i++)
                if (queue_find_group(queue, operation->groups[i]))
                        return -EBUSY;

        operations = reallocarray(queue->operations, queue->n_operations + 1, sizeof(Operation *));
        if (!operations)
                return -ENOMEM;
        operations[queue->n_operations++] = operation;
        queue->operations = operations;
        return 0;
}

void queue_remove(Queue *queue, Operation *operation) {
        for (size_t i = 0; i < queue->n_operations; i++)
                if (queue->operations[i] == operation) {
                        memmove(queue->operations + i, queue->operations + i + 1, (--queue->n_operations - i) * sizeof(Operation *));
                        return;
                }
}
