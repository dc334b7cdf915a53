/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/pci-address.h"
#include "base/strutil.h"
#include "cli/output.h"
#include "cli/shape.h"
#include "dbus/names.h"

/* What an object path is about. */
typedef struct Subject {
        const char *noun; /* "device", "group", "assignment", "operation"; NULL: something else */
        char name[PCI_ADDRESS_STRING_MAX + 16];
} Subject;

static bool path_is_below(const char *path, const char *prefix) {
        size_t n = strlen(prefix);

        return path && strncmp(path, prefix, n) == 0 && path[n] == '/';
}

static Subject subject_of(const char *path) {
        static const struct {
                const char *prefix;
                const char *noun;
        } prefixes[] = {
                { ASSIGND_GROUP_PREFIX,      "group" },
                { ASSIGND_ASSIGNMENT_PREFIX, "assignment" },
                { ASSIGND_OPERATION_PREFIX,  "operation" },
        };
        Subject subject = {};
        PciAddress address;
        uint64_t number;

        if (path_is_below(path, ASSIGND_DEVICE_PREFIX) && pci_address_parse_path(path_last(path), &address) >= 0) {
                subject.noun = "device";
                (void) pci_address_format(&address, subject.name);
        }
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (path_is_below(path, prefixes[i].prefix) && path_number(path, &number) >= 0) {
                        subject.noun = prefixes[i].noun;
                        (void) snprintf(subject.name, sizeof(subject.name), "%" PRIu64, number);
                }
        return subject;
}

static json_t *subject_to_json(const Subject *subject, const char *noun) {
        uint64_t number;

        if (!string_equal(subject->noun, noun))
                return json_null();
        return parse_u64(subject->name, 10, &number) >= 0 ? json_integer((json_int_t) number) : json_string(subject->name);
}

/* Takes `more` over. */
static int event_make(const char *event, const Subject *subject, json_t *more, json_t **ret, const char *format, ...) _printf_(5, 6);
static int event_make(const char *event, const Subject *subject, json_t *more, json_t **ret, const char *format, ...) {
        static const char *const nouns[] = { "device", "group", "assignment", "operation" };
        _cleanup_json_ json_t *object = NULL, *extra = more;
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }

        object = json_pack("{s:s, s:s}", "event", event, "text", text);
        for (size_t i = 0; i < ELEMENTSOF(nouns); i++)
                if (!object || json_object_set_new(object, nouns[i], subject_to_json(subject, nouns[i])) < 0)
                        return -ENOMEM;
        if (extra && json_object_update(object, extra) < 0)
                return -ENOMEM;

        *ret = TAKE_PTR(object);
        return 1;
}

/* AssignmentNew/Removed(o, s owner), OperationNew/Removed(o, s verb or state) */
static int lifetime_read(const char *member, const json_t *arguments, json_t **ret) {
        static const struct {
                const char *member;
                const char *event;
                const char *key;
                const char *text;
        } kinds[] = {
                { "AssignmentNew",     "assignment-new",     "owner", "begun for" },
                { "AssignmentRemoved", "assignment-removed", "owner", "given back by" },
                { "OperationNew",      "operation-new",      "verb",  "began:" },
                { "OperationRemoved",  "operation-removed",  "state", "ended:" },
        };
        Subject subject = subject_of(json_string_value(json_array_get(arguments, 0)));
        const char *word = json_string_value(json_array_get(arguments, 1));

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (string_equal(member, kinds[i].member) && subject.noun)
                        return event_make(kinds[i].event, &subject, json_pack("{s:o}", kinds[i].key, json_text_or_null(word)), ret,
                                          "%s %s %s %s", subject.noun, subject.name, kinds[i].text, word ?: "?");
        return 0;
}

/* Drift(s code, o group, o device, s detail) */
static int drift_read(const json_t *arguments, json_t **ret) {
        Subject group = subject_of(json_string_value(json_array_get(arguments, 1)));
        Subject device = subject_of(json_string_value(json_array_get(arguments, 2)));
        const char *code = json_string_value(json_array_get(arguments, 0)), *detail = json_string_value(json_array_get(arguments, 3));

        return event_make("drift", &group,
                          json_pack("{s:o, s:o, s:o}", "device", subject_to_json(&device, "device"), "code", json_text_or_null(code),
                                    "detail", json_text_or_null(detail)), ret,
                          "drift %s in group %s%s%s: %s", code ?: "?", group.noun ? group.name : "-", device.noun ? ", device " : "",
                          device.noun ? device.name : "", detail ?: "");
}

/* "/org/assignd1" InterfacesAdded(o, a{sa{sv}}), InterfacesRemoved(o, as); assignments and operations have signals of their own. */
static int presence_read(const char *member, const json_t *arguments, json_t **ret) {
        Subject subject = subject_of(json_string_value(json_array_get(arguments, 0)));
        bool added = string_equal(member, "InterfacesAdded");
        char event[32];

        if (!string_equal(subject.noun, "device") && !string_equal(subject.noun, "group"))
                return 0;
        (void) snprintf(event, sizeof(event), "%s-%s", subject.noun, added ? "added" : "removed");
        return event_make(event, &subject, NULL, ret, "%s %s %s", subject.noun, subject.name, added ? "appeared" : "is gone");
}

/* "state busy, owner vm:web1" */
static char *changes_text(const json_t *changes) {
        _cleanup_free_ char *text = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        const char *separator = "", *key;
        json_t *value;
        size_t size;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;
        json_object_foreach((json_t *) changes, key, value) {
                if (json_is_boolean(value))
                        (void) fprintf(f, "%s%s%s", separator, json_is_true(value) ? "" : "not ", key);
                else
                        (void) fprintf(f, "%s%s %s", separator, key, json_string_value(value) ?: "-");
                separator = ", ";
        }
        (void) fclose(TAKE_PTR(f));
        return TAKE_PTR(text);
}

/* PropertiesChanged(s interface, a{sv} changed, as invalidated) */
static int changes_read(const char *path, const json_t *arguments, json_t **ret) {
        static const struct {
                const char *property;
                const char *key;
        } watched[] = { { "State", "state" }, { "Viable", "viable" }, { "Owner", "owner" }, { "Driver", "driver" } };
        const json_t *properties = json_array_get(arguments, 1);
        _cleanup_json_ json_t *changes = json_object();
        _cleanup_free_ char *text = NULL;
        Subject subject = subject_of(path);
        char event[32];

        for (size_t i = 0; i < ELEMENTSOF(watched); i++) {
                json_t *value = json_object_get(properties, watched[i].property);

                if (!value)
                        continue;
                if (json_object_set_new(changes, watched[i].key, json_is_string(value) ? json_text_or_null(json_string_value(value)) : json_incref(value)) < 0)
                        return -ENOMEM;
        }
        if (!subject.noun || json_object_size(changes) == 0)
                return 0;

        text = changes_text(changes);
        (void) snprintf(event, sizeof(event), "%s-changed", subject.noun);
        return event_make(event, &subject, json_pack("{s:O}", "changes", changes), ret, "%s %s is now: %s", subject.noun, subject.name, text ?: "?");
}

/* NameOwnerChanged(s name, s old, s new) of assignd */
static int daemon_read(const json_t *arguments, json_t **ret) {
        const char *now = json_string_value(json_array_get(arguments, 2));
        bool started = now && *now;
        Subject none = {};

        return event_make(started ? "daemon-started" : "daemon-stopped", &none, NULL, ret, "assignd %s", started ? "has started" : "has stopped");
}

int event_read(sd_bus_message *m, json_t **ret) {
        const char *interface = sd_bus_message_get_interface(m), *member = sd_bus_message_get_member(m);
        _cleanup_json_ json_t *arguments = NULL;
        int r;

        r = json_read_all(m, &arguments);
        if (r < 0)
                return r;

        if (string_equal(member, "NameOwnerChanged"))
                return daemon_read(arguments, ret);
        if (string_equal(interface, "org.freedesktop.DBus.Properties"))
                return changes_read(sd_bus_message_get_path(m), arguments, ret);
        if (string_equal(interface, "org.freedesktop.DBus.ObjectManager"))
                return presence_read(member, arguments, ret);
        if (string_equal(interface, ASSIGND_MANAGER_INTERFACE))
                return string_equal(member, "Drift") ? drift_read(arguments, ret) : lifetime_read(member, arguments, ret);
        return 0;
}
