/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Everything that can be given on the command line, parsed and checked once. A verb lists which options it takes. */

#include <getopt.h>

#include "cli/failure.h"

typedef enum OptionId {
        OPTION_HELP = 'h',
        OPTION_HOST = 'H',
        OPTION_VERSION = 0x100,
        OPTION_JSON,
        OPTION_NO_LEGEND,
        OPTION_DEVICES,
        OPTION_ALL,
        OPTION_OWNER,
        OPTION_EXACT,
        OPTION_BACKEND,
        OPTION_LABEL,
        OPTION_OVERRIDE,
        OPTION_LEASE,
        OPTION_TIMEOUT,
        OPTION_OPEN,
        OPTION_DEVICE,
        OPTION_SINCE,
        OPTION_UNTIL,
        OPTION_VERB,
        OPTION_OUTCOME,
        OPTION_LIMIT,
        OPTION_CLEAR,
        OPTION_USER,
        OPTION_DRY_RUN,
        OPTION_NODE_USER,
        OPTION_NODE_GROUP,
        OPTION_NODE_MODE,
        OPTION_NODE_CONTEXT,
} OptionId;

/* A verb's table is { OPTIONS_ASSIGN, OPTIONS_COMMON }. */
#define OPTIONS_COMMON \
        { "help",      no_argument,       NULL, OPTION_HELP }, \
        { "version",   no_argument,       NULL, OPTION_VERSION }, \
        { "host",      required_argument, NULL, OPTION_HOST }, \
        { "json",      no_argument,       NULL, OPTION_JSON }, \
        { "no-legend", no_argument,       NULL, OPTION_NO_LEGEND }, \
        {}

/* How a request for devices is put, the same for plan, assign and run. */
#define OPTIONS_REQUEST \
        { "owner",     required_argument, NULL, OPTION_OWNER }, \
        { "exact",     no_argument,       NULL, OPTION_EXACT }, \
        { "backend",   required_argument, NULL, OPTION_BACKEND }, \
        { "label",     required_argument, NULL, OPTION_LABEL }, \
        { "override",  required_argument, NULL, OPTION_OVERRIDE }, \
        { "node-user",    required_argument, NULL, OPTION_NODE_USER }, \
        { "node-group",   required_argument, NULL, OPTION_NODE_GROUP }, \
        { "node-mode",    required_argument, NULL, OPTION_NODE_MODE }, \
        { "node-context", required_argument, NULL, OPTION_NODE_CONTEXT }

#define OPTIONS_NODE_HELP \
        "      --node-user=USER    Who may open the VFIO nodes (name or uid); who is not root gets them anyway\n" \
        "      --node-group=GROUP  Their group (name or gid; the user's)\n" \
        "      --node-mode=MODE    Their mode, in octal: reading and writing, not for others (0600)\n" \
        "      --node-context=CONTEXT  Their SELinux context\n"

#define OPTIONS_COMMON_HELP \
        "\n" \
        "Everywhere:\n" \
        "  -H, --host=[USER@]HOST  Talk to the assignd of another host, over ssh\n" \
        "      --json              Print one JSON object\n" \
        "      --no-legend         Print no column titles and no hints\n" \
        "  -h, --help              Show this help\n" \
        "      --version           Show the version\n"

typedef enum OpenMode {
        OPEN_AUTO,
        OPEN_ALWAYS,
        OPEN_NEVER,
        _OPEN_MODE_MAX,
} OpenMode;

/* Texts are borrowed from argv. */
typedef struct Options {
        bool help;
        bool version;
        const char *host;
        bool json;
        bool no_legend;
        bool devices;
        bool all;
        const char *owner;
        bool exact;
        const char *backend; /* "auto", "iommufd" or "group"; NULL: not given */
        const char *label;
        char **overrides;
        bool lease;
        bool dry_run;
        bool has_timeout;
        uint64_t timeout_usec;
        OpenMode open;
        const char *device; /* audit filters */
        uint64_t since_usec; /* 0: not given */
        uint64_t until_usec; /* 0: not given */
        const char *verb;
        const char *outcome;
        bool clear;
        const char *user;
        bool has_node_user, has_node_group, has_node_mode;
        uint32_t node_user, node_group, node_mode;
        bool node_group_is_users; /* nobody has named one */
        const char *node_context; /* NULL: not given */
        bool has_limit;
        uint32_t limit;
        char **arguments; /* what is no option, behind the verb; NULL-terminated */
        char **command;   /* what stands behind "--"; NULL: no "--" was given */
} Options;

void options_done(Options *options);

/* The index in argv of the first argument that is no option, going by `table`; argc if there is none. */
int options_find_verb(int argc, char *argv[], const struct option *table);

/* Whether --json is there before "--": for errors that come before parsing has ended. */
bool options_want_json(int argc, char *argv[]);

/* Parses argv[1...] where `verb_index` (argc: none) is left out; with takes_command, what stands
 * behind "--" is a command, not arguments. argv is reordered. Returns 0, -ECANCELED with *failure set to a
 * sentence that names the option, or -ENOMEM. */
int options_parse(int argc, char *argv[], int verb_index, const struct option *table, bool takes_command, Options *ret,
                  Failure *failure);
