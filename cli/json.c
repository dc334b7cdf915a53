/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/pci-address.h"
#include "base/strutil.h"

static json_t *number_to_json(uint64_t value) {
        char text[sizeof("18446744073709551615")];

        if (value <= INT64_MAX)
                return json_integer((json_int_t) value);

        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        return json_string(text);
}

static int basic_read(sd_bus_message *m, char type, json_t **ret) {
        union {
                const char *s;
                int boolean; /* sd-bus reads a boolean into an int */
                uint8_t y;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
        } v = {};
        json_t *value = NULL;
        int r;

        r = sd_bus_message_read_basic(m, type, &v);
        if (r < 0)
                return r;

        switch (type) {
        case SD_BUS_TYPE_STRING:
        case SD_BUS_TYPE_OBJECT_PATH:
        case SD_BUS_TYPE_SIGNATURE: value = json_string(v.s); break;
        case SD_BUS_TYPE_BOOLEAN:   value = json_boolean(v.boolean); break;
        case SD_BUS_TYPE_BYTE:      value = json_integer(v.y); break;
        case SD_BUS_TYPE_INT16:     value = json_integer(v.n); break;
        case SD_BUS_TYPE_UINT16:    value = json_integer(v.q); break;
        case SD_BUS_TYPE_INT32:     value = json_integer(v.i); break;
        case SD_BUS_TYPE_UINT32:    value = json_integer(v.u); break;
        case SD_BUS_TYPE_INT64:     value = json_integer(v.x); break;
        case SD_BUS_TYPE_UINT64:    value = number_to_json(v.t); break;
        case SD_BUS_TYPE_DOUBLE:    value = json_real(v.d); break;
        default:                    return -EBADMSG;
        }
        if (!value)
                return -ENOMEM;

        *ret = value;
        return 0;
}

static int entry_read(sd_bus_message *m, json_t *object) {
        json_t *value;
        const char *key;
        int r;

        r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &key);
        if (r < 0)
                return r;
        r = json_read_value(m, &value);
        if (r < 0)
                return r;
        return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static int dictionary_read(sd_bus_message *m, const char *contents, json_t **ret) {
        _cleanup_json_ json_t *object = json_object();
        char entry[256];
        int r;

        if (!object)
                return -ENOMEM;
        if (contents[1] != SD_BUS_TYPE_STRING || strlen(contents) >= sizeof(entry))
                return -EBADMSG;
        (void) snprintf(entry, sizeof(entry), "%.*s", (int) strlen(contents) - 2, contents + 1);

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, entry)) > 0) {
                r = entry_read(m, object);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(object);
        return sd_bus_message_exit_container(m);
}

/* What is left of the container that was entered. */
static int items_read(sd_bus_message *m, json_t **ret) {
        _cleanup_json_ json_t *array = json_array();
        int r;

        if (!array)
                return -ENOMEM;
        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                json_t *item;

                r = json_read_value(m, &item);
                if (r < 0)
                        return r;
                if (json_array_append_new(array, item) < 0)
                        return -ENOMEM;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(array);
        return 0;
}

static int container_read(sd_bus_message *m, char type, const char *contents, json_t **ret) {
        _cleanup_json_ json_t *value = NULL;
        int r;

        if (type == SD_BUS_TYPE_ARRAY && contents[0] == SD_BUS_TYPE_DICT_ENTRY_BEGIN)
                return dictionary_read(m, contents, ret);

        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        r = type == SD_BUS_TYPE_VARIANT ? json_read_value(m, &value) : items_read(m, &value);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(value);
        return 0;
}

int json_read_value(sd_bus_message *m, json_t **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -ENXIO;

        if (type == SD_BUS_TYPE_ARRAY || type == SD_BUS_TYPE_STRUCT || type == SD_BUS_TYPE_VARIANT)
                return container_read(m, type, contents, ret);
        return basic_read(m, type, ret);
}

int json_read_all(sd_bus_message *m, json_t **ret) {
        return items_read(m, ret);
}

const char *json_text(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key));
}

uint64_t json_number(const json_t *object, const char *key, uint64_t otherwise) {
        uint64_t value;

        return json_u64(json_object_get(object, key), &value) < 0 ? otherwise : value;
}

int json_u64(const json_t *value, uint64_t *ret) {
        if (json_is_string(value))
                return parse_u64(json_string_value(value), 10, ret);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return -EINVAL;

        *ret = (uint64_t) json_integer_value(value);
        return 0;
}

json_t *json_text_or_null(const char *s) {
        return s && *s ? json_string(s) : json_null();
}

static int sort_compare(const void *a, const void *b, void *compare) {
        return (*(json_compare_t *) compare)(*(json_t *const *) a, *(json_t *const *) b);
}

int json_sort(json_t *array, json_compare_t compare) {
        _cleanup_free_ json_t **items = NULL;
        size_t n = json_array_size(array);

        if (n < 2)
                return 0;
        items = calloc(n, sizeof(json_t *));
        if (!items)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++)
                items[i] = json_incref(json_array_get(array, i));
        qsort_r(items, n, sizeof(json_t *), sort_compare, &compare);
        for (size_t i = 0; i < n; i++)
                (void) json_array_set_new(array, i, items[i]);
        return 0;
}

static int text_compare(const char *a, const char *b) {
        PciAddress x, y;

        if (!a || !b)
                return (a != NULL) - (b != NULL);
        if (pci_address_parse(a, &x) >= 0 && pci_address_parse(b, &y) >= 0)
                return pci_address_compare(&x, &y);
        return strcmp(a, b);
}

int json_compare_item(const json_t *a, const json_t *b) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);

        if (json_is_integer(a) && json_is_integer(b))
                return (x > y) - (x < y);
        return text_compare(json_string_value(a), json_string_value(b));
}

int json_compare_group(const json_t *a, const json_t *b) {
        return json_compare_item(json_object_get(a, "group"), json_object_get(b, "group"));
}

int json_compare_address(const json_t *a, const json_t *b) {
        return json_compare_item(json_object_get(a, "address"), json_object_get(b, "address"));
}

int json_compare_blocker(const json_t *a, const json_t *b) {
        int c = json_compare_item(json_object_get(a, "device"), json_object_get(b, "device"));

        return c != 0 ? c : json_compare_item(json_object_get(a, "code"), json_object_get(b, "code"));
}
