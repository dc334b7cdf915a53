/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a daemon is asked for while something fails under it, and what must hold whatever fails. */

#include "daemon-scene.h"

/* What somebody does. It begins in the state that `prepare` makes, without any assignment where that is NULL. */
typedef struct FaultAct {
        const char *name;
        void (*prepare)(void);
        /* 0 with an operation (borrowed), with a refusal, or with neither where nobody is told of it; or a negative errno. Asserts nothing. */
        int (*begin)(Refusal *refusal, Operation **ret);
        bool ends_assignments; /* it is over when there is none */
} FaultAct;

/* Assign (two groups, with a lease), open, release, the end of a lease. */
#define FAULT_ACTS 4
extern const FaultAct fault_acts[FAULT_ACTS];

/* What fault_act_begin() has begun is over. */
bool fault_act_is_over(const FaultAct *act, const Operation *operation);

/* Starts the daemon with an observer that needs no memory, and with short times until what failed is tried again. fault_try_to_start()
 * returns what manager_new() or manager_start() did, and leaves no manager behind where that is an error. */
void fault_start(void);
int fault_try_to_start(void);

/* Another daemon is killed in the middle: vm:a has group 14 with `vm:b` half assigned two further groups. */
void fault_leave_half(unsigned n_turns);

/* No operation runs, and every assignment is whole. */
bool fault_is_at_rest(void);

/* Kernel calls since fault_forget_calls(), and steps that the database says were given to a worker, ever. */
void fault_forget_calls(void);
unsigned fault_count_calls(void);
unsigned fault_count_steps(void);

/* The devices of an assignment are on its VFIO driver with the override, all others as in the snapshot `before`; the database is in
 * order, and nothing in it is unfinished. */
void fault_assert_truth(const char *before);

/* Ends all assignments, and the host must be as in `before`. */
void fault_give_back(const char *before);
