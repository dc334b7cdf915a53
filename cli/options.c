/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/node-access.h"
#include "base/strutil.h"
#include "cli/when.h"

#define SHORT_OPTIONS ":hH:"

static const char *const backend_words[] = { "auto", "iommufd", "group" };

static const char *const open_words[_OPEN_MODE_MAX] = {
        [OPEN_AUTO] = "auto",
        [OPEN_ALWAYS] = "always",
        [OPEN_NEVER] = "never",
};

void options_done(Options *options) {
        strv_free(options->overrides);
        strv_free(options->arguments);
        *options = (Options) {};
}

/* Where "--" stands, or argc. */
static int separator_find(int argc, char *argv[]) {
        for (int i = 1; i < argc; i++)
                if (string_equal(argv[i], "--"))
                        return i;
        return argc;
}

int options_find_verb(int argc, char *argv[], const struct option *table) {
        opterr = 0;
        optind = 0; /* the GNU way to begin anew */
        while (getopt_long(argc, argv, "+" SHORT_OPTIONS, table, NULL) != -1)
                ;
        return optind;
}

bool options_want_json(int argc, char *argv[]) {
        int end = separator_find(argc, argv);

        for (int i = 1; i < end; i++)
                if (string_equal(argv[i], "--json"))
                        return true;
        return false;
}

static int text_set(const char **field, const char *option, const char *value, Failure *failure) {
        if (*value == '\0')
                return failure_usage(failure, "--%s needs a value that is not empty.", option);

        *field = value;
        return 0;
}

static int backend_set(Options *options, const char *value, Failure *failure) {
        if (string_table_find(backend_words, ELEMENTSOF(backend_words), value) < 0)
                return failure_usage(failure, "--backend is auto, iommufd or group, not '%s'.", value);

        options->backend = value;
        return 0;
}

static int open_set(Options *options, const char *value, Failure *failure) {
        int mode = string_table_find(open_words, _OPEN_MODE_MAX, value);

        if (mode < 0)
                return failure_usage(failure, "--open is auto, always or never, not '%s'.", value);

        options->open = (OpenMode) mode;
        return 0;
}

static int seconds_set(Options *options, const char *option, const char *value, Failure *failure) {
        uint32_t seconds;

        if (parse_u32(value, 10, &seconds) < 0)
                return failure_usage(failure, "--%s takes a whole number of seconds, not '%s'.", option, value);

        options->has_timeout = true;
        options->timeout_usec = seconds * USEC_PER_SEC;
        return 0;
}

static int limit_set(Options *options, const char *value, Failure *failure) {
        if (parse_u32(value, 10, &options->limit) < 0)
                return failure_usage(failure, "--limit takes a number of entries (0 for all), not '%s'.", value);

        options->has_limit = true;
        return 0;
}

static int when_set(uint64_t *field, const char *option, const char *value, Failure *failure) {
        if (when_parse(value, when_now(), field) < 0)
                return failure_usage(failure, "--%s takes a time like '2026-01-31 14:30', '14:30', 'yesterday', '-2h' or '@SECONDS', not '%s'.",
                                     option, value);
        return 0;
}

/* Names are of this host; numbers are of any. */
static int node_user_set(Options *options, const char *value, Failure *failure) {
        const struct passwd *entry;

        if (parse_u32(value, 10, &options->node_user) >= 0) {
                options->has_node_user = true;
                return 0;
        }
        entry = getpwnam(value);
        if (!entry)
                return failure_usage(failure, "--node-user takes the name or number of a user, and there is no '%s'.", value);
        options->has_node_user = true;
        options->node_user = entry->pw_uid;
        if (!options->has_node_group || options->node_group_is_users) {
                options->has_node_group = options->node_group_is_users = true;
                options->node_group = entry->pw_gid;
        }
        return 0;
}

static int node_group_set(Options *options, const char *value, Failure *failure) {
        const struct group *entry;

        options->has_node_group = true;
        options->node_group_is_users = false;
        if (parse_u32(value, 10, &options->node_group) >= 0)
                return 0;
        entry = getgrnam(value);
        if (!entry)
                return failure_usage(failure, "--node-group takes the name or number of a group, and there is no '%s'.", value);
        options->node_group = entry->gr_gid;
        return 0;
}

static int node_mode_set(Options *options, const char *value, Failure *failure) {
        if (parse_u32(value, 8, &options->node_mode) < 0 || (options->node_mode & ~NODE_MODE_ALLOWED) != 0)
                return failure_usage(failure, "--node-mode takes an octal mode of reading and writing by user and group, like 0660, not '%s'.", value);
        options->has_node_mode = true;
        return 0;
}

static int option_set(Options *options, OptionId id, const char *name, const char *value, Failure *failure) {
        switch (id) {
        case OPTION_HELP:      options->help = true; return 0;
        case OPTION_VERSION:   options->version = true; return 0;
        case OPTION_JSON:      options->json = true; return 0;
        case OPTION_NO_LEGEND: options->no_legend = true; return 0;
        case OPTION_DEVICES:   options->devices = true; return 0;
        case OPTION_ALL:       options->all = true; return 0;
        case OPTION_EXACT:     options->exact = true; return 0;
        case OPTION_LEASE:     options->lease = true; return 0;
        case OPTION_DRY_RUN:   options->dry_run = true; return 0;
        case OPTION_HOST:      return text_set(&options->host, name, value, failure);
        case OPTION_OWNER:     return text_set(&options->owner, name, value, failure);
        case OPTION_LABEL:     return text_set(&options->label, name, value, failure);
        case OPTION_DEVICE:    return text_set(&options->device, name, value, failure);
        case OPTION_VERB:      return text_set(&options->verb, name, value, failure);
        case OPTION_OUTCOME:   return text_set(&options->outcome, name, value, failure);
        case OPTION_OVERRIDE:  return strv_append(&options->overrides, value);
        case OPTION_CLEAR:     options->clear = true; return 0;
        case OPTION_USER:      return text_set(&options->user, name, value, failure);
        case OPTION_BACKEND:   return backend_set(options, value, failure);
        case OPTION_OPEN:      return open_set(options, value, failure);
        case OPTION_TIMEOUT:   return seconds_set(options, name, value, failure);
        case OPTION_LIMIT:     return limit_set(options, value, failure);
        case OPTION_NODE_USER:    return node_user_set(options, value, failure);
        case OPTION_NODE_GROUP:   return node_group_set(options, value, failure);
        case OPTION_NODE_MODE:    return node_mode_set(options, value, failure);
        case OPTION_NODE_CONTEXT: return text_set(&options->node_context, name, value, failure);
        case OPTION_SINCE:     return when_set(&options->since_usec, name, value, failure);
        case OPTION_UNTIL:     return when_set(&options->until_usec, name, value, failure);
        }
        return -EINVAL;
}

static const char *option_name(const struct option *table, int id) {
        for (; table->name; table++)
                if (table->val == id)
                        return table->name;
        return "?";
}

static int arguments_take(int argc, char *argv[], Options *options) {
        options->arguments = calloc(1, sizeof(char *));
        if (!options->arguments)
                return -ENOMEM;

        for (int i = optind; i < argc; i++) {
                int r = strv_append(&options->arguments, argv[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

int options_parse(int argc, char *argv[], int verb_index, const struct option *table, bool takes_command, Options *ret,
                  Failure *failure) {
        _cleanup_(options_done) Options options = {};
        int end, r;

        if (verb_index < argc) {
                memmove(&argv[verb_index], &argv[verb_index + 1], (size_t) (argc - verb_index) * sizeof(char *));
                argc--;
        }
        end = takes_command ? separator_find(argc, argv) : argc;
        options.command = end < argc ? &argv[end + 1] : NULL;

        opterr = 0;
        optind = 0;
        while ((r = getopt_long(end, argv, SHORT_OPTIONS, table, NULL)) != -1) {
                if (r == '?' && optopt > 0 && optopt < 0x100)
                        return failure_usage(failure, "Unknown option '-%c'.", optopt);
                if (r == '?')
                        return failure_usage(failure, "Unknown option '%s', or a value it does not take.", argv[optind - 1]);
                if (r == ':')
                        return failure_usage(failure, "--%s needs a value.", option_name(table, optopt));

                r = option_set(&options, (OptionId) r, option_name(table, r), optarg, failure);
                if (r < 0)
                        return r;
        }
        r = arguments_take(end, argv, &options);
        if (r < 0)
                return r;

        *ret = options;
        options = (Options) {};
        return 0;
}
