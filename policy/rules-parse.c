/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rules-parse.h"

#include <string.h>

#include "base/strutil.h"
#include "policy/json-position.h"
#include "policy/rules-parser.h"

#define SHOWN_MAX 64U

static int parser_error(Parser *parser, bool at_key, const char *found, const char *expected) {
        JsonPosition position = json_position_find(parser->text, parser->size, parser->path, parser->depth, at_key);

        return policy_error_list_add(parser->errors, parser->file, position.line, position.column, found, expected);
}

static int describe(const json_t *value, char **ret) {
        _cleanup_free_ char *shown = NULL;

        switch (json_typeof(value)) {
        case JSON_OBJECT:
                return string_copy(json_object_size(value) == 0 ? "an empty object" : "an object", ret);
        case JSON_ARRAY:
                return string_copy(json_array_size(value) == 0 ? "an empty array" : "an array", ret);
        case JSON_STRING:
                if (string_escape(json_string_value(value), SHOWN_MAX, &shown) < 0)
                        return -ENOMEM;
                return string_format(ret, "\"%s\"", shown);
        case JSON_INTEGER:
                return string_format(ret, "the number %" JSON_INTEGER_FORMAT, json_integer_value(value));
        case JSON_REAL:
                return string_format(ret, "the number %g", json_real_value(value));
        case JSON_TRUE:
                return string_copy("true", ret);
        case JSON_FALSE:
                return string_copy("false", ret);
        case JSON_NULL:
                return string_copy("null", ret);
        }
        return string_copy("something else", ret);
}

int parser_refuse(Parser *parser, const json_t *value, const char *expected) {
        _cleanup_free_ char *found = NULL;

        if (describe(value, &found) < 0)
                return -ENOMEM;
        return parser_error(parser, false, found, expected);
}

static const Field *field_find(const Field *fields, size_t n_fields, const char *key) {
        for (size_t i = 0; i < n_fields; i++)
                if (string_equal(fields[i].key, key))
                        return &fields[i];
        return NULL;
}

static int refuse_key(Parser *parser, const Field *fields, size_t n_fields, const char *key) {
        _cleanup_free_ char *shown = NULL, *found = NULL, *expected = NULL;
        size_t size;
        FILE *f;

        if (string_escape(key, SHOWN_MAX, &shown) < 0 || string_format(&found, "the key \"%s\"", shown) < 0)
                return -ENOMEM;
        f = open_memstream(&expected, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < n_fields; i++)
                fprintf(f, "%s\"%s\"", i == 0 ? "" : i + 1 == n_fields ? " or " : ", ", fields[i].key);
        if (fclose(f) != 0)
                return -ENOMEM;
        return parser_error(parser, true, found, expected);
}

static int check_required(Parser *parser, const json_t *object, const Field *fields, size_t n_fields) {
        for (size_t i = 0; i < n_fields; i++) {
                _cleanup_free_ char *found = NULL, *expected = NULL;
                int r;

                if (!fields[i].required || json_object_get(object, fields[i].key))
                        continue;
                if (string_format(&found, "an object without \"%s\"", fields[i].key) < 0 || string_format(&expected, "the key \"%s\"", fields[i].key) < 0)
                        return -ENOMEM;
                r = parser_error(parser, false, found, expected);
                if (r < 0)
                        return r;
        }
        return 0;
}

int parser_read_object(Parser *parser, const json_t *object, const Field *fields, size_t n_fields, void *target) {
        const char *key;
        json_t *value;
        size_t i = 0;
        int r;

        if (!json_is_object(object))
                return parser_refuse(parser, object, "an object ({...})");
        assert(parser->depth < PARSER_DEPTH_MAX);
        parser->depth++;
        json_object_foreach((json_t *) object, key, value) {
                const Field *field = field_find(fields, n_fields, key);

                parser->path[parser->depth - 1] = i++;
                r = field ? field->read(parser, value, target) : refuse_key(parser, fields, n_fields, key);
                if (r < 0)
                        return r;
        }
        parser->depth--;
        return check_required(parser, object, fields, n_fields);
}

int parser_read_array(Parser *parser, const json_t *array, int (*read)(Parser *parser, const json_t *value, void *target), void *target) {
        int r;

        if (!json_is_array(array))
                return parser_refuse(parser, array, "an array ([...])");
        assert(parser->depth < PARSER_DEPTH_MAX);
        parser->depth++;
        for (size_t i = 0; i < json_array_size(array); i++) {
                parser->path[parser->depth - 1] = i;
                r = read(parser, json_array_get(array, i), target);
                if (r < 0)
                        return r;
        }
        parser->depth--;
        return 0;
}

int parser_read_text(Parser *parser, const json_t *value, size_t max, const char *expected, char **ret) {
        if (!json_is_string(value) || !string_is_printable(json_string_value(value), max))
                return parser_refuse(parser, value, expected);
        return string_copy(json_string_value(value), ret);
}

int parser_read_text_item(Parser *parser, const json_t *value, size_t max, const char *expected, char ***list) {
        if (!json_is_string(value) || !string_is_printable(json_string_value(value), max))
                return parser_refuse(parser, value, expected);
        return strv_append(list, json_string_value(value));
}

static int read_version(Parser *parser, const json_t *value, void *target) {
        return json_is_integer(value) && json_integer_value(value) == 1 ? 0 : parser_refuse(parser, value, "the number 1, the only version there is");
}

static int read_rule_name(Parser *parser, const json_t *value, void *target) {
        return parser_read_text(parser, value, POLICY_TEXT_MAX, "a name of 1 to 256 bytes", &((PolicyRule *) target)->name);
}

static int read_rule_match(Parser *parser, const json_t *value, void *target) {
        return policy_match_read(parser, value, &((PolicyRule *) target)->match);
}

static int read_rule_caller(Parser *parser, const json_t *value, void *target) {
        return policy_caller_match_read(parser, value, &((PolicyRule *) target)->caller);
}

static int read_rule_verb(Parser *parser, const json_t *value, void *target) {
        Verb verb = verb_from_string(json_string_value(value));

        if (verb < 0 || !(POLICY_VERBS & 1U << verb))
                return parser_refuse(parser, value, "\"assign\", \"reserve\", \"open\", \"release\", \"unreserve\" or \"recover\"");
        ((PolicyRule *) target)->verbs |= 1U << verb;
        return 0;
}

static int read_rule_verbs(Parser *parser, const json_t *value, void *target) {
        PolicyRule *rule = target;

        if (json_is_array(value) && json_array_size(value) == 0)
                return parser_refuse(parser, value, "at least one verb; leave \"verbs\" out for all of them");
        rule->verbs = 0;
        return parser_read_array(parser, value, read_rule_verb, target);
}

static int read_rule_verdict(Parser *parser, const json_t *value, void *target) {
        PolicyVerdict verdict = policy_verdict_from_string(json_string_value(value));

        if (verdict < 0)
                return parser_refuse(parser, value, "\"allow\", \"deny\" or \"ask\"");
        ((PolicyRule *) target)->verdict = verdict;
        return 0;
}

static int read_label_match(Parser *parser, const json_t *value, void *target) {
        return policy_label_match_read(parser, value, &((PolicyLabel *) target)->match);
}

static int read_label_label(Parser *parser, const json_t *value, void *target) {
        return parser_read_text(parser, value, LABEL_MAX, "a label of 1 to 128 bytes", &((PolicyLabel *) target)->label);
}

static int read_claim_caller(Parser *parser, const json_t *value, void *target) {
        return policy_caller_match_read(parser, value, &((PolicyClaim *) target)->caller);
}

static int read_claim_glob(Parser *parser, const json_t *value, void *target) {
        return parser_read_text_item(parser, value, LABEL_MAX, "a label of 1 to 128 bytes, in which * and ? may stand for others",
                                     &((PolicyClaim *) target)->labels);
}

static int read_claim_labels(Parser *parser, const json_t *value, void *target) {
        return parser_read_array(parser, value, read_claim_glob, target);
}

static int read_claim_label(Parser *parser, const json_t *value, void *target) {
        return parser_read_text(parser, value, LABEL_MAX, "a label of 1 to 128 bytes", &((PolicyClaim *) target)->label);
}

static int read_demand_match(Parser *parser, const json_t *value, void *target) {
        return policy_match_read(parser, value, &((PolicyDemand *) target)->match);
}

static int read_demand_reason(Parser *parser, const json_t *value, void *target) {
        return parser_read_text(parser, value, POLICY_TEXT_MAX, "a reason of 1 to 256 bytes", &((PolicyDemand *) target)->reason);
}

/* A new entry at the end of one of the set's arrays, zeroed but for its origin. */
#define ENTRY_NEW(parser, array, count) \
        ({ \
                typeof(array) _grown = count < POLICY_ENTRIES_MAX ? reallocarray(array, count + 1, sizeof(*array)) : NULL; \
                if (_grown) { \
                        array = _grown; \
                        array[count] = (typeof(*array)) { .origin = { (parser)->file, (parser)->lines[(parser)->path[1]] } }; \
                        _grown = &array[count++]; \
                } \
                _grown; \
        })

static int read_rule(Parser *parser, const json_t *value, void *target) {
        static const Field fields[] = {
                { "name", read_rule_name }, { "match", read_rule_match }, { "caller", read_rule_caller },
                { "verbs", read_rule_verbs }, { "verdict", read_rule_verdict, true },
        };
        PolicyRule *rule = ENTRY_NEW(parser, parser->set->rules, parser->set->n_rules);

        if (!rule)
                return -ENOMEM;
        rule->verbs = POLICY_VERBS;
        rule->verdict = POLICY_DENY;
        return parser_read_object(parser, value, fields, ELEMENTSOF(fields), rule);
}

static int read_label(Parser *parser, const json_t *value, void *target) {
        static const Field fields[] = { { "match", read_label_match, true }, { "label", read_label_label, true } };
        PolicyLabel *label = ENTRY_NEW(parser, parser->set->labels, parser->set->n_labels);

        return label ? parser_read_object(parser, value, fields, ELEMENTSOF(fields), label) : -ENOMEM;
}

static int read_claim(Parser *parser, const json_t *value, void *target) {
        static const Field fields[] = { { "caller", read_claim_caller, true }, { "labels", read_claim_labels }, { "label", read_claim_label } };
        PolicyClaim *claim = ENTRY_NEW(parser, parser->set->claims, parser->set->n_claims);

        return claim ? parser_read_object(parser, value, fields, ELEMENTSOF(fields), claim) : -ENOMEM;
}

static int read_demand(Parser *parser, const json_t *value, PolicyDemand *demand) {
        static const Field fields[] = { { "match", read_demand_match, true }, { "reason", read_demand_reason, true } };

        return demand ? parser_read_object(parser, value, fields, ELEMENTSOF(fields), demand) : -ENOMEM;
}

static int read_protection(Parser *parser, const json_t *value, void *target) {
        return read_demand(parser, value, ENTRY_NEW(parser, parser->set->protections, parser->set->n_protections));
}

static int read_reset(Parser *parser, const json_t *value, void *target) {
        return read_demand(parser, value, ENTRY_NEW(parser, parser->set->resets, parser->set->n_resets));
}

static int read_section(Parser *parser, const json_t *value, int (*read)(Parser *parser, const json_t *value, void *target)) {
        _cleanup_free_ unsigned *lines = calloc(json_array_size(value) ?: 1, sizeof(unsigned));

        if (!lines)
                return -ENOMEM;
        json_position_lines(parser->text, parser->size, parser->path, parser->depth, lines, json_array_size(value));
        parser->lines = lines;
        return parser_read_array(parser, value, read, NULL);
}

static int read_rules(Parser *parser, const json_t *value, void *target) {
        return read_section(parser, value, read_rule);
}

static int read_labels(Parser *parser, const json_t *value, void *target) {
        return read_section(parser, value, read_label);
}

static int read_claims(Parser *parser, const json_t *value, void *target) {
        return read_section(parser, value, read_claim);
}

static int read_protections(Parser *parser, const json_t *value, void *target) {
        return read_section(parser, value, read_protection);
}

static int read_resets(Parser *parser, const json_t *value, void *target) {
        return read_section(parser, value, read_reset);
}

/* jansson says "']' expected near '}'", or what is wrong and near what. */
static int refuse_text(Parser *parser, const json_error_t *error) {
        static const char separator[] = " expected near ";
        size_t end = json_error_code(error) == json_error_premature_end_of_input ? parser->size + 1 : (size_t) error->position;
        JsonPosition position = json_position_of_token(parser->text, parser->size, end);
        _cleanup_free_ char *said = NULL, *expected = NULL;
        char *split;

        if (string_escape(error->text, JSON_ERROR_TEXT_LENGTH, &said) < 0)
                return -ENOMEM;
        split = strstr(said, separator);
        if (!split)
                return policy_error_list_add(parser->errors, parser->file, position.line, position.column, said, "valid JSON with each key once");
        *split = '\0';
        if (string_copy(said, &expected) < 0)
                return -ENOMEM;
        return policy_error_list_add(parser->errors, parser->file, position.line, position.column, split + strlen(separator), expected);
}

int policy_parse(const char *file, const char *text, size_t size, const PolicyNames *names, PolicySet *set, PolicyErrorList *errors) {
        static const PolicyNames no_names = {};
        static const Field fields[] = {
                { "version", read_version, true }, { "labels", read_labels }, { "claims", read_claims },
                { "rules", read_rules }, { "protect", read_protections },
                { "reset", read_resets },
        };
        Parser parser = { .text = text, .size = size, .names = names ?: &no_names, .set = set, .errors = errors };
        json_auto_t *root = NULL;
        json_error_t error;
        int r;

        if (size > POLICY_FILE_MAX)
                return policy_error_list_add(errors, file, 0, 0, "a file of more than 4 MiB", "a policy");
        r = strv_append(&set->files, file);
        if (r < 0)
                return r;
        parser.file = set->files[strv_length(set->files) - 1];
        root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
        if (!root && json_error_code(&error) == json_error_out_of_memory)
                return -ENOMEM;
        if (!root)
                return refuse_text(&parser, &error);
        return parser_read_object(&parser, root, fields, ELEMENTSOF(fields), NULL);
}
