/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How far the steps of an operation are, and what a failed one means for those that have not been sent. Changes the operation's
 * `progress`, `plan` and `outcome` only: nothing is sent, and nothing is written. */

#include "daemon/operation.h"

/* Makes room for the steps [from, to), all planned. -ENOMEM: nothing was changed. */
int progress_grow(StepProgress **progress, size_t from, size_t to, bool undo);

/* The step's row is to be written again. */
void progress_set(Operation *operation, size_t i, StepState state, int error);

/* Whether a step is marked as issued: sent, or to be sent. */
bool progress_has_issued(const Operation *operation);

/* Marks the next phase, if there is one, as issued. */
void progress_issue_next_phase(Operation *operation);

/* Whether a step has failed; while undoing, of the undo's steps: what failed before led there. */
bool progress_phase_failed(const Operation *operation);

/* Makes what has failed since the last commit the outcome: the first failure gives the code, further ones add their sentence. */
void progress_note_failures(Operation *operation);

/* What has not been issued will not be. */
void progress_skip_planned(Operation *operation);

/* The same for the steps that a failed one spoils, while giving back or undoing. */
void progress_skip_spoiled(Operation *operation);

/* Puts the undo's steps behind the others, in phases of their own; `undo` is empty then. -ENOMEM: nothing was changed. */
int progress_append_undo(Operation *operation, Plan *undo);

/* Whether a step that changes the host has been issued. */
bool progress_has_changed_host(const Operation *operation);
