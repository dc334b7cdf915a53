/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Policies written in a test, with ' for ". The users alice (1000) and bob (1001) and the group kvm (36) have names. */

#include "policy/rules-parse.h"

extern const PolicyNames policy_names;

/* The text with each ' replaced by ", freshly allocated. */
char *policy_text(const char *quoted);

/* A set of one good file, "test.json". */
PolicySet policy_of(const char *quoted);

/* The errors of one file, a line each; "" if there are none. Freshly allocated. */
char *policy_errors(const char *quoted);
