/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A random walk: clients, faults, other people with root, hotplug, crashes and reboots, one action after another, the rules
 * checked after each. A seed makes the list of actions, and each action carries what it draws from, so that a walk without
 * some of them is a walk too. */

#include "tests/walk/rules.h"

#define WALK_ACTIONS_MAX 1000U

typedef struct WalkResult {
        uint64_t n_actions, n_operations, n_recovered, n_crashes, n_reboots, n_refused, n_commits, n_writes;
} WalkResult;

/* Walks; `keep` (one per action; NULL: all) leaves actions out. What is wrong is in world->wrong. Adds to *result. */
void walk(World *world, uint64_t seed, unsigned n_actions, const bool *keep, WalkResult *result);
