/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the readers of a policy's parts have in common; for policy/rules-parse.c and policy/rules-match-parse.c. Every reader returns 0 or
 * -ENOMEM; what is wrong is in the list of errors, and the reading goes on with the next thing. */

#include <jansson.h>

#include "policy/rules-parse.h"

#define PARSER_DEPTH_MAX 8U

typedef struct Parser {
        const char *file; /* the set's copy */
        const char *text;
        size_t size;
        const PolicyNames *names;
        PolicySet *set;
        PolicyErrorList *errors;
        size_t path[PARSER_DEPTH_MAX]; /* of the value that is being read; see json_position_find() */
        size_t depth;
        unsigned *lines; /* where the entries of the section begin that is being read */
} Parser;

/* A key that an object may have. */
typedef struct Field {
        const char *key;
        int (*read)(Parser *parser, const json_t *value, void *target);
        bool required;
} Field;

/* Reads an object's members in their order into `target`. */
int parser_read_object(Parser *parser, const json_t *object, const Field *fields, size_t n_fields, void *target);

/* Calls `read` with each item of an array. */
int parser_read_array(Parser *parser, const json_t *array, int (*read)(Parser *parser, const json_t *value, void *target), void *target);

/* The value that is being read is not what was expected. */
int parser_refuse(Parser *parser, const json_t *value, const char *expected);

/* A text of 1 to `max` bytes without control characters, copied to *ret unless it is refused. */
int parser_read_text(Parser *parser, const json_t *value, size_t max, const char *expected, char **ret);

/* The same, appended. */
int parser_read_text_item(Parser *parser, const json_t *value, size_t max, const char *expected, char ***list);

/* target: a PolicyMatch, a PolicyCallerMatch. */
int policy_match_read(Parser *parser, const json_t *value, void *target);
int policy_label_match_read(Parser *parser, const json_t *value, void *target); /* without the key "label" */
int policy_caller_match_read(Parser *parser, const json_t *value, void *target);
