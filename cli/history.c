/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/history.h"

#include <inttypes.h>

#include "base/strutil.h"
#include "cli/output.h"
#include "cli/shape.h"
#include "cli/table.h"
#include "dbus/names.h"

#define PAGE_MAX 1000U /* what one call gives at most */

static int filter_append(sd_bus_message *m, const HistoryFilter *filter, bool newest_first) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = client_append_text_option(m, "device", filter->device);
        if (r >= 0)
                r = client_append_text_option(m, "owner", filter->owner);
        if (r >= 0)
                r = client_append_text_option(m, "verb", filter->verb);
        if (r >= 0)
                r = client_append_text_option(m, "outcome", filter->outcome);
        if (r >= 0 && filter->since_usec > 0)
                r = client_append_u64_option(m, "since_usec", filter->since_usec);
        if (r >= 0 && filter->until_usec > 0)
                r = client_append_u64_option(m, "until_usec", filter->until_usec);
        if (r >= 0)
                r = client_append_flag_option(m, "newest_first", newest_first);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* One page as the bus has it: an array of [id, entry]. */
static int page_get(Cli *cli, const HistoryFilter *filter, uint64_t after, bool newest_first, uint32_t max, json_t **ret) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = client_call_new(cli, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "ListAudit", &m);
        if (r < 0)
                return r;

        r = sd_bus_message_append(m, "t", after);
        if (r >= 0)
                r = filter_append(m, filter, newest_first);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", max);
        r = client_send(cli, m, r, 0, "a(ta{sv})", &reply);
        if (r < 0)
                return r;

        r = json_read_value(reply, ret);
        return r < 0 ? client_error(cli, r, "The audit trail cannot be read") : 0;
}

/* Appends the page's entries, and drops the oldest ones above `limit` (0: none). */
static int page_take(const json_t *page, json_t *entries, uint32_t limit, uint64_t *last) {
        const json_t *item;
        size_t i;

        json_array_foreach(page, i, item) {
                uint64_t id = 0;

                (void) json_u64(json_array_get(item, 0), &id);
                if (json_array_append_new(entries, shape_audit_entry(id, json_array_get(item, 1))) < 0)
                        return -ENOMEM;
                if (limit > 0 && json_array_size(entries) > limit)
                        (void) json_array_remove(entries, 0);
                if (id > *last)
                        *last = id;
        }
        return 0;
}

static int id_compare(const json_t *a, const json_t *b) {
        return json_compare_item(json_object_get(a, "id"), json_object_get(b, "id"));
}

int history_list(Cli *cli, const HistoryFilter *filter, uint32_t limit, json_t **ret) {
        _cleanup_json_ json_t *entries = json_array();
        bool one_page = limit > 0 && limit <= PAGE_MAX;
        uint64_t last = 0;
        int r;

        if (!entries)
                return -ENOMEM;

        for (size_t n = PAGE_MAX; n == PAGE_MAX;) {
                _cleanup_json_ json_t *page = NULL;

                r = page_get(cli, filter, last, one_page, one_page ? limit : PAGE_MAX, &page);
                if (r < 0)
                        return r;
                r = page_take(page, entries, limit, &last);
                if (r < 0)
                        return r;
                n = one_page ? 0 : json_array_size(page);
        }
        r = json_sort(entries, id_compare);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(entries);
        return 0;
}

static int entry_add(Table *table, const json_t *entry) {
        const json_t *blockers = json_object_get(entry, "blockers");
        _cleanup_free_ char *devices = NULL, *codes = NULL;
        char id[24], time[OUTPUT_TIME_MAX], uid[16];
        const json_t *list = json_object_get(entry, "devices");
        const char *outcome = json_text(entry, "outcome");
        int r;

        if (json_array_size(list) == 0)
                list = json_object_get(entry, "targets");
        devices = output_join(list);
        if (json_array_size(blockers) > 0)
                codes = output_blocker_codes(blockers);
        (void) snprintf(id, sizeof(id), "%" PRIu64, json_number(entry, "id", 0));
        (void) snprintf(uid, sizeof(uid), "%" PRIu64, json_number(entry, "uid", 0));
        r = table_add_cells(table, id, output_time(json_number(entry, "at_usec", 0), time), json_text(entry, "verb"),
                            json_text(entry, "owner"), uid, outcome, devices, codes ?: json_text(entry, "message"));
        if (r >= 0 && outcome)
                table_paint(table, 5, string_equal(outcome, "done") ? COLOR_NONE : COLOR_NOTE);
        return r;
}

int history_print(Cli *cli, const json_t *entries) {
        static const Column columns[] = {
                { "ID", true }, { "TIME" }, { "VERB" }, { "OWNER" }, { "UID", true }, { "OUTCOME" }, { "DEVICES" }, { "REASON" },
        };
        _cleanup_table_ Table *table = NULL;
        const json_t *entry;
        size_t i;
        int r;

        r = table_new(columns, ELEMENTSOF(columns), &table);
        if (r < 0)
                return r;
        json_array_foreach(entries, i, entry) {
                r = entry_add(table, entry);
                if (r < 0)
                        return r;
        }

        table_print(table, stdout, !cli->options.no_legend, cli->color);
        return 0;
}
