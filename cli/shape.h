/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The JSON objects that assign-ctl prints, made from D-Bus properties: one shape a noun, the same keys in the same order
 * whatever the daemon left out (null, or an empty list). Text is printed from these objects too. */

#include <jansson.h>

#include "base/macro.h"

/* Each takes a borrowed dictionary (or array of dictionaries) with the names of the bus and gives a new reference, NULL if
 * memory ran out. Lists come out sorted. */

json_t *shape_member(const json_t *properties);     /* a device as it stands in a group of `list` */
json_t *shape_device(const json_t *properties);     /* a device in full, without blockers and history */
json_t *shape_group(const json_t *properties);      /* a group of `list`; its devices are "Members", where given */
json_t *shape_group_full(const json_t *properties); /* as `show` has it, without history */
json_t *shape_assignment(const json_t *properties);
json_t *shape_step(const json_t *properties);
json_t *shape_plan(const json_t *properties);
json_t *shape_audit_entry(uint64_t id, const json_t *entry);
json_t *shape_blockers(const json_t *array);

/* The last element of an object path, borrowed; NULL for "/" and what is no path. */
const char *path_last(const char *path);
/* The number that a path of a group, assignment or operation ends in. Returns 0 or -EINVAL. */
int path_number(const char *path, uint64_t *ret);
