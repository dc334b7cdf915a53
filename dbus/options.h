/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The a{sv} that every method ends in, and arrays of strings from callers. Nothing is ignored: an option that is not known,
 * is given twice or has the wrong type is an error that says what would have been right. */

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* More strings in one array are refused before they are copied. */
#define STRING_ARRAY_MAX 4096U

typedef enum OptionType {
        OPTION_BOOL,         /* b: ret is a bool * */
        OPTION_U64,          /* t: ret is a uint64_t * */
        OPTION_U32,          /* u: ret is an OptionU32 * */
        OPTION_STRING,       /* s: ret is a const char **, borrowed from the message */
        OPTION_U32_ARRAY,    /* au: ret is a U32Array *, filled by a copy that the caller frees */
        OPTION_STRING_ARRAY, /* as: ret is a char ***, replaced by a copy that the caller frees */
        _OPTION_TYPE_MAX,
} OptionType;

/* A number of which each can be meant. */
typedef struct OptionU32 {
        bool given;
        uint32_t value;
} OptionU32;

typedef struct U32Array {
        uint32_t *items;
        size_t n_items;
} U32Array;

static inline void u32_array_done(U32Array *array) {
        free(array->items);
        *array = (U32Array){};
}

typedef struct Option {
        const char *name;
        OptionType type;
        void *ret; /* written only if the option is given */
} Option;

/* Reads the dictionary at the message's position. Returns 0, or a negative errno with `error` set to InvalidArgs or
 * LimitsExceeded (as a method handler returns it). Options before a bad one may have been written. */
int options_read(sd_bus_message *m, const Option *options, size_t n_options, sd_bus_error *error);

/* Reads an 'as' at the message's position into a fresh array (never NULL), as above. `name` is what the error calls it. */
int string_array_read(sd_bus_message *m, const char *name, char ***ret, sd_bus_error *error);
