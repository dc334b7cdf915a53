/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/strutil.h"
#include "policy/rules-parser.h"

#define ID_EXPECTED "four hexadecimal digits, such as \"8086\""
#define SUBSYSTEM_EXPECTED "a subsystem's vendor and device, such as \"1043:8672\" or \"1043:*\""
#define CLASS_EXPECTED "two to six hexadecimal digits that the class begins with, such as \"02*\" or \"0200\""
#define ADDRESS_EXPECTED \
        "an address in full, such as \"0000:02:00.0\", in which * and ? may stand for others, such as \"0000:02:*\""

/* Four digits; whether they are. */
static bool parse_id(const char *s, uint16_t *ret) {
        uint32_t value;

        if (strnlen(s, 5) != 4 || parse_u32(s, 16, &value) < 0)
                return false;
        *ret = (uint16_t) value;
        return true;
}

static void set_ids(PolicyMatch *match, uint16_t value, unsigned shift) {
        match->ids |= (uint64_t) value << shift;
        match->ids_mask |= (uint64_t) 0xffff << shift;
}

static int read_id(Parser *parser, const json_t *value, PolicyMatch *match, unsigned shift) {
        uint16_t id;

        if (!json_is_string(value) || !parse_id(json_string_value(value), &id))
                return parser_refuse(parser, value, ID_EXPECTED);
        set_ids(match, id, shift);
        return 0;
}

static int read_vendor(Parser *parser, const json_t *value, void *target) {
        return read_id(parser, value, target, 48);
}

static int read_device(Parser *parser, const json_t *value, void *target) {
        return read_id(parser, value, target, 32);
}

static int read_subsystem(Parser *parser, const json_t *value, void *target) {
        const char *text = json_string_value(value), *colon = text ? strchr(text, ':') : NULL;
        char vendor[5] = "";
        uint16_t id;

        if (!colon || colon - text > 4)
                return parser_refuse(parser, value, SUBSYSTEM_EXPECTED);
        memcpy(vendor, text, (size_t) (colon - text));
        if (parse_id(vendor, &id))
                set_ids(target, id, 16);
        else if (!string_equal(vendor, "*"))
                return parser_refuse(parser, value, SUBSYSTEM_EXPECTED);
        if (parse_id(colon + 1, &id))
                set_ids(target, id, 0);
        else if (!string_equal(colon + 1, "*"))
                return parser_refuse(parser, value, SUBSYSTEM_EXPECTED);
        return 0;
}

static int read_class(Parser *parser, const json_t *value, void *target) {
        PolicyMatch *match = target;
        char digits[7] = "";
        uint32_t class;
        size_t n;

        n = json_is_string(value) ? strcspn(json_string_value(value), "*") : 0;
        if (n < 2 || n > 6 || !(json_string_value(value)[n] == '\0' || string_equal(json_string_value(value) + n, "*")))
                return parser_refuse(parser, value, CLASS_EXPECTED);
        memcpy(digits, json_string_value(value), n);
        if (parse_u32(digits, 16, &class) < 0)
                return parser_refuse(parser, value, CLASS_EXPECTED);
        match->class = class << (24 - 4 * n);
        match->class_mask = 0xffffffU << (24 - 4 * n) & 0xffffffU;
        return 0;
}

/* Whether some address could match. */
static bool address_is_sound(const char *glob) {
        size_t domain = strcspn(glob, ":"), n = strlen(glob);

        if (n >= POLICY_TEXT_MAX || strspn(glob, "0123456789abcdefABCDEF:.*?") != n || n == 0)
                return false;
        if (memchr(glob, '*', domain))
                return true;
        return glob[domain] == ':' && domain >= 4;
}

static int read_address(Parser *parser, const json_t *value, void *target) {
        _cleanup_free_ char *text = NULL;
        PolicyMatch *match = target;
        PciAddress address;
        int r;

        if (json_is_string(value) && pci_address_parse(json_string_value(value), &address) >= 0)
                return glob_set(&match->address, PCI_ADDRESS_FORMAT(&address));
        if (!json_is_string(value) || !address_is_sound(json_string_value(value)))
                return parser_refuse(parser, value, ADDRESS_EXPECTED);
        r = string_copy(json_string_value(value), &text);
        if (r < 0)
                return r;
        for (char *p = text; *p; p++)
                if (*p >= 'A' && *p <= 'F')
                        *p = (char) (*p - 'A' + 'a');
        return glob_set(&match->address, text);
}

static int read_glob(Parser *parser, const json_t *value, size_t max, const char *expected, Glob *glob, bool *none) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (json_is_null(value)) {
                *none = true;
                return 0;
        }
        r = parser_read_text(parser, value, max, expected, &text);
        return r < 0 || !text ? r : glob_set(glob, text);
}

static int read_driver(Parser *parser, const json_t *value, void *target) {
        PolicyMatch *match = target;

        return read_glob(parser, value, POLICY_TEXT_MAX, "a driver's name, in which * and ? may stand for others, or null for none", &match->driver,
                         &match->no_driver);
}

static int read_label(Parser *parser, const json_t *value, void *target) {
        PolicyMatch *match = target;

        return read_glob(parser, value, LABEL_MAX, "a label, in which * and ? may stand for others, or null for none", &match->label, &match->no_label);
}

static int read_numa(Parser *parser, const json_t *value, void *target) {
        PolicyMatch *match = target;

        if (!json_is_integer(value) || json_integer_value(value) < -1 || json_integer_value(value) > 65535)
                return parser_refuse(parser, value, "the number of a NUMA node, or -1 for none");
        match->has_numa = true;
        match->numa = (int) json_integer_value(value);
        return 0;
}

static int read_sriov(Parser *parser, const json_t *value, void *target) {
        PolicyMatch *match = target;

        for (PolicySriov i = POLICY_SRIOV_PF; json_is_string(value) && i < _POLICY_SRIOV_MAX; i++)
                if (string_equal(policy_sriov_to_string(i), json_string_value(value))) {
                        match->sriov = i;
                        return 0;
                }
        return parser_refuse(parser, value, "\"pf\", \"vf\" or \"none\"");
}

/* The label comes last: what gives devices their labels cannot ask for it. */
static const Field match_fields[] = {
        { "address", read_address }, { "vendor", read_vendor }, { "device", read_device }, { "subsystem", read_subsystem }, { "class", read_class },
        { "driver", read_driver }, { "numa", read_numa }, { "sriov", read_sriov }, { "label", read_label },
};

int policy_match_read(Parser *parser, const json_t *value, void *target) {
        return parser_read_object(parser, value, match_fields, ELEMENTSOF(match_fields), target);
}

int policy_label_match_read(Parser *parser, const json_t *value, void *target) {
        return parser_read_object(parser, value, match_fields, ELEMENTSOF(match_fields) - 1, target);
}

/* A user or a group: a number, as such or in a text, or a name. */
static int read_account(Parser *parser, const json_t *value, int (*find)(const char *name, uint32_t *ret), const char *expected, PolicyAccount **list,
                        size_t *n) {
        PolicyAccount account = {}, *grown;
        int r;

        if (json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) < UINT32_MAX)
                account.id = (uint32_t) json_integer_value(value);
        else if (!json_is_string(value) || !string_is_printable(json_string_value(value), POLICY_TEXT_MAX))
                return parser_refuse(parser, value, expected);
        else if (parse_u32(json_string_value(value), 10, &account.id) < 0 || account.id == UINT32_MAX) {
                r = find ? find(json_string_value(value), &account.id) : -ENOENT;
                if (r < 0)
                        return r == -ENOMEM ? r : parser_refuse(parser, value, expected);
        }
        grown = reallocarray(*list, *n + 1, sizeof(PolicyAccount));
        if (!grown)
                return -ENOMEM;
        *list = grown;
        r = json_is_string(value) ? string_copy(json_string_value(value), &account.text) : string_format(&account.text, "%u", account.id);
        if (r < 0)
                return r;
        grown[(*n)++] = account;
        return 0;
}

static int read_user(Parser *parser, const json_t *value, void *target) {
        PolicyCallerMatch *match = target;

        return read_account(parser, value, parser->names->user, "a uid or the name of a user in /etc/passwd", &match->users, &match->n_users);
}

static int read_users(Parser *parser, const json_t *value, void *target) {
        return parser_read_array(parser, value, read_user, target);
}

static int read_group(Parser *parser, const json_t *value, void *target) {
        PolicyCallerMatch *match = target;

        return read_account(parser, value, parser->names->group, "a gid or the name of a group in /etc/group", &match->groups, &match->n_groups);
}

static int read_groups(Parser *parser, const json_t *value, void *target) {
        return parser_read_array(parser, value, read_group, target);
}

static int read_context(Parser *parser, const json_t *value, void *target) {
        return parser_read_text_item(parser, value, POLICY_TEXT_MAX, "an SELinux context, in which * and ? may stand for others",
                                     &((PolicyCallerMatch *) target)->selinux);
}

static int read_selinux(Parser *parser, const json_t *value, void *target) {
        return parser_read_array(parser, value, read_context, target);
}

static int read_owner(Parser *parser, const json_t *value, void *target) {
        return parser_read_text(parser, value, POLICY_TEXT_MAX, "an owner's name, in which * and ? may stand for others",
                                &((PolicyCallerMatch *) target)->owner);
}

int policy_caller_match_read(Parser *parser, const json_t *value, void *target) {
        static const Field fields[] = { { "users", read_users }, { "groups", read_groups }, { "selinux", read_selinux }, { "owner", read_owner } };

        return parser_read_object(parser, value, fields, ELEMENTSOF(fields), target);
}
