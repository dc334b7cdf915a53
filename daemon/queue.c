/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/queue.h"

#include <string.h>

void queue_done(Queue *queue) {
        free(queue->running);
        free(queue->waiting);
        *queue = (Queue) {};
}

Operation *queue_find_group(const Queue *queue, uint32_t number) {
        for (size_t i = 0; i < queue->n_running; i++)
                if (operation_has_group(queue->running[i], number))
                        return queue->running[i];
        return NULL;
}

static size_t find(Operation *const *operations, size_t n, const Operation *operation) {
        size_t i = 0;

        while (i < n && operations[i] != operation)
                i++;
        return i;
}

Operation *queue_find_waiting(const Queue *queue, uint32_t number, const Operation *before) {
        size_t n = find(queue->waiting, queue->n_waiting, before);

        for (size_t i = 0; i < n; i++)
                if (operation_has_group(queue->waiting[i], number))
                        return queue->waiting[i];
        return NULL;
}

static int append(Operation ***operations, size_t *n, Operation *operation) {
        Operation **grown;

        grown = reallocarray(*operations, *n + 1, sizeof(Operation *));
        if (!grown)
                return -ENOMEM;
        grown[(*n)++] = operation;
        *operations = grown;
        return 0;
}

static void take_out(Operation **operations, size_t *n, const Operation *operation) {
        size_t i = find(operations, *n, operation);

        if (i < *n)
                memmove(operations + i, operations + i + 1, (--*n - i) * sizeof(Operation *));
}

int queue_push(Queue *queue, Operation *operation) {
        int r;

        for (size_t i = 0; i < operation->n_groups; i++)
                if (queue_find_group(queue, operation->groups[i]) || queue_find_waiting(queue, operation->groups[i], operation))
                        return -EBUSY;
        r = append(&queue->running, &queue->n_running, operation);
        if (r < 0)
                return r;
        take_out(queue->waiting, &queue->n_waiting, operation);
        return 0;
}

int queue_wait(Queue *queue, Operation *operation) {
        if (find(queue->waiting, queue->n_waiting, operation) < queue->n_waiting)
                return 0;
        return append(&queue->waiting, &queue->n_waiting, operation);
}

void queue_remove(Queue *queue, Operation *operation) {
        take_out(queue->running, &queue->n_running, operation);
        take_out(queue->waiting, &queue->n_waiting, operation);
}
