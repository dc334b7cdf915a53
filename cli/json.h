/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What comes over the bus as jansson values, and small helpers around them. */

#include <jansson.h>
#include <systemd/sd-bus.h>

#include "base/macro.h"

#define _cleanup_json_ _cleanup_(json_decrefp)
#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)

/* Reads the next complete value of `m`: a dictionary with string keys becomes an object; an array or struct an array; a variant
 * what it holds; a number above INT64_MAX its decimal text (json_u64() reads it back). *ret is a new reference. Returns 0,
 * -ENXIO at the end of the message, -EBADMSG for a type that has no JSON form (fds, other dictionaries), -ENOMEM. */
int json_read_value(sd_bus_message *m, json_t **ret);

/* All values of `m` as one array. */
int json_read_all(sd_bus_message *m, json_t **ret);

/* The text under `key`, borrowed; NULL if it is absent or not text. */
const char *json_text(const json_t *object, const char *key);

/* The number under `key`, or `otherwise`. */
uint64_t json_number(const json_t *object, const char *key, uint64_t otherwise);

/* A number as json_read_value() gave it. Returns 0 or -EINVAL. */
int json_u64(const json_t *value, uint64_t *ret);

/* The text as JSON string, null for NULL and "". New reference. */
json_t *json_text_or_null(const char *s);

/* Sorts an array in place. `compare` gets two items. Returns 0 or -ENOMEM. */
typedef int (*json_compare_t)(const json_t *a, const json_t *b);
int json_sort(json_t *array, json_compare_t compare);

/* Orders for json_sort(): objects by their "group" number, by their "address", by their "device" and "code" (null first); items
 * that are themselves texts or numbers. PCI addresses order as addresses, not as text. */
int json_compare_group(const json_t *a, const json_t *b);
int json_compare_address(const json_t *a, const json_t *b);
int json_compare_blocker(const json_t *a, const json_t *b);
int json_compare_item(const json_t *a, const json_t *b);
