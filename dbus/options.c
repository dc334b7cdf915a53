/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/options.h"

#include <string.h>

#include "base/strutil.h"
#include "dbus/names.h"

#define NAME_SHOWN_MAX 64U

static const struct {
        const char *signature;
        const char *description;
} option_types[_OPTION_TYPE_MAX] = {
        [OPTION_BOOL] = { "b", "a boolean" },
        [OPTION_U64] = { "t", "an unsigned 64-bit number" },
        [OPTION_U32] = { "u", "an unsigned 32-bit number" },
        [OPTION_STRING] = { "s", "a string" },
        [OPTION_U32_ARRAY] = { "au", "an array of unsigned 32-bit numbers" },
        [OPTION_STRING_ARRAY] = { "as", "an array of strings" },
};

int string_array_read(sd_bus_message *m, const char *name, char ***ret, sd_bus_error *error) {
        _cleanup_strv_free_ char **list = NULL;
        size_t n = 0, allocated = 1;
        const char *s;
        int r;

        list = calloc(allocated, sizeof(*list));
        if (!list)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                if (n == STRING_ARRAY_MAX)
                        return sd_bus_error_setf(error, ASSIGND_ERROR_LIMITS_EXCEEDED, "\"%s\" has more than %u entries", name, STRING_ARRAY_MAX);
                if (n + 1 >= allocated) {
                        char **grown = reallocarray(list, allocated = allocated * 2 + 8, sizeof(*list));

                        if (!grown)
                                return -ENOMEM;
                        list = grown;
                }
                list[n + 1] = NULL;
                r = string_copy(s, &list[n]);
                if (r < 0)
                        return r;
                n++;
        }
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(list);
        return 0;
}

static int u32_array_read(sd_bus_message *m, U32Array *ret) {
        U32Array array = {};
        const void *items;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 'u', &items, &size);
        if (r < 0)
                return r;
        array.items = malloc(size ?: 1);
        if (!array.items)
                return -ENOMEM;
        memcpy(array.items, items, size);
        array.n_items = size / sizeof(uint32_t);
        u32_array_done(ret);
        *ret = array;
        return 0;
}

static int option_read_value(sd_bus_message *m, const Option *option, sd_bus_error *error) {
        int b, r;

        switch (option->type) {
        case OPTION_BOOL:
                r = sd_bus_message_read_basic(m, 'b', &b);
                if (r >= 0)
                        *(bool *) option->ret = b;
                return r;
        case OPTION_U64:
                return sd_bus_message_read_basic(m, 't', option->ret);
        case OPTION_U32:
                ((OptionU32 *) option->ret)->given = true;
                return sd_bus_message_read_basic(m, 'u', &((OptionU32 *) option->ret)->value);
        case OPTION_STRING:
                return sd_bus_message_read_basic(m, 's', option->ret);
        case OPTION_U32_ARRAY:
                return u32_array_read(m, option->ret);
        case OPTION_STRING_ARRAY: {
                char **list = NULL;

                r = string_array_read(m, option->name, &list, error);
                if (r < 0)
                        return r;
                strv_free(*(char ***) option->ret);
                *(char ***) option->ret = list;
                return 0;
        }
        case _OPTION_TYPE_MAX:
                break;
        }
        return -EINVAL;
}

/* Finds the option and reads the variant that follows its name. */
static int option_read(sd_bus_message *m, const Option *option, sd_bus_error *error) {
        const char *expected = option_types[option->type].signature, *contents;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        if (!string_equal(contents, expected))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "The option \"%s\" is of type \"%s\"; expected %s (\"%s\")", option->name,
                                         contents, option_types[option->type].description, expected);

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, expected);
        if (r < 0)
                return r;
        r = option_read_value(m, option, error);
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int refuse_unknown(const char *name, const Option *options, size_t n_options, sd_bus_error *error) {
        char shown[NAME_SHOWN_MAX];
        _cleanup_free_ char *known = NULL;

        (void) string_escape_to(name, false, shown, sizeof(shown));
        if (n_options == 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown option \"%s\"; this method knows none", shown);

        for (size_t i = 0; i < n_options; i++) {
                char *longer;

                if (asprintf(&longer, "%s%s\"%s\" (%s)", known ?: "", known ? ", " : "", options[i].name, option_types[options[i].type].signature) < 0)
                        return -ENOMEM;
                free(known);
                known = longer;
        }
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown option \"%s\"; known are %s", shown, known);
}

int options_read(sd_bus_message *m, const Option *options, size_t n_options, sd_bus_error *error) {
        uint64_t seen = 0;
        int r;

        assert(n_options <= 64);

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                const char *name;
                size_t i = 0;

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;

                while (i < n_options && !string_equal(options[i].name, name))
                        i++;
                if (i == n_options)
                        return refuse_unknown(name, options, n_options, error);
                if (seen & (UINT64_C(1) << i))
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "The option \"%s\" is given twice", name);
                seen |= UINT64_C(1) << i;

                r = option_read(m, &options[i], error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}
