/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Sends the steps of an operation to its worker or to the module loader, and takes in what they answer: the outcome of each, and
 * the fds that came with it. When nothing is unanswered any more the operation goes on (operation_schedule_advance()). */

#include "daemon/operation.h"

/* A worker of the operation's own, in `operation->worker`; a negative errno where none could be started. */
int step_send_start_worker(Operation *operation);

/* Sends the steps that are marked as issued; the marks are committed. Where the worker's socket is full, the others follow as
 * answers come (`unsent` says so). */
void step_send_issued(Operation *operation);

/* The module loader's answers are nobody's any more. */
void step_send_forget_modules(Operation *operation);

/* Closes the fds that were opened and not taken. */
void step_send_close_fds(Operation *operation);
