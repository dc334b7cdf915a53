/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <string.h>

#include "base/strutil.h"
#include "dbus/bus-manager.h"
#include "dbus/encode.h"
#include "dbus/errors.h"
#include "dbus/options.h"

#define ROWS_MAX 1000U

/* The system bus carries 32 MiB in a message; a reply that grows past this has fewer rows than were asked for. */
#define REPLY_SIZE_MAX (8U * 1024 * 1024)

static inline void json_decrefp_(json_t **json) {
        json_decref(*json);
}

/* What rows hold as JSON. NULL, and an unreadable text (written by somebody else), are an empty array. */
static json_t *array_parse(const char *text) {
        json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

        if (json_is_array(json))
                return json;
        json_decref(json);
        return NULL;
}

static int encode_json_texts(sd_bus_message *m, const char *key, const char *text) {
        _cleanup_(json_decrefp_) json_t *array = array_parse(text);
        json_t *item;
        size_t i;
        int r;

        r = encode_entry_open(m, key, "as");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return r;
        json_array_foreach(array, i, item) {
                r = encode_text(m, json_string_value(item));
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

static int encode_json_numbers(sd_bus_message *m, const char *key, const char *text) {
        _cleanup_(json_decrefp_) json_t *array = array_parse(text);
        json_t *item;
        size_t i;
        int r;

        r = encode_entry_open(m, key, "au");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "u");
        if (r < 0)
                return r;
        json_array_foreach(array, i, item) {
                r = sd_bus_message_append_basic(m, 'u', &(uint32_t){ (uint32_t) json_integer_value(item) });
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

static int append_json_blocker(sd_bus_message *m, const json_t *blocker) {
        const json_t *group = json_object_get(blocker, "group");
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = encode_string(m, "code", json_string_value(json_object_get(blocker, "code")));
        if (r < 0)
                return r;
        r = encode_string(m, "device", json_string_value(json_object_get(blocker, "device")));
        if (r < 0)
                return r;
        if (json_is_integer(group)) {
                r = encode_u32(m, "group", (uint32_t) json_integer_value(group));
                if (r < 0)
                        return r;
        }
        r = encode_string(m, "detail", json_string_value(json_object_get(blocker, "detail")));
        if (r >= 0)
                r = encode_bool(m, "overridden", json_is_true(json_object_get(blocker, "overridden")));
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int encode_json_blockers(sd_bus_message *m, const char *key, const char *text) {
        _cleanup_(json_decrefp_) json_t *array = array_parse(text);
        json_t *item;
        size_t i;
        int r;

        r = encode_entry_open(m, key, "aa{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
        if (r < 0)
                return r;
        json_array_foreach(array, i, item) {
                r = append_json_blocker(m, item);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return encode_entry_close(m);
}

static int append_texts(sd_bus_message *m, const DbAudit *row) {
        const char *const texts[][2] = {
                { "verb", row->verb },       { "owner", row->owner }, { "caller", row->caller_name },
                { "outcome", row->outcome }, { "error", row->error }, { "message", row->message },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int r = encode_string(m, texts[i][0], texts[i][1]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_lists(sd_bus_message *m, const DbAudit *row) {
        int r;

        r = encode_json_texts(m, "targets", row->targets);
        if (r < 0)
                return r;
        r = encode_json_texts(m, "devices", row->devices);
        if (r < 0)
                return r;
        r = encode_json_numbers(m, "groups", row->groups);
        if (r < 0)
                return r;
        return encode_json_blockers(m, "blockers", row->blockers);
}

static int append_numbers(sd_bus_message *m, const DbAudit *row) {
        int r;

        r = encode_u64(m, "at_usec", row->at_usec);
        if (r < 0)
                return r;
        r = encode_u32(m, "uid", (uint32_t) row->caller_uid);
        if (r < 0)
                return r;
        r = encode_u32(m, "pid", (uint32_t) row->caller_pid);
        if (r < 0)
                return r;
        r = encode_u64(m, "operation", (uint64_t) row->operation);
        if (r < 0)
                return r;
        return encode_u64(m, "assignment", (uint64_t) row->assignment);
}

/* (ta{sv}) */
static int append_row(sd_bus_message *m, const DbAudit *row) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, "ta{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, 't', &(uint64_t){ (uint64_t) row->id });
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        r = append_numbers(m, row);
        if (r < 0)
                return r;
        r = append_texts(m, row);
        if (r < 0)
                return r;
        r = append_lists(m, row);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

typedef struct Page {
        sd_bus_message *message;
        size_t size; /* about */
} Page;

static size_t text_size(const char *text) {
        return text ? strlen(text) : 0;
}

static int on_row(const DbAudit *row, void *userdata) {
        Page *page = userdata;

        /* Lists of words take up to four times their JSON text, entries and row some 512 bytes. */
        page->size += 512 + text_size(row->message) +
                      4 * (text_size(row->targets) + text_size(row->devices) + text_size(row->groups) + text_size(row->blockers));
        if (page->size > REPLY_SIZE_MAX)
                return -E2BIG;
        return append_row(page->message, row);
}

typedef struct Query {
        uint64_t after;
        bool newest_first;
        DbAuditFilter filter;
        uint32_t max;
} Query;

static int query_read(sd_bus_message *m, Query *ret, sd_bus_error *error) {
        Query query = {};
        const Option options[] = {
                { "device", OPTION_STRING, &query.filter.device },
                { "owner", OPTION_STRING, &query.filter.owner },
                { "verb", OPTION_STRING, &query.filter.verb },
                { "outcome", OPTION_STRING, &query.filter.outcome },
                { "since_usec", OPTION_U64, &query.filter.since_usec },
                { "until_usec", OPTION_U64, &query.filter.until_usec },
                { "newest_first", OPTION_BOOL, &query.newest_first },
        };
        int r;

        r = sd_bus_message_read(m, "t", &query.after);
        if (r < 0)
                return r;
        r = options_read(m, options, ELEMENTSOF(options), error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "u", &query.max);
        if (r < 0)
                return r;

        if (query.max > ROWS_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%" PRIu32 " rows are too many for one call; at most %u are allowed", query.max,
                                         ROWS_MAX);
        if (query.after > INT64_MAX || query.filter.since_usec > INT64_MAX || query.filter.until_usec > INT64_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Row numbers and times must be below 2^63");
        *ret = query;
        return 0;
}

/* The filter's device in the form that rows have. Returns 0, 1 after refusing the call, or a negative errno. */
static int query_canonicalize(sd_bus_message *m, Query *query, char buffer[static PCI_ADDRESS_STRING_MAX]) {
        PciAddress address;

        if (!query->filter.device)
                return 0;
        if (pci_address_parse(query->filter.device, &address) < 0)
                return error_reply(m, REFUSAL_INVALID_TARGET, "The filter's device is not a PCI address (such as 0000:02:00.0 or 02:00.0)");
        query->filter.device = pci_address_format(&address, buffer);
        return 0;
}

int method_list_audit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Bus *bus = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char buffer[PCI_ADDRESS_STRING_MAX];
        Query query = {};
        Page page = {};
        int r;

        r = query_read(m, &query, error);
        if (r < 0)
                return r;
        r = query_canonicalize(m, &query, buffer);
        if (r != 0)
                return r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(ta{sv})");
        if (r < 0)
                return r;
        page.message = reply;
        r = db_audit_foreach(bus->manager->db, (int64_t) query.after, &query.filter, query.max > 0 ? query.max : ROWS_MAX, query.newest_first, on_row,
                             &page);
        if (r < 0 && r != -E2BIG)
                return error_reply_errno(m, r, "The trail cannot be read");
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

int method_export_audit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Bus *bus = userdata;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = options_read(m, NULL, 0, error);
        if (r < 0)
                return r;
        r = db_export(bus->manager->db, &fd);
        if (r < 0)
                return error_reply_errno(m, r, "The database cannot be copied");
        return sd_bus_reply_method_return(m, "h", fd);
}
